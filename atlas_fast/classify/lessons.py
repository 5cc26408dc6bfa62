"""What users corrected, as a small change on top of a model that stays as it is.

A lesson is the feature row of a message and what it should have been. The weights get the smallest
change that puts each lesson on its side of the threshold by MARGIN, where no lesson may do more
than MAX_SHIFT: dual coordinate descent on a linear SVM around the given weights (Hsieh et al.
2008), with a box for each lesson. Bias, calibration and kinds stay.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.features import LAYOUT
from atlas_fast._kernels.features import N_BUCKETS as BUCKETS
from atlas_fast.errors import ModelError

__all__ = ["FORMAT", "Lesson", "Lessons", "content_digest", "read_lessons", "with_lessons"]

FORMAT = "atlas_fast lessons 1"

MARGIN = 1.0
"""How far beyond the threshold a lesson should be, in logits of the calibrated probability."""

MAX_SHIFT = 3.0
"""How far a lesson may move its own message, in the same logits; another of the same length, no
further (Cauchy and Schwarz). Mail that the model is sure of takes several lessons to turn."""

PASSES = 30


@dataclass(frozen=True)
class Lesson:
    """`key`: of the message in the store; `content`: see `content_digest`, both in hex; `label` 1
    spam, -1 not; `category` as the user said it, `at` when; `indices` and `data` its features."""

    key: str
    content: str
    label: int
    category: str
    at: str
    indices: np.ndarray
    data: np.ndarray


@dataclass(frozen=True)
class Lessons:
    """`base`: path of the model below, None for the shipped one. `made_for`: digest of its weights
    when `columns` and `change` were computed; another one gets them anew."""

    lessons: tuple[Lesson, ...]
    base: str | None
    made_for: str = ""
    columns: np.ndarray | None = None
    change: np.ndarray | None = None

    def add(self, more: Sequence[Lesson]) -> Lessons:
        """With more lessons; of two on the same message the later counts, and the oldest go where
        there are too many."""
        by_key = {one.key: one for one in self.lessons}
        for one in more:
            by_key.pop(one.key, None)
            by_key[one.key] = one
        return Lessons(tuple(by_key.values())[-limits.MAX_LESSONS :], self.base)

    def fitted(self, model: Any) -> Lessons:
        """With the change that they make to a model."""
        digest = weights_digest(model)
        if digest == self.made_for and self.columns is not None:
            return self
        columns, change = _fit(self.lessons, model)
        return replace(self, made_for=digest, columns=columns, change=change)

    def save(self, path: str | Path) -> None:
        """Write them; ModelError when the file is there, or cannot be written."""
        head = {
            "format": FORMAT, "layout": LAYOUT, "buckets": BUCKETS, "base": self.base,
            "made_for": self.made_for,
            "lessons": [[o.key, o.content, o.label, o.category, o.at] for o in self.lessons],
        }  # fmt: skip
        sizes = [len(one.indices) for one in self.lessons]
        none = np.empty(0, np.int32)
        raw = io.BytesIO()
        np.savez_compressed(
            raw,
            head=np.frombuffer(json.dumps(head, sort_keys=True).encode(), np.uint8),
            indptr=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            indices=np.concatenate([none, *(one.indices for one in self.lessons)]),
            data=np.concatenate([none.astype("f4"), *(one.data for one in self.lessons)]),
            columns=none if self.columns is None else self.columns,
            change=none.astype("f4") if self.change is None else self.change,
        )
        aside = Path(f"{path}.{os.getpid()}.new")
        try:
            aside.write_bytes(raw.getvalue())
            os.link(aside, path)  # unlike a rename, it overwrites nothing
        except OSError as error:
            raise ModelError(f"{path}: cannot be written: {error.strerror}") from error
        finally:
            aside.unlink(missing_ok=True)


def read_lessons(raw: bytes, name: str) -> Lessons | None:
    """The lessons of a file; None when it is of another format. ModelError when it is damaged."""
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as parts:
            head = json.loads(bytes(parts["head"]))
            if head["format"] != FORMAT:
                return None
            indptr, indices, data = parts["indptr"], parts["indices"], parts["data"]
            columns, change = parts["columns"], parts["change"]
        told = head["lessons"]
        fits = (
            len(indptr) == len(told) + 1 and indptr[0] == 0 and indptr[-1] == len(indices)
            and (np.diff(indptr) >= 0).all() and len(data) == len(indices)
            and len(columns) == len(change) and _columns(indices) and _columns(columns)
            and indices.dtype == columns.dtype == np.int32 and np.isfinite(data).all()
            and np.isfinite(change).all() and len(told) <= limits.MAX_LESSONS
        )  # fmt: skip
        lessons = tuple(
            Lesson(
                str(key), str(content), 1 if int(label) > 0 else -1, str(category), str(at),
                indices[a:b], data[a:b],
            )
            for (key, content, label, category, at), a, b in zip(
                told, indptr[:-1], indptr[1:], strict=True
            )
        )  # fmt: skip
        base = None if head["base"] is None else str(head["base"])
        made_for, layout = str(head["made_for"]), (head["layout"], head["buckets"])
    except Exception as error:  # numpy, zipfile, zlib and json each raise their own
        raise ModelError(f"{name}: not a model, or damaged ({type(error).__name__})") from error
    if not fits:
        raise ModelError(f"{name}: damaged: lessons and their features do not fit")
    if layout != (LAYOUT, BUCKETS):
        raise ModelError(
            f"{name}: lessons of feature layout {layout[0]}, this version has {LAYOUT}; "
            "`atlas-fast learn --undo`, then `atlas-fast learn --again`, makes them anew"
        )
    return Lessons(lessons, base, made_for, columns, change)


def _columns(numbers: np.ndarray) -> bool:
    return not len(numbers) or (int(numbers.min()) >= 0 and int(numbers.max()) < BUCKETS)


def with_lessons(model: Any, lessons: Lessons) -> Any:
    """The model with the change of its lessons; `about` names the messages they came from."""
    fitted = lessons.fitted(model)
    weights = model.weights.copy()
    assert fitted.columns is not None and fitted.change is not None
    weights[fitted.columns] += fitted.change
    about = {
        **model.about,
        "lessons": [one.key for one in lessons.lessons],
        "lesson_contents": [one.content for one in lessons.lessons],
    }
    return replace(model, weights=weights, about=about)


def _fit(lessons: Sequence[Lesson], model: Any) -> tuple[np.ndarray, np.ndarray]:
    """(columns, change of their weights): the same lessons and model give the same bits."""
    weights = model.weights.astype(np.float64)
    level = math.log(model.threshold / (1 - model.threshold)) if 0 < model.threshold < 1 else 0.0
    shift = model.bias * model.slope + model.offset - level
    sizes = [float((one.data.astype(np.float64) ** 2).sum()) for one in lessons]
    steps = np.zeros(len(lessons))
    for _ in range(PASSES):
        most = 0.0
        for i, one in enumerate(lessons):
            if not sizes[i]:
                continue
            at = model.slope * float(weights[one.indices] @ one.data) + shift
            unit = model.slope * sizes[i]  # what a step of 1 does to the message's own logit
            new = min(max(steps[i] + (MARGIN - one.label * at) / unit, 0.0), MAX_SHIFT / unit)
            np.add.at(weights, one.indices, (new - steps[i]) * one.label * one.data)
            most = max(most, abs(new - steps[i]) * unit)
            steps[i] = new
        if most < 1e-6:
            break
    change = (weights - model.weights).astype(np.float32)
    columns = np.flatnonzero(change).astype(np.int32)
    return columns, change[columns]


def weights_digest(model: Any) -> str:
    """Of all that decides about spam."""
    digest = blake2b(np.ascontiguousarray(model.weights).tobytes(), digest_size=16)
    digest.update(repr((model.bias, model.slope, model.offset, model.threshold)).encode())
    return digest.hexdigest()


def content_digest(raw: bytes) -> str:
    """BLAKE2b-128 of a message as it was sent, in hex: the same wherever it is kept."""
    return blake2b(raw, digest_size=16).hexdigest()
