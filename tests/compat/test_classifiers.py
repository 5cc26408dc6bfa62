"""Classifiers of the original's names: one answer, the engine's; and the message it is asked of."""

import email
import email.policy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_fast import decision, preferences
from atlas_fast.classify.model import load_model
from atlas_fast.compat import engine
from atlas_fast.compat.core.logical_classifier import LogicalEmailClassifier
from atlas_fast.compat.filters.keyword_processor import (
    KeywordProcessor,
    classify_spam_type_with_processor,
)
from atlas_fast.compat.ml.ab_classifier_integration import ABClassifierIntegration
from atlas_fast.compat.ml.ab_classifier_integration_simple import ABClassifierIntegrationSimple
from atlas_fast.compat.ml.ensemble_classifier import EnsembleHybridClassifier
from atlas_fast.compat.ml.four_category_classifier import FourCategoryClassifier
from atlas_fast.compat.ml.naive_bayes import NaiveBayesClassifier
from atlas_fast.compat.ml.simple_four_category_classifier import SimpleFourCategoryClassifier
from atlas_fast.compat.ml.subcategory_tagger import SubcategoryTagger
from atlas_fast.compat.models import database
from atlas_fast.compat.models.database import DatabaseManager
from atlas_fast.errors import UsageError
from atlas_fast.headers import parse_headers
from atlas_fast.pipeline import Pipeline, scan
from atlas_fast.store import open_store
from atlas_fast.store.rows import CATEGORIES, OLD_CATEGORIES

SPAM = (
    "Win <prizes@casino-nights.tk>", "YOU WON!!! Claim your FREE prize now",
    "Dear winner, click here to claim $1,000,000 now: http://casino-nights.tk/claim. Viagra, "
    "casino, lottery, free money, guaranteed. Unsubscribe http://casino-nights.tk/u",
)  # fmt: skip
HAM = (
    "Rosa <rosa@example.org>", "Re: patch for the build",
    "On Monday Ivo wrote:\n> the build fails on my machine\nI think the path is wrong. Try the "
    "patch below.\n\nRosa\n",
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "mail.db")


def test_it_is_the_answer_of_a_run(tmp_path):
    """A whole message given in pieces, and the same as a file."""
    raw = b"From: Rosa <rosa@example.org>\nSubject: Hello\nDate: Tue, 5 Mar 2024 09:00:00 +0000\n\n"
    raw += b"See you at ten.\n"
    (tmp_path / "one.eml").write_bytes(raw)
    (batch,) = scan(tmp_path)
    answer = engine.classify("Rosa <rosa@example.org>", "Hello", raw.decode())
    assert answer.spam == batch.verdict.probability[0]
    assert answer.category == CATEGORIES[batch.verdict.category[0]]
    assert engine.message("Rosa <rosa@example.org>", "Hello", raw) == raw
    assert sum(answer.probabilities.values()) == pytest.approx(1)


def test_all_say_the_same():
    for (sender, subject, body), spam in ((SPAM, True), (HAM, False)):
        answer = engine.classify(sender, subject, "", body)
        assert answer.is_spam is spam
        assert answer.old == OLD_CATEGORIES[answer.category]
        simple = SimpleFourCategoryClassifier().classify(subject, sender, body)
        assert (simple["category"], simple["confidence"]) == (answer.category, answer.confidence)
        ensemble = EnsembleHybridClassifier().classify_email(subject, sender, body)
        assert (ensemble["category"], ensemble["is_spam"]) == (answer.old, spam)
        assert ensemble["confidence"] == answer.spam
        assert ("action_override" in ensemble) is (spam and ensemble["confidence_level"] != "HIGH")
        head = f"From: {sender}\nSubject: {subject}\n"
        whole = head + "\n" + body
        assert LogicalEmailClassifier().classify_email(sender, subject, whole)[0] == answer.old
        assert (
            NaiveBayesClassifier().predict_single(sender, subject, None, whole)["is_spam"] is spam
        )
        four = FourCategoryClassifier().classify(sender, subject)
        assert len(four["alternatives"]) == 3


def test_confidence_is_that_of_the_message():
    """The original's leaked into the next."""
    processor = KeywordProcessor()
    confidences = set()
    for sender, subject, body in (SPAM, HAM, SPAM):
        processor.process_keywords(f"Subject: {subject}\n\n{body}", sender, subject)
        confidences.add(processor.last_classification_confidence)
    assert len(confidences) == 2 and all(0.5 <= c <= 1 for c in confidences)


