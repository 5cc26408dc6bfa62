"""`DatabaseManager`: plain SQL, flags, feedback and the list of trusted senders.

Signatures and answers are the original's; where its answer was wrong or unsafe, the difference
stands in docs/compatibility.md.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from atlas_fast.store import SqliteStore, actions, domains, feedback, flags
from atlas_fast.store.plain import PlainConnections
from atlas_fast.store.schema import MESSAGES

__all__ = ["DB_FILE", "DB_VERSION", "DatabaseManager", "db"]

DB_FILE = os.environ.get("ATLAS_EMAIL_DB_PATH") or str(Path("data", "mail_filter.db"))
"""Where the database is unless a caller says so: below the folder that the program runs in."""

DB_VERSION = 5
"""The original's version; a store of atlas_fast says a higher one, which its code leaves alone."""

SCHEMA_VERSION_TABLE = "schema_version"

T = TypeVar("T")

COUNTED = (
    "accounts", "sessions", MESSAGES, "domains", "spam_categories", "logs", "configurations",
    "filter_terms",
)  # fmt: skip

ACTION_DEFAULTS = {
    "folder_name": "Unknown Folder", "uid": "Unknown UID", "sender_domain": "", "reason": "",
    "category": "Unknown", "confidence_score": 0.0, "ml_validation_method": "Unknown",
    "raw_data": "",
}  # fmt: skip
ACTION_COLUMNS = (
    "id", "timestamp", "session_id", "folder_name", "uid", "sender_email", "sender_domain",
    "subject", "action", "reason", "category", "confidence_score", "ml_validation_method",
    "raw_data", "created_at",
)  # fmt: skip
ACTION_CONSTANTS: dict[str, Any] = {
    "reviewed": 0, "user_validated": 0, "validation_timestamp": None, "user_protected": 0,
    "protection_date": None, "protection_reason": None,
}  # fmt: skip


def _validate_table_name(table_name: str) -> str:
    """The name, if it is a plain identifier; ValueError otherwise."""
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", table_name):
        raise ValueError(f"Invalid table name: {table_name!r}")
    return table_name


