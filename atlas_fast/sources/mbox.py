"""An mbox file, memory-mapped: messages are read where they lie."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import numpy as np

from atlas_fast._kernels.mboxscan import scan_mbox, states_length
from atlas_fast.batch import Batch
from atlas_fast.errors import SourceError


class Mbox:
    """mboxo, mboxrd, mboxcl and mboxcl2, with LF or CRLF.

    The size when `batches` begins counts; what is appended later is for the next run. A place, and
    a mark, is the byte offset of a separator line. A file that another program cuts while it is
    read faults, as every memory map does: copy a mailbox that is not locked before reading it.
    Raises SourceError when the file cannot be opened or mapped.
    """

    def __init__(self, path: str):
        self.path = os.path.realpath(path)
        self.identity = f"mbox:{self.path}"
        self.problems: list[str] = []

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        raw = self._map()
        pos = self._offset(after, len(raw))
        trust = states_length(raw)
        places = np.empty(max_messages, np.int64)
        starts, stops = np.empty_like(places), np.empty_like(places)
        while pos < len(raw):
            n, pos = scan_mbox(raw, pos, max_bytes, trust, places, starts, stops)
            yield Batch(
                raw,
                starts[:n].copy(),
                stops[:n].copy(),
                source=self.identity,
                places=[str(place) for place in places[:n].tolist()],
                mark=str(pos),
                quoting=True,
            )

    def _map(self) -> np.ndarray:
        try:
            with open(self.path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size == 0:
                    return np.empty(0, np.uint8)
                mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        except OSError as error:
            raise SourceError(f"{self.path}: {error.strerror or error}") from error
        mapped.madvise(mmap.MADV_SEQUENTIAL)
        return np.frombuffer(mapped, np.uint8)

    def _offset(self, after: str, size: int) -> int:
        if not after:
            return 0
        if not after.isdigit() or int(after) > size:
            raise SourceError(f"{self.path}: no message starts at {after!r}; the file has changed")
        return int(after)

    def estimate(self) -> int | None:
        return os.path.getsize(self.path)
