"""`BulletproofLogger`: a row for each decision about a message, and lines for people."""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import datetime
from enum import Enum
from typing import Any

from atlas_fast.compat.models.database import DB_FILE, DatabaseManager, db
from atlas_fast.store import actions
from atlas_fast.store.rows import clean

__all__ = ["BulletproofLogger", "LogCategory", "LogLevel", "bulletproof_logger", "logger",
           "write_log"]  # fmt: skip


class LogLevel(Enum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class LogCategory(Enum):
    SESSION = "SESSION"
    EMAIL = "EMAIL"
    DOMAIN = "DOMAIN"
    CONFIG = "CONFIG"
    ERROR = "ERROR"
    SYSTEM = "SYSTEM"
    CONNECTION = "CONNECTION"
    FOLDER = "FOLDER"
    PERFORMANCE = "PERFORMANCE"
    AUTH = "AUTH"


CAPS = {"sender": 500, "subject": 1000, "folder": 255, "reason": 1000, "category": 100, "uid": 100,
        "ml_method": 100, "domain": 255}  # fmt: skip
"""Characters of each text."""

GEOGRAPHY = (
    "sender_ip", "sender_country_code", "sender_country_name", "geographic_risk_score",
    "detection_method",
)  # fmt: skip


class BulletproofLogger:
    """Logs decisions into a database; threads may share it."""

    def __init__(self, db_path: str | None = None):
        self.db_path = DB_FILE if db_path is None else db_path
        self.current_session_id: int | None = None
        self.lock = threading.RLock()
        self.last_log_time = 0.0
        self._manager = db if db_path is None else DatabaseManager(db_path)

    def log_email_action(
        self,
        action: str,
        uid: str,
        sender: str,
        subject: str,
        folder: str = "",
        reason: str = "",
        category: str = "",
        confidence_score: float | None = None,
        ml_method: str = "",
        geo_data: Any = None,
        print_to_screen: bool = True,
        session_id: int | None = None,
    ) -> bool:
        """Store a decision; True when it is on disk, and only then.

        An action other than DELETED and PRESERVED is refused, with a line on stderr.
        """
        try:
            row = action_row(
                action, uid, sender, subject, folder, reason, category, confidence_score,
                ml_method, geo_data,
            )  # fmt: skip
            with self.lock:
                run = next(i for i in (session_id, self.current_session_id, 1) if i is not None)
                with self._manager.get_connection() as connection:
                    connection.execute("BEGIN IMMEDIATE")
                    actions.ensure_run(connection, run)
                    actions.add_many(connection, [row | {"session_id": run}])
                    connection.commit()
                self.last_log_time = time.time()
        except Exception as error:
            print(f"log_email_action: not stored: {error}", file=sys.stderr)
            return False
        if print_to_screen:
            print(f"{row['action']}: {row['sender_email']} | {row['subject']}")
        return True

    def get_recent_emails(
        self, limit: int = 100, action_filter: str | None = None
    ) -> list[dict[str, Any]]:
        """Whole rows, newest first; [] on an error."""
        action = action_filter.upper() if action_filter else None
        try:
            with self._manager.get_connection() as connection:
                return actions.newest(connection, limit, action)
        except Exception as error:
            print(f"get_recent_emails: {error}", file=sys.stderr)
            return []

    def set_session_id(self, session_id: int) -> None:
        self.current_session_id = session_id

    def set_session_context(self, session_id: int, account_id: int | None = None) -> bool:
        self.current_session_id = session_id
        return True

    def log_session_start(self, account_email: str, account_id: int, session_id: int) -> bool:
        return self.info(f"Session {session_id} started for {account_email}")

    def log_session_end(
        self, deleted: int, preserved: int, validated: int, elapsed_seconds: float
    ) -> bool:
        return self.info(
            f"Session ended: {deleted} deleted, {preserved} preserved, {validated} validated "
            f"in {elapsed_seconds:.1f}s"
        )

    def info(
        self, message: str, category: Any = None, metadata: Any = None,
        print_to_screen: bool = True,
    ) -> bool:  # fmt: skip
        return self.log(message, LogLevel.INFO, category, metadata, print_to_screen)

    def error(
        self, message: str, category: Any = None, metadata: Any = None,
        print_to_screen: bool = True,
    ) -> bool:  # fmt: skip
        return self.log(message, LogLevel.ERROR, category, metadata, print_to_screen)

    def warn(
        self, message: str, category: Any = None, metadata: Any = None,
        print_to_screen: bool = True,
    ) -> bool:  # fmt: skip
        return self.log(message, LogLevel.WARN, category, metadata, print_to_screen)

    def debug(
        self, message: str, category: Any = None, metadata: Any = None,
        print_to_screen: bool = False,
    ) -> bool:  # fmt: skip
        return self.log(message, LogLevel.DEBUG, category, metadata, print_to_screen)

    def log(
        self, message: str, level: Any = None, category: Any = None, metadata: Any = None,
        print_to_screen: bool = True,
    ) -> bool:  # fmt: skip
        """Print a line; nothing is stored."""
        if print_to_screen:
            name = level.value if isinstance(level, LogLevel) else level or LogLevel.INFO.value
            print(f"[{time.strftime('%H:%M:%S')}] {name}: {clean(str(message))}")
        return True


def action_row(
    action: str,
    uid: str,
    sender: str,
    subject: str,
    folder: str = "",
    reason: str = "",
    category: str = "",
    confidence_score: float | None = None,
    ml_method: str = "",
    geo_data: Any = None,
) -> dict[str, Any]:
    """The columns of a decision as they are stored; ValueError for an unknown action."""
    kind = str(action).upper().strip()
    if kind not in ("DELETED", "PRESERVED"):
        raise ValueError(f"unknown action {kind[:40]!r}")
    now = datetime.now()
    whole = {
        "action": kind, "uid": uid, "sender": sender, "subject": subject, "folder": folder,
        "reason": reason, "category": category, "confidence_score": confidence_score,
        "ml_method": ml_method, "timestamp": now.isoformat(),
    }  # fmt: skip

    def text(value: Any, cap: str, empty: str = "") -> str:
        return clean("" if value is None else str(value))[: CAPS[cap]] or empty

    stamp = now.strftime("%Y-%m-%d %H:%M:%S")
    score = None if confidence_score is None else float(confidence_score)
    sender_text = text(sender, "sender", "Unknown")
    return {
        "timestamp": stamp,
        "folder_name": text(folder, "folder"),
        "uid": text(uid, "uid"),
        "sender_email": sender_text,
        "sender_domain": _domain(sender_text),
        "subject": text(subject, "subject", "No Subject"),
        "action": kind,
        "reason": text(reason, "reason"),
        "category": text(category, "category"),
        "confidence_score": score,
        "ml_validation_method": text(ml_method, "ml_method"),
        "raw_data": json.dumps(whole, default=_plain),
        "created_at": stamp,
    } | {name: _geography(geo_data, name) for name in GEOGRAPHY}


def _domain(sender: str) -> str:
    """Behind the last `@`, up to `>`."""
    _, at, rest = sender.rpartition("@")
    return rest.partition(">")[0].strip()[: CAPS["domain"]] if at else ""


def _geography(data: Any, name: str) -> Any:
    value = data.get(name) if isinstance(data, dict) else getattr(data, name, None)
    if value is None:
        return None
    return float(value) if name == "geographic_risk_score" else clean(str(value))


def _plain(value: Any) -> Any:
    """What JSON does not hold: a number of NumPy as one of Python, anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)


bulletproof_logger = logger = BulletproofLogger()


def write_log(message: str, is_error: bool = False) -> None:
    """Print a line with the time."""
    bulletproof_logger.log(message, LogLevel.ERROR if is_error else LogLevel.INFO)
