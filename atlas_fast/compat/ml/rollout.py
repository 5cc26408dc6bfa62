"""What both A/B classes share: which classifier a message gets, and what is kept of it.

The choice, the sample that both judge, the table and the figures are the engine's
(classify.rollout, stages.judge, store.trials).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from atlas_fast import decision
from atlas_fast.classify.model import load_model
from atlas_fast.compat import engine
from atlas_fast.compat.ml.simple_four_category_classifier import answer_of
from atlas_fast.compat.models.database import DatabaseManager, db
from atlas_fast.compat.terms import open_manager
from atlas_fast.errors import UsageError
from atlas_fast.records import CATEGORIES, OLD_CATEGORIES
from atlas_fast.stages.judge import Judge
from atlas_fast.store import trials

__all__ = ["Rollout"]

SIDES = {"old": 0.0, "new": 100.0}
"""Percentage that gives a message to one side."""


class Rollout:
    """`rollout_percentage` (0 to 100) of the messages get the new classifier: the candidate of the
    store's rollout, or, where there is none, the current model again."""

    def __init__(self, db_path: str | None, rollout_percentage: float):
        self.db_path = db.db_path if db_path is None else db_path
        self.rollout_percentage = rollout_percentage
        self._judge: Judge | None = None

    @property
    def rollout_percentage(self) -> float:
        """Below 0 is 0, above 100 is 100."""
        return self._percentage

    @rollout_percentage.setter
    def rollout_percentage(self, percentage: float) -> None:
        self._percentage = max(0.0, min(100.0, float(percentage)))

    @property
    def _manager(self) -> DatabaseManager:
        """The database, made where it is missing."""
        return open_manager(self.db_path)

    def _models(self) -> Judge:
        """Both models and the share of the sample, as the store says at the first message."""
        if self._judge is None:
            judge = Judge(load_model())
            with self._manager.store() as store:
                decision.use_store(judge, store, models=True, policy=False)
                judge.sample = decision.state_of(store).sample
            judge.candidate = judge.candidate or judge.model
            self._judge = judge
        return self._judge

    def _classify(
        self, sender: str, subject: str, headers: Any, body: str, force: str | None
    ) -> dict[str, Any]:
        """The chosen classifier's dictionary and what was chosen. Raises UsageError for a forced
        classifier other than `old` and `new`."""
        if force not in (None, *SIDES):
            raise UsageError(f"force_classifier is {force!r}; old or new is needed")
        models = self._models()
        percent = self.rollout_percentage if force is None else SIDES[force]
        judge = Judge(models.model, models.candidate, percent, models.sample)
        batch = engine.judged(engine.message(sender, subject, headers, body), judge)
        (answer,) = engine.answers(batch)
        verdict, now = batch.verdict, decision.local_now()
        chosen = "new" if percent >= 100 or (verdict.trial and verdict.trial.new[0]) else "old"
        if verdict.trial is not None:
            kept = trials.trial_block(verdict, now, [""], [sender], [subject], CATEGORIES)
            with self._manager.get_connection() as connection:
                trials.record(connection, kept)
                connection.commit()
        made = _new(answer) if chosen == "new" else _old(answer)
        return made | {
            "classifier_used": chosen,
            "ab_test_id": now[:10].replace("-", ""),
            "classification_version": 2 if chosen == "new" else 1,
            "ab_testing": {
                "enabled": True,
                "rollout_percentage": self.rollout_percentage,
                **_compared(verdict.trial, answer, chosen),
            },
        }

    def _since(self, days: int) -> str:
        """The day from which on the last `days` days count."""
        return (datetime.now() - timedelta(days=max(int(days), 1) - 1)).strftime("%Y%m%d")


def _old(answer: engine.Answer) -> dict[str, Any]:
    return {
        "category": answer.old, "confidence": answer.confidence, "is_spam": answer.is_spam,
        "reason": answer.reason,
    }  # fmt: skip


def _new(answer: engine.Answer) -> dict[str, Any]:
    return answer_of(answer) | {"is_spam": answer.is_spam}


def _compared(trial: Any, answer: engine.Answer, chosen: str) -> dict[str, Any]:
    """Both answers where the message is of the sample, else that of the chosen one."""
    found: dict[str, Any] = {
        "categories_match": None, "old_category": None, "new_category": None,
        "new_subcategory": None, "confidence_delta": None,
    }  # fmt: skip
    if trial is not None and len(trial.both):
        old, new = (CATEGORIES[code] for code in trial.category[:, 0])
        was, now = (float(confidence) for confidence in trial.confidence[:, 0])
        return found | {
            "categories_match": old == new, "old_category": OLD_CATEGORIES[old],
            "new_category": new, "new_subcategory": trial.subcategory[0] or f"General {new}",
            "confidence_delta": now - was,
        }  # fmt: skip
    if chosen == "old":
        return found | {"old_category": answer.old}
    return found | {"new_category": answer.category, "new_subcategory": answer.subcategory}
