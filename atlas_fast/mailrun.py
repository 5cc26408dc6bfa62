"""A folder of an IMAP account: read, decided, and what is to go removed.

Joins the IMAP source, the pipeline, the policy, the journal and the removal:

1. what an earlier run left open in the journal is finished (not in a preview);
2. the folder is read and classified; each batch is decided by the policy of file runs, with the
   folder's flags and the caller's filters in it, and committed: messages that stay have their row
   at once, those that are to go have theirs in the journal;
3. when all is read, the journal's messages are removed, and get their rows with the outcome.
A preview opens the folder with EXAMINE, and stores ` [PREVIEW]` rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast.batch import Batch
from atlas_fast.classify.policy import Filters, Policy, Validate
from atlas_fast.decision import policy_of, use_relays, use_store
from atlas_fast.errors import UsageError
from atlas_fast.observe.counters import StageClock
from atlas_fast.pipeline import Done, Pipeline
from atlas_fast.sources.imap.delete import Changed, remove
from atlas_fast.sources.imap.folder import ImapFolder
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.providers import Strategy
from atlas_fast.stages import policy
from atlas_fast.store.base import Mark, Run
from atlas_fast.store.columns import Blobs
from atlas_fast.store.journal import Account, Journal, key_variant
from atlas_fast.store.rows import RowBlock, row_block
from atlas_fast.store.sql import SqlStore
from atlas_fast.store.sqlite import local_now

__all__ = ["FolderReport", "Options", "triage_folder"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a folder is treated. `quarantine`: the folder that messages are moved to in place of
    being deleted; `only_new`: read what came since the last run that was no preview, and what is
    flagged for deletion; `confirm`, if given, is asked before anything is removed."""

    preview: bool = False
    quarantine: str | None = None
    only_new: bool = False
    filters: Filters = field(default_factory=Filters)
    validate: Validate | None = None
    body_bytes: int = limits.IMAP_BODY_BYTES
    confirm: Callable[[FolderReport], bool] | None = None


@dataclass(slots=True)
class FolderReport:
    """What was done with one folder.

    `messages` read; `known` those among them whose row the store had (they are looked at all the
    same), `stored` rows that are new in it, those of `finished` too; what was proposed and not
    confirmed is in neither; `chosen` that are to go;
    `outcomes` by the journal's states (`deleted`, `moved`, `gone`, `protected`, `failed`,
    `flagged`, `copied`, `void`), `finished` those of an earlier run's decisions; `categories`:
    count and first reason of what is to go or went; `rules` counts what a rule decided.
    `imap_seconds` was spent waiting for the server, by the reading thread too.
    """

    folder: str
    session_id: int = 0
    preview: bool = False
    uidvalidity: int = 0
    messages: int = 0
    known: int = 0
    stored: int = 0
    chosen: int = 0
    preserved: int = 0
    validated: int = 0
    legitimate: int = 0
    matched: int = 0
    vanished: int = 0
    errors: int = 0
    bytes: int = 0
    seconds: float = 0.0
    imap_seconds: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    finished: dict[str, int] = field(default_factory=dict)
    categories: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    confirmed: bool = True

    @property
    def removed(self) -> int:
        """Messages of this run's choice that are not in the folder any more."""
        return sum(self.outcomes.get(state, 0) for state in ("deleted", "moved", "gone"))

    @property
    def messages_per_second(self) -> float:
        return self.messages / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        names = [name for name in self.__slots__ if name != "stages"]
        plain = {name: getattr(self, name) for name in names}
        plain["seconds"] = round(self.seconds, 6)
        plain["imap_seconds"] = round(self.imap_seconds, 6)
        plain["messages_per_second"] = round(self.messages_per_second, 3)
        plain["removed"] = self.removed
        plain["stages"] = {name: round(spent, 6) for name, spent in self.stages.items()}
        return plain


