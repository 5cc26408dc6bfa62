"""How fast: the run that is on, the runs before it, stages against their bounds, caches, A/B."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from atlas_fast.observe.live import Live
from atlas_fast.store.views import RunRow, performance
from atlas_fast.web.charts import Chart, Series
from atlas_fast.web.routing import page_router
from atlas_fast.web.site import site_of

router = page_router()

LEVELS = (("l1_hits", "memory"), ("l2_hits", "file"), ("computed", "computed"))


@dataclass(frozen=True, slots=True)
class Stage:
    """`share` of all stages' seconds; `micros` a message; `bound`: messages a second that a run
    could make if this stage were all there is, for one worker."""

    name: str
    seconds: float
    share: float
    micros: float | None
    bound: float | None


@dataclass(frozen=True, slots=True)
class Cache:
    """Of one kind: values `asked` for, how many were equal to one of their batch, and who had the
    rest; `hit` and `known` are shares."""

    kind: str
    asked: int
    interned: int
    levels: list[tuple[str, int]]
    hit: float | None
    known: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run says of its speed. `workers_used`: how many workers the stages kept busy on
    average; `rows`: stored a second; `peak` of memory in bytes; `more`: other numbers it told."""

    messages: int
    seconds: float
    rate: float | None
    bytes_rate: float | None
    workers: int
    workers_used: float | None
    stored: int
    rows: float | None
    peak: float | None
    stages: list[Stage]
    caches: list[Cache]
    more: list[tuple[str, str]] = field(default_factory=list)

    @property
    def slowest(self) -> str | None:
        return max(self.stages, key=lambda one: one.seconds).name if self.stages else None


def _number(value: Any) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good and value == value and abs(value) < 1e18 else 0.0


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def figures_of(report: Mapping[str, Any]) -> Figures:
    """Out of a report as a run left it in the store; what is not there is unknown."""
    messages, seconds = int(_number(report.get("messages"))), _number(report.get("seconds"))
    known = int(_number(report.get("known")))
    looked = int(_number(report.get("looked", max(messages - known, 0))))
    times = {str(n): _number(s) for n, s in _table(report.get("stages")).items()}
    spent = sum(times.values())
    stages = [
        Stage(
            name, used, used / spent if spent else 0.0, 1e6 * used / looked if looked else None,
            looked / used if used > 0 and looked else None,
        )
        for name, used in times.items()
    ]  # fmt: skip
    stored = int(_number(report.get("stored")))
    peak = _number(report.get("peak_bytes")) or None
    return Figures(
        messages=messages,
        seconds=seconds,
        rate=looked / seconds if seconds else None,
        bytes_rate=_number(report.get("bytes")) / seconds if seconds else None,
        workers=int(_number(report.get("workers"))) or 1,
        workers_used=spent / seconds if seconds else None,
        stored=stored,
        rows=stored / seconds if seconds else None,
        peak=peak,
        stages=stages,
        caches=[_cache(str(k), _table(of)) for k, of in _table(report.get("caches")).items()],
    )


def _cache(kind: str, of: Mapping[str, Any]) -> Cache:
    asked, interned = int(_number(of.get("asked"))), int(_number(of.get("interned")))
    return Cache(
        kind, asked, interned, [(name, int(_number(of.get(key)))) for key, name in LEVELS],
        _number(of.get("hit_rate")) if asked > interned else None,
        _number(of.get("known_rate")) if asked else None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that is on (or was killed): its `state`, `figures` so far, messages a second over its
    time in `chart`; `memory` in bytes, `queue`: batches that wait for the writer, `grouped`: rows
    that wait for their commit."""

    run: int
    state: str
    heard: float
    figures: Figures
    chart: Chart
    memory: float | None
    queue: int
    grouped: int


def _live(one: Live) -> LiveRun:
    points = [[_number(value) for value in row] for row in one.series
              if isinstance(row, list) and len(row) == 4]  # fmt: skip
    steps = [(after, before) for before, after in pairwise(points)
             if after[0] > before[0]]  # fmt: skip
    chart = Chart(
        f"live-{one.run}", "Messages a second", "seconds",
        [f"{after[0]:.1f}" for after, _ in steps],
        [
            Series("read", [_rate(after, before, 1) for after, before in steps], "info"),
            Series("stored", [_rate(after, before, 2) for after, before in steps], "good"),
        ],
        unit="a second", kind="line",
    )  # fmt: skip
    report = one.report
    return LiveRun(
        one.run, one.state, one.heard, figures_of(report), chart,
        _number(report.get("memory")) or None, int(_number(report.get("queue"))),
        int(_number(report.get("grouped"))),
    )  # fmt: skip


def _rate(after: list[float], before: list[float], column: int) -> float:
    return round(max(0.0, after[column] - before[column]) / (after[0] - before[0]))


@dataclass(frozen=True, slots=True)
class PerformancePage:
    """`runs`: those that left figures, the newest first; `last`: figures of the newest; `live`:
    runs that are on, `killed`: numbers of those whose process is gone."""

    runs: list[tuple[RunRow, Figures]]
    last: Figures | None
    last_run: RunRow | None
    charts: list[Chart]
    compared: Mapping[str, Any]
    live: list[LiveRun]
    killed: list[int]


@router.get("/performance")
def show(request: Request) -> Response:
    site = site_of(request)
    found = performance(site.reader)
    runs = [(row, figures_of(report)) for row, report in found.runs]
    history = [(row, of) for row, of in reversed(runs) if of.rate is not None]
    labels = [f"run {row.id}" for row, _ in history]
    charts = []
    if history:
        charts = [
            Chart(
                "rates", "Throughput of the last runs", "run", labels,
                [
                    Series("messages", [round(of.rate or 0) for _, of in history], "info"),
                    Series("rows stored", [round(of.rows or 0) for _, of in history], "good"),
                ],
                unit="a second", kind="line",
            ),
        ]  # fmt: skip
    said = site.live()
    page = PerformancePage(
        runs, runs[0][1] if runs else None, runs[0][0] if runs else None, charts, found.compared,
        [_live(one) for one in said if one.alive], [one.run for one in said if not one.alive],
    )  # fmt: skip
    return site.pages(request, "performance.html", page)
