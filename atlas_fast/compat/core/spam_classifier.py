"""The original's older classifier by name: the engine's answer, and helpers over keywords."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat.core.classification_utils import (
    check_all_keywords,
    get_all_keywords_for_category,
    is_community_email,
    is_transactional_email,
)
from atlas_fast.compat.filters.keyword_processor import (
    KeywordProcessor,
    classify_spam_type_with_processor,
)
from atlas_fast.compat.terms import read_terms

__all__ = [
    "analyze_sender_domain_for_scam", "check_custom_keywords", "check_domain_keywords",
    "classify_spam_type", "classify_spam_type_legacy", "count_keywords",
    "get_custom_keywords_for_category", "is_legitimate_billing_delivery", "is_news_content",
]  # fmt: skip


def classify_spam_type(
    headers: Any, sender: str, subject: str, matched_term: str | None = None
) -> str:
    """The category under its name of the original."""
    return classify_spam_type_with_processor(headers, sender, subject, matched_term)


def classify_spam_type_legacy(
    headers: Any, sender: str, subject: str, matched_term: str | None
) -> str:
    """The same."""
    return classify_spam_type_with_processor(headers, sender, subject, matched_term)


def get_custom_keywords_for_category(category: str) -> list[str]:
    """The active terms of a category."""
    return get_all_keywords_for_category(category)


def check_custom_keywords(text: str, category: str) -> bool:
    """Does the text hold terms of the category?"""
    return check_all_keywords(text, category)[0]


def count_keywords(text: str, category: str) -> int:
    """How many terms of the category the text holds."""
    lowered = (text or "").lower()
    terms = set(get_all_keywords_for_category(category)) - {""}
    return sum(term.lower() in lowered for term in terms)


def check_domain_keywords(domain: str, category_suffix: str = "_domains") -> str | None:
    """The first category whose terms stand inside the domain: of those whose names end in the
    suffix, without it; then of the categories that domains are held against."""
    lowered = (domain or "").lower()
    for category, terms in read_terms().items():
        if category.endswith(category_suffix) and any(
            term.text.lower() in lowered for term in terms if term.text
        ):
            return category.removesuffix(category_suffix)
    return KeywordProcessor().check_domain_patterns(lowered, "unknown")


def analyze_sender_domain_for_scam(sender: str) -> tuple[bool, str]:
    """(does the sender's domain look like that of a scam, why)."""
    processor = KeywordProcessor()
    domain, provider = processor.extract_domain_info(sender)
    hit, why = processor.detect_universal_subdomain_complexity(domain, provider)
    if hit:
        return True, why
    if processor.is_suspicious_domain(domain, provider):
        return True, f"Suspicious domain: {domain}"
    return False, ""


def is_legitimate_billing_delivery(subject: str, sender: str, headers: str = "") -> bool:
    """Is it about an order, a bill or a delivery?"""
    return is_transactional_email(subject, sender, headers)


def is_news_content(subject: str, sender: str, headers: str = "") -> bool:
    """Does it come from a list that says so (a List-Id field), with words of news about it?"""
    lowered = f"{subject or ''} {sender or ''}".lower()
    return is_community_email(subject, sender, headers) and any(
        word in lowered for word in ("news", "digest", "daily", "weekly")
    )
