"""Several small batches share a commit while they come fast.

The two indexes that are hit at random (message key, sender) make a commit write about two pages a
row when batches are small, and the more the larger the store is; with ten batches of 2,000 a
commit, a store of half a million rows takes them at about twice the rate. The transaction stays
open for `COMMIT_ROWS` rows or `COMMIT_SECONDS` at most, and is not held while a slow source makes
the next batch.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from atlas_fast.store.rows import RowBlock
from atlas_fast.store.sqlite import ErrorRow, Run, SqliteStore

COMMIT_ROWS = 20_000
"""Rows of one commit at most, unless a single batch has more."""

COMMIT_SECONDS = 1.0
"""How old an open transaction gets."""

SLOW_SECONDS = 0.2
"""Where batches come further apart than this, each has its own commit."""


class GroupedWrites:
    """Writes for one run. Used by one thread; `close` commits what is open."""

    def __init__(
        self, store: SqliteStore, run: Run, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._run = run
        self._clock = clock
        self._last = clock()
        self._opened = 0.0
        self._rows = 0
        self._transaction: ExitStack | None = None

    def write(self, blocks: Sequence[RowBlock], errors: Sequence[ErrorRow] = ()) -> int:
        """Insert rows; returns how many are new. After an error the open group is rolled back."""
        now = self._clock()
        slow, self._last = now - self._last >= SLOW_SECONDS, now
        if self._transaction is None:
            self._transaction = ExitStack()
            self._opened, self._rows = now, 0
            self._guard(self._enter)
        stored = self._guard(lambda: self._store.write(self._run, blocks, errors))
        self._rows += sum(block.n for block in blocks)
        full = self._rows >= COMMIT_ROWS or now - self._opened >= COMMIT_SECONDS
        if slow or full:
            self.close()
        return stored

    def close(self) -> None:
        """Commit what is open; may be called twice."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.close()

    def _enter(self) -> int:
        assert self._transaction is not None
        self._transaction.enter_context(self._store.transaction())
        return 0

    def _guard(self, step: Callable[[], int]) -> int:
        try:
            return step()
        except BaseException:
            transaction, self._transaction = self._transaction, None
            if transaction is not None:
                transaction.__exit__(*sys.exc_info())
            raise
