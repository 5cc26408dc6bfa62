"""What the classes of the original's models have in common: the model is the engine's."""

from __future__ import annotations

from typing import Any

from atlas_fast import decision, learn
from atlas_fast.classify.model import Model, load_model
from atlas_fast.compat import engine
from atlas_fast.compat.ml.feedback_processor import retrain
from atlas_fast.compat.models.database import db
from atlas_fast.compat.terms import manager_of

__all__ = ["EngineModel"]


class EngineModel:
    """`db_path`: whose corrections `train` learns from; the database of the program by default."""

    def __init__(self, db_path: str | None = None):
        self.db_path = db.db_path if db_path is None else db_path

    def _learn(self) -> dict[str, Any]:
        """A model of whole labelled messages is made by `atlas-fast train`; what a store has are
        corrections, and these are learned."""
        return retrain(self.db_path)

    def _model(self) -> Model:
        """The model that decides by this database."""
        manager = manager_of(self.db_path)
        if manager is None:
            return load_model()
        with manager.store() as store:
            return decision.model_of(decision.state_of(store).current)

    def _measured(self, limit: int) -> dict[str, Any]:
        """How the answers fit what users said, by the newest feedback of the database that tells:
        by sender and subject alone, as no more of a message is there. `atlas-fast evaluate`
        measures a model on whole labelled mail."""
        manager = manager_of(self.db_path)
        found = [] if manager is None else [
            one
            for processed in (False, True)
            for one in manager.get_feedback_for_training(limit, processed)
        ]  # fmt: skip
        pairs = []
        for one in sorted(found, key=lambda one: one["id"], reverse=True)[: max(0, limit)]:
            label = learn.wanted_label(
                one["feedback_type"], one["original_classification"], one["user_classification"]
            )
            if label:
                answer = engine.classify(one["sender"], one["subject"])
                pairs.append((label > 0, answer.is_spam))
        hits = sum(truth and said for truth, said in pairs)
        named, there = sum(said for _, said in pairs), sum(truth for truth, _ in pairs)
        precision, recall = hits / max(1, named), hits / max(1, there)
        return {
            "samples": len(pairs),
            "accuracy": sum(truth == said for truth, said in pairs) / max(1, len(pairs)),
            "precision": precision,
            "recall": recall,
            "f1_score": 2 * precision * recall / ((precision + recall) or 1),
        }
