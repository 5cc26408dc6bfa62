"""How good the classifier is: cross-validation, or one set to train and one to test."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast.classify.labels import Labelled, read_labelled
from atlas_fast.classify.model import Model
from atlas_fast.classify.train import FOLDS, fit
from atlas_fast.errors import UsageError
from atlas_fast.records import CATEGORIES

MAX_POINTS = 400
"""Points of a curve at most."""


def cross_validate(
    folders: Sequence[str | Path],
    folds: int = FOLDS,
    seed: int = 1,
    without: Collection[str] = frozenset(),
) -> dict[str, Any]:
    """Scores over all messages, each judged by a model that has not seen its fold.

    Folds are by a hash of the file name; threshold and probability come from the training folds
    alone. `without`: content digests of messages that take no part, `skipped` how many there were;
    `problems`: what could not be read.
    Raises UsageError when a fold is empty.
    """
    data = read_labelled(folders, without)
    fold = data.fold(folds)
    probabilities, spam = np.empty(len(data)), np.empty(len(data), bool)
    category = np.empty(len(data), np.uint8)
    for number in range(folds):
        outside = np.flatnonzero(fold == number)
        if len(outside) == 0:
            raise UsageError(f"fold {number + 1} of {folds} is empty: too few messages")
        model = fit(data.take(np.flatnonzero(fold != number)), seed)
        probabilities[outside], spam[outside], category[outside] = judge(model, data.take(outside))
    return _scores(data, probabilities, spam, category)


def judge(model: Model, data: Labelled) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of spam, verdicts and categories of labelled messages."""
    probabilities = model.probabilities(data)
    _, category, _ = model.categories(probabilities, data)
    return probabilities, probabilities >= model.threshold, category


def _scores(
    data: Labelled, probabilities: np.ndarray, spam: np.ndarray, category: np.ndarray
) -> dict[str, Any]:
    found = scores(probabilities, spam, data.labels)
    return found | {"kinds": kind_scores(category, data.kinds)} | data.left_out()


def test_model(model: Model, test: Sequence[str | Path]) -> dict[str, Any]:
    """Scores of a model on labelled folders, but for the messages that users corrected it with."""
    data = read_labelled(test, _corrected(model))
    return _scores(data, *judge(model, data))


def _corrected(*models: Model) -> frozenset[str]:
    """Content digests of the messages that users corrected these models with."""
    return frozenset(one for model in models for one in model.about.get("lesson_contents", ()))


def compare(one: Model, other: Model, test: Sequence[str | Path]) -> dict[str, Any]:
    """Two models on the same labelled folders: scores of each, and where they differ.

    `p_value`: of the two-sided sign test over the messages that one of them alone has right
    (McNemar, exact).
    """
    data = read_labelled(test, _corrected(one, other))
    is_spam = data.labels > 0
    made, right = [], []
    for model in (one, other):
        judged = judge(model, data)
        made.append(_scores(data, *judged))
        right.append(judged[1] == is_spam)
    first, second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return {
        "models": made,
        "only_first_right": first,
        "only_second_right": second,
        "p_value": sign_test(first, second),
    }


def sign_test(first: int, second: int) -> float:
    """Two-sided probability of a split at least as uneven when both sides are equally likely."""
    n, least = first + second, min(first, second)
    tail = sum(math.comb(n, k) for k in range(least + 1))
    return min(1.0, tail * 2 / 2**n)


def train_and_test(
    train: Sequence[str | Path],
    test: Sequence[str | Path],
    seed: int = 1,
    without: Collection[str] = frozenset(),
) -> dict[str, Any]:
    """Scores on the folders `test` of a model of the folders `train`, both but for the messages
    whose content digest is in `without`."""
    seen = read_labelled(train, without)
    model = fit(seen, seed)
    data = read_labelled(test, without)
    made = _scores(data, *judge(model, data))
    problems = [*seen.problems, *data.problems]
    return made | {"skipped": seen.skipped + data.skipped, "problems": problems}


