"""What both A/B classes share: which classifier a message gets, and the table of comparisons."""

from __future__ import annotations

import time
from datetime import datetime
from hashlib import blake2b
from typing import Any

from atlas_fast.compat import engine
from atlas_fast.compat.ml.four_category_classifier import FourCategoryClassifier
from atlas_fast.compat.ml.simple_four_category_classifier import answer_of
from atlas_fast.compat.models.database import DatabaseManager, db
from atlas_fast.compat.terms import open_manager
from atlas_fast.errors import UsageError

__all__ = ["Rollout", "share_of"]

SAMPLE_PERCENT = 1.0
"""Share of the messages that both classifiers answer for, to compare them."""

_TABLE = (
    """CREATE TABLE IF NOT EXISTS ab_testing_results (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    test_id TEXT NOT NULL,
    email_uid TEXT,
    sender TEXT,
    subject TEXT,
    old_category TEXT,
    old_confidence REAL,
    new_category TEXT,
    new_subcategory TEXT,
    new_confidence REAL,
    categories_match BOOLEAN,
    processing_time_old REAL,
    processing_time_new REAL,
    selected_classifier TEXT,
    user_feedback TEXT,
    timestamp TEXT DEFAULT CURRENT_TIMESTAMP
)""",
    "CREATE INDEX IF NOT EXISTS idx_ab_test_id ON ab_testing_results(test_id)",
)
_COLUMNS = (
    "test_id", "sender", "subject", "old_category", "old_confidence", "new_category",
    "new_subcategory", "new_confidence", "categories_match", "processing_time_old",
    "processing_time_new", "selected_classifier",
)  # fmt: skip
_INSERT = (
    f"INSERT INTO ab_testing_results ({', '.join(_COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_to_new = FourCategoryClassifier().map_old_category


def share_of(purpose: bytes, sender: str, subject: str, body: str) -> float:
    """0 up to 100 by a hash of the message: the same for the same message in every run."""
    digest = blake2b(digest_size=8, person=purpose)
    for text in (sender, subject, body):
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return int.from_bytes(digest.digest(), "little") / 2**64 * 100


def clamped(percentage: float) -> float:
    return max(0.0, min(100.0, float(percentage)))


class Rollout:
    """`percentage` of the messages get the new classifier."""

    def __init__(self, db_path: str | None, percentage: float):
        self.db_path = db.db_path if db_path is None else db_path
        self.percentage = clamped(percentage)
        self._manager: DatabaseManager | None = None

    @property
    def manager(self) -> DatabaseManager:
        """The database, its table made when it is first needed."""
        if self._manager is None:
            self._manager = open_manager(self.db_path)
            for statement in _TABLE:
                self._manager.execute_update(statement)
        return self._manager

    def classify(
        self, sender: str, subject: str, headers: Any, body: str, force: str | None
    ) -> dict[str, Any]:
        """The chosen classifier's dictionary and what was chosen. Raises UsageError for a forced
        classifier other than `old` and `new`."""
        if force not in (None, "old", "new"):
            raise UsageError(f"force_classifier is {force!r}; old or new is needed")
        sender, subject, body = sender or "", subject or "", body or ""
        is_new = share_of(b"rollout", sender, subject, body) < self.percentage
        chosen = force or ("new" if is_new else "old")
        both = share_of(b"sample", sender, subject, body) < SAMPLE_PERCENT
        old = new = None
        times: dict[str, float | None] = {"old": None, "new": None}
        for name, run in (("old", _old), ("new", _new)):
            if both or name == chosen:
                start = time.perf_counter()
                made = run(sender, subject, headers, body)
                times[name] = (time.perf_counter() - start) * 1000
                old, new = (made, new) if name == "old" else (old, made)
        match = delta = None
        if old is not None and new is not None:
            match = _to_new(old["category"])[0] == new["category"]
            delta = new["confidence"] - old["confidence"]
        test_id = datetime.now().strftime("%Y%m%d")
        values = (
            test_id, sender, subject,
            old and old["category"], old and old["confidence"],
            new and new["category"], new and new["subcategory"], new and new["confidence"],
            match, times["old"], times["new"], chosen,
        )  # fmt: skip
        self.manager.execute_insert(_INSERT, values)
        result = new if chosen == "new" else old
        assert result is not None
        return result | {
            "classifier_used": chosen,
            "ab_test_id": test_id,
            "classification_version": 2 if chosen == "new" else 1,
            "ab_testing": {
                "enabled": True,
                "rollout_percentage": self.percentage,
                "categories_match": match,
                "old_category": old and old["category"],
                "new_category": new and new["category"],
                "new_subcategory": new and new["subcategory"],
                "confidence_delta": delta,
            },
        }


def _old(sender: str, subject: str, headers: Any, body: str) -> dict[str, Any]:
    answer = engine.classify(sender, subject, headers, body)
    return {
        "category": answer.old, "confidence": answer.confidence, "is_spam": answer.is_spam,
        "reason": answer.reason,
    }  # fmt: skip


def _new(sender: str, subject: str, headers: Any, body: str) -> dict[str, Any]:
    answer = engine.classify(sender, subject, headers, body)
    return answer_of(answer) | {"is_spam": answer.is_spam}
