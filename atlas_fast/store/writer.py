"""A thread that owns the store while several workers run.

The queue is short, so that workers wait for the disk and memory does not grow. The first error
ends the writing and is raised to everyone who puts or closes; no wait is without a limit.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from atlas_fast.errors import StoreError

T = TypeVar("T")

LOOK_SECONDS = 0.2
"""How long one wait lasts before errors are looked at."""


class Writer(Generic[T]):
    """Calls `write` for each item, in the order of `put`, in a thread of its own."""

    def __init__(self, write: Callable[[T], object], capacity: int = 4):
        self._write = write
        self._queue: queue.Queue[T | None] = queue.Queue(capacity)
        self._error: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="atlas-fast-writer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                if self._error is None:  # after an error only make room, so that nobody waits
                    self._write(item)
            except BaseException as error:
                self._error = error
            finally:
                self._queue.task_done()

    def put(self, item: T) -> None:
        """Queue an item; waits while the queue is full. Raises the first error of the writer."""
        if self._closed:
            raise StoreError("the writer is closed")
        while True:
            self._raise()
            try:
                return self._queue.put(item, timeout=LOOK_SECONDS)
            except queue.Full:
                if not self._thread.is_alive():
                    raise StoreError("the writer thread is gone") from None

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return self._queue.qsize()

    def drain(self) -> None:
        """Wait until all that was put is written. Raises the first error of the writer."""
        while self._queue.unfinished_tasks and self._thread.is_alive():
            time.sleep(0.002)
        self._raise()

    def close(self) -> None:
        """Write what is queued, end the thread, raise its first error. May be called twice."""
        self.stop()
        self._raise()

    def stop(self) -> None:
        """The same without raising, for the way out of another error."""
        if not self._closed:
            self._closed = True
            while self._thread.is_alive():
                try:
                    self._queue.put(None, timeout=LOOK_SECONDS)
                    break
                except queue.Full:
                    continue
            while self._thread.is_alive():
                self._thread.join(LOOK_SECONDS)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
