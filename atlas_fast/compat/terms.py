"""Databases by path; and their keywords, in the order in which the original asks for them."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from atlas_fast.compat.models.database import DatabaseManager, db

__all__ = ["Term", "Terms", "manager_of", "open_manager", "read_terms"]

_QUERY = (
    "SELECT category, term, confidence_threshold FROM filter_terms WHERE is_active = 1 "
    "ORDER BY created_by = 'user' DESC, confidence_threshold DESC, id"
)


class Term(NamedTuple):
    text: str
    confidence: float


Terms = dict[str, list[Term]]
"""Active terms by category."""


def manager_of(db_path: str | None) -> DatabaseManager | None:
    """The database of a path, or of the program; None where no file is: reading makes none."""
    path = db.db_path if db_path is None else db_path
    if not Path(path).is_file():
        return None
    return open_manager(path)


def open_manager(db_path: str) -> DatabaseManager:
    """The database of a path, made where it is missing; the same object for the same path."""
    return db if db_path == db.db_path else _opened(os.path.abspath(db_path))


@lru_cache(maxsize=32)
def _opened(path: str) -> DatabaseManager:
    return DatabaseManager(path)


def read_terms(db_path: str | None = None) -> Terms:
    """One query for all categories. Raises StoreError when the file cannot be used."""
    manager = manager_of(db_path)
    found: Terms = {}
    if manager is not None:
        for category, term, confidence in manager.execute_query(_QUERY):
            found.setdefault(category, []).append(Term(term, confidence or 0.7))
    return found
