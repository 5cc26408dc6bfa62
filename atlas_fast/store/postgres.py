"""The PostgreSQL store: rows by COPY, one transaction a write; needs the `postgres` extra.

(a) A write goes by COPY into a temporary table of the connection and from there
    into the message table, where a key that is known is skipped.
(b) A write that meets a lost server, or another run in its way, is done again as a whole: rows have
    keys, so that what was committed after all adds nothing.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, TypeVar

import psycopg

from atlas_fast.errors import StoreError
from atlas_fast.store import schema
from atlas_fast.store.base import ErrorRow, Finding, Mark, Removed, Run
from atlas_fast.store.dialect import postgres
from atlas_fast.store.reading import CATEGORIES, COLUMNS, READ_ROWS, RUNS, Row, Wanted
from atlas_fast.store.rows import RowBlock
from atlas_fast.store.server import REACH_SECONDS, Dsn, Passing, Ping, state_of
from atlas_fast.store.sql import SqlStore
from atlas_fast.store.summaries import SUMMARIES, Tally, tally_of_blocks

__all__ = ["PostgresReader", "PostgresStore"]

T = TypeVar("T")

RETRY_SECONDS = 60.0
"""How long a run waits for a server that went away, or is being restarted."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two attempts, doubled each time."""

STAGING = "atlas_fast_staging"
_TYPES = {int: "BIGINT", float: "DOUBLE PRECISION", str: "TEXT", bytes: "BYTEA"}
_MAKE_STAGING = (
    f"CREATE TEMPORARY TABLE {STAGING} (position BIGINT GENERATED ALWAYS AS IDENTITY, "
    + ", ".join(f"{name} {_TYPES[kind]}" for name, kind in COLUMNS.items())
    + ") ON COMMIT DELETE ROWS"
)
_COPIED = {int: "int8", float: "float8", str: "text", bytes: "bytea"}