class _FolderRun:
    """One folder in one run."""

    def __init__(
        self, mailbox: Mailbox, folder: str, store: SqlStore, run: Run, account: Account,
        strategy: Strategy, options: Options, report: FolderReport,
    ):  # fmt: skip
        self.mailbox, self.folder = mailbox, folder
        self.store, self.run, self.account = store, run, account
        self.strategy, self.options, self.report = strategy, options, report
        self.policy = Policy()
        self.clock = StageClock()
        self.mark = Mark("", "")

    def journal(self, uidvalidity: int) -> Journal:
        return Journal(
            self.store, self.run, self.account, self.folder, uidvalidity, self.strategy.suffix
        )

    # -- 1: what was left --------------------------------------------------------------------

    def finish(self) -> None:
        """Take the steps that an earlier run decided and did not come to."""
        journals: dict[int, Journal] = {}
        for left in self.journal(0).open():
            journal = journals.setdefault(left.uidvalidity, self.journal(left.uidvalidity))
            with suppress(Changed):
                self._remove(journal, left.uids, left.target)
        for journal in journals.values():
            self.report.stored += journal.stored
            for state, number in journal.counts.items():
                self.report.finished[state] = self.report.finished.get(state, 0) + number

    # -- 2: reading and deciding -------------------------------------------------------------

    def read(self, pipeline: Pipeline, progress: Callable[[int, int | None], None] | None) -> None:
        with ExitStack() as stack:
            self._read(pipeline, progress, stack)

    def _read(
        self, pipeline: Pipeline, progress: Callable[[int, int | None], None] | None,
        stack: ExitStack,
    ) -> None:  # fmt: skip
        if not pipeline.ordered:
            raise UsageError("a store's resume marks need batches in their order")
        report, validity = self.report, 0
        journal = self.journal(0)
        source = ImapFolder(
            self.mailbox, self.folder, body_bytes=self.options.body_bytes, also=journal.marked()
        )
        self.mark = Mark(source.identity, "")
        there = self.store.mark(source.identity) if self.options.only_new else None
        if pipeline.judge is not None:  # the policy waits for the flags, see below
            stack.callback(setattr, pipeline.judge, "policy", pipeline.judge.policy)
            models = not pipeline.given_model
            use_store(pipeline.judge, self.store, models=models, policy=False)
        rules = policy_of(self.store)
        if pipeline.enricher is not None:
            use_relays(pipeline.enricher, self.store)
        for done in pipeline.run(source, self.clock, "" if there is None else there.mark):
            now = int(done.mark.partition(":")[0])
            if now != validity:  # the first batch, or a folder that was made anew meanwhile
                validity, journal = now, self.journal(now)
                with self.clock.measure("journal"):
                    journal.see()
                    flags = {str(uid): kind for uid, kind in journal.flags().items()}
                self.policy = replace(
                    rules, flags={self.folder: flags},
                    filters=self.options.filters, validate=self.options.validate,
                )  # fmt: skip
                report.uidvalidity = now
            self.clock.merge(done.clock)
            self.mark = replace(self.mark, mark=done.mark, state=str(now))
            self._take(done, journal)
            if progress is not None:
                progress(report.messages, source.expected)
        report.vanished = source.vanished
        report.problems += source.problems
        if pipeline.enricher is not None:  # what rules could not ask, as data was missing
            report.problems += pipeline.enricher.notes
        report.errors += len(source.problems)

    def _take(self, done: Done, journal: Journal) -> None:
        """Decide about a batch and commit that."""
        report = self.report
        blocks, chosen = [], []
        with self.clock.measure("rows"):
            for part in done.parts:
                report.messages += len(part)
                report.bytes += part.nbytes
                block = self._decided(part)
                goes = block.deleted()
                go = np.flatnonzero(goes)
                columns = block.values(go)
                self._count(part, columns)
                if self.options.preview:
                    blocks.append(_previewed(block, go))
                    continue
                blocks.append(block.take(np.flatnonzero(~goes)))
                chosen += _journal_rows(part, columns, go)
        asked = self.options.confirm is not None
        marks = [] if self.options.preview or asked else [self.mark]
        with self.clock.measure("store"), self.store.transaction():
            if chosen:
                journal.decide(chosen, self.options.quarantine, proposed=asked)
            stored = self.store.write(self.run, blocks, done.failures, marks)
        report.stored += stored
        report.known += sum(block.n for block in blocks) - stored
        report.errors += len(done.failures)
        report.problems += [f"{one.place}: {one.kind}: {one.text}" for one in done.failures]

    def _decided(self, part: Batch) -> RowBlock:
        """Rows with the decisions in them. What has no verdict, as a stage failed on it, stays."""
        if part.verdict is not None:
            counts = policy.run(part, self.policy)
            self.report.matched += counts.marked
            self.report.validated += counts.validated
            self.report.legitimate += len(part) - counts.marked
        return row_block(part, self.run.session_id, local_now(), preview=self.options.preview)

    def _count(self, part: Batch, columns: dict[str, list[Any]]) -> None:
        """`columns` of the rows that go."""
        report = self.report
        report.chosen += len(columns["uid"])
        report.preserved += len(part) - len(columns["uid"])
        for reason, category in zip(columns["reason"], columns["category"], strict=True):
            first = {"count": 0, "reason": reason.removesuffix(PREVIEW)}
            report.categories.setdefault(category, first)["count"] += 1
        for ruling in getattr(part.verdict, "rulings", {}).values():
            report.rules[ruling.rule] = report.rules.get(ruling.rule, 0) + 1

    # -- 3: removal --------------------------------------------------------------------------

    def remove(self, progress: Callable[[int], None] | None) -> None:
        """Remove what this run, and none before it, has in the journal."""
        journal = self.journal(self.report.uidvalidity)
        with self.store.transaction():
            journal.confirm()
            self.store.write(self.run, [], (), [self.mark])
        with self.clock.measure("removal"):
            for left in journal.open():
                if left.uidvalidity == journal.uidvalidity:
                    try:
                        self._remove(journal, left.uids, left.target, progress)
                    except Changed as error:
                        self.report.problems.append(str(error))
                        self.report.errors += 1
                else:  # decided before the folder was made anew under our eyes
                    stale = self.journal(left.uidvalidity)
                    stale.outcome("void", left.uids, "UIDVALIDITY changed")
                    journal.counts.update(stale.counts)
        self.report.stored += journal.stored
        self.report.known += journal.known
        self.report.outcomes = dict(journal.counts)
        kept = sum(
            journal.counts[state] for state in ("protected", "failed", "flagged", "copied", "void")
        )
        self.report.preserved += kept

    def _remove(
        self, journal: Journal, uids: Sequence[int], target: str | None,
        progress: Callable[[int], None] | None = None,
    ) -> None:  # fmt: skip
        remove(
            self.mailbox, self.folder, journal.uidvalidity, uids, self.strategy, journal,
            target=target, progress=progress,
        )  # fmt: skip


