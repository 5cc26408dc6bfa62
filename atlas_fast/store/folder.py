"""Files of a store that is a folder: whole or not there, one writer, ours or refused."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any

import orjson

from atlas_fast.errors import StoreError

__all__ = ["check_folder", "lock", "number_of", "part_files", "put", "read_json", "remove_asides"]

LAYOUT = 1
HEAD = "_atlas_fast.json"
"""The file that makes a folder ours; it says the layout."""


def check_folder(path: Path, make: bool) -> None:
    """StoreError for what is no store of ours; an empty folder becomes one."""
    if not path.is_dir():
        state = (
            "is a file; a Parquet store is a folder" if path.exists() else "there is no such store"
        )
        raise StoreError(f"{path}: {state}")
    head = path / HEAD
    if not head.exists():
        if make and set(os.listdir(path)) <= {"_lock", "_runs", "_pruned"}:
            return
        raise StoreError(f"{path}: is not a store of atlas_fast and was left as it is")
    layout = read_json(head).get("layout")
    if layout != LAYOUT:
        raise StoreError(f"{path}: has layout {layout}; this version of atlas_fast knows {LAYOUT}")


def lock(path: Path, seconds: float) -> int:
    """Wait for the lock; the kernel lets it go when its holder ends, however that is."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(handle)
                raise StoreError(
                    f"{path.parent}: locked by another program for more than {seconds:g} s"
                ) from None
            time.sleep(0.05)


def part_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def number_of(path: Path) -> int:
    return int(path.stem.removeprefix("part-"))


def read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise StoreError(f"{path}: is damaged: {error}") from error
    return found


def put(path: Path, data: Any) -> None:
    """A file whole or not at all, and on disk: written aside, synced, renamed, folder synced."""
    aside = path.with_name(f".{path.name}.tmp")
    with aside.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_asides(folder: Path) -> None:
    for path in folder.rglob(".*.tmp"):
        path.unlink()
