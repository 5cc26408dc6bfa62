"""The comparisons behind `atlas-fast bench`.

Each checks answers before it takes times, and says what its figures include.
"""

from __future__ import annotations

import mailbox
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast.bench.baseline import Baseline, geo_available
from atlas_fast.bench.paired import Contestant, Paired, compare
from atlas_fast.errors import UsageError

__all__ = ["SUITES", "Material", "material"]

HEADER_MESSAGES = 10_000
"""Messages of the header comparison at most."""

BASELINE_MESSAGES = 40
"""Messages that the baseline gets, evenly spaced; its rate does not depend on their number."""


@dataclass(slots=True)
class Material:
    """Mail to measure on: the same messages as files of one folder tree and as one mbox."""

    folder: Path
    paths: list[Path]
    mbox: Path
    scratch: Path
    absent: list[str] = field(default_factory=list)

    def fresh(self, name: str) -> Path:
        """A path in the scratch folder where no store is yet."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            (self.scratch / (name + suffix)).unlink(missing_ok=True)
        return self.scratch / name


@contextmanager
def material(corpus: Path | None, messages: int) -> Iterator[Material]:
    """Mail from a folder of .eml files, or generated; gone when the context ends."""
    with tempfile.TemporaryDirectory(prefix="atlas-fast-bench-") as name:
        scratch = Path(name)
        folder = corpus
        if folder is None:
            folder = scratch / "generated"
            _generate(folder, messages)
        paths = sorted(folder.rglob("*.eml"))
        if not paths:
            raise UsageError(f"{folder}: holds no .eml file to measure on")
        mbox = scratch / "all.mbox"
        _write_mbox(mbox, paths)
        yield Material(folder, paths, mbox, scratch)


def _generate(folder: Path, messages: int) -> None:
    from atlas_fast.sources import open_source

    folder.mkdir()
    number = 0
    for batch in open_source(f"synthetic:{messages},1").batches(2_000, 32 << 20):
        raw = memoryview(batch.raw)
        for start, stop in zip(batch.starts.tolist(), batch.stops.tolist(), strict=True):
            (folder / f"{number:07d}.eml").write_bytes(raw[start:stop])
            number += 1


def _write_mbox(target: Path, paths: Sequence[Path]) -> None:
    """One mbox of all messages, quoted by the standard library (mboxo)."""
    box = mailbox.mbox(target, create=True)
    try:
        for path in paths:
            raw = path.read_bytes()
            if raw.startswith(b"From "):  # an envelope line that the corpus kept
                raw = raw.partition(b"\n")[2]
            box.add(raw)
    finally:
        box.close()


def headers(data: Material, rounds: int) -> list[Paired]:
    """The header kernel against what users would pick, one core."""
    from atlas_fast.bench.headers import check, contestants

    raws = [path.read_bytes() for path in data.paths[:HEADER_MESSAGES]]
    sides, absent = contestants(raws)
    data.absent += absent
    return [compare("headers", sides, rounds=rounds, check=lambda answers: check(raws))]


def features(data: Material, rounds: int) -> list[Paired]:
    """The feature kernel against a hashing vectorizer, one core."""
    from atlas_fast.bench.features import contestants

    raws = [path.read_bytes() for path in data.paths[:HEADER_MESSAGES]]
    sides, absent = contestants(raws)
    data.absent += absent

    def check(answers: dict[str, Any]) -> None:
        """Both see most texts in about the same number of columns."""
        ours = answers[sides[0].name][0]
        if len(sides) > 2:
            step = max(1, len(raws) // 600)
            theirs = answers[sides[2].name].getnnz(axis=1)
            mine = (ours[1:] - ours[:-1])[::step]
            close = abs(mine - theirs) <= 0.1 * theirs + 20
            assert close.mean() > 0.9, close.mean()

    return [compare("features", sides, rounds=rounds, check=check)]


def lexicon(data: Material, rounds: int) -> list[Paired]:
    """2,000 terms in texts of ordinary mail, and in texts of nothing but terms."""
    from atlas_fast.bench.lexicon import N_TEXTS, chosen_terms, contestants, dense_texts
    from atlas_fast.headers import parse_many
    from atlas_fast.mime import MimeColumns

    def check(answers: dict[str, Any]) -> None:
        """The kernel finds what Hyperscan finds, and at most what its folding adds."""
        if "hyperscan" in answers:
            ours, theirs = answers["atlas_fast"].ravel(), answers["hyperscan"].ravel()
            assert (abs(ours - np.minimum(theirs, 255)) <= 2 + 0.05 * theirs).mean() > 0.95

    raws = [path.read_bytes() for path in data.paths[:: max(1, len(data.paths) // N_TEXTS)]]
    sparse = [text.encode() for text in MimeColumns(parse_many(raws)).text.tolist()]
    made = []
    for name, texts in (("sparse", sparse), ("dense", dense_texts(chosen_terms()))):
        sides, absent = contestants(texts)
        data.absent += [peer for peer in absent if peer not in data.absent]
        made.append(compare(f"lexicon, {name}", sides, rounds=rounds, check=check))
    return made


def store(data: Material, rounds: int) -> list[Paired]:
    """Writing rows: the store against ready tuples, and against a commit for each row."""
    from atlas_fast.pipeline import scan
    from atlas_fast.store import SqliteStore, schema
    from atlas_fast.store.rows import row_block
    from atlas_fast.store.sqlite import local_now

    batches = list(scan(str(data.mbox)))
    n = sum(map(len, batches))
    ready = [[*row_block(batch, 1, local_now())] for batch in batches]
    few = ready[0][:200]

    def ours(target: SqliteStore) -> None:
        run = target.begin_run([])
        for batch in batches:
            target.write(run, [row_block(batch, run.session_id, local_now())])

    def bare(target: SqliteStore) -> None:
        target.begin_run([])
        for rows in ready:
            with target.transaction() as connection:
                connection.executemany(schema.INSERT_MESSAGE, rows)

    def no_index(target: SqliteStore) -> None:
        target.begin_run([])
        with target.transaction() as connection:
            for name in (*schema.INDEXES, *schema.UNIQUE_INDEXES):
                connection.execute(f"DROP INDEX {name}")
        insert = schema.INSERT_MESSAGE.partition(" ON CONFLICT")[0]
        for rows in ready:
            with target.transaction() as connection:
                connection.executemany(insert, rows)

    def one_by_one(target: SqliteStore) -> None:
        target.begin_run([])
        for row in few:
            with target.transaction() as connection:
                connection.execute(schema.INSERT_MESSAGE, row)

    same = "same table, indexes and durability; an fsync a batch; the file closed and checkpointed"
    sides: list[tuple[str, Callable[[SqliteStore], None], int, str]] = [
        ("atlas_fast", ours, n, f"columns to rows to SQLite, run totals; {same}"),
        ("bare executemany", bare, n, f"ready tuples; {same}"),
        (
            "bare executemany, no index",
            no_index,
            n,
            "ready tuples; the same table, no index at all",
        ),
        ("commit a row", one_by_one, len(few), "ready tuples; one INSERT and COMMIT a row"),
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


SUITES: dict[str, Callable[[Material, int], list[Paired]]] = {
    "headers": headers,
    "features": features,
    "lexicon": lexicon,
    "store": store,
    "end-to-end": end_to_end,
}
"""Comparisons by the name that the command line takes."""
