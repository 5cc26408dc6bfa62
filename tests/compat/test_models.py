"""The original's database interface: signatures, answers, stored strings, and nothing lost."""

import inspect
import json
import os
import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest
from store import original

from atlas_fast.compat.models import bulk_operations, database, db_logger
from atlas_fast.compat.models.bulk_operations import BulkOperationManager
from atlas_fast.compat.models.database import DatabaseManager
from atlas_fast.compat.models.db_logger import BulletproofLogger
from atlas_fast.errors import StoreError
from atlas_fast.store import SqliteStore

MESSAGES = "processed_emails_bulletproof"
ENV = os.environ | {"PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "mail_filter.db"


@pytest.fixture
def manager(path):
    made = DatabaseManager(str(path))
    made.execute_insert(
        "INSERT INTO accounts (email_address, provider, host, port, encrypted_password) "
        "VALUES ('a@example.org', 'gmail', 'h', 993, 'x')"
    )
    yield made
    made.close_connection()
    with SqliteStore(path) as store:
        assert store.check() == []


SIGNATURES = {
    "DatabaseManager.__init__": "db_path=DB_FILE",
    "DatabaseManager.execute_query": "query, params=()",
    "DatabaseManager.execute_update": "query, params=()",
    "DatabaseManager.execute_insert": "query, params=()",
    "DatabaseManager.get_connection": "",
    "DatabaseManager.close_connection": "",
    "DatabaseManager.get_database_stats": "",
    "DatabaseManager.add_to_whitelist": "email_or_domain, notes='Manually whitelisted'",
    "DatabaseManager.remove_from_whitelist": "email_or_domain",
    "DatabaseManager.get_whitelisted_addresses": "",
    "DatabaseManager.store_user_feedback": "email_uid, feedback_type, original_classification, "
    "user_classification=None, session_id=None, sender=None, subject=None, user_ip=None, "
    "account_email=None, confidence_rating=None, user_comments=None",
    "DatabaseManager.get_feedback_stats": "",
    "DatabaseManager.get_feedback_for_training": "limit=1000, processed=False",
    "DatabaseManager.mark_feedback_processed": "feedback_ids",
    "DatabaseManager.flag_email_for_protection": "email_uid, folder_name, account_id, "
    "session_id=None, sender_email=None, subject=None, flag_reason=None, created_by='user'",
    "DatabaseManager.flag_email_for_deletion": "email_uid, folder_name, account_id, "
    "session_id=None, sender_email=None, subject=None, flag_reason=None, created_by='user'",
    "DatabaseManager.flag_email_for_research": "email_uid, folder_name, account_id, "
    "session_id=None, sender_email=None, subject=None, flag_reason=None, created_by='user'",
    "DatabaseManager.unflag_email": "email_uid, folder_name, account_id",
    "DatabaseManager.is_email_flagged": "email_uid, folder_name, account_id",
    "DatabaseManager.is_email_flagged_for_deletion": "email_uid, folder_name, account_id",
    "DatabaseManager.get_email_flag_type": "email_uid, folder_name, account_id",
    "DatabaseManager.get_flagged_emails": "account_id=None, limit=100, flag_type=None",
    "DatabaseManager.get_flagged_count": "account_id=None, flag_type=None",
    "DatabaseManager.get_research_flagged_emails_for_investigation": "limit=50",
    "DatabaseManager.cleanup_duplicates": "",
    "DatabaseManager.get_session_email_actions": "limit=100, action_filter=None",
    "BulletproofLogger.__init__": "db_path=None",
    "BulletproofLogger.log_email_action": "action, uid, sender, subject, folder='', reason='', "
    "category='', confidence_score=None, ml_method='', geo_data=None, print_to_screen=True, "
    "session_id=None",
    "BulletproofLogger.get_recent_emails": "limit=100, action_filter=None",
    "BulletproofLogger.set_session_id": "session_id",
    "BulletproofLogger.set_session_context": "session_id, account_id=None",
    "BulletproofLogger.log_session_start": "account_email, account_id, session_id",
    "BulletproofLogger.log_session_end": "deleted, preserved, validated, elapsed_seconds",
    "BulletproofLogger.info": "message, category=None, metadata=None, print_to_screen=True",
    "BulletproofLogger.error": "message, category=None, metadata=None, print_to_screen=True",
    "BulletproofLogger.warn": "message, category=None, metadata=None, print_to_screen=True",
    "BulletproofLogger.debug": "message, category=None, metadata=None, print_to_screen=False",
    "BulletproofLogger.log": "message, level=None, category=None, metadata=None, "
    "print_to_screen=True",
    "BulkOperationManager.__init__": "db_manager, batch_size=500",
    "BulkOperationManager.add_email_record": "email_data",
    "BulkOperationManager.add_domain_record": "domain_data",
    "BulkOperationManager.add_flag_record": "flag_data",
    "BulkOperationManager.flush_emails": "", "BulkOperationManager.flush_domains": "",
    "BulkOperationManager.flush_flags": "", "BulkOperationManager.flush_analytics": "",
    "BulkOperationManager.flush_all": "", "BulkOperationManager.get_queue_stats": "",
    "BulkOperationManager.batch_context": "",
    "get_bulk_manager": "db_manager=None, batch_size=500",
    "bulk_insert_emails": "emails, batch_size=500",
    "bulk_upsert_domains": "domains, batch_size=500",
    "bulk_insert_flags": "flags, batch_size=500",
    "write_log": "message, is_error=False",
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    for module in (database, db_logger, bulk_operations):
        if hasattr(module, name.split(".")[0]):
            found = module
            for part in name.split("."):
                found = getattr(found, part)
    parameters = [p for p in inspect.signature(found).parameters.values() if p.name != "self"]
    said = ", ".join(
        p.name
        if p.default is p.empty
        else f"{p.name}={'DB_FILE' if p.default is database.DB_FILE else repr(p.default)}"
        for p in parameters
    )
    assert said == SIGNATURES[name]


def test_an_import_makes_no_file(tmp_path):
    code = "import atlas_fast.compat.models.bulk_operations"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENV, check=True)
    assert list(tmp_path.iterdir()) == []
    code = "from atlas_fast.compat.models.database import db; db.get_database_stats()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENV, check=True)
    assert (tmp_path / "data" / "mail_filter.db").is_file()


def test_plain_sql(manager):
    assert manager.execute_query("SELECT 1 AS one")[0]["one"] == 1
    new = manager.execute_insert("INSERT INTO filter_terms (term) VALUES (?)", ("a",))
    assert new == 1
    assert manager.execute_update("UPDATE filter_terms SET category = 'x'") == 1
    manager.execute_query("INSERT INTO filter_terms (term) VALUES ('b')")
    assert len(manager.execute_query("SELECT * FROM filter_terms")) == 2
    with pytest.raises(sqlite3.OperationalError):
        manager.execute_query("SELECT nothing FROM nowhere")


def test_get_connection_rolls_back_what_is_not_committed(manager):
    with manager.get_connection() as connection:
        connection.execute("INSERT INTO filter_terms (term) VALUES ('lost')")
        with manager.get_connection() as inner:
            assert inner.execute("SELECT COUNT(*) FROM filter_terms").fetchone()[0] == 0
    with manager.get_connection() as connection:
        connection.execute("INSERT INTO filter_terms (term) VALUES ('kept')")
        connection.commit()
    with pytest.raises(ZeroDivisionError), manager.get_connection() as connection:
        connection.execute("DELETE FROM filter_terms")
        raise ZeroDivisionError
    assert [row["term"] for row in manager.execute_query("SELECT term FROM filter_terms")] == [
        "kept"
    ]
    with manager.get_connection() as connection:
        connection.close()  # some callers do
    assert manager.execute_query("SELECT 1")[0][0] == 1


def test_stats(manager, path):
    logger = BulletproofLogger(str(path))
    logger.log_email_action("DELETED", "1", "a <a@b.example>", "s", print_to_screen=False)
    found = manager.get_database_stats()
    assert found["processed_emails_bulletproof_count"] == 1
    assert set(found) == {
        "accounts_count", "sessions_count", "processed_emails_bulletproof_count", "domains_count",
        "spam_categories_count", "logs_count", "configurations_count", "filter_terms_count",
        "db_size_mb", "logs_last_24h", "sessions_last_7d",
    }  # fmt: skip


def test_whitelist(manager):
    manager.execute_insert("INSERT INTO domains (domain, total_occurrences) VALUES ('x.org', 9)")
    assert manager.add_to_whitelist("X.org") is True
    (entry,) = manager.get_whitelisted_addresses()
    assert entry["domain"] == "x.org" and entry["notes"] == "Manually whitelisted"
    assert entry["total_occurrences"] == 9  # the original's row was replaced
    assert set(entry) == {"domain", "first_seen", "last_seen", "total_occurrences", "notes"}
    assert manager.remove_from_whitelist("x.org") is True
    assert manager.remove_from_whitelist("unknown") is True
    assert manager.get_whitelisted_addresses() == []
    (row,) = manager.execute_query("SELECT notes FROM domains")
    assert row["notes"] == "Manually whitelisted [Removed from whitelist]"


def test_feedback(manager):
    one = manager.store_user_feedback("7", "correct", "Phishing", sender="s", confidence_rating=5)
    two = manager.store_user_feedback("8", "false_positive", "Phishing")
    assert (one, two) == (1, 2)
    assert manager.get_feedback_stats() == {
        "total_feedback": 2, "feedback_by_type": {"correct": 1, "false_positive": 1},
        "feedback_last_7d": 2, "accuracy_rate": 0.5, "false_positive_count": 1,
    }  # fmt: skip
    assert [row["id"] for row in manager.get_feedback_for_training()] == [2, 1]
    manager.mark_feedback_processed([1])
    manager.mark_feedback_processed([])
    assert [row["id"] for row in manager.get_feedback_for_training()] == [2]
    assert [row["id"] for row in manager.get_feedback_for_training(processed=True)] == [1]
    for bad in ([0], ["1"], [-1], [1.5]):
        with pytest.raises(ValueError):
            manager.mark_feedback_processed(bad)


def test_flags(manager):
    where = (7, "INBOX", 1)
    assert manager.is_email_flagged(*where) is False
    assert manager.flag_email_for_protection(*where, subject="s") is True
    assert manager.is_email_flagged("7", "INBOX", 1) is True
    assert manager.flag_email_for_research(*where) is False
    assert manager.flag_email_for_deletion(*where) is True
    assert manager.get_email_flag_type(*where) == "DELETE"
    assert manager.is_email_flagged_for_deletion(*where) is True
    assert manager.is_email_flagged(*where) is False
    assert manager.flag_email_for_protection(*where) is True
    assert manager.get_email_flag_type(*where) == "PROTECT"  # not left for deletion
    (flag,) = manager.get_flagged_emails()
    assert flag["account_email"] == "a@example.org" and flag["email_uid"] == "7"
    assert manager.get_flagged_count() == manager.get_flagged_count(1, "PROTECT") == 1
    assert manager.unflag_email(*where) is True
    assert manager.unflag_email(*where) is False
    assert manager.flag_email_for_research(*where) is True
    assert len(manager.get_research_flagged_emails_for_investigation()) == 1
    assert len(manager.execute_query("SELECT * FROM email_flags")) == 2


def test_errors_of_flags_are_on_the_safe_side(manager, capsys, monkeypatch):
    assert manager.flag_email_for_protection(1, "INBOX", 99) is False  # no such account
    monkeypatch.setattr(manager, "get_connection", lambda: 1 / 0)
    assert manager.is_email_flagged(1, "INBOX", 1) is True
    assert manager.is_email_flagged_for_deletion(1, "INBOX", 1) is False
    assert manager.get_flagged_emails() == [] and manager.get_flagged_count() == 0
    assert "division by zero" in capsys.readouterr().err


def test_duplicates_of_one_account_only(manager, path):
    manager.execute_insert(
        "INSERT INTO accounts (email_address, provider, host, port, encrypted_password) "
        "VALUES ('b@example.org', 'gmail', 'h', 993, 'x')"
    )
    for account in (1, 1, 2):
        manager.execute_insert("INSERT INTO sessions (account_id) VALUES (?)", (account,))
    logger = BulletproofLogger(str(path))
    for session, uid in ((1, "5"), (2, "5"), (3, "5"), (1, ""), (1, "")):
        assert logger.log_email_action(
            "DELETED", uid, "s@x", "t", "INBOX", session_id=session, print_to_screen=False
        )
    assert manager.cleanup_duplicates() == 1
    assert manager.cleanup_duplicates() == 0
    assert [row["session_id"] for row in manager.get_session_email_actions()] == [1, 1, 3, 2]


def test_logger_row(manager, path, capsys):
    logger = BulletproofLogger(str(path))
    logger.set_session_id(1)
    assert logger.log_email_action(
        " deleted ", 12, "Bob <bob@evil.com@bank.com>", "s" * 2000, "INBOX", "why", "Phishing",
        np.float32(87.5), "ENSEMBLE", {"sender_country_code": "CN", "geographic_risk_score": 0.95},
    )  # fmt: skip
    assert "DELETED" in capsys.readouterr().out
    (row,) = logger.get_recent_emails(action_filter="deleted")
    assert (row["action"], row["uid"], row["sender_domain"]) == ("DELETED", "12", "bank.com")
    assert (row["confidence_score"], row["ml_validation_method"]) == (87.5, "ENSEMBLE")
    assert (row["sender_country_code"], row["geographic_risk_score"]) == ("CN", 0.95)
    assert len(row["subject"]) == 1000 and row["session_id"] == 1
    raw = json.loads(row["raw_data"])
    assert list(raw) == [
        "action", "uid", "sender", "subject", "folder", "reason", "category", "confidence_score",
        "ml_method", "timestamp",
    ]  # fmt: skip
    assert raw["confidence_score"] == 87.5
    assert logger.get_recent_emails(action_filter="PRESERVED") == []
    (shown,) = manager.get_session_email_actions(action_filter="DELETED")
    assert shown["user_validated"] == 0 and shown["protection_date"] is None
    assert manager.execute_query("SELECT SUM(n) FROM summary_countries")[0][0] == 1


def test_logger_empty_values_and_unknown_action(manager, path, capsys):
    logger = BulletproofLogger(str(path))
    assert logger.log_email_action("PRESERVED", "", "", "", print_to_screen=False) is True
    (row,) = logger.get_recent_emails()
    assert (row["sender_email"], row["subject"], row["sender_domain"]) == (
        "Unknown", "No Subject", "",
    )  # fmt: skip
    assert logger.log_email_action("SHREDDED", "1", "a", "b") is False
    assert "SHREDDED" in capsys.readouterr().err
    assert len(logger.get_recent_emails()) == 1


def test_logger_lines(capsys, path):
    logger = BulletproofLogger(str(path))
    assert all((
        logger.info("a"), logger.error("b"), logger.warn("c"), logger.debug("d"), logger.log("e"),
        logger.log_session_start("x", 1, 2), logger.log_session_end(1, 2, 3, 4.0),
        logger.set_session_context(3),
    ))  # fmt: skip
    db_logger.write_log("f", True)
    out = capsys.readouterr().out
    assert "INFO: a" in out and "ERROR: b" in out and "WARN: c" in out and "d" not in out.split()
    assert "ERROR: f" in out


def test_logger_from_many_threads(path):
    logger = BulletproofLogger(str(path))
    answers = []

    def work(number):
        for i in range(25):
            answers.append(
                logger.log_email_action(
                    "DELETED", f"{number}-{i}", "a@b", "s", print_to_screen=False, session_id=number
                )
            )

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 125
    rows = logger.get_recent_emails(limit=1000)
    assert len(rows) == 125
    assert all(row["uid"].startswith(f"{row['session_id']}-") for row in rows)


def email(number, **more):
    return {
        "uid": str(number), "folder_name": "INBOX", "sender": f"a{number}@d{number % 7}.example",
        "sender_domain": f"d{number % 7}.example", "subject": "s", "result": "DELETED",
        "confidence": 90.0, "method": "M", "predicted_category": "Phishing", "account_id": 1,
    } | more  # fmt: skip


def test_bulk_beyond_the_batch_size(manager):
    """The original stops for ever at the first full queue, and stores nothing."""
    bulk = BulkOperationManager(manager, 50)
    for number in range(120):
        bulk.add_email_record(email(number))
    assert bulk.get_queue_stats() == {
        "processed_emails": 20, "domains": 0, "flags": 0, "analytics": 0, "total_operations": 120,
    }  # fmt: skip
    assert len(manager.execute_query(f"SELECT 1 FROM {MESSAGES}")) == 100
    bulk.flush_all()
    rows = manager.execute_query(f"SELECT * FROM {MESSAGES} ORDER BY id")
    assert [row["uid"] for row in rows] == [str(number) for number in range(120)]
    assert rows[0]["action"] == "DELETED" and json.loads(rows[0]["raw_data"])["account_id"] == 1
    assert bulk.get_queue_stats()["processed_emails"] == 0


def test_bulk_domains_and_flags(manager):
    with BulkOperationManager(manager, 3).batch_context() as bulk:
        for _ in range(4):
            bulk.add_domain_record({"domain": "X.example", "occurrences": 2, "registrar": "r"})
        bulk.add_flag_record({"uid": 5, "folder_name": "INBOX", "account_id": 1, "notes": "n"})
        with pytest.raises(KeyError):
            bulk.add_domain_record({"name": "x"})
        with pytest.raises(KeyError):
            bulk.add_flag_record({"uid": 5})
    (row,) = manager.execute_query("SELECT * FROM domains")
    assert (row["domain"], row["total_occurrences"]) == ("x.example", 8)
    assert json.loads(row["validation_results"]) == {"registrar": "r"}
    assert manager.get_email_flag_type("5", "INBOX", 1) == "PREVIEW"


def test_a_failed_flush_keeps_its_records(manager, monkeypatch):
    bulk = BulkOperationManager(manager, 10)
    real = manager.get_connection
    monkeypatch.setattr(manager, "get_connection", lambda: 1 / 0)
    for number in range(9):
        bulk.add_email_record(email(number))
    for number in (9, 10):
        with pytest.raises(StoreError, match="stay queued"):
            bulk.add_email_record(email(number))
    assert bulk.get_queue_stats()["processed_emails"] == 11
    monkeypatch.setattr(manager, "get_connection", real)
    bulk.flush_all()
    rows = manager.execute_query(f"SELECT uid FROM {MESSAGES} ORDER BY id")
    assert [row[0] for row in rows] == [str(number) for number in range(11)]


def test_one_failing_queue_does_not_hold_the_others(manager, capsys):
    bulk = BulkOperationManager(manager, 10)
    bulk.add_flag_record({"uid": 5, "folder_name": "INBOX", "account_id": 99})
    bulk.add_email_record(email(1))
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        bulk.flush_all()
    assert len(manager.execute_query(f"SELECT 1 FROM {MESSAGES}")) == 1
    assert bulk.get_queue_stats()["flags"] == 1
    with pytest.raises(KeyError, match="mine"), bulk.batch_context():
        raise KeyError("mine")
    told = capsys.readouterr()
    assert told.err.startswith("batch_context: 1 flags stay queued") and not told.out
    bulk._queues["flags"].clear()


def test_bulk_from_many_threads(manager):
    bulk = BulkOperationManager(manager, 20)

    def work(number):
        for i in range(97):
            bulk.add_email_record(email(number * 1000 + i))

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    bulk.flush_all()
    uids = [row[0] for row in manager.execute_query(f"SELECT uid FROM {MESSAGES}")]
    assert len(uids) == len(set(uids)) == 5 * 97


def test_exit_flushes_and_the_manager_is_one(tmp_path):
    code = (
        "from atlas_fast.compat.models import bulk_operations as b\n"
        "m = b.get_bulk_manager(batch_size=3)\n"
        "assert b.get_bulk_manager(None, 9) is m and m.batch_size == 3\n"
        "b.bulk_insert_emails([{'uid': str(i), 'sender': 'a@b', 'subject': 's', 'result': True}\n"
        "                      for i in range(7)])\n"
        "m.add_email_record({'uid': '8', 'sender': 'a@b', 'subject': 's'})\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENV, check=True)
    connection = sqlite3.connect(tmp_path / "data" / "mail_filter.db")
    rows = connection.execute(f"SELECT uid, action FROM {MESSAGES} ORDER BY id").fetchall()
    connection.close()
    assert [uid for uid, _ in rows] == [*map(str, range(7)), "8"]
    assert {action for _, action in rows[:7]} == {"DELETED"} and rows[7][1] == "PRESERVED"


@pytest.mark.parametrize("variant", ["2", "5", "logger only"])
def test_a_database_of_the_original_is_adopted(tmp_path, variant):
    pytest.importorskip("alembic")
    path = tmp_path / "mail_filter.db"
    original.make(path, variant)
    before = original.content(path)
    manager = DatabaseManager(str(path))
    assert manager.flag_email_for_protection("7", "x", 1) is (variant != "logger only")
    kept = before.get(MESSAGES, [])
    assert manager.get_database_stats()["processed_emails_bulletproof_count"] == len(kept)
    (backup,) = tmp_path.glob("*.backup-*")
    assert original.content(backup) == before


def test_a_file_that_cannot_be_used_is_left_alone(tmp_path):
    """The original deletes a database that it cannot read."""
    path = tmp_path / "mail_filter.db"
    path.write_bytes(b"this is no database" * 1000)
    before = path.read_bytes()
    with pytest.raises(StoreError):
        DatabaseManager(str(path))
    assert path.read_bytes() == before


def test_table_names():
    assert database._validate_table_name("a_1") == "a_1"
    for bad in ("1a", "a b", "a;--", "", "a\n"):
        with pytest.raises(ValueError):
            database._validate_table_name(bad)
