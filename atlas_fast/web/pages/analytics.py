"""Where mail comes from, what it is, and how that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import Response

from atlas_fast.store.views import Analytics, analytics, country_categories, country_subcategories
from atlas_fast.store.views.figures import SubcategoryCount
from atlas_fast.web.charts import Chart, Series
from atlas_fast.web.pages.overview import SPANS, days_of
from atlas_fast.web.render import query
from atlas_fast.web.routing import page_router
from atlas_fast.web.site import site_of

router = page_router()

Ranked = list[tuple[str, int, str | None]]


@dataclass(frozen=True, slots=True)
class AnalyticsPage:
    """`found` as the store has it, rankings as (name, number, address); of `country`, when one is
    chosen, its categories and subcategories."""

    found: Analytics
    days: int
    spans: tuple[int, ...]
    charts: list[Chart]
    domains: Ranked
    categories: Ranked
    subcategories: Mapping[str, Ranked]
    country: str
    country_categories: list[SubcategoryCount]
    country_subcategories: list[SubcategoryCount]

    @property
    def trend(self) -> float | None:
        """Deleted mail of the last seven days against the seven before, as a share."""
        before = self.found.week_before
        return (self.found.week - before) / before if before else None


@router.get("/analytics")
def show(request: Request) -> Response:
    site, days = site_of(request), days_of(request)
    found = analytics(site.reader, days)
    country = request.query_params.get("country", "").strip().upper()[:2]
    charts = [
        Chart(
            "daily", f"Messages a day, {days} days", "day", [day.day for day in found.daily],
            [
                Series("keep", [day.preserved for day in found.daily], "good"),
                Series("delete", [day.deleted for day in found.daily], "bad"),
            ],
        ),
        Chart(
            "hours", "By hour of the day", "hour", [f"{hour:02}" for hour in range(24)],
            [Series("messages", found.hours, "info")],
        ),
    ]  # fmt: skip
    page = AnalyticsPage(
        found, days, SPANS, charts,
        [(one.domain, one.deleted, query("/messages", domain=one.domain)) for one in found.domains],
        [
            (one.category, one.deleted, query("/messages", category=one.category))
            for one in found.categories
        ],
        {
            name: [(one.subcategory, one.count, None) for one in some[:10]]
            for name, some in found.subcategories.items()
        },
        country,
        country_categories(site.reader, country) if country else [],
        country_subcategories(site.reader, country) if country else [],
    )  # fmt: skip
    return site.pages(request, "analytics.html", page)
