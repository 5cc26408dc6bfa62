"""`DatabaseAnalytics`: figures of the past, from the store; and what the user gave to it.

An error of the store is raised: "none" and "failed" are told apart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from atlas_fast.compat.models.database import db
from atlas_fast.compat.terms import manager_of
from atlas_fast.errors import UsageError
from atlas_fast.store import history

__all__ = [
    "DatabaseAnalytics", "DatabaseAnalyticsMenu", "get_user_achievement_badges",
    "get_user_contribution_stats", "get_user_milestones", "increment_analytics_counter",
    "log_immediate_deletion",
]  # fmt: skip

COUNTERS = ("emails_analyzed", "feedback_given", "emails_deleted")

BADGES = (
    ("emails_analyzed", ((100, "Analyst"), (500, "Expert"), (1000, "Master"))),
    ("feedback_given", ((10, "Helper"), (50, "Teacher"), (100, "Mentor"))),
    ("emails_deleted", ((10, "Cleaner"), (50, "Sweeper"), (100, "Guardian"))),
)
ICONS = {
    "emails_analyzed": "\N{BAR CHART}", "feedback_given": "\N{SPEECH BALLOON}",
    "emails_deleted": "\N{BROOM}",
}  # fmt: skip
MILESTONES = {
    "email": ("emails_analyzed", (100, 500, 1000, 2500, 5000, 10000)),
    "feedback": ("feedback_given", (10, 25, 50, 100, 250, 500)),
    "deletion": ("emails_deleted", (10, 50, 100, 250, 500, 1000)),
}
RUNS = 20


def _ask(query: str, values: tuple[Any, ...] = ()) -> Sequence[Any]:
    """Rows of the program's database; where there is none yet, none is made."""
    manager = manager_of(None)
    if manager is None:
        return history.of_nothing(query, values)
    return manager.execute_query(query, values)


class DatabaseAnalytics:
    """Figures of the program's database."""

    def __init__(self) -> None:
        pass

    def get_summary_stats(self) -> dict[str, Any]:
        """Totals over all runs; rates in percent."""
        return history.summary(_ask)

    def get_processing_statistics(self) -> dict[str, Any]:
        """The totals, those of 7 days, and 30 days one by one."""
        week = history.days(_ask, 7)
        return self.get_summary_stats() | {
            "recent_deletions": sum(day["deleted"] for day in week),
            "recent_preservations": sum(day["preserved"] for day in week),
            "recent_sessions": sum(day["sessions"] for day in week),
            "daily_statistics": history.days(_ask, 30),
        }

    def get_filter_effectiveness(self) -> dict[str, Any]:
        """Messages by category; `percentage` of all, `deletion_rate` in percent."""
        categories, recent = history.filters(_ask)
        return {
            "categories": categories,
            "total_count": sum(one["total_count"] for one in categories),
            "recent_activity": recent,
        }

    def get_account_summary(self) -> dict[str, Any]:
        accounts, providers = history.accounts(_ask)
        return {"accounts": accounts, "providers": providers, "total_accounts": len(accounts)}

    def get_domain_analysis(self) -> dict[str, Any]:
        """Domains of risk, all of them, and senders of the last 7 days."""
        found = history.domains(_ask)
        for one in found["suspicious_domains"]:
            scores = _numbers(one["ml_confidence_scores"])
            one["avg_confidence"] = sum(scores) / len(scores) if scores else 0.0
        return found

    def get_historical_trends(self) -> dict[str, Any]:
        """Days of a month, two weeks compared once 14 days were active, busy hours."""
        daily = [
            {
                "date": day["date"], "sessions": day["sessions"], "deletions": day["deleted"],
                "preservations": day["preserved"],
                "total_processed": day["deleted"] + day["preserved"],
            }
            for day in history.days(_ask, 30)
        ]  # fmt: skip
        return {
            "daily_activity": daily,
            "weekly_trends": _trend([day["deletions"] for day in daily]),
            "peak_hours": history.hours(_ask),
        }

    def get_performance_analysis(self) -> dict[str, Any]:
        """Operations that were measured, and the newest runs with their speed."""
        return {
            "operation_performance": history.operations(_ask),
            "session_performance": history.runs(_ask, RUNS),
        }


