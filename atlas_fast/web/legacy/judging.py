"""Feedback, validation, and the last import."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from atlas_fast.errors import UsageError
from atlas_fast.store import feedback, flags
from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.views import (
    Change,
    last_import,
    reclassify_rejected,
    rows_of,
    validation_page,
)
from atlas_fast.web.legacy.answers import (
    Body,
    Number,
    Position,
    Text,
    Uid,
    answer,
    legacy_router,
    missing,
)
from atlas_fast.web.site import site_of

router = legacy_router()

EACH = 10


class Feedback(Body):
    email_uid: Uid | None = None
    feedback_type: Text | None = None
    original_classification: Text | None = None
    user_classification: Text | None = None
    sender: Text | None = None
    subject: Text | None = None
    confidence_rating: Number | None = None
    user_comments: Text | None = None
    account_email: Text | None = None
    immediate_action: bool = False
    folder_name: Text = "INBOX"


@router.post("/feedback", response_model=None)
def give_feedback(request: Request, body: Feedback) -> Response:
    """Keep what a user says; `immediate_action` flags the message, and the account's next run
    deletes it."""
    absent = missing(
        email_uid=body.email_uid, feedback_type=body.feedback_type,
        original_classification=body.original_classification,
    )  # fmt: skip
    if absent is not None:
        return absent
    site, deletion = site_of(request), None
    values = body.model_dump(exclude={"immediate_action", "folder_name"}, exclude_none=True)
    values["user_ip"] = request.client.host if request.client else None
    with site.plain() as connection:
        connection.execute("BEGIN IMMEDIATE")
        number = feedback.add(connection, values)
        feedback.count_given(connection)
        if body.immediate_action:
            deletion = _to_delete(connection, body)
        connection.commit()
    site.reader.forget()
    return answer(message="Feedback was stored", feedback_id=number, deletion_result=deletion)


def _to_delete(connection: Any, body: Feedback) -> dict[str, Any]:
    found = connection.execute(
        "SELECT id FROM accounts WHERE email_address = ?", (body.account_email,)
    ).fetchone()
    if found is None:
        return {"success": False, "message": "No such account: nothing was flagged"}
    flags.put(
        connection, str(body.email_uid), body.folder_name, found[0], flags.DELETE,
        sender=body.sender, subject=body.subject, reason="User requested deletion",
    )  # fmt: skip
    return {"success": True, "message": "Flagged: the account's next run deletes it"}


@router.get("/validation/emails/{category}", response_model=None)
def validation_emails(request: Request, category: Text, page: Position = 1) -> Response:
    """Deleted mail of a category, ten a page."""
    found, total = validation_page(site_of(request).reader, category, page, EACH)
    pages = -(-total // EACH)
    names = (
        "id", "sender_email", "subject", "category", "confidence_score", "timestamp",
        "user_validated", "validation_timestamp", "action",
    )  # fmt: skip
    return answer(
        emails=[{name: getattr(row, name) for name in names} for row in found],
        pagination={
            "current_page": page, "total_pages": pages, "total_emails": total,
            "has_next": page < pages, "has_prev": page > 1,
        },
    )  # fmt: skip


class Judged(Body):
    email_id: Number | None = None
    feedback: Text | None = None


@router.post("/validation/feedback", response_model=None)
def validation_feedback(request: Request, body: Judged) -> Response:
    """`up`: the verdict was right; `down`: the message becomes the next category that nobody has
    rejected for it."""
    absent = missing(email_id=body.email_id, feedback=body.feedback)
    if absent is not None:
        return absent
    if body.feedback not in ("up", "down"):
        raise UsageError("feedback: up or down is needed")
    if body.feedback == "up":
        _change(request, body.email_id, Change("right"))
        return answer(message="Verdict confirmed")
    before, after = _change(request, body.email_id, Change("next"))
    if after.category == before.category:
        return answer(message="Verdict rejected; no other category is left", reclassification=None)
    return answer(
        message=f"Reclassified from {before.category} to {after.category}",
        reclassification={
            "original_category": before.category, "new_category": after.category,
            "confidence": (after.confidence_score or 0.0) / 100,
        },
    )  # fmt: skip


class Saved(Body):
    email_id: Number | None = None


@router.post("/validation/save", response_model=None)
def validation_save(request: Request, body: Saved) -> Response:
    """It is no spam: keep it, and mail of its sender."""
    absent = missing(email_id=body.email_id)
    if absent is not None:
        return absent
    known = _knows_sender(request, body.email_id)
    before, after = _change(request, body.email_id, Change("save"))
    return answer(
        message="Message saved",
        protection_message=f"Mail of {before.sender_email} is protected from now on",
        patterns_learned=int(not known),
        reclassification={
            "original_category": before.category, "new_category": after.category,
            "confidence": (after.confidence_score or 0.0) / 100,
        },
    )  # fmt: skip


def _knows_sender(request: Request, number: int | None) -> bool:
    """Is there a pattern of the message's sender already?"""
    found = site_of(request).reader.one(
        f"SELECT 1 FROM {MESSAGES} m JOIN protected_patterns p ON p.pattern_type = 'sender' "
        "AND p.pattern_value = LOWER(m.sender_email) WHERE m.id = ?",
        (number,),
    )
    return found is not None


