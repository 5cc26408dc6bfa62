"""How good the classifier is: cross-validation, or one set to train and one to test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast.classify.labels import Labelled, read_labelled
from atlas_fast.classify.train import FOLDS, fit
from atlas_fast.errors import UsageError


def cross_validate(
    folders: Sequence[str | Path], folds: int = FOLDS, seed: int = 1,
    without: Collection[str] = frozenset(),
) -> dict[str, Any]:
    """Scores over all messages, each judged by a model that has not seen its fold.

    Folds are by a hash of the file name; threshold and probability come from the training folds
    alone. `without`: content digests of messages that take no part, `skipped` how many there were.
    Raises UsageError when a fold is empty.
    """
    data = read_labelled(folders, without)
    fold = data.fold(folds)
    probabilities, spam = np.empty(len(data)), np.empty(len(data), bool)
    for number in range(folds):
        outside = np.flatnonzero(fold == number)
        if len(outside) == 0:
            raise UsageError(f"fold {number + 1} of {folds} is empty: too few messages")
        probabilities[outside], spam[outside] = judge(
            data, np.flatnonzero(fold != number), outside, seed
        )
    return scores(probabilities, spam, data.labels) | {"skipped": data.skipped}


def judge(
    data: Labelled, inside: np.ndarray, outside: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and verdicts of the rows `outside` by a model of the rows `inside`."""
    model = fit(data.take(inside), seed)
    probabilities = model.probabilities(data.take(outside))
    return probabilities, probabilities >= model.threshold


def train_and_test(
    train: Sequence[str | Path], test: Sequence[str | Path], seed: int = 1,
    without: Collection[str] = frozenset(),
) -> dict[str, Any]:
    """Scores on the folders `test` of a model of the folders `train`, both but for the messages
    whose content digest is in `without`."""
    seen = read_labelled(train, without)
    model = fit(seen, seed)
    data = read_labelled(test, without)
    probabilities = model.probabilities(data)
    made = scores(probabilities, probabilities >= model.threshold, data.labels)
    return made | {"skipped": seen.skipped + data.skipped}


def scores(probabilities: np.ndarray, spam: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """precision, recall, f1, false_positive_rate, recall_at_fpr_0_001, n, and the counts.

    recall_at_fpr_0_001: recall at the lowest threshold that calls at most 0.1 % of ham spam.
    expected_calibration_error: over ten bins of equal width.
    """
    is_spam = labels > 0
    hits, false = int((spam & is_spam).sum()), int((spam & ~is_spam).sum())
    n_spam, n_ham = int(is_spam.sum()), int((~is_spam).sum())
    precision = hits / (hits + false) if hits + false else 0.0
    recall = hits / n_spam if n_spam else 0.0
    ham = np.sort(probabilities[~is_spam])[::-1]
    limit = ham[int(0.001 * n_ham)] if n_ham else 1.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if hits else 0.0,
        "false_positive_rate": false / n_ham if n_ham else 0.0,
        "recall_at_fpr_0_001": float((probabilities[is_spam] > limit).mean()) if n_spam else 0.0,
        "expected_calibration_error": calibration_error(probabilities, is_spam),
        "n": len(labels),
        "ham": n_ham,
        "spam": n_spam,
        "false_positives": false,
        "false_negatives": n_spam - hits,
    }


def calibration_error(probabilities: np.ndarray, is_spam: np.ndarray, bins: int = 10) -> float:
    """Mean distance between probability and share of spam over bins, weighted by their size."""
    number = np.minimum((probabilities * bins).astype(int), bins - 1)
    total = 0.0
    for one in range(bins):
        inside = number == one
        if inside.any():
            gap = abs(float(probabilities[inside].mean()) - float(is_spam[inside].mean()))
            total += gap * float(inside.mean())
    return total
