"""Training: weights by dual coordinate descent, probability and threshold by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from atlas_fast._kernels.learn import train_linear
from atlas_fast.classify.labels import Labelled, read_labelled
from atlas_fast.classify.model import Model
from atlas_fast.errors import UsageError
from atlas_fast.stages.features import BUCKETS

COST = 16.0
"""Cost of an error of training against the size of the weights (C of a linear SVM)."""

MAX_FALSE_POSITIVES = 0.004
"""Share of legitimate mail that the threshold may call spam, in cross-validation on training."""

FOLDS = 5
MAX_PASSES = 200
TOLERANCE = 0.01


def train(folders: Sequence[str | Path], out: str | Path, seed: int = 1) -> tuple[int, int]:
    """Train on labelled folders and write the model. Returns (legitimate, spam) messages.

    Raises UsageError when a label is missing, ModelError when the file cannot be written.
    """
    data = read_labelled(folders)
    fit(data, seed).save(out)
    return int((data.labels < 0).sum()), int((data.labels > 0).sum())


def fit(data: Labelled, seed: int = 1) -> Model:
    """A model of labelled features; the same input and seed give the same bits."""
    logits = np.empty(len(data))
    fold = data.fold(FOLDS)
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(outside) == 0:
            continue
        weights, bias = _weights(data.take(inside), seed)
        part = data.take(outside)
        logits[outside] = Model(weights, bias, 1.0, 0.0, 0.5).logits(part)
    slope, offset = platt(logits, data.labels)
    weights, bias = _weights(data, seed)
    # Rounded as the file keeps them, so that a loaded model gives the same answers.
    model = Model(weights.astype(np.float16).astype(np.float32), bias, slope, offset, 0.5)
    threshold = pick_threshold(model.calibrated(logits), data.labels)
    about = {
        "ham": int((data.labels < 0).sum()),
        "spam": int((data.labels > 0).sum()),
        "seed": seed,
        "cost": COST,
    }
    return Model(model.weights, bias, slope, offset, threshold, about)


def _weights(data: Labelled, seed: int) -> tuple[np.ndarray, float]:
    if not (data.labels > 0).any() or not (data.labels < 0).any():
        raise UsageError("too few messages: a fold of the training data has one label only")
    weights = np.zeros(BUCKETS)
    bias, _ = train_linear(
        data.indptr, data.indices, data.data, data.labels, COST, COST, MAX_PASSES, TOLERANCE, seed,
        weights,
    )  # fmt: skip
    return weights.astype(np.float32), bias


def platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """(slope, offset) of the logistic curve through held-out logits (Platt 1999).

    Newton's method with the targets that Platt proposes against overfitting.
    """
    positive = labels > 0
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    at = np.array([1.0, 0.0])
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(design @ at, -500, 500)))
        gradient = design.T @ (chance - target)
        spread = np.maximum(chance * (1 - chance), 1e-12)
        step = np.linalg.solve(design.T @ (design * spread[:, None]) + 1e-9 * np.eye(2), gradient)
        at = at - step
        if np.abs(step).max() < 1e-10:
            break
    return float(at[0]), float(at[1])


def pick_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The probability with the best F1 among those with at most MAX_FALSE_POSITIVES."""
    order = np.argsort(-probabilities, kind="stable")
    spam = labels[order] > 0
    hits, misses = np.cumsum(spam), np.cumsum(~spam)
    f1 = 2 * hits / (hits + misses + spam.sum())
    allowed = misses <= MAX_FALSE_POSITIVES * (~spam).sum()
    best = int(np.argmax(np.where(allowed, f1, -1.0)))
    above = probabilities[order[best]]
    below = probabilities[order[best + 1]] if best + 1 < len(order) else 0.0
    return float((above + below) / 2)
