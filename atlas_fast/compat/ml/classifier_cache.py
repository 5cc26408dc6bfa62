"""`ClassifierOptimizer`: the engine first, the caller's classifier where it is not sure."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from atlas_fast.compat import engine

__all__ = [
    "ClassifierOptimizer", "EarlyExitPattern", "ParallelClassificationOptimizer",
    "get_classifier_optimizer",
]  # fmt: skip

SURE = 0.99
"""Probability of spam, or of its opposite, from which on the engine's answer stands."""

KEPT = 10_000
"""Answers that are remembered."""


@dataclass
class EarlyExitPattern:
    pattern: str
    category: str
    confidence: float
    description: str


class ClassifierOptimizer:
    """Asks the engine, a memory of whole messages, and only then the classifier it is given."""

    COMPILED_PATTERNS: ClassVar[list[EarlyExitPattern] | None] = None
    """None: the engine reads the message, no list of patterns does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memory: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._counts = dict.fromkeys(("early_exits", "cache_hits", "full_classifications"), 0)
        self._full_ms = 0.0
        self._saved_ms = 0.0

    def check_early_exit(
        self, sender: str, subject: str, body: str | None = None
    ) -> dict[str, Any] | None:
        """The engine's answer where it is sure, else None."""
        begin = time.perf_counter()
        answer = engine.classify(sender, subject, "", body)
        if answer.confidence < SURE:
            return None
        return {
            "is_spam": answer.is_spam,
            "category": answer.old,
            "confidence": answer.confidence,
            "method": "EARLY_EXIT",
            "reason": answer.reason,
            "processing_time_ms": (time.perf_counter() - begin) * 1000,
        }

    def optimize_classification(
        self,
        classifier_func: Callable[..., Any],
        sender: str,
        subject: str,
        body: str | None = None,
        headers: str | None = None,
    ) -> Any:
        """The engine's answer where it is sure, a remembered one for the same message, or that of
        `classifier_func(sender, subject, body, headers)`."""
        found = self.check_early_exit(sender, subject, body)
        if found is not None:
            self._count("early_exits", saved=True)
            return found
        key = tuple(part or "" for part in (sender, subject, body, headers))
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                found = self._memory[key]
        if found is not None:
            self._count("cache_hits", saved=True)
            return found
        begin = time.perf_counter()
        found = classifier_func(sender, subject, body, headers)
        with self._lock:
            self._full_ms += (time.perf_counter() - begin) * 1000
            self._memory[key] = found
            while len(self._memory) > KEPT:
                self._memory.popitem(last=False)
        self._count("full_classifications")
        return found

    def _count(self, what: str, *, saved: bool = False) -> None:
        with self._lock:
            self._counts[what] += 1
            if saved and self._counts["full_classifications"]:
                self._saved_ms += self._full_ms / self._counts["full_classifications"]

    def get_statistics(self) -> dict[str, Any]:
        """Counts; shares of all once there is one. Time saved is reckoned by the mean of the
        measured calls."""
        with self._lock:
            found: dict[str, Any] = {**self._counts, "total_time_saved": self._saved_ms}
        total = sum(self._counts.values())
        if total:
            found |= {
                "early_exit_rate": found["early_exits"] / total,
                "cache_hit_rate": found["cache_hits"] / total,
                "full_classification_rate": found["full_classifications"] / total,
                "avg_time_saved_ms": found["total_time_saved"] / total,
            }
        return found


class ParallelClassificationOptimizer:
    """Several classifiers at once, a thread each."""

    def __init__(self, num_classifiers: int = 2):
        self.num_classifiers = max(1, num_classifiers)

    def classify_parallel(
        self, classifiers: Sequence[Any], email_data: dict[str, str]
    ) -> list[Any]:
        """What each says, in their order; the exception where one raised. A classifier is a
        callable, or has `classify`, and gets `sender`, `subject`, `body` and `headers` as the data
        has them."""
        with ThreadPoolExecutor(self.num_classifiers) as pool:
            jobs = [pool.submit(getattr(one, "classify", one), **email_data) for one in classifiers]
            return [job.exception() or job.result() for job in jobs]


@lru_cache(maxsize=1)
def get_classifier_optimizer() -> ClassifierOptimizer:
    """The one of the program."""
    return ClassifierOptimizer()
