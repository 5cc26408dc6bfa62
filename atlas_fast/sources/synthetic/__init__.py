"""Generated mail: realistic, deterministic, any number of messages.

`synthetic:N,SEED` is a source of N messages; message i depends on the seed and i alone, so that
a run may start anywhere. `generate` also tells the class of each message, which nothing in the
message itself states. Names and addresses are invented and lie in reserved domains.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator

import numpy as np

from atlas_fast._version import __version__
from atlas_fast.batch import Batch
from atlas_fast.errors import SourceError, UsageError
from atlas_fast.sources.synthetic.compose import compose

__all__ = ["Synthetic", "generate"]

MAX_MESSAGES = 1_000_000_000
ROOM = 16 << 20
"""Bytes of one batch at most. It is mapped: what is not written takes no memory, and all of it goes
with the batch, where a heap would keep the holes."""

LONGEST = 1 << 20
"""Bytes of room behind the last message; none is longer."""

_FORM = re.compile(r"([0-9]{1,10})(?:,([0-9]{0,18}))?")


def generate(count: int, seed: int = 1, start: int = 0) -> Iterator[tuple[str, bytes]]:
    """(class, message) of the messages start to count - 1."""
    for index in range(start, count):
        yield compose(seed, index)


class Synthetic:
    """N generated messages; place and mark are the message's number."""

    def __init__(self, count: int, seed: int = 1):
        if not 0 <= count <= MAX_MESSAGES:
            raise UsageError(f"synthetic:{count}: at most {MAX_MESSAGES} messages")
        self.count = count
        self.seed = seed
        self.identity = f"synthetic:{seed}"
        self.problems: list[str] = []

    @classmethod
    def of_text(cls, text: str) -> Synthetic:
        """From `N` or `N,SEED`; UsageError when that is something else."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError(f"synthetic:{text[:40]}: expected synthetic:N or synthetic:N,SEED")
        return cls(int(match[1]), int(match[2] or 1))

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        if after and not (after.isascii() and after.isdigit() and len(after) < 20):
            raise SourceError(f"{self.identity}: no message has the number {after[:20]!r}")
        index = int(after) + 1 if after else 0
        while index < self.count:
            first, ends = index, [0]
            room = mmap.mmap(-1, min(max_bytes, ROOM) + LONGEST, flags=mmap.MAP_PRIVATE)
            while index < self.count and len(ends) <= max_messages and ends[-1] < max_bytes:
                made = compose(self.seed, index)[1]
                if room.tell() + len(made) > len(room):
                    break
                room.write(made)
                ends.append(room.tell())
                index += 1
            bounds = np.array(ends, np.int64)
            yield Batch(
                np.frombuffer(room, np.uint8, ends[-1]),
                bounds[:-1],
                bounds[1:],
                source=self.identity,
                places=[str(number) for number in range(first, index)],
                mark=str(index - 1),
            )

    def state(self) -> str:
        """The generator's version: a message depends on it, the seed and its number alone."""
        return f"atlas_fast {__version__}"

    def estimate(self) -> int | None:
        return None
