"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["whole_file"]


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
