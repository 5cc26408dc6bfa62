"""Runs over mail accounts for routes: one account or all, and at times that a timer says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from atlas_fast.accounts import connect, count_folders
from atlas_fast.errors import AtlasFastError, UsageError
from atlas_fast.mailrun import Options
from atlas_fast.store.sql import LOCAL_PROVIDER
from atlas_fast.store.views import Account, accounts
from atlas_fast.web.jobs import Job
from atlas_fast.web.site import Site

__all__ = ["MAX_MINUTES", "BatchTimer", "account_of", "mail_accounts", "process", "test"]

INBOX = ["INBOX"]
MAX_MINUTES = 10_080
"""A week, as in the original."""


def mail_accounts(site: Site) -> list[Account]:
    """Accounts in use on servers."""
    return [one for one in accounts(site.reader) if one.active and one.provider != LOCAL_PROVIDER]


def account_of(site: Site, number: str) -> Account:
    """The account of an id. Raises UsageError."""
    for one in mail_accounts(site):
        if str(one.id) == number:
            return one
    raise UsageError("There is no such account")


def test(account: Account) -> list[str]:
    """Names of its folders. Raises ImapError, UsageError."""
    with connect(account.address, host=account.host or None, port=account.port or None) as mailbox:
        return [name for name, n in count_folders(mailbox) if n is not None]


def process(site: Site, account: Account, *, preview: bool) -> dict[str, Any]:
    """A run over the folders of an account, in the original's keys; a real one deletes mail.

    Raises UsageError when another run of this server is over the same account.
    """
    folders = account.folders or INBOX
    job = Job(account.address, folders, preview)
    mailbox = connect(account.address, host=account.host or None, port=account.port or None)
    if not site.start(job, mailbox, Options(preview=preview)):
        raise UsageError(f"a run over {account.address} is going on already")
    job.finished.wait()
    if job.state == "failed":
        raise UsageError(job.error)
    return _told(site, account, folders, job.reports)


def _told(
    site: Site, account: Account, folders: list[str], reports: list[dict[str, Any]]
) -> dict[str, Any]:
    """One answer of the folders' reports; `success` False when a folder had errors."""
    newest = site.reader.one("SELECT MAX(id) FROM sessions WHERE account_id = ?", (account.id,))
    categories: dict[str, int] = {}
    for report in reports:
        for name, entry in report["categories"].items():
            categories[name] = categories.get(name, 0) + entry["count"]
    problems = [text for report in reports for text in report["problems"]]
    deleted = sum(r["chosen"] if r["preview"] else r["removed"] for r in reports)
    return {
        "success": not any(report["errors"] for report in reports),
        "account_email": account.address,
        "session_id": newest[0] if newest else None,
        "total_deleted": deleted,
        "total_preserved": sum(report["preserved"] for report in reports),
        "total_validated": sum(report["validated"] for report in reports),
        "total_legitimate": sum(report["legitimate"] for report in reports),
        "categories": categories,
        "folders_processed": folders,
        "message": problems[0] if problems else f"{deleted} messages",
        "database_account_id": account.id,
    }


@dataclass(slots=True)
class BatchTimer:
    """Runs over all accounts every `minutes`, or once; one at a time, in a thread of its own.

    Nothing of it outlives the server.
    """

    run: Callable[[], Any]
    minutes: int = 30
    repeat: bool = False
    executions: int = 0
    _stop: threading.Event | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def active(self) -> bool:
        return self._stop is not None

    def set(self, minutes: int, repeat: bool) -> None:
        """How long to wait; a timer that runs goes on as it was started. Raises UsageError."""
        if not 1 <= minutes <= MAX_MINUTES:
            raise UsageError(f"minutes: a number from 1 to {MAX_MINUTES} is needed")
        self.minutes, self.repeat = minutes, repeat

    def start(self) -> bool:
        """False when it is running."""
        with self._lock:
            if self._stop is not None:
                return False
            stop = self._stop = threading.Event()
        wait, repeat = self.minutes * 60.0, self.repeat
        threading.Thread(
            target=self._work, args=(stop, wait, repeat), name="timer", daemon=True
        ).start()
        return True

    def stop(self) -> bool:
        """False when it is not running; a run that has begun goes on to its end."""
        with self._lock:
            stop, self._stop = self._stop, None
        if stop is not None:
            stop.set()
        return stop is not None

    def _work(self, stop: threading.Event, wait: float, repeat: bool) -> None:
        while not stop.wait(wait):
            self.executions += 1
            with suppress(AtlasFastError):  # each account's job has its error
                self.run()
            if not repeat:
                break
        with self._lock:
            if self._stop is stop:
                self._stop = None
