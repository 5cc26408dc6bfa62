"""`BulkOperationManager`: queues of records, each written in one transaction.

Nothing that was queued is lost but by the end of the process: a flush that fails puts its records
back in their place and raises; the interpreter's regular exit flushes.
"""

from __future__ import annotations

import atexit
import json
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from atlas_fast.compat.models.database import DatabaseManager, db
from atlas_fast.compat.models.db_logger import action_row
from atlas_fast.errors import StoreError
from atlas_fast.store import actions, domains, flags

__all__ = [
    "BulkOperationManager", "bulk_insert_emails", "bulk_insert_flags", "bulk_upsert_domains",
    "get_bulk_manager",
]  # fmt: skip

Record = dict[str, Any]

EMAILS, DOMAINS, FLAGS, ANALYTICS = "processed_emails", "domains", "flags", "analytics"
QUEUES = (EMAILS, DOMAINS, FLAGS, ANALYTICS)


class BulkOperationManager:
    """Collects records and writes `batch_size` of a kind at once. Threads may share it.

    Raises ValueError when the size is below 1.
    """

    def __init__(self, db_manager: DatabaseManager, batch_size: int = 500):
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; at least 1 is needed")
        self.db_manager = db_manager
        self.batch_size = batch_size
        self._queues: dict[str, list[Record]] = {name: [] for name in QUEUES}
        self._total = 0
        self._adding = threading.Lock()  # held for moments, never while something is written
        self._writing = threading.RLock()  # keeps the batches of a queue in their order
        atexit.register(_flush_at_exit, weakref.ref(self))

    def add_email_record(self, email_data: Record) -> None:
        """Queue a message; a full queue is written by the caller that filled it."""
        self._add(EMAILS, email_data, self.flush_emails)

    def add_domain_record(self, domain_data: Record) -> None:
        """Queue a domain; KeyError without `domain`."""
        _ = domain_data["domain"]
        self._add(DOMAINS, domain_data, self.flush_domains)

    def add_flag_record(self, flag_data: Record) -> None:
        """Queue a flag; KeyError without `uid`, `folder_name` or `account_id`."""
        _ = flag_data["uid"], flag_data["folder_name"], flag_data["account_id"]
        self._add(FLAGS, flag_data, self.flush_flags)

    def _add(self, name: str, record: Record, flush: Callable[[], None]) -> None:
        with self._adding:
            self._queues[name].append(dict(record))
            self._total += name == EMAILS
            full = len(self._queues[name]) >= self.batch_size
        if full:
            flush()

    def flush_emails(self) -> None:
        """Write the queued messages. Raises StoreError, and keeps them, when that fails."""
        self._flush(EMAILS, lambda c, records: actions.add_many(c, [_message(r) for r in records]))

    def flush_domains(self) -> None:
        """Write the queued domains: occurrences are added up."""

        def write(connection: Any, records: list[Record]) -> None:
            for record in records:
                _count_domain(connection, record)

        self._flush(DOMAINS, write)

    def flush_flags(self) -> None:
        """Write the queued flags; a message's active flag is changed."""

        def write(connection: Any, records: list[Record]) -> None:
            for record in records:
                _put_flag(connection, record)

        self._flush(FLAGS, write)

    def flush_analytics(self) -> None:
        """Nothing to do: the summaries are kept with the messages."""

    def _flush(self, name: str, write: Callable[[Any, list[Record]], None]) -> None:
        with self._writing:
            with self._adding:
                records, self._queues[name] = self._queues[name], []
            if not records:
                return
            try:
                with self.db_manager.get_connection() as connection:
                    connection.execute("BEGIN IMMEDIATE")
                    write(connection, records)
                    connection.commit()
            except BaseException as error:
                with self._adding:
                    self._queues[name][:0] = records
                if isinstance(error, Exception):
                    raise StoreError(f"{len(records)} {name} stay queued: {error}") from error
                raise

    def flush_all(self) -> None:
        """Write all queues; the first error is raised when each was tried."""
        errors = []
        for flush in (self.flush_emails, self.flush_domains, self.flush_flags):
            try:
                flush()
            except StoreError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def get_queue_stats(self) -> dict[str, int]:
        """Records that wait, by kind, and how many messages were added in all."""
        with self._adding:
            waiting = {name: len(queue) for name, queue in self._queues.items()}
            return waiting | {"total_operations": self._total}

    @contextmanager
    def batch_context(self) -> Iterator[BulkOperationManager]:
        """Flushes at its end, also after an exception, which stays the one that is seen."""
        try:
            yield self
        except BaseException:
            try:
                self.flush_all()
            except StoreError as error:
                print(f"batch_context: {error}", file=sys.stderr)
            raise
        self.flush_all()


