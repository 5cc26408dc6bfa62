"""Rows into PostgreSQL: the store's COPY against what a program with the same driver would write.

The server is started for the comparison, with its defaults, `fsync` among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from atlas_fast.batch import Batch
from atlas_fast.bench.paired import Contestant, Paired, compare
from atlas_fast.bench.server import Server
from atlas_fast.store import schema
from atlas_fast.store.base import Mark
from atlas_fast.store.grouping import COMMIT_ROWS, GroupedWrites
from atlas_fast.store.postgres import PostgresStore
from atlas_fast.store.rows import row_block
from atlas_fast.store.sqlite import local_now

__all__ = ["writing"]

COMMITTED_ROWS = 300
"""Rows of the contestants that commit each."""

EMPTIED = (
    schema.MESSAGES, "sessions", "resume_marks", "error_reports", "run_reports",
    *(name for name in schema.TABLES if name.startswith("summary_")),
)  # fmt: skip


def writing(batches: Sequence[Batch], rounds: int) -> Paired:
    """Compare writers, each into emptied tables with all their indexes; the number of rows is
    checked each time."""
    n = sum(map(len, batches))
    blocks = [row_block(batch, 1, local_now()) for batch in batches]
    names = ", ".join(blocks[0].names)
    values = ", ".join(["%s"] * len(blocks[0].names))
    insert = (
        f"INSERT INTO {schema.MESSAGES} ({names}) VALUES ({values}) "
        "ON CONFLICT (message_key) DO NOTHING"
    )
    ready = [row for block in blocks for row in block]
    groups = [ready[start : start + COMMIT_ROWS] for start in range(0, n, COMMIT_ROWS)]

    with Server() as server, PostgresStore(server.database("bench")) as store:
        connection = store._connection

        def ours() -> None:
            run = store.begin_run([])
            writes = GroupedWrites(store, run)
            for batch in batches:
                block = row_block(batch, run.session_id, local_now())
                writes.write([block], mark=Mark(batch.source, batch.mark))
            writes.close()

        def bare_copy() -> None:
            for rows in groups:
                with store.transaction():
                    cursor = connection.cursor()
                    with cursor.copy(f"COPY {schema.MESSAGES} ({names}) FROM STDIN") as copy:
                        for row in rows:
                            copy.write_row(row)

        def executemany() -> None:
            for rows in groups:
                with store.transaction():
                    connection.cursor().executemany(insert, rows)

        def one_by_one() -> None:
            for row in ready[:COMMITTED_ROWS]:
                connection.execute(insert, row)

        def empty() -> None:
            connection.execute(f"TRUNCATE {', '.join(EMPTIED)} RESTART IDENTITY CASCADE")
            connection.execute("CHECKPOINT")
            store.begin_run([])  # the ready tuples are of run 1

        def contestant(name: str, write: Callable[[], None], items: int, text: str) -> Contestant:
            def call() -> Any:
                write()
                found = store.count_messages()
                if found != items:
                    raise AssertionError(f"{name}: {found} rows where {items} were written")
                return found

            return Contestant(name, call, items, text, empty)

        same = f"same table and indexes, an fsync each commit of {COMMIT_ROWS:,} rows"
        sides = [
            contestant(
                "atlas_fast", ours, n,
                f"columns to rows, COPY, known keys left out, summaries, totals, marks; {same}",
            ),
            contestant("bare COPY", bare_copy, n, f"ready tuples, no key is left out; {same}"),
            contestant("executemany", executemany, n, f"ready tuples, known keys left out; {same}"),
            contestant(
                "commit a row", one_by_one, min(n, COMMITTED_ROWS),
                "ready tuples; an INSERT and COMMIT a row",
            ),
        ]  # fmt: skip

        def check(answers: dict[str, Any]) -> None:
            empty()
            ours()
            findings = store.check()
            if findings:
                raise AssertionError(f"the store is not sound: {findings[0].text}")

        return compare("PostgreSQL rows", sides, rounds=rounds, check=check, min_seconds=0.0)
