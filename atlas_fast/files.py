"""Files that are read in bounds, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["read_file", "whole_file"]


def read_file(path: str | Path, most: int) -> bytes:
    """The bytes of a regular file that has at most `most` of them. OSError also for what is none,
    such as a pipe or a device: reading it might not begin, or not end."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            raw = file.read(most + 1)
    finally:
        os.close(handle)
    if len(raw) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
    return raw


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write to. It is written aside, and takes its name when it is whole and on disk; an
    exception leaves what was there. Links are followed; a device or a pipe is written to, never
    replaced. OSError has the path that was given.
    """
    try:
        with _opened(Path(os.path.realpath(path))) as sink:
            yield sink
    except OSError as error:  # which may name the file aside, or none
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path.exists() and not path.is_file():
        with path.open("wb") as sink:
            yield sink
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("xb") as sink:
            if path.exists():
                os.fchmod(sink.fileno(), stat.S_IMODE(path.stat().st_mode))
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
