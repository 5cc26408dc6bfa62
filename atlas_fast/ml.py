"""Features and classifier with the conventions of scikit-learn.

`FeatureExtractor` turns raw messages into a sparse matrix, `TriageClassifier` is the linear model
with calibrated probabilities. scikit-learn itself is not needed (but its users' `clone`, `Pipeline`
and `cross_val_score` work); matrices are SciPy's, the extra `train`.

    from sklearn.pipeline import make_pipeline
    model = make_pipeline(FeatureExtractor(), TriageClassifier()).fit(messages, is_spam)
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from atlas_fast._kernels.learn import train_linear
from atlas_fast.classify.train import COST, MAX_PASSES, TOLERANCE, platt
from atlas_fast.errors import AtlasFastError
from atlas_fast.headers import parse_many
from atlas_fast.mime import MimeColumns
from atlas_fast.stages.features import BUCKETS, GROUPS, extract

__all__ = ["FeatureExtractor", "NotFittedError", "TriageClassifier"]

CHUNK = 2000
"""Messages that are read at a time."""


class NotFittedError(AtlasFastError, ValueError, AttributeError):
    """A classifier was asked before it was trained."""


class _Parameters:
    """get_params and set_params over the arguments of __init__."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}

    def set_params(self, **parameters: Any) -> Any:
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({shown})"


class FeatureExtractor(_Parameters):
    """Raw messages (bytes) to rows of hashed features; stateless, so `fit` learns nothing.

    `groups`: names of the groups to keep (atlas_fast.stages.features.GROUPS); None: all.
    """

    def __init__(self, groups: Sequence[str] | None = None):
        self.groups = groups

    def fit(self, X: Sequence[bytes], y: Any = None) -> FeatureExtractor:
        """Check the parameters."""
        self._kept()
        self.n_features_out_ = BUCKETS
        return self

    def fit_transform(self, X: Sequence[bytes], y: Any = None) -> Any:
        return self.fit(X).transform(X)

    def transform(self, X: Sequence[bytes]) -> Any:
        """scipy.sparse.csr_matrix float32 (n, columns). TypeError when X is not bytes."""
        from scipy import sparse

        kept = self._kept()
        made = [sparse.csr_matrix((0, BUCKETS), dtype=np.float32)]
        messages = list(X)
        for start in range(0, len(messages), CHUNK):
            headers = parse_many(messages[start : start + CHUNK])
            rows = extract(headers, MimeColumns(headers))
            data = rows.data.copy()
            data[~_in_groups(rows.indptr, rows.ends, kept)] = 0
            matrix = sparse.csr_matrix(
                (data, rows.indices.copy(), rows.indptr), (len(rows), BUCKETS)
            )
            matrix.eliminate_zeros()
            matrix.sort_indices()
            made.append(matrix)
        return sparse.vstack(made, format="csr")

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """`feature_0` to `feature_N`: columns are hashes; explain names those of a message."""
        return np.array([f"feature_{column}" for column in range(BUCKETS)], dtype=object)

    def _kept(self) -> np.ndarray:
        names = GROUPS if self.groups is None else tuple(self.groups)
        unknown = sorted(set(names) - set(GROUPS))
        if unknown:
            raise ValueError(f"no group {unknown[0]!r}; there are {', '.join(GROUPS)}")
        return np.array([group in names for group in GROUPS])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
            requires_fit=False,
        )


