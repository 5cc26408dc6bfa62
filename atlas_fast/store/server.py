"""A PostgreSQL server: how to reach it without showing a password, and what a database holds.

Needs the `postgres` extra.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import PGconn, Ping

from atlas_fast.errors import StoreError
from atlas_fast.store import schema
from atlas_fast.store.state import State

__all__ = ["BUSY_SECONDS", "REACH_SECONDS", "Dsn", "Passing", "Ping", "server_state", "state_of"]

BUSY_SECONDS = 60
"""How long a statement waits for a lock of another program."""

REACH_SECONDS = 5.0
"""How long a run waits at its start for a server that does not answer: long enough for a restart,
short enough for a name or a port that is wrong."""

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
        defaults: dict[str, Any] = {"connect_timeout": 10, "application_name": "atlas_fast"}
        self._conninfo = make_conninfo("", **(defaults | parts))
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
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True, client_encoding="utf8")
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

    def ping(self) -> Ping:
        """What the server says before anybody has logged in: OK, REJECT while it starts up or shuts
        down, NO_RESPONSE where none answers."""
        conninfo = make_conninfo(self._conninfo, connect_timeout=int(REACH_SECONDS) or 1)
        return Ping(PGconn.ping(conninfo.encode()))

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
