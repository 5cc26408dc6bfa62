"""Message rows out of a store: a consistent view, in constant memory."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from atlas_fast.errors import StoreError, UsageError
from atlas_fast.store import schema

__all__ = ["COLUMNS", "ReadOnly", "Reader", "SqliteReader", "Wanted"]

_KINDS = {"INTEGER": int, "BIGINT": int, "REAL": float, "TEXT": str, "BLOB": bytes}

COLUMNS: dict[str, type] = {
    name: _KINDS[kind]
    for name, kind in re.findall(r"^ *([a-z]\w*) ([A-Z]+)", schema.TABLES[schema.MESSAGES], re.M)
}
"""Columns of a row in the order of the table, with the type of their values; each may be None."""

READ_ROWS = 1_000
"""Rows in memory at a time."""

_SINCE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?")

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: of the run `run`, of a category (new or original name), written at or after
    `since` (`YYYY-MM-DD` or `YYYY-MM-DD HH:MM[:SS]`, local time as stored). None is no filter.

    Raises UsageError for another form of `since`.
    """

    run: int | None = None
    category: str | None = None
    since: str | None = None

    def __post_init__(self) -> None:
        if self.since is not None:
            try:
                if not _SINCE.fullmatch(self.since):
                    raise ValueError
                datetime.fromisoformat(self.since)
            except ValueError:
                raise UsageError(
                    f"since {self.since!r}: a date as 2026-01-31 or '2026-01-31 08:00' is needed"
                ) from None
            object.__setattr__(self, "since", self.since.replace("T", " "))

    def select(self, bind: str) -> tuple[str, dict[str, Any]]:
        """The query over the message table, `bind` being the form of a named parameter."""
        values = {
            name: value
            for name in ("run", "category", "since")
            if (value := getattr(self, name)) is not None
        }
        terms = {
            "run": f"session_id = {bind.format('run')}",
            "category": f"{bind.format('category')} IN (category_v2, category)",
            "since": f"timestamp >= {bind.format('since')}",
        }
        where = " AND ".join(terms[name] for name in values)
        return (
            f"SELECT {', '.join(COLUMNS)} FROM {schema.MESSAGES}"
            f"{' WHERE ' + where if where else ''} ORDER BY id",
            values,
        )


RUNS = "SELECT id FROM sessions ORDER BY id"
CATEGORIES = (
    f"SELECT category_v2 FROM {schema.MESSAGES} UNION SELECT category FROM {schema.MESSAGES}"
)
"""Names of categories that rows have, new and original ones."""


class Reader(Protocol):
    """A store opened to read its message rows."""

    def runs(self) -> list[int]:
        """Numbers of the runs, the oldest first."""
        ...

    def categories(self) -> set[str]:
        """Categories that rows have, by their new and original names; reads the whole store."""
        ...

    def rows(self, wanted: Wanted) -> Iterator[Sequence[Row]]:
        """Rows by id, some thousand at a time, all of one moment of the store."""
        ...

    def close(self) -> None: ...


BUSY_SECONDS = 60.0
"""How long a statement waits for another process that writes."""

NEEDS_FOLDER = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""What SQLite says when it cannot make its log's index; the low byte of the error."""


class ReadOnly:
    """An SQLite file opened to be read: `connection`. Nothing is made, upgraded or locked.

    SQLite keeps a log and an index of it beside the file, also for one that only reads. Where the
    folder cannot be written and no writer has left them there, the file is opened as one that
    nobody changes (`immutable`), and `close` sees that nobody did. Raises StoreError when the file
    is not there or cannot be read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._frozen: tuple[int, ...] | None = None
        if self.path.is_dir():
            raise StoreError(f"{self.path}: is a folder; a store is one file")
        if not self.path.is_file():
            raise StoreError(f"{self.path}: there is no such file")
        try:
            if not os.access(self.path, os.R_OK):  # to open and close it would end locks of SQLite
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self.connection = self._open()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect("mode=ro")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in NEEDS_FOLDER:
                raise
        log = self.path.with_name(self.path.name + "-wal")
        if log.exists() and log.stat().st_size:
            raise StoreError(
                f"{self.path}: has rows in {log.name}, and its folder cannot be written; copy both "
                "to a folder of your own and read them there"
            )
        self._frozen = self._stamp()
        return self._connect("mode=ro&immutable=1")

    def _connect(self, how: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?{how}", uri=True, timeout=BUSY_SECONDS,
            isolation_level=None, check_same_thread=False,
        )  # fmt: skip
        # A file of another program may hold bytes that are no UTF-8.
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            connection.execute("PRAGMA schema_version")  # the first to touch the file
        except BaseException:
            connection.close()
            raise
        return connection

    def _stamp(self) -> tuple[int, ...]:
        found = self.path.stat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def check(self) -> None:
        """StoreError when a file that seemed to be nobody's was written to since."""
        if self._frozen is not None and self._frozen != self._stamp():
            raise StoreError(f"{self.path}: another program wrote to it meanwhile; read it again")

    def close(self) -> None:
        self.connection.close()


class SqliteReader:
    """A store in an SQLite file, opened read-only. Raises StoreError as ReadOnly."""

    def __init__(self, path: str | Path):
        self._file = ReadOnly(path)
        self.path = self._file.path
        self._connection = self._file.connection

    def runs(self) -> list[int]:
        return [number for (number,) in self._ask(RUNS)]

    def categories(self) -> set[str]:
        return {name for (name,) in self._ask(CATEGORIES) if name is not None}

    def rows(self, wanted: Wanted) -> Iterator[Sequence[Row]]:
        with self._errors():
            cursor = self._connection.execute(*wanted.select(":{}"))
            while rows := cursor.fetchmany(READ_ROWS):
                yield rows
            self._file.check()

    def _ask(self, query: str) -> list[Row]:
        with self._errors():
            return self._connection.execute(query).fetchall()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._file.check()  # a file that changes under who thinks it does not looks damaged
            hint = "; atlas-fast db upgrade may help" if "no such" in str(error) else ""
            raise StoreError(f"{self.path}: {error}{hint}") from error

    def close(self) -> None:
        self._file.close()
