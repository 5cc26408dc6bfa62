"""The linear model: weights over hashed features, a probability, a threshold."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.features import LAYOUT
from atlas_fast._kernels.features import N_BUCKETS as BUCKETS
from atlas_fast._kernels.score import score_batch
from atlas_fast.classify.kinds import Kinds
from atlas_fast.classify.lessons import read_lessons, with_lessons
from atlas_fast.classify.lexicon import terms
from atlas_fast.errors import ModelError
from atlas_fast.files import read_file, whole_file

FORMAT = "atlas_fast model 2"


@dataclass(frozen=True)
class Model:
    """`weights` float32 (BUCKETS,) and `bias` give a logit of spam; `slope` and `offset` make it a
    probability, 1 / (1 + exp(-(slope * logit + offset))) (Platt 1999); a message at or above
    `threshold` (a probability) is spam. `kinds` tells which kind. `about` says how it was made."""

    weights: np.ndarray
    bias: float
    slope: float
    offset: float
    threshold: float
    kinds: Kinds
    about: dict[str, Any] = field(default_factory=dict)

    def logits(self, rows: Any) -> np.ndarray:
        """float64 (n,) of CSR rows with `indptr`, `indices` and `data`."""
        out = np.empty(len(rows.indptr) - 1)
        score_batch(rows.indptr, rows.indices, rows.data, self.weights, self.bias, out)
        return out

    def probabilities(self, rows: Any) -> np.ndarray:
        """float32 (n,): probability of spam; of a message without features, `prior`."""
        return self.chances(self.logits(rows), rows)

    def chances(self, logits: np.ndarray, rows: Any) -> np.ndarray:
        """The same, from the logits of these rows."""
        found = self.calibrated(logits)
        blank = rows.indptr[1:] == rows.indptr[:-1]
        if blank.any():
            found[blank] = self.prior
        return found.astype(np.float32)

    @property
    def prior(self) -> float:
        """Share of spam in training; below the threshold in any case, as there is no evidence."""
        ham, spam = _counts(self.about)
        return min(spam / max(ham + spam, 1), self.threshold / 2)

    def categories(
        self, of_spam: np.ndarray, rows: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities of the five categories, category and subcategory, as `Kinds.choose`."""
        return self.kinds.choose(of_spam, self.threshold, rows)

    def calibrated(self, logits: np.ndarray) -> np.ndarray:
        """Logits to probabilities, float64."""
        return 1 / (1 + np.exp(-np.clip(self.slope * logits + self.offset, -500, 500)))

    def save(self, path: str | Path) -> None:
        """Write the model; only weights that are not zero, as float16 with their numbers.
        ModelError when that fails, or users corrected its kinds: their lessons are its file."""
        if self.kinds.change is not None:
            raise ModelError(f"{path}: a model with corrected kinds is kept as its lessons")
        at = np.flatnonzero(self.weights)
        head = {
            "format": FORMAT,
            "layout": LAYOUT,
            "buckets": BUCKETS,
            "bias": self.bias,
            "slope": self.slope,
            "offset": self.offset,
            "threshold": self.threshold,
            "about": self.about,
        }
        raw = io.BytesIO()
        np.savez_compressed(
            raw,
            head=np.frombuffer(json.dumps(head, sort_keys=True).encode(), np.uint8),
            spam_kinds=self.kinds.spam,
            ham_kinds=self.kinds.ham,
            gaps=np.diff(at, prepend=0).astype(np.uint32),
            weights=self.weights[at].astype(np.float16),
        )
        try:
            with whole_file(path) as file:
                file.write(raw.getvalue())
        except OSError as error:
            raise ModelError(f"{path}: cannot be written: {error.strerror}") from error


def _counts(about: dict[str, Any]) -> tuple[int, int]:
    """(legitimate, spam) messages of training, 0 when not told."""
    return max(int(about.get("ham", 0)), 0), max(int(about.get("spam", 0)), 0)


def load_model(path: str | Path | None = None) -> Model:
    """The model of a file, or the one that the package ships. A file of lessons is the model below
    it with their change.

    Raises ModelError when it is absent, damaged, or of another feature layout.
    """
    return _shipped() if path is None else _load(str(path), ())


def _load(path: str, above: tuple[str, ...]) -> Model:
    """`above`: files of lessons that are made on top of this one."""
    if path in above:
        raise ModelError(f"{path}: is made on top of itself")
    try:
        raw = read_file(path, limits.MODEL_BYTES)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    if (found := read_lessons(raw, path)) is None:
        return _read(raw, path)
    base = _shipped() if found.base is None else _load(found.base, (*above, path))
    return with_lessons(base, found)


@lru_cache(maxsize=1)
def _shipped() -> Model:
    resource = files("atlas_fast").joinpath("data", "model.npz")
    if not resource.is_file():
        raise ModelError("the package has no model: make one with `atlas-fast train`")
    return _read(resource.read_bytes(), "the shipped model")


def _read(raw: bytes, name: str) -> Model:
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as parts:
            head = json.loads(bytes(parts["head"]))
            at = np.cumsum(parts["gaps"].astype(np.int64))
            values = parts["weights"].astype(np.float32)
            kinds = Kinds(parts["spam_kinds"], parts["ham_kinds"])
        kind, layout, buckets = head["format"], head["layout"], head["buckets"]
        numbers = [float(head[key]) for key in ("bias", "slope", "offset", "threshold")]
        about = dict(head["about"])
        _counts(about)
    except Exception as error:  # numpy, zipfile, zlib and json each raise their own
        raise ModelError(f"{name}: not a model, or damaged ({type(error).__name__})") from error
    if (kind, layout, buckets) != (FORMAT, LAYOUT, BUCKETS):
        raise ModelError(
            f"{name}: made for feature layout {layout} of {buckets} columns; this version has "
            f"layout {LAYOUT} of {BUCKETS}"
        )
    if len(at) != len(values) or (len(at) and not 0 <= at[-1] < BUCKETS):
        raise ModelError(f"{name}: damaged: weights and their numbers do not fit")
    if not np.isfinite(values).all() or not np.isfinite(numbers).all():
        raise ModelError(f"{name}: damaged: a weight is not finite")
    depth = len(terms().categories) + 2
    if (
        kinds.spam.shape != (depth, 3)
        or kinds.ham.shape != (depth, 2)
        or not (np.isfinite(kinds.spam).all() and np.isfinite(kinds.ham).all())
    ):
        raise ModelError(f"{name}: its kinds are for another lexicon")
    weights = np.zeros(BUCKETS, np.float32)
    weights[at] = values
    bias, slope, offset, threshold = numbers
    return Model(weights, bias, slope, offset, threshold, kinds, about)