def scores(probabilities: np.ndarray, spam: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """precision, recall, f1, false_positive_rate, recall_at_fpr_0_001, n, and the counts;
    `confusion` (actual, then called), `classes` and `curves`.

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
        "confusion": {
            "ham": {"ham": n_ham - false, "spam": false},
            "spam": {"ham": n_spam - hits, "spam": hits},
        },
        "classes": {
            "ham": _class(n_ham - false, n_ham - false + n_spam - hits, n_ham),
            "spam": _class(hits, hits + false, n_spam),
        },
        "curves": curves(probabilities, is_spam),
        "n": len(labels),
        "ham": n_ham,
        "spam": n_spam,
        "false_positives": false,
        "false_negatives": n_spam - hits,
    }


KINDS_NOTE = (
    "Five categories are known of the messages that somebody labelled: by the name of their "
    "folder, or, of the SpamAssassin corpus, 230 drawn at random (150 of the spam, 80 of the rest) "
    "and labelled once, by one reader, from subject and first line. Precision is that of this "
    "sample, in which spam is more frequent than in the whole. Among the 230 there is no Dangerous "
    "message: that category is learned from generated mail and stays unmeasured there."
)


def kind_scores(category: np.ndarray, kinds: np.ndarray) -> dict[str, Any]:
    """The five categories over the messages whose own is known: `labelled` counts them, `names`,
    `confusion` (rows: what they are, columns: what they are called), `classes` with precision,
    recall, n of each (None where there is nothing to divide by), `accuracy`, and a `note` on where
    the labels came from."""
    known = kinds >= 0
    pairs = kinds[known].astype(np.int64) * len(CATEGORIES) + category[known]
    size = len(CATEGORIES)
    counts = np.bincount(pairs, minlength=size * size).reshape(size, size)
    right, there, called = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return {
        "labelled": int(known.sum()),
        "names": list(CATEGORIES),
        "confusion": counts.tolist(),
        "classes": {
            name: {
                "precision": int(right[i]) / int(called[i]) if called[i] else None,
                "recall": int(right[i]) / int(there[i]) if there[i] else None,
                "n": int(there[i]),
            }
            for i, name in enumerate(CATEGORIES)
        },
        "accuracy": int(right.sum()) / int(known.sum()) if known.any() else None,
        "note": KINDS_NOTE,
    }


def _class(right: int, called: int, there: int) -> dict[str, float]:
    return {
        "precision": right / called if called else 0.0,
        "recall": right / there if there else 0.0,
        "n": there,
    }


def curves(probabilities: np.ndarray, is_spam: np.ndarray) -> dict[str, list[list[float]]]:
    """`roc`: (false positive rate, recall); `precision_recall`: (recall, precision), both at
    MAX_POINTS thresholds at most; `calibration`: (mean probability, share of spam, messages) of
    ten bins of equal width."""
    order = np.argsort(-probabilities, kind="stable")
    hits, misses = np.cumsum(is_spam[order]), np.cumsum(~is_spam[order])
    last = np.append(np.diff(probabilities[order]) != 0, True)  # equal ones are one threshold
    hits, misses = hits[last], misses[last]
    step = max(1, -(-len(hits) // MAX_POINTS))
    kept = np.unique(np.append(np.arange(0, len(hits), step), len(hits) - 1))
    recall = hits[kept] / max(int(is_spam.sum()), 1)
    fall_out = misses[kept] / max(int((~is_spam).sum()), 1)
    precision = hits[kept] / np.maximum(hits[kept] + misses[kept], 1)
    number = np.minimum((probabilities * 10).astype(int), 9)
    bins = [
        [float(probabilities[number == one].mean()), float(is_spam[number == one].mean()),
         int((number == one).sum())]
        for one in range(10)
        if (number == one).any()
    ]  # fmt: skip
    return {
        "roc": [[0.0, 0.0], *np.stack([fall_out, recall], axis=1).tolist()],
        "precision_recall": np.stack([recall, precision], axis=1).tolist(),
        "calibration": bins,
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
