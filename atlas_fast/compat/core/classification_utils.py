"""The original's rules over words and names of domains. None of them is authentication."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from atlas_fast.compat import engine
from atlas_fast.compat.lists import words
from atlas_fast.compat.terms import Term, Terms, read_terms
from atlas_fast.headers import decode_header, parse_headers

__all__ = [
    "KINDS", "analyze_encoded_content_patterns", "check_all_keywords", "check_keywords_simple",
    "classify_encoded_spam_content", "decode_utf8_headers", "extract_readable_fragments",
    "get_all_keywords_for_category", "get_keywords_simple",
    "is_account_notification", "is_authenticated_domain", "is_community_email",
    "is_subscription_management", "is_transactional_email",
]  # fmt: skip

_ORDER_NUMBER = re.compile(r"(?:order|invoice|tracking|receipt)[\s#:]*[a-z0-9]{6}", re.ASCII)
_LEADING = re.compile("[a-z]*")
_CONSONANTS = re.compile("[bcdfghjklmnpqrstvwxyz]{6}")
_INTERLEAVED = re.compile("[0-9][a-z][0-9][a-z]|[a-z][0-9][a-z][0-9]")
_MAILING_LABELS = frozenset(("email", "newsletter", "news", "marketing", "promo", "offers"))
_COMPANY_PARTS = (
    "com", "net", "org", "web", "mail", "shop", "store", "tech", "soft", "data", "info", "news",
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]{3,}")
_ENCODED = {
    "Phishing": "Encoded Phishing", "Payment Scam": "Encoded Payment Scam",
    "Business Opportunity Spam": "Encoded Marketing Spam",
}  # fmt: skip
_FINANCE = "Financial & Investment Spam"


def decode_utf8_headers(text: str) -> str:
    """Encoded-words decoded (RFC 2047)."""
    return decode_header(text.encode("utf-8", "surrogatepass")) if text else ""


def get_all_keywords_for_category(category: str) -> list[str]:
    """The active terms of a category."""
    return [term.text for term in read_terms().get(category, [])]


def get_keywords_simple(category: str) -> list[str]:
    """The same."""
    return get_all_keywords_for_category(category)


def check_keywords_simple(text: str, category: str) -> bool:
    """Does the text hold a term of the category?"""
    return check_all_keywords(text, category)[0]


def extract_readable_fragments(subject: str, headers: str, sender: str) -> list[str]:
    """Words of three letters or more of the decoded subject, sender and headers, each once."""
    text = " ".join(decode_utf8_headers(part or "") for part in (subject, sender, headers))
    return list(dict.fromkeys(_WORD.findall(text)))


def analyze_encoded_content_patterns(
    decoded_text: str, readable_fragments: Sequence[str]
) -> str | None:
    """What kind of spam a decoded text is, by the engine; None where it calls it none."""
    answer = engine.classify("", decoded_text, "", " ".join(readable_fragments))
    return _ENCODED.get(answer.old, "Encoded Spam") if answer.is_spam else None


def classify_encoded_spam_content(headers: Any, sender: str, subject: str) -> str | None:
    """The same for a message whose subject or sender has encoded-words, or is not ASCII; None for
    another one."""
    text = f"{subject or ''} {sender or ''}"
    if "=?" not in text and text.isascii():
        return None
    answer = engine.classify(sender, subject, headers)
    return _ENCODED.get(answer.old, "Encoded Spam") if answer.is_spam else None


def check_all_keywords(text: str, category: str) -> tuple[bool, float]:
    """(does the text hold terms of the category, confidence)."""
    return match_terms(text, category, read_terms())


def match_terms(text: str, category: str, terms: Terms) -> tuple[bool, float]:
    """The same for terms that were read before."""
    lowered = text.lower()
    n_words = len(lowered.split())
    held = {}
    for term in terms.get(category, ()):
        if term.text and term.text not in held and term.text in lowered:
            held[term.text] = term
    in_stock = category == _FINANCE and any(p in lowered for p in words("known_stock_phrases"))
    found = [
        Term(term.text, _weighed(term, lowered))
        for term in held.values()
        if not (in_stock and term.text == "stock")
    ]
    if not found:
        return False, 0.0
    best = max(term.confidence for term in found)
    if len(found) > 1:
        more = min(0.3, 0.1 * (len(found) - 1))
        return True, min(1.0, best + more + min(0.2, sum(len(t.text) for t in found) / 100))
    (term,) = found
    if n_words <= 3 and _is_short(term.text):
        return True, max(0.3, 0.5 * best)
    if len(term.text) >= 10:
        best = min(1.0, best + min(0.2, len(term.text) / 50))
    return (True, best) if best >= (0.6 if n_words <= 2 else 0.4) else (False, 0.0)


def _is_short(text: str) -> bool:
    return len(text) <= 3 and len(text.split()) == 1


def _weighed(term: Term, lowered: str) -> float:
    """A short term inside a longer word says little."""
    if _is_short(term.text) and not re.search(rf"\b{re.escape(term.text)}\b", lowered):
        return max(0.2, 0.3 * term.confidence)
    return term.confidence


def is_authenticated_domain(domain: str, auth_results: Mapping[str, Any] | None = None) -> bool:
    """Does the name look like that of an established company? `auth_results`: a passed method."""
    if not domain:
        return False
    domain = domain.lower().strip()
    if auth_results and any(
        isinstance(found := auth_results.get(method), Mapping) and found.get("pass")
        for method in ("spf", "dkim", "dmarc")
    ):
        return True
    labels = domain.split(".")
    first = labels[0]
    if domain.endswith((".edu", ".gov")) and len(labels) <= 3:
        return True
    leading = _LEADING.match(first)
    run = leading[0] if leading else ""
    impersonal = (
        any(w in first for w in words("impersonal_labels")) or "tion" in run or "sion" in run
    )
    if impersonal and not any(w in first for w in words("harmless_words")):
        return False
    if any(piece in first for piece in words("brand_pieces")):
        return False
    if len(domain) < 5 or not domain.endswith(".com") or len(labels) < 2:
        return False
    main = domain
    if len(labels) > 2 and first in _MAILING_LABELS:
        main = ".".join(labels[1:])
    rest = main.replace(".com", "")
    company = rest.split(".")[-1]
    if _is_gibberish(company):
        return False
    score = 2 * any(w in rest for w in words("business_words"))
    if 5 <= len(company) <= 25 and any(c in "aeiou" for c in company):
        score += 2 * (not any(w in domain for w in words("suspect_fragments")))
    score += 3 * any(w in company for w in words("brands"))
    score += len(labels) <= 3
    return score >= 3


def _is_gibberish(company: str) -> bool:
    size = len(company)
    if size < 5:
        return False
    letters = sum(map(str.isalpha, company))
    digits = sum(map(str.isdigit, company))
    consonants = bool(_CONSONANTS.search(company))
    interleaved = bool(_INTERLEAVED.search(company))
    common = max(Counter(c for c in company if c.isalnum()).values(), default=0)
    signs = (
        not letters or (digits / letters > 0.15 and size > 10),
        bool(letters) and sum(c in "aeiou" for c in company) / letters < 0.2 and size > 8,
        consonants,
        interleaved,
        size > 12 and not any(part in company for part in _COMPANY_PARTS),
        common > 0.3 * size and size > 6,
    )
    return sum(signs) >= 2 or ((consonants or interleaved) and size > 10)


def is_transactional_email(subject: str, sender: str, headers: str = "") -> bool:
    """A receipt, an order, a bill."""
    text = _joined(subject, sender, headers)
    if any(word in text for word in words("newsletter")):
        return False
    weight = 60 * any(phrase in text for phrase in words("transactional"))
    weight += 30 * any(prefix in (sender or "").lower() for prefix in words("business_senders"))
    weight += 40 * bool(_ORDER_NUMBER.search(text))
    weight += 20 * is_authenticated_domain(_domain(sender))
    weight -= 40 * any(phrase in text for phrase in words("promotional"))
    return weight >= 65


def is_account_notification(subject: str, sender: str, headers: str = "") -> bool:
    """A login, a password, a setting of an account."""
    text = _joined(subject, sender, headers)
    return is_authenticated_domain(_domain(sender)) and any(p in text for p in words("account"))


def is_subscription_management(subject: str, sender: str, headers: str = "") -> bool:
    """Terms, plans, renewals."""
    domain = _domain(sender)
    if not is_authenticated_domain(domain) or domain.endswith(words("consumer_services")):
        return False
    text = _joined(subject, sender, headers)
    return any(phrase in text for phrase in words("subscription"))


KINDS = (
    ("Transactional Email", is_transactional_email,
     "Transactional email detected (receipts, orders, billing)"),
    ("Account Notification", is_account_notification,
     "Account notification detected (security, password resets)"),
    ("Subscription Management", is_subscription_management,
     "Subscription management detected (terms, service updates)"),
)  # fmt: skip
"""Kinds of mail that is kept: category, test, and why in words."""


def is_community_email(subject: str, sender: str, headers: str = "") -> bool:
    """Is it a message of a mailing list? Its List-Id field says so."""
    return parse_headers(engine.message("", "", headers)).get("List-Id") is not None


def _joined(*texts: str) -> str:
    return " ".join(text or "" for text in texts).lower()


def _domain(sender: str) -> str:
    pieces = (sender or "").lower().split("@")
    return pieces[1].replace(">", "").strip() if len(pieces) > 1 else ""
