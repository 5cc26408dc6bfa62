"""Batches that share a commit: when it happens, and what an error takes with it."""

import sqlite3

import pytest

from atlas_fast.errors import StoreError
from atlas_fast.store import SqliteStore, grouping, schema
from atlas_fast.store.base import Mark
from atlas_fast.store.grouping import GroupedWrites
from atlas_fast.store.rows import row_block
from store.fake import FakeBatch


def block(run, first, n=10):
    batch = FakeBatch([{"place": number} for number in range(first, first + n)])
    return row_block(batch, run.session_id, "2026-01-02 03:04:05")


def seen(path):
    """Rows that another connection sees."""
    connection = sqlite3.connect(path)
    n = connection.execute(f"SELECT COUNT(*) FROM {schema.MESSAGES}").fetchone()[0]
    total = connection.execute("SELECT SUM(total_preserved) FROM sessions").fetchone()[0]
    connection.close()
    assert n == total
    return n


@pytest.fixture
def group(tmp_path, monkeypatch):
    monkeypatch.setattr(grouping, "COMMIT_ROWS", 30)
    with SqliteStore(tmp_path / "a.db") as store:
        run = store.begin_run([])
        now = [0.0]
        made = GroupedWrites(store, run, lambda: now[0])
        yield made, run, now, tmp_path / "a.db"
        made.close()


def test_fast_batches_share_a_commit(group):
    writes, run, now, path = group
    for number in range(5):
        now[0] += 0.01
        writes.write([block(run, 10 * number)])
        assert seen(path) == (30 if number >= 2 else 0)
    writes.close()
    writes.close()
    assert seen(path) == 50


def test_slow_batches_are_committed_at_once(group):
    writes, run, now, path = group
    for number in range(3):
        now[0] += grouping.SLOW_SECONDS
        writes.write([block(run, 10 * number)])
        assert seen(path) == 10 * (number + 1)


def test_rows_do_not_wait_long(group, monkeypatch):
    monkeypatch.setattr(grouping, "COMMIT_ROWS", 10**6)
    writes, run, now, path = group
    for number in range(15):
        now[0] += 0.1
        writes.write([block(run, 10 * number)])
    assert 0 < seen(path) < 150


def test_an_error_takes_back_the_open_group_only(group):
    writes, run, _, path = group
    for number in range(4):  # thirty rows committed, ten open
        writes.write([block(run, 10 * number)])
    bad = block(run, 100)
    bad.columns[7] = ["SHREDDED"] * 10
    writes.write([bad])
    with pytest.raises(StoreError, match="CHECK"):
        writes.close()
    assert seen(path) == 30
    writes.close()
    assert seen(path) == 30


def test_large_texts_do_not_wait_for_more(group, monkeypatch):
    writes, run, _, path = group
    big = block(run, 0)
    monkeypatch.setattr(grouping, "COMMIT_BYTES", big.size + 1)
    writes.write([big])
    assert seen(path) == 0
    writes.write([block(run, 10)])
    assert seen(path) == 20


def test_the_lock_is_free_while_rows_wait(group):
    writes, run, _, path = group
    writes.write([block(run, 0)])
    with SqliteStore(path) as other:
        another = other.begin_run([])
        other.write(another, [block(another, 50)])
    assert seen(path) == 10


def test_a_mark_is_committed_with_its_rows(group):
    writes, run, _, path = group
    for number in range(4):
        writes.write([block(run, 10 * number)], mark=Mark("s", str(number), "", 10 * number + 10))
    with SqliteStore(path) as other:
        assert other.mark("s") == Mark("s", "2", "", 30)
    writes.close()
    with SqliteStore(path) as other:
        assert other.mark("s") == Mark("s", "3", "", 40)


def test_inside_a_transaction_of_the_caller(tmp_path):
    path = tmp_path / "a.db"
    with SqliteStore(path) as store:
        run = store.begin_run([])
        with store.transaction():
            writes = GroupedWrites(store, run)
            writes.write([block(run, 0)])
            writes.close()
            assert seen(path) == 0
        assert seen(path) == 10
        with pytest.raises(RuntimeError), store.transaction():
            store.write(run, [block(run, 10)])
            raise RuntimeError("the caller changed its mind")
        assert seen(path) == 10
        store.write(run, [block(run, 20)])
        assert seen(path) == 20
