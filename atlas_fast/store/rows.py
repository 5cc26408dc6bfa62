"""Columns of a batch to columns of the message table, a whole batch at a time.

No object is made for a message here but the strings that SQLite is given; the tuples are those of
`zip`, one after the other, inside `executemany`.

Stored form of text, decided here once:
- TAB is a space; the other C0 controls (NUL among them) and DEL are their Unicode control picture
  (U+2400 + code, U+2421 for DEL); C1 controls and lone surrogates are U+FFFD;
- direction controls stay as they are (they are text); whoever shows them makes them visible;
- longer than the original's lengths (`TEXT_CAPS`) is cut there;
- an absent subject is `No Subject`, an absent sender `Unknown`, as in the original.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from atlas_fast import records
from atlas_fast.records import ACTIONS, CATEGORIES, FIRST_SPAM, UNKNOWN
from atlas_fast.store.geography import geography
from atlas_fast.store.summaries import BANDS, Tally, band, tally_columns
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

_STORED = {code: 0x2400 + code for code in range(32)}
_STORED |= {9: 0x20, 0x7F: 0x2421}
_STORED |= dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000)), 0xFFFD)
_UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class TextColumn(Protocol):
    """UTF-8 texts: `data` uint8, `offsets` int64 (n + 1)."""

    data: np.ndarray
    offsets: np.ndarray


def clean(text: str) -> str:
    """The stored form of a text. Only what must change is touched: `translate` would look up every
    character of a column in which a single one is unclean."""
    return _UNCLEAN.sub(lambda match: chr(_STORED[ord(match[0])]), text)


def strings(column: TextColumn, cap: int, absent: str = "") -> list[str]:
    """The texts of a column in their stored form, cut at `cap` characters.

    The whole column is decoded once and sliced; where it is not ASCII, byte positions become
    character positions by counting the bytes that start a character.
    """
    data, offsets = column.data, column.offsets
    first, last = int(offsets[0]), int(offsets[-1])
    used = data[first:last]
    starts = offsets - first
    whole = used.tobytes().decode("utf-8", "replace")
    if len(whole) != last - first:
        is_start = (used & 0xC0) != 0x80
        characters = np.zeros(len(used) + 1, np.int64)
        np.cumsum(is_start, out=characters[1:])
        starts = characters[starts]
    if len(used) and (used.min() < 32 or (used == 0x7F).any() or (used == 0xC2).any()):
        whole = clean(whole)
    sizes = np.diff(starts)
    ends = starts.tolist()
    texts = [whole[a:b] for a, b in pairwise(ends)]
    for i in np.flatnonzero(sizes > cap).tolist():
        texts[i] = texts[i][:cap]
    if absent:
        for i in np.flatnonzero(sizes == 0).tolist():
            texts[i] = absent
    return texts


def clean_all(texts: Sequence[str], cap: int) -> list[str]:
    """Stored form of texts that did not come from a kernel (places)."""
    if "".join(texts).isprintable() and max(map(len, texts), default=0) <= cap:
        return list(texts)
    return [clean(text)[:cap] for text in texts]


@dataclass(frozen=True, slots=True)
class Same:
    """A column of `n` times one value."""

    value: Any
    n: int

    def __iter__(self) -> Iterator[Any]:
        return repeat(self.value, self.n)


@dataclass(slots=True)
class RowBlock:
    """Rows of one batch: `columns` in the order of `names`, n values each or a `Same`. It may be
    read more than once, as a store that lost its server writes it again.

    A column of the message table that is not named is NULL, or its default. `tally` counts the
    rows for the summaries; `size` is about the bytes that the texts take. `trial`: what
    a rollout keeps of the batch.
    """

    n: int
    names: tuple[str, ...]
    columns: list[Any]
    tally: Tally
    size: int = 0
    trial: TrialBlock | None = None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self.columns, strict=False)


def row_block(
    batch: Batch, session_id: int, now: str, method: str = METHOD, *, preview: bool = True
) -> RowBlock:
    """Rows of a batch whose stages have run; a batch without headers or verdict (a stage failed on
    it) still gives a row for each message. `preview`: nothing is really deleted.

    `now` is local time as `YYYY-MM-DD HH:MM:SS`, as the original writes it.
    """
    n = len(batch)
    headers = getattr(batch, "headers", None)
    size = 0
    if headers is None:
        address, name, domain = [UNKNOWN] * n, [""] * n, [""] * n
        subject = [NO_SUBJECT] * n
    else:
        address = strings(headers.from_address, TEXT_CAPS["sender"], UNKNOWN)
        name = strings(headers.from_name, TEXT_CAPS["sender"])
        domain = strings(headers.from_domain, TEXT_CAPS["domain"])
        subject = strings(headers.subject, TEXT_CAPS["subject"], NO_SUBJECT)
        size = sum(
            int(column.offsets[-1] - column.offsets[0])
            for column in (headers.from_address, headers.from_name, headers.subject)
        )
    decided = _decided(batch, n, preview)
    columns: dict[str, Any] = {
        "timestamp": Same(now, n),
        "session_id": Same(session_id, n),
        "folder_name": Same(clean(batch.source), n),
        "uid": clean_all(batch.places, TEXT_CAPS["uid"]),
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
        "flags": batch.flags.tolist(),
        "raw_data": _reasons_of(batch, n),
        "message_key": batch.keys.view(f"V{batch.keys.shape[1]}").ravel().tolist(),
    }
    columns |= geography(batch)
    named = getattr(getattr(batch, "verdict", None), "subcategory_names", None)
    if named is not None:
        columns["subcategory"] = named
    tally = tally_columns(
        session_id, now, decided.counts, domain, decided.action, _countries(columns),
        _kinds(columns, n), _networks(columns),
    )  # fmt: skip
    trial = None
    if getattr(getattr(batch, "verdict", None), "trial", None) is not None:
        trial = trial_block(batch.verdict, now, columns["uid"], address, subject, CATEGORIES)
    return RowBlock(n, tuple(columns), list(columns.values()), tally, size, trial)


def block_of(columns: dict[str, Any]) -> RowBlock:
    """A block of ready columns: lists of one length, or a `repeat`; `timestamp` and `session_id`
    are the same in all rows."""
    lists = {name: list(column) for name, column in columns.items()}
    n = len(lists["uid"])
    counts: dict[tuple[str, str, int], tuple[int, int]] = {}
    for category, action, percent in zip(
        lists["category"], lists["action"], lists["confidence_score"], strict=True
    ):
        key = (category or "", action, band(percent))
        rows, tenths = counts.get(key, (0, 0))
        counts[key] = (rows + 1, tenths + (0 if percent is None else int(percent * 10 + 0.5)))
    tally = (
        tally_columns(
            lists["session_id"][0], lists["timestamp"][0], counts, lists["sender_domain"],
            lists["action"], _countries(lists), _kinds(lists, n), _networks(lists),
        )
        if n
        else Tally()
    )  # fmt: skip
    size = sum(len(text) for text in (*lists["subject"], *lists["sender_email"]))
    return RowBlock(n, tuple(lists), list(lists.values()), tally, size)


def _countries(columns: dict[str, Any]) -> Iterable[tuple[str | None, str, str, float | None]]:
    """(code, category, action, risk) of the rows; none where countries were not looked for."""
    if "sender_country_code" not in columns:
        return ()
    risks = columns.get("geographic_risk_score") or repeat(None)
    return zip(
        columns["sender_country_code"], columns["category"], columns["action"], risks, strict=False
    )


def _reasons_of(batch: Batch, n: int) -> list[str] | Same:
    """What the verdict is made of, in codes; they are the model's, whatever the policy did."""
    verdict = getattr(batch, "verdict", None)
    if getattr(verdict, "why", None) is None:
        return Same(None, n)
    assert verdict is not None
    found: list[str] = verdict.reasons.stored().tolist()
    return found


