"""Comparisons of whole runs, and of the store: against the baseline, filters in use, themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from atlas_fast.bench.baseline import Baseline, geo_available
from atlas_fast.bench.material import Material
from atlas_fast.bench.paired import Contestant, Paired, compare
from atlas_fast.bench.readyrows import ReadyRows

__all__ = ["end_to_end", "filters", "memory", "postgres", "scaling", "store"]

MEMORY_SIZES = (10_000, 100_000, 1_000_000)
"""Messages of the runs whose peak memory is taken; the first is the baseline's batch."""

COMMITTED_ROWS = 200
"""Rows that are committed one by one."""

BASELINE_MESSAGES = 40
"""Messages that the baseline gets, evenly spaced; its rate does not depend on their number."""


def store(data: Material, rounds: int) -> list[Paired]:
    """Writing rows: the store against ready tuples, and against a commit for each row."""
    from atlas_fast.pipeline import scan
    from atlas_fast.store import SqliteStore, schema
    from atlas_fast.store.base import Mark
    from atlas_fast.store.grouping import COMMIT_ROWS, GroupedWrites
    from atlas_fast.store.rows import row_block
    from atlas_fast.store.sqlite import insert_statement, local_now

    batches = list(scan(str(data.mbox)))
    n = sum(map(len, batches))
    blocks = [row_block(batch, 1, local_now()) for batch in batches]
    insert = insert_statement(blocks[0].names)
    ready = [row for block in blocks for row in block]
    groups = [ready[start : start + COMMIT_ROWS] for start in range(0, n, COMMIT_ROWS)]
    few = ready[:COMMITTED_ROWS]

    def ours(target: SqliteStore) -> None:
        run = target.begin_run([])
        writes = GroupedWrites(target, run)
        for batch in batches:
            block = row_block(batch, run.session_id, local_now())
            writes.write([block], mark=Mark(batch.source, batch.mark))
        writes.close()

    def bare(target: SqliteStore) -> None:
        target.begin_run([])
        for rows in groups:
            with target.transaction() as connection:
                connection.executemany(insert, rows)

    kept = ReadyRows(data, blocks)

    def no_index(target: SqliteStore) -> None:
        target.begin_run([])
        with target.transaction() as connection:
            for name in (*schema.INDEXES, *schema.UNIQUE_INDEXES):
                connection.execute(f"DROP INDEX {name}")
        plain = insert.partition(" ON CONFLICT")[0]
        for rows in groups:
            with target.transaction() as connection:
                connection.executemany(plain, rows)

    def one_by_one(target: SqliteStore) -> None:
        target.begin_run([])
        for row in few:
            with target.transaction() as connection:
                connection.execute(insert, row)

    def one_by_one_journal(target: SqliteStore) -> None:
        with closing(sqlite3.connect(target.path, isolation_level=None)) as other:
            target.close()
            other.execute("PRAGMA journal_mode=DELETE")
            other.execute("PRAGMA synchronous=FULL")
            for row in few:
                other.execute("BEGIN IMMEDIATE")
                other.execute(insert, row)
                other.execute("COMMIT")

    same = "same table, indexes, commits and durability; the file closed and checkpointed"
    sides: list[tuple[str, Callable[[SqliteStore], None], int, str]] = [
        (
            "atlas_fast",
            ours,
            n,
            f"columns to rows to SQLite, summaries, run totals, resume mark; {same}",
        ),
        ("bare executemany", bare, n, f"ready tuples, nothing else; {same}"),
        ("SQLite alone", kept.copy, n, f"INSERT ... SELECT of ready rows; {same}"),
        (
            "bare executemany, no index",
            no_index,
            n,
            "ready tuples; the same table, no index at all",
        ),
        (
            "commit a row",
            one_by_one,
            len(few),
            f"ready tuples; one INSERT and COMMIT a row in the WAL, {len(few)} rows",
        ),
        (
            "commit a row, rollback journal",
            one_by_one_journal,
            len(few),
            f"the same with SQLite's default journal, as durable, {len(few)} rows",
        ),
    ]
    return [_into_stores(data, "store rows", sides, rounds)]


def _into_stores(
    data: Material,
    group: str,
    sides: Sequence[tuple[str, Callable[[Any], None], int, str]],
    rounds: int,
) -> Paired:
    """Compare writers, each into a new store every time; the number of rows is checked."""
    from atlas_fast.store import SqliteStore

    contestants = []
    for name, write, items, includes in sides:
        place = f"{name}.db"

        def call(place: str = place, write: Callable[[Any], None] = write) -> Path:
            path = data.scratch / place
            with SqliteStore(path) as target:
                write(target)
            return path

        def prepare(place: str = place) -> None:
            data.fresh(place)

        contestants.append(Contestant(name, call, items, includes, prepare))

    def check(answers: dict[str, Any]) -> None:
        for one in contestants:
            _expect_rows(answers[one.name], one.items)

    return compare(group, contestants, rounds=rounds, check=check, min_seconds=0.0)