def test_legitimate_mail_has_a_way_out():
    """In the original nothing that matched nothing was ever "not spam"."""
    sender, subject, body = HAM
    head = f"From: {sender}\nSubject: {subject}\n\n{body}"
    assert classify_spam_type_with_processor(head, sender, subject) == "Not Spam"


def test_words_of_a_kind_refine_what_is_no_spam_only():
    order = "Your order confirmation #4711-22 invoice 884211"
    sender, _, body = HAM
    kind = classify_spam_type_with_processor(
        f"From: {sender}\nSubject: {order}\n\n{body}", sender, order
    )
    assert kind == "Transactional Email"
    sender, _, body = SPAM
    head = f"From: {sender}\nSubject: {order}\n\n{body}"
    answer = engine.classify(sender, order, head)
    assert answer.is_spam
    assert classify_spam_type_with_processor(head, sender, order) == answer.old


def test_a_list_names_legitimate_mail_only():
    """In its header section; a line of the body is none."""
    for (sender, subject, body), kind in ((HAM, "Community Email"), (SPAM, None)):
        head = f"From: {sender}\nSubject: {subject}\n"
        plain = classify_spam_type_with_processor(f"{head}\n{body}", sender, subject)
        below = classify_spam_type_with_processor(
            f"{head}\nList-Id: <a.example>\n{body}", sender, subject
        )
        listed = f"List-Id: <a.example>\n{head}\n{body}"
        assert plain == below
        assert classify_spam_type_with_processor(listed, sender, subject) == (kind or plain)


@pytest.fixture
def program(path, monkeypatch):
    """The program's database."""
    manager = DatabaseManager(path)
    monkeypatch.setattr(engine, "db", manager)
    engine.forget()
    yield manager
    engine.forget()


def protect(manager, kind, value):
    manager.execute_insert(
        "INSERT INTO protected_patterns (pattern_type, pattern_value) VALUES (?, ?)", (kind, value)
    )


def test_protected_patterns(program):
    processor = KeywordProcessor()
    sender, subject, _ = SPAM
    assert not processor.check_protected_patterns(sender, subject)
    for kind, value in (("domain", "nights.tk"), ("sender", "prizes@x"), ("subject_keyword", "")):
        protect(program, kind, value)
    assert not processor.check_protected_patterns(sender, subject)
    protect(program, "domain", "casino-nights.tk")
    assert processor.check_protected_patterns(sender, subject)
    assert processor.process_keywords("", sender, subject) == "Not Spam"


def test_protected_patterns_cannot_be_forged(program):
    """Neither by a display name, nor by a longer name, nor where authentication failed."""
    protect(program, "sender", "boss@example.org")
    protect(program, "subject_keyword", "Board Meeting")
    processor, (_, subject, body) = KeywordProcessor(), SPAM
    for sender in ('"boss@example.org" <evil@casino.tk>', "xboss@example.org.evil.tk"):
        assert not processor.check_protected_patterns(sender, subject)
    assert processor.check_protected_patterns("The Boss <BOSS@example.org>", subject)
    assert processor.check_protected_patterns("a@b.example", "Re: board meeting")
    for result, kept in (("pass", True), ("fail", False)):
        whole = f"Authentication-Results: mx.example; dmarc={result}\n\n{body}"
        found = processor.process_keywords(whole, "boss@example.org", subject)
        assert (found == "Not Spam") is kept


def test_a_message_is_judged_once(program, monkeypatch):
    """Whatever is asked of it in one call, and no store is opened for it."""
    program.add_to_whitelist("example.org")
    for kind, value in (("sender", "boss@example.org"), ("subject_keyword", "board meeting")):
        protect(program, kind, value)
    KeywordProcessor().process_keywords("", *HAM[:2])  # opens model, store and reference data
    processed, opened = [], []
    process, opens = Pipeline.process, DatabaseManager.store
    monkeypatch.setattr(Pipeline, "process", lambda *given: processed.append(1) or process(*given))
    monkeypatch.setattr(DatabaseManager, "store", lambda *given: opened.append(1) or opens(*given))
    head = "Authentication-Results: mx.example; dmarc=pass\n"
    for times, ask in enumerate((
        lambda: KeywordProcessor().process_keywords(head, *HAM[:2]),
        lambda: KeywordProcessor().process_keywords(head, "boss@example.org", SPAM[1]),
        lambda: KeywordProcessor().check_protected_patterns(*SPAM[:2]),
        lambda: EnsembleHybridClassifier(program.db_path).classify_email(*HAM[1::-1], "", head),
    ), 1):  # fmt: skip
        ask()
        assert (len(processed), len(opened)) == (times, 0)


