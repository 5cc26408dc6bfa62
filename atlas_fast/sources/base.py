"""What a source is, and files read into batches."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np

from atlas_fast import limits
from atlas_fast.batch import Batch
from atlas_fast.flags import Flag


class Source(Protocol):
    """Where messages come from.

    `identity` names the source the same way in every run. `problems` lists what could not be read
    so far, a line each. `batches` starts behind the mark `after`, in a stable order.

    A source that can tell cheaply whether it has changed also has `state() -> str`: as long as the
    text is the same, everything up to a mark is what it was, and a run may start there. It is asked
    before reading begins, and is empty while nothing is certain.

    A source that can leave bodies unread has an attribute `headers_only`, which a pipeline sets;
    its messages then have their header sections at least, up to limits.MAX_HEADER_BYTES.

    A source that gives its batches keys of their own in which the content has no part says so with
    `content_in_keys = False`: what is stored of it stays, whichever way it is read again.
    """

    identity: str
    problems: list[str]

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]: ...

    def estimate(self) -> int | None:
        """Bytes that the whole source has, or None when that is not known."""


class _Room:
    """Files of one batch while they are read, and where each lies."""

    def __init__(self, size: int):
        self.raw = np.empty(size, np.uint8)
        self.view = memoryview(self.raw)
        self.used = 0
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.places: list[str] = []
        self.cut: list[int] = []

    def reserve(self, size: int) -> None:
        """Make room for `size` bytes behind those used."""
        if self.used + size > len(self.raw):
            grown = np.empty(max(self.used + size, 2 * len(self.raw)), np.uint8)
            grown[: self.used] = self.raw[: self.used]
            self.raw, self.view = grown, memoryview(grown)

    def add(self, place: str, size: int) -> None:
        self.starts.append(self.used)
        self.used += size
        self.stops.append(self.used)
        self.places.append(place)

    def batch(self, source: str) -> Batch:
        batch = Batch(
            self.raw[: self.used],
            np.array(self.starts, np.int64),
            np.array(self.stops, np.int64),
            source=source,
            places=self.places,
            mark=self.places[-1],
        )
        batch.flags[self.cut] |= np.uint32(Flag.MSG_CUT)
        return batch


SMALL = 1 << 16
"""Bytes that the first read of a file asks for: most messages come with one call."""

Again = Callable[[str], str | None]
"""From the place of a message that is gone to the path where it lies now, if that is known."""

HEAD = 1 << 13
"""Bytes that the first read of a file asks for where bodies are left aside."""

_BLANK_LINE = re.compile(rb"\n\r?\n")

READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class FileReader:
    """Reads regular files, one message each, into batches.

    `paths` gives (place, path) in order. A file that cannot be read becomes a line of `problems`;
    one above limits.MAX_MESSAGE_BYTES is cut there (Flag.MSG_CUT). One that is gone is looked for
    with `again` first. `headers_only`: files are read up to the first empty line or a little more.
    """

    def __init__(
        self,
        identity: str,
        problems: list[str],
        again: Again | None = None,
        headers_only: bool = False,
    ):
        self.identity = identity
        self.problems = problems
        self._again = again
        self._first = HEAD if headers_only else SMALL
        self._cap = limits.MAX_HEADER_BYTES if headers_only else limits.MAX_MESSAGE_BYTES

    def batches(
        self, paths: Iterable[tuple[str, str]], max_messages: int, max_bytes: int
    ) -> Iterator[Batch]:
        fresh = min(max_bytes, 1 << 24) + SMALL
        room = _Room(fresh)
        for place, path in paths:
            if len(room.places) >= max_messages or room.used >= max_bytes:
                yield room.batch(self.identity)
                room = _Room(fresh)
            try:
                handle = self._open(place, path)
            except OSError as error:
                self._problem(place, error)
                continue
            try:
                first = self._first
                room.reserve(first)
                head = room.view[room.used : room.used + first]
                got = os.readv(handle, (head,))
                if got == first:
                    size = os.fstat(handle).st_size
                    wanted = min(size, self._cap)
                    if first == HEAD and _BLANK_LINE.search(head):
                        wanted = first
                    elif room.places and room.used + wanted > max_bytes:
                        yield room.batch(self.identity)
                        room = _Room(fresh)
                    got = first if wanted == first else _read_large(handle, room, wanted)
                    if size > wanted:
                        room.cut.append(len(room.places))
                room.add(place, got)
            except OSError as error:
                self._problem(place, error)
            finally:
                os.close(handle)
        if room.places:
            yield room.batch(self.identity)

    def _open(self, place: str, path: str) -> int:
        try:
            return os.open(path, READ_FLAGS)
        except FileNotFoundError:
            moved = self._again(place) if self._again is not None else None
            if moved is None:
                raise
            return os.open(moved, READ_FLAGS)

    def _problem(self, place: str, error: OSError) -> None:
        self.problems.append(f"{place}: {error.strerror or error}")


def _read_large(handle: int, room: _Room, size: int) -> int:
    """Read a file from its start; one that shrank meanwhile gives less."""
    room.reserve(size)
    got = 0
    while got < size:
        n = os.preadv(handle, [room.view[room.used + got : room.used + size]], got)
        if n == 0:
            break
        got += n
    return got


SETTLED_NS = 2_000_000_000
"""Age of a file's last change from which a later change is sure to have another time."""


def file_state(path: str) -> str:
    """Device, inode, size and times of a file; empty when it is gone or changed just now."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < SETTLED_NS:
        return ""
    parts = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return ":".join(map(str, parts))


def is_regular(entry: os.DirEntry[str]) -> bool:
    """Is it a file, or a link to one? A link to itself is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Is it a folder, and no link to one?"""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def file_size(path: str) -> int | None:
    """Bytes of a file; None when it is gone."""
    try:
        return os.path.getsize(path)
    except OSError:
        return None
