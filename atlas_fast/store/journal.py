"""Accounts on IMAP servers, and the journal of what is deleted there.

A message that is to go gets a journal row first (`decided`); `sent` is committed before a command
is sent, the outcome behind it, together with the message's row of the message table. So whatever
dies in between, the journal has the message, and the next run asks the server what became of it.

States: `proposed` waits for the user's yes; `decided`, `sent`, `copied` and `flagged` are open;
`deleted`, `moved`, `gone` (somebody else removed it), `protected`, `failed`, `void` (UIDVALIDITY
changed) and `restored` are final.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import repeat
from typing import Any

from atlas_fast.store.base import Run
from atlas_fast.store.rows import block_of, clean
from atlas_fast.store.sql import SqlStore
from atlas_fast.store.sqlite import local_now

__all__ = [
    "Account", "Journal", "Moved", "Open", "account_of", "begin_imap_run", "change_account",
    "key_variant", "note_restored", "note_validated", "open_account", "quarantined", "run_of",
]  # fmt: skip

OPEN = ("decided", "sent", "copied", "flagged")
REMOVED = ("deleted", "moved", "gone")
AT_ONCE = 500
"""UIDs of one statement."""

_OPEN = ", ".join(f"'{state}'" for state in OPEN)


@dataclass(frozen=True, slots=True)
class Account:
    """A row of `accounts`."""

    id: int
    address: str


@dataclass(frozen=True, slots=True)
class Open:
    """Decisions without an outcome, of one folder, UIDVALIDITY and target."""

    uidvalidity: int
    target: str | None
    uids: list[int]


@dataclass(frozen=True, slots=True)
class Moved:
    """A message in a quarantine folder: where it was, where it is as far as is known."""

    journal_id: int
    folder: str
    target: str
    target_uidvalidity: int | None
    target_uid: int | None
    message_id: str
    subject: str


def open_account(
    store: SqlStore, address: str, provider: str = "generic", host: str = "", port: int = 0
) -> Account:
    """The account of an address, made when it is not there. A password is never stored."""
    with store.transaction():
        store._execute(
            "INSERT INTO accounts (email_address, provider, host, port, encrypted_password) "
            "VALUES (?, ?, ?, ?, '') ON CONFLICT (email_address) DO NOTHING",
            (address, provider, host, port),
        )
        found = store._execute(
            "SELECT id FROM accounts WHERE email_address = ?", (address,)
        ).fetchall()
    return Account(found[0][0], address)


def change_account(
    store: SqlStore, account_id: int, *, folders: Sequence[str] | None = None, active: bool = True
) -> None:
    """Set whether an account is in use, and its folders where they are given."""
    with store.transaction():
        store._execute("UPDATE accounts SET is_active = ? WHERE id = ?", (active, account_id))
        if folders is not None:
            store._execute(
                "UPDATE accounts SET target_folders = ? WHERE id = ?",
                (json.dumps([clean(name) for name in folders]), account_id),
            )


def account_of(store: SqlStore, account_id: int) -> Account | None:
    """The account of an id, or None."""
    found = store._execute(
        "SELECT email_address FROM accounts WHERE id = ?", (account_id,)
    ).fetchall()
    return Account(account_id, found[0][0]) if found else None


def run_of(store: SqlStore, session_id: int) -> Run | None:
    """The run of an id, or None."""
    found = store._execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchall()
    return Run(session_id) if found else None


def note_validated(store: SqlStore, run: Run, number: int) -> None:
    """How many senders' domains a run looked at."""
    with store.transaction():
        store._execute(
            "UPDATE sessions SET total_validated = ? WHERE id = ?", (number, run.session_id)
        )


def begin_imap_run(
    store: SqlStore, account_id: int, folders: Sequence[str], *, preview: bool, kind: str = "manual"
) -> Run:
    """A row in `sessions`."""
    with store.transaction():
        found = store._execute(
            "INSERT INTO sessions (account_id, folders_processed, categories_summary, "
            "session_type, is_preview) VALUES (?, ?, '{}', ?, ?) RETURNING id",
            (account_id, json.dumps(list(folders)), kind, preview),
        ).fetchall()
    return Run(found[0][0])


