"""Files that a verb writes: never over what it reads, nor over a database."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from atlas_fast.errors import UsageError

__all__ = ["check_output"]

SQLITE = b"SQLite format 3\0"


def check_output(path: str | Path | None, *inputs: str | Path) -> None:
    """Raises UsageError when `path` is one of the inputs, or an SQLite database."""
    if path is None or not os.path.isfile(path):
        return
    for one in _files(inputs):
        if os.path.exists(one) and os.path.samefile(path, one):
            raise UsageError(f"{path}: is read by this command, and would be overwritten")
    with open(path, "rb") as file:
        if file.read(len(SQLITE)) == SQLITE:
            raise UsageError(f"{path}: is a database; name another file")


def _files(inputs: Iterable[str | Path]) -> Iterable[str]:
    """The paths behind names such as `mbox:PATH`; those of files inside a folder are not listed."""
    for one in map(str, inputs):
        yield one
        yield one.partition(":")[2] or one
