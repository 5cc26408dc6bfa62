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

from atlas_fast._kernels.kinds import KINDS, STEPS, kinds_choose, kinds_logits
from atlas_fast._kernels.score import score_batch
from atlas_fast.classify.lexicon import terms
from atlas_fast.records import CATEGORIES

__all__ = [
    "NO_SUBCATEGORY", "SUBCATEGORIES", "Kinds", "design", "fit_softmax", "read_kinds",
    "subcategory_name",
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
    steps = np.array(STEPS, np.float64)[np.minimum(terms_found, len(STEPS) - 1)]
    return np.hstack([np.ones((len(steps), 1)), steps, bulk.reshape(-1, 1).astype(np.float64)])


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
        out = np.empty((len(rows.terms), KINDS))
        kinds_logits(rows.terms, rows.bulk.view(np.uint8), self._both, out)
        if self.change is not None:
            more = np.empty(len(out))
            for number, weights in enumerate(self.change):
                score_batch(rows.indptr, rows.indices, rows.data, weights, 0.0, more)
                out[:, number] += more
        return out

    def choose(
        self, of_spam: np.ndarray, threshold: float, rows: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(float32 (n, 5) probabilities in the order of CATEGORIES, which add up to 1; uint8 (n,)
        category: the likeliest of the three kinds of spam from `threshold` on, of the other two
        below it; uint8 (n,) subcategory: code in SUBCATEGORIES, NO_SUBCATEGORY for Legitimate).

        The subcategory is the one of the category's whose terms are there most. Where none is: the
        first of Legitimate Marketing and Dangerous, the last of Commercial Spam (General product
        marketing), the first of Scams.
        """
        n = len(of_spam)
        made = np.empty((n, KINDS), np.float32), np.empty(n, np.uint8), np.empty(n, np.uint8)
        asked = (*_under(), NO_SUBCATEGORY)
        kinds_choose(self.logits(rows), of_spam, threshold, rows.terms, *asked, *made)
        return made


_FALLBACK = {
    "Newsletter subscriptions", "General product marketing", "Advance fee fraud",
    "Phishing attempts",
}  # fmt: skip


@lru_cache(maxsize=1)
def _under() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each subcategory: its position in the lexicon, its category, is it meant without terms."""
    names = terms().categories
    column = [names.index(f"{category} / {name}") for category, name in SUBCATEGORIES]
    owner = [CATEGORIES.index(category) for category, _ in SUBCATEGORIES]
    fallback = [name in _FALLBACK for _, name in SUBCATEGORIES]
    return np.array(column, np.int32), np.array(owner, np.uint8), np.array(fallback, np.uint8)


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