def end_to_end(data: Material, rounds: int) -> list[Paired]:
    """Files and mbox to durable rows with one worker, against the sequential baseline."""
    from atlas_fast.pipeline import triage

    step = max(1, len(data.paths) // BASELINE_MESSAGES)
    sample, n = data.paths[::step], len(data.paths)

    def ours(source: Path, place: str) -> Contestant:
        def call() -> Path:
            path = data.fresh(place)
            triage(str(source), path)
            return path

        return Contestant(
            "atlas_fast", call, n, "reading, all stages, rows committed, store opened and closed"
        )

    builds = 1 if geo_available() else 0
    if not builds:
        data.absent.append("geoip2fast: the baseline runs without its geography")
    baseline = Baseline(data.scratch / "baseline.db", geo_builds=builds)
    baseline.prepare()
    includes = (
        f"{len(sample)} of the messages; {builds} geography object and "
        f"{baseline.keyword_lookups} look-up connections a message, a commit a row"
    )

    def against(group: str, source: Path, place: str) -> Paired:
        slow = Contestant("baseline", lambda: baseline.run(sample), len(sample), includes)
        one = ours(source, place)

        def check(answers: dict[str, Any]) -> None:
            _expect_rows(answers["atlas_fast"], n)
            if answers["baseline"] != len(sample):
                raise AssertionError("the baseline lost a message")

        return compare(group, [one, slow], rounds=rounds, check=check, min_seconds=0.0)

    return [
        against("end to end, .eml folder", data.folder, "folder.db"),
        against("end to end, mbox", data.mbox, "mbox.db"),
    ]


def _expect_rows(path: Path, n: int) -> None:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT COUNT(*) FROM processed_emails_bulletproof").fetchone()[0]
    connection.close()
    if found != n:
        raise AssertionError(f"{path.name}: {found} rows where {n} messages were read")


def postgres(data: Material, rounds: int) -> list[Paired]:
    """Writing rows into PostgreSQL, where server and driver are installed."""
    from atlas_fast.bench.server import find_programs
    from atlas_fast.pipeline import scan

    try:
        from atlas_fast.bench.postgres import writing
    except ImportError:
        data.absent.append("psycopg: no comparison with PostgreSQL")
        return []
    if find_programs() is None:
        data.absent.append("PostgreSQL: no server to compare with (Debian: postgresql)")
        return []
    return [writing(list(scan(str(data.mbox))), rounds)]


def scaling(data: Material, rounds: int) -> list[Paired]:
    """Two workers against one: whole runs over the mbox, and the stages alone."""
    from atlas_fast.observe.counters import StageClock
    from atlas_fast.pipeline import Pipeline, triage
    from atlas_fast.sources import open_source

    n = len(data.paths)

    def run(workers: int) -> Contestant:
        place = f"scaling-{workers}.db"

        def call() -> Path:
            triage(str(data.mbox), data.scratch / place, workers)
            return data.scratch / place

        includes = "one mbox to committed rows, store opened and closed"
        return Contestant(_workers(workers), call, n, includes, lambda: data.fresh(place))

    def stages(workers: int) -> Contestant:
        pipeline = Pipeline(workers=workers, max_messages=max(1, min(500, n // 8)))

        def call() -> int:
            source = open_source(str(data.mbox))
            done = pipeline.run(source, StageClock())
            return sum(len(part) for one in done for part in one.parts)

        return Contestant(_workers(workers), call, n, "reading and all stages, no store")

    def rows(answers: dict[str, Any]) -> None:
        for path in answers.values():
            _expect_rows(path, n)

    def messages(answers: dict[str, Any]) -> None:
        if set(answers.values()) != {n}:
            raise AssertionError(f"{answers} of {n} messages")

    note = ("parallel efficiency is half the ratio",)
    return [
        compare("scaling, whole run", [run(2), run(1)], rounds=rounds, check=rows, notes=note),
        compare(
            "scaling, stages", [stages(2), stages(1)], rounds=rounds, check=messages, notes=note
        ),
    ]


def _workers(number: int) -> str:
    return "atlas_fast, 2 workers" if number == 2 else "1 worker"


def filters(data: Material, rounds: int) -> list[Paired]:
    """Files to durable rows, against filters in use that read the same files."""
    from atlas_fast.bench.filters import peers
    from atlas_fast.pipeline import triage

    n = len(data.paths)

    def call() -> Path:
        triage(str(data.mbox), data.scratch / "filters.db", 2)
        return data.scratch / "filters.db"

    def prepare() -> None:
        data.fresh("filters.db")

    def check(answers: dict[str, Any]) -> None:
        _expect_rows(answers["atlas_fast, 2 workers"], n)
        for one in sides:
            if one.items > answers[one.name]:
                raise AssertionError(f"{one.name}: {answers[one.name]} of {one.items} judged")

    ours = Contestant(
        "atlas_fast, 2 workers", call, n, "mbox to committed rows, store opened and closed", prepare
    )
    with peers(data.paths, data.scratch) as (sides, absent):
        data.absent += absent
        return [compare("filters", [ours, *sides], rounds=rounds, check=check)]


def memory(data: Material, rounds: int) -> list[Paired]:
    """Peak memory of whole processes, and how much of it is above what each takes at rest: printed
    as figures, there is nothing to time."""
    from atlas_fast.bench.memory import peaks

    for one in peaks(data.paths, data.scratch, MEMORY_SIZES, MEMORY_SIZES[0]):
        text = f"{one.bytes / 1e6:,.1f} MB"
        if one.rest is not None and one.above is not None:
            text += f", {one.above / 1e6:,.1f} MB above its {one.rest / 1e6:,.1f} MB at rest"
        data.figures.append(("memory", one.name, text))
    return []
