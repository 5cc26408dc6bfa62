"""Times of operations, as counts and extremes: what was recorded is not kept one by one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from atlas_fast import limits

__all__ = [
    "PerformanceBaseline", "PerformanceMetrics", "generate_performance_baseline",
    "get_performance_stats", "monitor_cache_operation", "monitor_classification",
    "monitor_database_operation", "monitor_email_fetch", "monitor_operation",
    "performance_monitor", "reset_metrics", "save_performance_report",
]  # fmt: skip

P = ParamSpec("P")
T = TypeVar("T")


class PerformanceMetrics:
    """Durations (seconds) by category and operation; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._sums: dict[tuple[str, str], list[float]] = {}
            self._since = time.monotonic()

    def record(
        self,
        category: str,
        operation: str,
        duration: float,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Count one; `metadata` is not kept."""
        with self._lock:
            key = (category, operation)
            if key not in self._sums and len(self._sums) >= limits.METRIC_OPERATIONS:
                key = ("other", "other")
            found = self._sums.setdefault(key, [0, 0.0, duration, duration])
            found[0] += 1
            found[1] += duration
            found[2] = min(found[2], duration)
            found[3] = max(found[3], duration)

    def get_stats(self, category: str | None = None) -> dict[str, Any]:
        """Milliseconds of one category, or {category: that} of all."""
        with self._lock:
            sums = {key: list(found) for key, found in self._sums.items()}
        if category is not None:
            return _summary(category, sums)
        return {name: _summary(name, sums) for name in sorted({name for name, _ in sums})}

    def save_report(self, filepath: str) -> None:
        """All of it as a JSON file."""
        report = self.get_stats() | {
            "report_generated": datetime.now().isoformat(),
            "monitoring_duration_seconds": time.monotonic() - self._since,
        }
        with open(filepath, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)


def _summary(category: str, sums: dict[tuple[str, str], list[float]]) -> dict[str, Any]:
    mine = {operation: s for (name, operation), s in sums.items() if name == category}
    count = int(sum(s[0] for s in mine.values()))
    total = sum(s[1] for s in mine.values())
    return {
        "category": category,
        "count": count,
        "total_time_ms": total * 1000,
        "avg_time_ms": total / count * 1000 if count else 0,
        "min_time_ms": min((s[2] for s in mine.values()), default=0) * 1000,
        "max_time_ms": max((s[3] for s in mine.values()), default=0) * 1000,
        "operations": {
            operation: {
                "count": int(s[0]), "avg_ms": s[1] / s[0] * 1000, "min_ms": s[2] * 1000,
                "max_ms": s[3] * 1000, "total_ms": s[1] * 1000,
            }
            for operation, s in mine.items()
        },
    }  # fmt: skip


_metrics = PerformanceMetrics()


@contextmanager
def monitor_operation(
    category: str, operation: str, metadata: dict[str, Any] | None = None
) -> Iterator[None]:
    """Measure a block, also one that raises."""
    start = time.perf_counter()
    try:
        yield
    finally:
        _metrics.record(category, operation, time.perf_counter() - start, metadata)


def performance_monitor(category: str = "general") -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorator: measure each call under the name of the function."""

    def decorate(func: Callable[P, T]) -> Callable[P, T]:
        @wraps(func)
        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            with monitor_operation(category, func.__name__):
                return func(*args, **kwargs)

        return measured

    return decorate


def monitor_email_fetch(func: Callable[P, T]) -> Callable[P, T]:
    return performance_monitor("email_fetch")(func)


def monitor_database_operation(func: Callable[P, T]) -> Callable[P, T]:
    return performance_monitor("database")(func)


def monitor_classification(func: Callable[P, T]) -> Callable[P, T]:
    return performance_monitor("classification")(func)


def monitor_cache_operation(func: Callable[P, T]) -> Callable[P, T]:
    return performance_monitor("caching")(func)


def get_performance_stats(category: str | None = None) -> dict[str, Any]:
    """What was measured in this process."""
    return _metrics.get_stats(category)


def reset_metrics() -> None:
    _metrics.reset()


def save_performance_report(filepath: str) -> None:
    _metrics.save_report(filepath)


class PerformanceBaseline:
    """Measures the engine on generated mail, in memory and in a temporary store."""

    def __init__(self, db_path: str | None = None):
        self.db_path = db_path

    def run_baseline_tests(self) -> dict[str, Any]:
        """Figures under the original's keys; all of them measured."""
        from atlas_fast.compat.utils.baseline import measure

        return measure()


def generate_performance_baseline() -> dict[str, Any]:
    return PerformanceBaseline().run_baseline_tests()
