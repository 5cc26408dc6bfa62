"""Message rows one by one, for callers who log each decision as they take it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.sql import LOCAL_ACCOUNT, LOCAL_PROVIDER

__all__ = ["add_many", "drop_duplicates", "ensure_run", "newest"]


def ensure_run(connection: sqlite3.Connection, session_id: int) -> None:
    """Make the run's row where it is missing, so that a message row points to something."""
    if connection.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone():
        return
    connection.execute(
        "INSERT INTO accounts (email_address, provider, host, port, encrypted_password, is_active) "
        "VALUES (?, ?, '', 0, '', FALSE) ON CONFLICT (email_address) DO NOTHING",
        (LOCAL_ACCOUNT, LOCAL_PROVIDER),
    )
    connection.execute(
        "INSERT INTO sessions (id, account_id, categories_summary) "
        "SELECT ?, id, '{}' FROM accounts WHERE email_address = ?",
        (session_id, LOCAL_ACCOUNT),
    )


def add_many(connection: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert message rows, each a mapping of the same columns. The caller commits."""
    if rows:
        names = list(rows[0])
        connection.executemany(
            f"INSERT INTO {MESSAGES} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            ([row[name] for name in names] for row in rows),
        )


def newest(connection: sqlite3.Connection, limit: int, action: str | None) -> list[dict[str, Any]]:
    """Whole message rows, newest first."""
    rows = connection.execute(
        f"SELECT * FROM {MESSAGES} WHERE (? IS NULL OR action = ?) ORDER BY id DESC LIMIT ?",
        (action, action, limit),
    )
    return [dict(row) for row in rows]


def drop_duplicates(connection: sqlite3.Connection) -> int:
    """Of rows with the same account, folder, uid, sender and subject, keep the last; how many went.
    The uid alone may be that of another message in a folder that was made anew."""
    cursor = connection.execute(
        f"DELETE FROM {MESSAGES} WHERE uid <> '' AND id NOT IN (SELECT MAX(m.id) FROM {MESSAGES} m "
        "LEFT JOIN sessions s ON s.id = m.session_id WHERE m.uid <> '' "
        "GROUP BY s.account_id, m.folder_name, m.uid, m.sender_email, m.subject)"
    )
    return cursor.rowcount