def _message(record: Record) -> Record:
    """The row of a queued message. What the table has no column for is in `raw_data`."""
    result = record.get("result")
    action = str(result).upper().strip()
    if action not in ("DELETED", "PRESERVED"):
        action = "DELETED" if result is True else "PRESERVED"
    row = action_row(
        action,
        record.get("uid", ""),
        record.get("sender", ""),
        record.get("subject", ""),
        record.get("folder_name", ""),
        "",
        record.get("predicted_category") or "",
        record.get("confidence", 0.0),
        record.get("method", "UNKNOWN"),
    )
    processed = record.get("processing_timestamp")
    if processed is not None:
        row["timestamp"] = str(processed).replace("T", " ")[:19]
    if record.get("sender_domain"):
        row["sender_domain"] = str(record["sender_domain"])[:255]
    row["raw_data"] = json.dumps(record, default=str)
    row["category_v2"] = record.get("result_4category")
    row["category_confidence_v2"] = record.get("confidence_4category", 0.0)
    row["subcategory"] = record.get("subcategory_4category")
    return row


def _count_domain(connection: Any, record: Record) -> None:
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    named = {"domain", "first_seen", "last_seen", "occurrences", "geo_risk_score"}
    rest = {name: value for name, value in record.items() if name not in named}
    domains.count_up(
        connection,
        str(record["domain"]).lower(),
        int(record.get("occurrences", 1)),
        first_seen=str(record.get("first_seen") or now),
        last_seen=str(record.get("last_seen") or now),
        risk=float(record.get("geo_risk_score") or 0.0),
        results=json.dumps(rest, default=str) if rest else None,
    )


def _put_flag(connection: Any, record: Record) -> None:
    flagged = record.get("flagged_at")
    flags.put(
        connection,
        str(record["uid"]),
        record["folder_name"],
        record["account_id"],
        str(record.get("flag_type", "preview")).upper(),
        reason=record.get("notes"),
        by="bulk",
        at=None if flagged is None else str(flagged),
    )


def _flush_at_exit(manager: weakref.ref[BulkOperationManager]) -> None:
    there = manager()
    if there is not None:
        there.flush_all()


_shared: BulkOperationManager | None = None
_sharing = threading.Lock()


def get_bulk_manager(
    db_manager: DatabaseManager | None = None, batch_size: int = 500
) -> BulkOperationManager:
    """The one manager of the process; arguments of later calls are ignored."""
    global _shared
    with _sharing:
        if _shared is None:
            _shared = BulkOperationManager(db_manager or db, batch_size)
        return _shared


def bulk_insert_emails(emails: list[Record], batch_size: int = 500) -> None:
    """Add all and flush."""
    with get_bulk_manager(batch_size=batch_size).batch_context() as manager:
        for email in emails:
            manager.add_email_record(email)


def bulk_upsert_domains(domains: list[Record], batch_size: int = 500) -> None:
    """Add all and flush."""
    with get_bulk_manager(batch_size=batch_size).batch_context() as manager:
        for domain in domains:
            manager.add_domain_record(domain)


def bulk_insert_flags(flags: list[Record], batch_size: int = 500) -> None:
    """Add all and flush."""
    with get_bulk_manager(batch_size=batch_size).batch_context() as manager:
        for flag in flags:
            manager.add_flag_record(flag)
