"""Pools of threads, facts about providers, and the classifiers' helpers."""

import threading
import time

import pytest

from atlas_fast.compat.core import spam_classifier
from atlas_fast.compat.core.classification_utils import (
    analyze_encoded_content_patterns,
    check_keywords_simple,
    classify_encoded_spam_content,
    extract_readable_fragments,
    get_keywords_simple,
)
from atlas_fast.compat.filters.keyword_processor import KeywordProcessor
from atlas_fast.compat.ml.classifier_cache import (
    ClassifierOptimizer,
    ParallelClassificationOptimizer,
    get_classifier_optimizer,
)
from atlas_fast.compat.ml.ensemble_classifier import EnsembleHybridClassifier
from atlas_fast.compat.ml.four_category_classifier import FourCategoryClassifier
from atlas_fast.compat.ml.naive_bayes import NaiveBayesClassifier
from atlas_fast.compat.ml.random_forest import (
    ProductionRandomForestClassifier,
    integrate_random_forest_with_hybrid,
)
from atlas_fast.compat.ml.simple_four_category_classifier import SimpleFourCategoryClassifier
from atlas_fast.compat.ml.subcategory_tagger import SubcategoryTagger
from atlas_fast.compat.models.database import DatabaseManager, db
from atlas_fast.compat.utils.batch_timer import AutoBatchTimer
from atlas_fast.compat.utils.provider_utils import (
    ProviderDetector,
    ProviderOptimizer,
    ProviderValidator,
)
from atlas_fast.compat.utils.thread_pool_manager import (
    WorkerPool,
    get_thread_pool_manager,
    worker_pool,
)
from atlas_fast.errors import UsageError

from .test_classifiers import HAM, SPAM


@pytest.fixture
def terms(tmp_path, monkeypatch):
    """The program's database, with a few keywords."""
    manager = DatabaseManager(str(tmp_path / "mail.db"))
    for term, category in (
        ("casino", "Gambling Spam"), ("free casino prize", "Gambling Spam"),
        ("account suspended", "Phishing"), ("claim your", "Payment Scam"),
    ):  # fmt: skip
        manager.execute_insert(
            "INSERT INTO filter_terms (term, category, confidence_threshold) VALUES (?, ?, 0.8)",
            (term, category),
        )
    monkeypatch.setattr(db, "db_path", manager.db_path)
    monkeypatch.setattr(db, "_lent", None)
    yield manager
    db.close_connection()


# -- pools -----------------------------------------------------------------------------------


def test_a_pool_does_its_tasks_and_ends(capsys):
    done, lock = [], threading.Lock()

    def work(task):
        if task == 13:
            raise ValueError(task)
        with lock:
            done.append(task)

    pool = WorkerPool("numbers", 3, 10, work)
    assert all(pool.submit_task(i) for i in range(40))
    assert pool.wait_completion(10) and sorted(done) == [i for i in range(40) if i != 13]
    found = pool.get_statistics()
    assert set(found) == {
        "name", "worker_count", "tasks_submitted", "tasks_completed", "tasks_failed",
        "tasks_pending", "queue_size", "avg_processing_time", "worker_errors",
    }  # fmt: skip
    assert (found["tasks_submitted"], found["tasks_completed"], found["tasks_failed"]) == (
        40, 39, 1,
    )  # fmt: skip
    assert sum(found["worker_errors"].values()) == 1 and found["tasks_pending"] == 0
    (name,) = found["worker_errors"]
    assert capsys.readouterr().err == f"{name}: ValueError: 13\n"
    with pytest.raises(ValueError, match="None"):
        pool.submit_task(None)
    pool.shutdown()
    assert not pool.submit_task(1)
    assert not [t for t in threading.enumerate() if t.name.startswith("numbers-")]