def triage_folder(
    mailbox: Mailbox,
    folder: str,
    store: SqlStore,
    run: Run,
    account: Account,
    strategy: Strategy,
    options: Options | None = None,
    *,
    pipeline: Pipeline | None = None,
    report: FolderReport | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    removing: Callable[[int], None] | None = None,
) -> FolderReport:
    """Read a folder, decide, and remove what is to go; in a preview, change nothing.

    `report`, if given, is filled as far as the work came, also when this raises: ImapError when
    the server is away or does not behave, StoreError. What was decided by then is in the journal.
    """
    options = options or Options()
    report = report if report is not None else FolderReport(folder)
    report.preview, report.session_id = options.preview, run.session_id
    one = _FolderRun(mailbox, folder, store, run, account, strategy, options, report)
    begin, waited = time.perf_counter(), mailbox.idle
    try:
        if not options.preview:
            one.finish()
        one.read(pipeline or Pipeline(), progress)
        if not options.preview and report.chosen:
            if options.confirm is not None:
                report.confirmed = options.confirm(report)
            if report.confirmed:
                one.remove(removing)
    finally:
        report.stages = one.clock.seconds
        report.imap_seconds = mailbox.idle - waited
        report.seconds = time.perf_counter() - begin
    return report


PREVIEW = " [PREVIEW]"


def _previewed(block: RowBlock, go: np.ndarray) -> RowBlock:
    """Rows of a preview: keys of their own, so that the real run has its rows beside them."""
    at = block.names.index("message_key")
    keys = block.columns[at]
    assert isinstance(keys, Blobs)
    values = keys.values.copy()
    for row in go.tolist():
        values[row] = np.frombuffer(key_variant(values[row].tobytes(), "PREVIEW"), np.uint8)
    columns = [*block.columns]
    columns[at] = Blobs(values)
    return replace(block, columns=columns)


LEFT_OUT = frozenset(("timestamp", "session_id", "created_at"))
"""Columns that a journal row's message gets when its outcome is known."""


def _journal_rows(
    part: Batch, columns: dict[str, list[Any]], go: np.ndarray
) -> list[tuple[int, str, dict[str, Any]]]:
    """`columns` of the rows `go`."""
    rows = go.tolist()
    ids = part.headers.message_id if part.headers is not None else [""] * len(part)
    kept = [(name, column) for name, column in columns.items() if name not in LEFT_OUT]
    return [
        (int(part.places[row]), ids[row], {name: column[i] for name, column in kept})
        for i, row in enumerate(rows)
    ]
