"""Uncertain verdicts, to be judged by keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from atlas_fast.records import CATEGORIES
from atlas_fast.store.views import Category, Queue, validation_categories, validation_queue
from atlas_fast.web.routing import page_router
from atlas_fast.web.site import number_of, site_of

router = page_router()

AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class ValidationPage:
    """The queue, of one `category` or of all; `of` has the categories to choose from, `names` what
    a message may be instead, each with its key; `next` is the address of the cases behind."""

    queue: Queue
    category: str
    of: list[Category]
    names: list[tuple[str, str]]
    next: str | None


@router.get("/validation")
def show(request: Request) -> Response:
    site = site_of(request)
    category = request.query_params.get("category", "")[:100]
    after = number_of(request.query_params.get("after", ""))
    queue = validation_queue(site.reader, category or None, after, AT_ONCE)
    names = [(str(number), name) for number, name in enumerate(CATEGORIES, 1)]
    query = {"category": category} if category else {}
    following = None
    if queue.next is not None:
        following = f"/validation?{urlencode(query | {'after': str(queue.next)})}"
    of = validation_categories(site.reader)
    page = ValidationPage(queue, category, of, names, following)
    return site.pages(request, "validation.html", page)
