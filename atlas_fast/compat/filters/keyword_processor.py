"""`KeywordProcessor`: the original's first classifier by name; the answer is the engine's."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from atlas_fast.compat import engine
from atlas_fast.compat.core.classification_utils import (
    KINDS,
    classify_encoded_spam_content,
    is_authenticated_domain,
    is_community_email,
    match_terms,
)
from atlas_fast.compat.lists import words
from atlas_fast.compat.terms import Terms, read_terms
from atlas_fast.compat.utils.domain_validator import detect_provider_from_sender
from atlas_fast.domains import verdict

__all__ = ["CATEGORIES", "KeywordProcessor", "classify_spam_type_with_processor"]

CATEGORIES = (
    "Phishing", "Payment Scam", "Adult & Dating Spam", "Health & Medical Spam",
    "Legal & Compensation Scams", "Financial & Investment Spam", "Gambling Spam",
    "Education/Training Spam", "Real Estate Spam", "Business Opportunity Spam",
    "Brand Impersonation", "Marketing Spam",
)  # fmt: skip
"""Those that have keywords, in the order of the features."""

DOMAIN_CATEGORIES = (
    "Financial & Investment Spam", "Gambling Spam", "Health & Medical Spam", "Adult & Dating Spam",
    "Real Estate Spam",
)  # fmt: skip

_SCAM_LABELS = frozenset(("daily", "insights", "strategies", "portfolio", "newsletter"))
_SCAM_WORDS = ("scam", "fake", "fraud", "phish")
_CHEAP_ENDINGS = frozenset(("tk", "ml", "ga", "cf", "us", "info", "biz"))
_RANDOM_LABEL = re.compile(r"\d[a-z]+\d|[a-z]\d{3}")


class KeywordProcessor:
    """Rules over words and names of domains; `process_keywords` is the engine's answer.

    `last_classification_confidence` (0 to 1) belongs to the last call of `process_keywords`.
    """

    SUSPICIOUS_TLDS: ClassVar[list[str]] = [".tk", ".ml", ".ga", ".cf", ".us"]

    def __init__(self) -> None:
        self.last_classification_confidence = 0.0

    def process_keywords(
        self, headers: str, sender: str, subject: str, matched_term: str | None = None
    ) -> str:
        """The category under its name of the original."""
        message = engine.Message(sender, subject, headers)
        if message.protected():
            self.last_classification_confidence = 0.95
            return "Not Spam"
        answer = message.answer()
        self.last_classification_confidence = answer.confidence
        if answer.category == "Legitimate":
            if headers and is_community_email(subject, sender, headers):
                return "Community Email"
            for category, test, _ in KINDS:
                if test(subject, sender, ""):
                    return category
        return answer.old

    def check_protected_patterns(self, sender: str, subject: str) -> bool:
        """Did the user protect this sender, its domain, or a word of the subject?"""
        return engine.Message(sender, subject).protected()

    def extract_domain_info(self, sender: str) -> tuple[str, str]:
        """(domain, provider) of a sender; empty and `unknown` where there is none."""
        lowered = (sender or "").lower()
        if "@" in lowered:
            provider = detect_provider_from_sender(sender)
            return lowered.rpartition("@")[2].replace(">", "").strip(), provider
        if "<" in lowered and ">" in lowered:
            inside = lowered.rpartition("<")[2].replace(">", "").strip()
            if "." in inside:
                return inside, "unknown"
        return "", "unknown"

    def is_suspicious_domain(self, domain: str, sender_provider: str) -> bool:
        """Long, deep, numbered, or under a cheap ending."""
        if not domain or is_authenticated_domain(domain):
            return False
        first = domain.split(".")[0]
        suspicious = (
            len(first) > 15
            or domain.count(".") > 3
            or (len(first) > 10 and any(map(str.isdigit, domain)))
            or (sender_provider == "unknown" and domain.endswith(tuple(self.SUSPICIOUS_TLDS)))
        )
        if sender_provider in ("icloud", "gmail", "outlook"):
            return suspicious and len(first) > 20
        return suspicious

    def check_domain_patterns(self, domain: str, sender_provider: str) -> str | None:
        """The first category with a term inside the domain of an unknown provider."""
        if sender_provider != "unknown" or not domain:
            return None
        return domain_category(domain, read_terms())

    def find_best_category_match(
        self,
        all_text: str,
        confidence_threshold: float = 0.5,
        display_categories: dict[str, float] | None = None,
    ) -> str | None:
        """The category whose keywords fit best, if they fit as well as the threshold."""
        terms = read_terms()
        weights = {name: match_terms(all_text, name, terms)[1] for name in CATEGORIES}
        for name, weight in (display_categories or {}).items():
            weights[name] = max(weights.get(name, 0.0), weight)
        best = max(weights, key=lambda name: weights[name])
        return best if weights[best] and weights[best] >= confidence_threshold else None

    def get_ranked_classifications(
        self,
        all_text: str,
        sender: str = "",
        confidence_threshold: float = 0.3,
        limit: int = 5,
    ) -> list[tuple[str, float]]:
        """(category, confidence) of the categories whose keywords fit, the best first."""
        terms, text = read_terms(), f"{sender} {all_text}" if sender else all_text
        weights = [(name, match_terms(text, name, terms)[1]) for name in CATEGORIES]
        found = [one for one in weights if one[1] and one[1] >= confidence_threshold]
        return sorted(found, key=lambda one: -one[1])[: max(0, limit)]

    def analyze_display_name_categories(self, sender: str) -> dict[str, float]:
        """Confidence by category of the keywords in the sender's display name."""
        name, terms = _display_name(sender), read_terms()
        weights = {category: match_terms(name, category, terms)[1] for category in CATEGORIES}
        return {category: weight for category, weight in weights.items() if weight}

    def analyze_display_name_complexity(self, sender: str) -> tuple[bool, str]:
        """(does the display name look like an advertisement, why)."""
        name = _display_name(sender)
        letters = [c for c in name if c.isalpha()]
        if len(name) > 50:
            return True, f"Long display name ({len(name)} characters)"
        if self.count_emojis(name)[0]:
            return True, "Emoji in the display name"
        if len(letters) > 8 and sum(map(str.isupper, letters)) > 0.8 * len(letters):
            return True, "Display name in capitals"
        if any(c in name for c in "!$%"):
            return True, "Signs of advertising in the display name"
        return False, "Plain display name"

    def check_brand_impersonation(
        self, sender: str, domain: str, sender_provider: str, suspicious_domain: bool
    ) -> bool:
        """Does the domain look like a brand's without being it, or the display name name a brand
        that the domain is not of?"""
        if domain and verdict(domain).confusable_with:
            return True
        name = _display_name(sender).lower()
        first = (domain or "").lower()
        return any(
            re.search(rf"\b{re.escape(brand)}\b", name) and brand not in first
            for brand in words("brands")
        ) and (suspicious_domain or sender_provider != "unknown")

    def check_encoded_spam(self, subject: str, sender: str) -> str | None:
        """The category of encoded spam where the engine calls the message spam, else None."""
        return classify_encoded_spam_content("", sender, subject)

    def check_emoji_spam(self, subject: str, all_text: str) -> bool:
        """Many emoji of advertising in the subject, or in the text."""
        in_subject, in_text = self.count_emojis(subject), self.count_emojis(all_text)
        return is_emoji_spam(in_subject, in_text)

    def count_emojis(self, text: str) -> tuple[int, int]:
        """(runs of emoji, runs that are one emoji of advertising)."""
        return count_emoji(text)

    def get_category_threshold(self, category: str, default: float = 0.7) -> float:
        """The default: what decides is the engine's threshold."""
        return default

    def detect_universal_subdomain_complexity(
        self, domain: str, sender_provider: str
    ) -> tuple[bool, str]:
        """(is it suspicious, why)."""
        labels = (domain or "").lower().split(".")
        if len(labels) < 2:
            return False, "Invalid domain"
        if len(labels) < 3:
            return False, "No subdomains detected"
        first, second, last = labels[0], labels[1], labels[-1]
        lowered = ".".join(labels)
        if is_authenticated_domain(lowered) and not any(word in second for word in _SCAM_WORDS):
            if first in _SCAM_LABELS and any(w in lowered for w in words("newsletter_scams")):
                return True, f"Newsletter scam pattern: '{first}' + professional-sounding domain"
            return False, "Legitimate company domain"
        if any(word in first for word in words("subdomain_words")):
            opening = f"Suspicious newsletter subdomain '{first}'"
            if len(second) > 8 and any(map(str.isdigit, second)):
                return True, f"{opening} + random main domain"
            if last in _CHEAP_ENDINGS:
                return True, f"{opening} + suspicious TLD"
            if sender_provider == "unknown":
                return True, f"{opening} from unknown provider"
            return True, f"Newsletter subdomain pattern '{first}' detected"
        if len(labels) > 3 and any(
            len(label) > 8 or any(map(str.isdigit, label)) for label in labels[:-2]
        ):
            chain = ".".join(labels[:-1])
            return True, f"Complex subdomain chain with random elements: {chain}"
        if len(first) > 12:
            return True, f"Unusually long subdomain '{first}' may indicate generated domain"
        if _RANDOM_LABEL.search(first):
            return True, f"Random alphanumeric pattern in subdomain '{first}'"
        return False, "No suspicious subdomain patterns detected"


