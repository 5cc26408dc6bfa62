"""What a source is, and files read into batches."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from atlas_fast import limits
from atlas_fast.batch import Batch
from atlas_fast.flags import Flag


class Source(Protocol):
    """Where messages come from.

    `identity` names the source the same way in every run. `problems` lists what could not be read
    so far, a line each. `batches` starts behind the mark `after`, in a stable order.
    """

    identity: str
    problems: list[str]

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]: ...

    def estimate(self) -> int | None:
        """Bytes that the whole source has, or None when that is not known."""


class _Room:
    """The buffer of one batch while files are read into it."""

    def __init__(self, size: int):
        self.raw = np.empty(size, np.uint8)
        self.view = memoryview(self.raw)
        self.used = 0

    def reserve(self, size: int) -> None:
        if self.used + size > len(self.raw):
            grown = np.empty(max(self.used + size, 2 * len(self.raw)), np.uint8)
            grown[: self.used] = self.raw[: self.used]
            self.raw, self.view = grown, memoryview(grown)


class FileReader:
    """Reads files, one message each, into batches.

    `paths` gives (place, path) in order. A file that cannot be read, or is no regular file, becomes
    a line of `problems`. A file above limits.MAX_MESSAGE_BYTES is cut there (Flag.MSG_CUT).
    """

    def __init__(self, identity: str, problems: list[str], *, mark_of_place: bool = True):
        self.identity = identity
        self.problems = problems
        self.mark_of_place = mark_of_place

    def batches(
        self, paths: Iterable[tuple[str, str]], max_messages: int, max_bytes: int
    ) -> Iterator[Batch]:
        room = _Room(min(max_bytes, 1 << 22))
        starts: list[int] = []
        stops: list[int] = []
        places: list[str] = []
        cut: list[int] = []

        def finish() -> Batch:
            batch = Batch(
                room.raw[: room.used],
                np.array(starts, np.int64),
                np.array(stops, np.int64),
                source=self.identity,
                places=places,
                mark=places[-1],
            )
            batch.flags[cut] |= np.uint32(Flag.MSG_CUT)
            return batch

        for place, path in paths:
            try:
                handle, size = _open_file(path)
            except OSError as error:
                self.problems.append(f"{place}: {error.strerror or error}")
                continue
            try:
                wanted = min(size, limits.MAX_MESSAGE_BYTES)
                if places and room.used + wanted > max_bytes:
                    yield finish()
                    room = _Room(max(wanted, min(max_bytes, 1 << 22)))
                    starts, stops, places, cut = [], [], [], []
                got = _read(handle, room, wanted)
            except OSError as error:
                self.problems.append(f"{place}: {error.strerror or error}")
                continue
            finally:
                os.close(handle)
            if size > limits.MAX_MESSAGE_BYTES:
                cut.append(len(places))
            starts.append(room.used)
            room.used += got
            stops.append(room.used)
            places.append(place)
            if len(places) >= max_messages:
                yield finish()
                room = _Room(min(max_bytes, 1 << 22))
                starts, stops, places, cut = [], [], [], []
        if places:
            yield finish()


def _open_file(path: str) -> tuple[int, int]:
    """An open regular file and its size; O_NONBLOCK so that a FIFO does not wait for a writer."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    info = os.fstat(handle)
    if not stat.S_ISREG(info.st_mode):
        os.close(handle)
        raise OSError(None, "not a regular file")
    return handle, info.st_size


def _read(handle: int, room: _Room, size: int) -> int:
    """Read up to `size` bytes behind what is used; a file that shrank gives less."""
    room.reserve(size)
    got = 0
    while got < size:
        n = os.readv(handle, [room.view[room.used + got : room.used + size]])
        if n == 0:
            break
        got += n
    return got
