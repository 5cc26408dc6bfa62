"""Columns of a batch to columns of the message table, a whole batch at a time.

No object is made for a message here: texts are copied from buffer to buffer, what has few values is
a code (`columns.py`).

Stored form of text, decided here once:
- TAB is a space; the other C0 controls (NUL among them) and DEL are their Unicode control picture
  (U+2400 + code, U+2421 for DEL); C1 controls and lone surrogates are U+FFFD;
- direction controls stay as they are (they are text); whoever shows them makes them visible;
- longer than the original's lengths (`TEXT_CAPS`) is cut there;
- an absent subject is `No Subject`, an absent sender `Unknown`, as in the original.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from atlas_fast import records
from atlas_fast._kernels.storedtext import GROWTH, stored_texts
from atlas_fast.batch import Numbers
from atlas_fast.records import ACTIONS, CATEGORIES, FIRST_SPAM, UNKNOWN
from atlas_fast.store.columns import Blobs, Column, Integers, Reals, Same, Texts, factor
from atlas_fast.store.geography import geography
from atlas_fast.store.trials import TrialBlock, trial_block

if TYPE_CHECKING:
    from atlas_fast.batch import Batch
    from atlas_fast.records import Ruling

__all__ = [
    "ACTIONS",
    "CATEGORIES",
    "CLASSIFICATION_VERSION",
    "OLD_CATEGORIES",
    "RowBlock",
    "block_of",
    "clean",
    "row_block",
]

TEXT_CAPS = {"sender": 500, "subject": 1000, "domain": 255, "uid": 1000}
"""Characters of a stored text at most."""

NO_SUBJECT = "No Subject"

OLD_CATEGORIES = {**records.OLD_CATEGORIES, UNKNOWN: UNKNOWN}
"""Category of the original's column `category` by that of `category_v2`."""

CLASSIFICATION_VERSION = 2
"""Value of `classification_version`: the categories of `category_v2`."""

MAX_REASON = 990
"""Characters of a reason, without ` [PREVIEW]`; the original's length is 1,000."""

METHOD = "atlas_fast linear"
"""Value of `ml_validation_method`."""

_LONG = ("sender_email", "subject", "sender_name", "raw_data")
"""Columns whose texts count as the size of a block."""

_STORED = {code: 0x2400 + code for code in range(32)}
_STORED |= {9: 0x20, 0x7F: 0x2421}
_STORED |= dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000)), 0xFFFD)


class TextColumn(Protocol):
    """UTF-8 texts: `data` uint8, `offsets` int64 (n + 1)."""

    data: np.ndarray
    offsets: np.ndarray


def clean(text: str) -> str:
    """The stored form of a text; of columns: kernel `storedtext`."""
    return text if text.isprintable() else text.translate(_STORED)


def stored(column: TextColumn, cap: int, absent: str = "") -> Texts:
    """The texts of a column in their stored form, cut at `cap` characters; a copy."""
    offsets = np.ascontiguousarray(column.offsets, np.int64)
    blank = np.frombuffer(absent.encode(), np.uint8)
    used, n = int(offsets[-1] - offsets[0]), len(offsets) - 1
    out, ends = np.empty(GROWTH * used + n * len(blank), np.uint8), np.empty(n + 1, np.int64)
    size = stored_texts(column.data, offsets, cap, blank, out, ends)
    return Texts(out[:size].copy(), ends)


def _places(places: Sequence[str]) -> Texts:
    if isinstance(places, Numbers):
        return Texts(*places.texts())
    return Texts.of([clean(text)[: TEXT_CAPS["uid"]] for text in places])


