"""Rules over names and words: tables of the original's documentation, and its domain rules against
the plain re-implementation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import domains as oracle

from atlas_fast.compat.core import classification_utils as utils
from atlas_fast.compat.core.two_factor_validator import TwoFactorEmailValidator
from atlas_fast.compat.filters import business_prefixes as prefixes
from atlas_fast.compat.filters.keyword_processor import KeywordProcessor, count_emoji
from atlas_fast.compat.ml.feature_extractor import MLFeatureExtractor
from atlas_fast.compat.models.database import DatabaseManager
from atlas_fast.compat.terms import Term
from atlas_fast.compat.utils import domain_validator as validator

LABELS = st.text("abeioqwtxz0179-.", min_size=0, max_size=24)


@given(LABELS)
def test_primitives_are_those_of_the_oracle(text):
    assert validator.looks_like_gibberish(text) == oracle.gibberish(text)
    assert validator.has_natural_vowel_pattern(text) == oracle.natural(text)
    assert validator.detect_keyboard_patterns(text) == oracle.keyboard(text)
    assert validator.analyze_character_distribution(text) == oracle.repetitive(text)
    assert validator.count_real_words(text) == oracle.real_words(text, validator._words())
    if text:
        assert validator.calculate_entropy(text) == pytest.approx(oracle.entropy(text))
        weak = validator.is_suspicious_domain_pattern(text)
        assert weak == oracle.weak(text)
    else:
        assert validator.calculate_entropy(text) == 0


@given(st.text(), st.text(), st.text())
def test_rules_answer_anything(sender, subject, headers):
    processor = KeywordProcessor()
    domain, provider = processor.extract_domain_info(sender)
    assert isinstance(processor.is_suspicious_domain(domain, provider), bool)
    found, why = processor.detect_universal_subdomain_complexity(sender, provider)
    assert isinstance(found, bool) and why
    for test in (
        utils.is_transactional_email, utils.is_account_notification,
        utils.is_subscription_management, utils.is_community_email,
    ):  # fmt: skip
        assert isinstance(test(subject, sender, headers), bool)
    category, confidence, _, _ = TwoFactorEmailValidator().validate_email_classification(
        sender, subject, headers
    )
    assert category and 0 <= confidence <= 1
    row = MLFeatureExtractor().extract_features_from_email(sender, subject, None, headers)
    assert len(row) == 67 and all(isinstance(value, int | float) for value in row.values())
    assert isinstance(validator.decode_header_value(subject), str)
    assert isinstance(validator.is_gibberish_email(sender), bool)


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("", (False, "", 0.0)), ("sales", (False, "", 0.0)), ("@x", (False, "", 0.0)),
        ("Sales@x.example", (True, "sales", 0.95)), ("sales1@x", (True, "sales1", 0.85)),
        ("billingteam@x", (True, "billing", 0.80)), ("infoca@x", (True, "info", 0.80)),
        ("ana.lee@x", (True, "ana.lee", 0.70)), ("a.lee@x", (False, "", 0.0)),
        ("the-ceo@x", (True, "the-ceo", 0.70)), ("east_sales9@x", (True, "east_sales9", 0.70)),
        ("best-buy@x", (True, "best-buy", 0.70)), ("nikestore@x", (True, "nikestore", 0.70)),
        ("gapstore@x", (False, "", 0.0)), ("rosa@x", (False, "", 0.0)),
    ],
)  # fmt: skip
def test_prefixes(address, answer):
    assert prefixes.is_legitimate_business_prefix(address) == answer


def test_prefixes_in_words():
    explain = prefixes.get_prefix_confidence_explanation
    assert explain("x") == "Invalid email format"
    assert explain("news@x").startswith("Perfect match: 'news'")
    assert explain("sales1@x").startswith("Pattern match: 'sales1'")
    assert explain("newsus@x") == "Prefix match: 'newsus' starts with legitimate prefix 'news'"
    assert explain("ana.lee@x").startswith("Professional pattern: 'ana.lee'")
    assert explain("rosa@x").startswith("Non-business prefix: 'rosa'")
    assert len(prefixes.LEGITIMATE_BUSINESS_PREFIXES) == 125
    assert len(prefixes.BUSINESS_PREFIX_PATTERNS) == 22


@pytest.mark.parametrize(
    ("domain", "answer"),
    [
        ("", False), ("tide.edu", True), ("a.b.tide.edu", False), ("google.com", False),
        ("mail.google.com", True), ("amazon.com", False), ("email.starbucks.com", True),
        ("tide.com", False), ("kelpfarm.com", True), ("tide.org", False), ("securebank.com", False),
        ("protection.com", True), ("kelptest.com", False), ("xkqzwvbnrt.com", False),
    ],
)  # fmt: skip
def test_authenticated_domains(domain, answer):
    assert utils.is_authenticated_domain(domain) is answer


def test_authenticated_by_results():
    assert utils.is_authenticated_domain("x.example", {"spf": {"pass": True}})
    assert not utils.is_authenticated_domain("x.example", {"spf": {"pass": False}, "dkim": None})


def test_keywords():
    category = "Financial & Investment Spam"
    terms = {
        category: [Term("bitcoin", 0.8), Term("stock", 0.7), Term("coin", 0.5), Term("roi", 0.9)]
    }

    def check(text):
        return utils.match_terms(text, category, terms)

    assert check("nothing of it here") == (False, 0.0)
    assert check("Bitcoin is money today") == (True, 1.0)
    assert check("the shoes are back in stock now") == (False, 0.0)
    assert check("a stock that rises today") == (True, 0.7)
    assert check("ROI now") == (True, pytest.approx(0.45))
    assert check("heroic deeds of old times") == (False, 0.0)


def test_emoji():
    assert count_emoji("\U0001f4b0 \U0001f525x\U0001f3b2\U0001f3b0") == (3, 2)
    processor = KeywordProcessor()
    assert processor.check_emoji_spam("\U0001f4b0 \U0001f525 \U0001f600", "")
    assert not processor.check_emoji_spam("\U0001f4b0 \U0001f600", "")


@pytest.mark.parametrize(
    ("domain", "provider", "why"),
    [
        ("tide", "unknown", "Invalid domain"),
        ("tide.example", "unknown", "No subdomains detected"),
        ("daily.tradehints.com", "unknown", "+ professional-sounding domain"),
        ("email.starbucks.com", "unknown", "Legitimate company domain"),
        ("updates.randomname7.example", "unknown", "+ random main domain"),
        ("updates.kelp.tk", "unknown", "+ suspicious TLD"),
        ("updates.kelp.example", "unknown", "from unknown provider"),
        ("updates.kelp.example", "gmail", "Newsletter subdomain pattern 'updates' detected"),
        ("a.b9.kelp.example", "unknown", "random elements: a.b9.kelp"),
        ("abcdefghijklm.kelp.example", "unknown", "Unusually long subdomain"),
        ("a1b2.kelp.example", "unknown", "Random alphanumeric pattern"),
        ("w.kelp.example", "unknown", "No suspicious subdomain patterns detected"),
    ],
)
def test_subdomains(domain, provider, why):
    found, reason = KeywordProcessor().detect_universal_subdomain_complexity(domain, provider)
    assert why in reason
    assert found is not (reason.startswith(("No ", "Invalid", "Legitimate")))


def test_kinds_of_mail():
    order = ("Your order confirmation 884211", "orders@kelpfarm.com")
    assert utils.is_transactional_email(*order)
    assert not utils.is_transactional_email(order[0] + " and a flash sale", "rosa@kelp.example")
    assert utils.is_account_notification("Password reset", "x@kelpfarm.com")
    assert not utils.is_account_notification("Password reset", "x@kelp.example")
    assert utils.is_subscription_management("Terms of Service", "x@kelpfarm.com")
    assert not utils.is_subscription_management("Terms of Service", "x@gmail.com")
    assert utils.is_community_email("x", "y", "Received: z\nList-Id: <a.example>\n")
    assert not utils.is_community_email("local news", "y", "Received: from localhost\n")


def test_training_rows(tmp_path):
    path = str(tmp_path / "mail.db")
    manager, extractor = DatabaseManager(path), MLFeatureExtractor(path)
    assert extractor.extract_training_data() == ([], [])
    for uid, action, confidence in (("1", "DELETED", 0.9), ("2", "PRESERVED", None)):
        manager.execute_insert(
            "INSERT INTO processed_emails_bulletproof (timestamp, uid, sender_email, sender_domain,"
            " subject, action, category, confidence_score) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (f"2024-01-0{uid}", uid, "a@kelp.example", "kelp.example", "x" * int(uid), action, "c",
             confidence),
        )  # fmt: skip
    rows, labels = extractor.extract_training_data()
    assert labels == [0, 1] and [row["subject_length"] for row in rows] == [2, 1]
    assert [(row["confidence_score"], row["has_confidence"]) for row in rows] == [
        (0.0, 0),
        (0.9, 1),
    ]
    assert len(rows[0]) == 69 and len(extractor.extract_training_data(1)[0]) == 1
    matrix = extractor.prepare_training_matrix(rows)
    assert len(matrix[0]) == 67 and extractor.prepare_training_matrix([{}], ["a"]) == [[0]]
    manager.store_user_feedback("1", "correct", "Phishing", sender="a@b.example", subject="s")
    manager.store_user_feedback("2", "false_positive", "Phishing", sender="a@b.example")
    rows, labels = extractor.extract_user_feedback_data()
    assert labels == [1, 0] and [row["feedback_type"] for row in rows] == [1, 3]
