"""`ProductionRandomForestClassifier` by name: spam or not, by the engine."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat.ml.ensemble_classifier import EnsembleHybridClassifier
from atlas_fast.compat.ml.models import EngineModel
from atlas_fast.compat.ml.naive_bayes import vote

__all__ = ["ProductionRandomForestClassifier", "integrate_random_forest_with_hybrid"]

FEEDBACK = 1000
"""Feedback that the metrics look at."""


class ProductionRandomForestClassifier(EngineModel):
    """The shipped model is trained: nothing must be loaded before the first answer."""

    def __init__(self, db_path: str | None = None):
        super().__init__(db_path)

    def predict(
        self, sender: str, subject: str, headers: str = "", domain: str | None = None
    ) -> dict[str, Any]:
        """Keys is_spam, spam_probability, confidence, category; `domain` is not used."""
        return vote(sender, subject, headers)

    def train(self, retrain: bool = False) -> dict[str, Any]:
        """Learn from the corrections of the database; see feedback_processor.retrain."""
        return self._learn()

    def get_performance_metrics(self) -> dict[str, Any]:
        """Accuracy, precision, recall and f1_score on the newest `samples` of feedback."""
        return self._measured(FEEDBACK)

    def save_model(self, filepath: str = "random_forest_model.pkl") -> None:
        """Write the model that decides, as a file for `--model`. Raises ModelError."""
        self._model().save(filepath)

    def load_model(self, filepath: str = "random_forest_model.pkl") -> bool:
        """True: the engine has its model; the file, a pickle of the original's, is not read."""
        return True


def integrate_random_forest_with_hybrid() -> EnsembleHybridClassifier:
    """The hybrid classifier; there is nothing to integrate, as there is one model."""
    return EnsembleHybridClassifier()
