"""Two classifiers in one run: how many messages each decided, and the sample that both judged.

A row of `ab_testing_results` is a message of the sample; `summary_classifiers` counts all. Both are
written in the transaction of the message rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from atlas_fast.store.sql import SqlStore

__all__ = [
    "OLD", "Recommendation", "TrialBlock", "ab_report", "full_metrics", "metrics",
    "recommendation", "simple_metrics", "wilson",
]  # fmt: skip

OLD, NEW = "old", "new"
WARRANTY = "Auto warranty & insurance"
MAX_MISMATCHES = 10

ENOUGH = 100
"""Compared messages from which on there is something to recommend."""

AGREE = 95.0
"""Percent of equal categories from which on the candidate may decide more messages."""

STEPS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0)
"""Percentages of a rollout, one after the other."""

INSERT = (
    "INSERT INTO ab_testing_results (test_id, email_uid, sender, subject, old_category, "
    "old_confidence, new_category, new_subcategory, new_confidence, categories_match, "
    "processing_time_old, processing_time_new, selected_classifier, timestamp) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
COUNT = (
    "INSERT INTO summary_classifiers (test_id, classifier, category, n, nanoseconds) "
    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (test_id, classifier, category) DO UPDATE SET "
    "n = summary_classifiers.n + excluded.n, "
    "nanoseconds = summary_classifiers.nanoseconds + excluded.nanoseconds"
)


@dataclass(slots=True)
class TrialBlock:
    """`rows` as INSERT takes them, `counts` as COUNT does."""

    rows: list[tuple[Any, ...]]
    counts: list[tuple[str, str, str, int, int]]


def trial_block(
    verdict: Any, now: str, uids: Sequence[str], senders: Sequence[str], subjects: Sequence[str],
    names: Sequence[str],
) -> TrialBlock:  # fmt: skip
    """Of a batch whose verdicts have a trial; `names` are the categories."""
    trial, test_id = verdict.trial, now[:10].replace("-", "")
    counts = []
    for new, which in enumerate((OLD, NEW)):
        mine = trial.new == bool(new)
        each = trial.nanoseconds[new] // max(trial.scored[new], 1)
        by_category = np.bincount(verdict.category[mine], minlength=len(names)).tolist()
        for name, n in zip(names, by_category, strict=False):
            if n:
                counts.append((test_id, which, name, n, n * each))
    took = [ns / max(n, 1) / 1e6 for ns, n in zip(trial.nanoseconds, trial.scored, strict=True)]
    rows = []
    for k, row in enumerate(trial.both.tolist()):
        old, new = (names[trial.category[side, k]] for side in (0, 1))
        rows.append((
            test_id, uids[row], senders[row], subjects[row],
            old, float(trial.confidence[0, k]), new, trial.subcategory[k] or None,
            float(trial.confidence[1, k]), old == new, took[0], took[1],
            NEW if trial.new[row] else OLD, now,
        ))  # fmt: skip
    return TrialBlock(rows, counts)


@dataclass(slots=True)
class _Found:
    counts: dict[str, int]
    times: dict[str, float | None]
    compared: int
    matched: int
    warranties: int


def _look(store: SqlStore, since: str) -> _Found:
    rows = store.ask(
        "SELECT classifier, SUM(n), SUM(nanoseconds) FROM summary_classifiers "
        "WHERE test_id >= ? GROUP BY 1",
        (since,),
    )
    counts = {name: int(n) for name, n, _ in rows}
    times: dict[str, float | None] = {name: int(ns) / int(n) / 1e6 for name, n, ns in rows if n}
    ((compared, matched, warranties),) = store.ask(
        "SELECT COUNT(categories_match), COALESCE(SUM(CASE WHEN categories_match THEN 1 ELSE 0 "
        "END), 0), COALESCE(SUM(CASE WHEN new_subcategory = ? AND NOT categories_match THEN 1 "
        "ELSE 0 END), 0) FROM ab_testing_results WHERE test_id >= ?",
        (WARRANTY, since),
    )
    return _Found(counts, times, compared, matched, warranties)


def simple_metrics(store: SqlStore, since: str, percent: float) -> dict[str, Any]:
    """The original's `get_performance_metrics`, from the day `since` (`YYYYMMDD`) on.

    `category_match_rate` is that of the sample, None when it is empty; `_interval` its 95 %.
    `auto_warranty_fixes`: messages of the sample that the new one alone calls that.
    """
    found = _look(store, since)
    rate = found.matched / found.compared if found.compared else None
    return {
        "total_classifications": sum(found.counts.values()),
        "new_classifier_uses": found.counts.get(NEW, 0),
        "avg_processing_time_old_ms": found.times.get(OLD),
        "avg_processing_time_new_ms": found.times.get(NEW),
        "category_match_rate": rate,
        "category_match_rate_interval": wilson(found.matched, found.compared),
        "auto_warranty_fixes": found.warranties,
        "rollout_percentage": percent,
    }


def full_metrics(store: SqlStore, since: str) -> dict[str, Any]:
    """The original's `get_ab_testing_metrics`; `agreement_rate` in percent, with its interval."""
    found = _look(store, since)
    distributions: dict[str, dict[str, int]] = {OLD: {}, NEW: {}}
    for side, distribution in distributions.items():
        column = f"{side}_category"
        distribution.update(
            store.ask(
                f"SELECT {column}, COUNT(*) FROM ab_testing_results WHERE test_id >= ? "
                "AND categories_match IS NOT NULL GROUP BY 1",
                (since,),
            )
        )
    names = ("email_uid", "sender", "subject", "old_category", "new_category", "new_confidence")
    mismatches = store.ask(
        f"SELECT {', '.join(names)} FROM ab_testing_results WHERE test_id >= ? "
        "AND categories_match IS NOT NULL AND NOT categories_match ORDER BY id DESC LIMIT ?",
        (since, MAX_MISMATCHES),
    )
    low, high = wilson(found.matched, found.compared)
    return {
        "total_comparisons": found.compared,
        "agreement_rate": 100 * found.matched / found.compared if found.compared else None,
        "agreement_rate_interval": (100 * low, 100 * high),
        "old_classifier_selections": found.counts.get(OLD, 0),
        "new_classifier_selections": found.counts.get(NEW, 0),
        "avg_time_old": found.times.get(OLD),
        "avg_time_new": found.times.get(NEW),
        "category_distribution_old": distributions[OLD],
        "category_distribution_new": distributions[NEW],
        "mismatches": [dict(zip(names, row, strict=True)) for row in mismatches],
    }


