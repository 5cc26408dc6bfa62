"""Verdicts of a batch: probabilities, category, action, and the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.features import LAYOUT
from atlas_fast._kernels.score import contributions_batch, reasons_text
from atlas_fast.batch import Batch
from atlas_fast.classify.kinds import SUBCATEGORIES
from atlas_fast.classify.model import Model
from atlas_fast.classify.rollout import Trial
from atlas_fast.flags import Flag
from atlas_fast.headers import TextColumn
from atlas_fast.records import FIRST_SPAM, Ruling

PRESERVE = 0
DELETE = 1
N_REASONS = 4
"""Features of a message that are told as reasons, and"""
N_GROUPS = 3
"""groups of features that are."""


@dataclass(frozen=True)
class Reasons:
    """What the logit of each message is made of: `groups` float64 (n, groups) by group of features;
    `columns` int32, `of` uint8 and `shares` float32, each (n, N_REASONS): the features that add or
    take most, their groups, and how much; -1, 0 and 0 where there are fewer. classify.reasons puts
    them into words."""

    groups: np.ndarray
    columns: np.ndarray
    of: np.ndarray
    shares: np.ndarray

    def stored(self) -> TextColumn:
        """What a store keeps of them: codes in JSON, read by classify.reasons.words."""
        text, offsets = Bytes(), np.empty(len(self.columns) + 1, np.int64)
        reasons_text(
            self.groups, self.columns, self.of, self.shares, LAYOUT, N_GROUPS, text, offsets
        )
        return TextColumn(text, offsets)


_NAMES = tuple(name for _, name in SUBCATEGORIES)


@dataclass(frozen=True)
class Verdicts:
    """`probability` of spam float32 (n,); `category` uint8 (n,): position in
    store.rows.CATEGORIES; `action` uint8 (n,): position in store.rows.ACTIONS; `probabilities`
    float32 (n, 5) of the categories; `subcategory` uint8 (n,): code in
    classify.kinds.SUBCATEGORIES, 255 for none; `reasons`: None where no model judged. `rule` uint8
    (n,): the classify.policy.Rule that decided, 0 where the model did, and `rulings` by row what it
    says. `shift` int16 (n,), or empty for none: percent points that authentication adds to the
    stored confidence. `trial`: in a rollout, which classifier decided whom."""

    probability: np.ndarray
    category: np.ndarray
    action: np.ndarray
    probabilities: np.ndarray
    subcategory: np.ndarray
    reasons: Reasons | None
    rule: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    rulings: Mapping[int, Ruling] = field(default_factory=dict)
    shift: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))
    trial: Trial | None = None

    @property
    def subcategories(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Names, and which of them each row has: int32 (n,), -1 for none."""
        codes = self.subcategory.astype(np.int32)
        return _NAMES, np.where(codes < len(_NAMES), codes, -1)


def run(batch: Batch, model: Model) -> None:
    """Fill `verdict`."""
    batch.verdict = judge(batch.features, model, no_mail(batch))


def no_mail(batch: Batch) -> np.ndarray:
    """bool (n,): has no header field at all."""
    return (batch.flags & np.uint32(Flag.HDR_EMPTY)) != 0


def judge(rows: Any, model: Model, blank: np.ndarray) -> Verdicts:
    """Verdicts of feature rows. What is `blank` is no mail: nothing is known of it but the prior,
    and it is never called spam."""
    logits, made = reasons(model, rows)
    probability = model.chances(logits, rows)
    probability[blank] = model.prior
    probabilities, category, subcategory = model.categories(probability, rows)
    action = np.where(category >= FIRST_SPAM, DELETE, PRESERVE).astype(np.uint8)
    return Verdicts(
        probability,
        category,
        action,
        probabilities,
        subcategory,
        made,
        np.zeros(len(category), np.uint8),
        shift=np.zeros(len(category), np.int16),
    )


def reasons(model: Model, rows: Any) -> tuple[np.ndarray, Reasons]:
    """Logits of the messages, float64 (n,), and the strongest contributions to each. One pass does
    both, as most of its time goes into looking up weights."""
    n = len(rows)
    logits = np.empty(n)
    made = Reasons(
        np.empty(rows.ends.shape),
        np.empty((n, N_REASONS), np.int32),
        np.empty((n, N_REASONS), np.uint8),
        np.empty((n, N_REASONS), np.float32),
    )
    contributions_batch(
        rows.indptr, rows.indices, rows.data, rows.ends, model.weights, model.bias, logits,
        made.groups, made.columns, made.of, made.shares,
    )  # fmt: skip
    return logits, made
