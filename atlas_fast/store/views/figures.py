"""Figures of the overview and of the analytics, from summaries; no message row is counted here."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atlas_fast.store.views.messages import MessageRow, messages
from atlas_fast.store.views.reader import StoreReader
from atlas_fast.store.views.runs import RunRow, runs

__all__ = [
    "Analytics",
    "CategoryCount",
    "CountryCount",
    "Day",
    "DomainCount",
    "NetworkCount",
    "Overview",
    "ProviderCount",
    "SubcategoryCount",
    "analytics",
    "category_days",
    "category_subcategories",
    "country_categories",
    "country_subcategories",
    "overview",
    "top_domains",
]

LEGITIMATE = (
    "Not Spam", "Promotional Email", "Whitelisted", "Legitimate Marketing", "Transactional",
    "TRANSACTIONAL", "BUSINESS_TRANSACTION",
)  # fmt: skip
"""Categories that the table of countries leaves out: mail that was deleted, but is no threat."""

NEWEST = 15
LAST_RUNS = 8
TOP = 10
MAX_DAYS = 3_660

SPLIT = (
    "SUM(CASE action WHEN 'DELETED' THEN n ELSE 0 END), "
    "SUM(CASE action WHEN 'DELETED' THEN 0 ELSE n END)"
)
"""Of a summary by action: deleted, preserved."""


@dataclass(frozen=True, slots=True)
class Day:
    """Messages of a day (`YYYY-MM-DD`, local time)."""

    day: str
    deleted: int
    preserved: int

    @property
    def total(self) -> int:
        return self.deleted + self.preserved


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """Messages of a category by action; `confidence` the mean of both, percent."""

    category: str
    deleted: int
    preserved: int
    confidence: float

    @property
    def total(self) -> int:
        return self.deleted + self.preserved


@dataclass(frozen=True, slots=True)
class Overview:
    """What came in. `total`, `deleted`, `preserved` of all time; `days` has each of the last `days`
    days, the oldest first; `categories` of these days, the most first; `rate` messages a second
    of the last run that took time; `judged` and `right`: what users said of verdicts."""

    total: int
    deleted: int
    preserved: int
    accounts: int
    days: list[Day]
    categories: list[CategoryCount]
    all_categories: list[CategoryCount]
    runs: list[RunRow]
    newest: list[MessageRow]
    rate: float | None
    judged: int
    right: int

    @property
    def empty(self) -> bool:
        """Nothing was stored yet."""
        return self.total == 0 and not self.runs


@dataclass(frozen=True, slots=True)
class DomainCount:
    """A sender domain in the months of a period."""

    domain: str
    deleted: int
    preserved: int


@dataclass(frozen=True, slots=True)
class CountryCount:
    """Deleted mail of a country, its mean risk 0 to 1, and all mail from there."""

    code: str
    name: str
    deleted: int
    total: int
    risk: float


@dataclass(frozen=True, slots=True)
class NetworkCount:
    """Mail from an autonomous system that sent what was deleted."""

    asn: int
    deleted: int
    preserved: int


@dataclass(frozen=True, slots=True)
class SubcategoryCount:
    """Messages of a subcategory, and its share of all that have one, percent."""

    subcategory: str
    count: int
    percentage: float


@dataclass(frozen=True, slots=True)
class ProviderCount:
    """Messages of runs over accounts of a provider."""

    provider: str
    total: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Analytics:
    """The analytics page. What is of `days` days: `total`, `deleted`, `preserved`, `runs` and their
    means, `categories` (deleted mail), `providers`, `daily` (each day, oldest first), `hours`
    (messages by hour of day, 24), `week` and `week_before` (deleted mail of seven days each).
    `domains` is of the months from `domains_since` on. `countries`, `networks` and
    `subcategories` (by category) are of all time."""

    days: int
    total: int
    deleted: int
    preserved: int
    runs: int
    run_messages: float
    run_deleted_percent: float
    categories: list[CategoryCount]
    providers: list[ProviderCount]
    domains: list[DomainCount]
    domains_since: str
    countries: list[CountryCount]
    networks: list[NetworkCount]
    subcategories: dict[str, list[SubcategoryCount]]
    daily: list[Day]
    hours: list[int]
    week: int
    week_before: int

    @property
    def rate(self) -> float:
        """Share of deleted mail, percent."""
        return 100.0 * self.deleted / self.total if self.total else 0.0


def overview(reader: StoreReader, days: int = 30, today: datetime.date | None = None) -> Overview:
    """Figures of the start page."""
    days, day = max(1, min(days, MAX_DAYS)), today or datetime.date.today()
    return reader.kept(("overview", days, day), lambda: _overview(reader, days, day))


def _overview(reader: StoreReader, days: int, today: datetime.date) -> Overview:
    since = _before(today, days - 1)
    every = _categories(reader, "")
    last = runs(reader, limit=LAST_RUNS).rows
    timed = [run for run in last if run.seconds]
    judged = reader.ask(
        "SELECT COUNT(*), COALESCE(SUM(feedback_type = 'correct'), 0) FROM user_feedback"
    )[0]
    return Overview(
        total=sum(one.total for one in every),
        deleted=sum(one.deleted for one in every),
        preserved=sum(one.preserved for one in every),
        accounts=reader.ask("SELECT COUNT(*) FROM accounts WHERE is_active = TRUE")[0][0],
        days=_daily(reader, today, days),
        categories=_categories(reader, since),
        all_categories=every,
        runs=last,
        newest=messages(reader, limit=NEWEST, count=False).rows,
        rate=timed[0].total / timed[0].seconds if timed and timed[0].seconds else None,
        judged=judged[0],
        right=judged[1],
    )


def analytics(reader: StoreReader, days: int = 30, today: datetime.date | None = None) -> Analytics:
    """Figures of the analytics page."""
    days, day = max(1, min(days, MAX_DAYS)), today or datetime.date.today()
    return reader.kept(("analytics", days, day), lambda: _analytics(reader, days, day))


def _analytics(reader: StoreReader, days: int, today: datetime.date) -> Analytics:
    since = _before(today, days - 1)
    categories = _categories(reader, since)
    deleted = sum(one.deleted for one in categories)
    preserved = sum(one.preserved for one in categories)
    n, mean, percent = reader.ask(
        "SELECT COUNT(*), COALESCE(AVG(total_deleted + total_preserved), 0.0), "
        "COALESCE(AVG(CASE WHEN total_deleted + total_preserved > 0 THEN "
        "100.0 * total_deleted / (total_deleted + total_preserved) END), 0.0) "
        "FROM sessions WHERE start_time >= ?",
        (since,),
    )[0]
    providers = reader.ask(
        "SELECT a.provider, SUM(s.total_deleted + s.total_preserved), SUM(s.total_deleted) "
        "FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.start_time >= ? "
        "GROUP BY 1 ORDER BY 2 DESC LIMIT ?",
        (since, TOP),
    )
    daily = _daily(reader, today, max(days, 14))
    return Analytics(
        days=days,
        total=deleted + preserved,
        deleted=deleted,
        preserved=preserved,
        runs=n,
        run_messages=mean,
        run_deleted_percent=percent,
        categories=sorted((one for one in categories if one.deleted), key=lambda one: -one.deleted)[
            :TOP
        ],
        providers=[ProviderCount(name, total or 0, gone or 0) for name, total, gone in providers],
        domains=top_domains(reader, since[:7]),
        domains_since=since[:7],
        countries=_countries(reader),
        networks=_networks(reader),
        subcategories=_subcategories(reader),
        daily=daily[-days:] if days >= 14 else daily[-14:],
        hours=_hours(reader, since),
        week=sum(day.deleted for day in daily[-7:]),
        week_before=sum(day.deleted for day in daily[-14:-7]),
    )


def _before(day: datetime.date, days: int) -> str:
    return (day - datetime.timedelta(days)).isoformat()


def _categories(reader: StoreReader, since: str) -> list[CategoryCount]:
    """Of the days from `since` on ('' for all), the most first."""
    found = reader.ask(
        f"SELECT category, {SPLIT}, "
        "SUM(confidence_tenths) / 10.0 / MAX(SUM(n), 1) FROM summary_days "
        "WHERE day >= ? GROUP BY 1 HAVING SUM(n) > 0 ORDER BY SUM(n) DESC, 1",
        (since,),
    )
    return [CategoryCount(*row) for row in found]


def _daily(reader: StoreReader, today: datetime.date, days: int) -> list[Day]:
    """Each of the last days, those without mail too."""
    found = reader.ask(
        f"SELECT day, {SPLIT} FROM summary_days WHERE day >= ? GROUP BY day",
        (_before(today, days - 1),),
    )
    there = {day: (deleted, preserved) for day, deleted, preserved in found}
    names = [_before(today, back) for back in range(days - 1, -1, -1)]
    return [Day(name, *there.get(name, (0, 0))) for name in names]


def _hours(reader: StoreReader, since: str) -> list[int]:
    found = reader.ask(
        "SELECT CAST(substr(hour, 12, 2) AS INTEGER), SUM(n) FROM summary_hours "
        "WHERE hour >= ? GROUP BY 1",
        (since,),
    )
    hours = [0] * 24
    for hour, n in found:
        if 0 <= hour < 24:
            hours[hour] = n
    return hours


def top_domains(reader: StoreReader, since: str, top: int = TOP) -> list[DomainCount]:
    """Domains with the most deleted mail in the months from `since` (`YYYY-MM`) on.

    Each month's first domains come from its index; more are read until no other can be among the
    top: one that is in none of the lists has at most the sum of their last entries.
    """
    months = [
        month
        for (month,) in reader.ask(
            "WITH RECURSIVE known(month) AS (SELECT MIN(month) FROM summary_domains "
            "WHERE month >= ? UNION ALL SELECT (SELECT MIN(month) FROM summary_domains "
            "WHERE month > known.month) FROM known WHERE known.month IS NOT NULL) "
            "SELECT month FROM known WHERE month IS NOT NULL",
            (since,),
        )
    ]
    read = top * 4
    while True:
        names: set[str] = set()
        others, full = 0, False
        for month in months:
            rows = reader.ask(
                "SELECT domain, deleted FROM summary_domains WHERE month = ? AND deleted > 0 "
                "ORDER BY deleted DESC LIMIT ?",
                (month, read),
            )
            names.update(domain for domain, _ in rows)
            if len(rows) == read:
                others, full = others + rows[-1][1], True
        best = _domains(reader, names, months)[:top]
        if not full or (len(best) == top and best[-1].deleted >= others) or read > 20_000:
            return best
        read *= 4


def _domains(reader: StoreReader, names: set[str], months: Sequence[str]) -> list[DomainCount]:
    made: list[DomainCount] = []
    listed, each = sorted(names), 500
    of = f"month IN ({', '.join('?' * len(months))})"
    for start in range(0, len(listed), each):
        some = listed[start : start + each]
        found = reader.ask(
            "SELECT domain, SUM(deleted), SUM(preserved) FROM summary_domains WHERE "
            f"{of} AND domain IN ({', '.join('?' * len(some))}) GROUP BY domain",
            (*months, *some),
        )
        made += [DomainCount(*row) for row in found]
    return sorted(made, key=lambda one: (-one.deleted, one.domain))


def _countries(reader: StoreReader) -> list[CountryCount]:
    from atlas_fast.countries import COUNTRY_NAMES

    marks = ", ".join("?" * len(LEGITIMATE))
    found = reader.ask(
        "SELECT country_code, SUM(CASE WHEN action = 'DELETED' AND category NOT IN "
        f"({marks}) THEN n ELSE 0 END), SUM(n), SUM(risk_thousandths) / 1000.0 / MAX(SUM(n), 1) "
        "FROM summary_countries GROUP BY 1 HAVING SUM(n) > 0 ORDER BY 2 DESC, 3 DESC LIMIT ?",
        (*LEGITIMATE, 3 * TOP),
    )
    return [
        CountryCount(code, COUNTRY_NAMES.get(code, code), gone, total, round(risk or 0, 3))
        for code, gone, total, risk in found
    ]


def _networks(reader: StoreReader) -> list[NetworkCount]:
    found = reader.ask(
        "SELECT asn, deleted, preserved FROM summary_networks WHERE deleted > 0 "
        "ORDER BY deleted DESC LIMIT ?",
        (2 * TOP,),
    )
    return [NetworkCount(*row) for row in found]


def _subcategories(reader: StoreReader) -> dict[str, list[SubcategoryCount]]:
    found = reader.ask(
        "SELECT category, subcategory, SUM(n) FROM summary_kinds GROUP BY 1, 2 "
        "HAVING SUM(n) > 0 ORDER BY 3 DESC"
    )
    rows: dict[str, list[tuple[str, int]]] = {}
    for category, subcategory, n in found:
        rows.setdefault(category, []).append((subcategory, n))
    return {category: _shares(some) for category, some in rows.items()}


def _shares(rows: Sequence[tuple[Any, ...]], top: int | None = None) -> list[SubcategoryCount]:
    total = sum(n for _, n in rows) or 1
    return [SubcategoryCount(name, n, round(100.0 * n / total, 1)) for name, n in rows[:top]]


def country_categories(reader: StoreReader, code: str, top: int = 7) -> list[SubcategoryCount]:
    """Categories of mail from a country, the most first."""
    return _ranked(reader, "category", "summary_countries", "country_code", code.upper(), top)


def country_subcategories(reader: StoreReader, code: str, top: int = 15) -> list[SubcategoryCount]:
    """Subcategories of mail from a country, the most first."""
    return _ranked(reader, "subcategory", "summary_kinds", "country_code", code.upper(), top)


def category_subcategories(
    reader: StoreReader, category: str, top: int = 20
) -> list[SubcategoryCount]:
    """Subcategories of a category, by its new name, the most first."""
    return _ranked(reader, "subcategory", "summary_kinds", "category", category, top)


def _ranked(
    reader: StoreReader, name: str, table: str, by: str, value: str, top: int
) -> list[SubcategoryCount]:
    """Shares of the names in the rows of a summary where `by` is `value`."""
    found = reader.ask(
        f"SELECT {name}, SUM(n) FROM {table} WHERE {by} = ? GROUP BY 1 "
        "HAVING SUM(n) > 0 ORDER BY 2 DESC, 1",
        (value,),
    )
    return _shares(found, top)


def category_days(
    reader: StoreReader, days: int = 30, today: datetime.date | None = None
) -> list[tuple[str, str, int]]:
    """(day, category, messages) of the last days, for those that have any."""
    days, day = max(1, min(days, MAX_DAYS)), today or datetime.date.today()
    query = (
        "SELECT day, category, SUM(n) FROM summary_days WHERE day >= ? GROUP BY 1, 2 "
        "HAVING SUM(n) > 0 ORDER BY 1, 2"
    )
    return reader.kept(
        ("category days", days, day),
        lambda: [(at, name, n) for at, name, n in reader.ask(query, (_before(day, days - 1),))],
    )