def test_protection_leaves_the_answer_alone(program):
    protect(program, "domain", "casino-nights.tk")
    sender, subject, body = SPAM
    message = engine.Message(sender, subject, "", body)
    assert message.protected() and message.answer() == engine.classify(sender, subject, "", body)


@pytest.mark.parametrize(
    ("listed", "results", "category"),
    [
        ("casino-nights.tk", "spf=pass smtp.mailfrom=casino-nights.tk", "WHITELISTED"),
        ("prizes@casino-nights.tk", "dkim=pass header.d=casino-nights.tk", "WHITELISTED"),
        ("tk", "dmarc=pass", "WHITELISTED"),
        ("nights.tk", "dmarc=pass", None),
        ("casino-nights.tk", "spf=fail; dkim=fail", "SPOOFED_WHITELIST"),
        ("casino-nights.tk", "spf=pass smtp.mailfrom=casino-nights.tk; dmarc=fail",
         "SPOOFED_WHITELIST"),
        # somebody else's domain passed; forwarded, so that SPF failed
        ("casino-nights.tk", "spf=pass smtp.mailfrom=evil.tk; dkim=pass header.d=evil.tk", None),
        ("casino-nights.tk", "spf=fail; dkim=pass header.d=casino-nights.tk; dmarc=pass",
         "WHITELISTED"),
        ("casino-nights.tk", "spf=pass; dkim=pass", None),
        ("casino-nights.tk", "", None),
    ],
)  # fmt: skip
def test_trusted_senders(path, listed, results, category):
    """None: nobody says who it is, or it is not on the list; the engine's answer stands."""
    DatabaseManager(path).add_to_whitelist(listed)
    sender, subject, body = SPAM
    field = f"Authentication-Results: mx.example; {results}\n" * bool(results)
    found = EnsembleHybridClassifier(path).classify_email(subject, sender, body, field)
    wanted = category or engine.classify(sender, subject, field, body).old
    assert found["category"] == wanted
    assert found["is_spam"] is (category != "WHITELISTED")


def test_a_trusted_sender_is_the_one_who_was_proved(path):
    """Another address beside that of the From field is nobody's."""
    DatabaseManager(path).add_to_whitelist("example.org")
    results = "spf=pass smtp.mailfrom=evil.tk; dkim=pass header.d=evil.tk; dmarc=pass"
    field = f"Authentication-Results: mx.example; {results}\n"
    for sender in ("evil@evil.tk, <boss@example.org>", '"boss@example.org" <evil@evil.tk>'):
        found = EnsembleHybridClassifier(path).classify_email(SPAM[1], sender, SPAM[2], field)
        assert found["category"] != "WHITELISTED" and found["is_spam"]


def test_relays_of_the_store_count(program):
    head = (
        "Received: from r.test ([41.0.0.1]) by in.example.net\n"
        "Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=example.org\n"
        "Received: from out.example.org ([8.8.8.8]) by mx.example.net\n"
    )
    trusted, pieces = frozenset(("example.org",)), ("boss@example.org", "Hello", head)
    assert engine.Message(*pieces).authentic(trusted) is None
    with open_store(program.db_path) as store:
        preferences.set_relays(store, ["41.0.0.1"])
    engine.forget()
    assert engine.Message(*pieces).authentic(trusted) is True


def test_old_names():
    to_new = FourCategoryClassifier().map_old_category
    assert to_new("Phishing") == ("Dangerous", "Phishing attempts")
    assert to_new("Some Security Thing") == ("Dangerous", "Phishing attempts")
    assert to_new("Crypto & Investment Spam") == ("Commercial Spam", "General product marketing")
    assert to_new("Tech Support Scam") == ("Scams", "Advance fee fraud")
    assert to_new("anything") == ("Commercial Spam", "General product marketing")
    assert to_new("Not Spam")[0] == "Legitimate"
    for new, old in OLD_CATEGORIES.items():
        assert new == "Unknown" or to_new(old)[0] == new


