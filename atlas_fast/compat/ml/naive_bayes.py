"""`NaiveBayesClassifier` by name: spam or not, by the engine."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat import engine
from atlas_fast.compat.ml.models import EngineModel

__all__ = ["NaiveBayesClassifier", "vote"]

FILE = "naive_bayes_model.npz"


class NaiveBayesClassifier(EngineModel):
    """The shipped model is trained: nothing must be loaded before the first answer."""

    def __init__(self, db_path: str | None = None):
        super().__init__(db_path)

    def predict_single(
        self, sender: str, subject: str, domain: str | None = None, headers: str = ""
    ) -> dict[str, Any]:
        """Keys is_spam, spam_probability, confidence, category; `domain` is not used."""
        return vote(sender, subject, headers)

    def train(
        self, use_user_feedback: bool = True, max_samples: int | None = None
    ) -> dict[str, Any]:
        """Learn from the corrections of the database, unless `use_user_feedback` is False; see
        feedback_processor.retrain. Old verdicts are no labels, and are not learned from."""
        return self._learn() if use_user_feedback else {"success": False}

    def evaluate_on_test_data(self, test_size: int = 100) -> dict[str, Any]:
        """Accuracy, precision, recall and f1_score on the newest `samples` of feedback."""
        return self._measured(test_size)

    def save_model(self, filepath: str | None = None) -> None:
        """Write the model that decides, as a file for `--model`. Raises ModelError."""
        self._model().save(filepath or FILE)

    def load_model(self, filepath: str | None = None) -> bool:
        """True: the engine has its model; the file, a pickle of the original's, is not read."""
        return True


def vote(sender: str, subject: str, headers: str) -> dict[str, Any]:
    """The engine's answer as a classifier of two classes gives it."""
    answer = engine.classify(sender, subject, headers)
    return {
        "is_spam": answer.is_spam,
        "spam_probability": answer.spam,
        "confidence": answer.confidence,
        "category": answer.old,
    }
