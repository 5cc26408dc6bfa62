"""The SQLite store: one file, WAL, one transaction a batch through one door.

`SqliteStore` is used by one thread at a time; `writer.Writer` gives it a thread of its own. `known`
has a connection for itself and may be called by others.
Durability is that of `synchronous=FULL`: a batch is on disk when `write` returns.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import cache, partial
from itertools import chain, count
from pathlib import Path
from typing import Any

from atlas_fast._kernels.sqltable import RowTable
from atlas_fast.errors import StoreError
from atlas_fast.store import schema
from atlas_fast.store.base import ErrorRow, Finding, Mark, Removed, Run, Totals
from atlas_fast.store.columns import Same
from atlas_fast.store.reading import BUSY_SECONDS, ReadOnly
from atlas_fast.store.rows import RowBlock
from atlas_fast.store.rowtable import ROW_TABLE, connected
from atlas_fast.store.sql import SqlStore
from atlas_fast.store.state import state_of
from atlas_fast.store.summaries import COUNTED, Tally, tally_of_blocks

__all__ = [
    "ErrorRow", "Finding", "Mark", "Removed", "Run", "SqliteStore", "Totals", "file_of",
    "local_now",
]  # fmt: skip

PAGE_BYTES = 8192
"""Page size of a new file: fewer and fuller pages a batch than SQLite's 4,096."""

CACHE_KIB = 1 << 10
"""Page cache: new rows come at one end of most indexes, so few leaves are needed at a time. More
makes a run larger and no faster."""

CHECKPOINT_PAGES = (16 << 20) // PAGE_BYTES
"""WAL pages (16 MiB) before they are copied into the file. The default of 1,000 is a copy every
other batch; copies of 64 MiB last so long that two workers wait for the writer."""

ROWS_A_STATEMENT = 50
"""Rows of one INSERT where SQLite is given tuples: a statement a row spends a quarter of its time
on entering and leaving."""

ASKED_AT_ONCE = 500
"""Keys of one look-up."""


class SqliteStore(SqlStore):
    """A store in one SQLite file, made when it is not there.

    Raises StoreError when the file cannot be opened, belongs to another program, or is older or
    newer than this code; such a file is left as it was.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.name = str(self.path)
        self._reader: sqlite3.Connection | None = None
        self._asking = threading.Lock()
        try:
            self._connection = self._open()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        if not self.path.parent.is_dir():
            raise StoreError(f"{self.path}: the folder {self.path.parent} does not exist")
        if self.path.is_dir():
            raise StoreError(f"{self.path}: is a folder; a store is one file")
        connect = partial(
            sqlite3.connect, self.path, timeout=BUSY_SECONDS, isolation_level=None,
            check_same_thread=False,
        )  # fmt: skip
        connection, self._table = connected(connect)
        try:
            self._connection = connection
            # Another program may have left bytes that are no UTF-8.
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            state = state_of(connection)
            self._file = file_of(self.path)
            if state.kind != "empty" and not state.current:
                raise StoreError(state.refusal(self.path))
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            _to_wal(connection)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            if state.kind == "empty":
                self._create()
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        """Make all tables in one transaction; another process may have been faster."""
        with self.transaction() as connection:
            if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                return
            for statement in schema.statements():
                connection.execute(statement)

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """The one door to writing: BEGIN IMMEDIATE, then COMMIT, or ROLLBACK on any exception.

        Inside another transaction it is a savepoint: an exception takes back what was done in it,
        and the outer one decides on the rest. Raises StoreError in place of sqlite3.Error, and when
        the file is no longer the one that was opened.
        """
        if self._connection.in_transaction:
            return self._ending("SAVEPOINT part", "RELEASE part", "ROLLBACK TO part")
        return self._ending("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", self._is_there)

    def _is_there(self) -> None:
        """A file that was deleted or replaced takes every row and gives no error: SQLite goes on
        with the one that has no name any more."""
        if file_of(self.path) != self._file:
            raise StoreError(
                f"{self.path}: was deleted or replaced while it was open; nothing that this run "
                "stored can be found there"
            )

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """One moment of the store, whatever others write meanwhile."""
        if self._connection.in_transaction:
            return self.transaction()
        return self._ending("BEGIN", "COMMIT", "ROLLBACK")

    @contextmanager
    def _ending(
        self, begin: str, good: str, bad: str, check: Callable[[], None] | None = None
    ) -> Iterator[sqlite3.Connection]:
        """`check` is called where SQLite has done `good`, and raises when that means nothing."""
        connection = self._connection
        try:
            connection.execute(begin)
            try:
                yield connection
                connection.execute(good)
                if check is not None:
                    check()
            except BaseException:
                if connection.in_transaction:  # an error may have ended it
                    connection.execute(bad)
                raise
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StoreError:
        text = f"{self.path}: {error}"
        if "locked" in str(error):
            text += f" by another program for more than {BUSY_SECONDS:g} s"
        elif "readonly" in str(error) or "unable to open" in str(error):
            text += f"; may you write it, and into its folder {self.path.absolute().parent}?"
        elif "malformed" in str(error):
            text += f"; see what is left with `atlas-fast db check --store {self.path}`"
        return StoreError(text)

    def _execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        try:
            self._connection.executemany(query, rows)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _insert(self, blocks: Iterable[RowBlock]) -> Tally:
        """New rows are told by their ids: inside the transaction nobody else writes."""
        last = self._execute(f"SELECT MAX(id) FROM {schema.MESSAGES}").fetchall()[0][0] or 0
        counted: list[RowBlock] = []
        stored = 0
        for block in blocks:
            stored += insert_block(self._connection, block, self._table)
            counted.append(block.only(COUNTED))
        if stored != sum(block.n for block in counted):
            return self._tally("id > ?", (last,)) if stored else Tally()
        return tally_of_blocks(counted)

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys that are stored, or were pruned. Any thread may ask."""
        found: set[bytes] = set()
        with self._asking:
            try:
                if self._reader is None:
                    self._reader = sqlite3.connect(
                        f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS,
                        isolation_level=None, check_same_thread=False,
                    )  # fmt: skip
                for start in range(0, len(keys), ASKED_AT_ONCE):
                    some = keys[start : start + ASKED_AT_ONCE]
                    marks = ",".join("?" * len(some))
                    for table in (schema.MESSAGES, "pruned_keys"):
                        query = f"SELECT message_key FROM {table} WHERE message_key IN ({marks})"
                        found.update(key for (key,) in self._reader.execute(query, some))
            except sqlite3.Error as error:
                raise self._failure(error) from error
        return found

    def _integrity(self) -> list[Finding]:
        try:
            lines = [row[0] for row in self._connection.execute("PRAGMA integrity_check(20)")]
            found = [Finding("integrity", line) for line in lines if line != "ok"]
            if found:
                return found
            orphans = self._connection.execute(
                'SELECT "table", parent, COUNT(*), MIN(rowid) FROM pragma_foreign_key_check '
                "GROUP BY 1, 2"
            ).fetchall()
        except sqlite3.Error as error:
            return [Finding("integrity", str(error))]
        return [
            Finding("orphan", f"{n} row(s) of {table} without their row in {parent}, first {first}")
            for table, parent, n, first in orphans
        ]

    def vacuum(self) -> None:
        """Give unused pages back to the file system, and refresh the planner's statistics."""
        self._execute("VACUUM")
        self._execute("ANALYZE")
        self._execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def close(self) -> None:
        """Close the file; may be called twice."""
        try:
            with self._asking:
                if self._reader is not None:
                    self._reader.close()
            self._connection.close()
        except sqlite3.Error as error:
            raise self._failure(error) from error


