"""Connections for plain SQL: the way of the original's interface into a store.

Whatever such a connection does to message rows, the summaries follow in the same transaction, by
triggers that exist for this connection only; the engine's own writing pays nothing for them.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atlas_fast.errors import StoreError
from atlas_fast.store.sqlite import BUSY_SECONDS, SqliteStore, file_of
from atlas_fast.store.state import state_of
from atlas_fast.store.summaries import triggers

__all__ = ["PlainConnections"]


class _Closing:
    """A thread's connection, closed with the thread."""

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None

    def __del__(self) -> None:
        if self.connection is not None:
            self.connection.close()


class _Mine(threading.local):
    def __init__(self) -> None:
        self.lent = False
        self.file: tuple[int, int] | None = None
        self._held = _Closing()

    @property
    def connection(self) -> sqlite3.Connection | None:
        return self._held.connection

    @connection.setter
    def connection(self, connection: sqlite3.Connection | None) -> None:
        self._held.connection = connection


class PlainConnections:
    """Opens a file as a store, and lends connections to it.

    A file that is missing is made with its folder, a database of Atlas_Email or an older store is
    brought up to date, its copy left beside it (this needs the extra `db`). Raises StoreError when
    the file cannot be used.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path).absolute()  # the program may change its folder
        self._local = _Mine()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._prepare()

    def _prepare(self) -> None:
        from atlas_fast.store import migrate

        state = migrate.current(self.path) if self.path.is_file() else None
        if state is None or state.kind == "empty" or state.current:
            SqliteStore(self.path).close()  # makes it, or says what is wrong
        elif state.newer or state.kind == "foreign":
            raise StoreError(state.refusal(self.path))
        else:
            migrate.upgrade(self.path)

    def connect(self) -> sqlite3.Connection:
        """A new connection, as the original's callers expect one: rows by name, foreign keys on,
        a transaction begins with the first change and ends with `commit()`."""
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            if not state_of(connection).current:
                raise StoreError(f"{self.path}: is no store any more")
            for trigger in triggers():
                connection.execute(trigger)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection. What was not committed at the end is rolled back.

        Inside another `lend` of the same thread it is a new one.
        """
        local = self._local
        if local.lent:
            connection = self.connect()
            try:
                yield connection
            finally:
                connection.close()
            return
        if local.connection is not None and local.file != file_of(self.path):
            self.close()  # the file was replaced: what is written there would be lost
        if local.connection is None:
            local.connection, local.file = self.connect(), file_of(self.path)
        local.lent = True
        try:
            yield local.connection
        finally:
            local.lent = False
            self._clean()

    def _clean(self) -> None:
        connection = self._local.connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.rollback()
        except sqlite3.Error:  # the caller closed it, or it is of no use
            self._local.connection = None

    def close(self) -> None:
        """Close this thread's connection."""
        connection, self._local.connection = self._local.connection, None
        if connection is not None:
            connection.close()
