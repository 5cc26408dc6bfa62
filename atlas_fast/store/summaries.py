"""Summary tables: what the pages show, kept in the transaction of the rows.

Each has one SELECT that counts it from message rows. With different conditions the same text
counts the rows that a batch added, that a deleted run had, that pruning takes, or all of them for
`db check`; so no two of them can disagree. `Tally` is the short cut for a batch of which every row
is new: the counts then come from the columns, without reading a row back.

The cost of an update is that of the distinct values in the batch, not of the rows in the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas_fast.store.columns import Column, Factor, Reals, Same, factor, in_groups, joined
from atlas_fast.store.schema import MESSAGES

if TYPE_CHECKING:
    from atlas_fast.store.rows import RowBlock

__all__ = [
    "BANDS",
    "BAND_SQL",
    "SUMMARIES",
    "Summary",
    "Tally",
    "tally_of",
    "tally_of_blocks",
    "triggers",
]

Key = tuple[Any, ...]
Counts = dict[Key, list[int]]


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary table: its key columns, its counters, and how rows are counted.

    `counts` has `{where}` for a condition on message rows. The first counters are those that reach
    zero when the last row is gone.
    """

    table: str
    keys: tuple[str, ...]
    counters: tuple[str, ...]
    counts: str
    empty: str

    @property
    def upsert(self) -> str:
        """Add counters to a row, which is made where it is missing."""
        columns = (*self.keys, *self.counters)
        adds = ", ".join(
            f"{name} = {self.table}.{name} + excluded.{name}" for name in self.counters
        )
        return (
            f"INSERT INTO {self.table} ({', '.join(columns)}) "
            f"VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {adds}"
        )

    def follow(self, row: str, sign: str) -> str:
        """A trigger's statement: the message `row` (NEW.id or OLD.id) comes or goes."""
        adds = ", ".join(
            f"{name} = {self.table}.{name} {sign} excluded.{name}" for name in self.counters
        )
        return (
            f"INSERT INTO {self.table} ({', '.join((*self.keys, *self.counters))}) "
            f"{self.counts.format(where=f'{MESSAGES}.id = {row}')} "
            f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {adds};"
        )

    @property
    def drop_empty(self) -> str:
        return f"DELETE FROM {self.table} WHERE {self.empty}"

    @property
    def rows(self) -> str:
        return f"SELECT {', '.join((*self.keys, *self.counters))} FROM {self.table}"


BANDS = range(4)
MIDDLE, HIGH = 40, 70
"""Confidence, percent, from which bands 2 and 3 begin."""

BAND_SQL = (
    f"CASE WHEN confidence_score IS NULL THEN 0 WHEN confidence_score >= {HIGH} THEN 3 "
    f"WHEN confidence_score >= {MIDDLE} THEN 2 ELSE 1 END"
)
"""Confidence band of a message row: 3 from HIGH, 2 from MIDDLE, 1 below, 0 without a confidence."""

CONFIDENCE_TENTHS = (
    "CASE WHEN confidence_score BETWEEN 0 AND 100 "
    "THEN CAST(ROUND(confidence_score * 10) AS INTEGER) ELSE 0 END"
)
RISK_THOUSANDTHS = (
    "CASE WHEN geographic_risk_score BETWEEN 0 AND 1 "
    "THEN CAST(ROUND(geographic_risk_score * 1000) AS INTEGER) ELSE 0 END"
)
"""What is outside its range, or no number, adds nothing: a sum of such would be more than an
integer holds."""

