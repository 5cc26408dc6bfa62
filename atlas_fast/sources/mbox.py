"""An mbox file, memory-mapped: messages are read where they lie."""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Iterator

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.mboxscan import looks_like_separator, scan_mbox, states_length
from atlas_fast.batch import Batch, Numbers
from atlas_fast.errors import SourceError
from atlas_fast.flags import Flag
from atlas_fast.sources.base import file_size, file_state

HEAD = 2048
"""Bytes in which empty lines are skipped, and a separator line is looked for."""


class Mbox:
    """mboxo, mboxrd, mboxcl and mboxcl2, with LF or CRLF.

    The size when `batches` begins counts; what is appended later is for the next run. A place, and
    a mark, is the byte offset of a separator line, or the end. Raises SourceError when the file
    cannot be opened or mapped, when no message starts at `after`, and when the file is found to be
    shorter than it was. One that another program cuts while a batch is read faults, as every memory
    map does: copy a mailbox that is not locked before reading it.

    With `headers_only`, a file whose first message states its length is jumped through: no page is
    read but those of header sections and of message ends. Another is searched for its separators,
    as there is no other way to find them, and so is read once.
    """

    def __init__(self, path: str):
        self.path = os.path.realpath(path)
        self.identity = f"mbox:{self.path}"
        self.problems: list[str] = []
        self.headers_only = False

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        try:
            with open(self.path, "rb") as file:
                yield from self._read(file.fileno(), max_messages, max_bytes, after)
        except OSError as error:
            raise SourceError(f"{self.path}: {error.strerror or error}") from error

    def _read(self, handle: int, max_messages: int, max_bytes: int, after: str) -> Iterator[Batch]:
        mapped = self._map(handle)
        raw = np.empty(0, np.uint8) if mapped is None else np.frombuffer(mapped, np.uint8)
        pos = self._begin(raw, after)
        if mapped is None:
            return
        trust = states_length(raw[_first(raw, 0) or 0 :])
        if trust and self.headers_only:
            max_bytes = len(raw)  # bodies take no memory
        else:
            mapped.madvise(mmap.MADV_SEQUENTIAL)
        places = np.empty(max_messages, np.int64)
        starts, stops = np.empty_like(places), np.empty_like(places)
        while pos < len(raw):
            if os.fstat(handle).st_size < len(raw):
                raise SourceError(f"{self.path}: cut while it was read, at offset {pos}")
            begin = pos
            n, pos = scan_mbox(raw, begin, max_bytes, trust, places, starts, stops)
            view = raw[:]
            weakref.finalize(view, _forget, mapped, begin, pos)
            ends = np.minimum(stops[:n], starts[:n] + limits.MAX_MESSAGE_BYTES)
            batch = Batch(
                view,
                starts[:n].copy(),
                ends,
                source=self.identity,
                places=Numbers(places[:n].copy()),
                mark=str(pos),
                quoting=True,
            )
            batch.flags[ends < stops[:n]] |= np.uint32(Flag.MSG_CUT)
            yield batch

    def _map(self, handle: int) -> mmap.mmap | None:
        """The whole file, or None when it is empty."""
        size = os.fstat(handle).st_size
        if size == 0:
            return None
        try:
            mapped = mmap.mmap(handle, size, access=mmap.ACCESS_READ)
        except ValueError as error:  # cut meanwhile
            raise SourceError(f"{self.path}: {error}") from error
        mapped.madvise(mmap.MADV_RANDOM)  # or the system reads megabytes around the first page
        return mapped

    def _begin(self, raw: np.ndarray, after: str) -> int:
        """Where to start. What was appended behind the end may begin with the empty line of it."""
        if not after:
            return _first(raw, 0) or 0
        if after.isascii() and after.isdigit() and len(after) < 20:
            pos = int(after)
            found = pos if pos == len(raw) else _first(raw, pos) if pos < len(raw) else None
            if found is not None:
                return found
        raise SourceError(f"{self.path}: no message starts at {after[:20]!r}; the file has changed")

    def state(self) -> str:
        """The file's; an appended mbox is read again from its start, as it may be another one."""
        return file_state(self.path)

    def estimate(self) -> int | None:
        return file_size(self.path)


def _forget(mapped: mmap.mmap, begin: int, end: int) -> None:
    """Take the pages of a batch out of the process, so that its memory does not grow with the file.
    Who still looks at them gets them again, from the page cache."""
    begin -= begin % mmap.PAGESIZE
    end -= end % mmap.PAGESIZE
    if end > begin:
        mapped.madvise(mmap.MADV_DONTNEED, begin, end - begin)


def _first(raw: np.ndarray, pos: int) -> int | None:
    """The separator at pos, or behind the empty lines there; None if something else comes first."""
    head = raw[pos : pos + HEAD].tobytes()
    pos += len(head) - len(head.lstrip(b"\r\n"))
    return pos if looks_like_separator(raw[pos : pos + HEAD]) else None
