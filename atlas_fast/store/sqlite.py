"""The SQLite store: one file, WAL, one transaction a batch through one door.

`SqliteStore` is used by one thread at a time; `writer.Writer` gives it a thread of its own.
Durability is that of `synchronous=FULL`: a batch is on disk when `write` returns.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas_fast.errors import StoreError
from atlas_fast.store import schema
from atlas_fast.store.rows import RowBlock

BUSY_SECONDS = 30.0
"""How long a transaction waits for another process that writes."""

CACHE_KIB = 64 << 10
"""Page cache: the leaves of the unique index are hit at random, and should stay in memory."""

CHECKPOINT_PAGES = 16_384
"""WAL pages (64 MiB) before they are copied into the file; the default of 1,000 is a copy every
other batch, and costs about a tenth of the writer's time."""

LOCAL_ACCOUNT = "local"
"""Address of the account row that runs over files belong to (sessions need an account)."""


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


class SqliteStore:
    """A store in one SQLite file, made when it is not there.

    Raises StoreError when the file cannot be opened, belongs to another program, or is newer than
    this code; such a file is left as it was.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
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
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection = connection
            fresh = self._check(connection)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            if fresh:
                self._create()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> bool:
        """True for an empty database; StoreError for one that is not ours."""
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not names:
            return True
        columns = {
            row[1] for row in connection.execute(f"PRAGMA table_info({schema.MESSAGES})").fetchall()
        }
        if "schema_version" not in names or "message_key" not in columns:
            raise StoreError(
                f"{self.path}: is not a store of atlas_fast and was left as it is; "
                "choose another file with --store"
            )
        version = connection.execute("SELECT MAX(version) FROM schema_version").fetchone()[0]
        if version is None or version > schema.SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: has schema version {version}; "
                f"this version of atlas_fast knows {schema.SCHEMA_VERSION}"
            )
        return False

    def _create(self) -> None:
        """Make all tables in one transaction; another process may have been faster."""
        with self.transaction() as connection:
            if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                return
            for statement in schema.statements():
                connection.execute(statement)
            connection.execute(
                "INSERT INTO accounts (email_address, provider, host, port, encrypted_password, "
                "is_active) VALUES (?, 'file', '', 0, '', FALSE)",
                (LOCAL_ACCOUNT,),
            )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The one door to writing: BEGIN IMMEDIATE, then COMMIT, or ROLLBACK on any exception.

        Inside another transaction it is a part of that one, which commits or rolls back both.
        Raises StoreError in place of sqlite3.Error.
        """
        connection = self._connection
        if connection.in_transaction:
            yield connection
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"{self.path}: {error}")

    def begin_run(self, sources: Sequence[str]) -> Run:
        """Add a row to `sessions`; a run over files changes no mailbox and is a preview."""
        with self.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO sessions (account_id, folders_processed, categories_summary, "
                "session_type, is_preview) SELECT id, ?, '{}', 'preview', TRUE FROM accounts "
                "WHERE email_address = ?",
                (json.dumps(list(sources)), LOCAL_ACCOUNT),
            )
            if cursor.rowcount != 1 or cursor.lastrowid is None:
                raise StoreError(f"{self.path}: the account row {LOCAL_ACCOUNT!r} is missing")
            return Run(cursor.lastrowid)

    def write(self, run: Run, blocks: Sequence[RowBlock], errors: Sequence[ErrorRow] = ()) -> int:
        """Insert rows and bring the run's totals up to date, in one transaction.

        `errors` go to `error_reports`: stages that failed on a message.

        Returns how many rows are new; a message whose key is there already adds nothing.
        """
        with self.transaction() as connection:
            last = connection.execute(f"SELECT MAX(id) FROM {schema.MESSAGES}").fetchone()[0] or 0
            before = connection.total_changes
            for block in blocks:
                connection.executemany(schema.INSERT_MESSAGE, block)
            stored = connection.total_changes - before
            connection.executemany(
                "INSERT INTO error_reports (session_id, error_type, error_message, stack_trace, "
                "context_data) VALUES (?, ?, ?, ?, ?)",
                (
                    (run.session_id, one.kind, one.text, one.trace, json.dumps({"uid": one.place}))
                    for one in errors
                ),
            )
            if not stored:
                return 0
            if stored == sum(block.n for block in blocks):
                counts = [item for block in blocks for item in block.counts.items()]
            else:
                found = connection.execute(
                    f"SELECT action, category, COUNT(*) FROM {schema.MESSAGES} "
                    "WHERE id > ? GROUP BY 1, 2",
                    (last,),
                )
                counts = [((action, category), number) for action, category, number in found]
            self._add_totals(connection, run, counts)
        return stored

    def _add_totals(
        self,
        connection: sqlite3.Connection,
        run: Run,
        counts: Sequence[tuple[tuple[str, str], int]],
    ) -> None:
        """Add counts of (action, category) to the run's row."""
        before = self.totals(run)
        deleted, preserved = before.deleted, before.preserved
        categories = dict(before.categories)
        for (action, category), number in counts:
            if action == "DELETED":
                deleted += number
            else:
                preserved += number
            categories[category] = categories.get(category, 0) + number
        connection.execute(
            "UPDATE sessions SET total_deleted = ?, total_preserved = ?, categories_summary = ? "
            "WHERE id = ?",
            (deleted, preserved, json.dumps(categories), run.session_id),
        )

    def totals(self, run: Run) -> Totals:
        """What the run has added so far, as its row says."""
        deleted, preserved, summary = self._read(
            "SELECT total_deleted, total_preserved, categories_summary FROM sessions WHERE id = ?",
            (run.session_id,),
        )[0]
        return Totals(deleted, preserved, json.loads(summary))

    def finish_run(self, run: Run) -> None:
        """Set the end time; a run without one was killed."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE sessions SET end_time = CURRENT_TIMESTAMP WHERE id = ?", (run.session_id,)
            )

    def count_messages(self) -> int:
        """Rows of the message table."""
        return self._read(f"SELECT COUNT(*) FROM {schema.MESSAGES}")[0][0]

    def recent(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest message rows, newest first."""
        columns = ("sender_email", "subject", "action", "category_v2", "category_confidence_v2")
        found = self._read(
            f"SELECT {', '.join(columns)} FROM {schema.MESSAGES} ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [dict(zip(columns, row, strict=True)) for row in found]

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Close the file; may be called twice."""
        try:
            self._connection.close()
        except sqlite3.Error as error:
            raise self._failure(error) from error


def local_now() -> str:
    """Local time as the original stores it."""
    return time.strftime("%Y-%m-%d %H:%M:%S")
