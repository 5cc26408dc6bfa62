"""The start page: what came in and what was decided."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from atlas_fast.records import CATEGORIES
from atlas_fast.store.views import Overview, overview
from atlas_fast.store.views.figures import category_days
from atlas_fast.store.views.judging import NEW_CATEGORIES
from atlas_fast.web.charts import Chart, Series, tone_of
from atlas_fast.web.routing import page_router
from atlas_fast.web.site import number_of, site_of
from atlas_fast.web.states import State, states_of

router = page_router()

OTHER = "others"
"""Categories that only other programs write."""

SPANS = (7, 30, 90, 365)


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """`found` as the store has it; `figures` of the last `days` days; `states` of its runs."""

    found: Overview
    days: int
    spans: tuple[int, ...]
    figures: list[Chart]
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
    counts = {name: dict.fromkeys(labels, 0) for name in (*CATEGORIES, OTHER)}
    for day, name, n in category_days(site.reader, days):
        kind = NEW_CATEGORIES.get(name, name)
        of = counts.get(kind, counts[OTHER])
        if day in of:
            of[day] += n
    categories = Chart(
        "categories", f"Categories a day, {days} days", "day", labels,
        [
            Series(name, [*of.values()], tone_of(name))
            for name, of in counts.items() if name != OTHER or any(of.values())
        ],
    )  # fmt: skip
    states = states_of(site, found.runs)
    page = OverviewPage(found, days, SPANS, [actions, categories], states)
    return site.pages(request, "overview.html", page)