def key_variant(key: bytes, what: str) -> bytes:
    """Key of another row about the same message: a preview, or a deletion."""
    order, size = key[:8], len(key) - 8
    return order + blake2b(key + what.encode(), digest_size=size).digest()


class Journal:
    """The journal of one folder, for one run. `counts` has the outcomes noted so far; of the
    messages' rows that they brought, `stored` were new and `known` were there.

    `suffix` is what the stored reason of a deletion ends in.
    """

    def __init__(
        self, store: SqlStore, run: Run, account: Account, folder: str, uidvalidity: int,
        suffix: str = "",
    ):  # fmt: skip
        self._store, self._run, self._account = store, run, account
        self.folder, self.uidvalidity, self.suffix = folder, uidvalidity, suffix
        self.counts: Counter[str] = Counter()
        self.stored = self.known = 0

    # -- deciding ----------------------------------------------------------------------------

    def see(self) -> bool:
        """Note the folder's UIDVALIDITY; False when it was another before.

        Flags name a UID only: those that ask for a deletion are then switched off, as the UID is
        another message's now. Protection stays.
        """
        with self._store.transaction():
            found = self._store._execute(
                "SELECT uidvalidity FROM imap_folders WHERE account_id = ? AND folder_name = ?",
                (self._account.id, clean(self.folder)),
            ).fetchall()
            same = not found or found[0][0] == self.uidvalidity
            if not same:
                self._store._execute(
                    "UPDATE email_flags SET is_active = FALSE WHERE account_id = ? AND "
                    "folder_name = ? AND is_active = TRUE AND flag_type = 'DELETE'",
                    (self._account.id, self.folder),
                )
            if not found or not same:
                self._store._execute(
                    "INSERT INTO imap_folders (account_id, folder_name, uidvalidity, seen_at) "
                    "VALUES (?, ?, ?, ?) ON CONFLICT (account_id, folder_name) DO UPDATE SET "
                    "uidvalidity = excluded.uidvalidity, seen_at = excluded.seen_at",
                    (self._account.id, clean(self.folder), self.uidvalidity, local_now()),
                )
        return same

    def flags(self) -> dict[int, str]:
        """Active user flags (PROTECT, RESEARCH, DELETE) by UID."""
        found = self._store._execute(
            "SELECT email_uid, flag_type FROM email_flags WHERE account_id = ? AND "
            "folder_name = ? AND is_active = TRUE",
            (self._account.id, self.folder),
        ).fetchall()
        return {int(uid): kind for uid, kind in found if str(uid).isdecimal()}

    def marked(self) -> list[int]:
        """UIDs that are flagged for deletion."""
        return [uid for uid, kind in self.flags().items() if kind == "DELETE"]

    def decide(
        self,
        rows: Iterable[tuple[int, str, dict[str, Any]]],
        target: str | None = None,
        *,
        proposed: bool = False,
    ) -> None:
        """Messages that are to go: UID, Message-ID, and their row of the message table.

        `proposed`: only once `confirm` was called; a later run does not finish it otherwise.
        """
        state = "proposed" if proposed else "decided"
        now = local_now()
        with self._store.transaction():
            self._store._executemany(
                "INSERT INTO imap_journal (session_id, account_id, folder_name, uidvalidity, uid, "
                "target_folder, state, message_id, decided_at, message_row) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (account_id, folder_name, uidvalidity, uid) DO UPDATE SET "
                "session_id = excluded.session_id, target_folder = excluded.target_folder, "
                "state = excluded.state, decided_at = excluded.decided_at, sent_at = NULL, "
                "finished_at = NULL, note = NULL, message_row = excluded.message_row "
                f"WHERE imap_journal.state NOT IN ({_OPEN})",
                (
                    (
                        self._run.session_id, self._account.id, clean(self.folder),
                        self.uidvalidity, uid, target, state, clean(message_id), now,
                        _packed(row),
                    )
                    for uid, message_id, row in rows
                ),
            )  # fmt: skip

    def open(self) -> list[Open]:
        """Decisions of this folder without an outcome, of this run and earlier ones."""
        found = self._store._execute(
            "SELECT uidvalidity, target_folder, uid FROM imap_journal WHERE account_id = ? AND "
            f"folder_name = ? AND state IN ({_OPEN}) ORDER BY id",
            (self._account.id, clean(self.folder)),
        ).fetchall()
        groups: dict[tuple[int, str | None], list[int]] = {}
        for uidvalidity, target, uid in found:
            groups.setdefault((uidvalidity, target), []).append(uid)
        return [Open(*key, uids) for key, uids in groups.items()]

    def confirm(self) -> None:
        """What this run proposed is decided."""
        with self._store.transaction():
            self._store._execute(
                "UPDATE imap_journal SET state = 'decided' WHERE session_id = ? AND "
                "account_id = ? AND folder_name = ? AND state = 'proposed'",
                (self._run.session_id, self._account.id, clean(self.folder)),
            )

    # -- the protocol of sources.imap.delete -------------------------------------------------

    def protected(self, uids: Sequence[int]) -> set[int]:
        """Those that an active flag PROTECT or RESEARCH is set for."""
        found: set[int] = set()
        for some in _slices(uids):
            found.update(
                int(uid)
                for (uid,) in self._store._execute(
                    "SELECT email_uid FROM email_flags WHERE account_id = ? AND folder_name = ? "
                    "AND is_active = TRUE AND flag_type IN ('PROTECT', 'RESEARCH') AND "
                    f"email_uid IN ({_marks(some)})",
                    (self._account.id, self.folder, *map(str, some)),
                ).fetchall()
            )
        return found

    def states(self, uids: Sequence[int]) -> dict[int, str]:
        return {uid: row[1] for uid, row in self._rows(uids).items()}

    def sent(self, uids: Sequence[int]) -> None:
        self._set("state = 'sent', sent_at = ?", (local_now(),), uids, "'decided', 'flagged'")

    def copied(self, uids: Sequence[int], moved: Any) -> None:
        with self._store.transaction():
            self._set("state = 'copied'", (), uids, _OPEN)
            self._note_target(moved)

    def outcome(self, state: str, uids: Sequence[int], note: str = "", moved: Any = None) -> None:
        """Note what became of them, with the rows that tell of it, in one transaction."""
        with self._store.transaction():
            rows = self._rows(uids)
            by_state: dict[str, list[int]] = {}
            for uid, (_, before, target, _) in rows.items():
                by_state.setdefault(_final(state, before, target), []).append(uid)
            written = []
            for final, some in by_state.items():
                self._set(
                    "state = ?, finished_at = ?, note = ?",
                    (final, local_now(), clean(note)[:500]), some, _OPEN,
                )  # fmt: skip
                written += [row for uid in some if (row := self._told(final, rows[uid][3], note))]
                self.counts[final] += len(some)
            self._note_target(moved)
            if written:
                stored = self._store.write(self._run, [self._block(written)])
                self.stored += stored
                self.known += len(written) - stored

    def _note_target(self, moved: Any) -> None:
        if moved is not None:
            self._store._executemany(
                "UPDATE imap_journal SET target_uidvalidity = ?, target_uid = ? WHERE "
                "account_id = ? AND folder_name = ? AND uidvalidity = ? AND uid = ?",
                (
                    (moved.uidvalidity, new, self._account.id, clean(self.folder),
                     self.uidvalidity, old)
                    for old, new in moved.uids.items()
                ),
            )  # fmt: skip

    def _rows(self, uids: Sequence[int]) -> dict[int, tuple[int, str, str | None, str]]:
        """id, state, target and message row of open entries, by UID."""
        found: dict[int, tuple[int, str, str | None, str]] = {}
        for some in _slices(uids):
            for uid, *rest in self._store._execute(
                "SELECT uid, id, state, target_folder, message_row FROM imap_journal WHERE "
                "account_id = ? AND folder_name = ? AND uidvalidity = ? AND "
                f"state IN ({_OPEN}) AND uid IN ({_marks(some)})",
                (self._account.id, clean(self.folder), self.uidvalidity, *some),
            ).fetchall():
                found[uid] = tuple(rest)  # type: ignore[assignment]
        return found

    def _set(self, what: str, values: Sequence[Any], uids: Sequence[int], states: str) -> None:
        with self._store.transaction():
            for some in _slices(uids):
                self._store._execute(
                    f"UPDATE imap_journal SET {what} WHERE account_id = ? AND folder_name = ? AND "
                    f"uidvalidity = ? AND state IN ({states}) AND uid IN ({_marks(some)})",
                    (*values, self._account.id, clean(self.folder), self.uidvalidity, *some),
                )

    def _told(self, state: str, packed: str, note: str) -> dict[str, Any] | None:
        """The row of the message table that an outcome adds, or None."""
        row = _unpacked(packed)
        if state in REMOVED:
            ends = {"gone": " [Already Deleted]", "moved": " [QUARANTINED]"}
            row["reason"] += ends.get(state, self.suffix)
            row["message_key"] = key_variant(row["message_key"], "DELETED")
        elif state in ("protected", "failed"):
            row["action"] = "PRESERVED"
            row["reason"] = (
                "Protected by user flag [FLAG_PROTECTED]"
                if state == "protected"
                else clean(f"Deletion failed: {note}")[:500]
            )
        else:
            return None
        return row

    def _block(self, rows: Sequence[dict[str, Any]]) -> Any:
        now = local_now()
        columns: dict[str, Any] = {
            "timestamp": repeat(now, len(rows)),
            "session_id": repeat(self._run.session_id, len(rows)),
            "created_at": repeat(now, len(rows)),
        }
        columns |= {name: [row[name] for row in rows] for name in rows[0]}
        return block_of(columns)


