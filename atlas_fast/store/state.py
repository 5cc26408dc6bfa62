"""What an SQLite file is, looked at without changing it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from atlas_fast.store.schema import MESSAGES, REVISION, SCHEMA_VERSION

__all__ = ["State", "state_of"]


@dataclass(frozen=True, slots=True)
class State:
    """`kind` is `empty`, `store` (made or adopted by atlas_fast), `original` (by Atlas_Email) or
    `foreign`; `revision` that of a store; `version` the highest row of `schema_version`."""

    kind: str
    revision: str | None = None
    version: int | None = None

    @property
    def newer(self) -> bool:
        """Made by a later atlas_fast, or a later Atlas_Email, than this code knows."""
        if self.revision is not None and self.revision > REVISION:
            return True
        return self.version is not None and self.version > SCHEMA_VERSION

    @property
    def current(self) -> bool:
        return self.kind == "store" and self.revision == REVISION and not self.newer

    def refusal(self, path: str | Path) -> str:
        """One line for a file that cannot be used as a store as it is."""
        if self.newer:
            return (
                f"{path}: has schema version {self.version}, revision {self.revision}; this "
                f"version of atlas_fast knows {SCHEMA_VERSION}, revision {REVISION}: upgrade "
                "atlas_fast"
            )
        if self.kind == "store":
            return (
                f"{path}: is at revision {self.revision}, not {REVISION}; "
                f"bring it up to date with `atlas-fast db upgrade --store {path}`"
            )
        if self.kind == "original":
            return (
                f"{path}: is a database of Atlas_Email (schema version {self.version or 0}); "
                f"adopt it with `atlas-fast db upgrade --store {path}`, which keeps a backup"
            )
        return (
            f"{path}: is not a store of atlas_fast and was left as it is; "
            "choose another file with --store"
        )


def state_of(connection: sqlite3.Connection) -> State:
    """Recognise a database. Raises sqlite3.Error for what is none."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not names:
        return State("empty")
    version = revision = None
    if "schema_version" in names:
        version = connection.execute("SELECT MAX(version) FROM schema_version").fetchone()[0]
    if "alembic_version" in names:
        row = connection.execute("SELECT MAX(version_num) FROM alembic_version").fetchone()
        revision = row[0]
    columns = {row[1] for row in connection.execute(f"PRAGMA table_info({MESSAGES})")}
    if revision is not None:
        return State("store" if "first_state" in names else "foreign", revision, version)
    if "message_key" in columns:
        return State("foreign", None, version)  # neither the original's nor finished by us
    if {"schema_version", "accounts", "sessions"} <= names:
        return State("original", None, version)
    if {"action", "sender_email", "folder_name"} <= columns:
        return State("original", None, version)  # a file that only the original's logger made
    return State("foreign", None, version)
