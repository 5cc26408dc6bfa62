"""A search index beside the store: words of subjects and senders, and what pages filter by.

It is a file of its own, `STORE-search`, that a run knows nothing of: whoever searches brings it up
to date (`catch_up`), by reading the rows behind the last one that it has. So it costs a run
nothing, lags by seconds, and may be deleted at any time.

It holds row ids by token and no text (FTS5 without content). They are negative, so that the newest
row comes first: FTS5 reads its lists forwards three times as fast as backwards. Beside its words
each row has tokens for sender, domain, country, category, action, run and confidence band. A
category or action may change when a user corrects a row, and rows may be deleted; so whoever
searches looks at the rows themselves in the end, and adds rows that were judged (`messages.py`).
"""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

from atlas_fast.errors import StoreError
from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.summaries import BAND_SQL

__all__ = ["SearchIndex", "key", "words_of"]

VERSION = 2
"""Of the index's layout; a file of another is made anew."""

STEP_ROWS = 2_000
"""Rows of one transaction of `catch_up`."""

KEY_CHARACTERS = 60
"""Characters of a value that its token is made of; the row itself is compared in the end."""

DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

_WORD = re.compile(r"\w+")
MAX_WORDS = 8
MIN_PREFIX = 3

_TEXT = " || ' ' || ".join(
    (
        "subject",
        "sender_email",
        "COALESCE(sender_name, '')",
        *(
            f"'zq{letter}' || hex(substr({column}, 1, {KEY_CHARACTERS}))"
            for letter, column in (
                ("s", "sender_email"),
                ("d", "COALESCE(sender_domain, '')"),
                ("c", "COALESCE(sender_country_code, '')"),
                ("k", "COALESCE(category, '')"),
                ("v", "COALESCE(category_v2, '')"),
                ("a", "action"),
                ("r", "COALESCE(session_id, 0)"),
            )
        ),
        f"'zqb' || {BAND_SQL}",
    )
)


def key(letter: str, value: object) -> str:
    """The token of a value: `s` sender, `d` domain, `c` country, `k` category, `v` its new name,
    `a` action, `r` run, `b` band."""
    if letter == "b":
        return f"zqb{value}"
    return f"zq{letter}{str(value)[:KEY_CHARACTERS].encode('utf-8', 'replace').hex()}"


def words_of(text: str) -> list[str]:
    """Search terms of what a visitor typed, as FTS5 takes them: words, quoted; one that ends in
    `*` is the beginning of a word. At most MAX_WORDS."""
    found = []
    for match in _WORD.finditer(text):
        word = match[0]
        begins = text[match.end() : match.end() + 1] == "*" and len(word) >= MIN_PREFIX
        found.append(f'"{word}"' + "*" * begins)
    return found[:MAX_WORDS]


class SearchIndex:
    """The index of the store at `store`. `catch_up` is for one thread at a time; several processes
    may call it."""

    def __init__(self, store: Path):
        self.store = store
        self.path = store.with_name(store.name + "-search")

    def stamp(self) -> tuple[object, ...]:
        """Another one after the store has changed, or when the index has gone."""
        wal = self.store.with_name(self.store.name + "-wal")
        return self.path.exists(), *map(_times, (self.store, wal))

    def usable(self, connection: sqlite3.Connection) -> bool:
        """Is what is attached as `search` an index of this layout?"""
        try:
            found = connection.execute("SELECT version, of FROM search.state").fetchone()
        except sqlite3.Error:
            return False
        return bool(found and found == (VERSION, self._of()))

    def catch_up(self, seconds: float = 1.0) -> int:
        """Index rows behind the last indexed one, for about `seconds`; how many are left is not
        known, but 0 is returned when there were none. Raises StoreError."""
        if not self.store.is_file():
            return 0
        try:
            connection = self._open()
        except sqlite3.Error as error:
            self._drop(error)
            raise StoreError(f"{self.path}: {error}") from error
        done, deadline = 0, time.monotonic() + seconds
        try:
            while True:
                added = self._step(connection)
                done += added
                if added < STEP_ROWS or time.monotonic() >= deadline:
                    return done
        except sqlite3.Error as error:
            self._drop(error)
            raise StoreError(f"{self.path}: {error}") from error
        finally:
            connection.close()

    def _drop(self, error: sqlite3.Error) -> None:
        """Delete an index that is damaged: the next `catch_up` makes another."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rwc", uri=True, isolation_level=None, timeout=5
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")  # it can always be made anew
            connection.execute("BEGIN IMMEDIATE")
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if "state" not in there or not self._same(connection):
                for name in ("words", "state"):
                    connection.execute(f"DROP TABLE IF EXISTS {name}")
                connection.execute(
                    "CREATE VIRTUAL TABLE words USING fts5(text, content='', detail=none, "
                    "columnsize=0, tokenize='unicode61 remove_diacritics 2')"
                )
                connection.execute("CREATE TABLE state (version INTEGER, of TEXT, last_id INTEGER)")
                connection.execute("INSERT INTO state VALUES (?, ?, 0)", (VERSION, self._of()))
            connection.execute("COMMIT")
            connection.execute("ATTACH ? AS store", (f"{self.store.absolute().as_uri()}?mode=ro",))
        except BaseException:
            connection.close()
            raise
        return connection

    def _same(self, connection: sqlite3.Connection) -> bool:
        found = connection.execute("SELECT version FROM state").fetchone()
        if not found or found[0] != VERSION:
            return False
        return bool(connection.execute("SELECT of FROM state").fetchone()[0] == self._of())

    def _of(self) -> str:
        """Which file the index is of: another one may have come in its place."""
        about = self.store.stat()
        return f"{about.st_dev}:{about.st_ino}"

    def _step(self, connection: sqlite3.Connection) -> int:
        """One transaction; SQLite does it all, so that other threads run meanwhile."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            (last,) = connection.execute("SELECT last_id FROM state").fetchone()
            (top,) = connection.execute(
                f"SELECT MAX(id) FROM (SELECT id FROM store.{MESSAGES} WHERE id > ? "
                "ORDER BY id LIMIT ?)",
                (last, STEP_ROWS),
            ).fetchone()
            if top is None:
                connection.execute("ROLLBACK")
                return 0
            added = connection.execute(
                f"INSERT INTO words (rowid, text) SELECT -id, {_TEXT} FROM store.{MESSAGES} "
                "WHERE id > ? AND id <= ? ORDER BY id DESC",
                (last, top),
            ).rowcount
            connection.execute("UPDATE state SET last_id = ?", (top,))
            connection.execute("COMMIT")
            return int(added)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _times(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns
