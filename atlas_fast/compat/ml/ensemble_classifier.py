"""`EnsembleHybridClassifier`: one answer, the engine's, under the keys of the original's vote."""

from __future__ import annotations

import time
from typing import Any

from atlas_fast.compat import engine
from atlas_fast.compat.ml.feedback_processor import retrain
from atlas_fast.compat.models.database import db
from atlas_fast.compat.terms import manager_of

__all__ = ["EnsembleHybridClassifier"]

METHOD = "atlas_fast"


class EnsembleHybridClassifier:
    """`db_path` names the database whose list of trusted senders counts; `config_path` is not
    read: there are no weights to set."""

    def __init__(self, db_path: str | None = None, config_path: str | None = None):
        self.db_path = db.db_path if db_path is None else db_path
        self.config_path = config_path
        self._count, self._seconds, self._spam = 0, 0.0, 0

    def classify_email(
        self, subject: str = "", sender: str = "", body: str = "", headers: Any = None
    ) -> dict[str, Any]:
        """`confidence` is the probability of spam, as in the original. What is spam with little
        confidence is kept: `action_override` PRESERVE. A sender whom the user trusts is
        WHITELISTED when authentication passed, SPOOFED_WHITELIST when it failed."""
        start = time.perf_counter()
        message = engine.Message(sender, subject, headers, body)
        answer = message.answer()
        trusted = self._trusted()
        authentic = message.authentic(trusted) if trusted else None
        level = _level(answer.confidence)
        result: dict[str, Any] = {
            "category": answer.old,
            "is_spam": answer.is_spam,
            "confidence": answer.spam,
            "confidence_level": level,
            "method": METHOD,
            "processing_time_ms": 0.0,
            "reasoning": answer.reason,
            "model_votes": {METHOD: {"category": answer.old, "confidence": answer.confidence}},
            "override_reason": None,
            "raw_ensemble_result": dict(answer.probabilities),
        }
        if authentic:
            result |= {"category": "WHITELISTED", "is_spam": False, "confidence": 0.1}
        elif authentic is False:
            result |= {"category": "SPOOFED_WHITELIST", "is_spam": True, "confidence": 0.95}
        elif answer.is_spam and level != "HIGH":
            result |= {"action_override": "PRESERVE", "override_reason": "insufficient_confidence"}
        seconds = time.perf_counter() - start
        result["processing_time_ms"] = seconds * 1000
        self._count, self._seconds = self._count + 1, self._seconds + seconds
        self._spam += result["is_spam"]
        return result

    def get_performance_stats(self) -> dict[str, Any]:
        """Counts of this object."""
        return {
            "total_classifications": self._count,
            "spam_detected": self._spam,
            "avg_processing_time_ms": self._seconds / self._count * 1000 if self._count else 0.0,
        }

    def load_config(self) -> dict[str, Any]:
        """There is one voter."""
        return {"weights": {METHOD: 1.0}}

    def print_status(self) -> None:
        for name, value in self.get_performance_stats().items():
            print(f"{name}: {value}")

    def retrain_models(self) -> bool:
        """Let the engine learn from the corrections of the database; was there one to learn?"""
        return bool(retrain(self.db_path)["success"])

    def _trusted(self) -> frozenset[str]:
        """Addresses and domains on the user's list."""
        manager = manager_of(self.db_path)
        listed = [] if manager is None else manager.get_whitelisted_addresses()
        return frozenset(entry["domain"] for entry in listed)


def _level(confidence: float) -> str:
    return "HIGH" if confidence > 0.6 else "MEDIUM" if confidence > 0.4 else "LOW"