@dataclass(slots=True)
class RowBlock:
    """Rows of one batch: `columns` in the order of `names`, n values each. It may be read more than
    once, as a store that lost its server writes it again.

    A column of the message table that is not named is NULL, or its default. `size` is about the
    bytes that the texts take. `trial`: what a rollout keeps of the batch.
    """

    n: int
    names: tuple[str, ...]
    columns: list[Column]
    size: int = 0
    trial: TrialBlock | None = None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self.columns, strict=False)

    def column(self, name: str) -> Column:
        """A column by its name."""
        return self.columns[self.names.index(name)]

    def only(self, names: Sequence[str]) -> RowBlock:
        """The same rows with those of these columns that are there."""
        there = tuple(name for name in self.names if name in names)
        return RowBlock(self.n, there, [self.column(name) for name in there])

    def deleted(self) -> np.ndarray:
        """bool (n,): the rows whose action is DELETED."""
        action = factor(self.column("action"))
        return np.array([name == ACTIONS[1] for name in action.names], bool)[action.codes]

    def take(self, rows: np.ndarray) -> RowBlock:
        """These rows, in this order, and the trial."""
        return _block(self._taken(rows), len(rows), self.trial)

    def values(self, rows: np.ndarray) -> dict[str, list[Any]]:
        """The columns of these rows as plain Python."""
        return {name: list(column) for name, column in self._taken(rows).items()}

    def _taken(self, rows: np.ndarray) -> dict[str, Column]:
        return {
            name: [column[row] for row in rows] if isinstance(column, list) else column.take(rows)
            for name, column in zip(self.names, self.columns, strict=True)
        }


def row_block(
    batch: Batch, session_id: int, now: str, method: str = METHOD, *, preview: bool = True
) -> RowBlock:
    """Rows of a batch whose stages have run; a batch without headers or verdict (a stage failed on
    it) still gives a row for each message. `preview`: nothing is really deleted.

    `now` is local time as `YYYY-MM-DD HH:MM:SS`, as the original writes it.
    """
    n = len(batch)
    headers = getattr(batch, "headers", None)
    address: Column
    name: Column
    domain: Column
    subject: Column
    if headers is None:
        address, name, domain = Same(UNKNOWN, n), Same("", n), Same("", n)
        subject = Same(NO_SUBJECT, n)
    else:
        address = stored(headers.from_address, TEXT_CAPS["sender"], UNKNOWN)
        name = stored(headers.from_name, TEXT_CAPS["sender"])
        domain = stored(headers.from_domain, TEXT_CAPS["domain"])
        subject = stored(headers.subject, TEXT_CAPS["subject"], NO_SUBJECT)
    decided = _decided(batch, n, preview)
    columns: dict[str, Column] = {
        "timestamp": Same(now, n),
        "session_id": Same(session_id, n),
        "folder_name": Same(clean(batch.source), n),
        "uid": _places(batch.places),
        "sender_email": address,
        "sender_domain": domain,
        "subject": subject,
        "action": decided.action,
        "reason": decided.reason,
        "category": decided.old_category,
        "confidence_score": decided.percent,
        "ml_validation_method": Same(method, n),
        "created_at": Same(now, n),
        "category_v2": decided.category,
        "category_confidence_v2": decided.confidence,
        "classification_version": Same(CLASSIFICATION_VERSION, n),
        "sender_name": name,
        "flags": Integers(batch.flags.astype(np.int64)),
        "raw_data": _reasons_of(batch, n),
        "message_key": Blobs(np.ascontiguousarray(batch.keys)),
    }
    columns |= geography(batch)
    kinds = getattr(getattr(batch, "verdict", None), "subcategories", None)
    if kinds is not None:
        columns["subcategory"] = _coded(*kinds)
    trial = None
    if getattr(getattr(batch, "verdict", None), "trial", None) is not None:
        uids, addresses, subjects = map(list, (columns["uid"], address, subject))
        trial = trial_block(batch.verdict, now, uids, addresses, subjects, CATEGORIES)
    return _block(columns, n, trial)


def block_of(columns: dict[str, Any]) -> RowBlock:
    """A block of ready columns: lists of one length, or a `repeat`; `timestamp` and `session_id`
    are the same in all rows."""
    lists: dict[str, Column] = {name: list(column) for name, column in columns.items()}
    return _block(lists, len(columns["uid"]))


def _block(columns: dict[str, Column], n: int, trial: TrialBlock | None = None) -> RowBlock:
    size = 0
    for name in _LONG:
        column = columns.get(name)
        if isinstance(column, Texts):
            size += column.size
        elif isinstance(column, list):
            size += sum(len(text) for text in column if text)
    return RowBlock(n, tuple(columns), list(columns.values()), size, trial)


