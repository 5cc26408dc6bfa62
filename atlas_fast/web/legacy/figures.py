"""Counts by country and category, feedback, what users did."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from atlas_fast.store import feedback
from atlas_fast.store.views import (
    badges,
    category_subcategories,
    contribution,
    country_categories,
    country_subcategories,
    milestones,
)
from atlas_fast.web.legacy.answers import Text, answer, legacy_router
from atlas_fast.web.site import site_of

router = legacy_router()


@router.get("/country-classifications/{country_code}", response_model=None)
def country_classifications(request: Request, country_code: Text) -> Response:
    """Categories of mail from a country."""
    found = country_categories(site_of(request).reader, country_code)
    rows = [
        {"category": one.subcategory, "count": one.count, "percentage": one.percentage}
        for one in found
    ]
    return answer(country_code=country_code.upper(), classifications=rows)


@router.get("/country-subcategories/{country_code}", response_model=None)
def subcategories_of_country(request: Request, country_code: Text) -> Response:
    """Subcategories of mail from a country."""
    found = country_subcategories(site_of(request).reader, country_code)
    return answer(country_code=country_code.upper(), subcategories=[asdict(one) for one in found])


@router.get("/category-subcategories/{category}", response_model=None)
def subcategories_of_category(request: Request, category: Text) -> Response:
    """Subcategories of a category, by its new name."""
    found = category_subcategories(site_of(request).reader, category)
    return answer(category=category, subcategories=[asdict(one) for one in found])


@router.get("/feedback/stats", response_model=None)
def feedback_stats(request: Request) -> Response:
    """What users have said, in numbers."""
    reader = site_of(request).reader
    return answer(stats=reader.kept("feedback", lambda: feedback.counted(reader.ask)))


@router.get("/user-stats", response_model=None)
def user_stats(request: Request) -> Response:
    """What users have done, and what comes next."""
    stats: dict[str, Any] = contribution(site_of(request).reader)
    return answer(stats=stats, badges=badges(stats), milestones=milestones(stats))
