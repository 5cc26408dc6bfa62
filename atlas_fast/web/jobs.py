"""Runs over mail accounts that a page has started: one at a time for each account.

A job is a thread of the server. When the server is stopped in the middle of one, its row in
`sessions` keeps no end, and the next run finishes what the journal has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas_fast.errors import AtlasFastError

__all__ = ["Job", "Jobs"]

KEPT = 20


@dataclass(slots=True)
class Job:
    """`state` is `running`, `done` or `failed`; `messages` so far; `reports` of its folders.
    `finished` is set behind the last change."""

    account: str
    folders: Sequence[str]
    preview: bool
    state: str = "running"
    messages: int = 0
    error: str = ""
    reports: list[dict[str, Any]] = field(default_factory=list)
    finished: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def errors(self) -> int:
        return sum(int(report.get("errors", 0)) for report in self.reports)


class Jobs:
    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._lock = threading.Lock()

    def start(
        self, job: Job, work: Callable[[Job], list[dict[str, Any]]],
        ended: Callable[[], None] = lambda: None,
    ) -> bool:  # fmt: skip
        """Start `work` in a thread, which calls `ended` at its end; False when a job of the same
        account is running."""
        with self._lock:
            if any(one.account == job.account and one.state == "running" for one in self._jobs):
                return False
            self._jobs = [*self._jobs[-KEPT + 1 :], job]
        threading.Thread(
            target=self._run, args=(job, work, ended), daemon=True, name="account"
        ).start()
        return True

    def of(self, account: str) -> Job | None:
        """The newest job of an account."""
        with self._lock:
            return next((one for one in reversed(self._jobs) if one.account == account), None)

    @property
    def running(self) -> int:
        with self._lock:
            return sum(one.state == "running" for one in self._jobs)

    @staticmethod
    def _run(
        job: Job, work: Callable[[Job], list[dict[str, Any]]], ended: Callable[[], None]
    ) -> None:
        try:
            job.reports = work(job)
            job.state = "done"
        except AtlasFastError as error:
            job.error, job.state = str(error), "failed"
        except Exception as error:  # its text may hold what a server said: the kind is enough
            job.error, job.state = f"an unexpected {type(error).__name__}", "failed"
            raise
        finally:
            ended()
            job.finished.set()
