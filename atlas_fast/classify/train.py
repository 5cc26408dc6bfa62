"""Training: weights by dual coordinate descent, probability and threshold by cross-validation, and
the kinds of mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from atlas_fast._kernels.learn import train_linear
from atlas_fast._kernels.score import score_batch
from atlas_fast.classify.kinds import Kinds, design, fit_softmax
from atlas_fast.classify.labels import Labelled, of_messages, read_labelled
from atlas_fast.classify.model import Model
from atlas_fast.errors import UsageError
from atlas_fast.sources.synthetic import generate
from atlas_fast.stages.features import BUCKETS

COST = 64.0
"""Cost of an error of training against the size of the weights (C of a linear SVM)."""

HEADS = (("joint", 0.7), ("text", 0.9), ("form", 1.1))
"""Heads, and how much each counts: one over all features, one over the words of text and subject,
one over all the rest. Each is divided by the spread of its held-out logits; the sum is one vector
of weights. The two halves keep each other honest: a head that has seen both leans on the stronger
and forgets the weaker, which other mail may need."""

MAX_FALSE_POSITIVES = 0.0036
"""Share of legitimate mail that the threshold may call spam, in cross-validation on training."""

GENERATED = (("transactional", -1, 10), ("marketing", -1, 10))
"""Generated messages that stand in training: class of the generator, label, number. Order
confirmations and newsletters of today would be unknown otherwise: the corpus has few."""

KIND_SAMPLE = (
    ("personal", 0, 40), ("work", 0, 40), ("list", 0, 40), ("transactional", 0, 60),
    ("marketing", 1, 80), ("spam", 2, 60), ("scam", 3, 60), ("phish", 4, 60),
)  # fmt: skip
"""Generated messages from which the kinds are learned, beside those that were read by hand:
class of the generator, category, number."""

FOLDS = 5
MAX_PASSES = 200
TOLERANCE = 0.01


def train(
    folders: Sequence[str | Path], out: str | Path, seed: int = 1,
    problems: list[str] | None = None,
) -> tuple[int, int]:  # fmt: skip
    """Train on labelled folders and write the model. Returns (legitimate, spam) messages; what
    could not be read is added to `problems`.

    Raises UsageError when a label is missing, ModelError when the file cannot be written.
    """
    data = read_labelled(folders)
    if problems is not None:
        problems += data.problems
    fit(data, seed).save(out)
    return int((data.labels < 0).sum()), int((data.labels > 0).sum())


def fit(data: Labelled, seed: int = 1) -> Model:
    """A model of labelled features; the same input and seed give the same bits."""
    extra = generated_mail()
    logits = np.empty((len(HEADS), len(data)))
    fold = data.fold(FOLDS)
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(outside):
            part = data.take(outside)
            for head, (weights, bias) in enumerate(_heads(both(data.take(inside), extra), seed)):
                logits[head, outside] = _logits(part, HEADS[head][0], weights, bias)
    shares = np.array([share for _, share in HEADS]) / np.maximum(logits.std(axis=1), 1e-9)
    weights = np.zeros(BUCKETS, np.float32)
    bias = 0.0
    for share, (one, its_bias) in zip(shares, _heads(both(data, extra), seed), strict=True):
        weights += np.float32(share) * one
        bias += float(share) * its_bias
    held_out = shares @ logits
    slope, offset = platt(held_out, data.labels)
    kinds = fit_kinds(data)
    # Rounded as the file keeps them, so that a loaded model gives the same answers.
    weights = weights.astype(np.float16).astype(np.float32)
    model = Model(weights, bias, slope, offset, 0.5, kinds)
    threshold = pick_threshold(model.calibrated(held_out), data.labels)
    about = {
        "ham": int((data.labels < 0).sum()),
        "spam": int((data.labels > 0).sum()),
        "generated": len(extra),
        "seed": seed,
        "cost": COST,
    }
    return replace(model, threshold=threshold, about=about)


def _heads(data: Labelled, seed: int) -> list[tuple[np.ndarray, float]]:
    """(weights float32 (BUCKETS,), bias) of each head."""
    if not (data.labels > 0).any() or not (data.labels < 0).any():
        raise UsageError("too few messages: a fold of the training data has one label only")
    made = []
    for head, _ in HEADS:
        rows = _rows(data, head)
        weights = np.zeros(BUCKETS)
        bias, _ = train_linear(*rows, data.labels, COST, COST, MAX_PASSES, TOLERANCE, seed, weights)
        made.append((weights.astype(np.float32), bias))
    return made


def _rows(data: Labelled, head: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if head == "joint":
        return data.indptr, data.indices, data.data
    return data.half(head == "text")


def _logits(data: Labelled, head: str, weights: np.ndarray, bias: float) -> np.ndarray:
    out = np.empty(len(data))
    score_batch(*_rows(data, head), weights, bias, out)
    return out


def both(data: Labelled, more: Labelled) -> Labelled:
    """The messages of the one, then those of the other."""
    return Labelled(
        np.concatenate([data.indptr, more.indptr[1:] + data.indptr[-1]]),
        np.concatenate([data.indices, more.indices]),
        np.concatenate([data.data, more.data]),
        np.concatenate([data.ends, more.ends]),
        np.concatenate([data.terms, more.terms]),
        np.concatenate([data.bulk, more.bulk]),
        np.concatenate([data.labels, more.labels]),
        np.concatenate([data.kinds, more.kinds]),
        data.names + more.names,
    )


@lru_cache(maxsize=1)
def generated_mail() -> Labelled:
    """The messages of GENERATED, always the same."""
    raws = _generated([(kind, count) for kind, _, count in GENERATED], 5)
    labels = np.repeat(
        np.array([label for _, label, _ in GENERATED], np.int8),
        [count for _, _, count in GENERATED],
    )
    return of_messages(raws, labels, [""] * len(raws))


def _generated(wanted: Sequence[tuple[str, int]], seed: int) -> list[bytes]:
    """The first messages of each class of the generator, class by class."""
    missing = dict(wanted)
    found: dict[str, list[bytes]] = {kind: [] for kind in missing}
    for kind, raw in generate(100_000, seed):
        if missing.get(kind, 0):
            missing[kind] -= 1
            found[kind].append(raw)
            if not any(missing.values()):
                break
    return [raw for kind, _ in wanted for raw in found[kind]]


def fit_kinds(data: Labelled) -> Kinds:
    """The kinds, from the messages of `data` whose kind is known and from generated ones."""
    at = np.flatnonzero(data.kinds >= 0)
    category = data.kinds[at].tolist()
    x = [design(data.terms[at], data.bulk[at])]
    made = _generated_kinds()
    x.append(design(made.terms, made.bulk))
    y = np.array(category + [code for _, code, count in KIND_SAMPLE for _ in range(count)])
    whole = np.concatenate(x)
    spam = y >= 2
    return Kinds(fit_softmax(whole[spam], y[spam] - 2, 3), fit_softmax(whole[~spam], y[~spam], 2))


@lru_cache(maxsize=1)
def _generated_kinds() -> Labelled:
    raws = _generated([(kind, count) for kind, _, count in KIND_SAMPLE], 6)
    return of_messages(raws, np.zeros(len(raws), np.int8), [""] * len(raws))


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
    """The mean of two thresholds with at most MAX_FALSE_POSITIVES: the best F1 by the labels, where
    a dozen messages decide, and the lowest one by the probabilities, whose sum above it says how
    many to expect. Their mean varies less from one set of messages to the next."""
    order = np.argsort(-probabilities, kind="stable")
    spam = labels[order] > 0
    hits, misses = np.cumsum(spam), np.cumsum(~spam)
    f1 = 2 * hits / (hits + misses + spam.sum())
    allowed = MAX_FALSE_POSITIVES * (~spam).sum()
    best = int(np.argmax(np.where(misses <= allowed, f1, -1.0)))
    expected = np.cumsum(1 - probabilities[order].astype(np.float64))
    lowest = max(int(np.searchsorted(expected, allowed)) - 1, 0)
    last = np.append(probabilities[order], 0.0)
    return float(sum(last[at] + last[at + 1] for at in (best, lowest)) / 4)
