"""`ABClassifierIntegrationSimple`: old names or new ones for a message, by a hash of it."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat.ml.rollout import Rollout, clamped

__all__ = ["ABClassifierIntegrationSimple"]

_METRICS = (
    "SELECT COUNT(*), SUM(selected_classifier = 'new'), AVG(processing_time_old), "
    "AVG(processing_time_new), AVG(categories_match) * 100, "
    "SUM(new_subcategory = 'Auto warranty & insurance') "
    "FROM ab_testing_results WHERE timestamp > datetime('now', ?)"
)


class ABClassifierIntegrationSimple:
    """`rollout_percentage` (0 to 100) of the messages get the new classifier."""

    def __init__(self, db_path: str | None = None, rollout_percentage: float = 10.0):
        self._rollout = Rollout(db_path, rollout_percentage)

    @property
    def rollout_percentage(self) -> float:
        return self._rollout.percentage

    def classify_with_ab_testing(
        self,
        sender: str,
        subject: str,
        body: str = "",
        headers: str = "",
        force_classifier: str | None = None,
    ) -> dict[str, Any]:
        """The chosen classifier's dictionary, what was chosen, and a row in the database."""
        return self._rollout.classify(sender, subject, headers, body, force_classifier)

    def get_performance_metrics(self, days: int = 7) -> dict[str, Any]:
        """Of the last days. `category_match_rate` is in percent, of the messages that both
        classifiers answered for."""
        ((total, new, old_ms, new_ms, match, warranty),) = self._rollout.manager.execute_query(
            _METRICS, (f"-{int(days)} days",)
        )
        return {
            "total_classifications": total,
            "new_classifier_uses": new or 0,
            "avg_processing_time_old_ms": old_ms or 0.0,
            "avg_processing_time_new_ms": new_ms or 0.0,
            "category_match_rate": match or 0.0,
            "auto_warranty_fixes": warranty or 0,
            "rollout_percentage": self.rollout_percentage,
        }

    def set_rollout_percentage(self, percentage: float) -> None:
        """Below 0 is 0, above 100 is 100."""
        self._rollout.percentage = clamped(percentage)
