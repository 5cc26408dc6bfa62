"""What `PerformanceBaseline` measures: seconds of work, on generated mail."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atlas_fast.compat import engine
from atlas_fast.compat.models.bulk_operations import BulkOperationManager
from atlas_fast.compat.models.database import DatabaseManager

__all__ = ["measure"]

MESSAGES = 500
SINGLE = 50


def measure() -> dict[str, Any]:
    """The original's keys. `parallel_estimate_emails_per_second` and `with_caching_estimate_ms`,
    which it estimated, are what one batch takes."""
    raw = [
        engine.message(f"Sender {i} <a{i}@example.com>", f"Number {i}", "", f"Hello, number {i}.")
        for i in range(MESSAGES)
    ]
    engine.classify_many(raw[:1])  # opens model and reference data
    one = _seconds(lambda: [engine.classify_many([message]) for message in raw[:SINGLE]]) / SINGLE
    many = _seconds(lambda: engine.classify_many(raw)) / MESSAGES
    with TemporaryDirectory() as folder:
        manager = DatabaseManager(str(Path(folder, "baseline.db")))
        single = _seconds(lambda: _store(manager, 1, SINGLE)) / SINGLE
        bulk = _seconds(lambda: _store(manager, MESSAGES, MESSAGES)) / MESSAGES
        manager.close_connection()
    return {
        "database": {
            "single_insert_ms": single * 1000,
            "bulk_insert_ms": bulk * 1000,
            "improvement_factor": single / bulk,
        },
        "email_processing": {
            "sequential_emails_per_second": 1 / one,
            "parallel_estimate_emails_per_second": 1 / many,
            "current_baseline": 1 / one,
        },
        "classification": {
            "avg_classification_ms": one * 1000,
            "with_caching_estimate_ms": many * 1000,
        },
    }


def _store(manager: DatabaseManager, batch_size: int, count: int) -> None:
    bulk = BulkOperationManager(manager, batch_size)
    for i in range(count):
        bulk.add_email_record(
            {"uid": f"{batch_size}-{i}", "sender": "a@example.com", "subject": "x", "result": False}
        )
    bulk.flush_all()


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
