"""Which kind of mail: categories and subcategories, once it is known how likely a message is spam.

Two small models over the terms of the lexicon: among spam, how likely is each of Commercial Spam,
Scams and Dangerous; among the rest, how likely is Legitimate Marketing. Multiplied with the
probability of spam they give the five probabilities. A subcategory is the one of the category's
whose terms are there most. docs/model.md says where the labels came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from atlas_fast._kernels.score import score_batch
from atlas_fast.classify.lexicon import terms
from atlas_fast.records import CATEGORIES

__all__ = [
    "NO_SUBCATEGORY", "SUBCATEGORIES", "Kinds", "design", "fit_softmax", "read_kinds",
    "subcategories", "subcategory_name",
]  # fmt: skip

SUBCATEGORIES = (
    ("Legitimate Marketing", "Newsletter subscriptions"),
    ("Legitimate Marketing", "Promotional emails"),
    ("Legitimate Marketing", "Event invitations"),
    ("Legitimate Marketing", "Product updates"),
    ("Legitimate Marketing", "Sales notifications"),
    ("Commercial Spam", "Auto warranty & insurance"),
    ("Commercial Spam", "Health & medical products"),
    ("Commercial Spam", "Adult & dating services"),
    ("Commercial Spam", "Gambling promotions"),
    ("Commercial Spam", "General product marketing"),
    ("Scams", "Advance fee fraud"),
    ("Scams", "Lottery & prize scams"),
    ("Scams", "Work-from-home schemes"),
    ("Scams", "Investment fraud"),
    ("Scams", "Romance scams"),
    ("Dangerous", "Phishing attempts"),
    ("Dangerous", "Malware/virus distribution"),
    ("Dangerous", "Account compromise attempts"),
    ("Dangerous", "Fake security alerts"),
    ("Dangerous", "Cryptocurrency scams"),
)
"""(category, subcategory) by code; the codes are stored, so new ones go to the end."""

NO_SUBCATEGORY = 255


def design(terms_found: np.ndarray, bulk: np.ndarray) -> np.ndarray:
    """float64 (n, d): 1, L(terms) of each category of the lexicon up to 4, bulk."""
    counts = np.minimum(terms_found, 8)
    steps = np.array([0, 1, 2, 2, 3, 3, 3, 3, 4], np.float64)[counts]
    return np.hstack([np.ones((len(counts), 1)), steps, bulk.reshape(-1, 1).astype(np.float64)])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of probabilities."""
    at = np.exp(logits - logits.max(axis=1, keepdims=True))
    return at / at.sum(axis=1, keepdims=True)


def fit_softmax(x: np.ndarray, y: np.ndarray, classes: int, strength: float = 1.0) -> np.ndarray:
    """Weights (d, classes) of a multinomial logistic model with an L2 penalty (none on the first
    column), by a fixed number of accelerated gradient steps, so that there is no test to differ."""
    one = np.eye(classes)[y]
    penalty = np.full((x.shape[1], 1), strength / len(x))
    penalty[0] = 1e-3 / len(x)
    step = 1.0 / (0.5 * float((x * x).sum(axis=1).mean()) + float(penalty.max()))
    weights = np.zeros((x.shape[1], classes))
    ahead, momentum = weights, 1.0
    for _ in range(2000):
        gradient = x.T @ (softmax(x @ ahead) - one) / len(x) + penalty * ahead
        onward = ahead - step * gradient
        after = (1 + (1 + 4 * momentum * momentum) ** 0.5) / 2
        ahead = onward + (momentum - 1) / after * (onward - weights)
        weights, momentum = onward, after
    return np.round(weights, 6)


@dataclass(frozen=True)
class Kinds:
    """`spam` (d, 3): weights of the three kinds of spam; `ham` (d, 2): of Legitimate and Legitimate
    Marketing. `change` float32 (5, columns), where users corrected kinds: what it adds to the logit
    of each category, over all features."""

    spam: np.ndarray
    ham: np.ndarray
    change: np.ndarray | None = None

    @cached_property
    def _both(self) -> np.ndarray:
        return np.ascontiguousarray(np.hstack([self.ham, self.spam]).T, np.float64)

    def logits(self, rows: Any) -> np.ndarray:
        """float64 (n, 5): the first two are compared with each other, and the other three."""
        x = design(rows.terms, rows.bulk)
        # not by BLAS, whose threads would wait for work on the cores of other workers
        out = np.einsum("ij,kj->ik", x, self._both)
        if self.change is not None:
            more = np.empty(len(x))
            for number, weights in enumerate(self.change):
                score_batch(rows.indptr, rows.indices, rows.data, weights, 0.0, more)
                out[:, number] += more
        return out

    def probabilities(self, of_spam: np.ndarray, rows: Any) -> np.ndarray:
        """float32 (n, 5) in the order of CATEGORIES; they add up to 1."""
        logits = self.logits(rows)
        of_spam = of_spam.astype(np.float64)[:, None]
        return np.hstack(
            [softmax(logits[:, :2]) * (1 - of_spam), softmax(logits[:, 2:]) * of_spam]
        ).astype(np.float32)


@lru_cache(maxsize=1)
def _columns() -> np.ndarray:
    """Position in the lexicon of each subcategory."""
    names = terms().categories
    return np.array([names.index(f"{category} / {name}") for category, name in SUBCATEGORIES])


def subcategories(category: np.ndarray, terms_found: np.ndarray) -> np.ndarray:
    """uint8 (n,): code in SUBCATEGORIES, NO_SUBCATEGORY for Legitimate.

    Where no term of the category's is there: the first of Legitimate Marketing and Dangerous, the
    last of Commercial Spam (General product marketing), the first of Scams.
    """
    counts = terms_found[:, _columns()].astype(np.int64) * 2
    owner = np.array([CATEGORIES.index(name) for name, _ in SUBCATEGORIES])
    fallback = np.array([name in _FALLBACK for _, name in SUBCATEGORIES])
    counts = np.where(owner[None, :] == category[:, None], counts + fallback, -1)
    code = counts.argmax(axis=1).astype(np.uint8)
    code[category == 0] = NO_SUBCATEGORY
    return code


_FALLBACK = {
    "Newsletter subscriptions", "General product marketing", "Advance fee fraud",
    "Phishing attempts",
}  # fmt: skip


def subcategory_name(code: int) -> str:
    """Name of a code; empty for NO_SUBCATEGORY."""
    return "" if code == NO_SUBCATEGORY else SUBCATEGORIES[code][1]


@lru_cache(maxsize=1)
def read_kinds() -> dict[str, int]:
    """Category by start of the file name: the messages that were read by hand."""
    text = files("atlas_fast").joinpath("data", "kinds.txt").read_text("ascii")
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, category = line.partition(" ")
            found[name] = CATEGORIES.index(category)
    return found
