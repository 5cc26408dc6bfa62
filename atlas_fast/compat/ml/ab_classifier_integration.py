"""`ABClassifierIntegration`: as the simple one, with more figures."""

from __future__ import annotations

import json
from typing import Any

from atlas_fast import decision
from atlas_fast.compat.ml.rollout import Rollout
from atlas_fast.store import trials

__all__ = ["ABClassifierIntegration"]


class ABClassifierIntegration(Rollout):
    """`rollout_percentage` (0 to 100) of the messages get the new classifier."""

    def __init__(self, db_path: str | None = None, rollout_percentage: float = 0.0):
        super().__init__(db_path, rollout_percentage)

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
        return self._classify(sender or "", subject or "", headers, "", force_classifier)

    def get_ab_testing_metrics(self, test_id: str | None = None, days: int = 7) -> dict[str, Any]:
        """Of the last days, or of one test. Comparisons are the messages that both classifiers
        answered for; `agreement_rate` in percent, 0 without one, with its interval."""
        since, until = self._since(days), trials.EVER
        if test_id is not None:
            since = until = str(test_id)
        with self._manager.store() as store:
            found = trials.full_metrics(store, since, until)
        for name in ("agreement_rate", "avg_time_old", "avg_time_new"):
            found[name] = found[name] or 0.0
        return found

    def update_rollout_percentage(self, new_percentage: float) -> None:
        """Below 0 is 0, above 100 is 100."""
        self.rollout_percentage = new_percentage

    def get_recommendation(self) -> str:
        """What the figures of the last days say about the rollout."""
        return trials.recommendation(self.get_ab_testing_metrics(), self.rollout_percentage).text

    def generate_ab_report(self, output_file: str | None = None) -> str:
        """The figures as JSON text; also written to a file."""
        report = trials.ab_report(
            self.get_ab_testing_metrics(), self.rollout_percentage, decision.local_now()
        )
        text = json.dumps(report, indent=2, ensure_ascii=False)
        if output_file is not None:
            with open(output_file, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        return text
