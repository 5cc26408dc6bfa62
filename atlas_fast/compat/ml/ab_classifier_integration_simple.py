"""`ABClassifierIntegrationSimple`: old names or new ones for a message, by a hash of it."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat.ml.rollout import Rollout
from atlas_fast.store import trials

__all__ = ["ABClassifierIntegrationSimple"]


class ABClassifierIntegrationSimple(Rollout):
    """`rollout_percentage` (0 to 100) of the messages get the new classifier."""

    def __init__(self, db_path: str | None = None, rollout_percentage: float = 10.0):
        super().__init__(db_path, rollout_percentage)

    def classify_with_ab_testing(
        self,
        sender: str,
        subject: str,
        body: str = "",
        headers: str = "",
        force_classifier: str | None = None,
    ) -> dict[str, Any]:
        """The chosen classifier's dictionary, what was chosen, and a row in the database."""
        return self._classify(sender or "", subject or "", headers, body, force_classifier)

    def get_performance_metrics(self, days: int = 7) -> dict[str, Any]:
        """Of the last days. `category_match_rate` is a share of the messages that both classifiers
        answered for, 0 without one, with its interval."""
        with self._manager.store() as store:
            found = trials.simple_metrics(store, self._since(days), self.rollout_percentage)
        for name in (
            "category_match_rate", "avg_processing_time_old_ms", "avg_processing_time_new_ms",
        ):  # fmt: skip
            found[name] = found[name] or 0.0
        return found

    def set_rollout_percentage(self, percentage: float) -> None:
        """Below 0 is 0, above 100 is 100."""
        self.rollout_percentage = percentage