def _numbers(text: str | None) -> list[float]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [float(n) for n in found if isinstance(n, int | float)] if found else []


def _trend(deletions: Sequence[int]) -> Any:
    """The last 7 active days against the 7 before; an empty list where there are fewer."""
    if len(deletions) < 14:
        return []
    now, before = sum(deletions[:7]), sum(deletions[7:14])
    change = 100 * (now - before) / before if before else (100.0 if now else 0.0)
    return {
        "recent_week_deletions": now,
        "previous_week_deletions": before,
        "change_percent": change,
        "trend": "increasing" if change > 10 else "decreasing" if change < -10 else "stable",
    }


class DatabaseAnalyticsMenu:
    """The figures, chosen by number on the terminal."""

    def __init__(self) -> None:
        self.analytics = DatabaseAnalytics()

    def run(self) -> None:
        """Ask and show until an empty line, `0`, or the end of the input."""
        from atlas_fast.compat.core.folders import answered

        pages = {
            "1": ("Summary", self.analytics.get_summary_stats),
            "2": ("Processing", self.analytics.get_processing_statistics),
            "3": ("Filters", self.analytics.get_filter_effectiveness),
            "4": ("Accounts", self.analytics.get_account_summary),
            "5": ("Domains", self.analytics.get_domain_analysis),
            "6": ("Trends", self.analytics.get_historical_trends),
            "7": ("Performance", self.analytics.get_performance_analysis),
        }
        while True:
            for key, (name, _) in pages.items():
                print(f"{key}. {name}")
            choice = answered("Show (0 ends): ").strip()
            if choice not in pages:
                return
            print(json.dumps(pages[choice][1](), indent=2, default=str))


def get_user_contribution_stats() -> dict[str, Any]:
    """What was analysed, said and deleted; `accuracy` in percent, 100 of nothing."""
    return history.contribution(_ask)


def get_user_achievement_badges(stats: dict[str, Any]) -> list[dict[str, str]]:
    """Each with `icon`, `name`, `desc`."""
    found = []
    for counter, steps in BADGES:
        for limit, name in steps:
            if stats.get(counter, 0) >= limit:
                text = f"{limit:,} {counter.replace('_', ' ')}"
                found.append({"icon": ICONS[counter], "name": name, "desc": text})
    accuracy, given = stats.get("accuracy", 0), stats.get("feedback_given", 0)
    for share, least, name in ((95, 10, "Sharp eye"), (98, 20, "Eagle eye")):
        if accuracy >= share and given >= least:
            text = f"{share}% accuracy over {least} feedbacks"
            found.append({"icon": "\N{DIRECT HIT}", "name": name, "desc": text})
    if stats.get("recent_activity", 0) >= 5:
        found.append({"icon": "\N{FIRE}", "name": "Active", "desc": "5 feedbacks in 7 days"})
    return found


def get_user_milestones(stats: dict[str, Any]) -> dict[str, Any]:
    """The next milestone of each kind (None after the last), and the percent of the way to it."""
    made: dict[str, Any] = {}
    for kind, (counter, steps) in MILESTONES.items():
        now = stats.get(counter, 0)
        onward = next((step for step in steps if step > now), None)
        made[f"next_{kind}_milestone"] = onward
        made[f"{kind}_progress"] = 100.0 if onward is None else 100 * now / onward
    return made


def increment_analytics_counter(
    metric: str, amount: int = 1, session_date: str | None = None
) -> None:
    """Add to a counter of a day (`YYYY-MM-DD`, today by default). UsageError for another metric
    than `emails_analyzed`, `feedback_given`, `emails_deleted`."""
    if metric not in COUNTERS:
        raise UsageError(f"{metric!r} is no counter; there are {', '.join(COUNTERS)}")
    history.increment(db, metric, int(amount), session_date or date.today().isoformat())


def log_immediate_deletion(
    account_name: str,
    email_uid: str,
    success: bool = True,
    error_message: str | None = None,
    user_feedback_id: int | None = None,
    provider: str | None = None,
    folder_name: str | None = None,
) -> None:
    """Note a deletion that a user asked for at once."""
    history.note_deletion(
        db,
        (account_name, str(email_uid), bool(success), error_message, user_feedback_id, provider,
         folder_name),
    )  # fmt: skip
