"""Flags of single messages: protect it, delete it, look into it. One active flag a message."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from atlas_fast.errors import UsageError
from atlas_fast.store.schema import MESSAGES

__all__ = [
    "DELETE", "ONE", "PROTECT", "RESEARCH", "active", "ask_for", "count", "drop", "found",
    "listed", "put", "same_folder", "same_folder_as_in",
]  # fmt: skip

PROTECT, DELETE, RESEARCH = "PROTECT", "DELETE", "RESEARCH"

_ONE = "email_uid = ? AND folder_name = ? AND account_id = ? AND is_active = TRUE"
ONE = f"SELECT flag_type FROM email_flags WHERE {_ONE}"
"""The type of the active flag of (uid, folder, account)."""

_NAMES = (
    "id", "email_uid", "folder_name", "account_id", "sender_email", "subject", "flag_type",
    "flag_reason", "created_at", "created_by", "account_email",
)  # fmt: skip
_COLUMNS = (
    "f.id, f.email_uid, f.folder_name, f.account_id, f.sender_email, f.subject, f.flag_type, "
    "f.flag_reason, f.created_at, f.created_by, a.email_address AS account_email"
)


def active(connection: sqlite3.Connection, uid: str, folder: str, account: int) -> str | None:
    """The type of a message's active flag."""
    row = connection.execute(ONE, (uid, folder, account)).fetchone()
    return None if row is None else row[0]


def same_folder(connection: sqlite3.Connection, folder: str, account: int, stored: str) -> None:
    """Raises UsageError when a folder has had another UIDVALIDITY since a row was stored: its uid
    may be another message's now, which would be deleted."""
    found = connection.execute(
        "SELECT 1 FROM imap_folders WHERE account_id = ? AND folder_name = ? AND seen_at > ?",
        (account, folder, stored),
    ).fetchone()
    if found is not None:
        raise UsageError(
            "the folder was made anew since this row was stored; its number may be another "
            "message's now, so it cannot be flagged for deletion"
        )


def same_folder_as_in(
    connection: sqlite3.Connection, uid: str, folder: str, account: int, session: int
) -> None:
    """The same for the row that a run has of a message; nothing is known where it has none."""
    found = connection.execute(
        f"SELECT MAX(timestamp) FROM {MESSAGES} WHERE session_id = ? AND uid = ? "
        "AND folder_name = ?",
        (session, uid, folder),
    ).fetchone()
    if found[0] is not None:
        same_folder(connection, folder, account, found[0])


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


GIVES_WAY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    PROTECT: ((PROTECT, RESEARCH), ()),
    DELETE: ((DELETE,), ()),
    RESEARCH: ((RESEARCH,), (PROTECT, DELETE)),
}
"""For each flag that is asked for: those that are as good, and those that stay in its place."""


def ask_for(
    connection: sqlite3.Connection,
    uid: str,
    folder: str,
    account: int,
    kind: str,
    **what: Any,
) -> bool:
    """Put a flag unless there is one as good (True), or one that stays in its place (False);
    `what` is as for `put`. Raises sqlite3.IntegrityError for an unknown account."""
    enough, stronger = GIVES_WAY[kind]
    there = active(connection, uid, folder, account)
    if there in enough or there in stronger:
        return there in enough
    put(connection, uid, folder, account, kind, **what)
    return True


def drop(connection: sqlite3.Connection, uid: str, folder: str, account: int) -> bool:
    """Deactivate the flag of a message; False when it has none. The row is kept."""
    cursor = connection.execute(
        f"UPDATE email_flags SET is_active = FALSE WHERE {_ONE}", (uid, folder, account)
    )
    return cursor.rowcount > 0


_FOUND = (
    f"SELECT {_COLUMNS} FROM email_flags f JOIN accounts a ON a.id = f.account_id "
    "WHERE f.is_active = TRUE AND (? IS NULL OR f.account_id = ?) "
    "AND (? IS NULL OR f.flag_type = ?) ORDER BY f.created_at DESC, f.id DESC LIMIT ?"
)
_COUNT = (
    "SELECT COUNT(*) FROM email_flags WHERE is_active = TRUE "
    "AND (? IS NULL OR account_id = ?) AND (? IS NULL OR flag_type = ?)"
)


def found(
    connection: sqlite3.Connection, account: int | None, limit: int, kind: str | None
) -> list[dict[str, Any]]:
    """Active flags with the account's address, newest first; a negative limit means all."""
    rows = connection.execute(_FOUND, (account, account, kind, kind, limit))
    return [dict(row) for row in rows]


def listed(
    ask: Callable[..., Sequence[Any]], account: int | None, limit: int, kind: str | None
) -> tuple[list[dict[str, Any]], int]:
    """The same, and how many there are, for who has a way to ask."""
    rows = ask(_FOUND, (account, account, kind, kind, limit))
    ((total,),) = ask(_COUNT, (account, account, kind, kind))
    return [dict(zip(_NAMES, row, strict=True)) for row in rows], total


def count(connection: sqlite3.Connection, account: int | None, kind: str | None) -> int:
    """Active flags."""
    row = connection.execute(_COUNT, (account, account, kind, kind)).fetchone()
    return int(row[0])
