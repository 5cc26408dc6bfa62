"""Runs: a list, and one with its categories, figures and errors."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException, Request
from fastapi.responses import Response

from atlas_fast.store.views import Run, RunRow, run, runs
from atlas_fast.web.pages.performance import Figures, figures_of
from atlas_fast.web.render import query
from atlas_fast.web.routing import page_router
from atlas_fast.web.site import number_of, site_of
from atlas_fast.web.states import State, states_of

router = page_router()

BANDS = {3: "70 % and more", 2: "40 to 70 %", 1: "below 40 %", 0: "unknown"}


@dataclass(frozen=True, slots=True)
class RunsPage:
    """Runs, newest first; `next` is the address of those behind."""

    rows: list[RunRow]
    states: dict[int, State]
    next: str | None


@router.get("/runs")
def show_list(request: Request) -> Response:
    site = site_of(request)
    found = runs(site.reader, number_of(request.query_params.get("before", "")))
    following = None if found.next is None else f"/runs?before={found.next}"
    page = RunsPage(found.rows, states_of(site, found.rows), following)
    return site.pages(request, "runs.html", page)


@dataclass(frozen=True, slots=True)
class RunPage:
    """One run; `bands` of confidence as (words, number of the band, messages)."""

    run: Run
    state: State
    bands: list[tuple[str, int, int]]
    figures: Figures | None

    @property
    def bands_rows(self) -> list[tuple[str, int, str | None]]:
        """Bands with the address of their messages."""
        return [
            (words, n, query("/messages", run=self.run.row.id, band=band))
            for words, band, n in self.bands
        ]


@router.get("/runs/{number}")
def show_one(request: Request, number: str) -> Response:
    site, wanted = site_of(request), number_of(number)
    found = None if wanted is None else run(site.reader, wanted)
    if found is None:
        raise HTTPException(404, "The store has no run of that number.")
    bands = [(BANDS[band], band, found.bands.get(band, 0)) for band in sorted(BANDS, reverse=True)]
    state = states_of(site, [found.row])[found.row.id]
    figures = figures_of(found.report) if found.report else None
    return site.pages(request, "run.html", RunPage(found, state, bands, figures))
