"""What a store tells of the past: totals, days, categories, accounts, domains, runs.

For the original's `models.analytics`. Message rows are in local time, runs in UTC, as there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from atlas_fast.store import schema
from atlas_fast.store.schema import MESSAGES

__all__ = [
    "accounts", "contribution", "days", "domains", "filters", "hours", "increment", "note_deletion",
    "of_nothing", "operations", "runs", "summary",
]  # fmt: skip

Ask = Callable[[str, tuple[Any, ...]], Sequence[Any]]

_SECONDS = "(julianday(end_time) - julianday(start_time)) * 86400"


def of_nothing(query: str, values: tuple[Any, ...]) -> Sequence[Any]:
    """The answer of a store in which nothing is."""
    connection = sqlite3.connect(":memory:")
    try:
        for statement in schema.statements():
            connection.execute(statement)
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


def _dicts(names: Sequence[str], rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def summary(ask: Ask) -> dict[str, Any]:
    """Totals over all runs."""
    ((runs_, deleted, kept, validated, first, last, seconds),) = ask(
        "SELECT COUNT(*), COALESCE(SUM(total_deleted), 0), COALESCE(SUM(total_preserved), 0), "
        "COALESCE(SUM(total_validated), 0), MIN(start_time), MAX(start_time), "
        f"COALESCE(SUM({_SECONDS}), 0) FROM sessions",
        (),
    )
    ((known, suspicious),) = ask(
        "SELECT COUNT(*), COALESCE(SUM(risk_score > 0.5), 0) FROM domains", ()
    )
    categories = ask(
        "SELECT category, SUM(n) FROM summary_hours WHERE action = 'DELETED' GROUP BY 1 "
        "ORDER BY 2 DESC, 1",
        (),
    )
    total = deleted + kept
    return {
        "total_sessions": runs_,
        "total_deletions": deleted,
        "total_preservations": kept,
        "total_validations": validated,
        "first_activity": first,
        "last_activity": last,
        "total_domains_analyzed": known,
        "suspicious_domains": suspicious,
        "total_categories": len(categories),
        "most_common_category": categories[0][0] if categories else None,
        "deletion_rate": 100 * deleted / total if total else 0.0,
        "preservation_rate": 100 * kept / total if total else 0.0,
        "avg_deletions_per_session": deleted / runs_ if runs_ else 0.0,
        "avg_preservations_per_session": kept / runs_ if runs_ else 0.0,
        "total_duration_hours": seconds / 3600,
    }


def days(ask: Ask, back: int) -> list[dict[str, Any]]:
    """Days with a run, the newest first."""
    return _dicts(
        ("date", "deleted", "preserved", "sessions"),
        ask(
            "SELECT date(start_time), COALESCE(SUM(total_deleted), 0), "
            "COALESCE(SUM(total_preserved), 0), COUNT(*) FROM sessions "
            "WHERE start_time >= datetime('now', ?) GROUP BY 1 ORDER BY 1 DESC",
            (f"-{int(back)} days",),
        ),
    )


def hours(ask: Ask) -> list[dict[str, Any]]:
    """Hours of the day in which runs began, the busiest first."""
    return _dicts(
        ("hour", "session_count", "avg_deleted"),
        ask(
            "SELECT CAST(strftime('%H', start_time) AS INTEGER), COUNT(*), "
            "AVG(COALESCE(total_deleted, 0)) FROM sessions GROUP BY 1 ORDER BY 2 DESC, 1",
            (),
        ),
    )


def filters(ask: Ask) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Categories of all messages, and how many of each came in the last 7 days."""
    unique = dict(
        ask(f"SELECT category, COUNT(DISTINCT sender_domain) FROM {MESSAGES} GROUP BY 1", ())
    )
    rows = ask(
        "SELECT category, SUM(n), 100.0 * SUM(CASE WHEN action = 'DELETED' THEN n ELSE 0 END) "
        "/ SUM(n), MIN(hour), MAX(hour) FROM summary_hours GROUP BY 1 ORDER BY 2 DESC, 1",
        (),
    )
    total = sum(row[1] for row in rows)
    found = [
        {
            "category": name, "total_count": n, "deletion_rate": rate, "first_seen": first,
            "last_seen": last, "unique_domains": unique.get(name, 0), "percentage": 100 * n / total,
        }
        for name, n, rate, first, last in rows
    ]  # fmt: skip
    recent = ask(
        "SELECT category, SUM(n) FROM summary_hours "
        "WHERE hour >= strftime('%Y-%m-%d %H', 'now', 'localtime', '-7 days') GROUP BY 1",
        (),
    )
    return found, dict(recent)


