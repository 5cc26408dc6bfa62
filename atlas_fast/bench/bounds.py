"""Each stage of a run against its own bound: the least that its input and output cost here.

The bound is measured beside the stage, in the same rounds: the bytes it must read or write moved
once by `memcpy`, the bare hash, ready rows into the same table by SQLite alone. Of
both sides the smallest time of all rounds stands, as what others do to the machine only adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np

from atlas_fast.batch import Batch
from atlas_fast.bench.material import Material
from atlas_fast.bench.readyrows import ReadyRows
from atlas_fast.bench.table import Table

__all__ = ["bounds"]

HEAD = ("stage", "us a message", "bound, us", "times the bound", "the bound")


def bounds(data: Material, few: Any, rounds: int) -> None:
    """A table of the stages of `few`, a source with `n` messages; one worker."""
    from atlas_fast.pipeline import Pipeline, scan, triage

    pipeline = Pipeline()
    batches = list(scan(few, pipeline=pipeline))
    works = _works(data, batches)
    stages: dict[str, list[float]] = {}
    least: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        report = triage(few, data.fresh("bounds.db"), pipeline=pipeline)
        if report.stored != few.n:
            raise AssertionError(f"{report.stored} rows of {few.n} messages")
        for name, seconds in report.stages.items():
            stages.setdefault(name, []).append(seconds)
        for name, (_, work) in works.items():
            start = time.perf_counter()
            work()
            least[name].append(time.perf_counter() - start)
    rows = []
    for name, each in stages.items():
        took = min(each) / few.n * 1e6
        if name in works:
            bound = min(least[name]) / few.n * 1e6
            rows.append(
                (name, f"{took:.2f}", f"{bound:.2f}", f"{took / bound:.1f}", works[name][0])
            )
        else:
            rows.append((name, f"{took:.2f}", "", "", ""))
    total, whole = sum(min(each) for each in stages.values()), sum(map(min, least.values()))
    rows.append(
        (
            "all", f"{total / few.n * 1e6:.2f}", f"{whole / few.n * 1e6:.2f}",
            f"{total / whole:.1f}", "",
        )
    )  # fmt: skip
    data.fresh("bounds.db")
    data.tables.append(Table(f"stages and bounds, {few.n:,} messages, one worker", HEAD, rows))


def _works(data: Material, batches: Sequence[Batch]) -> dict[str, tuple[str, Callable[[], Any]]]:
    """By stage: what its bound is, and the work."""
    from atlas_fast.store.rows import row_block
    from atlas_fast.store.sqlite import local_now

    raws = [batch.raw[int(batch.starts[0]) : int(batch.stops[-1])] for batch in batches]
    room = np.empty(max(map(len, raws)), np.uint8)
    ready = ReadyRows(data, [row_block(batch, 1, local_now()) for batch in batches])

    def move(*columns: Callable[[Batch], Any]) -> Callable[[], None]:
        arrays = [
            np.ascontiguousarray(column(batch)).view(np.uint8).ravel()
            for batch in batches
            for column in columns
        ]
        target = np.empty(max(map(len, arrays)), np.uint8)

        def work() -> None:
            for array in arrays:
                target[: len(array)] = array

        return work

    def read() -> None:
        for raw in raws:
            words = raw[: len(raw) // 8 * 8]
            np.bitwise_xor.reduce(np.frombuffer(words, np.uint64))

    def copy() -> None:
        for raw in raws:
            room[: len(raw)] = raw

    def digest() -> None:
        for raw in raws:
            blake2b(raw, digest_size=16).digest()

    header = np.zeros(max(int(_of(batch).body.sum()) for batch in batches), np.uint8)

    def copy_headers() -> None:
        for batch in batches:
            size = int(_of(batch).body.sum())
            room[:size] = header[:size]

    return {
        "source": ("the bytes read once", read),
        "keys": ("BLAKE2b of the bytes, hashlib", digest),
        "parse": ("the bytes copied once", copy),
        "origin": ("header sections copied", copy_headers),
        "geo": ("its column copied", move(lambda b: b.enrichment.geo)) if _geo(batches) else
               ("header sections copied", copy_headers),
        "domains": (
            "names and links copied",
            move(lambda b: _of(b).from_domain.data, lambda b: _mime(b).strings),
        ),
        "auth": ("header sections copied", copy_headers),
        "features": (
            "text and rows copied",
            move(
                lambda b: _mime(b).text.data,
                lambda b: b.features.indices,
                lambda b: b.features.data,
            ),
        ),
        "decide": ("rows copied", move(lambda b: b.features.indices, lambda b: b.features.data)),
        "policy": ("verdicts copied", move(lambda b: b.verdict.probabilities)),
        "rows": (
            "texts of four columns copied",
            move(
                lambda b: _of(b).from_address.data,
                lambda b: _of(b).from_name.data,
                lambda b: _of(b).from_domain.data,
                lambda b: _of(b).subject.data,
            ),
        ),
        "store": ("INSERT ... SELECT of ready rows", partial(_ready_rows, data, ready)),
    }  # fmt: skip


def _of(batch: Batch) -> Any:
    return batch.headers


def _mime(batch: Batch) -> Any:
    return batch.mime


def _geo(batches: Sequence[Batch]) -> bool:
    return all(batch.enrichment.geo is not None for batch in batches)


def _ready_rows(data: Material, ready: ReadyRows) -> None:
    """The same table, indexes, commits and durability; nothing but the rows."""
    from atlas_fast.store import SqliteStore

    with SqliteStore(data.fresh("bound.db")) as target:
        ready.copy(target)
    data.fresh("bound.db")
