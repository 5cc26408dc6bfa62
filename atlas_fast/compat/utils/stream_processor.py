"""Headers of a folder as a stream, over an imaplib connection: one round trip for many messages."""

from __future__ import annotations

import gc
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from atlas_fast.compat.core.folders import FETCH_HEADERS, headers_by_uid
from atlas_fast.compat.utils.memory import memory_now
from atlas_fast.visible import visible

__all__ = [
    "EmailStreamIterator", "MemoryMonitor", "MemoryStats", "StreamingEmailProcessor",
    "create_email_stream", "get_memory_monitor", "optimize_memory_now",
]  # fmt: skip

Pair = tuple[str, str]
"""UID and header section."""


@dataclass
class MemoryStats:
    """`memory_percent`: the share of the process in all memory."""

    process_memory_mb: float
    available_memory_mb: float
    memory_percent: float
    gc_collections: dict[int, int]


class MemoryMonitor:
    """Looks at the memory of the process every `check_interval` seconds, and collects garbage when
    its share is above `threshold_percent`; `stats_history` keeps the last hundred looks."""

    def __init__(self, threshold_percent: float = 80.0, check_interval: float = 5.0):
        self.threshold_percent = threshold_percent
        self.check_interval = check_interval
        self.stats_history: deque[MemoryStats] = deque(maxlen=100)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start_monitoring(self) -> None:
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def stop_monitoring(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    def get_memory_stats(self) -> MemoryStats:
        own, available, whole = memory_now()
        counts = {i: s["collections"] for i, s in enumerate(gc.get_stats())}
        return MemoryStats(own, available, 100 * own / whole if whole else 0.0, counts)

    def optimize_memory(self) -> float:
        """A full collection; MB that it freed."""
        before = memory_now()[0]
        gc.collect()
        return max(0.0, before - memory_now()[0])

    def _watch(self) -> None:
        while not self._stop.wait(self.check_interval):
            stats = self.get_memory_stats()
            self.stats_history.append(stats)
            if stats.memory_percent > self.threshold_percent:
                self.optimize_memory()


class EmailStreamIterator:
    """(UID, headers) of the messages of a folder, `batch_size` a round trip. Nothing is marked as
    read. Raises OSError when the folder cannot be read, or a whole batch of it."""

    def __init__(self, mail_connection: Any, folder_name: str, batch_size: int = 50):
        self.mail_connection = mail_connection
        self.folder_name = folder_name
        self.batch_size = max(1, batch_size)
        self._pairs = self._read()

    def __iter__(self) -> Iterator[Pair]:
        return self

    def __next__(self) -> Pair:
        return next(self._pairs)

    def _read(self) -> Iterator[Pair]:
        mail = self.mail_connection
        status, data = mail.select(self.folder_name, readonly=True)
        _check(status, f"folder {self.folder_name!r} cannot be opened", data)
        status, data = mail.uid("search", None, "ALL")
        _check(status, f"folder {self.folder_name!r} cannot be searched", data)
        uids = [uid.decode("ascii") for part in data if part for uid in part.split()]
        for start in range(0, len(uids), self.batch_size):
            wanted = uids[start : start + self.batch_size]
            status, data = mail.uid("fetch", ",".join(wanted), FETCH_HEADERS)
            _check(status, "headers cannot be fetched", data)
            found = headers_by_uid(data, wanted)
            yield from ((uid, found[uid]) for uid in wanted if uid in found)


def _check(status: str, text: str, data: Any) -> None:
    if status != "OK":
        raise OSError(f"{text}: {status} {data!r:.200}")


class StreamingEmailProcessor:
    """Hands the headers of a folder to a function, `chunk_size` messages at a time; garbage is
    collected when the process has more than `memory_limit_mb`."""

    def __init__(self, chunk_size: int = 100, memory_limit_mb: int = 500):
        self.chunk_size = max(1, chunk_size)
        self.memory_limit_mb = memory_limit_mb
        self.memory_monitor = MemoryMonitor()

    def process_email_stream(
        self,
        mail_connection: Any,
        folder_name: str,
        process_func: Callable[[list[Pair]], Any],
        progress_callback: Callable[[float, int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Counts of this call. An error of `process_func` counts for its chunk, and is printed on
        stderr; the next go on."""
        stream = EmailStreamIterator(mail_connection, folder_name, self.chunk_size)
        status, data = mail_connection.select(folder_name, readonly=True)
        _check(status, f"folder {folder_name!r} cannot be opened", data)
        total = int(data[0] or 0)
        chunks = done = errors = collections = 0
        peak = memory_now()[0]
        while chunk := list(islice(stream, self.chunk_size)):
            try:
                process_func(chunk)
            except Exception as error:  # the caller's own code
                text = f"{folder_name}: {type(error).__name__}: {error}"
                print(visible(text), file=sys.stderr)
                errors += 1
            chunks += 1
            done += len(chunk)
            peak = max(peak, memory_now()[0])
            if memory_now()[0] > self.memory_limit_mb:
                self.memory_monitor.optimize_memory()
                collections += 1
            if progress_callback is not None:
                progress_callback(min(1.0, done / total) if total else 1.0, done, total)
        return {
            "chunks_processed": chunks, "emails_processed": done, "processing_errors": errors,
            "memory_optimizations": collections, "final_memory_mb": memory_now()[0],
            "peak_memory_mb": peak,
        }  # fmt: skip


def create_email_stream(
    mail_connection: Any, folder_name: str, batch_size: int = 50
) -> EmailStreamIterator:
    return EmailStreamIterator(mail_connection, folder_name, batch_size)


_monitor = MemoryMonitor()


def get_memory_monitor() -> MemoryMonitor:
    """The monitor of the process."""
    return _monitor


def optimize_memory_now() -> float:
    """A full collection; MB that it freed."""
    return _monitor.optimize_memory()
