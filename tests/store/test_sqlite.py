"""The SQLite store: what is committed together, what is refused, what is never there twice."""

import sqlite3
import threading

import pytest

from atlas_fast.errors import StoreError, UsageError
from atlas_fast.store import SqliteStore, Totals, open_store, rowtable, schema, sqlite
from atlas_fast.store.rows import row_block
from atlas_fast.store.sqlite import ErrorRow, insert_block
from store.fake import FakeBatch


def block(store_run, n=10, first=0, **more):
    batch = FakeBatch(
        [{"place": i, "spam": 0.9 if i % 2 else 0.1, **more} for i in range(first, first + n)]
    )
    return row_block(batch, store_run.session_id, "2026-01-02 03:04:05", "linear 1")


def content(path, columns="uid, sender_email, subject, action, reason, category, message_key"):
    with sqlite3.connect(path) as other:
        found = other.execute(f"SELECT {columns} FROM {schema.MESSAGES} ORDER BY id").fetchall()
    other.close()
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "atlas.db"


def test_rows_totals_and_session_are_committed(path):
    with SqliteStore(path) as store:
        run = store.begin_run(["mbox:/a"])
        assert store.write(run, [block(run)]) == 10
        assert len(content(path)) == 10  # a second connection sees them before close
        store.finish_run(run)
        assert store.count_messages() == 10
    with sqlite3.connect(path) as other:
        other.row_factory = sqlite3.Row
        (session,) = other.execute("SELECT * FROM sessions").fetchall()
        assert (session["total_deleted"], session["total_preserved"]) == (5, 5)
        assert session["categories_summary"] == '{"Not Spam": 5, "Business Opportunity Spam": 5}'
        assert session["folders_processed"] == '["mbox:/a"]'
        assert session["end_time"] is not None and session["is_preview"] == 1
        assert other.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert other.execute("PRAGMA foreign_key_check").fetchall() == []
    other.close()


def test_same_messages_again_add_nothing(path):
    with SqliteStore(path) as store:
        run = store.begin_run(["mbox:/a"])
        store.write(run, [block(run)])
    before = content(path)
    with SqliteStore(path) as store:
        again = store.begin_run(["mbox:/a"])
        assert store.write(again, [block(again)]) == 0
        assert store.totals(again) == Totals(0, 0, {})
    assert content(path) == before


def test_partly_known_batch_counts_only_what_is_new(path):
    with SqliteStore(path) as store:
        run = store.begin_run([])
        store.write(run, [block(run, 10)])
        again = store.begin_run([])
        assert store.write(again, [block(again, 10, first=7)]) == 7
        assert store.totals(again) == Totals(3, 4, {"Business Opportunity Spam": 3, "Not Spam": 4})
    with sqlite3.connect(path) as other:
        totals = other.execute("SELECT total_deleted + total_preserved FROM sessions").fetchall()
        rows = other.execute(
            f"SELECT COUNT(*) FROM {schema.MESSAGES} GROUP BY session_id"
        ).fetchall()
    other.close()
    assert totals == rows == [(10,), (7,)]


def test_a_failing_batch_leaves_nothing_of_itself(path):
    with SqliteStore(path) as store:
        run = store.begin_run([])
        store.write(run, [block(run, 3)])
        bad = block(run, 5, first=100)
        bad.columns[7] = ["PRESERVED"] * 4 + ["SHREDDED"]  # the CHECK of the last row fails
        with pytest.raises(StoreError, match="CHECK"):
            store.write(run, [block(run, 2, first=50), bad])
        assert (store.totals(run).stored, store.count_messages()) == (3, 3)
        assert store.write(run, [block(run, 2, first=50)]) == 2
    assert len(content(path)) == 5


def test_nothing_is_visible_before_commit_and_nothing_after_rollback(path):
    with SqliteStore(path) as store:
        run = store.begin_run([])
        with pytest.raises(RuntimeError), store.transaction() as connection:
            insert_block(connection, block(run))
            assert content(path) == []
            raise RuntimeError("stop")
        assert store.count_messages() == 0


