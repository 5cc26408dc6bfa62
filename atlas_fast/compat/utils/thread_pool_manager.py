"""Named pools of threads with a bounded queue each.

No signal is taken over, and a manager may be made in any thread.
"""

from __future__ import annotations

import atexit
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import cpu_count
from typing import Any, ClassVar

from atlas_fast.visible import visible

__all__ = [
    "ThreadPoolManager", "WorkerPool", "WorkerThread", "get_thread_pool_manager", "worker_pool",
]  # fmt: skip

Work = Callable[[Any], Any]


def _called(task: Any) -> Any:
    """What a worker does without a function: the task is called, if it can be."""
    return task() if callable(task) else task


class WorkerThread(threading.Thread):
    """Takes tasks from a queue until a None comes; what a task raises is counted, and printed on
    stderr."""

    def __init__(
        self,
        name: str,
        task_queue: queue.Queue[Any],
        stats: dict[str, Any],
        stats_lock: threading.Lock,
        worker_function: Work | None = None,
    ):
        super().__init__(name=name, daemon=True)
        self.task_queue = task_queue
        self.stats = stats
        self.stats_lock = stats_lock
        self.worker_function = worker_function or _called

    def run(self) -> None:
        while True:
            task = self.task_queue.get()
            try:
                if task is None:
                    return
                self._work(task)
            finally:
                self.task_queue.task_done()

    def _work(self, task: Any) -> None:
        begin, failed = time.perf_counter(), 0
        try:
            self.worker_function(task)
        except Exception as error:  # the caller's own code: one task does not end the pool
            print(visible(f"{self.name}: {type(error).__name__}: {error}"), file=sys.stderr)
            failed = 1
        with self.stats_lock:
            self.stats["tasks_failed" if failed else "tasks_completed"] += 1
            self.stats["total_processing_time"] += time.perf_counter() - begin
            if failed:
                errors = self.stats["worker_errors"]
                errors[self.name] = errors.get(self.name, 0) + 1


class WorkerPool:
    """`worker_count` threads behind a queue of at most `queue_size` tasks."""

    def __init__(
        self, name: str, worker_count: int, queue_size: int, worker_function: Work | None = None
    ):
        self.name = name
        self.worker_count = max(1, worker_count)
        self.queue_size = max(1, queue_size)
        self._tasks: queue.Queue[Any] = queue.Queue(self.queue_size)
        self._lock = threading.Lock()
        self._open = True
        self._stats: dict[str, Any] = {
            "tasks_submitted": 0, "tasks_completed": 0, "tasks_failed": 0,
            "total_processing_time": 0.0, "worker_errors": {},
        }  # fmt: skip
        self._workers = [
            WorkerThread(f"{name}-{i}", self._tasks, self._stats, self._lock, worker_function)
            for i in range(self.worker_count)
        ]
        for worker in self._workers:
            worker.start()

    def submit_task(self, task: Any, timeout: float | None = None) -> bool:
        """False when the pool is shut down, or full for `timeout` seconds (None: wait). None is no
        task: ValueError."""
        if task is None:
            raise ValueError("None is no task")
        if not self._open:
            return False
        try:
            self._tasks.put(task, timeout=timeout)
        except queue.Full:
            return False
        with self._lock:
            self._stats["tasks_submitted"] += 1
        return True

    def wait_completion(self, timeout: float | None = None) -> bool:
        """Has all been done within `timeout` seconds (None or 0: no limit)?"""
        deadline = time.monotonic() + timeout if timeout else None
        done = self._tasks.all_tasks_done
        with done:
            while self._tasks.unfinished_tasks:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                done.wait(left)
        return True

    def shutdown(self, wait: bool = True, timeout: float = 30) -> None:
        """Take no more tasks; with `wait` those that were taken are done first, for `timeout`
        seconds at most."""
        if not self._open:
            return
        self._open = False
        if wait:
            self.wait_completion(timeout)
        self._end()
        if wait:
            for worker in self._workers:
                worker.join(0.1)

    def _end(self) -> None:
        """A None for each worker, behind what was taken; where the queue has room for fewer, a
        thread waits for it. As the interpreter ends there is none, and the workers end with it."""
        left = len(self._workers)
        with suppress(queue.Full):
            while left:
                self._tasks.put_nowait(None)
                left -= 1
        if left:
            with suppress(RuntimeError):
                threading.Thread(target=self._put_nones, args=(left,), daemon=True).start()

    def _put_nones(self, n: int) -> None:
        for _ in range(n):
            self._tasks.put(None)

    def get_statistics(self) -> dict[str, Any]:
        """Counts, the mean time of a task in seconds, and failures by thread."""
        with self._lock:
            done = self._stats["tasks_completed"] + self._stats["tasks_failed"]
            return {
                "name": self.name,
                "worker_count": self.worker_count,
                "tasks_submitted": self._stats["tasks_submitted"],
                "tasks_completed": self._stats["tasks_completed"],
                "tasks_failed": self._stats["tasks_failed"],
                "tasks_pending": max(0, self._stats["tasks_submitted"] - done),
                "queue_size": self._tasks.qsize(),
                "avg_processing_time": self._stats["total_processing_time"] / max(1, done),
                "worker_errors": dict(self._stats["worker_errors"]),
            }


class ThreadPoolManager:
    """Pools by name; there is one manager in a program."""

    _instance: ClassVar[ThreadPoolManager | None] = None
    _lock = threading.Lock()
    _pools: dict[str, WorkerPool]

    def __new__(cls) -> ThreadPoolManager:
        with cls._lock:
            if cls._instance is None:
                cls._instance = super().__new__(cls)
                cls._instance._pools = {}
                atexit.register(cls._instance.shutdown_all)
            return cls._instance

    def __init__(self) -> None:
        pass

    def create_pool(
        self,
        pool_name: str,
        worker_count: int | None = None,
        queue_size: int = 1000,
        worker_function: Work | None = None,
    ) -> WorkerPool:
        """A pool of this name; the one that is there, if there is one."""
        with self._lock:
            if pool_name not in self._pools:
                count = worker_count or min(16, (cpu_count() or 1) * 2)
                self._pools[pool_name] = WorkerPool(pool_name, count, queue_size, worker_function)
            return self._pools[pool_name]

    def get_pool(self, pool_name: str) -> WorkerPool | None:
        return self._pools.get(pool_name)

    def shutdown_pool(self, pool_name: str) -> None:
        """Finish and forget a pool; an unknown name is nothing."""
        with self._lock:
            pool = self._pools.pop(pool_name, None)
        if pool is not None:
            pool.shutdown()

    def shutdown_all(self) -> None:
        for name in list(self._pools):
            self.shutdown_pool(name)

    def get_statistics(self) -> dict[str, dict[str, Any]]:
        """Statistics by name of the pool."""
        return {name: pool.get_statistics() for name, pool in list(self._pools.items())}


def get_thread_pool_manager() -> ThreadPoolManager:
    """The manager of the program."""
    return ThreadPoolManager()


@contextmanager
def worker_pool(name: str, worker_count: int | None = None) -> Iterator[WorkerPool]:
    """A pool whose tasks are called; shut down at the end."""
    manager = get_thread_pool_manager()
    try:
        yield manager.create_pool(name, worker_count)
    finally:
        manager.shutdown_pool(name)
