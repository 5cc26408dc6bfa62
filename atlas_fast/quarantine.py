"""Messages back from a quarantine folder to where they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from atlas_fast.sources.imap.client import Client
from atlas_fast.sources.imap.grammar import uid_sets
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.names import quoted
from atlas_fast.sources.imap.wire import Lost, Refused
from atlas_fast.store.journal import Account, Moved, note_restored, quarantined
from atlas_fast.store.sql import SqlStore

__all__ = ["Restored", "restore"]

SLICE = 50
"""Messages of one MOVE."""


@dataclass(slots=True)
class Restored:
    """How many are back, and a line for each that is not."""

    restored: int = 0
    problems: list[str] = field(default_factory=list)


def restore(
    mailbox: Mailbox,
    store: SqlStore,
    account: Account,
    *,
    folder: str | None = None,
    session_id: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Restored:
    """Move what the journal has as moved away back to its folder; a flag then protects it.

    A message is found by the UID that the server told, or by its Message-ID when that is unique.
    Raises ImapError and StoreError; what was noted by then is done.
    """
    report = Restored()
    groups: dict[tuple[str, str], list[Moved]] = {}
    for one in quarantined(store, account, folder, session_id):
        groups.setdefault((one.target, one.folder), []).append(one)
    for (target, home), left in groups.items():
        while left:
            try:
                _group(_Back(mailbox.client, store, account, target, home), left, report, progress)
            except Lost as error:
                mailbox.lost(error)
            else:
                mailbox.progress()
    return report


def _group(
    back: _Back, left: list[Moved], report: Restored, progress: Callable[[int], None] | None
) -> None:
    """Slice by slice; what is done is taken off `left`."""
    back.client.create(back.home)
    while left:
        some = left[:SLICE]
        problems = back.slice(some)
        report.restored += len(some) - len(problems)
        report.problems += problems
        del left[: len(some)]
        if progress is not None:
            progress(len(some))


class _Back:
    """From one quarantine folder to one other."""

    def __init__(self, client: Client, store: SqlStore, account: Account, target: str, home: str):
        self.client, self.store, self.account = client, store, account
        self.target, self.home = target, home

    def slice(self, some: Sequence[Moved]) -> list[str]:
        """Move some back; the problems, a line each."""
        selected = self.client.select(self.target, read_only=False)
        known = {
            one.target_uid: one
            for one in some
            if one.target_uid and one.target_uidvalidity == selected.uidvalidity
        }
        there = self.client.flags(sorted(known))
        found = {uid: one for uid, one in known.items() if uid in there}
        settled = {one.journal_id for one in found.values()}
        problems, absent = [], []
        for one in some:
            if one.journal_id in settled:
                continue
            uids = self._by_id(one.message_id)
            if len(uids) == 1:
                found[uids[0]] = one
            elif uids:
                problems.append(f"{one.subject!r}: several messages have its Message-ID")
            else:
                absent.append(one)
        if found:
            self._move(found)
        return problems + self._home_already(absent)

    def _by_id(self, message_id: str) -> list[int]:
        """UIDs in the selected folder by Message-ID."""
        try:
            words = quoted(message_id.encode("ascii"))
        except (ValueError, UnicodeEncodeError):
            return []
        if not message_id:
            return []
        return [int(uid) for uid in self.client.search(b"HEADER Message-ID " + words)]

    def _move(self, found: dict[int, Moved]) -> None:
        """MOVE, or COPY and, with UIDPLUS, removal; without it the copy stays in quarantine."""
        new: dict[int, int] = {}
        for text, _ in uid_sets(sorted(found)):
            moved = self.client.move(text, self.home)
            if moved is not None:
                new |= {
                    found[old].journal_id: uid for old, uid in moved.uids.items() if old in found
                }
            if "MOVE" not in self.client.capabilities and "UIDPLUS" in self.client.capabilities:
                self.client.store(text, b"\\Deleted", add=True)
                self.client.command(b"UID EXPUNGE " + text)
        note_restored(self.store, self.account, list(found.values()), new)

    def _home_already(self, absent: Sequence[Moved]) -> list[str]:
        """Not in quarantine: a connection that broke may have hidden that they are back."""
        if not absent:
            return []
        problems, back, new = [], [], {}
        try:
            self.client.select(self.home, read_only=True)
        except Refused:
            return [f"{one.subject!r}: is not in {self.target}" for one in absent]
        for one in absent:
            uids = self._by_id(one.message_id)
            if len(uids) == 1:
                back.append(one)
                new[one.journal_id] = uids[0]
            else:
                problems.append(f"{one.subject!r}: is not in {self.target}")
        note_restored(self.store, self.account, back, new)
        return problems
