"""Migrations: a store, or a database of Atlas_Email, from one revision to another.

Needs Alembic (the extra `db`); a run into a new or current store does not, as new stores are made
from `schema.py`. A command is one transaction: it holds as a whole, or the store is what it was.
`path` is a file, or the URL of a PostgreSQL database; there `keep` copies nothing, as that is what
pg_dump is for.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from atlas_fast.errors import StoreError, UsageError, extra
from atlas_fast.store import kind_of, name_of
from atlas_fast.store.reading import BUSY_SECONDS, ReadOnly
from atlas_fast.store.schema import REVISION
from atlas_fast.store.sqlite import backup as copy_file
from atlas_fast.store.state import State, state_of

__all__ = ["Move", "Step", "backup", "current", "downgrade", "history", "upgrade"]

BASE = "base"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration."""

    revision: str
    text: str


@dataclass(frozen=True, slots=True)
class Move:
    """What a command did: revisions before and after (None: not a store), and the backup."""

    before: str | None
    after: str | None
    backup: Path | None


def current(path: str | Path) -> State:
    """What the store is. Raises StoreError when it is no database, or not there."""
    if _on_server(path):
        from atlas_fast.store.server import server_state

        return server_state(str(path))
    if kind_of(path) == "parquet":
        raise UsageError(f"{path}: a folder of Parquet files has no migrations")
    with closing(ReadOnly(path)) as file:
        try:
            return state_of(file.connection)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error


def backup(path: str | Path, target: str | Path | None = None) -> Path:
    """Copy a file, see `sqlite.backup`. Raises UsageError for a store that is none."""
    kind = kind_of(path)
    if kind == "sqlite":
        return copy_file(path, target)
    way = "pg_dump makes the backup" if kind == "postgres" else "copy the folder"
    raise UsageError(f"{name_of(path)}: is no SQLite file; {way}")


def history() -> list[Step]:
    """All migrations, the oldest first."""
    found = _scripts().walk_revisions()
    return [Step(one.revision, (one.doc or "").splitlines()[0]) for one in reversed(list(found))]


def upgrade(path: str | Path, revision: str = REVISION, *, keep: bool = True) -> Move:
    """Bring a file to a revision: make a store of it, adopt a database of Atlas_Email, or update
    an older store. `keep`: copy a file that has something in it first.

    Raises StoreError for a newer file, or one of another program; UsageError for a revision that
    does not exist or lies behind.
    """
    there = kind_of(path) != "sqlite" or Path(path).is_file()
    state = current(path) if there else State("empty")
    if state.kind == "foreign" or state.newer:
        raise StoreError(state.refusal(name_of(path)))
    _known(revision)
    if revision == BASE or (state.revision or "") > revision:
        raise UsageError(
            f"{name_of(path)}: is at {state.revision}; `db downgrade` leads to {revision}"
        )
    if state.revision == revision:
        return Move(revision, revision, None)
    keep = keep and state.kind != "empty" and not _on_server(path)
    kept = backup(path) if keep else None
    _move(path, revision, up=True)
    return Move(state.revision, revision, kept)


def downgrade(path: str | Path, revision: str, *, keep: bool = True) -> Move:
    """Bring a store back to an earlier revision; `base` is what it was before atlas_fast.

    That is the database of Atlas_Email as it was adopted, its rows and what was added to them; an
    empty file for a store that atlas_fast made. Raises StoreError and UsageError like `upgrade`.
    """
    state = current(path)
    if state.kind != "store" or state.newer:
        raise StoreError(state.refusal(name_of(path)))
    _known(revision)
    if revision != BASE and revision > (state.revision or ""):
        raise UsageError(
            f"{name_of(path)}: is at {state.revision}; `db upgrade` leads to {revision}"
        )
    if state.revision == revision:
        return Move(revision, revision, None)
    kept = backup(path) if keep and not _on_server(path) else None
    _move(path, revision, up=False)
    return Move(state.revision, None if revision == BASE else revision, kept)


def _on_server(path: str | Path) -> bool:
    return kind_of(path) == "postgres"


def _known(revision: str) -> None:
    names = [step.revision for step in history()]
    if revision != BASE and revision not in names:
        raise UsageError(f"{revision}: no such revision; there are {BASE}, {', '.join(names)}")


def _alembic() -> Any:
    try:
        import alembic.command
        import alembic.config
        import alembic.script
    except ImportError as error:
        raise StoreError(
            f"migrations need Alembic (a new store does not): {extra('db')}"
        ) from error
    return alembic


def _config() -> Any:
    config = _alembic().config.Config()
    config.set_main_option("script_location", _folder().replace("%", "%%"))
    return config


def _folder() -> str:
    """The folder of the package `atlas_fast.migrations`.

    In a source tree that was not installed it lies beside atlas_fast, and is made known here under
    the name that the migrations themselves import.
    """
    name = "atlas_fast.migrations"
    if name not in sys.modules and find_spec(name) is None:
        folder = Path(__file__).parents[2] / "migrations"
        spec = spec_from_file_location(name, folder / "__init__.py")
        assert spec is not None
        sys.modules[name] = module_from_spec(spec)
    return str(files(name))


def _scripts() -> Any:
    return _alembic().script.ScriptDirectory.from_config(_config())


def _move(path: str | Path, revision: str, *, up: bool) -> None:
    import sqlalchemy.exc

    config = _config()
    try:
        with _connected(path) as connection:
            config.attributes["connection"] = connection
            command = _alembic().command
            with connection.begin():
                (command.upgrade if up else command.downgrade)(config, revision)
                if revision == BASE:
                    connection.exec_driver_sql("DROP TABLE alembic_version")
    except (sqlite3.Error, sqlalchemy.exc.DBAPIError) as error:
        reason = getattr(error, "orig", None) or error
        raise StoreError(f"{name_of(path)}: nothing was changed: {reason}") from error


@contextmanager
def _connected(path: str | Path) -> Iterator[Any]:
    """A connection whose transactions are the database's: SQLite's driver begins none and commits
    none.

    Without this a migration that fails in its middle leaves its first half behind. Foreign keys
    are off in SQLite, as a table that is dropped would otherwise be emptied row by row.
    """
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)

    if _on_server(path):
        from atlas_fast.store.server import Dsn

        engine = create_engine(
            "postgresql+psycopg://", creator=Dsn(str(path)).connect_to_migrate, poolclass=NullPool
        )
    else:
        engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.connect() as connection:
        yield connection
    engine.dispose()
