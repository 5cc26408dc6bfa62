"""`ProductionRandomForestClassifier` by name: spam or not, by the engine."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat.ml.naive_bayes import vote

__all__ = ["ProductionRandomForestClassifier"]


class ProductionRandomForestClassifier:
    """The shipped model is trained; `db_path` is kept, and not read."""

    def __init__(self, db_path: str | None = None):
        self.db_path = db_path

    def predict(
        self, sender: str, subject: str, headers: str = "", domain: str | None = None
    ) -> dict[str, Any]:
        """Keys is_spam, spam_probability, confidence, category; `domain` is not used."""
        return vote(sender, subject, headers)