HOURS = Summary(
    "summary_hours",
    ("hour", "category", "action"),
    ("n", "confidence_tenths"),
    "SELECT substr(timestamp, 1, 13), COALESCE(category, ''), action, COUNT(*), "
    f"SUM({CONFIDENCE_TENTHS}) "
    f"FROM {MESSAGES} WHERE {{where}} GROUP BY 1, 2, 3",
    "n = 0",
)
RUNS = Summary(
    "summary_runs",
    ("session_id", "category", "action", "band"),
    ("n",),
    f"SELECT session_id, COALESCE(category, ''), action, {BAND_SQL}, COUNT(*) "
    f"FROM {MESSAGES} WHERE session_id IS NOT NULL AND {{where}} GROUP BY 1, 2, 3, 4",
    "n = 0",
)
COUNTRIES = Summary(
    "summary_countries",
    ("country_code", "category", "action"),
    ("n", "risk_thousandths"),
    "SELECT sender_country_code, COALESCE(category, ''), action, COUNT(*), "
    f"SUM({RISK_THOUSANDTHS}) "
    f"FROM {MESSAGES} WHERE sender_country_code IS NOT NULL AND {{where}} GROUP BY 1, 2, 3",
    "n = 0",
)
DOMAINS = Summary(
    "summary_domains",
    ("month", "domain"),
    ("deleted", "preserved"),
    "SELECT substr(timestamp, 1, 7), COALESCE(sender_domain, ''), "
    "SUM(CASE action WHEN 'DELETED' THEN 1 ELSE 0 END), "
    "SUM(CASE action WHEN 'DELETED' THEN 0 ELSE 1 END) "
    f"FROM {MESSAGES} WHERE {{where}} GROUP BY 1, 2",
    "deleted = 0 AND preserved = 0",
)
DAYS = Summary(
    "summary_days",
    ("day", "category", "action"),
    HOURS.counters,
    HOURS.counts.replace("substr(timestamp, 1, 13)", "substr(timestamp, 1, 10)"),
    "n = 0",
)
KINDS = Summary(
    "summary_kinds",
    ("country_code", "category", "subcategory"),
    ("n",),
    "SELECT COALESCE(sender_country_code, ''), COALESCE(category_v2, category, ''), subcategory, "
    f"COUNT(*) FROM {MESSAGES} WHERE subcategory IS NOT NULL AND {{where}} GROUP BY 1, 2, 3",
    "n = 0",
)
NETWORKS = Summary(
    "summary_networks",
    ("asn",),
    ("deleted", "preserved"),
    "SELECT sender_asn, SUM(CASE action WHEN 'DELETED' THEN 1 ELSE 0 END), "
    "SUM(CASE action WHEN 'DELETED' THEN 0 ELSE 1 END) "
    f"FROM {MESSAGES} WHERE sender_asn IS NOT NULL AND {{where}} GROUP BY 1",
    "deleted = 0 AND preserved = 0",
)
SUMMARIES = (HOURS, RUNS, COUNTRIES, DOMAINS, DAYS, KINDS, NETWORKS)


def triggers() -> list[str]:
    """Temporary triggers (SQLite) that keep the summaries for a connection that writes messages
    one by one, with whatever SQL. Rows that come to zero stay until the next deletion in bulk."""
    comes = " ".join(summary.follow("NEW.id", "+") for summary in SUMMARIES)
    goes = " ".join(summary.follow("OLD.id", "-") for summary in SUMMARIES)
    of = (
        "timestamp, session_id, category, action, confidence_score, sender_domain, "
        "sender_country_code, geographic_risk_score, subcategory, category_v2, sender_asn"
    )
    return [
        f"CREATE TEMP TRIGGER message_comes AFTER INSERT ON main.{MESSAGES} BEGIN {comes} END",
        f"CREATE TEMP TRIGGER message_goes BEFORE DELETE ON main.{MESSAGES} BEGIN {goes} END",
        f"CREATE TEMP TRIGGER message_was BEFORE UPDATE OF {of} ON main.{MESSAGES} "
        f"BEGIN {goes} END",
        f"CREATE TEMP TRIGGER message_is AFTER UPDATE OF {of} ON main.{MESSAGES} BEGIN {comes} END",
    ]


@dataclass(slots=True)
class Tally:
    """Counts of message rows by the keys of each summary."""

    counts: dict[str, Counts] = field(
        default_factory=lambda: {summary.table: {} for summary in SUMMARIES}
    )

    def add(self, summary: Summary, key: Key, numbers: Sequence[int]) -> None:
        """Add numbers to the counters of a key."""
        there = self.counts[summary.table].get(key)
        if there is None:
            self.counts[summary.table][key] = list(numbers)
        else:
            for position, number in enumerate(numbers):
                there[position] += number

    def add_rows(self, summary: Summary, rows: Iterable[Sequence[Any]]) -> None:
        """Add what a `Summary.counts` query gave."""
        width = len(summary.keys)
        for row in rows:
            self.add(summary, tuple(row[:width]), row[width:])

    def merge(self, other: Tally) -> None:
        for table, theirs in other.counts.items():
            mine = self.counts[table]
            for key, numbers in theirs.items():
                there = mine.get(key)
                mine[key] = list(numbers) if there is None else list(map(add, there, numbers))

    def rows(self, summary: Summary, sign: int = 1) -> Iterator[tuple[Any, ...]]:
        """Values for `Summary.upsert`; sign -1 takes them away."""
        for key, numbers in self.counts[summary.table].items():
            yield (*key, *(sign * number for number in numbers))

    @property
    def stored(self) -> int:
        """Rows of runs."""
        return sum(numbers[0] for numbers in self.counts[RUNS.table].values())

    def by_category(self) -> Counter[tuple[str, str]]:
        """Rows of runs by (action, category)."""
        found: Counter[tuple[str, str]] = Counter()
        for (_, category, action, _), (number,) in self.counts[RUNS.table].items():
            found[action, category] += number
        return found


