"""Flags of single messages: protect it, delete it, look into it. One active flag a message."""

from __future__ import annotations

import sqlite3
from typing import Any

__all__ = ["DELETE", "PROTECT", "RESEARCH", "active", "count", "drop", "found", "put"]

PROTECT, DELETE, RESEARCH = "PROTECT", "DELETE", "RESEARCH"

_ONE = "email_uid = ? AND folder_name = ? AND account_id = ? AND is_active = TRUE"
_COLUMNS = (
    "f.id, f.email_uid, f.folder_name, f.account_id, f.sender_email, f.subject, f.flag_type, "
    "f.flag_reason, f.created_at, f.created_by, a.email_address AS account_email"
)


def active(connection: sqlite3.Connection, uid: str, folder: str, account: int) -> str | None:
    """The type of a message's active flag."""
    row = connection.execute(
        f"SELECT flag_type FROM email_flags WHERE {_ONE}", (uid, folder, account)
    ).fetchone()
    return None if row is None else row[0]


def put(
    connection: sqlite3.Connection,
    uid: str,
    folder: str,
    account: int,
    kind: str,
    *,
    session: int | None = None,
    sender: str | None = None,
    subject: str | None = None,
    reason: str | None = None,
    by: str = "user",
    at: str | None = None,
) -> None:
    """Flag a message; an active flag of another type is changed to this one.

    Raises sqlite3.IntegrityError for an unknown account.
    """
    connection.execute(
        "INSERT INTO email_flags (email_uid, folder_name, account_id, session_id, sender_email, "
        "subject, flag_type, flag_reason, created_by, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, COALESCE(?, CURRENT_TIMESTAMP)) "
        "ON CONFLICT (email_uid, folder_name, account_id) WHERE is_active = TRUE "
        "DO UPDATE SET flag_type = excluded.flag_type, flag_reason = excluded.flag_reason, "
        "created_at = excluded.created_at, created_by = excluded.created_by",
        (uid, folder, account, session, sender, subject, kind, reason, by, at),
    )


def drop(connection: sqlite3.Connection, uid: str, folder: str, account: int) -> bool:
    """Deactivate the flag of a message; False when it has none. The row is kept."""
    cursor = connection.execute(
        f"UPDATE email_flags SET is_active = FALSE WHERE {_ONE}", (uid, folder, account)
    )
    return cursor.rowcount > 0


def found(
    connection: sqlite3.Connection, account: int | None, limit: int, kind: str | None
) -> list[dict[str, Any]]:
    """Active flags with the account's address, newest first; a negative limit means all."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM email_flags f JOIN accounts a ON a.id = f.account_id "
        "WHERE f.is_active = TRUE AND (? IS NULL OR f.account_id = ?) "
        "AND (? IS NULL OR f.flag_type = ?) ORDER BY f.created_at DESC, f.id DESC LIMIT ?",
        (account, account, kind, kind, limit),
    )
    return [dict(row) for row in rows]


def count(connection: sqlite3.Connection, account: int | None, kind: str | None) -> int:
    """Active flags."""
    row = connection.execute(
        "SELECT COUNT(*) FROM email_flags WHERE is_active = TRUE "
        "AND (? IS NULL OR account_id = ?) AND (? IS NULL OR flag_type = ?)",
        (account, account, kind, kind),
    ).fetchone()
    return int(row[0])
