"""`LogicalEmailClassifier`: the engine's answer with a reason in words."""

from __future__ import annotations

from atlas_fast.compat import engine

__all__ = ["LogicalEmailClassifier"]


class LogicalEmailClassifier:
    """Instances share the engine: making one costs nothing."""

    def __init__(self) -> None:
        pass

    def classify_email(
        self, sender: str, subject: str, headers: str = ""
    ) -> tuple[str, float, str]:
        """(category under its name of the original, confidence 0 to 1, reason)."""
        answer = engine.classify(sender, subject, headers)
        return answer.old, answer.confidence, answer.reason
