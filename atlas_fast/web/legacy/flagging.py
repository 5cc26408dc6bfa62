"""Flags of messages: protect, delete, look into."""

from __future__ import annotations

import sqlite3
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field

from atlas_fast.limits import VIEW_IDS
from atlas_fast.store import flags
from atlas_fast.web.legacy.answers import (
    Body,
    Limit,
    Number,
    Text,
    Uid,
    answer,
    legacy_router,
    missing,
)
from atlas_fast.web.site import site_of

router = legacy_router()

PLACE = ("email_uid", "folder_name")
REASONS = {flags.DELETE: "User requested deletion"}


class Place(Body):
    email_uid: Uid | None = None
    folder_name: Text | None = None
    account_id: Number | None = None


class Flagged(Place):
    session_id: Number | None = None
    sender_email: Text | None = None
    subject: Text | None = None
    flag_reason: Text | None = None


class One(Body):
    email_uid: Uid | None = None
    folder_name: Text | None = None
    sender_email: Text | None = None
    subject: Text | None = None


class Many(Body):
    emails: Annotated[list[One], Field(max_length=VIEW_IDS)] | None = None
    account_id: Number | None = None
    flag_reason: Text | None = None


def _absent(body: Place) -> Response | None:
    return missing(
        email_uid=body.email_uid, folder_name=body.folder_name, account_id=body.account_id
    )


def _put_flag(
    request: Request, body: Flagged, kind: str, done: str, keys: tuple[str, ...] = PLACE
) -> Response:
    """Ask for a flag; the answer has these keys of the body, and says `done` when it is there."""
    absent = _absent(body)
    if absent is not None:
        return absent
    site = site_of(request)
    uid, folder, account = str(body.email_uid), str(body.folder_name), body.account_id or 0
    with site.plain() as connection:
        connection.execute("BEGIN IMMEDIATE")
        run = _known_run(connection, body.session_id)
        if kind == flags.DELETE and run is not None:
            flags.same_folder_as_in(connection, uid, folder, account, run)
        put, text = _ask_for(
            connection, uid, folder, account, kind, done, session=run, sender=body.sender_email,
            subject=body.subject, reason=body.flag_reason or REASONS.get(kind),
        )  # fmt: skip
        connection.commit()
    site.reader.forget()
    return answer(put, message=text, **{name: getattr(body, name) for name in keys})


def _ask_for(
    connection: sqlite3.Connection, uid: str, folder: str, account: int, kind: str, done: str,
    **what: Any,
) -> tuple[bool, str]:  # fmt: skip
    """Whether the message has the flag now, and a sentence."""
    try:
        put = flags.ask_for(connection, uid, folder, account, kind, **what)
    except sqlite3.IntegrityError:
        return False, "There is no such account"
    return put, done if put else "The message has another flag, which was left"


def _known_run(connection: sqlite3.Connection, session_id: int | None) -> int | None:
    """The run, if the store has it: a flag outlives its run."""
    if session_id is None:
        return None
    query = "SELECT id FROM sessions WHERE id = ?"
    found = connection.execute(query, (session_id,)).fetchone()
    return None if found is None else int(found[0])


@router.post("/emails/flag", response_model=None)
def flag(request: Request, body: Flagged) -> Response:
    """Protect a message; a flag for deletion gives way."""
    return _put_flag(request, body, flags.PROTECT, "The message is protected")


@router.post("/emails/flag-for-deletion", response_model=None)
def flag_for_deletion(request: Request, body: Flagged) -> Response:
    """The account's next run deletes the message."""
    return _put_flag(request, body, flags.DELETE, "The message is flagged for deletion")


@router.post("/flag-for-research", response_model=None)
def flag_for_research(request: Request, body: Flagged) -> Response:
    """Look into it; it is not deleted meanwhile."""
    text = "The message is flagged for research"
    return _put_flag(request, body, flags.RESEARCH, text, ("email_uid",))


@router.post("/emails/unflag", response_model=None)
def unflag(request: Request, body: Place) -> Response:
    """Take its flag away, of whatever type."""
    absent = _absent(body)
    if absent is not None:
        return absent
    done = _drop(request, body)
    text = "The flag is gone" if done else "The message has no flag"
    return answer(done, message=text, email_uid=body.email_uid, folder_name=body.folder_name)


@router.post("/unflag-research", response_model=None)
def unflag_research(request: Request, body: Place) -> Response:
    """Take a flag for research away; one of another type stays."""
    absent = _absent(body)
    if absent is not None:
        return absent
    done = _drop(request, body, flags.RESEARCH)
    text = "The flag is gone" if done else "The message has no flag for research"
    return answer(done, message=text, email_uid=body.email_uid)