def test_subcategories():
    """By the terms that are there; the documented answers where there are none."""
    tag = SubcategoryTagger().tag_email
    found = tag("Commercial Spam", "Casino poker jackpot", "", "Play poker at our online casino.")
    assert found["subcategory"] == "Gambling promotions" and 0 < found["confidence"] <= 1
    assert (
        found["raw_score"] == max(found["all_scores"].values()) > 0 < len(found["matched_patterns"])
    )
    nothing = {"matched_patterns": [], "raw_score": 0, "all_scores": {}}
    assert tag("Scams", "x") == {"subcategory": "General Scams", "confidence": 0.3} | nothing
    assert tag("Other", "x") == {"subcategory": "Unknown", "confidence": 0.0} | nothing
    stats = SimpleFourCategoryClassifier().get_category_stats()
    assert len(stats) == 4 and all(len(names) == 5 for names in stats.values())


# the message that is asked about


def test_fields_stay_as_sent_where_they_say_the_same():
    head = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nFrom: Ana <ana@example.org>\nX-A: 1\n\tmore\n"
    made = engine.message("Ana <ana@example.org>", "Grüße", head, "")
    assert made == head.encode() + b"\n"
    other = parse_headers(engine.message("Ivo <ivo@example.org>", "Grüße", head))
    assert other.get("From") == "Ivo <ivo@example.org>" and other.get("X-A") == "1\tmore"
    assert len(other.get_all_raw("From")) == 1


def test_a_body_takes_the_place_of_the_fields_about_it():
    head = "Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n"
    made = email.message_from_bytes(
        engine.message("a@example.org", "x", head, "Grüße"), policy=email.policy.default
    )
    assert made.get_content_type() == "text/plain" and made.get_content().strip() == "Grüße"
    html = engine.message("a@example.org", "x", head, "<html><p>x</p></html>")
    assert b"text/html" in html
    assert b"multipart" not in engine.message("a@example.org", "x", head)


def test_headers_of_other_kinds():
    head = {"X-One": "1", "X-Two": "a\r\nX-Three: 3"}
    made = parse_headers(engine.message("a@example.org", "x", head))
    assert made.get("X-One") == "1" and made.get("X-Three") is None
    assert engine.message("", "", b"X: 1\n") == b"X: 1\n\n"
    assert engine.message(None, None, None, None) == b"\n"


def test_long_headers_take_no_longer_than_their_length():
    """A field of many lines, many fields, many blank lines: each in one pass."""
    many = 200_000
    for head in ("X: 1\n" + " y\n" * many, "X: 1\n" * many, "\n" * many, "Subject:" + " " * many):
        assert engine.message("a@example.org", "x", head).count(b"From:") == 1


def test_bytes_that_were_no_text_come_through():
    head = b"X-A: \xff\xfe\n".decode("utf-8", "surrogateescape")
    assert engine.message("", "", head) == b"X-A: \xff\xfe\n\n"
    assert engine.message("", "\ud800", "") == b"Subject: ?\n\n"


@given(st.text(), st.text(), st.text(), st.text())
def test_no_value_starts_a_field(sender, subject, headers, body):
    """Whatever the pieces are, there is an answer, and one From and one Subject at most."""
    made = engine.message(sender, subject, "", body)
    parsed = parse_headers(made)
    names = {"from": bool(engine._line(sender)), "subject": bool(engine._line(subject))}
    for name, given_ in names.items():
        assert len(parsed.get_all_raw(name)) == given_
    answer = engine.classify(sender, subject, headers, body)
    assert 0 <= answer.spam <= 1


# A/B


def subjects(n):
    return [f"Offer {i}" for i in range(n)]


@pytest.mark.parametrize("make", [ABClassifierIntegration, ABClassifierIntegrationSimple])
def test_the_share_is_kept_and_stable(path, make):
    chosen = []
    for _ in range(2):
        test = make(path, 30)
        results = [test.classify_with_ab_testing("a@example.org", s) for s in subjects(200)]
        chosen.append([result["classifier_used"] for result in results])
    assert chosen[0] == chosen[1]
    assert 30 < chosen[0].count("new") < 90
    assert {result["classification_version"] for result in results} == {1, 2}
    for result in results:
        assert (result["ab_testing"]["categories_match"] is None) or (
            result["ab_testing"]["old_category"] and result["ab_testing"]["new_category"]
        )
    more = [make(path, 60).classify_with_ab_testing("a@example.org", s) for s in subjects(200)]
    for before, after in zip(chosen[0], more, strict=True):
        assert before == "old" or after["classifier_used"] == "new"


