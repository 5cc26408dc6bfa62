"""Deleting and moving chosen messages, and no other.

The order that makes it safe, for each group of messages:
1. protection is asked for once more; who is protected now stays;
2. messages that are gone already are left alone;
3. the journal notes `sent`, durably; only then
4. STORE +FLAGS (\\Deleted) and UID EXPUNGE of these UIDs, or UID MOVE;
5. what is left is looked at, and the journal notes the outcome.
A connection that breaks anywhere leaves rows that say `sent`; the same steps are taken again for
them, on a new connection or in the next run, and each of them may be taken twice.

Without UIDPLUS there is only EXPUNGE, which takes every message flagged \\Deleted, whoever flagged
it. It is sent when no other message of the folder is flagged; otherwise ours stay flagged, the
outcome is `flagged`, and the next run looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from atlas_fast.errors import ImapError
from atlas_fast.sources.imap.client import Client, Moved
from atlas_fast.sources.imap.grammar import uid_sets
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.providers import Strategy
from atlas_fast.sources.imap.wire import Lost, Refused

__all__ = [
    "DELETED",
    "FAILED",
    "FLAGGED",
    "MISSING",
    "MOVED",
    "PROTECTED",
    "VOID",
    "Journal",
    "remove",
]

DELETED, MOVED, MISSING = "deleted", "moved", "missing"
PROTECTED, FAILED, FLAGGED, VOID = "protected", "failed", "flagged", "void"

GROUP = 500
"""Messages between two notes in the journal."""

Progress = Callable[[int], None]


class Journal(Protocol):
    """Decisions about the messages of one folder; each call is durable when it returns."""

    def protected(self, uids: Sequence[int]) -> set[int]:
        """Those that a flag protects now."""

    def sent(self, uids: Sequence[int]) -> None:
        """A command that deletes or moves them is about to be sent."""

    def copied(self, uids: Sequence[int], moved: Moved | None) -> None:
        """They have a copy in the target folder; the original is still to be removed."""

    def states(self, uids: Sequence[int]) -> dict[int, str]:
        """State of those whose outcome is open: decided, sent, copied, flagged."""

    def outcome(
        self, state: str, uids: Sequence[int], note: str = "", moved: Moved | None = None
    ) -> None:
        """What became of them; MISSING: not there when they were looked for."""


class Changed(ImapError):
    """The folder has another UIDVALIDITY than the decisions: they mean nothing any more."""


def remove(
    mailbox: Mailbox,
    folder: str,
    uidvalidity: int,
    uids: Sequence[int],
    strategy: Strategy,
    journal: Journal,
    *,
    target: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Delete messages, or move them to `target`; the journal has what became of each.

    Raises Changed when UIDVALIDITY is another (the rest is noted VOID), ImapError when the folder
    cannot be changed or the server is away; the journal then has the rest as it was.
    """
    left = sorted(set(uids), reverse=True)
    while left:
        try:
            worker = _Remover(mailbox.client, folder, uidvalidity, strategy, journal, target)
            try:
                worker.select()
            except Changed as error:
                journal.outcome(VOID, left, str(error))
                raise
            while left:
                group = left[:GROUP]
                worker.group(group)
                del left[: len(group)]
                mailbox.progress()
                if progress is not None:
                    progress(len(group))
        except Lost as error:
            mailbox.lost(error)


