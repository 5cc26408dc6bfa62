"""The order of decisions: each rule, its stored string, and who wins."""

import pytest

from atlas_fast.classify.order import (
    Decisions,
    Filters,
    Message,
    Order,
    is_appointment,
    is_transaction,
)  # fmt: skip

PHISHING = "Phishing"


def decide(
    *, uid=1, sender="Eve <eve@bad.example>", domain="bad.example", subject="hello",
    category=PHISHING, confidence=80.0, spam=True, filters=(), flags=None, validate=None,
    headers="Subject: hello",
):  # fmt: skip
    out = Decisions()
    one = Message(uid, sender, domain, subject, category, confidence, spam)
    Order(Filters(filters), flags, validate).decide(one, lambda: headers, out)
    return (out.delete[0], out.reason[0], out.category[0], out.confidence[0]), out


SAID = "Hybrid Classifier: Phishing (80.0% confidence)"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (True, f"{SAID} [AUTO_DETECTED]", PHISHING, 80.0)),
        (
            {"spam": False, "category": "Not Spam"},
            (False, "Not flagged by spam detection (category: Not Spam)", "Not Spam", 80.0),
        ),
        (
            {"spam": False, "category": "Not Spam", "filters": ["hello"]},
            (True, "Matched: hello [USER_KEYWORD]", "User Keyword", 80.0),
        ),
        (
            {"filters": ["hel*o"]},
            (
                True, f"{SAID} + Matched regex: hel*o [MULTI_MATCH] | Category: Phishing",
                "User Keyword", 80.0,
            ),
        ),
        (
            {"spam": False, "category": "Not Spam", "flags": {1: "DELETE"}},
            (
                True, "Manually flagged for deletion [FLAGGED_FOR_DELETION]",
                "Flagged for Deletion", 80.0,
            ),
        ),
        (
            {"flags": {1: "DELETE"}},
            (True, f"{SAID} [FLAGGED_FOR_DELETION]", "Flagged for Deletion", 80.0),
        ),
        (
            {"spam": False, "flags": {1: "DELETE"}, "filters": ["hello"]},
            (
                True, "Matched: hello [FLAGGED_FOR_DELETION+USER_KEYWORD]",
                "Flagged for Deletion", 80.0,
            ),
        ),
        (
            {"flags": {1: "PROTECT"}, "filters": ["hello"]},
            (False, "Protected by user flag [FLAG_PROTECTED]", PHISHING, 80.0),
        ),
        ({"flags": {2: "PROTECT"}}, (True, f"{SAID} [AUTO_DETECTED]", PHISHING, 80.0)),
    ],
)  # fmt: skip
def test_reasons(given, expected):
    assert decide(**given)[0] == expected


def no(sender, subject):
    return False, "Legitimate company", True


def test_domain_validation():
    """A domain that may not be deleted keeps what is not promotional; not a user's own choice."""
    kept, out = decide(category="Gambling Spam", validate=no)
    assert kept == (False, "Legitimate company [HYBRID_CLASSIFIER override]", "Gambling Spam", 80.0)
    assert out.validated == 1
    assert decide(category="Community Email", validate=no)[0][0] is False
    assert decide(category=PHISHING, validate=no)[0][0] is True
    assert decide(category="Gambling Spam", validate=no, filters=["hello"])[0][0] is True
    assert decide(category="Gambling Spam", validate=no, flags={1: "DELETE"})[0][0] is True
    sure, out = decide(category="Gambling Spam", validate=no, confidence=90.0)
    assert sure[0] is True and out.validated == 0  # not looked at from 90 on


def test_a_validator_that_fails_keeps_the_message():
    def broken(sender, subject):
        raise RuntimeError("whois")

    kept, _ = decide(category="Gambling Spam", validate=broken)
    assert kept[0] is False and "RuntimeError" in kept[1]


@pytest.mark.parametrize(
    ("sender", "domain", "subject", "kept"),
    [
        ("Calendly <no-reply@calendly.com>", "calendly.com", "Your appointment", True),
        ("x <x@mail.Xtime.com>", "mail.Xtime.com", "Appointment reminder: Monday", True),
        ("Honda of Town <s@h.example>", "h.example", "Service appointment", True),
        ("x <x@h.example>", "h.example", "Appointment scheduled at your dealership", True),
        ("x <x@h.example>", "h.example", "Your appointment", False),
        ("calendly.com <x@evil.example>", "evil.example", "Your appointment", False),
        ("x <x@calendly.com.evil.example>", "calendly.com.evil.example", "Your appointment", False),
        ("Calendly <no-reply@calendly.com>", "calendly.com", "Big sale", False),
    ],
)  # fmt: skip
def test_appointments(sender, domain, subject, kept):
    assert is_appointment(sender, domain, subject) is kept
    found, _ = decide(sender=sender, domain=domain, subject=subject, filters=["hello"])
    if kept:
        assert found == (
            False, "Appointment Confirmation protection override", "BUSINESS_TRANSACTION", 100.0,
        )  # fmt: skip
    else:
        assert found[0] is True


@pytest.mark.parametrize(
    ("domain", "subject", "kept"),
    [
        ("paypal.com", "Receipt for your payment", True),
        ("mail.Amazon.com", "ORDER CONFIRMATION 12", True),
        ("paypal.com.evil.example", "Receipt for your payment", False),
        ("notpaypal.com", "Receipt for your payment", False),
        ("paypal.com", "You won", False),
        ("", "Receipt for your payment", False),
    ],
)
def test_transactions(domain, subject, kept):
    assert is_transaction(domain, subject) is kept
    found, _ = decide(domain=domain, subject=subject, sender=f"paypal.com <x@{domain}>")
    assert found[0] is not kept
    if kept:
        assert found[1:3] == ("Business Transaction protection override", "BUSINESS_TRANSACTION")


def test_filters_read_headers_only_when_there_are_some():
    out = Decisions()
    one = Message(1, "a", "b", "c", PHISHING, 80.0, True)
    Order().decide(one, lambda: 1 / 0, out)
    assert out.delete == [True]


def test_a_pattern_that_is_none_is_a_plain_term():
    filters = Filters(["[unclosed", "*"])
    assert filters.match("x [UNCLOSED y") == (True, "Matched: [unclosed")
    assert not Filters(None) and not Filters([])