def test_columns_of_the_original_are_there(path):
    SqliteStore(path).close()
    with sqlite3.connect(path) as other:
        names = [row[1] for row in other.execute(f"PRAGMA table_info({schema.MESSAGES})")]
        assert names[:15] == [
            "id", "timestamp", "session_id", "folder_name", "uid", "sender_email", "sender_domain",
            "subject", "action", "reason", "category", "confidence_score", "ml_validation_method",
            "raw_data", "created_at",
        ]  # fmt: skip
        assert names[15:24] == [
            "sender_ip", "sender_country_code", "sender_country_name", "geographic_risk_score",
            "detection_method", "category_v2", "subcategory", "category_confidence_v2",
            "classification_version",
        ]  # fmt: skip
        listed = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {row[0] for row in listed}
        assert {
            "schema_version", "accounts", "sessions", "processed_emails_bulletproof", "domains",
            "spam_categories", "user_feedback", "logs", "performance_metrics", "error_reports",
            "configurations", "filter_terms", "ml_settings",
        } <= tables  # fmt: skip
        # statements of the original's logger and pages run unchanged
        other.execute(
            "INSERT INTO processed_emails_bulletproof (timestamp, session_id, folder_name, uid, "
            "sender_email, sender_domain, subject, action, reason, category, confidence_score, "
            "ml_validation_method, raw_data, created_at, sender_ip, sender_country_code, "
            "sender_country_name, geographic_risk_score, detection_method) "
            "VALUES ('t', NULL, 'f', '1', 's', 'd', 'x', 'DELETED', '', '', 1.0, '', '{}', 't', "
            "NULL, NULL, NULL, NULL, NULL)"
        )
        other.execute("SELECT id, target_folders, last_used FROM accounts WHERE is_active = TRUE")
    other.close()


def test_hostile_text_survives(path):
    evil = "'); DROP TABLE sessions; --\x00\u202e" + "x" * 2000
    with SqliteStore(path) as store:
        run = store.begin_run([evil])
        store.write(run, [block(run, 1, subject=evil, address=evil, name="\ud800", domain=evil)])
        assert store.recent()[0]["subject"].startswith("'); DROP TABLE sessions; --\u2400\u202e")
    assert len(content(path, "subject")[0][0]) == 1000


