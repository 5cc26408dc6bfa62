"""The search index: its order, how it follows the store, and what is looked at beside it."""

import sqlite3
import time
from contextlib import closing, suppress
from importlib import import_module

import pytest

from atlas_fast import triage
from atlas_fast.bench.webstore import fill
from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.search import SearchIndex, key
from atlas_fast.store.views import Filter, StoreReader, message, messages
from atlas_fast.web import indexer

N = 1_000
LISTS = import_module("atlas_fast.store.views.messages")  # the package has a function of this name


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "a.db"
    fill(path, N, days=40)
    SearchIndex(path).catch_up(60)
    return path


def test_the_index_has_the_newest_row_first(store):
    """FTS5 reads forwards several times as fast as backwards."""
    asked = StoreReader(store)
    assert asked.searching()
    word = asked.ask(
        "SELECT rowid FROM search.words WHERE words MATCH ? ORDER BY rowid LIMIT 3",
        (f'"{key("a", "PRESERVED")}"',),
    )
    assert [-number for (number,) in word] == [
        row.id for row in messages(asked, Filter(action="PRESERVED"), limit=3).rows
    ]
    asked.close()


def test_what_several_filters_have_in_common_is_counted_less_far(store, monkeypatch):
    monkeypatch.setattr(LISTS, "VIEW_COUNTED_TOGETHER", 3)
    asked = StoreReader(store)
    for wanted in (Filter(country="US", category="Legitimate"), Filter(text="user example")):
        page = messages(asked, wanted, limit=1)
        assert (page.count, page.more) == (3, True), wanted
    for wanted in (Filter(country="US"), Filter(text="user")):
        assert messages(asked, wanted, limit=1).count not in (None, 3)
    asked.close()


def test_rows_behind_the_index_are_looked_at_after_a_moment(store, tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(store.read_bytes())
    SearchIndex(path).catch_up(60)
    asked, wanted = StoreReader(path), Filter(domain="new.example")
    assert messages(asked, wanted).rows == []
    connection = sqlite3.connect(path)
    connection.execute(
        f"INSERT INTO {MESSAGES} (timestamp, sender_email, sender_domain, subject, action, "
        "message_key) VALUES ('2030-01-01 00:00:00', 'a@new.example', 'new.example', 'x', "
        "'PRESERVED', x'00')"
    )
    connection.commit()
    connection.close()
    assert messages(asked, wanted).rows == []
    asked.forget()  # as a fifth of a second does
    assert [row.sender_email for row in messages(asked, wanted).rows] == ["a@new.example"]
    asked.close()


def test_the_index_follows_a_run_at_once(store, tmp_path, monkeypatch):
    monkeypatch.setattr(indexer, "IDLE_SECONDS", 60.0)
    path = tmp_path / "a.db"
    path.write_bytes(store.read_bytes())
    index = SearchIndex(path)
    follower = indexer.Indexer(index)

    def last():
        with suppress(sqlite3.Error), closing(sqlite3.connect(index.path)) as connection:
            return connection.execute("SELECT last_id FROM state").fetchone()[0]
        return 0

    def comes(number):
        deadline = time.monotonic() + 20
        while last() != number and time.monotonic() < deadline:
            time.sleep(0.02)
        return last() == number

    follower.start()
    try:
        assert comes(N)
        time.sleep(0.3)  # it has nothing to do
        report = triage("synthetic:20,77", path)
        assert comes(N + report.stored)
        index.path.unlink()
        assert comes(N + report.stored)  # made anew
    finally:
        follower.stop()


def test_a_text_that_is_no_utf8(store, tmp_path):
    path = tmp_path / "a.db"
    path.write_bytes(store.read_bytes())
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {MESSAGES} SET subject = CAST(x'61ff62' AS TEXT) WHERE id = 3")
    connection.commit()
    connection.close()
    asked = StoreReader(path)
    for _ in range(2):
        assert message(asked, 3).row.subject == "a\ufffdb"
        assert message(asked, 4).row.subject
    asked.close()


def test_a_count_of_an_index_that_lagged_is_made_anew(tmp_path):
    """The index grows without a change of the store."""
    path = tmp_path / "a.db"
    triage("synthetic:60,1", path)
    asked, wanted = StoreReader(path), Filter(band=3)
    asked.search.catch_up()
    few = messages(asked, wanted).count
    triage("synthetic:300,7", path)
    asked.forget()
    assert messages(asked, wanted).more
    asked.search.catch_up()
    found, fresh = messages(asked, wanted), messages(StoreReader(path), wanted)
    assert (found.count, found.more) == (fresh.count, fresh.more) and not found.more
    assert found.count > few
    asked.close()
