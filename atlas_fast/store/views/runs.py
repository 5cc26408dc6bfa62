"""Runs, their figures, and the accounts that they belong to."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from atlas_fast.limits import VIEW_RUNS
from atlas_fast.store.views.reader import StoreReader

__all__ = [
    "Account",
    "Performance",
    "Run",
    "RunPage",
    "RunRow",
    "accounts",
    "performance",
    "run",
    "runs",
]


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list. Times are UTC as `YYYY-MM-DD HH:MM:SS`; `ended` None: it is going on, or
    was interrupted. `sources`: folders, or names of files."""

    id: int
    account_id: int
    account: str
    provider: str
    started: str | None
    ended: str | None
    sources: list[str]
    deleted: int
    preserved: int
    validated: int
    kind: str
    preview: bool

    @property
    def total(self) -> int:
        return self.deleted + self.preserved

    @property
    def seconds(self) -> float | None:
        """How long it took, in whole seconds; None where it has no end."""
        begin, end = _time(self.started), _time(self.ended)
        return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, newest first; `next` is the key of the page behind, None at the end."""

    rows: list[RunRow]
    next: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its `row`; `categories` and `bands` as (name or band, deleted, preserved);
    `errors`, the first of them; `report`: what it said of its own speed at its end, {} where it
    said nothing (`observe.live` has the keys)."""

    row: RunRow
    categories: list[tuple[str, int, int]]
    bands: dict[int, int]
    errors: list[dict[str, Any]] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Performance:
    """Runs that left a report, the newest first, as (run, report); `compared`: what a rollout
    found of its two classifiers (store.trials.metrics), {} where there was none."""

    runs: list[tuple[RunRow, dict[str, Any]]]
    compared: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """An account; never with its password."""

    id: int
    address: str
    provider: str
    host: str
    port: int
    folders: list[str]
    active: bool
    last_used: str | None
    runs: int
    deleted: int
    preserved: int
    last_run: int | None


_SELECT = (
    "SELECT s.id, s.account_id, a.email_address, a.provider, s.start_time, s.end_time, "
    "s.folders_processed, s.total_deleted, s.total_preserved, s.total_validated, s.session_type, "
    "s.is_preview "
    "FROM sessions s LEFT JOIN accounts a ON a.id = s.account_id"
)


def runs(reader: StoreReader, before: int | None = None, limit: int = VIEW_RUNS) -> RunPage:
    """Runs older than the run `before` (None: the newest)."""
    limit = max(1, min(limit, VIEW_RUNS))
    top = before if before is not None else (1 << 63) - 1
    rows = [
        _row(one)
        for one in reader.ask(f"{_SELECT} WHERE s.id < ? ORDER BY s.id DESC LIMIT ?", (top, limit))
    ]
    return RunPage(rows, rows[-1].id if len(rows) == limit else None)


def run(reader: StoreReader, number: int) -> Run | None:
    """One run, or None."""
    if not 0 <= number < 1 << 63:
        return None
    found = reader.one(f"{_SELECT} WHERE s.id = ?", (number,))
    if found is None:
        return None
    counts = reader.ask(
        "SELECT category, action, band, n FROM summary_runs WHERE session_id = ? AND n > 0",
        (number,),
    )
    categories: dict[str, list[int]] = {}
    bands: dict[int, int] = {}
    for category, action, band, n in counts:
        categories.setdefault(category, [0, 0])[action != "DELETED"] += n or 0
        bands[band or 0] = bands.get(band or 0, 0) + (n or 0)
    errors = reader.ask(
        "SELECT error_type, error_message, context_data, timestamp FROM error_reports "
        "WHERE session_id = ? ORDER BY id LIMIT 50",
        (number,),
    ) if _has_errors(reader) else []  # fmt: skip
    names = ("kind", "text", "place", "at")
    return Run(
        _row(found),
        sorted(
            ((name, n[0], n[1]) for name, n in categories.items()),
            key=lambda one: -one[1] - one[2],
        ),
        bands,
        [dict(zip(names, one, strict=True)) for one in errors],
        _report(reader.one("SELECT report FROM run_reports WHERE session_id = ?", (number,))),
    )


def performance(reader: StoreReader, last: int = 20) -> Performance:
    """What the last runs said of their speed, and a rollout's comparison of thirty days."""
    return reader.kept(("performance", last), lambda: _performance(reader, last))


def _performance(reader: StoreReader, last: int) -> Performance:
    reports = {
        number: _report((text,))
        for number, text in reader.ask(
            "SELECT session_id, report FROM run_reports ORDER BY session_id DESC LIMIT ?",
            (max(1, min(last, VIEW_RUNS)),),
        )
    }
    marks = ", ".join("?" * len(reports))
    rows = reader.ask(f"{_SELECT} WHERE s.id IN ({marks}) ORDER BY s.id DESC", list(reports))
    return Performance([(_row(one), reports[one[0]]) for one in rows], _compared(reader))


def _compared(reader: StoreReader) -> dict[str, Any]:
    if not reader.ask("SELECT 1 FROM summary_classifiers LIMIT 1"):
        return {}
    from atlas_fast.store.trials import full_metrics

    since = datetime.date.today() - datetime.timedelta(30)
    return full_metrics(reader, since.strftime("%Y%m%d"))  # type: ignore[arg-type]


def accounts(reader: StoreReader) -> list[Account]:
    """All accounts, those used last first."""
    return reader.kept("accounts", lambda: _accounts(reader))


def _accounts(reader: StoreReader) -> list[Account]:
    found = reader.ask(
        "SELECT a.id, a.email_address, a.provider, a.host, a.port, a.target_folders, "
        "a.is_active, a.last_used, COUNT(s.id), "
        "SUM(s.total_deleted) AS total_deleted, SUM(s.total_preserved) AS total_preserved, "
        "MAX(s.id) "
        "FROM accounts a LEFT JOIN sessions s ON s.account_id = a.id "
        "GROUP BY a.id ORDER BY a.last_used DESC, a.id"
    )
    return [
        Account(
            number, address, provider, host, port, _names(folders), bool(active), used, runs,
            deleted or 0, preserved or 0, last,
        )
        for number, address, provider, host, port, folders, active, used, runs, deleted,
        preserved, last in found
    ]  # fmt: skip


def _has_errors(reader: StoreReader) -> bool:
    return bool(reader.ask("SELECT 1 FROM error_reports LIMIT 1"))


def _row(row: Sequence[Any]) -> RunRow:
    number, account, address, provider, started, ended, sources, *counts, kind, preview = row
    deleted, preserved, validated = (count or 0 for count in counts)
    return RunRow(
        number, account or 0, address or "", provider or "", started, ended, _names(sources),
        deleted, preserved, validated, kind or "", bool(preview),
    )  # fmt: skip


def _names(text: str | None) -> list[str]:
    """A JSON list of names; the original's batch path stores a number."""
    try:
        found = orjson.loads(text or "[]")
    except orjson.JSONDecodeError:
        return []
    return [str(name) for name in found] if isinstance(found, list) else []


def _report(row: tuple[Any, ...] | None) -> dict[str, Any]:
    try:
        found = orjson.loads(row[0]) if row and row[0] else {}
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _time(text: str | None) -> datetime.datetime | None:
    try:
        return None if text is None else datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