def test_other_peoples_files_are_left_as_they_are(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("this is no database, only a text of some length\n" * 50)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE songs (name)")
    other.close()
    for file, said in ((text, "not a database"), (foreign, "not a store of atlas_fast")):
        before = file.read_bytes()
        with pytest.raises(StoreError, match=said):
            SqliteStore(file)
        assert file.read_bytes() == before
        assert sorted(p.name for p in tmp_path.iterdir()) == ["foreign.db", "notes.txt"]


def test_newer_store_is_refused(path):
    SqliteStore(path).close()
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO schema_version (version) VALUES (99)")
    other.close()
    with pytest.raises(StoreError, match="99"):
        SqliteStore(path)


def test_places_that_cannot_hold_a_store(tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        SqliteStore(tmp_path)
    with pytest.raises(StoreError, match="does not exist"):
        SqliteStore(tmp_path / "absent" / "atlas.db")
    with pytest.raises(UsageError, match="mysql"):
        open_store("mysql://host/db")


def test_opening_at_once_from_many_threads_makes_one_store(path):
    errors = []

    def work(number):
        try:
            with SqliteStore(path) as store:
                run = store.begin_run([])
                store.write(run, [block(run, 50, first=number * 25)])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(int(row[0]) for row in content(path)) == list(range(125))


def test_full_disk_is_an_error_and_keeps_what_was_committed(path):
    with SqliteStore(path) as store:
        run = store.begin_run([])
        store.write(run, [block(run, 200)])
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(StoreError, match="full"):
            store.write(run, [block(run, 5000, first=200)])
        assert store.totals(run).stored == store.count_messages() == 200
        store._connection.execute("PRAGMA max_page_count=100000")
        assert store.write(run, [block(run, 5000, first=200)]) == 5000


def test_a_lock_that_is_not_released_is_an_error(path, monkeypatch):
    monkeypatch.setattr("atlas_fast.store.sqlite.BUSY_SECONDS", 0.1)
    with SqliteStore(path) as one, SqliteStore(path) as other:
        run = one.begin_run([])
        with other.transaction(), pytest.raises(StoreError, match="locked"):
            one.write(run, [block(run)])
        assert one.write(run, [block(run)]) == 10


def test_a_failed_message_is_reported_in_the_same_transaction(path):
    with SqliteStore(path) as store:
        run = store.begin_run([])
        error = ErrorRow("17", "RuntimeError", "boom", "trace")
        store.write(run, [block(run, 1)], [error])
        with pytest.raises(RuntimeError), store.transaction():
            store.write(run, [block(run, 1, first=5)], [error])
            raise RuntimeError
    with sqlite3.connect(path) as other:
        found = other.execute(
            "SELECT session_id, error_type, error_message, stack_trace, context_data "
            "FROM error_reports"
        ).fetchall()
    other.close()
    assert found == [(1, "RuntimeError", "boom", "trace", '{"uid": "17"}')]


def test_without_the_table_of_columns_rows_are_the_same(tmp_path, monkeypatch):
    """Where the SQLite of a Python cannot be found, SQLite is given tuples."""
    found = []
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setattr(rowtable, "functions", tuple)
        with SqliteStore(tmp_path / f"{name}.db") as store:
            assert (store._table is None) is (name == "without")
            run = store.begin_run([])
            messages = [{"place": i, "spam": i / 130, "domain": f"d{i % 7}"} for i in range(130)]
            block = row_block(FakeBatch(messages), run.session_id, "2026-01-02 03:04:05")
            assert store.write(run, [block]) == 130
            again = row_block(
                FakeBatch([*messages, {"place": 200}]), run.session_id, "2026-01-02 03:04:05"
            )
            assert store.write(run, [again]) == 1
            assert store.check() == []
            columns = f"SELECT {', '.join(block.names)} FROM {schema.MESSAGES} ORDER BY id"
            found.append(store._execute(columns).fetchall())
    assert found[0] == found[1] and len(found[0]) == 131


def test_what_a_trigger_of_the_file_does_is_not_counted(tmp_path):
    with SqliteStore(tmp_path / "a.db") as store:
        run = store.begin_run([])
        store._execute("CREATE TABLE seen (id INTEGER)")
        store._execute(
            f"CREATE TRIGGER audit AFTER INSERT ON {schema.MESSAGES} BEGIN "
            "INSERT INTO seen VALUES (NEW.id); END"
        )
        for places, new in ((range(5), 5), (range(10), 5)):
            batch = FakeBatch([{"place": i} for i in places])
            block = row_block(batch, run.session_id, "2026-01-02 03:04:05")
            assert store.write(run, [block]) == new
        assert store.check() == []


def test_a_store_may_be_opened_while_another_is(tmp_path, monkeypatch):
    """By the handler of a signal, say."""
    real, inner = sqlite3.connect, []

    def connect(*args, **kwargs):
        if not inner:
            inner.append(None)
            inner[0] = SqliteStore(tmp_path / "inner.db")
        return real(*args, **kwargs)

    monkeypatch.setattr(sqlite.sqlite3, "connect", connect)
    with SqliteStore(tmp_path / "outer.db") as outer, inner[0] as other:
        for store in (outer, other):
            run = store.begin_run([])
            block = row_block(FakeBatch([{"place": 1}]), run.session_id, "2026-01-02 03:04:05")
            assert store.write(run, [block]) == 1