class PostgresStore(SqlStore):
    """A store in a database of a PostgreSQL server; its tables are made when none is there.

    `wait`: where the server starts up, wait for it as for one that went away; where none answers,
    REACH_SECONDS. Raises StoreError when the server cannot be reached, or the database has tables
    of these names that are not ours, older or newer ones.
    """

    def __init__(
        self, url: str, *, make: bool = True, wait: bool = False,
        retry_seconds: float = RETRY_SECONDS,
    ):  # fmt: skip
        self._dsn = Dsn(url)
        self.name = self._dsn.name
        self.retry_seconds = retry_seconds
        self._reader: psycopg.Connection[Any] | None = None
        self._asking = threading.Lock()
        self._depth = 0
        self._staged = False
        if wait:
            self._wait_for_server()
        self._connection = self._connect()
        try:
            self._open(make)
        except BaseException:
            self._connection.close()
            raise

    def _wait_for_server(self) -> None:
        """Until it takes connections, or the time is over: then connecting says what is wrong."""
        begin = heard = time.monotonic()
        pause = FIRST_PAUSE
        while (said := self._dsn.ping()) in (Ping.REJECT, Ping.NO_RESPONSE):
            now = time.monotonic()
            heard = now if said == Ping.REJECT else heard
            if now - heard >= REACH_SECONDS or now - begin >= self.retry_seconds:
                return
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

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
        return self._connect_and(_MAKE_STAGING)

    def _connect_and(self, statement: str) -> psycopg.Connection[Any]:
        connection = self._dsn.connect()
        try:
            self._guard(lambda: connection.execute(statement))
        except BaseException:
            connection.close()
            raise
        return connection

    def _guard(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except psycopg.Error as error:
            raise self._dsn.failure(error) from error

    # Transactions

    def transaction(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """The one door to writing: BEGIN, then COMMIT, or ROLLBACK on any exception.

        Inside another transaction it is a savepoint: an exception takes back what was done in it,
        and the outer one decides on the rest. Raises StoreError in place of the driver's errors,
        Passing where a later attempt may succeed.
        """
        if self._depth:
            return self._ending("SAVEPOINT part", "RELEASE part", "ROLLBACK TO part")
        return self._ending("BEGIN", "COMMIT", "ROLLBACK")

    def _reading(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """One moment of the store, whatever others write meanwhile."""
        if self._depth:
            return self.transaction()
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        return self._ending(begin, "COMMIT", "ROLLBACK")

    @contextmanager
    def _ending(self, begin: str, good: str, bad: str) -> Iterator[psycopg.Connection[Any]]:
        connection = self._connection
        if not self._depth:
            self._staged = False
        self._depth += 1
        try:
            self._guard(lambda: connection.execute(begin))
            try:
                yield connection
                self._guard(lambda: connection.execute(good))
            except BaseException:
                self._roll_back(bad)
                raise
        except psycopg.Error as error:
            raise self._dsn.failure(error) from error
        finally:
            self._depth -= 1

    def _roll_back(self, how: str) -> None:
        """After an error, which is the one that the caller wants to see."""
        try:
            if not self._connection.closed:
                self._connection.execute(how)
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
            # With statistics of an empty table the planner would read all of it for each key.
            self._reader = self._connect_and("SET enable_seqscan = off")

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

    def finish_run(self, run: Run, report: str | None = None, *, ended: bool = True) -> None:
        self._again(lambda tried: super(PostgresStore, self).finish_run(run, report, ended=ended))

    def write(
        self,
        run: Run,
        blocks: Iterable[RowBlock],
        errors: Sequence[ErrorRow] = (),
        marks: Sequence[Mark] = (),
    ) -> int:
        """As SqlStore.write; done again when the server went away meanwhile."""

        again = list(blocks)

        def once(tried: bool) -> int:
            with self.transaction():
                new = self._new_errors(run, errors) if tried else errors
                return super(PostgresStore, self).write(run, again, new, marks)

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

    def _insert(self, blocks: Iterable[RowBlock]) -> Tally:
        """The ids of new rows stay with the driver, unless some of the rows were known."""
        blocks = list(blocks)
        cursors = [
            self._guard(partial(self._copy, names, list(alike)))
            for names, alike in groupby(blocks, key=lambda block: block.names)
        ]
        stored = sum(cursor.rowcount for cursor in cursors)
        if stored != sum(block.n for block in blocks):
            ids = [number for cursor in cursors for (number,) in cursor.fetchall()]
            return self._tally("id = ANY(?)", (ids,)) if ids else Tally()
        return tally_of_blocks(blocks)

    def _copy(self, names: Sequence[str], blocks: Sequence[RowBlock]) -> psycopg.Cursor[Any]:
        """Rows into the table; a cursor over the ids of those whose key was new."""
        if self._staged:  # COMMIT empties it, a second COPY in one transaction does not
            self._connection.execute(f"TRUNCATE {STAGING}")
        self._staged = True
        columns = ", ".join(names)
        cursor = self._connection.cursor(binary=True)
        with cursor.copy(f"COPY {STAGING} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([_COPIED[COLUMNS[name]] for name in names])
            for block in blocks:
                for row in block:
                    copy.write_row(row)
        if cursor.rowcount != sum(block.n for block in blocks):
            raise StoreError(f"{self.name}: {cursor.rowcount} rows came in, more were given")
        cursor.execute(
            f"INSERT INTO {schema.MESSAGES} ({columns}) SELECT {columns} FROM {STAGING} "
            "ORDER BY position ON CONFLICT (message_key) DO NOTHING RETURNING id"
        )
        return cursor

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
        with self._asking:
            return self._retry(lambda tried: self._look_up(list(keys)), self._revive_reader)

    def _look_up(self, keys: list[bytes]) -> set[bytes]:
        reader = self._reader
        found: set[bytes] = set()
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

    def recount(self) -> None:
        """As SqlStore, while nobody else writes rows."""
        with self.transaction():
            self._stop_writers()
            super().recount()

    def _integrity(self) -> list[Finding]:
        """Each message row is read whole, past the indexes, and keys are compared without them;
        references are counted, although the server keeps them."""
        past_indexes = (
            "SET LOCAL enable_indexscan = off",
            "SET LOCAL enable_indexonlyscan = off",
            "SET LOCAL enable_bitmapscan = off",
            f"SELECT SUM(octet_length(m::text)) FROM {schema.MESSAGES} m",
        )
        try:
            with self._reading():
                for statement in past_indexes:
                    self._execute(statement)
                ((twice,),) = self._execute(
                    "SELECT COUNT(message_key) - COUNT(DISTINCT message_key) "
                    f"FROM {schema.MESSAGES}"
                ).fetchall()
        except StoreError as error:
            return [Finding("integrity", str(error))]
        if twice:
            return [Finding("integrity", f"{twice} message(s) are stored twice: see REINDEX")]
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
        with self._asking:
            if self._reader is not None:
                self._reader.close()
        self._connection.close()


class PostgresReader:
    """A store opened to read its rows, in one read-only transaction."""

    def __init__(self, url: str):
        self._dsn = Dsn(url)
        self._connection = self._dsn.connect()

    def runs(self) -> list[int]:
        return [number for (number,) in self._ask(RUNS)]

    def categories(self) -> set[str]:
        return {name for (name,) in self._ask(CATEGORIES) if name is not None}

    def rows(self, wanted: Wanted) -> Iterator[Sequence[Row]]:
        with self._errors():
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            with self._connection.cursor("atlas_fast_rows") as cursor:
                cursor.execute(*wanted.select("%({})s"))
                while rows := cursor.fetchmany(READ_ROWS):
                    yield rows

    def _ask(self, query: str) -> list[Row]:
        with self._errors():
            return self._connection.execute(query).fetchall()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            state = state_of(self._connection)
            if not state.current:
                raise StoreError(state.refusal(self._dsn.name))
            yield
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
