"""What every SQL store does the same way; `sqlite.py` and its like bring connection and insert.

SQL here is what SQLite and PostgreSQL both read, with `?` for a value.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from atlas_fast.errors import StoreError
from atlas_fast.store import rules, trials
from atlas_fast.store.base import ErrorRow, Finding, Mark, Removed, Run, Totals
from atlas_fast.store.rows import RowBlock, clean
from atlas_fast.store.rules import UserRules
from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.summaries import SUMMARIES, Tally
from atlas_fast.store.trials import TrialBlock

LOCAL_ACCOUNT = "local"
"""Address of the account row that runs over files belong to (sessions need an account)."""

LOCAL_PROVIDER = "file"
"""Its provider."""

RECENT_COLUMNS = ("sender_email", "subject", "action", "category_v2", "category_confidence_v2")

RUN_TABLES = ("error_reports", "performance_metrics", "logs", "run_reports")
"""Rows of these belong to a run and go with it."""

RUN_LINKS = ("user_feedback", "email_flags", "resume_marks", "imap_journal")
"""Rows of these outlive a run; they lose the link to it."""


class SqlStore(ABC):
    """The parts of a `Store` that are plain SQL."""

    name: str

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Any]: ...

    @abstractmethod
    def close(self) -> None: ...

    def _reading(self) -> AbstractContextManager[Any]:
        """A transaction that only reads, for `check`."""
        return self.transaction()

    @abstractmethod
    def _execute(self, query: str, values: Sequence[Any] = ()) -> Any:
        """A cursor with `fetchall` and `rowcount`; StoreError in place of the driver's errors."""

    @abstractmethod
    def _executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None: ...

    @abstractmethod
    def _insert(self, blocks: Iterable[RowBlock]) -> Tally:
        """Insert message rows whose key is new; the tally of these."""

    @abstractmethod
    def _integrity(self) -> list[Finding]:
        """Damage of the database itself, and rows that point nowhere."""

    # Writing

    def begin_run(self, sources: Sequence[str]) -> Run:
        """Add a row to `sessions`; a run over files changes no mailbox and is a preview."""
        with self.transaction():
            self._execute(
                "INSERT INTO accounts (email_address, provider, host, port, encrypted_password, "
                "is_active) VALUES (?, ?, '', 0, '', FALSE) ON CONFLICT (email_address) "
                "DO NOTHING",
                (LOCAL_ACCOUNT, LOCAL_PROVIDER),
            )
            found = self._execute(
                "INSERT INTO sessions (account_id, folders_processed, categories_summary, "
                "session_type, is_preview) SELECT id, ?, '{}', 'preview', TRUE FROM accounts "
                "WHERE email_address = ? RETURNING id",
                (json.dumps(list(sources)), LOCAL_ACCOUNT),
            ).fetchall()
            return Run(found[0][0])

    def write(
        self,
        run: Run,
        blocks: Iterable[RowBlock],
        errors: Sequence[ErrorRow] = (),
        marks: Sequence[Mark] = (),
    ) -> int:
        """Rows, summaries, the run's totals, error reports and marks, in one transaction.

        Returns how many rows are new; a message whose key is there already adds nothing.
        """
        kept: list[TrialBlock] = []
        with self.transaction():
            added = self._insert(_keeping_trials(blocks, kept))
            if added.stored:
                self._add_up(added)
                self._add_totals(run, added)
            if errors:
                self._executemany(
                    "INSERT INTO error_reports (session_id, error_type, error_message, "
                    "stack_trace, context_data) VALUES (?, ?, ?, ?, ?)",
                    (
                        (run.session_id, e.kind, e.text, e.trace, json.dumps({"uid": e.place}))
                        for e in errors
                    ),
                )
            for trial in kept:
                self._executemany(trials.INSERT, trial.rows)
                self._executemany(trials.COUNT, trial.counts)
            for mark in marks:
                self._set_mark(run, mark)
        return added.stored

    def finish_run(self, run: Run, report: str | None = None, *, ended: bool = True) -> None:
        """Set the end time, and keep what the run says of itself (JSON); a run without an end was
        killed, or interrupted (`ended` False)."""
        with self.transaction():
            if ended:
                self._execute(
                    "UPDATE sessions SET end_time = CURRENT_TIMESTAMP WHERE id = ?",
                    (run.session_id,),
                )
            if report is not None:
                self._execute(
                    "INSERT INTO run_reports (session_id, report) VALUES (?, ?) "
                    "ON CONFLICT (session_id) DO UPDATE SET report = excluded.report",
                    (run.session_id, report),
                )

    def _add_up(self, tally: Tally, sign: int = 1) -> None:
        """Bring the summaries up to date; rows that reach zero go."""
        for summary in SUMMARIES:
            if tally.counts[summary.table]:
                self._executemany(summary.upsert, tally.rows(summary, sign))
                if sign < 0:
                    self._execute(summary.drop_empty)

    def _add_totals(self, run: Run, added: Tally) -> None:
        before = self.totals(run)
        numbers = {"DELETED": before.deleted, "PRESERVED": before.preserved}
        categories = dict(before.categories)
        for (action, category), number in added.by_category().items():
            numbers[action] += number
            categories[category] = categories.get(category, 0) + number
        self._execute(
            "UPDATE sessions SET total_deleted = ?, total_preserved = ?, categories_summary = ? "
            "WHERE id = ?",
            (numbers["DELETED"], numbers["PRESERVED"], json.dumps(categories), run.session_id),
        )

    def _set_mark(self, run: Run, mark: Mark) -> None:
        self._execute(
            "INSERT INTO resume_marks (source, mark, state, messages, session_id) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT (source) DO UPDATE SET mark = excluded.mark, "
            "state = excluded.state, messages = excluded.messages, "
            "session_id = excluded.session_id, updated_at = CURRENT_TIMESTAMP",
            (clean(mark.source), clean(mark.mark), mark.state, mark.messages, run.session_id),
        )

    # Reading

    def totals(self, run: Run) -> Totals:
        """What the run has added, as its row says."""
        found = self._execute(
            "SELECT total_deleted, total_preserved, categories_summary FROM sessions WHERE id = ?",
            (run.session_id,),
        ).fetchall()
        if not found:
            raise StoreError(f"{self.name}: run {run.session_id} is not there; was it deleted?")
        deleted, preserved, categories = found[0]
        return Totals(deleted or 0, preserved or 0, json.loads(categories or "{}"))

    def mark(self, source: str) -> Mark | None:
        """How far a source is done, or None when this store knows nothing of it."""
        found = self._execute(
            "SELECT mark, state, messages FROM resume_marks WHERE source = ?", (clean(source),)
        ).fetchall()
        return Mark(source, *found[0]) if found else None

    def count_messages(self) -> int:
        """Rows of the message table."""
        return self._execute(f"SELECT COUNT(*) FROM {MESSAGES}").fetchall()[0][0]

    def recent(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest message rows, newest first."""
        found = self._execute(
            f"SELECT {', '.join(RECENT_COLUMNS)} FROM {MESSAGES} ORDER BY id DESC LIMIT ?", (limit,)
        ).fetchall()
        return [dict(zip(RECENT_COLUMNS, row, strict=True)) for row in found]

    def runs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs, newest first."""
        found = self._execute(
            "SELECT id, start_time, end_time, folders_processed, total_deleted, total_preserved "
            "FROM sessions ORDER BY id DESC LIMIT ?",
            (limit,),
        ).fetchall()
        names = ("id", "start_time", "end_time", "sources", "deleted", "preserved")
        return [dict(zip(names, row, strict=True)) for row in found]

    # Rules and settings

    def ask(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a question; for the modules of this room."""
        found: list[Any] = self._execute(query, values).fetchall()
        return found

    def rules(self, account: str = LOCAL_ACCOUNT) -> UserRules:
        """The rules of users, all of one moment; flags are those of an account."""
        found = UserRules()
        with self._reading():
            found.keywords = [term for (term,) in rules.texts(self.ask(rules.KEYWORDS))]
            found.protect(self.ask(rules.PATTERNS))
            found.whitelist = {name for (name,) in rules.texts(self.ask(rules.TRUSTED))}
            for folder, uid, kind in rules.texts(self.ask(rules.FLAGS, (account,))):
                found.flags.setdefault(folder, {})[uid] = kind
        return found

    def setting(self, name: str) -> Any:
        """What `change_setting` left, or None."""
        found = self.ask("SELECT setting_value FROM ml_settings WHERE setting_name = ?", (name,))
        try:
            return json.loads(found[0][0]) if found else None
        except (TypeError, ValueError) as error:
            raise StoreError(f"{self.name}: the setting {name} is damaged") from error

    def change_setting(self, name: str, change: Callable[[Any], Any], text: str) -> Any:
        """Make a new value of the one that is there, in one transaction; `text` describes it."""
        with self.transaction():
            value = change(self.setting(name))
            self._execute(
                "INSERT INTO ml_settings (setting_name, setting_value, description) "
                "VALUES (?, ?, ?) ON CONFLICT (setting_name) DO UPDATE SET setting_value = "
                "excluded.setting_value, last_updated = CURRENT_TIMESTAMP",
                (name, json.dumps(value, sort_keys=True), text),
            )
        return value

    # Upkeep

    def delete_run(self, session_id: int) -> Removed:
        """A run with its rows, its share of the summaries and its reports. The sources that it had
        rows of lose their marks: running them again stores these messages anew."""
        with self.transaction():
            if not self._execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchall():
                raise StoreError(f"{self.name}: there is no run {session_id}")
            self._add_up(self._tally("session_id = ?", (session_id,)), sign=-1)
            self._execute(
                "UPDATE resume_marks SET mark = '', state = '', messages = 0 WHERE source IN "
                f"(SELECT DISTINCT folder_name FROM {MESSAGES} WHERE session_id = ?)",
                (session_id,),
            )
            removed = self._execute(
                f"DELETE FROM {MESSAGES} WHERE session_id = ?", (session_id,)
            ).rowcount
            for table in RUN_TABLES:
                self._execute(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))
            for table in RUN_LINKS:
                self._execute(
                    f"UPDATE {table} SET session_id = NULL WHERE session_id = ?", (session_id,)
                )
            self._execute("DELETE FROM sessions WHERE id = ?", (session_id,))
        return Removed(removed, 1)

    def prune(self, before: str) -> Removed:
        """Message rows and reports older than the local time `before` (`YYYY-MM-DD HH:MM:SS`),
        and what the journal says of messages that are gone since then.

        Keys of pruned messages stay known, so that a mailbox which still has them does not bring
        them back. Runs stay, with the totals of what they had added.
        """
        with self.transaction():
            self._add_up(self._tally("timestamp < ?", (before,)), sign=-1)
            self._execute(
                f"INSERT INTO pruned_keys SELECT message_key FROM {MESSAGES} "
                "WHERE timestamp < ? AND message_key IS NOT NULL ON CONFLICT DO NOTHING",
                (before,),
            )
            removed = self._execute(
                f"DELETE FROM {MESSAGES} WHERE timestamp < ?", (before,)
            ).rowcount
            self._execute(
                "DELETE FROM error_reports WHERE session_id IN (SELECT id FROM sessions "
                f"WHERE end_time IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {MESSAGES} "
                f"WHERE {MESSAGES}.session_id = sessions.id)) AND timestamp < ?",
                (before,),
            )
            self._execute(
                "DELETE FROM imap_journal WHERE finished_at < ? AND state <> 'moved'", (before,)
            )
            self._execute("DELETE FROM ab_testing_results WHERE timestamp < ?", (before,))
        return Removed(removed)

    def check(self) -> list[Finding]:
        """What is wrong, an empty list when nothing is. The whole store is read."""
        found = self._integrity()
        if any(finding.kind == "integrity" for finding in found):
            return found  # what a damaged file says of itself means nothing
        with self._reading():
            found += self._wrong_summaries() + self._wrong_totals() + self._wrong_marks()
        return found

    def recount(self) -> None:
        """Count the summaries anew, after other programs changed message rows."""
        with self.transaction():
            for summary in SUMMARIES:
                self._execute(f"DELETE FROM {summary.table}")
            self._add_up(self._tally("1 = 1"))

    def _tally(self, where: str, values: Sequence[Any] = ()) -> Tally:
        """Count the message rows that a condition holds for."""
        tally = Tally()
        for summary in SUMMARIES:
            query = summary.counts.format(where=where)
            tally.add_rows(summary, self._execute(query, values).fetchall())
        return tally

    def _wrong_summaries(self) -> list[Finding]:
        should, found = self._tally("1 = 1"), []
        for summary in SUMMARIES:
            width = len(summary.keys)
            there = {
                tuple(row[:width]): list(row[width:])
                for row in self._execute(summary.rows).fetchall()
                if any(row[width:])
            }
            counted = should.counts[summary.table]
            wrong = [key for key in {**there, **counted} if there.get(key) != counted.get(key)]
            found += [
                Finding(
                    "summary",
                    f"{summary.table} {key}: {there.get(key)}, counted {counted.get(key)}",
                )
                for key in sorted(wrong, key=repr)[:10]
            ]
            if len(wrong) > 10:
                found.append(Finding("summary", f"{summary.table}: {len(wrong)} rows in all"))
        return found

    def _wrong_totals(self) -> list[Finding]:
        """Runs of atlas_fast whose totals are not their rows; pruned rows may be missing."""
        pruned = self._pruned()
        rows = self._execute(
            "SELECT s.id, s.total_deleted + s.total_preserved, COALESCE(SUM(r.n), 0) "
            "FROM sessions s JOIN accounts a ON a.id = s.account_id "
            "LEFT JOIN summary_runs r ON r.session_id = s.id "
            "WHERE a.email_address = ? AND s.session_type = 'preview' GROUP BY 1, 2",
            (LOCAL_ACCOUNT,),
        ).fetchall()
        return [
            Finding("total", f"run {run}: its totals say {total} messages, it has {there}")
            for run, total, there in rows
            if there > total or (there < total and not pruned)
        ]

    def _wrong_marks(self) -> list[Finding]:
        """Marks whose run is not there, or that claim messages of a source of which there is no
        row: a run that starts at such a mark would not bring them back."""
        rows = self._execute(
            "SELECT m.source, m.messages, m.session_id IS NULL OR s.id IS NOT NULL "
            "FROM resume_marks m LEFT JOIN sessions s ON s.id = m.session_id"
        ).fetchall()
        found = [
            Finding("mark", f"resume mark of {source}: its run is not there")
            for source, _, has_run in rows
            if not has_run
        ]
        if not rows or self._pruned():
            return found
        there = self._execute(f"SELECT DISTINCT folder_name FROM {MESSAGES}").fetchall()
        sources = {source for (source,) in there}
        return found + [
            Finding(
                "mark",
                f"resume mark of {source}: says {messages} messages, no row is there; run it once "
                "with --no-resume",
            )
            for source, messages, _ in rows
            if messages and source not in sources
        ]

    def _pruned(self) -> bool:
        return bool(self._execute("SELECT 1 FROM pruned_keys LIMIT 1").fetchall())


def _keeping_trials(blocks: Iterable[RowBlock], kept: list[TrialBlock]) -> Iterator[RowBlock]:
    """The same blocks; what a rollout keeps of each is left in `kept`."""
    for block in blocks:
        if block.trial is not None:
            kept.append(block.trial)
        yield block
