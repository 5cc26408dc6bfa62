"""The application: routes, the guard around them, and what is said when something is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from atlas_fast import __version__
from atlas_fast.errors import AtlasFastError, StoreError, UsageError
from atlas_fast.store import kind_of
from atlas_fast.store.views import StoreReader, TooLong
from atlas_fast.web import legacy, live, metrics
from atlas_fast.web.assets import Assets
from atlas_fast.web.indexer import Indexer
from atlas_fast.web.jobs import Jobs
from atlas_fast.web.limiting import Buckets
from atlas_fast.web.pages import ROUTERS
from atlas_fast.web.recent import Recent
from atlas_fast.web.render import Pages
from atlas_fast.web.security import Guard
from atlas_fast.web.sessions import Login, Sessions
from atlas_fast.web.settings import WebSettings
from atlas_fast.web.site import Site, site_of

__all__ = ["create_app"]

THREADS = 4
"""Threads that answer requests. More of them only wait for each other: a page is a millisecond or
two of work. What waits for others (mail servers) has threads of its own."""

JSON_PATHS = ("/api/", "/openapi.json", "/metrics", "/healthz", "/live")


def create_app(store: str | Path, settings: WebSettings | None = None) -> FastAPI:
    """The application over the store at `store`, which need not be there yet.

    Raises UsageError for a store that is no SQLite file.
    """
    settings = settings or WebSettings()
    if kind_of(store) != "sqlite":
        raise UsageError(f"{store}: the web interface needs a store in an SQLite file")
    assets, sessions = Assets(), Sessions(settings.seconds)
    reader = StoreReader(store)
    site = Site(
        str(store), settings, reader, assets,
        Pages(assets, Path(store).name, bool(settings.login)), sessions, Jobs(),
    )  # fmt: skip

    indexer = Indexer(reader.search)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        indexer.start()
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield
        indexer.stop()
        reader.close()

    app = FastAPI(
        title="atlas_fast", version=__version__, docs_url=None, redoc_url=None, lifespan=life,
        description="Mail triage: what came in, what was decided, and why.",
    )  # fmt: skip
    app.state.site = site
    for router in (*ROUTERS, *legacy.ROUTERS, live.router, metrics.router):
        app.include_router(router)
    app.add_api_route("/static/{digest}/{name}", static, include_in_schema=False)
    app.add_api_route("/healthz", healthz, include_in_schema=True, response_class=PlainTextResponse)
    app.add_exception_handler(AtlasFastError, _failed)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Recent, changes=lambda: reader.changes)
    app.add_middleware(
        Guard, settings=settings, sessions=sessions, login=Login(settings.login),
        reads=Buckets(settings.reads, 2 * settings.reads),
        writes=Buckets(settings.writes, 2 * settings.writes),
        logins=Buckets(settings.logins / 60, settings.logins),
    )  # fmt: skip
    return app


def static(request: Request, digest: str, name: str) -> Response:
    """A file of a page."""
    return site_of(request).assets.respond(request, digest, name)


async def healthz() -> PlainTextResponse:
    """Whether the server answers; says nothing else."""
    return PlainTextResponse("ok\n")


@dataclass(frozen=True, slots=True)
class Trouble:
    """`title` and `text` say what is wrong, `hint` what can be done."""

    title: str
    text: str
    hint: str = ""


def _trouble(site: Site, error: Exception) -> tuple[Trouble, int]:
    if isinstance(error, TooLong):
        hint = "Filter by run, sender or a shorter time, or build the search index."
        return Trouble("That took too long", "The question was stopped.", hint), 503
    if isinstance(error, UsageError):
        return Trouble("That makes no sense", str(error)), 400
    where = Path(site.where)
    run = f"atlas-fast run MAILBOX --store {site.name}"
    if isinstance(error, StoreError) and not where.exists():
        text = f"{site.name} is not there yet; the first run makes it."
        return Trouble("There is no store yet", text, run), 200
    if isinstance(error, StoreError) and where.is_file() and where.stat().st_size == 0:
        return Trouble("The store is empty", f"{site.name} has nothing in it yet.", run), 200
    return Trouble("This does not work now", str(error)), 503


def _failed(request: Request, error: Exception) -> Response:
    site = site_of(request)
    request.scope["state"]["passing"] = True
    trouble, status = _trouble(site, error)
    if request.url.path.startswith(JSON_PATHS):
        status = 503 if status == 200 else status
        return JSONResponse({"success": False, "message": trouble.text}, status)
    return site.pages(request, "trouble.html", trouble, status)


TITLES = {404: "There is no such page", 409: "Not all of it was done"}


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.url.path.startswith(JSON_PATHS):
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    title = TITLES.get(error.status_code, "That is not possible")
    trouble = Trouble(title, str(error.detail))
    return site_of(request).pages(request, "trouble.html", trouble, error.status_code)