def metrics(store: SqlStore, since: str, percent: float) -> dict[str, Any]:
    """Both."""
    return simple_metrics(store, since, percent) | full_metrics(store, since)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`action`: `wait`, `look`, `increase` or `promote`; `percent`: of the next step, where there
    is one; `text` says it in a sentence."""

    action: str
    percent: float | None
    text: str


def recommendation(metrics: Mapping[str, Any], percent: float) -> Recommendation:
    """What the figures of a rollout at `percent` say about the next step.

    `metrics` as store.trials.full_metrics gives them: `total_comparisons` and `agreement_rate` (in
    percent) count. The rate is judged by its interval of 95 %, so that few messages decide
    nothing. Agreement tells how much would change, not who is right.
    """
    compared, rate = int(metrics["total_comparisons"]), metrics["agreement_rate"]
    if compared < ENOUGH or rate is None:
        text = f"Not enough data: {compared} of {ENOUGH} comparisons"
        return Recommendation("wait", None, text)
    low, high = (100 * end for end in wilson(round(rate / 100 * compared), compared))
    said = f"the classifiers agree on {rate:.1f}% ({low:.1f} to {high:.1f})"
    if high < AGREE:
        return Recommendation("look", None, f"Look at the mismatches first: {said}")
    if low < AGREE:
        return Recommendation("wait", None, f"Compare more messages: {said}")
    onward = next((step for step in STEPS if step > percent), None)
    if onward is None:
        return Recommendation("promote", None, f"Promote the candidate: {said}")
    return Recommendation("increase", onward, f"Increase the rollout to {onward:g}%: {said}")


def ab_report(metrics: Mapping[str, Any], percent: float, at: str) -> dict[str, Any]:
    """The figures with what they recommend, ready for JSON; `at` is the time of the report."""
    found = recommendation(metrics, percent)
    return {
        "generated_at": at, "rollout_percentage": percent, **metrics,
        "recommendation": found.text, "next": asdict(found),
    }  # fmt: skip


def wilson(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's interval of a share (1927); 95 % by default. Of nothing it is (0, 1)."""
    if n == 0:
        return 0.0, 1.0
    share, square = hits / n, z * z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = z * sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # At the ends the sums are exact, but for rounding.
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == n else min(1.0, middle + half)