def _drop(request: Request, body: Place, only: str | None = None) -> bool:
    site = site_of(request)
    where = str(body.email_uid), str(body.folder_name), body.account_id or 0
    with site.plain() as connection:
        connection.execute("BEGIN IMMEDIATE")
        there = flags.active(connection, *where)
        done = there is not None and only in (None, there) and flags.drop(connection, *where)
        connection.commit()
    site.reader.forget()
    return done


@router.post("/emails/bulk-flag", response_model=None)
def bulk_flag(request: Request, body: Many) -> Response:
    """Protect many messages of an account, in one transaction."""
    absent = missing(emails=body.emails, account_id=body.account_id)
    if absent is not None:
        return absent
    site, results = site_of(request), []
    with site.plain() as connection:
        connection.execute("BEGIN IMMEDIATE")
        for one in body.emails or ():
            results.append(_protect(connection, one, body))
        connection.commit()
    site.reader.forget()
    good = sum(result["success"] for result in results)
    return answer(
        message=f"{good} of {len(results)} messages are protected", successful_flags=good,
        failed_flags=len(results) - good, results=results,
    )  # fmt: skip


def _protect(connection: sqlite3.Connection, one: One, body: Many) -> dict[str, Any]:
    if not one.email_uid or not one.folder_name:
        text = "Missing: email_uid or folder_name"
        return {"email_uid": one.email_uid, "success": False, "message": text}
    done, text = _ask_for(
        connection, one.email_uid, one.folder_name, body.account_id or 0, flags.PROTECT,
        "Protected", sender=one.sender_email, subject=one.subject, reason=body.flag_reason,
    )  # fmt: skip
    return {"email_uid": one.email_uid, "success": done, "message": text}


Account = Annotated[int | None, Query(ge=0, le=(1 << 63) - 1)]


@router.get("/emails/flagged", response_model=None)
def flagged(request: Request, account_id: Account = None, limit: Limit = 100) -> Response:
    """Flags of every type, newest first."""
    return _listed(request, "flagged_emails", account_id, limit, None)


@router.get("/emails/deletion-flagged", response_model=None)
def deletion_flagged(request: Request, account_id: Account = None, limit: Limit = 100) -> Response:
    """Messages that the next run deletes."""
    return _listed(request, "deletion_flagged_emails", account_id, limit, flags.DELETE)


@router.get("/emails/research-flagged", response_model=None)
def research_flagged(request: Request, account_id: Account = None, limit: Limit = 100) -> Response:
    """Messages to be looked into."""
    return _listed(request, "research_flagged_emails", account_id, limit, flags.RESEARCH)


def _listed(
    request: Request, key: str, account: int | None, limit: int, kind: str | None
) -> Response:
    rows, total = site_of(request).reader.kept(
        ("flags", key, account, limit),
        lambda: flags.listed(site_of(request).reader.ask, account, limit, kind),
    )
    keys: dict[str, Any] = {key: rows, "total_count": total, "returned_count": len(rows)}
    return answer(**keys)


@router.get(
    "/emails/flag-status/{account_id}/{folder_name:folder}/{email_uid}", response_model=None
)
def flag_status(
    request: Request, account_id: Number, folder_name: Text, email_uid: Uid
) -> Response:
    """Is it protected, or to be looked into?"""
    kind = _kind(request, account_id, folder_name, email_uid)
    return answer(
        is_flagged=kind in (flags.PROTECT, flags.RESEARCH), email_uid=email_uid,
        folder_name=folder_name, account_id=account_id,
    )  # fmt: skip


@router.get(
    "/emails/flag-status-detailed/{account_id}/{folder_name:folder}/{email_uid}",
    response_model=None,
)
def flag_status_detailed(
    request: Request, account_id: Number, folder_name: Text, email_uid: Uid
) -> Response:
    """Which flag it has."""
    kind = _kind(request, account_id, folder_name, email_uid)
    return answer(
        email_uid=email_uid, folder_name=folder_name, account_id=account_id, flag_type=kind,
        is_protected=kind in (flags.PROTECT, flags.RESEARCH),
        is_flagged_for_deletion=kind == flags.DELETE, has_any_flag=kind is not None,
    )  # fmt: skip


def _kind(request: Request, account: int, folder: str, uid: str) -> str | None:
    found = site_of(request).reader.one(flags.ONE, (uid, folder, account))
    return None if found is None else str(found[0])
