"""What users say of a classification."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas_fast.store.schema import MESSAGES

if TYPE_CHECKING:
    from atlas_fast.store.sql import SqlStore

__all__ = ["COLUMNS", "Correction", "add", "corrections", "for_training", "mark_processed", "stats"]

COLUMNS = (
    "email_uid", "session_id", "sender", "subject", "original_classification",
    "user_classification", "feedback_type", "confidence_rating", "user_comments", "user_ip",
    "account_email",
)  # fmt: skip
TRAINING = (
    "id", "email_uid", "sender", "subject", "original_classification", "user_classification",
    "feedback_type", "confidence_rating", "timestamp", "account_email",
)  # fmt: skip


GIVEN = (
    "SELECT id, feedback_type, original_classification, user_classification, timestamp, "
    "email_uid, session_id, sender, subject FROM user_feedback WHERE {which} ORDER BY timestamp, id"
)
BY_UID = (
    "SELECT uid, session_id, sender_email, subject, folder_name, uid, message_key FROM {messages} "
    "WHERE message_key IS NOT NULL AND uid IN (SELECT email_uid FROM user_feedback WHERE {which})"
)
BY_ID = (
    "SELECT 'internal_' || id, session_id, sender_email, subject, folder_name, uid, message_key "
    "FROM {messages} WHERE message_key IS NOT NULL AND id IN (SELECT "
    "CAST(substr(email_uid, 10) AS INTEGER) FROM user_feedback "
    "WHERE substr(email_uid, 1, 9) = 'internal_' AND {which})"
)
"""Messages that feedback may mean, by what it calls them: one reading of the table for each."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Feedback `id` on the message that stands at `place` of `source`, with its `key`; these are
    empty where no message, or more than one, fits."""

    id: int
    kind: str
    original: str
    user: str | None
    at: str
    source: str
    place: str
    key: bytes


def corrections(store: SqlStore, again: bool = False) -> list[Correction]:
    """Feedback that training has not used, or all of it, in the order in which it was given.

    Where several messages have the uid, run, sender and subject of the feedback tell them apart.
    """
    which = "TRUE" if again else "processed = FALSE"
    there: dict[str, list[Any]] = {}
    for query in (BY_UID, BY_ID):
        for name, *message in store.ask(query.format(messages=MESSAGES, which=which)):
            there.setdefault(name, []).append(message)
    found = []
    for row in store.ask(GIVEN.format(which=which)):
        number, kind, original, user, at, uid, session, sender, subject = row
        fitting = there.get(uid, [])
        if len(fitting) > 1:
            fitting = [
                one for one in fitting
                if session in (None, one[0]) and subject in (None, one[2])
                and (sender is None or one[1] in sender)
            ]  # fmt: skip
        source, place, key = fitting[0][3:] if len(fitting) == 1 else ("", "", b"")
        found.append(
            Correction(number, kind, original, user, str(at), source, place, bytes(key))
        )
    return found


def add(connection: sqlite3.Connection, values: dict[str, Any]) -> int:
    """A row of `user_feedback` with these columns; its id."""
    names = [name for name in COLUMNS if name in values]
    cursor = connection.execute(
        f"INSERT INTO user_feedback ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [values[name] for name in names],
    )
    return cursor.lastrowid or 0


def stats(connection: sqlite3.Connection) -> dict[str, Any]:
    """Counts in all, by type and of seven days, and the share of `correct`."""
    by_type = {
        kind: n
        for kind, n in connection.execute(
            "SELECT feedback_type, COUNT(*) FROM user_feedback GROUP BY 1"
        )
    }
    recent = connection.execute(
        "SELECT COUNT(*) FROM user_feedback WHERE timestamp >= datetime('now', '-7 days')"
    ).fetchone()[0]
    total = sum(by_type.values())
    return {
        "total_feedback": total,
        "feedback_by_type": by_type,
        "feedback_last_7d": recent,
        "accuracy_rate": by_type.get("correct", 0) / total if total else 0.0,
        "false_positive_count": by_type.get("false_positive", 0),
    }


def for_training(
    connection: sqlite3.Connection, limit: int, processed: bool
) -> list[dict[str, Any]]:
    """Feedback that training has, or has not, used; newest first."""
    rows = connection.execute(
        f"SELECT {', '.join(TRAINING)} FROM user_feedback WHERE processed = ? "
        "ORDER BY timestamp DESC, id DESC LIMIT ?",
        (processed, limit),
    )
    return [dict(zip(TRAINING, row, strict=True)) for row in rows]


def mark_processed(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Training has used these."""
    connection.executemany(
        "UPDATE user_feedback SET processed = TRUE WHERE id = ?", ((one,) for one in ids)
    )
