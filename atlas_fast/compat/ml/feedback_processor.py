"""`BinaryFeedbackProcessor`: what users said of classifications, for the engine to learn from.

The engine learns from the corrected messages themselves, which it reads again at their places; the
feature rows of the original's steps are made on request, and nothing is trained on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from atlas_fast import learn
from atlas_fast.compat import engine
from atlas_fast.compat.ml.feature_extractor import MLFeatureExtractor
from atlas_fast.compat.models.database import db
from atlas_fast.compat.terms import manager_of, open_manager

__all__ = ["BinaryFeedbackProcessor", "retrain"]

Record = dict[str, Any]
ALL = -1
"""A limit that SQLite takes for none."""


class BinaryFeedbackProcessor:
    """`db_path`: the database of the program by default."""

    def __init__(self, db_path: str | None = None):
        self.db_path = db.db_path if db_path is None else db_path
        self.feature_extractor = MLFeatureExtractor(self.db_path)

    def get_unprocessed_feedback(self) -> list[Record]:
        """Feedback that training has not used, newest first, as `get_feedback_for_training`."""
        manager = manager_of(self.db_path)
        return [] if manager is None else manager.get_feedback_for_training(ALL)

    def convert_feedback_to_binary_labels(
        self, feedback_records: Iterable[Record]
    ) -> list[tuple[Record, int]]:
        """Each with 1 (spam) or 0; what does not tell is left out."""
        labeled = []
        for record in feedback_records:
            label = learn.wanted_label(
                record.get("feedback_type") or "", record.get("original_classification") or "",
                record.get("user_classification"),
            )  # fmt: skip
            if label:
                labeled.append((record, int(label > 0)))
        return labeled

    def extract_features_from_feedback(
        self, labeled_data: Sequence[tuple[Record, int]]
    ) -> tuple[list[list[Any]], list[int]]:
        """Rows of the 67 features by sender and subject, and the labels."""
        made = [
            self.feature_extractor.extract_features_from_email(
                record.get("sender") or "", record.get("subject") or ""
            )
            for record, _ in labeled_data
        ]
        rows = self.feature_extractor.prepare_training_matrix(made)
        return rows, [label for _, label in labeled_data]

    def retrain_models_with_feedback(
        self, features: Sequence[Sequence[Any]], labels: Sequence[int]
    ) -> dict[str, Any]:
        """Let the engine learn from the feedback of the database that it has not used; the rows
        given are only counted. Keys as `retrain` has them, and `training_samples`."""
        return retrain(self.db_path) | {"training_samples": len(labels)}

    def mark_feedback_processed(
        self, feedback_ids: Sequence[int], retraining_results: dict[str, Any]
    ) -> None:
        """Training has used these; the results are not kept. ValueError for what is no id."""
        open_manager(self.db_path).mark_feedback_processed(list(feedback_ids))

    def process_all_unprocessed_feedback(self) -> dict[str, Any]:
        """All steps. Keys as `retrain` has them, and `total_feedback`, `training_samples`,
        `feedback_processed`. What the engine used is marked in the transaction that changes the
        model; what it could not use stays open, with its reason in `skipped`."""
        records = self.get_unprocessed_feedback()
        labeled = self.convert_feedback_to_binary_labels(records)
        made = retrain(self.db_path) if labeled else _nothing()
        return made | {
            "total_feedback": len(records),
            "training_samples": len(labeled),
            "feedback_processed": len(records) - len(self.get_unprocessed_feedback()),
        }


def retrain(db_path: str | None) -> dict[str, Any]:
    """Let the engine learn from the corrections of a database, and the classifiers of this package
    use what came of it. Keys `success` (was there something to learn), `model` (the new file),
    `lessons` (new ones), `total_lessons`, `changed_verdicts`, `still_wrong`, `skipped`. Raises
    ModelError, StoreError."""
    manager = manager_of(db_path)
    if manager is None:
        return _nothing()
    with manager.store() as store:
        done = learn.learn(store)
    engine.forget()
    return {
        "success": done.model is not None, "model": done.model, "lessons": done.lessons,
        "total_lessons": done.total, "changed_verdicts": done.turned, "still_wrong": done.open_,
        "skipped": done.skipped,
    }  # fmt: skip


def _nothing() -> dict[str, Any]:
    return {
        "success": False, "model": None, "lessons": 0, "total_lessons": 0, "changed_verdicts": 0,
        "still_wrong": 0, "skipped": [],
    }  # fmt: skip