def _kinds(columns: dict[str, Any], n: int) -> Iterator[tuple[Any, Any, Any]]:
    """(country, new category, subcategory) of the rows, where subcategories are known."""
    if "subcategory" not in columns:
        return iter(())
    countries = columns.get("sender_country_code") or repeat(None, n)
    return zip(countries, columns["category_v2"], columns["subcategory"], strict=True)


def _networks(columns: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """(number, action) of the rows, where networks are known."""
    if "sender_asn" not in columns:
        return iter(())
    return zip(columns["sender_asn"], columns["action"], strict=True)


@dataclass(slots=True)
class _Decided:
    action: list[str]
    reason: list[str]
    category: list[str]
    old_category: list[str]
    confidence: list[float | None]
    percent: list[float | None]
    counts: dict[tuple[str, str, int], tuple[int, int]]


_NAMES = np.array([*CATEGORIES, UNKNOWN], dtype=object)
_OLD_NAMES = np.array([OLD_CATEGORIES[name] for name in _NAMES], dtype=object)
_ACTION_NAMES = np.array(ACTIONS, dtype=object)


def _decided(batch: Batch, n: int, preview: bool) -> _Decided:
    """Verdict columns as stored. Confidence is the model's in its category, in steps of 0.001; the
    percentage has authentication counted in."""
    verdict = getattr(batch, "verdict", None)
    rulings = getattr(verdict, "rulings", {})
    if verdict is None:
        category = np.full(n, len(CATEGORIES), np.int64)
        action, steps = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    else:
        category, action = verdict.category.astype(np.int64), verdict.action.astype(np.int64)
        spam = verdict.probability.astype(np.float64)
        steps = np.rint(np.where(category >= FIRST_SPAM, spam, 1.0 - spam) * 1000.0)
        steps = np.where((steps >= 0) & (steps <= 1000), steps, -1).astype(np.int64)
    confidence = _THOUSANDTHS[steps].tolist()
    shift = getattr(verdict, "shift", np.zeros(0, np.int64))
    if len(shift):
        shifted = np.clip(steps + shift.astype(np.int64) * 10, 0, 1000)
        steps = np.where(steps < 0, steps, shifted)
    pairs = category * 2 + action
    made = _Decided(
        action=_ACTION_NAMES[action].tolist(),
        reason=_reasons(preview)[pairs, steps].tolist(),
        category=_NAMES[category].tolist(),
        old_category=_OLD_NAMES[category].tolist(),
        confidence=confidence,
        percent=_PERCENTS[steps].tolist(),
        counts=_counts(pairs, steps) if not rulings else {},
    )
    if rulings:
        _overrule(made, rulings, pairs, steps, preview)
    return made


def _overrule(
    made: _Decided, rulings: Mapping[int, Ruling], pairs: np.ndarray, steps: np.ndarray,
    preview: bool,
) -> None:  # fmt: skip
    """What the policy decided in place of the model, and the counts of all."""
    by_model = np.ones(len(pairs), bool)
    by_model[list(rulings)] = False
    made.counts = _counts(pairs[by_model], steps[by_model])
    for row, ruling in rulings.items():
        told = preview and made.action[row] == ACTIONS[1]
        made.reason[row] = clean(ruling.reason)[:MAX_REASON] + " [PREVIEW]" * told
        if ruling.category is not None:
            made.old_category[row] = ruling.category
        step = 1000 if ruling.certain else int(steps[row])
        made.percent[row] = _PERCENTS[step]
        key = (made.old_category[row], made.action[row], int(_STEP_BANDS[step]))
        n, tenths = made.counts.get(key, (0, 0))
        made.counts[key] = (n + 1, tenths + max(step, 0))


def _counts(pairs: np.ndarray, steps: np.ndarray) -> dict[tuple[str, str, int], tuple[int, int]]:
    """(category of the original, action, band) to (rows, sum of tenths of a percent)."""
    codes = pairs * len(BANDS) + _STEP_BANDS[steps]
    rows = np.bincount(codes)
    tenths = np.bincount(codes, weights=np.maximum(steps, 0))
    found: dict[tuple[str, str, int], tuple[int, int]] = {}
    for code in np.flatnonzero(rows).tolist():
        pair, of_band = divmod(code, len(BANDS))
        key = (_OLD_NAMES[pair // 2], ACTIONS[pair % 2], of_band)
        found[key] = (int(rows[code]), int(tenths[code]))
    return found


# One object for each of the 1,001 values; the last entry (index -1) is "no verdict".
_THOUSANDTHS = np.array([step / 1000 for step in range(1001)] + [None], dtype=object)
_PERCENTS = np.array([step / 10 for step in range(1001)] + [None], dtype=object)


_STEP_BANDS = np.array([band(percent) for percent in _PERCENTS])


@cache
def _reasons(preview: bool) -> np.ndarray:
    """The original's wording by pair of category and action, and by step (the last: no verdict)."""
    end = "[AUTO_DETECTED]" + " [PREVIEW]" * preview
    found = []
    for pair in range(2 * len(_NAMES)):
        name = _OLD_NAMES[pair // 2]
        for step in range(1001):
            found.append(
                f"Not flagged by spam detection (category: {name})"
                if pair % 2 == 0
                else f"Hybrid Classifier: {name} ({step / 10:.1f}% confidence) {end}"
            )
        found.append("Not classified: a stage failed on this message")
    return np.array(found, dtype=object).reshape(-1, len(_THOUSANDTHS))
