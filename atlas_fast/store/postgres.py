"""The PostgreSQL store: rows by COPY, one transaction a write; needs the `postgres` extra.

(a) `Dsn`: a connection URL whose password is never shown.
(b) `PostgresStore`: a write goes by COPY into a temporary table of the connection and from there
    into the message table, where a key that is known is skipped.
(c) A write that meets a lost server, or another run in its way, is done again as a whole: rows have
    keys, so that what was committed after all adds nothing.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from atlas_fast.errors import StoreError
from atlas_fast.store import schema
from atlas_fast.store.base import ErrorRow, Finding, Mark, Removed, Run
from atlas_fast.store.dialect import postgres
from atlas_fast.store.reading import COLUMNS, READ_ROWS, Row, Wanted
from atlas_fast.store.rows import RowBlock
from atlas_fast.store.sql import SqlStore
from atlas_fast.store.state import State
from atlas_fast.store.summaries import SUMMARIES, Tally

__all__ = ["Dsn", "PostgresReader", "PostgresStore", "server_state", "state_of"]

T = TypeVar("T")

BUSY_SECONDS = 60
"""How long a statement waits for a lock of another program."""

RETRY_SECONDS = 60.0
"""How long a run waits for a server that went away, or is being restarted."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two attempts, doubled each time."""

STAGING = "atlas_fast_staging"
_TYPES = {int: "BIGINT", float: "DOUBLE PRECISION", str: "TEXT", bytes: "BYTEA"}
_MAKE_STAGING = (
    f"CREATE TEMPORARY TABLE {STAGING} ("
    + ", ".join(f"{name} {_TYPES[kind]}" for name, kind in COLUMNS.items())
    + ") ON COMMIT DELETE ROWS"
)
_COPIED = {int: "int8", float: "float8", str: "text", bytes: "bytea"}

SESSION = (
    "SET client_min_messages = warning",
    f"SET lock_timeout = '{BUSY_SECONDS}s'",
    "SET TIME ZONE 'UTC'",  # as the original's times of day in TIMESTAMP columns
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'",
)


class Passing(StoreError):
    """A later attempt may succeed: the server went away, or two runs stood in each other's way."""


class Dsn:
    """Where the server is. `name` is the URL without password and options.

    Raises StoreError for a URL that is not well-formed; its text shows nothing of the URL, as what
    was meant for a password may stand anywhere in it.
    """

    def __init__(self, url: str):
        try:
            parts = conninfo_to_dict(url)
        except psycopg.Error:
            raise StoreError(_UNREADABLE) from None
        self._conninfo = make_conninfo("", **parts)
        shown = {key: str(parts.get(key) or "") for key in ("user", "host", "port", "dbname")}
        # libpq ends the user's part at the first `@` or `/`, a password with one goes on behind.
        rest = shown["host"] + shown["dbname"]
        if "@" in rest or not set(shown["port"]) <= set("0123456789,"):
            raise StoreError(_UNREADABLE)
        self._secrets = [
            secret for key, secret in parts.items() if "password" in key and secret is not None
        ]
        place = quote(shown["host"], safe="/:,[]") + (f":{shown['port']}" if shown["port"] else "")
        user = f"{quote(shown['user'])}@" if shown["user"] else ""
        self.name = f"postgresql://{user}{place}/{quote(shown['dbname'])}"

    def __repr__(self) -> str:
        return f"Dsn({self.name!r})"

    def connect(self) -> psycopg.Connection[Any]:
        """A connection in autocommit mode. Raises Passing for a server that is not there yet."""
        defaults = {"connect_timeout": "10", "application_name": "atlas_fast"}
        set_there = conninfo_to_dict(self._conninfo)
        extra = {key: value for key, value in defaults.items() if key not in set_there}
        try:
            connection = psycopg.connect(
                self._conninfo, autocommit=True, client_encoding="utf8", **extra
            )
        except psycopg.Error as error:
            raise self.failure(error) from None
        try:
            for statement in SESSION:
                connection.execute(statement)
            encoding = connection.execute("SHOW server_encoding").fetchone()
            if encoding != ("UTF8",):
                raise StoreError(
                    f"{self.name}: the database has the encoding {encoding and encoding[0]}; "
                    "the text of mail needs UTF8 (CREATE DATABASE ... ENCODING 'UTF8')"
                )
        except psycopg.Error as error:
            connection.close()
            raise self.failure(error) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def connect_to_migrate(self) -> psycopg.Connection[Any]:
        """A connection that begins transactions by itself, as SQLAlchemy expects."""
        connection = self.connect()
        connection.autocommit = False
        return connection

    def failure(self, error: psycopg.Error) -> StoreError:
        """An error of the driver as one of ours, in one line and without a password."""
        text = " ".join(str(error).split())
        for secret in self._secrets:
            text = text.replace(str(secret), "***")
        state = error.sqlstate
        if state == "55P03":
            text += f" (locked by another program for more than {BUSY_SECONDS} s)"
        gone = state is None and isinstance(error, psycopg.OperationalError)
        if state is not None and "authentication failed" in text:
            gone = False
        if gone or (state or "").startswith(("08", "57P")) or state in PASSING:
            return Passing(f"{self.name}: {text}")
        return StoreError(f"{self.name}: {text}")


