"""The original's 67 numbers of a sender and a subject, in its order, for models trained on them.

Their quirks are part of them (`category_*_match` is always 1, `brand_impersonation` always 0): a
model that learned from these columns must find them as they were. The engine's own features are in
stages.features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atlas_fast.compat.core.classification_utils import is_authenticated_domain, match_terms
from atlas_fast.compat.filters.keyword_processor import (
    CATEGORIES,
    KeywordProcessor,
    count_emoji,
    domain_category,
    is_emoji_spam,
)
from atlas_fast.compat.models.database import db
from atlas_fast.compat.terms import Terms, manager_of, read_terms
from atlas_fast.compat.utils.domain_validator import detect_provider_from_sender
from atlas_fast.domains import public_suffix, registrable, verdict
from atlas_fast.store.schema import MESSAGES

__all__ = ["MLFeatureExtractor"]

_PROVIDERS = ("gmail", "icloud", "outlook", "yahoo", "aol", "unknown")
_REPUTATION = {"gmail": 0.95, "icloud": 0.95, "outlook": 0.90, "yahoo": 0.75, "aol": 0.70}
_FEEDBACK = {"correct": 1, "incorrect": 2, "false_positive": 3}
_URGENT = ("urgent", "immediate", "now", "limited time")
_PROMOTION = ("free", "bonus", "offer", "deal", "sale")

Row = dict[str, Any]


class MLFeatureExtractor:
    """Keywords come from the database of `db_path`, by default the program's."""

    def __init__(self, db_path: str | None = None):
        self.db_path = db.db_path if db_path is None else db_path
        self.keyword_processor = KeywordProcessor()
        self.feature_categories = [
            "domain_features", "content_features", "spam_indicators", "structural_features",
            "provider_features", "emoji_features",
        ]  # fmt: skip

    def extract_features_from_email(
        self, sender: str, subject: str, domain: str | None = None, headers: str = ""
    ) -> Row:
        """Name to number, 67 of them."""
        return self._features(sender, subject, domain, headers, read_terms(self.db_path))

    def get_feature_names(self) -> list[str]:
        """The 67 names."""
        return list(self._features("", "", None, "", {}))

    def prepare_training_matrix(
        self, feature_dicts: Sequence[Row], feature_names: Sequence[str] | None = None
    ) -> list[list[Any]]:
        """Rows in the order of the names; what is missing is 0."""
        names = feature_names or self.get_feature_names()
        return [[row.get(name, 0) for name in names] for row in feature_dicts]

    def extract_training_data(self, limit: int | None = None) -> tuple[list[Row], list[int]]:
        """Features and labels (1: deleted) of stored messages, the newest first."""
        query = (
            "SELECT sender_email, subject, sender_domain, confidence_score, action "
            f"FROM {MESSAGES} WHERE category IS NOT NULL AND action IS NOT NULL "
            "ORDER BY timestamp DESC LIMIT ?"
        )
        rows, labels, terms = [], [], read_terms(self.db_path)
        for sender, subject, domain, confidence, action in self._read(query, limit):
            made = self._features(sender, subject, domain, "", terms)
            made["confidence_score"] = confidence or 0.0
            made["has_confidence"] = int(bool(confidence))
            rows.append(made)
            labels.append(int(action == "DELETED"))
        return rows, labels

    def extract_user_feedback_data(self) -> tuple[list[Row], list[int]]:
        """Features and labels of feedback that was not processed: 1 where spam was confirmed."""
        query = (
            "SELECT sender, subject, confidence_rating, feedback_type FROM user_feedback "
            "WHERE NOT processed ORDER BY id LIMIT ?"
        )
        rows, labels, terms = [], [], read_terms(self.db_path)
        for sender, subject, confidence, kind in self._read(query, None):
            made = self._features(sender, subject, None, "", terms)
            made["original_confidence"] = confidence or 0
            made["feedback_type"] = _FEEDBACK.get(kind, 0)
            rows.append(made)
            labels.append(int(kind == "correct"))
        return rows, labels

    def _read(self, query: str, limit: int | None) -> list[Any]:
        manager = manager_of(self.db_path)
        values = (-1 if limit is None else limit,)
        return [] if manager is None else manager.execute_query(query, values)

    def _features(self, sender: Any, subject: Any, domain: Any, headers: Any, terms: Terms) -> Row:
        sender, subject, headers = (str(x) if x else "" for x in (sender, subject, headers))
        text = f"{subject} {headers}".lower()
        if domain:
            domain, provider = str(domain), detect_provider_from_sender(sender)
        else:
            domain, provider = self.keyword_processor.extract_domain_info(sender)
        in_subject, in_text = count_emoji(subject), count_emoji(text)
        pattern = domain_category(domain, terms) if domain and provider == "unknown" else None
        made: Row = self._of_domain(domain, provider)
        made |= {
            "provider_reputation": _REPUTATION.get(provider, 0.20),
            "subject_length": len(subject),
            "text_length": len(text),
            "text_word_count": len(text.split()),
            "subject_has_numbers": int(any(map(str.isdigit, subject))),
            "subject_uppercase_ratio": _ratio(sum(map(str.isupper, subject)), len(subject)),
            "subject_special_chars": sum(not (c.isalnum() or c.isspace()) for c in subject),
            "has_money_symbols": int(any(c in text for c in "$€£¥₿")),
            "has_urgency_words": int(any(word in text for word in _URGENT)),
            "has_promotional_words": int(any(word in text for word in _PROMOTION)),
            "encoded_spam": int("=?UTF-8?" in subject or len(subject) > 200),
        }
        for category in CATEGORIES:
            slug = category.lower().replace(" ", "_")
            made[f"category_{slug}_confidence"] = match_terms(text, category, terms)[1]
            made[f"category_{slug}_match"] = 1
        words = subject.split()
        made |= {
            "domain_pattern_match": int(pattern is not None),
            "domain_pattern_type": _pattern_type(pattern),
            "brand_impersonation": 0,
            "subject_question_marks": subject.count("?"),
            "subject_exclamation_marks": subject.count("!"),
            "subject_all_caps_words": sum(w.isupper() and len(w) > 1 for w in words),
            "sender_has_noreply": int("noreply" in sender.lower() or "no-reply" in sender.lower()),
            "sender_has_numbers": int(any(map(str.isdigit, sender))),
            **{f"provider_{name}": int(provider == name) for name in _PROVIDERS},
            "provider_tier_1": int(provider in ("gmail", "icloud", "outlook")),
            "provider_tier_2": int(provider in ("yahoo", "aol")),
            "subject_emoji_count": in_subject[0],
            "subject_scam_emoji_count": in_subject[1],
            "total_emoji_count": in_text[0],
            "total_scam_emoji_count": in_text[1],
            "emoji_density": in_text[0] / len(text),
            "scam_emoji_ratio": _ratio(in_text[1], in_text[0]),
            "emoji_spam_detected": int(is_emoji_spam(in_subject, in_text)),
        }
        return made

    def _of_domain(self, domain: str, provider: str) -> Row:
        suffix_length, has_subdomain = _split(domain)
        labels = domain.split(".") if domain else []
        suspicious = self.keyword_processor.is_suspicious_domain(domain, provider)
        return {
            "suspicious_domain": int(suspicious),
            "legitimate_domain": int(is_authenticated_domain(domain)),
            "domain_length": len(domain),
            "domain_parts_count": len(labels),
            "domain_has_numbers": int(any(map(str.isdigit, domain))),
            "domain_main_length": len(labels[0]) if labels else 0,
            "tld_length": suffix_length,
            "has_subdomain": has_subdomain,
            "suspicious_tld": int(domain.endswith(tuple(KeywordProcessor.SUSPICIOUS_TLDS))),
        }


def _ratio(part: int, whole: int) -> float:
    """int 0 where there is nothing, as the original has it."""
    return part / whole if whole else 0


def _pattern_type(category: str | None) -> int:
    if category is None:
        return 0
    return 1 if "Investment" in category else 2 if "Gambling" in category else 3


def _split(domain: str) -> tuple[int, int]:
    """Characters of the known public suffix; does anything stand left of the registrable domain?"""
    suffix = public_suffix(domain, private=False) if domain else None
    if suffix is None:
        return 0, 0
    if not verdict(domain).known_suffix:
        return 0, int("." in domain)
    base = registrable(domain, private=False)
    return len(suffix), int(base is not None and len(domain.rstrip(".")) > len(base))
