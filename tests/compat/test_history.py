"""What the program's database tells of the past, feedback into the model, and runs over accounts."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from dovecot import PASSWORD, USER, Dovecot, mails, needs_dovecot

from atlas_fast import triage
from atlas_fast.classify.model import load_model
from atlas_fast.compat import engine
from atlas_fast.compat.core import processing_controller
from atlas_fast.compat.ml.ensemble_classifier import EnsembleHybridClassifier
from atlas_fast.compat.ml.feedback_processor import BinaryFeedbackProcessor
from atlas_fast.compat.ml.four_category_classifier import FourCategoryClassifier
from atlas_fast.compat.ml.naive_bayes import NaiveBayesClassifier
from atlas_fast.compat.ml.random_forest import ProductionRandomForestClassifier
from atlas_fast.compat.models import analytics
from atlas_fast.compat.models.analytics import DatabaseAnalytics, DatabaseAnalyticsMenu
from atlas_fast.compat.models.database import DatabaseManager, db
from atlas_fast.errors import UsageError
from atlas_fast.records import CATEGORIES
from atlas_fast.sources import open_source
from atlas_fast.sources.imap.credentials import PASSWORD_VARIABLE

N = 40


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The program's database, at a place of the test's own."""
    path = tmp_path / "data" / "mail_filter.db"
    path.parent.mkdir()
    monkeypatch.setattr(db, "db_path", str(path))
    monkeypatch.setattr(db, "_lent", None)
    engine.forget()
    yield path
    db.close_connection()
    engine.forget()


@pytest.fixture
def stored(program, tmp_path):
    """A run over generated messages."""
    folder = tmp_path / "mail"
    folder.mkdir()
    (batch,) = open_source(f"synthetic:{N},9").batches(N, 1 << 30)
    for i, raw in enumerate(batch):
        (folder / f"{i:03}.eml").write_bytes(raw)
    triage(str(folder), program)
    return program


# -- figures ---------------------------------------------------------------------------------


def test_figures_are_those_of_the_rows(stored):
    one = DatabaseAnalytics()
    rows = db.execute_query(
        "SELECT action, category, sender_domain FROM processed_emails_bulletproof"
    )
    deleted = sum(row["action"] == "DELETED" for row in rows)
    found = one.get_processing_statistics()
    assert (found["total_sessions"], found["recent_sessions"]) == (1, 1)
    assert found["total_deletions"] == found["recent_deletions"] == deleted
    assert found["total_preservations"] == N - deleted
    assert found["deletion_rate"] + found["preservation_rate"] == pytest.approx(100)
    assert [day["deleted"] for day in found["daily_statistics"]] == [deleted]
    effect = one.get_filter_effectiveness()
    assert effect["total_count"] == N == sum(effect["recent_activity"].values())
    for entry in effect["categories"]:
        mine = [row for row in rows if row["category"] == entry["category"]]
        assert entry["total_count"] == len(mine)
        assert entry["unique_domains"] == len({row["sender_domain"] for row in mine})
        assert entry["deletion_rate"] == pytest.approx(
            100 * sum(row["action"] == "DELETED" for row in mine) / len(mine)
        )
    assert sum(entry["percentage"] for entry in effect["categories"]) == pytest.approx(100)
    accounts = one.get_account_summary()
    assert accounts["total_accounts"] == 1 and accounts["accounts"][0]["total_deleted"] == deleted
    domains = one.get_domain_analysis()
    assert len(domains["recent_activity"]) == 10 and domains["suspicious_domains"] == []
    speed = one.get_performance_analysis()["session_performance"]
    assert [run["total_processed"] for run in speed] == [N]
    stats = analytics.get_user_contribution_stats()
    assert (stats["emails_analyzed"], stats["accuracy"]) == (N, 100.0)


