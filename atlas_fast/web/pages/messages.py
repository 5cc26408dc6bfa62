"""The list of messages, one message, and what is said of one or many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from atlas_fast import limits
from atlas_fast.classify.reasons import Reason, read
from atlas_fast.errors import UsageError
from atlas_fast.records import CATEGORIES
from atlas_fast.store.views import Change, Filter, Message, MessageRow, message, messages
from atlas_fast.web.download import csv_lines
from atlas_fast.web.original import Original, original_of
from atlas_fast.web.routing import page_router
from atlas_fast.web.site import back_to, first, form_of, number_of, site_of

router = page_router()

ASKED = (
    "text", "sender", "domain", "country", "category", "action", "run", "since", "until", "band",
    "judged", "flag",
)  # fmt: skip
"""Filters, as they stand in the address."""

PAGE = 50
"""Messages of one page."""

DONE = {  # of a button: what it does, and the notice after it
    "right": (Change("right"), "judged"),
    "wrong": (Change("wrong"), "judged"),
    "false_positive": (Change("false_positive"), "judged"),
    "protect": (Change("protect"), "protected"),
    "unprotect": (Change("unprotect"), "unflagged"),
    "delete": (Change("flag", flag="DELETE"), "deletion"),
    "research": (Change("flag", flag="RESEARCH"), "research"),
    "unflag": (Change("unflag"), "unflagged"),
}


@dataclass(frozen=True, slots=True)
class MessagesPage:
    """`asked`: what was filtered by, as text; `counted`: how many there are, in words; `back`: the
    query of this page, to come back to; `first`, `next` and `csv`: addresses of other pages and of
    the file; `reached`: the number down to which rows were looked at, where not all of them were.
    """

    rows: list[MessageRow]
    asked: dict[str, str]
    categories: list[str]
    counted: str
    complete: bool
    filtered: bool
    reached: int | None
    back: str
    first: str | None
    next: str | None
    csv: str
    problem: str = ""


def asked_of(request: Request) -> tuple[dict[str, str], Filter, str]:
    """Filters as text, as a Filter, and what is wrong with them; then the filter is empty."""
    given = request.query_params
    asked = {name: given.get(name, "").strip()[: limits.MAX_WEB_SEARCH] for name in ASKED}
    values: dict[str, Any] = {name: value for name, value in asked.items() if value}
    try:
        for name in ("run", "band"):
            if name in values:
                values[name] = number_of(values[name])
                if values[name] is None:
                    raise UsageError(f"{name}: a number is needed")
        if "judged" in values:
            values["judged"] = values["judged"] == "1"
        if "country" in values:
            values["country"] = values["country"].upper()
        return asked, Filter(**values), ""
    except UsageError as error:
        return asked, Filter(), str(error)


@router.get("/messages")
def show_list(request: Request) -> Response:
    site = site_of(request)
    asked, wanted, problem = asked_of(request)
    after = number_of(request.query_params.get("after", ""))
    found = messages(site.reader, wanted, after, PAGE)
    query = {name: value for name, value in asked.items() if value}
    count = ""
    if found.count is not None:
        more = "more than " if found.more else ""
        count = f"{more}{found.count:,} {'fit' if query else 'in all'}"
    page = MessagesPage(
        rows=found.rows,
        asked=asked,
        categories=list(CATEGORIES),
        counted=count,
        complete=found.complete,
        reached=None if found.complete else found.next,
        filtered=bool(query),
        back=urlencode(query | ({"after": after} if after is not None else {})),
        first=f"/messages?{urlencode(query)}" if after is not None else None,
        next=None
        if found.next is None
        else f"/messages?{urlencode(query | {'after': str(found.next)})}",
        csv=f"/messages.csv?{urlencode(query)}" if query else "/messages.csv",
        problem=problem,
    )
    return site.pages(request, "messages.html", page)


@router.get("/messages.csv")
def download(request: Request) -> Response:
    """The same messages as a file for a spreadsheet."""
    _, wanted, problem = asked_of(request)
    if problem:
        raise UsageError(problem)
    return StreamingResponse(
        csv_lines(site_of(request).reader, wanted), media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="atlas_fast-messages.csv"'},
    )  # fmt: skip


@router.post("/messages/mark")
def mark(request: Request) -> Response:
    """What was chosen is judged, protected or flagged."""
    site, form = site_of(request), form_of(request)
    what, notice = DONE.get(first(form, "do"), (None, ""))
    ids = [one for one in map(number_of, form.get("id", [])) if one is not None]
    if what is None:
        raise UsageError("there is no such button")
    if len(ids) > limits.VIEW_IDS:
        raise UsageError(f"at most {limits.VIEW_IDS} messages at once")
    back = first(form, "back", 4_000)
    if not ids:
        return back_to("/messages", back, done="nothing")
    outcome = site.change(ids, what)
    if outcome.failed:
        number, why = next(iter(outcome.failed.items()))
        raise HTTPException(
            409,
            f"{len(outcome.done)} messages were done, {len(outcome.failed)} were not. "
            f"The first of these, {number}: {why}.",
        )
    return back_to("/messages", back, done=notice, n=len(outcome.done))


@dataclass(frozen=True, slots=True)
class MessagePage:
    """`message` as the store has it; `reasons` that were stored with its verdict; `original`: what
    is read out of the message itself, None where that is not at hand, with the reason in
    `absent`."""

    message: Message
    original: Original | None
    absent: str
    categories: list[str]
    reasons: list[Reason]

    @property
    def row(self) -> MessageRow:
        return self.message.row

    @property
    def columns(self) -> list[tuple[str, Any]]:
        """What the store has of it and the page does not show elsewhere."""
        shown = set(MessageRow._fields) | {"raw_data", "message_key"}
        return [
            (name, value)
            for name, value in self.message.columns.items()
            if name not in shown and value not in (None, "", 0)
        ]


@router.get("/messages/{number}")
async def show_one(request: Request, number: str) -> Response:
    site = site_of(request)
    wanted = number_of(number)
    found = None if wanted is None else message(site.reader, wanted)
    if found is None:
        raise HTTPException(404, "The store has no message of that number.")
    original, absent = None, "switched off"
    if site.settings.sources:  # a file may be slow, a message long
        if Path((found.row.folder_name or "").partition(":")[2]).exists():
            original, absent = await anyio.to_thread.run_sync(original_of, found)
        else:
            original, absent = original_of(found)  # nothing to read: only says why
    stored = read(found.columns["raw_data"], found.row.subject or "")
    page = MessagePage(found, original, absent, list(CATEGORIES), stored)
    return site.pages(request, "message.html", page)


@router.post("/messages/{number}")
def correct(request: Request, number: str) -> Response:
    """A verdict is corrected, or the message protected or flagged."""
    site, form = site_of(request), form_of(request)
    wanted = number_of(number)
    if wanted is None:
        raise HTTPException(404, "The store has no message of that number.")
    what, notice = DONE.get(first(form, "do"), (None, ""))
    category = first(form, "category")
    comment = first(form, "comment", limits.MAX_WEB_SEARCH) or None
    if what is None:
        raise UsageError("there is no such button")
    if what.kind == "wrong" and category:
        what = Change("wrong", category=category)
    outcome = site.change([wanted], Change(what.kind, what.category, what.flag, comment))
    if outcome.failed:
        raise UsageError("; ".join(outcome.failed.values()))
    if first(form, "quiet"):
        return Response(status_code=204)
    return back_to(f"/messages/{wanted}", done=notice, n=len(outcome.done))