def _change(request: Request, number: int | None, what: Change) -> tuple[Any, Any]:
    """The row before and after a change. Raises UsageError."""
    site = site_of(request)
    before = rows_of(site.reader, [number or 0])
    if not before:
        raise UsageError(f"There is no message {number}")
    done = site.change([before[0].id], what)
    if done.failed:
        raise UsageError("; ".join(done.failed.values()))
    after = rows_of(site.reader, [before[0].id])
    return before[0], (after or before)[0]


@router.post("/reclassify-thumbs-down", response_model=None)
def reclassify_thumbs_down(request: Request) -> Response:
    """Every rejected message gets its next category."""
    site = site_of(request)
    total, became = reclassify_rejected(site.change, site.reader)
    n = sum(became.values())
    summary = {
        "total_processed": total, "reclassified": n, "category_breakdown": dict(Counter(became)),
        "message": f"{n} of {total} messages have another category",
    }  # fmt: skip
    return answer(summary=summary)


@router.get("/last-import/info", response_model=None)
def last_import_info(request: Request) -> Response:
    """The newest run that was no preview over IMAP."""
    row = last_import(site_of(request).reader)
    if row is None:
        return answer(False, message="There is no import yet")
    session = {
        "id": row.id, "account_email": row.account, "start_time": row.started,
        "end_time": row.ended, "total_emails": row.total, "total_deleted": row.deleted,
        "total_preserved": row.preserved, "session_type": row.kind,
    }  # fmt: skip
    return answer(session=session)


@router.post("/last-import/remove", response_model=None)
def last_import_remove(request: Request) -> Response:
    """Delete its rows and the run, both or neither."""
    removed, row = _remove_last(request)
    if row is None:
        return answer(False, message="There is no import yet")
    details = {
        "emails_removed": removed, "session_id": row.id, "account_email": row.account,
        "import_time": row.started,
    }  # fmt: skip
    return answer(message=f"{removed} messages were removed from the store", details=details)


@router.post("/db/delete-last-import", response_model=None)
def delete_last_import(request: Request) -> Response:
    """The same under its other name."""
    removed, row = _remove_last(request)
    if row is None:
        return answer(False, message="There is no import yet")
    return answer(deleted_count=removed, message=f"{removed} messages were removed")


def _remove_last(request: Request) -> tuple[int, Any]:
    site = site_of(request)
    with site.writing() as store:  # nobody else of this server removes meanwhile
        row = last_import(site.reader)
        return (0, None) if row is None else (store.delete_run(row.id).messages, row)
