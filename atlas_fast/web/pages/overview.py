"""The start page: what came in and what was decided."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from atlas_fast.store.views import Overview, overview
from atlas_fast.web.charts import Chart, Series, tone_of
from atlas_fast.web.site import number_of, site_of
from atlas_fast.web.states import State, states_of

router = APIRouter(include_in_schema=False)

SPANS = (7, 30, 90, 365)


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """`found` as the store has it; `figures` of the last `days` days; `states` of its runs."""

    found: Overview
    days: int
    spans: tuple[int, ...]
    figures: list[Chart]
    categories: list[tuple[str, int, str]]
    states: dict[int, State]

    @property
    def share_deleted(self) -> float | None:
        return self.found.deleted / self.found.total if self.found.total else None

    @property
    def share_right(self) -> float | None:
        return self.found.right / self.found.judged if self.found.judged else None


def days_of(request: Request) -> int:
    """The span that the address asks for."""
    days = number_of(request.query_params.get("days", ""))
    return days if days in SPANS else 30


@router.get("/")
def show(request: Request) -> Response:
    site, days = site_of(request), days_of(request)
    found = overview(site.reader, days)
    labels = [day.day for day in found.days]
    actions = Chart(
        "actions", f"Messages a day, {days} days", "day", labels,
        [
            Series("keep", [day.preserved for day in found.days], "good"),
            Series("delete", [day.deleted for day in found.days], "bad"),
        ],
    )  # fmt: skip
    kinds = [(one.category, one.total, tone_of(one.category)) for one in found.categories]
    states = states_of(site, found.runs)
    page = OverviewPage(found, days, SPANS, [actions], kinds, states)
    return site.pages(request, "overview.html", page)
