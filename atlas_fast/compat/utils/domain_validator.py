"""Domains of senders as Atlas_Email's callers ask about them, over `atlas_fast.domains`."""

from __future__ import annotations

import email.header
import re
from collections import Counter
from collections.abc import Callable, Iterable
from email.header import Header
from functools import lru_cache
from math import log2
from typing import Any

import numpy as np

from atlas_fast import domains
from atlas_fast.compat.utils.domain_cache import domain_cache
from atlas_fast.domains_online import OnlineDomains
from atlas_fast.errors import UsageError
from atlas_fast.headers import decode_header
from atlas_fast.validation import Lookup, Triple, validate

__all__ = [
    "DomainValidator", "analyze_character_distribution", "cached_domain_validation",
    "calculate_entropy", "count_real_words", "decode_header_value", "detect_keyboard_patterns",
    "detect_provider_from_sender", "get_provider_reputation_score", "has_natural_vowel_pattern",
    "is_gibberish_email", "is_major_email_provider", "is_suspicious_domain_pattern",
    "lightweight_domain_validation", "looks_like_gibberish", "ml_domain_classification",
    "should_delete_email",
]  # fmt: skip

REGEX_OPTIMIZER_AVAILABLE = True
"""The original's flag; nothing here depends on it."""

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
_NO_VOWELS = re.compile(r"[^aeiou\s\d]{6,}")
_EIGHT_CONSONANTS = re.compile("[bcdfghjklmnpqrstvwxyz]{8}")
_TRAITS = domains.TRAITS


class DomainValidator:
    """May the mail of a sender be deleted, by its domain? `logger`: (message, print_to_screen).

    `lookup` (domain, provider) gives the age class where the age decides; by default nothing is
    asked, and such mail is kept or judged by its name as where WHOIS cannot be had.
    """

    lookup: Lookup | None = None

    def __init__(
        self, logger: Callable[..., Any] | None = None, account_provider: str | None = None
    ):
        self.logger = logger
        self.account_provider = account_provider
        self.known_legitimate = set(_preserved())

    def log(self, message: str, print_to_screen: bool = False) -> None:
        if self.logger is not None:
            self.logger(message, print_to_screen)

    def validate_domain_before_deletion(self, sender_email: str | None, subject: str) -> Triple:
        """(may it be deleted, why, did a suspicion rule decide); `subject` is not used."""
        return validate(
            sender_email, subject, account_provider=self.account_provider, lookup=self.lookup
        )


def ml_domain_classification(
    domain: str, sender_email: str = "", provider_context: str | None = None
) -> tuple[bool, int, list[str]]:
    """(is it suspicious, 0 to 100, reasons)."""
    if not domain:
        return False, 0, []
    context = provider_context or ""
    known = context in domains.PROVIDERS
    number = domains.PROVIDERS.index(context if known else "unknown")
    judged = domains.judge_many([sender_email or ""], [domain], np.full(1, number, np.uint8))
    row = judged.rows[0]
    score = int(row["score"])
    suspicious = score >= domains.SUSPICIOUS_SCORE
    return suspicious, min(score, 100), domains.reason_texts(row, context)


def lightweight_domain_validation(domain: str, provider_hint: str | None = None) -> str:
    """SAFE, QUARANTINE or SUSPICIOUS by the age of a domain: this asks WHOIS, unless the domain is
    a mail provider's or python-whois is absent (QUARANTINE)."""
    return _known_age(domain, provider_hint)[0]


def _known_age(domain: str, provider_hint: str | None) -> tuple[str, bool]:
    try:
        return _online().known_age(domain, provider_hint or "unknown")
    except UsageError:
        return "QUARANTINE", False


@lru_cache(maxsize=1)
def _online() -> OnlineDomains:
    return OnlineDomains()


_AGES = {
    "SAFE": "Domain age > 90 days",
    "QUARANTINE": "Domain age 30-90 days - manual review",
    "SUSPICIOUS": "Domain age < 30 days",
}


def cached_domain_validation(
    domain: str, provider_hint: str | None = None, force_refresh: bool = False
) -> tuple[str, str, bool]:
    """(result, reason, is it suspicious): `lightweight_domain_validation`, kept for a day where
    WHOIS gave a date."""
    if is_major_email_provider(domain):
        return "SAFE", "Major email provider", False
    held = None if force_refresh else domain_cache.get_cached_validation(domain)
    if held is not None and held["provider_hint"] == provider_hint:
        result, reason = held["validation_result"], held["validation_reason"]
        return result, f"{reason} (cached)", held["is_suspicious"]
    result, known = _known_age(domain, provider_hint)
    reason, suspicious = _AGES[result], result != "SAFE"
    if known:
        domain_cache.cache_validation_result(domain, result, reason, suspicious, provider_hint)
    return result, reason, suspicious


