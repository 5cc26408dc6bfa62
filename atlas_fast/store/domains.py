"""Sender domains and addresses that users trust, or that a caller counts."""

from __future__ import annotations

import sqlite3
from typing import Any

__all__ = ["count_up", "trust", "trusted", "untrust"]

REMOVED = " [Removed from whitelist]"


def trust(connection: sqlite3.Connection, name: str, notes: str) -> None:
    """Put a domain or address on the list; its counters and history stay."""
    connection.execute(
        "INSERT INTO domains (domain, is_whitelisted, notes, action_taken) "
        "VALUES (?, TRUE, ?, 'whitelisted') ON CONFLICT (domain) DO UPDATE SET "
        "is_whitelisted = TRUE, notes = excluded.notes, last_seen = CURRENT_TIMESTAMP",
        (name, notes),
    )


def untrust(connection: sqlite3.Connection, name: str) -> None:
    """Take it off the list, and say so in its notes."""
    connection.execute(
        "UPDATE domains SET is_whitelisted = FALSE, notes = COALESCE(notes, '') || ? "
        "WHERE domain = ? AND is_whitelisted = TRUE",
        (REMOVED, name),
    )


def trusted(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """The list, by name."""
    names = ("domain", "first_seen", "last_seen", "total_occurrences", "notes")
    rows = connection.execute(
        f"SELECT {', '.join(names)} FROM domains WHERE is_whitelisted = TRUE ORDER BY domain"
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def count_up(
    connection: sqlite3.Connection,
    name: str,
    n: int,
    *,
    first_seen: str | None,
    last_seen: str | None,
    risk: float | None,
    results: str | None,
) -> None:
    """Add occurrences of a domain, and what is known of it now."""
    connection.execute(
        "INSERT INTO domains (domain, first_seen, last_seen, total_occurrences, risk_score, "
        "validation_results) VALUES (?, COALESCE(?, CURRENT_TIMESTAMP), "
        "COALESCE(?, CURRENT_TIMESTAMP), ?, COALESCE(?, 0.0), ?) "
        "ON CONFLICT (domain) DO UPDATE SET last_seen = excluded.last_seen, "
        "total_occurrences = total_occurrences + excluded.total_occurrences, "
        "risk_score = excluded.risk_score, "
        "validation_results = COALESCE(excluded.validation_results, validation_results)",
        (name, first_seen, last_seen, n, risk, results),
    )