def test_trends_need_fourteen_days(program):
    db.execute_insert(
        "INSERT INTO accounts (email_address, provider, host, port, encrypted_password) "
        "VALUES ('a@b.example', 'generic', '', 0, '')"
    )
    one, now = DatabaseAnalytics(), datetime.now(UTC)
    for back in range(14):
        at = (now - timedelta(days=back)).strftime("%Y-%m-%d %H:%M:%S")
        db.execute_insert(
            "INSERT INTO sessions (account_id, start_time, end_time, total_deleted, "
            "total_preserved) VALUES (1, ?, ?, ?, 1)", (at, at, 4 if back < 7 else 2),
        )  # fmt: skip
        trend = one.get_historical_trends()["weekly_trends"]
        assert (trend == []) is (back < 13)
    assert trend == {
        "recent_week_deletions": 28, "previous_week_deletions": 14, "change_percent": 100.0,
        "trend": "increasing",
    }  # fmt: skip
    assert one.get_historical_trends()["peak_hours"][0]["session_count"] == 14
    db.execute_insert(
        "INSERT INTO domains (domain, risk_score, ml_confidence_scores) VALUES ('x.tk', 0.9, ?)",
        (json.dumps([80, 90]),),
    )
    assert one.get_domain_analysis()["suspicious_domains"][0]["avg_confidence"] == 85


def test_without_a_database_none_is_made(program, monkeypatch, capsys):
    assert DatabaseAnalytics().get_summary_stats()["total_sessions"] == 0
    assert DatabaseAnalytics().get_filter_effectiveness()["categories"] == []
    assert BinaryFeedbackProcessor().get_unprocessed_feedback() == []
    assert not program.exists()
    answers = ["1", "5", "0"]
    monkeypatch.setattr("builtins.input", lambda question: answers.pop(0))
    DatabaseAnalyticsMenu().run()
    assert "total_domains" in capsys.readouterr().out


def test_badges_milestones_and_counters(program):
    stats = {
        "emails_analyzed": 600, "feedback_given": 25, "emails_deleted": 0, "accuracy": 96,
        "recent_activity": 5,
    }  # fmt: skip
    assert len(analytics.get_user_achievement_badges(stats)) == 5
    found = analytics.get_user_milestones(stats)
    assert (found["next_email_milestone"], found["email_progress"]) == (1000, 60.0)
    assert found["next_feedback_milestone"] == 50 and found["deletion_progress"] == 0
    assert analytics.get_user_milestones({"emails_analyzed": 10**6})["next_email_milestone"] is None
    for _ in range(3):
        analytics.increment_analytics_counter("emails_deleted", 2, "2026-01-05")
    analytics.increment_analytics_counter("feedback_given")
    rows = db.execute_query("SELECT emails_deleted, feedback_given FROM user_analytics ORDER BY id")
    assert [tuple(row) for row in rows] == [(6, 0), (0, 1)]
    with pytest.raises(UsageError):
        analytics.increment_analytics_counter("id = 0; --")
    analytics.log_immediate_deletion("a@b.example", "7", folder_name="INBOX")
    assert analytics.get_user_contribution_stats()["emails_deleted"] == 1


# -- feedback --------------------------------------------------------------------------------


def test_feedback_into_the_model_of_the_program(stored):
    """Corrections teach the engine; the classes of this package then answer by what it learned."""
    row = db.execute_query(
        "SELECT uid, sender_email, subject, category FROM processed_emails_bulletproof "
        "WHERE action = 'DELETED' ORDER BY uid LIMIT 1"
    )[0]
    db.store_user_feedback(
        row["uid"], "false_positive", row["category"], "Not Spam", sender=row["sender_email"],
        subject=row["subject"],
    )  # fmt: skip
    db.store_user_feedback("no such", "correct", "Phishing", sender="x@y.example", subject="s")
    db.store_user_feedback("other", "odd", "Unknown")
    processor = BinaryFeedbackProcessor()
    records = processor.get_unprocessed_feedback()
    labeled = processor.convert_feedback_to_binary_labels(records)
    assert sorted(label for _, label in labeled) == [0, 1] and len(records) == 3
    features, labels = processor.extract_features_from_feedback(labeled)
    assert {len(made) for made in features} == {67} and labels == [label for _, label in labeled]
    done = processor.process_all_unprocessed_feedback()
    assert done["success"] and done["lessons"] == 1 and done["feedback_processed"] == 1
    assert (done["total_feedback"], done["training_samples"]) == (3, 2)
    assert len(done["skipped"]) == 2 and len(processor.get_unprocessed_feedback()) == 2
    learned = engine._pipeline().judge.model
    assert (learned.weights != load_model().weights).any()
    again = processor.retrain_models_with_feedback(features, labels)
    assert (again["success"], again["training_samples"]) == (False, 2)
    processor.mark_feedback_processed([one["id"] for one in records], again)
    assert processor.get_unprocessed_feedback() == []
    with pytest.raises(ValueError, match="0"):
        processor.mark_feedback_processed([0], {})
    assert EnsembleHybridClassifier().retrain_models() is False