def test_a_full_pool_says_so():
    hold = threading.Event()
    pool = WorkerPool("full", 1, 1, lambda task: hold.wait(10))
    assert pool.submit_task(1)
    deadline = time.monotonic() + 5
    while pool.get_statistics()["queue_size"] and time.monotonic() < deadline:
        time.sleep(0.005)
    assert pool.submit_task(2) and not pool.submit_task(3, timeout=0.01)
    assert not pool.wait_completion(0.01)
    hold.set()
    assert pool.wait_completion(10)
    pool.shutdown()


@pytest.mark.parametrize(("workers", "wait"), [(16, True), (16, False), (2, False)])
def test_more_workers_than_places_in_the_queue_all_end(workers, wait):
    """Also where the queue is full when the pool is shut down: what was taken is done first."""
    hold, done = threading.Event(), []

    def work(task):
        hold.wait(10)
        done.append(task)

    pool = WorkerPool("narrow", workers, 1, work)
    for i in range(workers + 1):  # each worker has one, and one waits
        assert pool.submit_task(i, timeout=10)
    assert not pool.submit_task("more", timeout=0.01)
    if wait:
        hold.set()
    pool.shutdown(wait=wait)
    hold.set()
    deadline = time.monotonic() + 10
    while left := [t for t in threading.enumerate() if t.name.startswith("narrow-")]:
        assert time.monotonic() < deadline, left
        time.sleep(0.005)
    assert sorted(done) == list(range(workers + 1))


def test_one_manager_made_in_any_thread():
    made = []
    thread = threading.Thread(target=lambda: made.append(get_thread_pool_manager()))
    thread.start()
    thread.join()
    manager = get_thread_pool_manager()
    assert made == [manager]
    pool = manager.create_pool("a", 1)
    assert manager.create_pool("a", 5) is pool is manager.get_pool("a")
    assert set(manager.get_statistics()) == {"a"}
    manager.shutdown_all()
    assert manager.get_pool("a") is None
    ran = []
    with worker_pool("b", 2) as tasks:
        tasks.submit_task(lambda: ran.append(1))
    assert ran == [1] and manager.get_pool("b") is None


# -- providers -------------------------------------------------------------------------------


def test_providers():
    detect, tune, check = ProviderDetector, ProviderOptimizer, ProviderValidator
    assert detect.detect_provider_from_email("a@me.com") == "icloud"
    assert detect.detect_provider_from_sender("A <a@gmail.com>") == "gmail"
    assert "generic" in detect.get_all_providers()
    assert detect.get_provider_config("gmail")["host"] == "imap.gmail.com"
    assert detect.get_provider_config("nothing known")["host"] == ""
    assert detect.requires_app_password("icloud") and not detect.is_major_provider("generic")
    for kind in detect.get_all_providers():
        assert detect.get_setup_instructions(kind) and detect.get_optimization_notes(kind)
        assert detect.get_provider_emoji(kind)
        assert check.validate_provider_config(kind) == (True, [])
    assert [
        tune.get_batch_size("gmail"), tune.get_reselect_frequency("icloud"),
        tune.should_use_bulk_operations("icloud"), tune.should_skip_individual_marking("aol"),
        tune.get_connection_delay("icloud"), tune.get_deletion_strategy("me"),
        tune.requires_folder_quotes("aol"), tune.supports_individual_uid("aol"),
    ] == [50, 5, True, False, 0.2, "standard", True, True]  # fmt: skip
    assert tune.get_flag_syntax("gmail") == r"\Deleted"
    assert tune.get_flag_syntax("icloud") == r"(\Deleted)"
    assert check.validate_email_for_provider("a@gmail.com", "gmail") == (True, "")
    assert not check.validate_email_for_provider("a@gmail.com", "aol")[0]
    assert not check.validate_email_for_provider("gmail.com", "gmail")[0]
    assert not check.validate_provider_config("x")[0]
    first = check.get_provider_troubleshooting("gmail", "LOGIN failed")[0]
    assert "password" in first


# -- classifiers -----------------------------------------------------------------------------


