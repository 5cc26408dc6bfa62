"""One message with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.views.messages import MessageRow, rows_of
from atlas_fast.store.views.reader import StoreReader

__all__ = ["Message", "message"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its `row`, `columns` (all of the table), `details` (what the run kept in
    `raw_data`, {} where there is nothing), its run's account, user feedback newest first, its
    journal entry, and the ids of its neighbours in the list."""

    row: MessageRow
    columns: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    account_id: int | None = None
    account: str | None = None
    feedback: list[dict[str, Any]] = field(default_factory=list)
    journal: dict[str, Any] | None = None
    newer: int | None = None
    older: int | None = None


_FEEDBACK = (
    "id", "feedback_type", "original_classification", "user_classification", "confidence_rating",
    "user_comments", "timestamp", "processed",
)  # fmt: skip
_JOURNAL = (
    "id", "state", "target_folder", "decided_at", "sent_at", "finished_at", "note",
)  # fmt: skip


def message(reader: StoreReader, number: int) -> Message | None:
    """One message by its id, or None."""
    found = rows_of(reader, [number]) if 0 <= number < 1 << 63 else []
    if not found:
        return None
    row = found[0]
    names = [name for (_, name, *_) in reader.kept("columns", lambda: _table(reader))]
    values = reader.ask(f"SELECT {', '.join(names)} FROM {MESSAGES} WHERE id = ?", (number,))[0]
    columns = dict(zip(names, values, strict=True))
    columns["message_key"] = bytes(columns["message_key"] or b"").hex()
    account = reader.one(
        "SELECT a.id, a.email_address FROM sessions s JOIN accounts a ON a.id = s.account_id "
        "WHERE s.id = ?",
        (row.session_id,),
    )
    feedback = reader.ask(
        f"SELECT {', '.join(_FEEDBACK)} FROM user_feedback WHERE email_uid IN (?, ?) "
        "AND (email_uid <> ? OR COALESCE(session_id, ?) = ?) ORDER BY id DESC LIMIT 50",
        (f"internal_{number}", row.uid, row.uid, row.session_id, row.session_id),
    )
    return Message(
        row,
        columns,
        _details(columns["raw_data"]),
        account_id=account[0] if account else None,
        account=account[1] if account else None,
        feedback=[dict(zip(_FEEDBACK, one, strict=True)) for one in feedback],
        journal=_entry(reader, row, account[0] if account else None),
        newer=_neighbour(reader, "MIN(id)", ">", number),
        older=_neighbour(reader, "MAX(id)", "<", number),
    )


def _neighbour(reader: StoreReader, which: str, how: str, number: int) -> int | None:
    found = reader.ask(f"SELECT {which} FROM {MESSAGES} WHERE id {how} ?", (number,))
    return found[0][0]  # type: ignore[no-any-return]


def _table(reader: StoreReader) -> list[tuple[Any, ...]]:
    return reader.ask(f"SELECT * FROM pragma_table_info('{MESSAGES}')")


def _entry(reader: StoreReader, row: MessageRow, account: int | None) -> dict[str, Any] | None:
    uid = row.uid or ""
    if account is None or not (uid.isdecimal() and len(uid) <= 10):  # one of IMAP has 32 bits
        return None
    found = reader.one(
        f"SELECT {', '.join(_JOURNAL)} FROM imap_journal WHERE account_id = ? AND folder_name = ? "
        "AND uid = ? ORDER BY uidvalidity DESC LIMIT 1",
        (account, row.folder_name, int(row.uid or 0)),
    )
    return None if found is None else dict(zip(_JOURNAL, found, strict=True))


def _details(text: str | None) -> dict[str, Any]:
    """What the run kept of a message; {} where that is nothing, or no object of JSON."""
    try:
        found = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
