"""Where rows go: one transaction a batch."""

from __future__ import annotations

from pathlib import Path

from atlas_fast.errors import UsageError
from atlas_fast.store.base import Run, Store, Totals
from atlas_fast.store.sqlite import SqliteStore

__all__ = ["Run", "SqliteStore", "Store", "Totals", "open_store"]


def open_store(where: str | Path) -> SqliteStore:
    """Open, or make, the store at `where`: the path of an SQLite file.

    Raises UsageError for a form that is not known, StoreError when it cannot be opened.
    """
    if isinstance(where, str) and "://" in where:
        scheme = where.split("://", 1)[0]
        raise UsageError(f"--store {scheme}://: not a known store; give the path of a file")
    return SqliteStore(where)
