"""Where rows go: one transaction a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atlas_fast.errors import StoreError, UsageError, extra
from atlas_fast.store.base import Run, Store, Totals
from atlas_fast.store.reading import Reader, SqliteReader
from atlas_fast.store.readonly import SqliteView
from atlas_fast.store.sql import SqlStore
from atlas_fast.store.sqlite import SqliteStore

__all__ = [
    "Run",
    "SqliteStore",
    "Store",
    "Totals",
    "kind_of",
    "name_of",
    "open_database",
    "open_reader",
    "open_store",
]

SCHEMES = ("postgresql", "postgres")


def kind_of(where: str | Path) -> str:
    """`postgres` for a postgresql:// URL, `parquet` for a name in .parquet, otherwise `sqlite`.

    Raises UsageError for a URL of another scheme.
    """
    text = str(where)
    if isinstance(where, str) and "://" in text:
        scheme = text.partition("://")[0]
        if scheme in SCHEMES:
            return "postgres"
        raise UsageError(
            f"--store {scheme}://: not a known store; a postgresql:// URL, a folder in .parquet, "
            "or the path of an SQLite file is"
        )
    return "parquet" if text.rstrip("/").endswith(".parquet") else "sqlite"


def name_of(where: str | Path) -> str:
    """The store as messages and reports name it: a URL without its password."""
    if kind_of(where) != "postgres":
        return str(where)
    with _extra("postgres", "psycopg"):
        from atlas_fast.store.server import Dsn
    return Dsn(str(where)).name


def open_store(
    where: str | Path, *, make: bool = True, write: bool = True, wait: bool = False
) -> Store:
    """Open, or make, the store at `where`: the path of an SQLite file, a postgresql:// URL, or a
    folder whose name ends in .parquet. `write=False`: to ask it only; none is made then. `wait`:
    for a server that is just being started.

    Raises UsageError for a form that is not known or needs a package that is absent, StoreError
    when it cannot be opened, or is not there and `make` is False.
    """
    make &= write
    kind = kind_of(where)
    if kind == "postgres":
        with _extra("postgres", "psycopg"):
            from atlas_fast.store.postgres import PostgresStore
        return PostgresStore(str(where), make=make, wait=wait)
    if kind == "parquet":
        with _extra("arrow", "pyarrow"):
            from atlas_fast.store.parquet import ParquetStore
        return ParquetStore(where, make=make, write=write)
    if not write:
        return SqliteView(where)
    if not make and not Path(where).is_file():
        raise StoreError(f"{where}: there is no such file")
    return SqliteStore(where)


def open_database(where: str | Path, *, wait: bool = False) -> SqlStore:
    """Open, or make, a store that is a database: one with accounts, flags and the IMAP journal.

    Raises as `open_store`, and UsageError for a folder of Parquet files.
    """
    if kind_of(where) == "parquet":
        raise UsageError(f"{where}: a folder of Parquet files keeps no journal; name a database")
    store = open_store(where, wait=wait)
    assert isinstance(store, SqlStore)
    return store


def open_reader(where: str | Path) -> Reader:
    """Open the store at `where` to read its rows; nothing is made or changed.

    Raises as `open_store`, and StoreError when there is no such store.
    """
    kind = kind_of(where)
    if kind == "postgres":
        with _extra("postgres", "psycopg"):
            from atlas_fast.store.postgres import PostgresReader
        return PostgresReader(str(where))
    if kind == "parquet":
        with _extra("arrow", "pyarrow"):
            from atlas_fast.store.parquet import ParquetReader
        return ParquetReader(where)
    return SqliteReader(where)


@contextmanager
def _extra(name: str, package: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UsageError(f"this store needs {package}: {extra(name)}") from error