def _in_groups(indptr: np.ndarray, ends: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """bool (nnz,): is the feature in one of the groups?"""
    sizes = np.diff(ends, axis=1, prepend=0).ravel()
    return np.repeat(np.tile(kept, len(ends)), sizes)


class TriageClassifier(_Parameters):
    """A linear model of two classes: dual coordinate descent, then a logistic curve through
    held-out logits (docs/model.md). The same rows and seed give the same bits.

    `cost`: of an error against the size of the weights; `folds`: for the curve; `rate`: how far a
    row of `partial_fit` moves the weights.
    """

    def __init__(self, cost: float = COST, folds: int = 5, rate: float = 0.5, seed: int = 1):
        self.cost = cost
        self.folds = folds
        self.rate = rate
        self.seed = seed

    def fit(self, X: Any, y: Any) -> TriageClassifier:
        """Train on rows (dense or SciPy's sparse) and two labels, the larger one the positive."""
        rows, labels = self._checked(X, y)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass."
            )
        if len(self.classes_) < 2:
            raise ValueError("two classes are needed, there is 1 class")
        signs = np.where(codes == 1, 1, -1).astype(np.int8)
        self.n_features_in_ = rows.shape[1]
        self.coef_, self.intercept_ = self._trained(rows, signs)
        held_out = np.empty(len(signs))
        fold = _folds(signs, self.folds)
        for number in range(self.folds):
            inside, outside = fold != number, fold == number
            if outside.any():
                whole = len(np.unique(signs[inside])) == 2
                weights, bias = self._trained(rows[inside], signs[inside]) if whole else (
                    self.coef_, self.intercept_
                )  # fmt: skip
                held_out[outside] = rows[outside] @ weights + bias
        self.curve_ = platt(held_out, signs)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> TriageClassifier:
        """Learn from further rows, one after the other; on a fresh classifier from nothing."""
        rows, labels = self._checked(X, y)
        if not hasattr(self, "coef_"):
            if classes is None or len(np.unique(classes)) != 2:
                raise ValueError("the first partial_fit needs the two classes")
            self.classes_ = np.unique(classes)
            self.n_features_in_ = rows.shape[1]
            self.coef_, self.intercept_ = np.zeros(rows.shape[1]), 0.0
            self.curve_ = (1.0, 0.0)
        self._check_width(rows)
        if not np.isin(labels, self.classes_).all():
            raise ValueError(f"labels outside of classes {self.classes_.tolist()}")
        self.coef_ = self.coef_.copy()
        for row, label in enumerate(labels):
            start, stop = rows.indptr[row : row + 2]
            at, values = rows.indices[start:stop], rows.data[start:stop]
            chance = self._chance(self.coef_[at] @ values + self.intercept_)
            step = self.rate * (float(label == self.classes_[1]) - chance)
            self.coef_[at] += step * values
            self.intercept_ += 0.1 * step
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """float64 (n,): logits, above 0 for the positive class once calibrated."""
        self._check_fitted()
        rows = _csr(X)
        self._check_width(rows)
        slope, offset = self.curve_
        return slope * (rows @ self.coef_ + self.intercept_) + offset

    def predict_proba(self, X: Any) -> np.ndarray:
        """float64 (n, 2) in the order of `classes_`."""
        chance = 1 / (1 + np.exp(-np.clip(self.decision_function(X), -500, 500)))
        return np.stack([1 - chance, chance], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        positive = self.decision_function(X) > 0
        return self.classes_[positive.astype(int)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of right answers."""
        return float(np.average(self.predict(X) == np.asarray(y), weights=sample_weight))

    def _trained(self, rows: Any, signs: np.ndarray) -> tuple[np.ndarray, float]:
        weights = np.zeros(rows.shape[1])
        if rows.nnz == 0:
            return weights, 0.0
        bias, _ = train_linear(
            rows.indptr.astype(np.int64), rows.indices.astype(np.int32),
            rows.data.astype(np.float32), signs, self.cost, self.cost, MAX_PASSES, TOLERANCE,
            self.seed, weights,
        )  # fmt: skip
        return weights, bias

    def _chance(self, logit: float) -> float:
        slope, offset = self.curve_
        return 1 / (1 + float(np.exp(-np.clip(slope * logit + offset, -500, 500))))

    def _checked(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        rows, labels = _csr(X), np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels.ravel()
        if labels.ndim != 1 or len(labels) != rows.shape[0]:
            raise ValueError(f"{rows.shape[0]} rows need as many labels, not {labels.shape}")
        if rows.shape[0] == 0 or rows.shape[1] == 0:
            what = "sample" if rows.shape[0] == 0 else "feature"
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={rows.shape}) while a minimum of 1 is "
                "required."
            )
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise ValueError("Input y contains NaN or infinity")
        if labels.dtype.kind == "f" and (labels != np.round(labels)).any():
            raise ValueError("Unknown label type: continuous")
        return rows, labels

    def _check_fitted(self) -> None:
        if not hasattr(self, "coef_"):
            # scikit-learn's tools know their own class only; it is used where it is loaded.
            exceptions = sys.modules.get("sklearn.exceptions")
            error = NotFittedError if exceptions is None else exceptions.NotFittedError
            raise error("this TriageClassifier is not fitted yet: call fit first")

    def _check_width(self, rows: Any) -> None:
        if rows.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {rows.shape[1]} features, but TriageClassifier is expecting "
                f"{self.n_features_in_} features as input"
            )

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(multi_class=False),
            input_tags=InputTags(sparse=True),
        )


def _folds(signs: np.ndarray, folds: int) -> np.ndarray:
    """The fold of each row: each label's rows are dealt out in turn."""
    fold = np.empty(len(signs), np.int64)
    for sign in (-1, 1):
        at = np.flatnonzero(signs == sign)
        fold[at] = np.arange(len(at)) % folds
    return fold


def _csr(X: Any) -> Any:
    """SciPy's CSR matrix; ValueError when X is no matrix of finite real numbers."""
    from scipy import sparse

    if sparse.issparse(X):
        rows = X.tocsr()
    else:
        dense = np.asarray(X)
        if dense.ndim != 2:
            raise ValueError(f"Expected 2D array, got {dense.ndim}D. Reshape your data")
        if dense.dtype.kind == "c":
            raise ValueError("Complex data not supported")
        rows = sparse.csr_matrix(dense.astype(np.float64))
    if not np.isfinite(rows.data).all():
        raise ValueError("Input X contains NaN or infinity")
    return rows
