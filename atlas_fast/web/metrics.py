"""`/metrics` for Prometheus: counters of the store, of runs that are on, and of the server.

Names and meanings are those of METRICS; docs/metrics.md lists them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from atlas_fast.errors import StoreError
from atlas_fast.observe.live import live_folder, live_runs, with_memory
from atlas_fast.store.views import StoreReader, overview, validation_categories
from atlas_fast.web.routing import QuickRoute
from atlas_fast.web.site import Site, site_of

__all__ = ["METRICS", "Metric", "render", "router"]

router = APIRouter(route_class=QuickRoute, tags=["operation"])

STARTED = time.time()
FORMAT = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[dict[str, str], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """`kind`: counter or gauge; `text`: what it says."""

    kind: str
    text: str
    labels: tuple[str, ...] = ()


METRICS = {
    "atlas_fast_up": Metric("gauge", "1 when the store can be read"),
    "atlas_fast_messages": Metric("gauge", "Messages in the store", ("action",)),
    "atlas_fast_category_messages": Metric("gauge", "Messages by category", ("category",)),
    "atlas_fast_runs_total": Metric("counter", "Runs in the store"),
    "atlas_fast_last_run_messages": Metric("gauge", "Messages of the newest run"),
    "atlas_fast_last_run_end_seconds": Metric("gauge", "When the newest finished run ended"),
    "atlas_fast_feedback_total": Metric("counter", "What users have said", ("kind",)),
    "atlas_fast_unjudged_messages": Metric("gauge", "Deleted mail that nobody has judged"),
    "atlas_fast_store_bytes": Metric("gauge", "Bytes of the store", ("part",)),
    "atlas_fast_run_messages": Metric("gauge", "Messages of a run that is on", ("run",)),
    "atlas_fast_run_stored": Metric("gauge", "Rows that it has stored", ("run",)),
    "atlas_fast_run_seconds": Metric("gauge", "How long it is on", ("run",)),
    "atlas_fast_run_memory_bytes": Metric("gauge", "Its memory", ("run",)),
    "atlas_fast_run_queue": Metric("gauge", "Batches that wait for its writer", ("run",)),
    "atlas_fast_run_stage_seconds": Metric("gauge", "Seconds of a stage of it", ("run", "stage")),
    "atlas_fast_run_cache_known": Metric(
        "gauge", "Share of values that it had not to compute", ("run", "kind")
    ),
    "atlas_fast_run_state": Metric(
        "gauge", "1 for the state that it is in: running, stalled, killed", ("run", "state")
    ),
    "atlas_fast_server_start_seconds": Metric("gauge", "When the server started"),
    "atlas_fast_server_memory_bytes": Metric("gauge", "Memory of the server"),
    "atlas_fast_server_streams": Metric("gauge", "Streams of live figures that are open"),
}


@router.get("/metrics", response_model=None, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Counters and gauges, for Prometheus."""
    site = site_of(request)
    return Response(render(site, getattr(request.app.state, "streams", 0)), media_type=FORMAT)


def render(site: Site, streams: int = 0) -> str:
    """All metrics as text."""
    found: dict[str, list[Sample]] = {name: [] for name in METRICS}

    def put(name: str, value: float | None, **labels: str) -> None:
        if value is not None:
            found[name].append((labels, value))

    try:
        _store(site.reader, put)
        put("atlas_fast_up", 1)
    except StoreError:
        put("atlas_fast_up", 0)
    _runs(site, put)
    put("atlas_fast_server_start_seconds", round(STARTED, 3))
    put("atlas_fast_server_memory_bytes", with_memory({})["memory"])
    put("atlas_fast_server_streams", streams)
    return "\n".join(_lines(found)) + "\n"


def _store(reader: StoreReader, put: Callable[..., None]) -> None:
    seen = overview(reader)
    put("atlas_fast_messages", seen.deleted, action="DELETED")
    put("atlas_fast_messages", seen.preserved, action="PRESERVED")
    for one in seen.all_categories:
        put("atlas_fast_category_messages", one.total, category=one.category)
    put("atlas_fast_runs_total", reader.ask("SELECT COUNT(*) FROM sessions")[0][0])
    if seen.runs:
        put("atlas_fast_last_run_messages", seen.runs[0].total)
    ended = reader.ask("SELECT strftime('%s', MAX(end_time)) FROM sessions")[0][0]
    put("atlas_fast_last_run_end_seconds", float(ended) if ended else None)
    for kind, n in reader.ask(
        "SELECT feedback_type, COUNT(*) FROM user_feedback GROUP BY 1 ORDER BY 2 DESC LIMIT 20"
    ):
        put("atlas_fast_feedback_total", n, kind=kind)
    put("atlas_fast_unjudged_messages", sum(one.unjudged for one in validation_categories(reader)))
    for part, suffix in (("store", ""), ("log", "-wal"), ("search", "-search")):
        path = reader.path.with_name(reader.path.name + suffix)
        put("atlas_fast_store_bytes", path.stat().st_size if path.is_file() else 0, part=part)


def _runs(site: Site, put: Callable[..., None]) -> None:
    for one in live_runs(live_folder(site.where))[:20]:
        run = str(one.run)
        for state in ("running", "stalled", "killed"):
            put("atlas_fast_run_state", int(one.state == state), run=run, state=state)
        names = {
            "messages": "messages", "stored": "stored", "seconds": "seconds",
            "memory_bytes": "memory", "queue": "queue",
        }  # fmt: skip
        for name, key in names.items():
            put(f"atlas_fast_run_{name}", _number(one.report.get(key)), run=run)
        for stage, seconds in _table(one.report.get("stages")):
            put("atlas_fast_run_stage_seconds", _number(seconds), run=run, stage=stage)
        for kind, counts in _table(one.report.get("caches")):
            if isinstance(counts, dict):
                known = _number(counts.get("known_rate"))
                put("atlas_fast_run_cache_known", known, run=run, kind=kind)


def _table(value: Any) -> list[tuple[str, Any]]:
    return list(value.items())[:50] if isinstance(value, dict) else []


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _lines(found: dict[str, list[Sample]]) -> Iterator[str]:
    for name, samples in found.items():
        if not samples:
            continue
        yield f"# HELP {name} {METRICS[name].text}"
        yield f"# TYPE {name} {METRICS[name].kind}"
        for labels, value in samples:
            inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{name}{{{inner}}} {value}" if inner else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
