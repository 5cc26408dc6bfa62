"""`NaiveBayesClassifier` by name: spam or not, by the engine."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat import engine

__all__ = ["NaiveBayesClassifier", "vote"]


class NaiveBayesClassifier:
    """The shipped model is trained; `db_path` is kept, and not read."""

    def __init__(self, db_path: str | None = None):
        self.db_path = db_path

    def predict_single(
        self, sender: str, subject: str, domain: str | None = None, headers: str = ""
    ) -> dict[str, Any]:
        """Keys is_spam, spam_probability, confidence, category; `domain` is not used."""
        return vote(sender, subject, headers)


def vote(sender: str, subject: str, headers: str) -> dict[str, Any]:
    """The engine's answer as a classifier of two classes gives it."""
    answer = engine.classify(sender, subject, headers)
    return {
        "is_spam": answer.is_spam,
        "spam_probability": answer.spam,
        "confidence": answer.confidence,
        "category": answer.old,
    }
