"""A reader and the file that it reads: what is stored, replaced, or no store at all."""

import sqlite3
import time

import pytest

from atlas_fast import triage
from atlas_fast.errors import StoreError
from atlas_fast.store import SqliteStore
from atlas_fast.store.plain import PlainConnections
from atlas_fast.store.views import (
    Change,
    StoreReader,
    analytics,
    change,
    message,
    messages,
    overview,
    performance,
    reader,
    run,
)


def test_a_finished_run_has_its_figures(tmp_path):
    path = tmp_path / "a.db"
    report = triage("synthetic:500,3", path)
    asked = StoreReader(path)
    ((row, said),) = performance(asked).runs
    assert row.id == 1 and said["messages"] == said["stored"] == report.stored == 500
    assert set(said["stages"]) == set(report.stages) and said["peak_bytes"] > 0
    found = run(asked, 1)
    assert found is not None and found.report == said
    with SqliteStore(path) as store:
        store.delete_run(1)
    asked.forget()
    assert performance(asked).runs == []
    asked.close()


def test_answers_follow_the_store(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "FRESH_SECONDS", 0.0)
    path = tmp_path / "a.db"
    asked = StoreReader(path)
    with pytest.raises(StoreError, match="no such store"):
        overview(asked)
    SqliteStore(path).close()
    assert overview(asked).empty and analytics(asked).total == 0 and messages(asked).rows == []
    triage("synthetic:30,1", path)
    assert overview(asked).total == 30
    triage("synthetic:30,2", path)
    assert overview(asked).total == 60
    asked.close()


def test_a_store_that_is_replaced_is_read_and_written_anew(tmp_path, monkeypatch):
    """SQLite goes on with a file that has no name any more."""
    monkeypatch.setattr(reader, "FRESH_SECONDS", 0.0)
    path = tmp_path / "a.db"
    triage("synthetic:30,1", path)
    asked, plain = StoreReader(path), PlainConnections(path)
    assert overview(asked).total == 30
    with plain.lend() as connection:
        connection.execute("SELECT 1")
    for name in ("a.db", "a.db-wal", "a.db-shm"):
        if (tmp_path / name).exists():
            (tmp_path / name).rename(tmp_path / f"old-{name}")
    triage("synthetic:50,2", path)
    assert overview(asked).total == 50
    with plain.lend() as connection:
        change(connection, asked, [1], Change("protect"))
    assert message(asked, 1).row.user_protected
    asked.close()


def test_no_deletion_is_asked_for_by_a_number_that_may_be_another_messages(tmp_path):
    path = tmp_path / "a.db"
    triage("synthetic:3,1", path)
    asked, plain = StoreReader(path), PlainConnections(path)
    row = message(asked, 1).row
    with plain.lend() as connection:
        account = connection.execute("SELECT account_id FROM sessions").fetchone()[0]
        connection.execute(
            "INSERT INTO imap_folders (account_id, folder_name, uidvalidity, seen_at) "
            "VALUES (?, ?, 7, ?)", (account, row.folder_name, "2999-01-01 00:00:00"),
        )  # fmt: skip
        connection.commit()
        made = change(connection, asked, [1], Change("flag", flag="DELETE"))
        assert "made anew" in made.failed[1] and not made.done
        assert change(connection, asked, [1], Change("protect")).done
        connection.execute("UPDATE imap_folders SET seen_at = ?", (row.timestamp,))
        connection.commit()
        assert change(connection, asked, [1], Change("flag", flag="DELETE")).done
    asked.close()


def test_a_file_that_is_no_store_is_refused(tmp_path):
    path = tmp_path / "songs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name)")
    connection.close()
    with pytest.raises(StoreError, match="not a store"):
        overview(StoreReader(path))


def test_what_an_answer_is_made_of_is_as_new_as_it(tmp_path):
    """An answer that is kept while nothing changes must not hold an older one."""
    path = tmp_path / "a.db"
    triage("synthetic:30,1", path)
    asked, plain = StoreReader(path), PlainConnections(path)
    assert messages(asked).rows[0].flag is None
    connection = plain.connect()
    number = messages(asked).rows[0].id
    assert change(connection, StoreReader(path), [number], Change("flag", flag="RESEARCH")).done
    connection.close()
    overview(asked)  # within the moment in which the first answer counts as new
    time.sleep(reader.FRESH_SECONDS)
    assert overview(asked).newest[0].flag == messages(asked).rows[0].flag == "RESEARCH"
    asked.close()
