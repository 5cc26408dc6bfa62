"""`SimpleFourCategoryClassifier`: the engine's answer in the four categories, and Legitimate."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat import engine

__all__ = ["SUBCATEGORIES", "SimpleFourCategoryClassifier"]

SUBCATEGORIES = {
    "Dangerous": (
        "Phishing attempts", "Malware/virus distribution", "Account compromise attempts",
        "Fake security alerts", "Cryptocurrency scams",
    ),
    "Commercial Spam": (
        "Auto warranty & insurance", "Health & medical products", "Adult & dating services",
        "Gambling promotions", "General product marketing",
    ),
    "Scams": (
        "Advance fee fraud", "Lottery & prize scams", "Work-from-home schemes", "Investment fraud",
        "Romance scams",
    ),
    "Legitimate Marketing": (
        "Newsletter subscriptions", "Promotional emails", "Event invitations", "Product updates",
        "Sales notifications",
    ),
}  # fmt: skip


class SimpleFourCategoryClassifier:
    """Instances share the engine."""

    DANGEROUS = "Dangerous"
    COMMERCIAL_SPAM = "Commercial Spam"
    SCAMS = "Scams"
    LEGITIMATE_MARKETING = "Legitimate Marketing"

    def __init__(self) -> None:
        pass

    def classify(self, subject: str, sender: str, body: str = "") -> dict[str, Any]:
        """Keys category, subcategory, confidence, scores, matched_patterns."""
        return answer_of(engine.classify(sender, subject, "", body))

    def get_category_stats(self) -> dict[str, list[str]]:
        """The subcategories of each category."""
        return {category: list(names) for category, names in SUBCATEGORIES.items()}


def answer_of(answer: engine.Answer) -> dict[str, Any]:
    """An answer under the keys of this class; the engine has weights, no patterns to name."""
    return {
        "category": answer.category,
        "subcategory": answer.subcategory,
        "confidence": answer.confidence,
        "scores": dict(answer.probabilities),
        "matched_patterns": [],
    }