class _Remover:
    """One connection's work on a folder."""

    def __init__(
        self,
        client: Client,
        folder: str,
        uidvalidity: int,
        strategy: Strategy,
        journal: Journal,
        target: str | None,
    ):
        self.client, self.folder, self.uidvalidity = client, folder, uidvalidity
        self.strategy, self.journal, self.target = strategy, journal, target
        self.exact = "UIDPLUS" in client.capabilities
        self._slices = 0
        self._target_made = False

    def select(self) -> None:
        """Open the folder for writing, and see that it is still the same."""
        selected = self.client.select(self.folder, read_only=False)
        if selected.uidvalidity != self.uidvalidity:
            raise Changed(
                f"{self.folder}: UIDVALIDITY is {selected.uidvalidity}, decided was for "
                f"{self.uidvalidity}"
            )
        if selected.read_only:
            raise ImapError(f"{self.folder}: can only be read, nothing was deleted")
        if selected.permanent and "\\deleted" not in selected.permanent:
            raise ImapError(f"{self.folder}: messages cannot be flagged for deletion here")

    def group(self, uids: Sequence[int]) -> None:
        """All five steps for one group."""
        protected = self.journal.protected(uids)
        if protected:
            self._spare(protected)
        there = self.client.present([uid for uid in uids if uid not in protected])
        self._note(MISSING, [uid for uid in uids if uid not in protected and uid not in there])
        chosen = [uid for uid in uids if uid in there]
        if not chosen:
            return
        self.journal.sent(chosen)
        if self.target is None:
            self._delete(chosen)
        else:
            self._move(chosen, self.target)

    def _spare(self, uids: set[int]) -> None:
        """They stay; one that we had flagged \\Deleted before it was protected is unflagged."""
        states = self.journal.states(sorted(uids))
        ours = [uid for uid in states if states[uid] != "decided"]
        flagged = [uid for uid, flags in self.client.flags(ours).items() if "\\deleted" in flags]
        for text, _ in uid_sets(sorted(flagged)):
            self.client.store(text, b"\\Deleted", add=False)
        self.journal.outcome(PROTECTED, sorted(uids))

    def _note(self, state: str, uids: Sequence[int], note: str = "") -> None:
        if uids:
            self.journal.outcome(state, uids, note)

    # -- delete ------------------------------------------------------------------------------

    def _delete(self, uids: Sequence[int]) -> None:
        """Flag and expunge, then see which are left."""
        refused: dict[int, str] = {}
        for part in self._parts(uids):
            refused |= self._flag(part)
            if self.strategy.expunge_each and self.exact:
                self._expunge([uid for uid in part if uid not in refused])
        flagged = [uid for uid in uids if uid not in refused]
        waiting = False
        if not self.exact:
            waiting = not self._expunge_all(flagged)
        elif not self.strategy.expunge_each:
            self._expunge(flagged)
        self._settle(flagged, refused, waiting)

    def _settle(self, flagged: Sequence[int], refused: dict[int, str], waiting: bool) -> None:
        there = self.client.present([*flagged, *refused])
        gone = [uid for uid in (*flagged, *refused) if uid not in there]
        self._note(DELETED, [uid for uid in gone if uid not in refused])
        self._note(MISSING, [uid for uid in gone if uid in refused])
        stayed = [uid for uid in flagged if uid in there]
        if waiting:
            self._note(
                FLAGGED, stayed, "other messages are flagged \\Deleted and there is no UIDPLUS"
            )
        else:
            self._note(FAILED, stayed, "still there after EXPUNGE")
        for uid, text in refused.items():
            if uid in there:
                self._note(FAILED, [uid], text)

    def _parts(self, uids: Sequence[int]) -> Iterator[list[int]]:
        """Slices of a command each; between some of them the folder is selected anew."""
        for start in range(0, len(uids), self.strategy.slice):
            if self._slices and self._slices % self.strategy.reselect == 0:
                self.select()
            self._slices += 1
            yield list(uids[start : start + self.strategy.slice])

    def _flag(self, uids: Sequence[int]) -> dict[int, str]:
        """Flag them \\Deleted; those that the server refused, with its words."""
        refused: dict[int, str] = {}
        try:
            self._store(uids)
        except Refused as error:
            if error.bad:
                raise
            for uid in uids:  # one of them is the reason: the others need not suffer
                try:
                    self._store([uid])
                except Refused as single:
                    refused[uid] = str(single)
        return refused

    def _store(self, uids: Sequence[int]) -> None:
        for text, _ in uid_sets(uids):
            self.client.store(text, b"\\Deleted", add=True, parentheses=self.strategy.parentheses)

    def _expunge(self, uids: Sequence[int]) -> None:
        for text, _ in uid_sets(uids):
            self.client.command(b"UID EXPUNGE " + text)

    def _expunge_all(self, ours: Sequence[int]) -> bool:
        """EXPUNGE, if that takes none but ours; False when it would and was not sent."""
        flagged = self.client.search(b"DELETED")
        if len(np.setdiff1d(flagged, np.array(ours, np.uint32))):
            return False
        self.client.command(b"EXPUNGE")
        return True

    # -- move --------------------------------------------------------------------------------

    def _move(self, uids: Sequence[int], target: str) -> None:
        if not self._target_made:
            self.client.create(target)
            self._target_made = True
        if "MOVE" in self.client.capabilities:
            for part in self._parts(uids):
                self._move_part(part, target)
            return
        states = self.journal.states(uids)
        copied = {uid for uid in uids if states.get(uid) == "copied"}
        for part in self._parts([uid for uid in uids if uid not in copied]):
            self.journal.copied(part, self._transfer(part, target))
        refused: dict[int, str] = {}
        for part in self._parts(uids):
            refused |= self._flag(part)
        flagged = [uid for uid in uids if uid not in refused]
        waiting = False
        if self.exact:
            self._expunge(flagged)
        else:
            waiting = not self._expunge_all(flagged)
        there = self.client.present(flagged)
        self._note(MOVED, [uid for uid in flagged if uid not in there])
        stayed = [uid for uid in flagged if uid in there]
        why = "copied; other messages are flagged \\Deleted and there is no UIDPLUS"
        self._note(
            FLAGGED if waiting else FAILED, stayed, why if waiting else "copied, still there"
        )
        for uid, text in refused.items():
            self._note(FAILED, [uid], text)

    def _transfer(self, uids: Sequence[int], target: str) -> Moved | None:
        """Move or copy; where they are now, as far as the server tells."""
        told: dict[int, dict[int, int]] = {}
        for text, _ in uid_sets(uids):
            moved = self.client.move(text, target)
            if moved is not None:
                told.setdefault(moved.uidvalidity, {}).update(moved.uids)
        if len(told) != 1:
            return None
        return Moved(*told.popitem())

    def _move_part(self, uids: Sequence[int], target: str) -> None:
        try:
            moved = self._transfer(uids, target)
        except Refused as error:
            if error.bad:
                raise
            there = self.client.present(uids)
            self._note(FAILED, [uid for uid in uids if uid in there], str(error))
            self._note(MISSING, [uid for uid in uids if uid not in there])
            return
        there = self.client.present(uids)
        gone = [uid for uid in uids if uid not in there]
        if gone:
            self.journal.outcome(MOVED, gone, moved=moved)
        self._note(FAILED, [uid for uid in uids if uid in there], "still there after MOVE")