def file_of(path: Path) -> tuple[int, int] | None:
    """Device and inode, None where there is no file. SQLite goes on with one that was replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _to_wal(connection: sqlite3.Connection) -> None:
    """Change the journal mode; SQLite does not wait by itself when two openers do so at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def insert_block(
    connection: sqlite3.Connection, block: RowBlock, table: RowTable | None = None
) -> int:
    """Insert the rows of a block; how many are new, as a key that is there is skipped.

    SQLite reads the columns by itself where the connection has a table for that and no column is a
    list; else it is given tuples, `ROWS_A_STATEMENT` rows at a time.
    """
    if table is None or any(isinstance(column, list) for column in block.columns):
        rows = list(block)
        whole = len(rows) - len(rows) % ROWS_A_STATEMENT
        many = (
            tuple(chain.from_iterable(rows[at : at + ROWS_A_STATEMENT]))
            for at in range(0, whole, ROWS_A_STATEMENT)
        )
        done = connection.executemany(insert_statement(block.names, ROWS_A_STATEMENT), many)
        rest = connection.executemany(insert_statement(block.names), rows[whole:])
        return max(done.rowcount, 0) + max(rest.rowcount, 0)
    shared = tuple(isinstance(column, Same) for column in block.columns)
    table.show([one.shown for one in block.columns if not isinstance(one, Same | list)], block.n)
    try:
        return connection.execute(
            _insert_from_table(block.names, shared),
            [column.value for column in block.columns if isinstance(column, Same)],
        ).rowcount
    finally:
        table.hide()


@cache
def _insert_from_table(names: tuple[str, ...], shared: tuple[bool, ...]) -> str:
    """INSERT of what the table shows; the values of shared columns are parameters."""
    own = count()
    values = ["?" if is_shared else f"c{next(own)}" for is_shared in shared]
    return (
        f"INSERT INTO {schema.MESSAGES} ({', '.join(names)}) SELECT {', '.join(values)} "
        f"FROM {ROW_TABLE} WHERE TRUE ON CONFLICT(message_key) DO NOTHING"
    )


@cache
def insert_statement(names: tuple[str, ...], rows: int = 1) -> str:
    """INSERT of message rows with these columns, in their order."""
    row = f"({', '.join('?' * len(names))})"
    return (
        f"INSERT INTO {schema.MESSAGES} ({', '.join(names)}) VALUES {', '.join([row] * rows)} "
        "ON CONFLICT(message_key) DO NOTHING"
    )


def local_now() -> str:
    """Local time as the original stores it."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def backup(path: str | Path, target: str | Path | None = None) -> Path:
    """Copy a database while others may write to it; the copy is one moment of it.

    `target` is by default the path with `.backup-` and the time. Raises StoreError when it exists,
    or when there is no database at `path`.
    """
    path = Path(path)
    target = Path(target) if target else path.with_name(f"{path.name}.backup-{_stamp()}")
    with closing(ReadOnly(path)) as source:
        if target.exists():
            raise StoreError(f"{target}: is there already; a backup overwrites nothing")
        partial = target.with_name(target.name + ".part")
        try:
            with closing(sqlite3.connect(partial)) as copy:
                source.connection.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
            source.check()
            partial.rename(target)
        except BaseException as error:
            with suppress(OSError):
                partial.unlink()
            if isinstance(error, sqlite3.Error | OSError):
                raise StoreError(f"{path}: cannot be copied to {target}: {error}") from error
            raise
    return target


def _stamp() -> str:
    return time.strftime("%Y%m%d-%H%M%S")