def accounts(ask: Ask) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Accounts with their runs, the busiest first; and providers."""
    each = _dicts(
        ("email_address", "provider", "session_count", "total_deleted", "total_preserved",
         "last_session", "first_session"),
        ask(
            "SELECT a.email_address, a.provider, COUNT(s.id), COALESCE(SUM(s.total_deleted), 0), "
            "COALESCE(SUM(s.total_preserved), 0), MAX(s.start_time), MIN(s.start_time) "
            "FROM accounts a LEFT JOIN sessions s ON s.account_id = a.id GROUP BY a.id "
            "ORDER BY 3 DESC, 1",
            (),
        ),
    )  # fmt: skip
    by_provider = _dicts(
        ("provider", "account_count", "session_count", "total_deleted"),
        ask(
            "SELECT a.provider, COUNT(DISTINCT a.id), COUNT(s.id), "
            "COALESCE(SUM(s.total_deleted), 0) FROM accounts a "
            "LEFT JOIN sessions s ON s.account_id = a.id GROUP BY 1 ORDER BY 2 DESC, 1",
            (),
        ),
    )
    return each, by_provider


def domains(ask: Ask) -> dict[str, Any]:
    """Domains of risk, all domains, and the senders of the last 7 days."""
    risky = _dicts(
        ("domain", "total_occurrences", "risk_score", "action_taken", "first_seen", "last_seen",
         "ml_confidence_scores"),
        ask(
            "SELECT domain, total_occurrences, risk_score, action_taken, first_seen, last_seen, "
            "ml_confidence_scores FROM domains WHERE risk_score > 0.5 "
            "ORDER BY risk_score DESC, domain LIMIT 20",
            (),
        ),
    )  # fmt: skip
    (totals,) = ask(
        "SELECT COUNT(*), COALESCE(SUM(action_taken = 'DELETED'), 0), "
        "COALESCE(SUM(action_taken = 'PRESERVED'), 0), COALESCE(AVG(total_occurrences), 0.0), "
        "COALESCE(AVG(risk_score), 0.0) FROM domains",
        (),
    )
    recent = ask(
        "SELECT sender_domain, COUNT(*), SUM(action = 'DELETED'), "
        f"100.0 * SUM(action = 'DELETED') / COUNT(*) FROM {MESSAGES} "
        "WHERE timestamp >= datetime('now', 'localtime', '-7 days') AND sender_domain <> '' "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
        (),
    )
    names = (
        "total_domains", "flagged_domains", "preserved_domains", "avg_occurrences",
        "avg_risk_score",
    )  # fmt: skip
    return {
        "suspicious_domains": risky,
        "domain_summary": dict(zip(names, totals, strict=True)),
        "recent_activity": _dicts(("sender_domain", "count", "deleted", "deletion_rate"), recent),
    }


def runs(ask: Ask, limit: int) -> list[dict[str, Any]]:
    """Runs that ended, the newest first, with their speed."""
    found = _dicts(
        ("id", "start_time", "end_time", "total_processed", "duration_seconds"),
        ask(
            "SELECT id, start_time, end_time, COALESCE(total_deleted, 0) + "
            f"COALESCE(total_preserved, 0), {_SECONDS} FROM sessions "
            "WHERE end_time IS NOT NULL ORDER BY id DESC LIMIT ?",
            (limit,),
        ),
    )
    for one in found:
        seconds = one["duration_seconds"] or 0
        one["emails_per_second"] = one["total_processed"] / seconds if seconds > 0 else 0.0
    return found


def operations(ask: Ask) -> list[dict[str, Any]]:
    """What `performance_metrics` has, by operation."""
    return _dicts(
        ("operation_type", "operation_count", "avg_duration", "min_duration", "max_duration",
         "total_items", "avg_throughput"),
        ask(
            "SELECT operation_type, COUNT(*), AVG(duration_seconds), MIN(duration_seconds), "
            "MAX(duration_seconds), COALESCE(SUM(items_processed), 0), "
            "AVG(items_processed / NULLIF(duration_seconds, 0)) FROM performance_metrics "
            "GROUP BY 1 ORDER BY 2 DESC, 1",
            (),
        ),
    )  # fmt: skip


def contribution(ask: Ask) -> dict[str, Any]:
    """What the user did: messages analysed, feedback, deletions, and feedback of 7 days."""
    ((analysed,),) = ask("SELECT COALESCE(SUM(n), 0) FROM summary_hours", ())
    ((given, right, recent),) = ask(
        "SELECT COUNT(*), COALESCE(SUM(feedback_type = 'correct'), 0), "
        "COALESCE(SUM(timestamp >= datetime('now', '-7 days')), 0) FROM user_feedback",
        (),
    )
    ((deleted,),) = ask("SELECT COUNT(*) FROM immediate_deletions WHERE success = TRUE", ())
    return {
        "emails_analyzed": analysed,
        "feedback_given": given,
        "emails_deleted": deleted,
        "accuracy": 100 * right / given if given else 100.0,
        "recent_activity": recent,
    }


class Manager(Protocol):
    """What can change a database by plain SQL."""

    def get_connection(self) -> Any: ...


def increment(manager: Manager, counter: str, amount: int, day: str) -> None:
    """Add to a counter of a day, in one transaction; the row is made where it is missing."""
    with manager.get_connection() as connection:
        connection.execute("BEGIN IMMEDIATE")
        changed = connection.execute(
            f"UPDATE user_analytics SET {counter} = {counter} + ?, updated_at = CURRENT_TIMESTAMP "
            "WHERE id = (SELECT MIN(id) FROM user_analytics WHERE session_date = ?)",
            (amount, day),
        ).rowcount
        if not changed:
            connection.execute(
                f"INSERT INTO user_analytics (session_date, {counter}) VALUES (?, ?)",
                (day, amount),
            )
        connection.commit()


def note_deletion(manager: Manager, values: Sequence[Any]) -> None:
    """A row of `immediate_deletions`."""
    with manager.get_connection() as connection:
        connection.execute(
            "INSERT INTO immediate_deletions (account_name, email_uid, success, error_message, "
            "user_feedback_id, provider, folder_name) VALUES (?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        connection.commit()