def test_figures_of_a_model_by_feedback(stored):
    assert NaiveBayesClassifier().evaluate_on_test_data() == {
        "samples": 0, "accuracy": 0.0, "precision": 0.0, "recall": 0.0, "f1_score": 0.0,
    }  # fmt: skip
    for subject, kind in (("Re: patch for the build", "false_positive"), ("Hello", "odd")):
        db.store_user_feedback(
            subject, kind, "Phishing", sender="Rosa <rosa@example.org>", subject=subject
        )
    db.store_user_feedback(
        "3", "correct", "Phishing", sender="Rosa <rosa@example.org>",
        subject="Re: patch for the build",
    )  # fmt: skip
    found = ProductionRandomForestClassifier().get_performance_metrics()
    assert (found["samples"], found["accuracy"], found["recall"]) == (2, 0.5, 0.0)
    assert NaiveBayesClassifier().evaluate_on_test_data(1)["accuracy"] == 0.0  # the newest alone
    features, labels = FourCategoryClassifier().prepare_training_data()
    assert len(features) == len(labels) == N and {len(one) for one in features} == {67}
    assert set(labels) <= {*CATEGORIES}


# -- accounts --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    made = Dovecot()
    made.fill("Junk", mails(12))
    yield made
    made.close()


def an_account(port, folders, active=True, address=USER, tls="none"):
    return db.execute_insert(
        "INSERT INTO accounts (email_address, provider, host, port, encrypted_password, "
        "target_folders, provider_optimizations, is_active) VALUES (?, 'generic', '127.0.0.1', ?, "
        "'', ?, ?, ?)",
        (address, port, json.dumps(folders), json.dumps({"tls": tls}), active),
    )


@needs_dovecot
def test_runs_over_accounts(server, program, monkeypatch, capsys):
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    before = server.snapshot("Junk")
    mine = an_account(server.port, ["Junk"])
    db.execute_insert("INSERT INTO filter_terms (term) VALUES ('message 3')")
    found = processing_controller.run_preview_for_account(mine, debug_mode=True)
    assert found["success"] and found["account_email"] == USER
    assert found["total_deleted"] >= 1 and found["total_deleted"] + found["total_preserved"] == 12
    assert found["categories"]["User Keyword"] == 1 and found["folders_processed"] == 1
    assert server.snapshot("Junk") == before and '"success": true' in capsys.readouterr().out
    other = an_account(1, [], address="nobody@example.org")  # where nobody listens
    assert processing_controller.batch_processing_for_timer() is False
    left = server.snapshot("Junk")
    assert 4 not in left and all(left[uid] == before[uid] for uid in left)
    lost = processing_controller.run_exact_cli_processing_for_account(other)
    assert not lost["success"] and lost["message"] and PASSWORD not in str(lost)
    sessions = db.execute_query("SELECT id, is_preview, total_deleted FROM sessions ORDER BY id")
    assert [bool(row["is_preview"]) for row in sessions][:2] == [True, False]
    assert sessions[0]["id"] == found["session_id"]


@needs_dovecot
def test_on_the_terminal(server, program, monkeypatch, capsys):
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    server.copy("Junk", "Spam")
    an_account(server.port, [])  # folders by their names: Junk and Spam
    before = server.snapshot("Spam")
    answers = ["n", "7", "1", "no"]
    monkeypatch.setattr("builtins.input", lambda question: answers.pop(0))
    assert processing_controller.batch_processing() is False
    assert processing_controller.single_account_filtering() is False
    assert processing_controller.single_account_filtering() is False
    assert "in 2 folders" in capsys.readouterr().out and server.snapshot("Spam") == before
    processing_controller.email_action_viewer()
    assert "PRESERVED" in capsys.readouterr().out
    server.drop("Spam")


def test_accounts_that_cannot_be_used(program, monkeypatch):
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    assert processing_controller.batch_processing_for_timer() is False  # there is none
    off = an_account(1, [], active=False)
    odd = an_account(1, [], address="odd@example.org", tls="perhaps")
    for number, word in ((off, "no active"), (-1, "no active"), (odd, "tls")):
        found = processing_controller.run_exact_cli_processing_for_account(number, True)
        assert not found["success"] and word in found["message"]
    with closing(sqlite3.connect(program)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM sessions").fetchone() == (0,)


def test_the_database_of_the_tests_is_their_own(program):
    assert DatabaseManager(str(program)).db_path == db.db_path