COUNTED = (
    "session_id", "timestamp", "category", "action", "confidence_score", "sender_domain",
    "sender_country_code", "geographic_risk_score", "subcategory", "category_v2", "sender_asn",
)  # fmt: skip
"""Columns that count."""


def tally_of_blocks(blocks: Iterable[RowBlock]) -> Tally:
    """The tally of blocks of new rows; those of one run and hour are counted together, as it costs
    little more than one of them."""
    tally: Tally | None = None

    def alike(block: RowBlock) -> Key:
        run, time = (next(iter(block.column(name))) for name in ("session_id", "timestamp"))
        return block.names, run, time[:13]

    for (names, run, hour), group in groupby((one for one in blocks if one.n), key=alike):
        some = list(group)
        n = sum(block.n for block in some)
        columns: dict[str, Column] = {"session_id": Same(run, n), "timestamp": Same(hour, n)}
        columns |= {
            name: joined([block.column(name) for block in some])
            for name in COUNTED
            if name in names and name not in columns
        }
        one = tally_of(columns, n)
        if tally is None:
            tally = one
        else:
            tally.merge(one)
    return Tally() if tally is None else tally


def tally_of(columns: Mapping[str, Column], n: int) -> Tally:
    """The tally of n new rows that share a run and a time, by the columns of the message table."""
    tally = Tally()
    if not n:
        return tally
    session_id, timestamp = (next(iter(columns[name])) for name in ("session_id", "timestamp"))
    hour, day, month = timestamp[:13], timestamp[:10], timestamp[:7]
    category, action = factor(columns["category"]), factor(columns["action"])
    percent = _numbers(columns["confidence_score"])
    bands = np.where(np.isnan(percent), 0, np.searchsorted((MIDDLE, HIGH), percent, "right") + 1)
    keys, group = in_groups(category, action, Factor(bands, BANDS))
    sums = zip(keys, np.bincount(group).tolist(), _sums(group, percent, 100, 10), strict=True)
    for (kind, acted, of_band), number, tenths in sums:
        tally.add(HOURS, (hour, kind or "", acted), (number, tenths))
        tally.add(DAYS, (day, kind or "", acted), (number, tenths))
        tally.add(RUNS, (session_id, kind or "", acted, of_band), (number,))
    _add_sides(tally, DOMAINS, factor(columns["sender_domain"]), action, (month,), "")
    country = factor(columns.get("sender_country_code") or Same(None, n))
    there = country.codes >= 0
    if there.any():
        keys, group = in_groups(country, category, action, rows=there)
        risks = _numbers(columns.get("geographic_risk_score") or Same(None, n))[there]
        sums = zip(keys, np.bincount(group).tolist(), _sums(group, risks, 1, 1000), strict=True)
        for (code, kind, acted), number, thousandths in sums:
            tally.add(COUNTRIES, (code, kind or "", acted), (number, thousandths))
    if "subcategory" in columns:
        under = factor(columns["subcategory"])
        new = factor(columns.get("category_v2") or Same(None, n))
        instead = category if (new.codes < 0).any() else Factor(np.full(n, -1), ())
        keys, group = in_groups(country, new, instead, under, rows=under.codes >= 0)
        for (code, kind, old, name), number in zip(keys, np.bincount(group).tolist(), strict=True):
            tally.add(KINDS, (code or "", kind or old or "", name), (number,))
    if "sender_asn" in columns:
        _add_sides(tally, NETWORKS, factor(columns["sender_asn"]), action)
    return tally


def _add_sides(
    tally: Tally, summary: Summary, of: Factor, action: Factor, begins: Key = (), none: Any = None
) -> None:
    """Rows that were deleted, and the others, by one column; `none` in place of NULL, which does
    not count where that is None."""
    deletes = np.array([name == "DELETED" for name in (*action.names, None)])
    deleted = deletes[action.codes]
    size = len(of.names) + 1
    some = np.bincount(of.codes[deleted] + 1, minlength=size).tolist()
    others = np.bincount(of.codes[~deleted] + 1, minlength=size).tolist()
    numbers = zip(of.names, some[1:], others[1:], strict=True)
    tally.counts[summary.table] = {(*begins, name): [a, b] for name, a, b in numbers if a or b}
    if none is not None and some[0] + others[0]:
        tally.add(summary, (*begins, none), (some[0], others[0]))


def _numbers(column: Column) -> np.ndarray:
    """float64; NaN for NULL."""
    return column.values if isinstance(column, Reals) else np.array(list(column), np.float64)


def _sums(group: np.ndarray, values: np.ndarray, top: int, parts: int) -> list[int]:
    """Sum of each group in these parts of one, as SQL rounds them; what is not from 0 to `top`, or
    no number, is 0."""
    exact = np.where((values >= 0) & (values <= top), values, 0.0) * parts
    return np.bincount(group, np.floor(exact + 0.5)).astype(np.int64).tolist()
