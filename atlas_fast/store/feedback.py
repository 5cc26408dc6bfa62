"""What users say of a classification."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

__all__ = ["COLUMNS", "add", "for_training", "mark_processed", "stats"]

COLUMNS = (
    "email_uid", "session_id", "sender", "subject", "original_classification",
    "user_classification", "feedback_type", "confidence_rating", "user_comments", "user_ip",
    "account_email",
)  # fmt: skip
TRAINING = (
    "id", "email_uid", "sender", "subject", "original_classification", "user_classification",
    "feedback_type", "confidence_rating", "timestamp", "account_email",
)  # fmt: skip


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
