"""What users say of messages: right, wrong, false positive, protect, flag; one or many at once.

Each request is one transaction through `PlainConnections`, whose triggers keep the summaries. What
is said is also feedback, from which `atlas-fast learn` makes the next model. A judged row has a
`validation_timestamp`; searches rely on that, as their index does not follow corrections.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from atlas_fast.errors import UsageError
from atlas_fast.limits import VIEW_IDS, VIEW_PAGE
from atlas_fast.store import feedback, flags
from atlas_fast.store.rows import OLD_CATEGORIES
from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.search import key
from atlas_fast.store.sqlite import local_now
from atlas_fast.store.views.messages import Filter, MessageRow, messages, rows_of
from atlas_fast.store.views.reader import StoreReader

__all__ = [
    "Category",
    "Change",
    "Outcome",
    "Queue",
    "alternatives",
    "change",
    "reclassify_rejected",
    "validation_categories",
    "validation_page",
    "validation_queue",
]

NEW_CATEGORIES = {old: new for new, old in OLD_CATEGORIES.items()}
NOT_SPAM = "Not Spam"

ORDER = (
    "Business Opportunity Spam", "Payment Scam", "Phishing", "Promotional Email", NOT_SPAM,
)  # fmt: skip
"""What a message may be instead, in the order in which it is proposed."""

FLAG_KINDS = (flags.PROTECT, flags.DELETE, flags.RESEARCH)
KINDS = (
    "right", "wrong", "false_positive", "next", "save", "protect", "unprotect", "flag", "unflag",
)  # fmt: skip

MAX_PAGE = 1_000
"""Numbered pages; beyond, a list goes on from key to key."""


@dataclass(frozen=True, slots=True)
class Change:
    """What to do with messages: `kind` is one of

    - `right`: the verdict was right; `wrong`: it was not, and is `category` where that is given;
      `false_positive`: it is no spam; `next`: it was wrong, and is what comes next in ORDER;
    - `save`: it is no spam, and is protected, its sender too;
    - `protect`, `unprotect`: keep it, whatever is decided of it later;
    - `flag` with `flag` PROTECT, DELETE or RESEARCH, and `unflag`.
    Raises UsageError for anything else.
    """

    kind: str
    category: str | None = None
    flag: str | None = None
    comment: str | None = None
    by: str = "user"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"{self.kind}: one of {', '.join(KINDS)} is needed")
        if self.kind == "flag" and self.flag not in FLAG_KINDS:
            raise UsageError(f"flag: one of {', '.join(FLAG_KINDS)} is needed")
        if self.category is not None and self.category not in (*NEW_CATEGORIES, *OLD_CATEGORIES):
            raise UsageError(f"category: one of {', '.join(NEW_CATEGORIES)} is needed")


@dataclass(slots=True)
class Outcome:
    """What came of a change: `done` messages by id with their category after it, ids that are
    `missing`, and `failed` ones with the reason."""

    done: dict[int, str | None] = field(default_factory=dict)
    missing: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """Messages to be judged, newest first; `next` is the key of those behind. `waiting`: how many
    there are, None where nobody counted; `more`: there are more than that."""

    rows: list[MessageRow]
    next: int | None
    waiting: int | None
    more: bool
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Category:
    """Deleted mail of a category: all of it, and what no user has judged."""

    category: str
    total: int
    unjudged: int


def validation_queue(
    reader: StoreReader, category: str | None = None, after: int | None = None, limit: int = 20
) -> Queue:
    """Verdicts with less than 70 % confidence that nobody has judged."""
    wanted = Filter(category=category, uncertain=True, judged=False)
    page = messages(reader, wanted, after, min(limit, VIEW_PAGE), count=False)
    waiting, more = None, False
    if after is None:
        counted = messages(reader, Filter(category=category, uncertain=True), limit=1)
        waiting, more = counted.count, counted.more
    return Queue(page.rows, page.next, waiting, more, page.complete)


def validation_categories(reader: StoreReader) -> list[Category]:
    """Categories of deleted mail, those with the most unjudged messages first."""
    return reader.kept("validation", lambda: _validation_categories(reader))


def _validation_categories(reader: StoreReader) -> list[Category]:
    totals = reader.ask(
        "SELECT category, SUM(n) FROM summary_days WHERE action = 'DELETED' "
        "GROUP BY 1 HAVING SUM(n) > 0"
    )
    judged = dict(
        reader.ask(
            f"SELECT category, COUNT(*) FROM {MESSAGES} INDEXED BY idx_{MESSAGES}_judged "
            "WHERE validation_timestamp IS NOT NULL AND action = 'DELETED' "
            "AND COALESCE(user_validated, 0) <> 0 GROUP BY 1"
        )
    )
    made = [Category(name, n, max(0, n - judged.get(name, 0))) for name, n in totals]
    return sorted(made, key=lambda one: (-one.unjudged, one.category))


def validation_page(
    reader: StoreReader, category: str, page: int, each: int = 10
) -> tuple[list[MessageRow], int]:
    """A numbered page of the deleted mail of a category, newest first, and how many there are.

    With a search index a page lacks rows whose category was corrected since they were indexed.
    Raises UsageError beyond page MAX_PAGE; TooLong without an index where they are rare.
    """
    if not 1 <= page <= MAX_PAGE:
        raise UsageError(f"page: a number from 1 to {MAX_PAGE} is needed")
    total = reader.ask(
        "SELECT COALESCE(SUM(n), 0) FROM summary_days WHERE category = ? AND action = 'DELETED'",
        (category,),
    )[0][0]
    if (page - 1) * each >= total:
        return [], total
    skipped = (page - 1) * each
    if reader.searching():
        found = reader.ask(
            "SELECT -rowid FROM search.words WHERE words MATCH ? ORDER BY rowid LIMIT ? OFFSET ?",
            (f'"{key("k", category)}" AND "{key("a", "DELETED")}"', each, skipped),
        )
    else:
        found = reader.ask(
            f"SELECT id FROM {MESSAGES} WHERE category = ? AND action = 'DELETED' "
            "ORDER BY id DESC LIMIT ? OFFSET ?",
            (category, each, skipped),
        )
    rows = rows_of(reader, [number for (number,) in found])
    return [row for row in rows if row.category == category], total


def alternatives(current: str | None, rejected: Sequence[str] = ()) -> list[str]:
    """Categories of the original that a message may be instead, the likeliest first."""
    return [name for name in ORDER if name != current and name not in rejected]


def change(
    connection: sqlite3.Connection, reader: StoreReader, ids: Sequence[int], what: Change
) -> Outcome:
    """Do it to all of these messages, in one transaction of a connection of `PlainConnections`; of
    one that fails nothing is kept. Raises UsageError for more than VIEW_IDS of them, and
    sqlite3.Error when nothing was done."""
    unique = list(dict.fromkeys(ids))
    if not 1 <= len(unique) <= VIEW_IDS:
        raise UsageError(f"ids: from 1 to {VIEW_IDS} messages at once")
    rows = {row.id: row for row in rows_of(reader, [one for one in unique if 0 <= one < 1 << 63])}
    made = Outcome(missing=[one for one in unique if one not in rows])
    connection.execute("BEGIN IMMEDIATE")
    for number in unique:
        row = rows.get(number)
        if row is None:
            continue
        connection.execute("SAVEPOINT one")
        try:
            made.done[number] = _DO[what.kind](connection, row, what)
        except UsageError as error:
            connection.execute("ROLLBACK TO one")
            made.failed[number] = str(error)
        connection.execute("RELEASE one")
    connection.commit()
    reader.forget()
    return made


def reclassify_rejected(
    do: Callable[[Sequence[int], Change], Outcome], reader: StoreReader
) -> tuple[int, dict[str, int]]:
    """Give every message that users rejected its next category: how many were rejected, and how
    many became what. `do` changes at most VIEW_IDS messages."""
    ids = [
        number
        for (number,) in reader.ask(
            f"SELECT id FROM {MESSAGES} INDEXED BY idx_{MESSAGES}_judged "
            "WHERE validation_timestamp IS NOT NULL AND user_validated = -1 ORDER BY +id"
        )
    ]
    made: dict[str, int] = {}
    for start in range(0, len(ids), VIEW_IDS):
        some = ids[start : start + VIEW_IDS]
        before = {row.id: row.category for row in rows_of(reader, some)}
        for number, category in do(some, Change("next")).done.items():
            if category is not None and category != before.get(number):
                made[category] = made.get(category, 0) + 1
    return len(ids), made


def _right(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    _mark(connection, row, 1)
    _say(connection, row, "correct", row.category, what)
    return row.category


def _wrong(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    if what.category is None:
        _mark(connection, row, -1)
        _say(connection, row, "incorrect", None, what)
        return row.category
    category = OLD_CATEGORIES.get(what.category, what.category)
    _mark(connection, row, 1)
    _rename(connection, row, category, None)
    _say(connection, row, "incorrect", category, what)
    return category


def _false_positive(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    _mark(connection, row, 1)
    _rename(connection, row, NOT_SPAM, None)
    _say(connection, row, "false_positive", NOT_SPAM, what)
    return NOT_SPAM


PROPOSED = {"Phishing": 85.0, "Promotional Email": 60.0}
"""Confidence of a category that was only proposed, percent; 75 for the others."""


def _next(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    """The next of ORDER that no user has rejected for this message; -1 where none is left."""
    rejected = {
        name
        for (name,) in connection.execute(
            "SELECT original_classification FROM user_feedback WHERE email_uid = ? "
            "AND feedback_type = 'incorrect'",
            (f"internal_{row.id}",),
        )
    }
    left = alternatives(row.category, tuple(rejected))
    _say(connection, row, "incorrect", left[0] if left else None, what)
    if not left:
        _mark(connection, row, -1)
        return row.category
    _mark(connection, row, 0)
    _rename(connection, row, left[0], PROPOSED.get(left[0], 75.0))
    return left[0]


def _protect(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    connection.execute(
        f"UPDATE {MESSAGES} SET user_protected = 1, protection_date = ?, protection_reason = ?, "
        "validation_timestamp = COALESCE(validation_timestamp, ?) WHERE id = ?",
        (local_now(), what.comment, local_now(), row.id),
    )
    return _put(connection, row, flags.PROTECT, what)


def _save(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    _mark(connection, row, 1)
    _rename(connection, row, NOT_SPAM, 95.0)
    _say(connection, row, "false_positive", NOT_SPAM, what)
    _protect(connection, row, what)
    connection.execute(
        "INSERT INTO protected_patterns (pattern_type, pattern_value, confidence_score, "
        "source_email_id, notes) SELECT 'sender', ?, 0.9, ?, 'from a saved message' "
        "WHERE NOT EXISTS (SELECT 1 FROM protected_patterns WHERE pattern_type = 'sender' "
        "AND pattern_value = ?)",
        (row.sender_email.lower(), row.id, row.sender_email.lower()),
    )
    return NOT_SPAM


def _unprotect(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    connection.execute(
        f"UPDATE {MESSAGES} SET user_protected = 0, protection_date = NULL, "
        "protection_reason = NULL WHERE id = ?",
        (row.id,),
    )
    return _unflag(connection, row, what)


def _flag(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    assert what.flag is not None
    return _put(connection, row, what.flag, what)


def _unflag(connection: sqlite3.Connection, row: MessageRow, what: Change) -> str | None:
    flags.drop(connection, str(row.uid), str(row.folder_name), _account(connection, row))
    return row.category


_DO = {
    "right": _right, "wrong": _wrong, "false_positive": _false_positive, "next": _next,
    "save": _save, "protect": _protect, "unprotect": _unprotect, "flag": _flag, "unflag": _unflag,
}  # fmt: skip


def _put(connection: sqlite3.Connection, row: MessageRow, kind: str, what: Change) -> str | None:
    account = _account(connection, row)
    if kind == flags.DELETE:
        flags.same_folder(connection, str(row.folder_name), account, row.timestamp)
    flags.put(
        connection, str(row.uid), str(row.folder_name), account, kind,
        session=row.session_id, sender=row.sender_email, subject=row.subject, reason=what.comment,
        by=what.by,
    )  # fmt: skip
    return row.category


def _account(connection: sqlite3.Connection, row: MessageRow) -> int:
    if row.uid is None or row.folder_name is None:
        raise UsageError("this row does not say where its message is")
    found = connection.execute(
        "SELECT account_id FROM sessions WHERE id = ?", (row.session_id,)
    ).fetchone()
    if found is None:
        raise UsageError("the run of this row is gone, and with it its account")
    return int(found[0])


def _mark(connection: sqlite3.Connection, row: MessageRow, validated: int) -> None:
    connection.execute(
        f"UPDATE {MESSAGES} SET user_validated = ?, validation_timestamp = ? WHERE id = ?",
        (validated, local_now(), row.id),
    )


def _rename(
    connection: sqlite3.Connection, row: MessageRow, category: str, percent: float | None
) -> None:
    """Another category, under both names; the confidence only where one is given."""
    connection.execute(
        f"UPDATE {MESSAGES} SET category = ?, category_v2 = ?, "
        "confidence_score = COALESCE(?, confidence_score) WHERE id = ?",
        (category, NEW_CATEGORIES.get(category, row.category_v2), percent, row.id),
    )


def _say(
    connection: sqlite3.Connection, row: MessageRow, kind: str, user: str | None, what: Change
) -> int:
    """A row of feedback; `internal_ID` is the one name that no other message has."""
    values: dict[str, Any] = {
        "email_uid": f"internal_{row.id}", "session_id": row.session_id,
        "sender": row.sender_email, "subject": row.subject,
        "original_classification": row.category or "Unknown", "user_classification": user,
        "feedback_type": kind, "user_comments": what.comment,
    }  # fmt: skip
    return feedback.add(connection, values)