def test_the_engine_answers_first_and_a_message_is_asked_once():
    one, asked = ClassifierOptimizer(), []

    def slow(sender, subject, body, headers):
        asked.append((sender, subject, body, headers))
        return {"category": "x"}

    sure = one.check_early_exit(*SPAM)
    assert sure["method"] == "EARLY_EXIT" and sure["confidence"] >= 0.99 and sure["is_spam"]
    assert one.optimize_classification(slow, *SPAM)["method"] == "EARLY_EXIT" and not asked
    doubtful = next(
        subject
        for subject in ("Hello", "offer", "Free?", "win now", "x", "sale !")
        if one.check_early_exit("a@b.example", subject) is None
    )
    for _ in range(3):
        assert one.optimize_classification(slow, "a@b.example", doubtful) == {"category": "x"}
    one.optimize_classification(slow, "a@b.example", doubtful, headers="X: 1")
    assert asked == [
        ("a@b.example", doubtful, None, None), ("a@b.example", doubtful, None, "X: 1"),
    ]  # fmt: skip
    found = one.get_statistics()
    assert (found["cache_hits"], found["full_classifications"], found["early_exits"]) == (2, 2, 1)
    assert found["cache_hit_rate"] == 0.4
    assert get_classifier_optimizer() is get_classifier_optimizer()


def test_several_classifiers_at_once():
    def bad(**data):
        raise KeyError("x")

    found = ParallelClassificationOptimizer(2).classify_parallel(
        [SimpleFourCategoryClassifier(), lambda **data: data["subject"], bad],
        {"subject": "Hi", "sender": "a@b.example", "body": ""},
    )
    assert found[0]["category"] and found[1] == "Hi" and isinstance(found[2], KeyError)


def test_keywords_of_the_database(terms):
    text = "Claim your FREE casino prize now"
    assert get_keywords_simple("Phishing") == ["account suspended"]
    assert check_keywords_simple(text, "Gambling Spam")
    assert not check_keywords_simple(text, "Phishing")
    processor = KeywordProcessor()
    ranked = processor.get_ranked_classifications(text)
    assert {name for name, _ in ranked} == {"Gambling Spam", "Payment Scam"}
    assert ranked == sorted(ranked, key=lambda one: -one[1])
    assert processor.get_ranked_classifications(text, limit=1) == ranked[:1]
    assert set(processor.analyze_display_name_categories("Free casino prize <a@b.example>")) == {
        "Gambling Spam"
    }
    assert spam_classifier.count_keywords(text, "Gambling Spam") == 2
    assert spam_classifier.get_custom_keywords_for_category("Phishing") == ["account suspended"]
    assert spam_classifier.check_custom_keywords(text, "Payment Scam")
    assert spam_classifier.check_domain_keywords("best-casino.example") == "Gambling Spam"
    assert spam_classifier.check_domain_keywords("firm.example") is None


def test_display_names_and_brands():
    processor = KeywordProcessor()
    assert processor.analyze_display_name_complexity("Rosa Lind <a@b.example>")[0] is False
    for name in ("WINNER OF THE DAY", "x" * 60, "Save 50%", "Hot \N{FIRE}"):
        assert processor.analyze_display_name_complexity(f"{name} <a@b.example>")[0] is True
    brand = processor.check_brand_impersonation
    assert brand("PayPal <a@paypa1.com>", "paypa1.com", "unknown", False)
    assert brand("Amazon Service <a@x.example>", "x.example", "unknown", True)
    assert not brand("Amazon <a@amazon.com>", "amazon.com", "unknown", True)
    assert not brand("Rosa <a@firm.example>", "firm.example", "unknown", True)


