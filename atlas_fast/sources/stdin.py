"""One message on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from atlas_fast import limits
from atlas_fast.batch import Batch
from atlas_fast.errors import SourceError
from atlas_fast.flags import Flag


class Stdin:
    """The whole of a stream as one message; empty input is no message."""

    identity = "stdin"

    def __init__(self, stream: BinaryIO | None = None):
        self._stream = stream
        self.problems: list[str] = []

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        if after:
            return
        if self._stream is None and sys.stdin is None:
            raise SourceError("standard input is closed")
        stream = self._stream or sys.stdin.buffer
        try:
            raw = stream.read(limits.MAX_MESSAGE_BYTES + 1)
        except OSError as error:
            raise SourceError(f"standard input: {error.strerror or error}") from error
        if not raw:
            return
        size = min(len(raw), limits.MAX_MESSAGE_BYTES)
        batch = Batch(
            np.frombuffer(raw, np.uint8),
            np.array([0], np.int64),
            np.array([size], np.int64),
            source=self.identity,
            places=["-"],
            mark="-",
        )
        if len(raw) > size:
            batch.flags[0] |= np.uint32(Flag.MSG_CUT)
        yield batch

    def estimate(self) -> int | None:
        return None