def _final(state: str, before: str, target: str | None) -> str:
    """`missing` is our own doing once a command was sent for it; what waits for its removal and
    has a copy stays `copied`, so that it is not copied again."""
    if state == "flagged" and target is not None:
        return "copied"
    if state != "missing":
        return state
    if before == "decided":
        return "gone"
    return "deleted" if target is None else "moved"


def _packed(row: dict[str, Any]) -> str:
    """A message row as JSON; its key as hexadecimal text."""
    return json.dumps(row | {"message_key": bytes(row["message_key"]).hex()})


def _unpacked(packed: str) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(packed)
    row["message_key"] = bytes.fromhex(row["message_key"])
    return row


def _slices(uids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (uids[start : start + AT_ONCE] for start in range(0, len(uids), AT_ONCE))


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


# -- quarantine ------------------------------------------------------------------------------


def quarantined(
    store: SqlStore, account: Account, folder: str | None = None, session_id: int | None = None
) -> list[Moved]:
    """Messages that were moved away, of one folder or run, or all; the oldest first."""
    query = (
        "SELECT id, folder_name, target_folder, target_uidvalidity, target_uid, message_id, "
        "message_row FROM imap_journal WHERE account_id = ? AND state = 'moved'"
    )
    values: list[Any] = [account.id]
    if folder is not None:
        query, values = query + " AND folder_name = ?", [*values, clean(folder)]
    if session_id is not None:
        query, values = query + " AND session_id = ?", [*values, session_id]
    found = store._execute(query + " ORDER BY id", values).fetchall()
    return [
        Moved(number, home, target, validity, uid, message_id or "", _unpacked(packed)["subject"])
        for number, home, target, validity, uid, message_id, packed in found
    ]


def note_restored(
    store: SqlStore, account: Account, moved: Sequence[Moved], new_uids: dict[int, int]
) -> None:
    """They are back; where the new UID is known (by journal id), a flag protects the message, so
    that the next run does not take it again."""
    with store.transaction():
        now = local_now()
        for one in moved:
            store._execute(
                "UPDATE imap_journal SET state = 'restored', finished_at = ? WHERE id = ?",
                (now, one.journal_id),
            )
            uid = new_uids.get(one.journal_id)
            if uid is not None:
                store._execute(
                    "INSERT INTO email_flags (email_uid, folder_name, account_id, subject, "
                    "flag_type, flag_reason, created_by) VALUES (?, ?, ?, ?, 'PROTECT', "
                    "'Restored from quarantine', 'atlas_fast') ON CONFLICT DO NOTHING",
                    (str(uid), one.folder, account.id, one.subject),
                )