def _reasons_of(batch: Batch, n: int) -> Column:
    """What the verdict is made of, in codes; they are the model's, whatever the policy did."""
    reasons = getattr(getattr(batch, "verdict", None), "reasons", None)
    if reasons is None:
        return Same(None, n)
    text = reasons.stored()
    return Texts(text.data, text.offsets)


@dataclass(slots=True)
class _Decided:
    action: Texts
    reason: Texts
    category: Texts
    old_category: Texts
    confidence: Reals
    percent: Reals


_NAMES = (*CATEGORIES, UNKNOWN)
_OLD_NAMES = tuple(OLD_CATEGORIES[name] for name in _NAMES)
_NO_STEP = 1001
"""Step of a message without a verdict; the others are thousandths, 0 to 1,000."""
_NO_REASON = len(_NAMES)
_SPAM_REASONS = _NO_REASON + 1
"""Where these begin among `_all_reasons`."""


def _decided(batch: Batch, n: int, preview: bool) -> _Decided:
    """Verdict columns as stored. Confidence is the model's in its category, in steps of 0.001; the
    percentage has authentication counted in."""
    verdict = getattr(batch, "verdict", None)
    rulings = getattr(verdict, "rulings", {})
    if verdict is None:
        category = np.full(n, len(CATEGORIES), np.int32)
        action, steps = np.zeros(n, np.int32), np.full(n, _NO_STEP, np.int32)
    else:
        category, action = verdict.category.astype(np.int32), verdict.action.astype(np.int32)
        spam = verdict.probability.astype(np.float64)
        steps = np.rint(np.where(category >= FIRST_SPAM, spam, 1.0 - spam) * 1000.0)
        steps = np.where((steps >= 0) & (steps <= 1000), steps, _NO_STEP).astype(np.int32)
    none = steps == _NO_STEP
    confidence = np.where(none, np.nan, steps / 1000.0)
    shift = getattr(verdict, "shift", np.zeros(0, np.int32))
    if len(shift):
        steps = np.where(none, steps, np.clip(steps + shift.astype(np.int32) * 10, 0, 1000))
    reason = np.where(action == 1, _SPAM_REASONS + category * _NO_STEP + steps, category)
    reason[none] = _NO_REASON
    percent = np.where(none, np.nan, steps / 10.0)
    made = _Decided(
        action=_coded(ACTIONS, action),
        reason=_all_reasons(preview).coded(reason),
        category=_coded(_NAMES, category),
        old_category=_coded(_OLD_NAMES, category),
        confidence=Reals(confidence),
        percent=Reals(percent),
    )
    if rulings:
        _overrule(made, rulings, action, preview)
    return made


def _overrule(
    made: _Decided, rulings: Mapping[int, Ruling], action: np.ndarray, preview: bool
) -> None:
    """What the policy decided in place of the model."""
    reasons, old = made.reason.tolist(), made.old_category.tolist()
    for row, ruling in rulings.items():
        told = bool(preview and action[row] == 1)
        reasons[row] = clean(ruling.reason)[:MAX_REASON] + " [PREVIEW]" * told
        if ruling.category is not None:
            old[row] = ruling.category
        if ruling.certain:
            made.percent.values[row] = 100.0
    made.reason, made.old_category = _by_value(reasons), _by_value(old)


def _by_value(texts: Sequence[Any]) -> Texts:
    found = factor(list(texts))
    return Texts.of(found.names, found.codes.astype(np.int32))


@cache
def _packed(names: tuple[str, ...]) -> Texts:
    return Texts.of(names)


def _coded(names: tuple[str, ...], codes: np.ndarray) -> Texts:
    return _packed(names).coded(codes)


@cache
def _all_reasons(preview: bool) -> Texts:
    """The original's wording: of preserved ones by category, one for a failure, of deleted ones by
    category and step."""
    end = "[AUTO_DETECTED]" + " [PREVIEW]" * preview
    found = [f"Not flagged by spam detection (category: {name})" for name in _OLD_NAMES]
    found.append("Not classified: a stage failed on this message")
    steps = [f" ({step / 10:.1f}% confidence) {end}" for step in range(_NO_STEP)]
    for name in _OLD_NAMES:
        found += map(f"Hybrid Classifier: {name}".__add__, steps)
    return Texts.of(found)