_UNREADABLE = (
    "--store postgresql://...: cannot be read as user:password@host:port/database; special "
    "characters in a password are written as %40 and the like, better: leave the password to "
    "PGPASSWORD or ~/.pgpass"
)

PASSING = frozenset(
    (
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "53300",  # too_many_connections
        "25006",  # read_only_sql_transaction: a fail-over in progress
    )
)


class PostgresStore(SqlStore):
    """A store in a database of a PostgreSQL server; its tables are made when none is there.

    Raises StoreError when the server cannot be reached, or the database has tables of these names
    that are not ours, older or newer ones.
    """

    def __init__(self, url: str, *, make: bool = True, retry_seconds: float = RETRY_SECONDS):
        self._dsn = Dsn(url)
        self.name = self._dsn.name
        self.retry_seconds = retry_seconds
        self._reader: psycopg.Connection[Any] | None = None
        self._reading = threading.Lock()
        self._depth = 0
        self._staged = False
        self._connection = self._connect()
        try:
            self._open(make)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> PostgresStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self, make: bool) -> None:
        state = self._guard(lambda: state_of(self._connection))
        if state.kind == "empty" and not make:
            raise StoreError(f"{self.name}: there is no store in this database")
        if state.kind == "empty":
            with self.transaction():
                # Two runs may start at once; the second finds the tables of the first.
                self._execute("SELECT pg_advisory_xact_lock(hashtext('atlas_fast schema'))")
                state = self._guard(lambda: state_of(self._connection))
                if state.kind == "empty":
                    for statement in schema.statements():
                        self._execute(postgres(statement))
                    return
        if not state.current:
            raise StoreError(state.refusal(self.name))

    def _connect(self) -> psycopg.Connection[Any]:
        connection = self._dsn.connect()
        self._guard(lambda: connection.execute(_MAKE_STAGING))
        return connection

    def _guard(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except psycopg.Error as error:
            raise self._dsn.failure(error) from error

    # Transactions

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[psycopg.Connection[Any]]:
        """The one door to writing: BEGIN, then COMMIT, or ROLLBACK on any exception.

        Inside another transaction it is a part of that one. Raises StoreError in place of the
        driver's errors, Passing where a later attempt may succeed.
        """
        if self._depth:
            yield self._connection
            return
        self._depth = 1
        self._staged = False
        try:
            self._guard(lambda: self._connection.execute(begin))
            try:
                yield self._connection
                self._guard(lambda: self._connection.execute("COMMIT"))
            except BaseException:
                if not self._connection.closed:
                    self._roll_back()
                raise
        except psycopg.Error as error:
            raise self._dsn.failure(error) from error
        finally:
            self._depth = 0

    def _roll_back(self) -> None:
        """After an error: the first one is what the caller wants to see."""
        try:
            self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def _again(self, step: Callable[[bool], T]) -> T:
        """Do a whole transaction until it holds; `step` is told whether it was tried before."""
        if self._depth:
            return step(False)
        return self._retry(step, self._revive)

    def _revive(self) -> None:
        if self._connection.closed:
            self._connection = self._connect()

    def _revive_reader(self) -> None:
        if self._reader is None or self._reader.closed:
            self._reader = self._dsn.connect()
            # With statistics of an empty table the planner would read all of it for each key.
            self._reader.execute("SET enable_seqscan = off")

    def _retry(self, step: Callable[[bool], T], revive: Callable[[], None]) -> T:
        give_up, pause, tried = None, FIRST_PAUSE, False
        while True:
            try:
                revive()
                return step(tried)
            except Passing as error:
                now = time.monotonic()
                give_up = now + self.retry_seconds if give_up is None else give_up
                if now >= give_up:
                    raise StoreError(
                        f"{error} (given up after {self.retry_seconds:g} s; what was committed "
                        "stays, the same command goes on from there)"
                    ) from error
                time.sleep(pause)
                tried, pause = True, min(2 * pause, LONGEST_PAUSE)

    def begin_run(self, sources: Sequence[str]) -> Run:
        return self._again(lambda tried: super(PostgresStore, self).begin_run(sources))

    def finish_run(self, run: Run) -> None:
        self._again(lambda tried: super(PostgresStore, self).finish_run(run))

    def write(
        self,
        run: Run,
        blocks: Sequence[RowBlock],
        errors: Sequence[ErrorRow] = (),
        marks: Sequence[Mark] = (),
    ) -> int:
        """As SqlStore.write; done again when the server went away meanwhile."""

        def once(tried: bool) -> int:
            with self.transaction():
                new = self._new_errors(run, errors) if tried else errors
                return super(PostgresStore, self).write(run, blocks, new, marks)

        return self._again(once)

    def _new_errors(self, run: Run, errors: Sequence[ErrorRow]) -> list[ErrorRow]:
        """Reports that are not there yet: the first attempt may have been committed, although the
        answer was lost, and reports have no key."""
        rows = self._execute(
            "SELECT error_type, error_message, context_data FROM error_reports "
            "WHERE session_id = ?",
            (run.session_id,),
        ).fetchall()
        there = set(rows)
        return [e for e in errors if (e.kind, e.text, json.dumps({"uid": e.place})) not in there]

    # Statements

    def _execute(self, query: str, values: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        def once(tried: bool) -> psycopg.Cursor[Any]:
            return self._guard(lambda: self._connection.execute(_bound(query), values))

        return self._again(once)

    def _executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        try:
            self._connection.cursor().executemany(_bound(query), rows)
        except psycopg.Error as error:
            raise self._dsn.failure(error) from error

    def _insert(self, blocks: Sequence[RowBlock]) -> Tally:
        """New rows that are not all of the blocks' are told by their ids and by the transaction
        that wrote them: others may write at the same time."""
        first = self._execute(
            "SELECT nextval(pg_get_serial_sequence(?, 'id'))", (schema.MESSAGES,)
        ).fetchall()[0]
        stored = 0
        for names, alike in groupby(blocks, key=lambda block: block.names):
            stored += self._guard(partial(self._copy, names, alike))
        if stored != sum(block.n for block in blocks):
            where = "id > ? AND xmin = pg_current_xact_id()::xid"
            return self._tally(where, first) if stored else Tally()
        added = Tally()
        for block in blocks:
            added.merge(block.tally)
        return added

    def _copy(self, names: Sequence[str], blocks: Iterable[RowBlock]) -> int:
        """Rows into the table; returns how many keys were new."""
        if self._staged:  # COMMIT empties it, a second COPY in one transaction does not
            self._connection.execute(f"TRUNCATE {STAGING}")
        self._staged = True
        columns = ", ".join(names)
        cursor = self._connection.cursor()
        with cursor.copy(f"COPY {STAGING} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([_COPIED[COLUMNS[name]] for name in names])
            for block in blocks:
                for row in block:
                    copy.write_row(row)
        cursor.execute(
            f"INSERT INTO {schema.MESSAGES} ({columns}) SELECT {columns} FROM {STAGING} "
            "ON CONFLICT (message_key) DO NOTHING"
        )
        return cursor.rowcount

    def _add_up(self, tally: Tally, sign: int = 1) -> None:
        """As SqlStore, in the order of the keys: so two runs wait for each other, not both."""
        for summary in SUMMARIES:
            if tally.counts[summary.table]:
                self._executemany(summary.upsert, sorted(tally.rows(summary, sign)))
                if sign < 0:
                    self._execute(summary.drop_empty)

    # Reading

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys that are stored, or were pruned. Any thread may ask."""
        with self._reading:
            return self._retry(lambda tried: self._look_up(list(keys)), self._revive_reader)

    def _look_up(self, keys: list[bytes]) -> set[bytes]:
        reader, found = self._reader, set()
        assert reader is not None
        for table in (schema.MESSAGES, "pruned_keys"):
            query = f"SELECT message_key FROM {table} WHERE message_key = ANY(%b)"
            rows = self._guard(partial(reader.execute, query, (keys,), binary=True)).fetchall()
            found.update(key for (key,) in rows)
        return found

    # Upkeep

    def delete_run(self, session_id: int) -> Removed:
        """As SqlStore, while nobody else writes rows."""
        with self.transaction():
            self._stop_writers()
            return super().delete_run(session_id)

    def prune(self, before: str) -> Removed:
        """As SqlStore, while nobody else writes rows."""
        with self.transaction():
            self._stop_writers()
            return super().prune(before)

    def _stop_writers(self) -> None:
        self._execute(f"LOCK TABLE {schema.MESSAGES} IN SHARE ROW EXCLUSIVE MODE")

    def check(self) -> list[Finding]:
        """As SqlStore, of one moment of the database."""
        with self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            return super().check()

    def _integrity(self) -> list[Finding]:
        """Each message row is read whole, past the indexes, and keys are compared without them;
        references are counted, although the server keeps them."""
        try:
            self._execute("SET LOCAL enable_indexscan = off")
            self._execute("SET LOCAL enable_indexonlyscan = off")
            self._execute("SET LOCAL enable_bitmapscan = off")
            self._execute(f"SELECT SUM(octet_length(m::text)) FROM {schema.MESSAGES} m")
            ((twice,),) = self._execute(
                f"SELECT COUNT(message_key) - COUNT(DISTINCT message_key) FROM {schema.MESSAGES}"
            ).fetchall()
        except StoreError as error:
            return [Finding("integrity", str(error))]
        if twice:
            return [Finding("integrity", f"{twice} message(s) are stored twice: REINDEX, then look")]
        found = []
        for table, column, parent in _references():
            ((lost,),) = self._execute(
                f"SELECT COUNT(*) FROM {table} c WHERE c.{column} IS NOT NULL "
                f"AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.id = c.{column})"
            ).fetchall()
            if lost:
                text = f"{lost} row(s) of {table} without their row in {parent}"
                found.append(Finding("orphan", text))
        return found

    def vacuum(self) -> None:
        """Make the room of removed rows usable again, and refresh the planner's statistics."""
        for table in schema.TABLES:
            self._execute(f"VACUUM (ANALYZE) {table}")

    def size(self) -> int:
        """Bytes of the tables and their indexes."""
        tables = tuple(schema.TABLES)
        marks = ", ".join(["?"] * len(tables))
        return self._execute(
            "SELECT COALESCE(SUM(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c "
            f"WHERE relnamespace = current_schema()::regnamespace AND relname IN ({marks})",
            tables,
        ).fetchall()[0][0]

    def close(self) -> None:
        """Close the connections; may be called twice."""
        with self._reading:
            if self._reader is not None:
                self._reader.close()
        self._connection.close()


class PostgresReader:
    """A store opened to read its rows, in one read-only transaction."""

    def __init__(self, url: str):
        self._dsn = Dsn(url)
        self._connection = self._dsn.connect()

    def rows(self, wanted: Wanted) -> Iterator[Sequence[Row]]:
        query, values = wanted.select("%({})s")
        try:
            state = state_of(self._connection)
            if not state.current:
                raise StoreError(state.refusal(self._dsn.name))
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            with self._connection.cursor("atlas_fast_rows") as cursor:
                cursor.execute(query, values)
                while rows := cursor.fetchmany(READ_ROWS):
                    yield rows
        except psycopg.Error as error:
            raise self._dsn.failure(error) from error

    def close(self) -> None:
        self._connection.close()


@lru_cache(maxsize=256)
def _bound(query: str) -> str:
    """Our statements mark a value by `?`, the driver's by `%s`."""
    return query.replace("%", "%%").replace("?", "%s")


def _references() -> list[tuple[str, str, str]]:
    """(table, column, parent) of each reference in the schema."""
    return [
        (table, column, parent)
        for table, text in schema.TABLES.items()
        for column, parent in re.findall(r"(\w+) \w+[ A-Z]* REFERENCES (\w+)\(id\)", text)
    ]


def server_state(url: str) -> State:
    """What the database at a URL is. Raises StoreError when it cannot be reached."""
    dsn = Dsn(url)
    with closing(dsn.connect()) as connection:
        try:
            return state_of(connection)
        except psycopg.Error as error:
            raise dsn.failure(error) from error


def state_of(connection: psycopg.Connection[Any]) -> State:
    """Recognise what the connection's schema holds: `empty` where no table has a name of ours."""
    rows = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    ).fetchall()
    names = {name for (name,) in rows} & {*schema.TABLES, "alembic_version"}
    if not names:
        return State("empty")
    if not {"alembic_version", "first_state", schema.MESSAGES} <= names:
        return State("foreign")
    revision = connection.execute("SELECT MAX(version_num) FROM alembic_version").fetchone()
    version = connection.execute("SELECT MAX(version) FROM schema_version").fetchone()
    return State("store", revision and revision[0], version and version[0])
