"""`SimpleFourCategoryClassifier`: the engine's answer in the four categories, and Legitimate."""

from __future__ import annotations

from typing import Any

from atlas_fast.classify.kinds import SUBCATEGORIES
from atlas_fast.compat import engine

__all__ = ["SimpleFourCategoryClassifier", "answer_of"]


class SimpleFourCategoryClassifier:
    """Instances share the engine."""

    DANGEROUS = "Dangerous"
    COMMERCIAL_SPAM = "Commercial Spam"
    SCAMS = "Scams"
    LEGITIMATE_MARKETING = "Legitimate Marketing"

    def __init__(self) -> None:
        self.initialize_patterns()

    def initialize_patterns(self) -> None:
        """Nothing: the terms are those of the engine's lexicon."""

    def extract_features(self, subject: str, sender: str, body: str) -> dict[str, int]:
        """How many terms of the lexicon are there, by `category / subcategory`."""
        return engine.classify(sender, subject, "", body).terms

    def classify(self, subject: str, sender: str, body: str = "") -> dict[str, Any]:
        """Keys category, subcategory, confidence, scores, matched_patterns."""
        return answer_of(engine.classify(sender, subject, "", body))

    def get_category_stats(self) -> dict[str, list[str]]:
        """The subcategories of each category."""
        made: dict[str, list[str]] = {}
        for category, name in SUBCATEGORIES:
            made.setdefault(category, []).append(name)
        return made


def answer_of(answer: engine.Answer) -> dict[str, Any]:
    """An answer under the keys of this class; its patterns are terms of the lexicon, counted."""
    return {
        "category": answer.category,
        "subcategory": answer.subcategory,
        "confidence": answer.confidence,
        "scores": dict(answer.probabilities),
        "matched_patterns": [f"{name}: {count}" for name, count in answer.terms.items()],
    }
