"""Message rows that are ready in an SQLite file: SQLite copying them bounds all writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from atlas_fast.bench.material import Material

if TYPE_CHECKING:
    from atlas_fast.store import SqliteStore
    from atlas_fast.store.rows import RowBlock

__all__ = ["ReadyRows"]


class ReadyRows:
    """The rows of blocks with the same columns, in a table without index."""

    def __init__(self, data: Material, blocks: Sequence[RowBlock]):
        self.names, self.n = blocks[0].names, sum(block.n for block in blocks)
        self.path = data.fresh("ready rows.db")
        with closing(sqlite3.connect(self.path)) as made:
            made.execute(f"CREATE TABLE ready ({', '.join(self.names)})")
            marks = ", ".join("?" * len(self.names))
            for block in blocks:
                made.executemany(f"INSERT INTO ready VALUES ({marks})", block)
            made.commit()

    def copy(self, target: SqliteStore) -> None:
        """All rows into a new store, with its indexes and durability, as many a commit as a run
        has; no Python between the rows."""
        from atlas_fast.store import schema
        from atlas_fast.store.grouping import COMMIT_ROWS

        names = ", ".join(self.names)
        target.begin_run([])
        connection = target._connection
        connection.execute("ATTACH ? AS rows", (str(self.path),))
        for start in range(0, self.n, COMMIT_ROWS):
            with target.transaction():
                connection.execute(
                    f"INSERT INTO {schema.MESSAGES} ({names}) SELECT {names} FROM rows.ready "
                    "WHERE rowid > ? AND rowid <= ? ON CONFLICT (message_key) DO NOTHING",
                    (start, start + COMMIT_ROWS),
                )
        connection.execute("DETACH rows")
