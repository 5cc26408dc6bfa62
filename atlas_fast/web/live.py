"""Live figures of runs in other processes: as JSON, and as a stream of server-sent events.

A stream holds no connection to the store: it looks at the run's small file twice a second
(observe.live), and ends when the run does, when the page goes, or after LIVE_SECONDS.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from fastapi.responses import Response, StreamingResponse

from atlas_fast.limits import LIVE_SECONDS, LIVE_STREAMS
from atlas_fast.observe.live import live_folder, live_run, live_runs
from atlas_fast.web.routing import QuickRoute
from atlas_fast.web.site import site_of

__all__ = ["router"]

router = APIRouter(route_class=QuickRoute, prefix="/api/live", tags=["live"])

LOOK_SECONDS = 0.5
BEAT_SECONDS = 10.0
"""A stream that has nothing to tell says so, so that proxies and pages know that it is there."""

EVENT = {
    "type": "object",
    "properties": {"event": {"enum": ["figures", "end"]}, "data": {"type": "string"}},
}

Run = Annotated[int, InPath(ge=1, le=(1 << 63) - 1)]


@router.get("", response_model=None)
def live(request: Request) -> Response:
    """Runs that are on, and those that were killed and not looked after."""
    found = live_runs(live_folder(site_of(request).where))
    return _json({"runs": [one.to_dict() for one in found]})


@router.get("/{run}", response_model=None, responses={404: {"description": "nothing is heard"}})
def live_one(request: Request, run: Run) -> Response:
    """One run, as it says it is."""
    found = live_run(live_folder(site_of(request).where), run)
    if found is None:
        raise HTTPException(404, "Nothing is heard of this run.")
    return _json(found.to_dict())


@router.get(
    "/{run}/events",
    response_model=None,
    responses={
        200: {"content": {"text/event-stream": {"schema": EVENT}}},
        503: {"description": "too many streams are open"},
    },
)
async def events(request: Request, run: Run) -> Response:
    """Events `figures`, each an object as of the route above, whenever the run says something; in
    the end one event `end`, whose `state` is `ended`, `killed` or `unknown`."""
    state = request.app.state
    state.streams = getattr(state, "streams", 0)
    if state.streams >= LIVE_STREAMS:
        raise HTTPException(503, "Too many streams are open.", {"Retry-After": "10"})
    return StreamingResponse(
        _stream(request, live_folder(site_of(request).where), run),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(request: Request, folder: Path, run: int) -> AsyncIterator[bytes]:
    state = request.app.state
    state.streams += 1
    try:
        yield b"retry: 2000\n\n"
        deadline, beat, last, seen = time.monotonic() + LIVE_SECONDS, 0.0, "", False
        while time.monotonic() < deadline and not await request.is_disconnected():
            found = live_run(folder, run)
            if found is None or found.state == "killed":
                what = "killed" if found is not None else "ended" if seen else "unknown"
                yield _event("end", {"run": run, "state": what})
                return
            seen = True
            told = f"{found.state} {found.report.get('seconds')} {len(found.series)}"
            if told != last:
                last, beat = told, time.monotonic()
                yield _event("figures", found.to_dict())
            elif time.monotonic() - beat > BEAT_SECONDS:
                beat = time.monotonic()
                yield b": still here\n\n"
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        state.streams -= 1


def _event(name: str, value: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(value, default=str) + b"\n\n"


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value, default=str), media_type="application/json")
