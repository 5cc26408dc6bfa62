"""What the classes of the original's models have in common: the model is the engine's."""

from __future__ import annotations

from typing import Any

from atlas_fast import decision
from atlas_fast.classify.model import Model, load_model
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
