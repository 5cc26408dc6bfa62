"""What the original's JSON routes ask, in their keys."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from atlas_fast.limits import VIEW_PAGE
from atlas_fast.store import flags
from atlas_fast.store.sql import LOCAL_PROVIDER
from atlas_fast.store.views.messages import Filter, MessageRow, messages
from atlas_fast.store.views.reader import StoreReader
from atlas_fast.store.views.runs import RunRow, run, runs

__all__ = [
    "account_items", "badges", "contribution", "item", "last_import", "milestones", "run_items",
]  # fmt: skip

FLAGS = (flags.PROTECT, flags.RESEARCH)
ANALYZED, GIVEN, DELETED = (100, 500, 1000), (10, 50, 100), (10, 50, 100)
NEXT = {
    "email": (100, 500, 1000, 2500, 5000, 10000),
    "feedback": (10, 25, 50, 100, 250, 500),
    "deletion": (10, 50, 100, 250, 500, 1000),
}


def item(row: MessageRow, account_id: int | None) -> dict[str, Any]:
    """A message as the lists of one account have it."""
    return {
        "id": row.id,
        "sender": row.sender_email or "Unknown",
        "subject": row.subject or "(No Subject)",
        "category": row.category or "Unclassified",
        "confidence": row.confidence_score or 0.0,
        "action": row.action or "UNKNOWN",
        "timestamp": row.timestamp or "",
        "domain": row.sender_domain or "",
        "uid": row.uid or "",
        "folder_name": row.folder_name or "",
        "account_id": account_id,
        "is_flagged": row.flag is not None,
        "flag_type": row.flag,
        "is_protected": row.flag in FLAGS,
        "is_flagged_for_deletion": row.flag == flags.DELETE,
        "is_research_flagged": row.flag == flags.RESEARCH,
    }


def run_items(
    reader: StoreReader, number: int, limit: int, after: int | None = None
) -> tuple[list[dict[str, Any]], int | None]:
    """Messages of a run, newest first, and the key of those behind."""
    found = run(reader, number)
    account = found.row.account_id if found is not None else None
    made: list[dict[str, Any]] = []
    while len(made) < limit:
        page = messages(
            reader, Filter(run=number), after, min(VIEW_PAGE, limit - len(made)), count=False
        )
        made += [item(row, account) for row in page.rows]
        after = page.next
        if after is None:
            break
    return made, after


def account_items(
    reader: StoreReader, account: int, limit: int = 200, days: int = 30
) -> list[dict[str, Any]]:
    """Messages of an account's runs of the last days, newest first, each with its run."""
    since = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days)).strftime("%Y-%m-%d")
    numbers = reader.ask(
        "SELECT id FROM sessions WHERE account_id = ? AND start_time >= ? ORDER BY id DESC LIMIT ?",
        (account, since, VIEW_PAGE),
    )
    made: list[dict[str, Any]] = []
    for (number,) in numbers:
        found, _ = run_items(reader, number, limit - len(made))
        made += [one | {"session_id": number} for one in found]
        if len(made) >= limit:
            break
    return made


def last_import(reader: StoreReader) -> RunRow | None:
    """The newest run that is not a preview over IMAP; runs over files change no mailbox and are
    all called previews, so they count."""
    before = None
    while True:
        page = runs(reader, before)
        for row in page.rows:
            if not row.preview or row.provider == LOCAL_PROVIDER:
                return row
        before = page.next
        if before is None:
            return None


def contribution(reader: StoreReader) -> dict[str, Any]:
    """What users have done: messages in the store, feedback, mail that real runs deleted."""
    return reader.kept("contribution", lambda: _contribution(reader))


def _contribution(reader: StoreReader) -> dict[str, Any]:
    analyzed = reader.ask("SELECT COALESCE(SUM(n), 0) FROM summary_days")[0][0]
    given, right, recent = reader.ask(
        "SELECT COUNT(*), COALESCE(SUM(feedback_type = 'correct'), 0), "
        "COALESCE(SUM(timestamp >= datetime('now', '-7 days')), 0) FROM user_feedback"
    )[0]
    deleted = reader.ask(
        "SELECT COALESCE(SUM(total_deleted), 0) FROM sessions WHERE is_preview = FALSE"
    )[0][0]
    return {
        "emails_analyzed": analyzed,
        "feedback_given": given,
        "emails_deleted": deleted,
        "accuracy": round(100.0 * right / given, 1) if given else 100.0,
        "recent_activity": recent,
    }


def badges(stats: dict[str, Any]) -> list[dict[str, str]]:
    """What a user has reached, in the original's steps."""
    made = [
        *_steps("mail", "Analyst", "messages looked at", stats["emails_analyzed"], ANALYZED),
        *_steps("feedback", "Teacher", "verdicts judged", stats["feedback_given"], GIVEN),
        *_steps("trash", "Cleaner", "messages deleted", stats["emails_deleted"], DELETED),
    ]
    for least, given in ((95, 10), (98, 20)):
        if stats["accuracy"] >= least and stats["feedback_given"] >= given:
            made.append(_badge("target", f"Accuracy {least}", f"{least} % of verdicts were right"))
    if stats["recent_activity"] >= 5:
        made.append(_badge("week", "Active", "five verdicts judged in a week"))
    return made


def _steps(icon: str, name: str, what: str, n: int, steps: Iterable[int]) -> list[dict[str, str]]:
    return [_badge(icon, f"{name} {step}", f"{step} {what}") for step in steps if n >= step]


def _badge(icon: str, name: str, text: str) -> dict[str, str]:
    return {"icon": icon, "name": name, "desc": text}


def milestones(stats: dict[str, Any]) -> dict[str, Any]:
    """The next step of each count, and how far it is, percent."""
    made: dict[str, Any] = {}
    counts = ("emails_analyzed", "feedback_given", "emails_deleted")
    for (name, steps), count in zip(NEXT.items(), counts, strict=True):
        goal = _next(steps, stats[count])
        made[f"next_{name}_milestone"] = goal
        made[f"{name}_progress"] = round(min(100.0, 100.0 * stats[count] / goal), 1)
    return made


def _next(steps: Sequence[int], n: int) -> int:
    return next((step for step in steps if n < step), steps[-1])
