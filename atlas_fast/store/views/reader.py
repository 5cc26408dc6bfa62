"""Read-only connections for pages: one a thread, with a limit on how long a question may take.

A question that takes longer than its limit raises TooLong; nothing that a visitor asks for can
keep a processor busy beyond that.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson

from atlas_fast.errors import StoreError
from atlas_fast.limits import VIEW_MILLISECONDS
from atlas_fast.store.search import SearchIndex
from atlas_fast.store.sqlite import file_of
from atlas_fast.store.state import state_of
from atlas_fast.store.views.fitting import fitted

__all__ = ["StoreReader", "TooLong"]

T = TypeVar("T")

STEPS = 20_000
"""Instructions of SQLite between two looks at the clock: a millisecond or less."""

CACHE_KIB = 16 << 10
"""Page cache of one thread, for the store and for the search index."""

FRESH_SECONDS = 0.2
"""An answer that is younger is given again even where the store has changed meanwhile."""

KEPT_ANSWERS = 256
"""Answers that a thread keeps; when there are more it starts anew."""


class TooLong(StoreError):
    """A question took longer than a page may."""


class _Held:
    """A thread's connection, closed with the thread. The connection knows nothing of this object,
    so that the collector never meets one that is open."""

    def __init__(self, connection: sqlite3.Connection, file: tuple[int, int] | None):
        self.connection, self.file = connection, file
        weakref.finalize(self, connection.close)


class _Clock:
    """When the question that is asked must have its answer."""

    deadline = 0.0


class _Mine(threading.local):
    def __init__(self) -> None:
        self.held: _Held | None = None
        self.clock = _Clock()
        self.looked = 0.0
        self.searching = False
        self.making = False  # an answer is being made of others, which must be as new
        self.forgotten = 0
        self.kept: dict[Hashable, tuple[float, int, Any]] = {}

    @property
    def connection(self) -> sqlite3.Connection | None:
        return None if self.held is None else self.held.connection


class StoreReader:
    """A store in an SQLite file, read for pages by any number of threads.

    Nothing is made, changed or locked. Raises StoreError from any question when the file is not
    there, is no store, or is older or newer than this code.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.search = SearchIndex(self.path)
        self._mine = _Mine()
        self._forgotten = 0
        self._all: weakref.WeakSet[_Held] = weakref.WeakSet()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The store as messages name it."""
        return str(self.path)

    def ask(
        self, query: str, values: Sequence[Any] = (), *, seconds: float = VIEW_MILLISECONDS / 1e3
    ) -> list[tuple[Any, ...]]:
        """All rows of a question, each value of its column's type, by the column's name, or None.
        Raises TooLong after `seconds`, and StoreError."""
        mine = self._mine
        now = time.monotonic()
        try:
            if now - mine.looked >= FRESH_SECONDS:
                mine.looked = now
                if mine.held is not None and mine.held.file != file_of(self.path):
                    self._drop(mine)  # the file was replaced
                    mine.kept.clear()
            connection = mine.connection or self._connect()
            mine.clock.deadline = now + seconds
            try:
                return _answer(connection, query, values)
            except sqlite3.OperationalError as error:
                if hasattr(error, "sqlite_errorcode") or connection.text_factory is _text:
                    raise
                connection.text_factory = _text  # a text is not UTF-8, and costs more from now on
                return _answer(connection, query, values)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise TooLong(f"{self.path}: took longer than {seconds:g} s") from None
            raise StoreError(f"{self.path}: {error}") from error

    def one(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a question, or None."""
        found = self.ask(query, values)
        return found[0] if found else None

    def setting(self, name: str) -> Any:
        """A setting of the store (SqlStore.change_setting), or None. Raises StoreError."""
        found = self.one("SELECT setting_value FROM ml_settings WHERE setting_name = ?", (name,))
        try:
            return orjson.loads(found[0]) if found and found[0] else None
        except orjson.JSONDecodeError as error:
            raise StoreError(f"{self.path}: the setting {name} is damaged") from error

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` answers, made anew only where the store has changed since.

        An answer is at most FRESH_SECONDS behind; one that this process changed itself
        (`forget`) is not behind at all.
        """
        mine, now = self._mine, time.monotonic()
        if mine.forgotten != self._forgotten or len(mine.kept) > KEPT_ANSWERS:
            mine.kept.clear()
            mine.forgotten = self._forgotten
        there = mine.kept.get(key)
        if there is not None and now - there[0] < FRESH_SECONDS and not mine.making:
            return there[2]  # type: ignore[no-any-return]
        version = int(self.ask("PRAGMA data_version")[0][0])
        there = mine.kept.get(key)  # gone where the file was replaced
        if there is not None and there[1] == version:
            mine.kept[key] = (now, version, there[2])
            return there[2]  # type: ignore[no-any-return]
        outer, mine.making = mine.making, True
        try:
            value = make()
        finally:
            mine.making = outer
        mine.kept[key] = (now, version, value)
        return value

    @property
    def changes(self) -> int:
        """How often this process has changed the store."""
        return self._forgotten

    def forget(self) -> None:
        """Drop what `kept` keeps, in every thread: this process has changed the store."""
        self._forgotten += 1

    def searching(self) -> bool:
        """Does this thread's connection have the search index? It is attached when there is one."""
        mine = self._mine
        if mine.connection is None:
            self.ask("SELECT 1")
        assert mine.connection is not None
        if mine.searching and not self.search.path.exists():
            self._drop(mine)
            self.ask("SELECT 1")
        if not mine.searching and self.search.path.exists():
            try:
                mine.connection.execute(
                    "ATTACH ? AS search", (f"{self.search.path.absolute().as_uri()}?mode=ro",)
                )
                mine.connection.execute(f"PRAGMA search.cache_size=-{CACHE_KIB}")
                mine.searching = self.search.usable(mine.connection)
                if not mine.searching:
                    mine.connection.execute("DETACH search")
            except sqlite3.Error:
                return False
        return mine.searching

    def _connect(self) -> sqlite3.Connection:
        mine = self._mine
        if not self.path.is_file():
            raise StoreError(f"{self.path}: there is no such store yet")
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None,
            check_same_thread=False, cached_statements=256,
        )  # fmt: skip
        clock = mine.clock
        connection.set_progress_handler(lambda: time.monotonic() > clock.deadline, STEPS)
        mine.clock.deadline = time.monotonic() + VIEW_MILLISECONDS / 1e3
        try:
            state = state_of(connection)
            if not state.current:
                raise StoreError(
                    f"{self.path}: is empty" if state.kind == "empty" else state.refusal(self.path)
                )
            connection.execute("PRAGMA query_only=ON")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
        mine.held, mine.searching = _Held(connection, file_of(self.path)), False
        with self._lock:
            self._all.add(mine.held)
        return connection

    def _drop(self, mine: _Mine) -> None:
        mine.held, mine.searching = None, False

    def close(self) -> None:
        """Close the connections of all threads; none may be asking."""
        with self._lock:
            for held in self._all:
                held.connection.close()
            self._all.clear()
        self._mine = _Mine()


def _answer(
    connection: sqlite3.Connection, query: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    try:
        cursor = connection.execute(query, values)
        rows = cursor.fetchall()
    except sqlite3.OperationalError as error:
        if str(error) != "integer overflow":
            raise
        cursor = connection.execute(query.replace("SUM(", "TOTAL("), values)  # in floats
        rows = cursor.fetchall()
    return fitted([name for name, *_ in cursor.description], rows) if rows else rows


def _text(data: bytes) -> str:
    """A file of another program may hold bytes that are no UTF-8."""
    return data.decode("utf-8", "replace")
