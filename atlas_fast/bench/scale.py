"""One large mbox to durable rows: rates, parallel efficiency, and each stage against its bound.

The mail is repeated until there is enough of it; each copy has a header line of its own, so that
no two messages, keys or rows are the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from atlas_fast.batch import Batch
from atlas_fast.bench.baseline import Baseline, geo_available
from atlas_fast.bench.bounds import bounds
from atlas_fast.bench.filters import peers
from atlas_fast.bench.material import Material
from atlas_fast.bench.memory import peak_of_run
from atlas_fast.bench.others import Others
from atlas_fast.bench.paired import Contestant, Paired, compare

__all__ = ["repeated", "scale"]

BASELINE_MESSAGES = 40
"""Messages that the baseline gets: its rate does not depend on their number."""

STAGE_MESSAGES = 40_000
"""Messages of the comparisons without a store, and of the stages' bounds."""

QUIET = 0.05
"""Share of the machine that others may take in a round that counts as quiet."""


def repeated(mbox: Path, target: Path, n: int) -> int:
    """Write `n` messages into `target`: those of `mbox`, again and again, with a line for each
    copy; returns their bytes."""
    from atlas_fast.sources import open_source

    raw, written = mbox.read_bytes(), 0
    pairs = []
    for batch in open_source(str(mbox)).batches(2_000, 32 << 20):
        places = map(int, batch.places)
        for place, start, stop in zip(
            places, batch.starts.tolist(), batch.stops.tolist(), strict=True
        ):
            pairs.append((raw[place:start], raw[start:stop]))
    with open(target, "wb", buffering=1 << 22) as file:
        for number in range(n):
            envelope, message = pairs[number % len(pairs)]
            line = b"X-Copy: %09d\n" % number
            file.write(b"".join((envelope, line, message, b"\n")))
            written += len(line) + len(message)
    return written


def scale(data: Material, rounds: int) -> list[Paired]:
    """`data.scale` messages, whole runs with two workers and with one, headers alone, the baseline
    and the filters that are installed; then the stages without a store, and the kernels alone."""
    mbox = data.scratch / "scale.mbox"
    size = repeated(data.mbox, mbox, data.scale)
    data.figures.append(("scale", "messages", f"{data.scale:,}, {size / 1e6:,.0f} MB"))
    try:
        done = [
            _runs(data, mbox, rounds),
            _stages(data, mbox, rounds),
            _kernels(data, mbox, rounds),
        ]
        bounds(data, _Few(mbox, min(STAGE_MESSAGES, data.scale)), rounds)
        return done
    finally:
        mbox.unlink()


def _runs(data: Material, mbox: Path, rounds: int) -> Paired:
    from atlas_fast.bench.runs import _expect_rows
    from atlas_fast.pipeline import Pipeline, triage

    n, others = data.scale, Others()

    def run(name: str, workers: int, headers_only: bool = False) -> Contestant:
        place = f"scale-{workers}{headers_only}.db"

        def call() -> Path:
            with others.watch(name):
                pipeline = Pipeline(workers=workers, headers_only=headers_only)
                triage(str(mbox), data.scratch / place, pipeline=pipeline)
            return data.scratch / place

        what = "header sections alone" if headers_only else "bodies read"
        includes = (
            f"mbox to committed rows, all stages and indexes, {what}; store opened and closed"
        )
        return Contestant(name, call, n, includes, partial(data.fresh, place))

    ours = [
        run("atlas_fast, 2 workers", 2),
        run("1 worker", 1),
        run("headers only, 2 workers", 2, headers_only=True),
    ]
    sample = data.paths[:: max(1, len(data.paths) // BASELINE_MESSAGES)]
    slow = [
        _baseline(data, "baseline", 1, sample),
        _baseline(data, "baseline, geography twice", 2, sample),
    ]

    with peers(data.paths, data.scratch) as (sides, absent):
        data.absent += absent

        def check(answers: dict[str, Any]) -> None:
            for one in ours:
                _expect_rows(answers[one.name], n)
            for one in (*slow, *sides):
                if answers[one.name] < one.items:
                    raise AssertionError(f"{one.name}: {answers[one.name]} of {one.items} judged")

        done = compare(
            "scale, whole run",
            [*ours, *slow, *sides],
            rounds=rounds,
            check=check,
            min_seconds=0.0,
        )
    _tell_efficiency(data, done, others, "writer included")
    for workers in (1, 2):
        store = data.fresh("scale-peak.db")
        peak = peak_of_run(str(mbox), store, workers)
        data.figures.append(("scale", f"peak memory, {workers} worker(s)", f"{peak / 1e6:,.0f} MB"))
        data.fresh("scale-peak.db")
    for one in ours:
        data.fresh(f"scale-{2 if '2' in one.name else 1}{'headers' in one.name}.db")
    return done


def _baseline(data: Material, name: str, geo_builds: int, sample: Sequence[Path]) -> Contestant:
    """The original builds its geography twice a message; once errs against us."""
    place = data.scratch / f"scale-baseline-{geo_builds}.db"
    baseline = Baseline(place, geo_builds=geo_builds if geo_available() else 0)
    baseline.prepare()
    includes = f"{len(sample)} of the messages; geography object built {geo_builds} a message"
    return Contestant(name, lambda: baseline.run(sample), len(sample), includes)


def _stages(data: Material, mbox: Path, rounds: int) -> Paired:
    """Reading and all stages, no store."""
    from atlas_fast.observe.counters import StageClock
    from atlas_fast.pipeline import Pipeline

    few, others = _Few(mbox, min(STAGE_MESSAGES, data.scale)), Others()

    def stages(name: str, workers: int) -> Contestant:
        pipeline = Pipeline(workers=workers)
        pipeline.keys = True

        def call() -> int:
            with others.watch(name):
                done = pipeline.run(few, StageClock())
                return sum(len(part) for one in done for part in one.parts)

        return Contestant(name, call, few.n, "reading, keys and all stages, no store")

    sides = [stages("2 workers", 2), stages("1 worker", 1)]
    done = compare("scale, stages", sides, rounds=rounds, check=_same(few.n), min_seconds=0.0)
    _tell_efficiency(data, done, others, "no store")
    return done


def _kernels(data: Material, mbox: Path, rounds: int) -> Paired:
    """The kernels of parsing, keys, features and scores over batches that are in memory; a thread
    that is done takes the next one."""
    from atlas_fast.batch import message_keys
    from atlas_fast.classify.model import load_model
    from atlas_fast.stages import features, parse

    few, others, model = _Few(mbox, min(STAGE_MESSAGES, data.scale)), Others(), load_model()
    batches = list(few.batches(1_000, 32 << 20))

    def work(batch: Batch) -> int:
        message_keys(batch)
        fresh = _bare(batch)
        parse.run(fresh)
        features.run(fresh)
        model.probabilities(fresh.features)
        return len(batch)

    def kernels(name: str, threads: int) -> Contestant:
        def call() -> int:
            with others.watch(name), ThreadPoolExecutor(threads) as pool:
                return sum(pool.map(work, batches))

        return Contestant(name, call, few.n, "keys, parse, features and scores; nothing else")

    sides = [kernels("2 threads", 2), kernels("1 thread", 1)]
    done = compare(
        "scale, kernels alone", sides, rounds=rounds, check=_same(few.n), min_seconds=0.0
    )
    _tell_efficiency(data, done, others, "kernels alone")
    return done


def _same(n: int) -> Callable[[dict[str, Any]], None]:
    def check(answers: dict[str, Any]) -> None:
        if set(answers.values()) != {n}:
            raise AssertionError(f"{answers} of {n} messages")

    return check


def _tell_efficiency(data: Material, done: Paired, others: Others, what: str) -> None:
    """Speed-up of two over one, halved: of all rounds, and of those in which the machine was ours.
    Beside it the processor time, which others move less."""
    two, one = done.measured[:2]
    mine, theirs = others.of(two.name), others.of(one.name)
    each = [b / (2 * a) for a, b in zip(two.seconds, one.seconds, strict=True)]
    spare = 1 - 1 / (os.cpu_count() or 1)  # what one worker leaves to others does not slow it
    loads = [max(a.others, b.others - spare) for a, b in zip(mine, theirs, strict=True)]
    quiet = [value for value, load in zip(each, loads, strict=True) if load <= QUIET]
    text = f"{median(each):.1%} over {len(each)} rounds"
    if quiet:
        text += f", {median(quiet):.1%} over {len(quiet)} in which others took at most {QUIET:.0%}"
    else:
        text += f", none of them quiet: others took {min(loads):.0%} to {max(loads):.0%}"
    data.figures.append(("scale", f"parallel efficiency, {what}", text))
    cost = median(a.cpu / b.cpu for a, b in zip(mine, theirs, strict=True))
    data.figures.append(("scale", f"processor time of two over one, {what}", f"{cost:.3f}"))
    each = [a.cpu / two.items * 1e6 for a in mine]
    data.figures.append(("scale", f"processor time, {what}", f"{median(each):.2f} us a message"))


class _Few:
    """The first messages of an mbox."""

    def __init__(self, mbox: Path, n: int):
        from atlas_fast.sources import open_source

        self._source = open_source(str(mbox))
        self.identity, self.problems, self.n = self._source.identity, self._source.problems, n

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        left = self.n
        for batch in self._source.batches(max_messages, max_bytes, after):
            yield batch if len(batch) <= left else batch.take(np.arange(left))
            left -= len(batch)
            if left <= 0:
                return

    def estimate(self) -> int | None:
        return None


def _bare(batch: Batch) -> Batch:
    """The same messages without columns."""
    return Batch(
        batch.raw, batch.starts, batch.stops,
        source=batch.source, places=batch.places, quoting=batch.quoting,
    )  # fmt: skip