class DatabaseManager:
    """The database of one path. It may be shared by threads: each has a connection of its own.

    A file that cannot be used raises StoreError, and is never deleted.
    """

    def __init__(self, db_path: str = DB_FILE):
        self.db_path = db_path
        self._lock = threading.Lock()
        self._lent: PlainConnections | None = None
        self._connections()

    def _connections(self) -> PlainConnections:
        with self._lock:
            if self._lent is None:
                self._lent = PlainConnections(self.db_path)
            return self._lent

    def get_connection(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection whose rows go by name; what is not committed at the end is rolled back."""
        return self._connections().lend()

    @contextmanager
    def store(self) -> Iterator[SqliteStore]:
        """The engine's store over the same file."""
        with closing(SqliteStore(self._connections().path)) as store:
            yield store

    def close_connection(self) -> None:
        """Close this thread's connection; the next call opens another."""
        self._connections().close()

    def execute_query(self, query: str, params: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """All rows of a query. A change sent this way is committed."""
        with self.get_connection() as connection:
            rows = connection.execute(query, params).fetchall()
            connection.commit()
            return rows

    def execute_update(self, query: str, params: tuple[Any, ...] = ()) -> int:
        """How many rows a change took."""
        with self.get_connection() as connection:
            cursor = connection.execute(query, params)
            connection.commit()
            return cursor.rowcount

    def execute_insert(self, query: str, params: tuple[Any, ...] = ()) -> int:
        """The id of the new row."""
        with self.get_connection() as connection:
            cursor = connection.execute(query, params)
            connection.commit()
            return cursor.lastrowid or 0

    def get_database_stats(self) -> dict[str, Any]:
        """Row counts, the file's size, and activity of the last day and week."""
        with self.get_connection() as connection:

            def number(query: str) -> int:
                return int(connection.execute(query).fetchone()[0] or 0)

            found: dict[str, Any] = {
                f"{table}_count": number(
                    "SELECT SUM(n) FROM summary_hours"
                    if table == MESSAGES
                    else f"SELECT COUNT(*) FROM {table}"
                )
                for table in COUNTED
            }
            found["db_size_mb"] = round(os.path.getsize(self._connections().path) / (1 << 20), 2)
            found["logs_last_24h"] = number(
                "SELECT COUNT(*) FROM logs WHERE timestamp >= datetime('now', '-1 day')"
            )
            found["sessions_last_7d"] = number(
                "SELECT COUNT(*) FROM sessions WHERE start_time >= datetime('now', '-7 days')"
            )
            return found

    def _change(self, what: str, otherwise: T, do: Callable[[sqlite3.Connection], T]) -> T:
        """Run and commit; on any error print it and give the neutral answer."""
        try:
            with self.get_connection() as connection:
                answer = do(connection)
                connection.commit()
                return answer
        except Exception as error:
            print(f"{what}: {error}", file=sys.stderr)
            return otherwise

    # Trusted senders

    def add_to_whitelist(self, email_or_domain: str, notes: str = "Manually whitelisted") -> bool:
        """Trust an address or a domain."""

        def do(connection: sqlite3.Connection) -> bool:
            domains.trust(connection, email_or_domain.lower(), notes)
            return True

        return self._change("add_to_whitelist", False, do)

    def remove_from_whitelist(self, email_or_domain: str) -> bool:
        """Trust it no longer; True also when it was not on the list."""

        def do(connection: sqlite3.Connection) -> bool:
            domains.untrust(connection, email_or_domain.lower())
            return True

        return self._change("remove_from_whitelist", False, do)

    def get_whitelisted_addresses(self) -> list[dict[str, Any]]:
        return self._change("get_whitelisted_addresses", [], domains.trusted)

    # Feedback

    def store_user_feedback(
        self,
        email_uid: str,
        feedback_type: str,
        original_classification: str,
        user_classification: str | None = None,
        session_id: int | None = None,
        sender: str | None = None,
        subject: str | None = None,
        user_ip: str | None = None,
        account_email: str | None = None,
        confidence_rating: int | None = None,
        user_comments: str | None = None,
    ) -> int:
        """The id of the new row; raises sqlite3.Error."""
        given = locals()
        with self.get_connection() as connection:
            added = feedback.add(connection, {name: given[name] for name in feedback.COLUMNS})
            connection.commit()
            return added

    def get_feedback_stats(self) -> dict[str, Any]:
        with self.get_connection() as connection:
            return feedback.stats(connection)

    def get_feedback_for_training(
        self, limit: int = 1000, processed: bool = False
    ) -> list[dict[str, Any]]:
        with self.get_connection() as connection:
            return feedback.for_training(connection, limit, processed)

    def mark_feedback_processed(self, feedback_ids: list[int]) -> None:
        """ValueError for an id that is no positive integer."""
        for one in feedback_ids:
            if not isinstance(one, int) or isinstance(one, bool) or one <= 0:
                raise ValueError(f"Invalid feedback id: {one!r}")
        with self.get_connection() as connection:
            feedback.mark_processed(connection, feedback_ids)
            connection.commit()

    # Flags

    def flag_email_for_protection(
        self,
        email_uid: str,
        folder_name: str,
        account_id: int,
        session_id: int | None = None,
        sender_email: str | None = None,
        subject: str | None = None,
        flag_reason: str | None = None,
        created_by: str = "user",
    ) -> bool:
        """Protect a message; a flag for deletion gives way."""
        return self._flag(
            flags.PROTECT, email_uid, folder_name, account_id, session_id, sender_email, subject,
            flag_reason, created_by,
        )  # fmt: skip

    def flag_email_for_deletion(
        self,
        email_uid: str,
        folder_name: str,
        account_id: int,
        session_id: int | None = None,
        sender_email: str | None = None,
        subject: str | None = None,
        flag_reason: str | None = None,
        created_by: str = "user",
    ) -> bool:
        """Mark a message for deletion; another flag is changed."""
        return self._flag(
            flags.DELETE, email_uid, folder_name, account_id, session_id, sender_email, subject,
            flag_reason or "User requested deletion", created_by,
        )  # fmt: skip

    def flag_email_for_research(
        self,
        email_uid: str,
        folder_name: str,
        account_id: int,
        session_id: int | None = None,
        sender_email: str | None = None,
        subject: str | None = None,
        flag_reason: str | None = None,
        created_by: str = "user",
    ) -> bool:
        """Mark a message for a closer look; False when it has another flag."""
        return self._flag(
            flags.RESEARCH, email_uid, folder_name, account_id, session_id, sender_email, subject,
            flag_reason, created_by,
        )  # fmt: skip

    def _flag(
        self,
        kind: str,
        uid: str,
        folder: str,
        account: int,
        session: int | None,
        sender: str | None,
        subject: str | None,
        reason: str | None,
        by: str,
    ) -> bool:
        def do(connection: sqlite3.Connection) -> bool:
            connection.execute("BEGIN IMMEDIATE")
            return flags.ask_for(
                connection, str(uid), folder, account, kind,
                session=session, sender=sender, subject=subject, reason=reason, by=by,
            )  # fmt: skip

        return self._change(f"flag {kind}", False, do)

    def unflag_email(self, email_uid: str, folder_name: str, account_id: int) -> bool:
        """Take the flag away, of whatever type; False when there is none."""
        return self._change(
            "unflag_email",
            False,
            lambda connection: flags.drop(connection, str(email_uid), folder_name, account_id),
        )

    def is_email_flagged(self, email_uid: str, folder_name: str, account_id: int) -> bool:
        """Is it protected, or to be looked into? True on an error: a message of which nothing is
        known is not to be deleted."""
        try:
            with self.get_connection() as connection:
                there = flags.active(connection, str(email_uid), folder_name, account_id)
        except Exception as error:
            print(f"is_email_flagged: {error}", file=sys.stderr)
            return True
        return there in (flags.PROTECT, flags.RESEARCH)

    def is_email_flagged_for_deletion(
        self, email_uid: str, folder_name: str, account_id: int
    ) -> bool:
        """False on an error."""
        return self.get_email_flag_type(email_uid, folder_name, account_id) == flags.DELETE

    def get_email_flag_type(self, email_uid: str, folder_name: str, account_id: int) -> str | None:
        """None on an error."""
        return self._change(
            "get_email_flag_type",
            None,
            lambda connection: flags.active(connection, str(email_uid), folder_name, account_id),
        )

    def get_flagged_emails(
        self, account_id: int | None = None, limit: int = 100, flag_type: str | None = None
    ) -> list[dict[str, Any]]:
        """Active flags, newest first; [] on an error."""
        return self._change(
            "get_flagged_emails",
            [],
            lambda connection: flags.found(connection, account_id, limit, flag_type),
        )

    def get_flagged_count(self, account_id: int | None = None, flag_type: str | None = None) -> int:
        """0 on an error."""
        return self._change(
            "get_flagged_count",
            0,
            lambda connection: flags.count(connection, account_id, flag_type),
        )

    def get_research_flagged_emails_for_investigation(
        self, limit: int = 50
    ) -> list[dict[str, Any]]:
        return self.get_flagged_emails(None, limit, flags.RESEARCH)

    # Message rows

    def cleanup_duplicates(self) -> int:
        """Of rows with the same account, folder and uid keep the newest; 0 on an error."""
        return self._change("cleanup_duplicates", 0, actions.drop_duplicates)

    def get_session_email_actions(
        self, limit: int = 100, action_filter: str | None = None
    ) -> list[dict[str, Any]]:
        """Message rows of all runs, newest first; what is NULL has the original's words."""
        none: list[dict[str, Any]] = []
        rows = self._change(
            "get_session_email_actions",
            none,
            lambda connection: actions.newest(connection, limit, action_filter),
        )
        return [
            {
                name: ACTION_DEFAULTS.get(name) if row[name] is None else row[name]
                for name in ACTION_COLUMNS
            }
            | ACTION_CONSTANTS
            for row in rows
        ]


def _opened_when_used(path: str) -> DatabaseManager:
    """A manager that opens nothing yet: an import makes no file."""
    manager = DatabaseManager.__new__(DatabaseManager)
    manager.db_path = path
    manager._lock = threading.Lock()
    manager._lent = None
    return manager


db = _opened_when_used(DB_FILE)
