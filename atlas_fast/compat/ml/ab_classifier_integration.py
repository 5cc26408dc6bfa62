"""`ABClassifierIntegration`: as the simple one, with more figures."""

from __future__ import annotations

import json
from typing import Any

from atlas_fast.compat.ml.rollout import Rollout, clamped

__all__ = ["ABClassifierIntegration"]

_WHERE = (
    "FROM ab_testing_results WHERE timestamp > datetime('now', ?) AND (? IS NULL OR test_id = ?)"
)
_METRICS = (
    "SELECT COUNT(categories_match), AVG(categories_match) * 100, "
    "SUM(selected_classifier = 'old'), SUM(selected_classifier = 'new'), "
    f"AVG(processing_time_old), AVG(processing_time_new) {_WHERE}"
)
_MISMATCHES = (
    "SELECT sender, subject, old_category, new_category, new_subcategory "
    f"{_WHERE} AND categories_match = 0 ORDER BY id DESC LIMIT 10"
)
ENOUGH = 100
"""Compared messages from which on there is something to recommend."""


class ABClassifierIntegration:
    """`rollout_percentage` (0 to 100) of the messages get the new classifier."""

    def __init__(self, db_path: str | None = None, rollout_percentage: float = 0.0):
        self._rollout = Rollout(db_path, rollout_percentage)

    @property
    def rollout_percentage(self) -> float:
        return self._rollout.percentage

    def classify_with_ab_testing(
        self,
        sender: str,
        subject: str,
        domain: str | None = None,
        headers: str = "",
        force_classifier: str | None = None,
    ) -> dict[str, Any]:
        """The chosen classifier's dictionary, what was chosen, and a row in the database; `domain`
        is not used."""
        return self._rollout.classify(sender, subject, headers, "", force_classifier)

    def get_ab_testing_metrics(self, test_id: str | None = None, days: int = 7) -> dict[str, Any]:
        """Of the last days, of one test or of all. Comparisons are the messages that both
        classifiers answered for; `agreement_rate` in percent."""
        query, values = (
            self._rollout.manager.execute_query,
            (f"-{int(days)} days", test_id, test_id),
        )
        ((compared, agreement, old, new, old_ms, new_ms),) = query(_METRICS, values)
        return {
            "total_comparisons": compared,
            "agreement_rate": agreement or 0.0,
            "old_classifier_selections": old or 0,
            "new_classifier_selections": new or 0,
            "avg_time_old": old_ms or 0.0,
            "avg_time_new": new_ms or 0.0,
            "category_distribution_old": self._distribution("old_category", values),
            "category_distribution_new": self._distribution("new_category", values),
            "mismatches": [dict(row) for row in query(_MISMATCHES, values)],
        }

    def update_rollout_percentage(self, new_percentage: float) -> None:
        """Below 0 is 0, above 100 is 100."""
        self._rollout.percentage = clamped(new_percentage)

    def get_recommendation(self) -> str:
        """What the figures of the last days say about the rollout."""
        metrics = self.get_ab_testing_metrics()
        compared, agreement = metrics["total_comparisons"], metrics["agreement_rate"]
        if compared < ENOUGH:
            return f"Not enough data: {compared} of {ENOUGH} comparisons"
        if agreement >= 95:
            return f"Increase the rollout: the classifiers agree on {agreement:.1f}%"
        return f"Look at the mismatches first: the classifiers agree on {agreement:.1f}%"

    def generate_ab_report(self, output_file: str | None = None) -> str:
        """The figures as JSON text; also written to a file."""
        report = self.get_ab_testing_metrics() | {
            "rollout_percentage": self.rollout_percentage,
            "recommendation": self.get_recommendation(),
        }
        text = json.dumps(report, indent=2, ensure_ascii=False)
        if output_file is not None:
            with open(output_file, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        return text

    def _distribution(self, column: str, values: tuple[Any, ...]) -> dict[str, int]:
        rows = self._rollout.manager.execute_query(
            f"SELECT {column}, COUNT(*) {_WHERE} AND {column} IS NOT NULL GROUP BY {column}", values
        )
        return {row[0]: row[1] for row in rows}