def test_encoded_content():
    assert extract_readable_fragments("=?utf-8?q?Gr=C3=BC=C3=9Fe_an_Rosa?=", "", "Rosa") == [
        "Grüße", "Rosa",
    ]  # fmt: skip
    assert classify_encoded_spam_content("", HAM[0], HAM[1]) is None
    body = "Casino poker jackpot viagra lottery prize, click here to claim free money now"
    assert analyze_encoded_content_patterns("YOU WON!!! FREE casino", [body]).startswith("Encoded")
    assert KeywordProcessor().check_encoded_spam(HAM[1], HAM[0]) is None
    sender, _, body = SPAM
    subject = "=?utf-8?q?YOU_WON!!!_Claim_your_FREE_prize?="
    head = f"From: {sender}\nSubject: {subject}\n"
    found = classify_encoded_spam_content(f"{head}\n{body}", sender, subject)
    assert found == "Encoded Marketing Spam"
    assert KeywordProcessor().check_encoded_spam(subject, sender).startswith("Encoded ")
    scam, why = spam_classifier.analyze_sender_domain_for_scam("a@daily.randomly4u.tk")
    assert scam and why
    assert spam_classifier.analyze_sender_domain_for_scam("a@firm.com") == (False, "")
    listed = "List-Id: <news.example>\n"
    assert spam_classifier.is_news_content("Daily digest", "a@b.example", listed)
    assert not spam_classifier.is_news_content("Daily digest", "a@b.example")
    assert not spam_classifier.is_legitimate_billing_delivery("Hello", "a@b.example")


def test_models_by_name(tmp_path, monkeypatch):
    """There is one model; what is saved is it, and nothing is read in its place."""
    from atlas_fast.classify.model import load_model

    monkeypatch.chdir(tmp_path)
    for one, name in (
        (NaiveBayesClassifier("x.db"), "a.npz"),
        (ProductionRandomForestClassifier("x.db"), "b.pkl"),
    ):
        one.save_model(name)
        assert load_model(tmp_path / name).threshold == load_model().threshold
        assert one.load_model("no such file") is True
        assert one.train()["success"] is False and not (tmp_path / "x.db").exists()
    four = FourCategoryClassifier("x.db")
    four.save_model("four")
    assert (tmp_path / "four.npz").exists() and four.load_model()
    subcategory, confidence = four.detect_subcategory("Play poker at our online casino jackpot")
    assert subcategory and 0 <= confidence <= 1
    tagger = SubcategoryTagger()
    stats = tagger.get_subcategory_stats("Scams")
    assert set(stats) == {"Scams"} and all(stats["Scams"].values())
    assert tagger.export_patterns("terms.json") + "\n" == (tmp_path / "terms.json").read_text()
    with pytest.raises(UsageError, match="effectiveness"):
        tagger.update_pattern_effectiveness("Scams", "Romance scams", "love", 0.5)
    assert isinstance(integrate_random_forest_with_hybrid(), EnsembleHybridClassifier)
    features = SimpleFourCategoryClassifier().extract_features("casino poker", "a@b.example", "")
    assert features


# -- timers ----------------------------------------------------------------------------------


def test_timers(monkeypatch, capsys):
    ran = threading.Event()

    def batch():
        ran.set()
        return False

    one = AutoBatchTimer(batch)
    assert not one.timer_active and one.get_timer_status() == "No timer is on"
    one.start_interval(0.0005, repeat=True)
    assert ran.wait(10) and one.is_timer_active() and one.repeat_timer
    name = one.start_at(3, 30)
    assert name in one.get_timer_status() and one.timer_threads[name]["target_time"].hour == 3
    assert one.stop_all_timers() == 2 and not one.is_timer_active()
    done = one.execution_count
    assert done == one.timer_threads["interval"]["execution_count"] >= 1
    time.sleep(0.1)
    assert one.execution_count == done
    assert "did not succeed" in capsys.readouterr().err
    for wrong in (0, 10_081):
        with pytest.raises(ValueError, match="minutes"):
            one.start_interval(wrong)
    answers = ["1", "many", "2", "25:00", "2", "04:15", "3", "0"]
    monkeypatch.setattr("builtins.input", lambda question: answers.pop(0))
    one.manage_auto_batch_timer()
    assert not answers and "04:15: next at" in capsys.readouterr().out