def is_suspicious_domain_pattern(domain: str) -> bool:
    """A long, random or numbered name: a reason to look at the domain's age."""
    return bool(domain) and bool(_traits("", domain) & _TRAITS["WEAK"])


def is_gibberish_email(email: str) -> bool:
    """Letters that no word has, in the name, the domain or below it; or not exactly one `@`."""
    if not isinstance(email, str) or email.count("@") != 1:
        return True
    return bool(_traits(email) & _TRAITS["IS_GIBBERISH"])


def looks_like_gibberish(s: str) -> bool:
    """The same of one text."""
    if _NO_VOWELS.fullmatch(s):
        return True
    if len(s) < 4:
        return False
    letters, digits = sum(map(str.isalpha, s)), sum(map(str.isdigit, s))
    return (
        _EIGHT_CONSONANTS.search(s) is not None
        or (letters > 0 and digits / letters > 0.6 and len(s) > 6)
        or (len(s) > 10 and not any(c in "aeiou" for c in s))
    )


def detect_provider_from_sender(sender_email: str | None) -> str:
    """icloud, gmail, outlook, yahoo, aol or unknown."""
    if not sender_email or "@" not in sender_email:
        return "unknown"
    return domains.PROVIDERS[int(domains.judge_many([sender_email]).rows[0]["provider"])]


def is_major_email_provider(domain: str) -> bool:
    """Is it a domain of the mail providers?"""
    return domains.is_provider(domain)


def get_provider_reputation_score(domain: str) -> int:
    """0 to 95."""
    return int(domains.judge_many([""], [domain]).rows[0]["reputation"]) if domain else 0


def calculate_entropy(text: str) -> float:
    """Bits a character of the lower-cased text; 0 when it is empty."""
    counts = Counter(text.lower())
    shares = [count / len(text) for count in counts.values()] if text else []
    bits = 0.0
    for share in shares:
        bits -= share * log2(share)
    return bits if text else 0


def count_real_words(text: str) -> int:
    """Words of the list between dots, hyphens and underscores, digits left out."""
    pieces = re.split("[._-]", re.sub("[0-9]", "", text.lower()))
    return sum(len(piece) >= 3 and piece in _words() for piece in pieces)


def has_natural_vowel_pattern(text: str) -> bool:
    """Are a quarter to 55 % of the letters vowels?"""
    letters = [c for c in text.lower() if "a" <= c <= "z"]
    return bool(letters) and 0.25 <= sum(c in "aeiou" for c in letters) / len(letters) <= 0.55


def detect_keyboard_patterns(text: str) -> bool:
    """Three neighbours of a row of keys."""
    return any(row[i : i + 3] in text for row in _KEYS for i in range(len(row) - 2))


def analyze_character_distribution(text: str) -> bool:
    """Is more than 40 % of the text one letter or digit?"""
    most = max(Counter(c for c in text if c.isalnum()).values(), default=0)
    return len(text) >= 4 and most / len(text) > 0.4


def decode_header_value(header_val: Any) -> str:
    """Text of a header value: encoded-words decoded, ends stripped."""
    if not header_val:
        return ""
    if isinstance(header_val, Header):
        pieces = email.header.decode_header(header_val)
        text = "".join(p if isinstance(p, str) else p.decode("utf-8", "ignore") for p, _ in pieces)
    elif isinstance(header_val, bytes):
        text = decode_header(header_val)
    else:
        text = str(header_val)
    if "=?" in text and "?=" in text:
        text = decode_header(text.encode("utf-8", "surrogateescape"))
    return text.strip()


def should_delete_email(headers: str, filters: Iterable[str]) -> tuple[bool, str]:
    """(does a filter stand in the headers, which one)."""
    lowered = headers.lower()
    for term in filters:
        if term.lower() in lowered:
            return True, f"Matched: {term}"
    return False, ""


def _traits(sender: str, domain: str | None = None) -> int:
    judged = domains.judge_many([sender], None if domain is None else [domain])
    return int(judged.rows[0]["traits"])


@lru_cache(maxsize=1)
def _preserved() -> frozenset[str]:
    rows = [line.split() for line in domains.list_lines("known_domains.txt")]
    return frozenset(row[0] for row in rows if row[3] == "yes")


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    return frozenset(domains.list_lines("words.txt"))
