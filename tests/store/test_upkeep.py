"""Deleting a run, pruning, checking, vacuum: rows, summaries and marks stay in step."""

import sqlite3

import pytest

from atlas_fast.errors import StoreError
from atlas_fast.pipeline import triage
from atlas_fast.store import SqliteStore, schema
from atlas_fast.store.base import ErrorRow, Removed, Run
from atlas_fast.store.rows import row_block
from store.fake import FakeBatch

OLD, NEW = "2025-01-01 00:00:00", "2026-01-01 00:00:00"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "atlas.db"


def write(store, run, first, n, when=NEW):
    rows = [{"place": i, "spam": i % 2 * 0.9} for i in range(first, first + n)]
    store.write(
        run, [row_block(FakeBatch(rows), run.session_id, when)], [ErrorRow("1", "E", "t", "tr")]
    )


def summaries(store):
    tables = [name for name in schema.TABLES if name.startswith("summary_")]
    return [sorted(store._execute(f"SELECT * FROM {name}").fetchall()) for name in tables]


def test_a_deleted_run_leaves_nothing(path):
    with SqliteStore(path) as store:
        one = store.begin_run(["a"])
        write(store, one, 0, 30)
        before = summaries(store)
        two = store.begin_run(["b"])
        write(store, two, 30, 25, OLD)
        store._execute(
            "INSERT INTO user_feedback (email_uid, session_id, original_classification, "
            "feedback_type) VALUES ('1', 2, 'x', 'correct')"
        )
        assert store.delete_run(two.session_id) == Removed(25, 1)
        assert summaries(store) == before
        assert store.check() == []
        assert store.count_messages() == 30
        assert store._execute("SELECT session_id FROM error_reports").fetchall() == [(1,)]
        assert store._execute("SELECT session_id FROM user_feedback").fetchall() == [(None,)]
        with pytest.raises(StoreError, match="no run 2"):
            store.delete_run(2)
        with pytest.raises(StoreError, match="was it deleted"):
            store.totals(Run(2))
        write(store, one, 30, 25)  # its messages are new again
        assert store.count_messages() == 55


def test_a_deleted_run_can_be_run_again(path):
    triage("synthetic:3000,5", path)
    with SqliteStore(path) as store:
        before = store._execute(f"SELECT message_key FROM {schema.MESSAGES}").fetchall()
        store.delete_run(1)
        assert store.count_messages() == 0 and store.check() == []
    assert triage("synthetic:3000,5", path).stored == 3000
    with SqliteStore(path) as store:
        assert store._execute(f"SELECT message_key FROM {schema.MESSAGES}").fetchall() == before


def test_pruned_messages_do_not_come_back(path):
    triage("synthetic:2000,5", path)
    with SqliteStore(path) as store:
        with store.transaction() as connection:
            connection.execute(
                f"UPDATE {schema.MESSAGES} SET timestamp = ? WHERE id <= 500", (OLD,)
            )
        store.recount()
        assert store.prune("2025-06-01 00:00:00") == Removed(500)
        assert store.check() == [] and store.count_messages() == 1500
        store._execute("UPDATE resume_marks SET state = 'changed'")  # the keys must tell
    again = triage("synthetic:2000,5", path)
    assert (again.stored, again.known) == (0, 2000)
    with SqliteStore(path) as store:
        assert store.count_messages() == 1500 and store.check() == []
    anew = triage("synthetic:2000,5", path, resume=False)  # that is what --no-resume asks for
    assert anew.stored == 500


def test_check_finds_each_kind(path):
    with SqliteStore(path) as store:
        run = store.begin_run(["a"])
        write(store, run, 0, 10)
        assert store.check() == []
    breaks = {
        "orphan": f"UPDATE {schema.MESSAGES} SET session_id = 77 WHERE id = 1",
        "summary": "UPDATE summary_hours SET n = n + 1",
        "total": "UPDATE sessions SET total_deleted = total_deleted + 1",
        "mark": "INSERT INTO resume_marks (source, mark, session_id) VALUES ('s', '1', 99)",
    }
    for kind, change in breaks.items():
        with sqlite3.connect(path) as other:
            other.execute(change)
        other.close()
        with SqliteStore(path) as store:
            assert kind in {finding.kind for finding in store.check()}, kind
            store.recount()


def test_check_finds_lost_rows_that_a_mark_hides(path):
    triage("synthetic:100,5", path)
    with SqliteStore(path) as store:
        assert store.check() == []
        store._execute(f"DELETE FROM {schema.MESSAGES}")
        store.recount()
        found = {finding.kind: finding.text for finding in store.check()}
        assert set(found) == {"mark", "total"} and "--no-resume" in found["mark"]
    assert triage("synthetic:100,5", path).stored == 0
    assert triage("synthetic:100,5", path, resume=False).stored == 100
    with SqliteStore(path) as store:
        assert "mark" not in {finding.kind for finding in store.check()}


def test_a_damaged_page_is_found_and_is_an_error(path):
    with SqliteStore(path) as store:
        run = store.begin_run(["a"])
        write(store, run, 0, 3000)
    raw = bytearray(path.read_bytes())
    page = raw.index(b"hello", len(raw) // 2) // 8192 * 8192  # one of the message table's
    raw[page : page + 8192] = b"\xff" * 8192
    path.write_bytes(raw)
    with SqliteStore(path) as store:
        assert {finding.kind for finding in store.check()} == {"integrity"}
        with pytest.raises(StoreError, match="db check"):
            store._execute(f"SELECT SUM(LENGTH(subject)) FROM {schema.MESSAGES}").fetchall()


def test_vacuum_gives_pages_back(path):
    with SqliteStore(path) as store:
        run = store.begin_run(["a"])
        write(store, run, 0, 5000, OLD)
        store.vacuum()
        before = path.stat().st_size
        store.prune(NEW)
        store.vacuum()
        assert path.stat().st_size < before / 2
        assert store.check() == []
