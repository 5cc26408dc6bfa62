"""Many messages at once: batches through the engine, whose kernels use no thread of Python.

Results are labels; the mailbox is not touched.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from os import cpu_count
from typing import Any

from atlas_fast.compat import engine
from atlas_fast.compat.models.bulk_operations import get_bulk_manager
from atlas_fast.headers import parse_many

__all__ = [
    "ParallelEmailProcessor", "ProcessingResult", "ProcessingTask", "StreamingParallelProcessor",
]  # fmt: skip

METHOD = "PARALLEL_CLASSIFICATION"

Progress = Callable[[float, int, int], None]
Pair = tuple[str, str]
"""UID and header section."""


@dataclass
class ProcessingTask:
    uid: str
    headers: str
    folder_name: str
    task_id: int
    metadata: dict[str, Any] | None = None


@dataclass
class ProcessingResult:
    """`action`: DELETED, PRESERVED or ERROR; `processing_time` in seconds, its share of a batch."""

    uid: str
    success: bool
    action: str
    category: str
    confidence: float
    reason: str
    error: str | None = None
    processing_time: float = 0.0
    metadata: dict[str, Any] | None = None


class ParallelEmailProcessor:
    """`worker_count` threads with a batch of `batch_size` messages each; `queue_size` bounds how
    many messages are in flight."""

    def __init__(
        self, worker_count: int | None = None, queue_size: int = 1000, batch_size: int = 100
    ):
        self.worker_count = worker_count or min(16, (cpu_count() or 1) * 2)
        self.queue_size = queue_size
        self.batch_size = max(1, batch_size)
        self._lock = threading.Lock()
        self._counts = {True: 0, False: 0}
        self._seconds = 0.0

    def process_emails_parallel(
        self,
        email_processor: Any,
        email_tasks: list[Pair],
        folder_name: str,
        process_callback: Progress | None = None,
    ) -> list[ProcessingResult]:
        """Results in the order of the tasks; they are queued for the database too, and written at
        the end. `process_callback` gets (fraction, done, total) after each batch."""
        total, results = len(email_tasks), list[ProcessingResult]()
        account = getattr(email_processor, "account_id", None)
        parts = [email_tasks[i : i + self.batch_size] for i in range(0, total, self.batch_size)]
        ahead = max(1, self.queue_size // self.batch_size)
        with ThreadPoolExecutor(min(self.worker_count, ahead)) as pool:
            for start in range(0, len(parts), ahead):
                for made in pool.map(self._classify, parts[start : start + ahead]):
                    results += made
                    if process_callback is not None:
                        process_callback(len(results) / total, len(results), total)
        self._store(email_tasks, results, folder_name, account)
        return results

    def get_statistics(self) -> dict[str, Any]:
        with self._lock:
            done = sum(self._counts.values())
            return {
                "total_processed": done,
                "successful": self._counts[True],
                "failed": self._counts[False],
                "success_rate": self._counts[True] / done if done else 0.0,
                "avg_processing_time": self._seconds / done if done else 0.0,
                "worker_count": self.worker_count,
                "queue_size": 0,
            }

    def shutdown(self) -> None:
        """Write what is queued for the database."""
        get_bulk_manager().flush_all()

    def _classify(self, pairs: list[Pair]) -> list[ProcessingResult]:
        start = time.perf_counter()
        try:
            answers = engine.classify_many([engine.message("", "", head) for _, head in pairs])
            results = [
                _result(uid, answer) for (uid, _), answer in zip(pairs, answers, strict=True)
            ]
        except Exception as error:
            if len(pairs) > 1:  # the message that fails alone
                return [result for pair in pairs for result in self._classify([pair])]
            text = f"{type(error).__name__}: {error}"
            results = [ProcessingResult(pairs[0][0], False, "ERROR", "", 0.0, text, text)]
        seconds = time.perf_counter() - start
        with self._lock:
            self._seconds += seconds
            for result in results:
                result.processing_time = seconds / len(results)
                self._counts[result.success] += 1
        return results

    def _store(
        self, tasks: list[Pair], results: list[ProcessingResult], folder: str, account: Any
    ) -> None:
        bulk, now = get_bulk_manager(), datetime.now().isoformat(" ", "seconds")
        parsed = parse_many([engine.message("", "", head) for _, head in tasks])
        for i, result in enumerate(results):
            if not result.success:
                continue
            head = parsed.row(i)
            bulk.add_email_record(
                {
                    "uid": result.uid, "folder_name": folder, "sender": head.get("From") or "",
                    "subject": head.get("Subject") or "", "date_received": now,
                    "result": result.action, "confidence": result.confidence,
                    "predicted_category": result.category, "method": METHOD,
                    "account_id": account,
                }
            )  # fmt: skip
        bulk.flush_all()


def _result(uid: str, answer: engine.Answer) -> ProcessingResult:
    action = "DELETED" if answer.is_spam else "PRESERVED"
    return ProcessingResult(uid, True, action, answer.old, answer.confidence, answer.reason)


class StreamingParallelProcessor:
    """The same over an iterator, a chunk at a time."""

    def __init__(self, worker_count: int | None = None):
        self.processor = ParallelEmailProcessor(worker_count)
        self._stopped = threading.Event()

    def process_email_stream(
        self,
        email_generator: Iterable[Pair],
        email_processor: Any,
        folder_name: str,
        chunk_size: int = 100,
    ) -> dict[str, Any]:
        """Counts; `stop` ends it after the chunk in hand."""
        waiting, chunks, done = iter(email_generator), 0, 0
        while not self._stopped.is_set() and (chunk := list(islice(waiting, chunk_size))):
            self.processor.process_emails_parallel(email_processor, chunk, folder_name)
            chunks += 1
            done += len(chunk)
        return {
            "chunks_processed": chunks, "total_processed": done,
            "statistics": self.processor.get_statistics(),
        }  # fmt: skip

    def stop(self) -> None:
        self._stopped.set()
