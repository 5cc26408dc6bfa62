"""Several small batches share a transaction while they come fast.

A commit costs an fsync, a wait for the lock, and the write of each page that was touched, full or
not; so rows wait here, as values, until there are enough of them or the oldest has waited
`COMMIT_SECONDS`. The database is locked only while they are inserted, and rows of a slow source do
not wait at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from atlas_fast.store.base import ErrorRow, Mark, Run, Store
from atlas_fast.store.rows import RowBlock

COMMIT_ROWS = 10_000
"""Rows of one commit at most, unless a single batch has more, or the store has a `commit_rows` of
its own."""

COMMIT_BYTES = 32 << 20
"""Bytes of texts that wait at most."""

COMMIT_SECONDS = 1.0
"""How long a row waits at most."""

SLOW_SECONDS = 0.2
"""Where batches come further apart than this, each has its own commit."""


class GroupedWrites:
    """Writes for one run. Used by one thread; `close` commits what waits. `stored`: new rows."""

    def __init__(self, store: Store, run: Run, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._run = run
        self._clock = clock
        self._last = self._oldest = clock()
        self._blocks: list[RowBlock] = []
        self._errors: list[ErrorRow] = []
        self._marks: dict[str, Mark] = {}
        self.stored = 0

    @property
    def rows(self) -> int:
        """Rows that wait. Any thread may ask."""
        return sum(block.n for block in list(self._blocks))

    def write(
        self, blocks: Sequence[RowBlock], errors: Sequence[ErrorRow] = (), mark: Mark | None = None
    ) -> None:
        """Queue the rows of a batch, and commit where it is time. After an error nothing waits."""
        now = self._clock()
        slow, self._last = now - self._last >= SLOW_SECONDS, now
        if not self._blocks:
            self._oldest = now
        self._blocks += blocks
        self._errors += errors
        if mark is not None:
            self._marks[mark.source] = mark
        rows = sum(block.n for block in self._blocks)
        size = sum(block.size for block in self._blocks)
        old = now - self._oldest >= COMMIT_SECONDS
        enough = getattr(self._store, "commit_rows", COMMIT_ROWS)
        if slow or old or rows >= enough or size >= COMMIT_BYTES:
            self.close()

    def close(self) -> None:
        """Commit what waits; may be called twice."""
        blocks, self._blocks = self._blocks, []
        errors, self._errors = self._errors, []
        marks, self._marks = self._marks, {}
        if blocks or errors or marks:
            self.stored += self._store.write(
                self._run, _taken(blocks), errors, list(marks.values())
            )


def _taken(blocks: list[RowBlock]) -> Iterator[RowBlock]:
    """Each block in its order, and no reference to it is left here: workers go on meanwhile, and
    what they make takes its place in memory."""
    blocks.reverse()
    while blocks:
        yield blocks.pop()
