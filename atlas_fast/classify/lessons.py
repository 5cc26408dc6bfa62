"""What users corrected, as a small change on top of a model that stays as it is.

A lesson is the feature row of a message and what it should have been. The weights get the smallest
change that puts each lesson on its side of the threshold by MARGIN, where no lesson may do more
than MAX_SHIFT: dual coordinate descent on a linear SVM around the given weights (Hsieh et al.
2008), with a box for each lesson. Bias and calibration stay. A lesson that says which kind of mail
a message is changes the kinds in the same way: weights over the features of the message, beside
those of the kinds, so that other mail is moved as far as it is like the message, and no further.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.features import LAYOUT
from atlas_fast._kernels.features import N_BUCKETS as BUCKETS
from atlas_fast._kernels.tables import digest
from atlas_fast.classify.lexicon import terms
from atlas_fast.errors import ModelError
from atlas_fast.records import CATEGORIES

__all__ = ["FORMAT", "Lesson", "Lessons", "content_digest", "read_lessons", "with_lessons"]

FORMAT = "atlas_fast lessons 2"
FORMER = "atlas_fast lessons 1"

MARGIN = 1.0
"""How far beyond the threshold a lesson should be, in logits of the calibrated probability."""

MAX_SHIFT = 3.0
"""How far a lesson may move its own message, in the same logits; another of the same length, no
further (Cauchy and Schwarz). Mail that the model is sure of takes several lessons to turn."""

PASSES = 30


@dataclass(frozen=True)
class Lesson:
    """`key`: of the message in the store; `content`: see `content_digest`, both in hex; `label` 1
    spam, -1 not; `category` as the user said it, `at` when; `indices` and `data` its features.
    `kind`: position in records.CATEGORIES, -1 where the user did not say; `terms` uint8 of
    the lexicon by category, `bulk`: what the kinds are made of."""

    key: str
    content: str
    label: int
    category: str
    at: str
    indices: np.ndarray
    data: np.ndarray
    kind: int = -1
    terms: np.ndarray = field(default_factory=lambda: np.zeros(len(terms().categories), np.uint8))
    bulk: bool = False

    def rows(self) -> Any:
        """The message as the only row of a matrix."""
        indptr = np.array([0, len(self.indices)], np.int64)
        return SimpleNamespace(
            indptr=indptr, indices=self.indices, data=self.data, terms=self.terms[None],
            bulk=np.array([self.bulk]),
        )  # fmt: skip


@dataclass(frozen=True)
class Lessons:
    """`base`: path of the model below, None for the shipped one. `made_for`: digest of its weights
    when `columns` and `change` were computed; another one gets them anew. `kind_columns` and
    `kind_change` (m, 5): the same of the kinds."""

    lessons: tuple[Lesson, ...]
    base: str | None
    made_for: str = ""
    columns: np.ndarray | None = None
    change: np.ndarray | None = None
    kind_columns: np.ndarray | None = None
    kind_change: np.ndarray | None = None

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
        kind_columns, kind_change = _fit_kinds(self.lessons, model)
        return replace(
            self, made_for=digest, columns=columns, change=change, kind_columns=kind_columns,
            kind_change=kind_change,
        )  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write them; ModelError when the file is there, or cannot be written."""
        head = {
            "format": FORMAT, "layout": LAYOUT, "buckets": BUCKETS, "base": self.base,
            "made_for": self.made_for,
            "lessons": [
                [o.key, o.content, o.label, o.category, o.at, o.kind] for o in self.lessons
            ],
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
            terms=np.stack([one.terms for one in self.lessons]) if self.lessons else _no_terms(),
            bulk=np.array([one.bulk for one in self.lessons], bool),
            kind_columns=none if self.kind_columns is None else self.kind_columns,
            kind_change=(
                np.empty((0, len(CATEGORIES)), "f4")
                if self.kind_change is None
                else self.kind_change
            ),
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
            if head["format"] == FORMER:
                raise _other_layout(name, f"{head['layout']}, in an older form")
            if head["format"] != FORMAT:
                return None
            indptr, indices, data = parts["indptr"], parts["indices"], parts["data"]
            columns, change = parts["columns"], parts["change"]
            term_counts, bulk = parts["terms"], parts["bulk"]
            kind_columns, kind_change = parts["kind_columns"], parts["kind_change"]
        told = head["lessons"]
        fits = (
            len(indptr) == len(told) + 1 and indptr[0] == 0 and indptr[-1] == len(indices)
            and (np.diff(indptr) >= 0).all() and len(data) == len(indices)
            and len(columns) == len(change) and _columns(indices) and _columns(columns)
            and indices.dtype == columns.dtype == np.int32 and np.isfinite(data).all()
            and np.isfinite(change).all() and len(told) <= limits.MAX_LESSONS
            and term_counts.shape == (len(told), len(terms().categories))
            and term_counts.dtype == np.uint8 and len(bulk) == len(told)
            and kind_columns.dtype == np.int32 and _columns(kind_columns)
            and kind_change.shape == (len(kind_columns), len(CATEGORIES))
            and np.isfinite(kind_change).all()
            and all(-1 <= int(one[5]) < len(CATEGORIES) for one in told)
        )  # fmt: skip
        lessons = tuple(
            Lesson(
                str(key), str(content), 1 if int(label) > 0 else -1, str(category), str(at),
                indices[a:b], data[a:b], int(kind), term_counts[row], bool(bulk[row]),
            )
            for row, ((key, content, label, category, at, kind), a, b) in enumerate(
                zip(told, indptr[:-1], indptr[1:], strict=True)
            )
        )  # fmt: skip
        base = None if head["base"] is None else str(head["base"])
        made_for, layout = str(head["made_for"]), (head["layout"], head["buckets"])
    except ModelError:
        raise
    except Exception as error:  # numpy, zipfile, zlib and json each raise their own
        raise ModelError(f"{name}: not a model, or damaged ({type(error).__name__})") from error
    if not fits:
        raise ModelError(f"{name}: damaged: lessons and their features do not fit")
    if layout != (LAYOUT, BUCKETS):
        raise _other_layout(name, layout[0])
    return Lessons(
        lessons, base, made_for, columns, change, kind_columns, kind_change.astype(np.float32)
    )


def _other_layout(name: str, layout: object) -> ModelError:
    return ModelError(
        f"{name}: lessons of feature layout {layout}; this version has {LAYOUT}; "
        "`atlas-fast learn --undo`, then `atlas-fast learn --again`, makes them anew"
    )


def _no_terms() -> np.ndarray:
    return np.empty((0, len(terms().categories)), np.uint8)


def _columns(numbers: np.ndarray) -> bool:
    return not len(numbers) or (int(numbers.min()) >= 0 and int(numbers.max()) < BUCKETS)


def with_lessons(model: Any, lessons: Lessons) -> Any:
    """The model with the change of its lessons; `about` names the messages they came from."""
    fitted = lessons.fitted(model)
    weights = model.weights.copy()
    assert fitted.columns is not None and fitted.change is not None
    weights[fitted.columns] += fitted.change
    kinds = model.kinds
    if fitted.kind_columns is not None and len(fitted.kind_columns):
        assert fitted.kind_change is not None
        more = np.zeros((len(CATEGORIES), BUCKETS), np.float32)
        if kinds.change is not None:
            more += kinds.change
        more[:, fitted.kind_columns] += fitted.kind_change.T
        kinds = replace(kinds, change=more)
    about = {
        **model.about,
        "lessons": [one.key for one in lessons.lessons],
        "lesson_contents": [one.content for one in lessons.lessons],
    }
    return replace(model, weights=weights, kinds=kinds, about=about)


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


def _fit_kinds(lessons: Sequence[Lesson], model: Any) -> tuple[np.ndarray, np.ndarray]:
    """(columns, change of each category (m, 5)): each lesson that says a kind has its logit above
    those of the others on its side by MARGIN, where none may be moved more than MAX_SHIFT for each
    other kind."""
    told = [one for one in lessons if one.kind >= 0 and len(one.indices)]
    change = np.zeros((len(CATEGORIES), BUCKETS if told else 0))
    sides = [range(2) if one.kind < 2 else range(2, len(CATEGORIES)) for one in told]
    below = [model.kinds.logits(one.rows())[0] for one in told]
    sizes = [float((one.data.astype(np.float64) ** 2).sum()) for one in told]
    steps = np.zeros((len(told), len(CATEGORIES)))
    for _ in range(PASSES if told else 0):
        most = 0.0
        for i, one in enumerate(told):
            for other in sides[i]:
                if other == one.kind or not sizes[i]:
                    continue
                apart = change[one.kind, one.indices] - change[other, one.indices]
                at = below[i][one.kind] - below[i][other] + float(apart @ one.data)
                unit = 2 * sizes[i]
                new = min(max(steps[i, other] + (MARGIN - at) / unit, 0.0), MAX_SHIFT / unit)
                step = (new - steps[i, other]) * one.data
                np.add.at(change[one.kind], one.indices, step)
                np.add.at(change[other], one.indices, -step)
                most = max(most, abs(new - steps[i, other]) * unit)
                steps[i, other] = new
        if most < 1e-6:
            break
    whole = change.astype(np.float32)
    columns = np.flatnonzero(whole.any(axis=0)).astype(np.int32)
    return columns, np.ascontiguousarray(whole[:, columns].T)


def weights_digest(model: Any) -> str:
    """Of all that decides about spam, and about kinds."""
    parts = (model.weights, model.kinds.spam, model.kinds.ham, model.kinds.change)
    of_all = [b"" if part is None else np.ascontiguousarray(part).tobytes() for part in parts]
    of_all.append(repr((model.bias, model.slope, model.offset, model.threshold)).encode())
    return digest(b"".join(of_all), 16).hex()


def content_digest(raw: bytes) -> str:
    """BLAKE2b-128 of a message as it was sent, in hex: the same wherever it is kept."""
    return digest(raw, 16).hex()