def _display_name(sender: str) -> str:
    """What stands before the address."""
    return (sender or "").partition("<")[0].strip().strip('"')


def classify_spam_type_with_processor(
    headers: Any, sender: str, subject: str, matched_term: str | None = None
) -> str:
    """The category of one message under its name of the original."""
    return KeywordProcessor().process_keywords(headers, sender, subject, matched_term)


def domain_category(domain: str, terms: Terms) -> str | None:
    """The first of DOMAIN_CATEGORIES with a term of three letters or more inside the domain."""
    lowered = domain.lower()
    for category in DOMAIN_CATEGORIES:
        for term in terms.get(category, ()):
            if len(term.text) >= 3 and term.text.lower() in lowered:
                return category
    return None


_EMOJI = re.compile(
    "[\U0001f600-\U0001f64f\U0001f300-\U0001f5ff\U0001f680-\U0001f6ff\U0001f1e0-\U0001f1ff"
    "\u2600-\u27bf\U0001f900-\U0001f9ff\U0001fa70-\U0001faff]+"
)
_SCAM_EMOJI = frozenset(words("scam_emoji"))


def count_emoji(text: str) -> tuple[int, int]:
    """(runs of emoji, runs that are one emoji of advertising)."""
    runs = _EMOJI.findall(text or "")
    return len(runs), sum(run in _SCAM_EMOJI for run in runs)


def is_emoji_spam(in_subject: tuple[int, int], in_text: tuple[int, int]) -> bool:
    return (in_subject[0] >= 3 and in_subject[1] >= 2) or in_text[1] >= 4
