"""Verdicts of a batch: probability, category, action."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_fast.batch import Batch
from atlas_fast.classify.model import Model

LEGITIMATE = 0
COMMERCIAL_SPAM = 2
PRESERVE = 0
DELETE = 1


@dataclass(frozen=True)
class Verdicts:
    """`probability` of spam float32 (n,); `category` uint8 (n,): position in
    store.rows.CATEGORIES; `action` uint8 (n,): position in store.rows.ACTIONS."""

    probability: np.ndarray
    category: np.ndarray
    action: np.ndarray


def run(batch: Batch, model: Model) -> None:
    """Fill `verdict`. The first model tells two categories apart: Legitimate, Commercial Spam."""
    probability = model.probabilities(batch.features)
    spam = probability >= model.threshold
    category = np.where(spam, COMMERCIAL_SPAM, LEGITIMATE).astype(np.uint8)
    batch.verdict = Verdicts(
        probability, category, np.where(spam, DELETE, PRESERVE).astype(np.uint8)
    )
