"""What a store can do, whatever database is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from atlas_fast.store.rows import RowBlock

__all__ = ["ErrorRow", "Finding", "Mark", "Removed", "Run", "Store", "Totals"]


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A stage raised on one message: `kind` of exception, its text, where."""

    place: str
    kind: str
    text: str
    trace: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run in the store: the row `session_id` of `sessions`."""

    session_id: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run added: rows by action, and by category of the original."""

    deleted: int
    preserved: int
    categories: dict[str, int]

    @property
    def stored(self) -> int:
        return self.deleted + self.preserved


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a source is done: everything up to `mark` is stored.

    `state` is the source's own proof that this part is still what it was (`Source.state`), empty
    when it has none; `messages` counts the messages up to the mark.
    """

    source: str
    mark: str
    state: str = ""
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Removed:
    """Rows that a deletion took: messages, and runs."""

    messages: int
    runs: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that `check` found wrong: `kind` is integrity, orphan, summary, total or mark."""

    kind: str
    text: str


class Store(Protocol):
    """A place for rows. One thread at a time uses it.

    Every method raises StoreError when the database does not do it; then nothing of it was done.
    """

    @property
    def name(self) -> str:
        """The store as messages name it; never with a password."""

    def transaction(self) -> AbstractContextManager[Any]:
        """Everything inside is committed together, or not at all. Inside another transaction an
        exception takes back this part, and the outer one decides on the rest."""

    def begin_run(self, sources: Sequence[str]) -> Run: ...

    def write(
        self,
        run: Run,
        blocks: Iterable[RowBlock],
        errors: Sequence[ErrorRow] = (),
        marks: Sequence[Mark] = (),
    ) -> int:
        """Rows, summaries, totals of the run, error reports and marks in one transaction; returns
        how many rows are new. A message whose key is there adds nothing. A block is let go of when
        its rows are in, where the store does not need it again."""

    def finish_run(self, run: Run, report: str | None = None, *, ended: bool = True) -> None:
        """The run's end time, unless it did not come to its end, and what it says of itself."""

    def totals(self, run: Run) -> Totals: ...

    def mark(self, source: str) -> Mark | None:
        """How far a source is done, or None when this store knows nothing of it."""

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys that are stored, or were pruned. Any thread may ask."""

    def runs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs, newest first: id, start_time, end_time, sources, deleted, preserved."""

    def delete_run(self, session_id: int) -> Removed:
        """A run with its rows, summaries, reports and the marks of its sources."""

    def prune(self, before: str) -> Removed:
        """Rows older than the local time `before`; their keys stay known."""

    def check(self) -> list[Finding]:
        """What is wrong: damage, rows without their run, summaries that a recount contradicts."""

    def recount(self) -> None:
        """Count the summaries anew, after other programs changed message rows."""

    def vacuum(self) -> None: ...

    def size(self) -> int:
        """Bytes on disk."""

    def count_messages(self) -> int: ...

    def recent(self, limit: int = 20) -> list[dict[str, Any]]: ...

    def close(self) -> None: ...
