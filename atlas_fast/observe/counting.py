"""From the columns of a batch to the counts of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from atlas_fast.flags import Flag
from atlas_fast.observe.report import MAX_PROBLEMS, Report
from atlas_fast.records import CATEGORIES, UNKNOWN

if TYPE_CHECKING:
    from atlas_fast.batch import Batch

__all__ = ["count"]

UNREADABLE = np.uint32(Flag.HDR_EMPTY | Flag.NO_MEMORY)
"""Flags of a message that counts as an error: no header field at all, or memory ran out."""


def count(report: Report, done: Any) -> None:
    """Add the counts of a batch that a pipeline has done."""
    report.messages += done.known
    report.known += done.known
    for part in done.parts:
        report.messages += len(part)
        report.bytes += part.nbytes
        unreadable = int(np.count_nonzero(part.flags & UNREADABLE))
        report.errors += unreadable
        if unreadable:
            _tell_unreadable(report, part)
        _count_flags(report, part)
        if part.verdict is None:
            _add(report.categories, UNKNOWN, len(part))
            continue
        for code, number in enumerate(np.bincount(part.verdict.category).tolist()):
            _add(report.categories, CATEGORIES[code], number)
        for ruling in part.verdict.rulings.values():
            _add(report.rules, ruling.rule, 1)
        _count_trial(report, part.verdict.trial)
    report.errors += len(done.failures)
    for one in done.failures:
        report.problem(f"{one.place}: {one.kind}: {one.text}", done.parts[0].source)


def _count_trial(report: Report, trial: Any) -> None:
    """Whom each classifier decided, and how many messages it was given: one more for each that
    both judged, and not one besides."""
    if trial is None:
        return
    new = int(np.count_nonzero(trial.new))
    for name, number in zip(
        ("old", "new", "both", "scored_old", "scored_new"),
        (len(trial.new) - new, new, len(trial.both), *trial.scored),
        strict=True,
    ):
        _add(report.classifiers, name, number)


def _tell_unreadable(report: Report, part: Batch) -> None:
    """Why messages count as errors, while the report has room."""
    for row in np.flatnonzero(part.flags & UNREADABLE)[:MAX_PROBLEMS].tolist():
        empty = part.flags[row] & np.uint32(Flag.HDR_EMPTY)
        reason = "no header field" if empty else "memory ran out"
        report.problem(f"{part.places[row]}: {reason}", part.source)


def _count_flags(report: Report, part: Batch) -> None:
    present = int(np.bitwise_or.reduce(part.flags, initial=0))
    for flag in Flag:
        if present & flag:
            _add(report.flags, str(flag.name), int(np.count_nonzero(part.flags & flag.value)))


def _add(counts: dict[str, int], name: str, number: int) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number