def test_force_and_bounds(path):
    test = ABClassifierIntegrationSimple(path, 250)
    assert test.rollout_percentage == 100
    test.set_rollout_percentage(-3)
    assert test.rollout_percentage == 0
    for name, version in (("old", 1), ("new", 2)):
        made = test.classify_with_ab_testing("a@example.org", "x", force_classifier=name)
        assert (made["classifier_used"], made["classification_version"]) == (name, version)
    with pytest.raises(UsageError):
        test.classify_with_ab_testing("a@example.org", "x", force_classifier="both")
    other = ABClassifierIntegration(path)
    other.update_rollout_percentage(40)
    assert other.rollout_percentage == 40


@pytest.fixture
def two_models(path, tmp_path):
    """A store whose rollout has a candidate that calls more mail spam; both judge half of it."""
    candidate = tmp_path / "candidate.npz"
    replace(load_model(), threshold=0.001).save(candidate)
    with open_store(path) as store:
        decision.set_rollout(store, 10, candidate=candidate, sample=50)
    return path


def test_rows_and_metrics(two_models, tmp_path):
    """Counts of all messages, rows of the sample: the tables and figures of the engine."""
    path = two_models
    simple, full = ABClassifierIntegrationSimple(path, 50), ABClassifierIntegration(path, 50)
    found = [
        simple.classify_with_ab_testing("Ana <ana@example.org>", subject)
        for subject in subjects(60)
    ]
    rows = DatabaseManager(path).execute_query("SELECT * FROM ab_testing_results ORDER BY id")
    both = [one for one in found if one["ab_testing"]["categories_match"] is not None]
    assert 15 < len(rows) == len(both) < 45
    for row, one in zip(rows, both, strict=True):
        told = one["ab_testing"]
        assert row["selected_classifier"] == one["classifier_used"]
        assert row["new_category"] == told["new_category"]
        assert OLD_CATEGORIES[row["old_category"]] == told["old_category"]
        assert bool(row["categories_match"]) is told["categories_match"]
        assert told["confidence_delta"] == pytest.approx(
            row["new_confidence"] - row["old_confidence"], abs=1e-6
        )
        mine = one["category"]
        assert mine == told["new_category" if one["classifier_used"] == "new" else "old_category"]
    agree = sum(one["ab_testing"]["categories_match"] for one in both)
    assert agree < len(both)  # the candidate differs
    metrics = simple.get_performance_metrics()
    assert metrics["total_classifications"] == 60 and metrics["rollout_percentage"] == 50
    assert metrics["category_match_rate"] == agree / len(both)
    assert metrics["new_classifier_uses"] == sum(r["classifier_used"] == "new" for r in found)
    assert metrics["avg_processing_time_old_ms"] > 0
    figures = full.get_ab_testing_metrics()
    assert figures["total_comparisons"] == len(both)
    assert figures["agreement_rate"] == 100 * agree / len(both)
    assert len(figures["mismatches"]) == min(10, len(both) - agree)
    new = [row["new_category"] for row in rows]
    assert figures["category_distribution_new"] == {name: new.count(name) for name in set(new)}
    today = found[0]["ab_test_id"]
    assert full.get_ab_testing_metrics(today)["total_comparisons"] == len(both)
    assert full.get_ab_testing_metrics("19990101")["total_comparisons"] == 0
    assert "Not enough" in full.get_recommendation()
    report = full.generate_ab_report(str(tmp_path / "report.json"))
    assert (tmp_path / "report.json").read_text() == report + "\n"
    assert json.loads(report)["recommendation"] == full.get_recommendation()


def test_without_a_candidate_both_names_are_one_model(path):
    test = ABClassifierIntegration(path, 50)
    assert test.get_ab_testing_metrics()["agreement_rate"] == 0.0  # of nothing
    made = {
        name: test.classify_with_ab_testing(*SPAM[:2], force_classifier=name)
        for name in ("old", "new")
    }
    assert OLD_CATEGORIES[made["new"]["category"]] == made["old"]["category"]
    assert made["new"]["confidence"] == made["old"]["confidence"]
    assert test.get_ab_testing_metrics()["old_classifier_selections"] == 1


def test_the_database_of_the_program_is_the_default():
    assert EnsembleHybridClassifier().db_path == database.db.db_path
    assert NaiveBayesClassifier().db_path == database.db.db_path
