"""Rules that stand above the model: whose they are, what they say, which one wins.

`Policy` is a snapshot: it is made once for a run (or a folder) and never changes. stages/policy.py
applies it to batches of files and of mailboxes alike; docs/policy.md has the rules in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from atlas_fast import limits
from atlas_fast.errors import SettingsError

__all__ = [
    "APPOINTMENT", "PROTECT", "TRANSACTION", "Business", "Filters", "Policy", "Rule", "Validate",
]  # fmt: skip

Validate = Callable[[str, str], tuple[bool, str, bool]]
"""(sender's address, subject) to (may be deleted, reason, was really looked at)."""

PROTECT = frozenset(("PROTECT", "RESEARCH"))
"""Flags that keep a message; `DELETE` is the other."""

CERTAIN_SPAM = 0.9
"""From this probability of spam on mail that only claims to be of a business is not protected; and
from this confidence on the standing of a domain is not asked."""


class Rule(IntEnum):
    """The rule that decided a message, by strength: of two that hold the lower number wins."""

    NONE = 0
    FLAG_PROTECTED = 1
    USER_PROTECTED = 2
    APPOINTMENT = 3
    TRANSACTION = 4
    FLAGGED_FOR_DELETION = 5
    MULTI_MATCH = 6
    USER_KEYWORD = 7
    DOMAIN = 8
    WHITELIST = 9
    SPOOFED_WHITELIST = 10


@dataclass(frozen=True)
class Business:
    """Mail that must not be lost: one of `subjects` stands in the subject, and the sender's domain
    is one of `domains` or below it; or, where there are `words`, one of them stands in subject or
    sender. All in lower case."""

    subjects: tuple[str, ...]
    domains: frozenset[str]
    words: tuple[str, ...] = ()


APPOINTMENT = Business(
    (
        "appointment scheduled", "appointment confirmed", "appointment booked",
        "booking confirmation", "service appointment", "your appointment", "upcoming appointment",
        "appointment reminder", "scheduled for", "appointment details",
    ),
    frozenset((
        "xtime.com", "calendly.com", "acuityscheduling.com", "appointmentplus.com", "setmore.com",
        "bookingbug.com", "simplybook.me", "schedulicity.com", "appointy.com",
        "appointmentquest.com",
    )),
    (
        "dealership", "honda", "toyota", "ford", "chevrolet", "hyundai", "nissan", "bmw",
        "mercedes", "audi", "volkswagen", "subaru", "mazda", "kia", "service center",
        "auto service", "car service", "vehicle service",
    ),
)  # fmt: skip

TRANSACTION = Business(
    (
        "order confirmation", "payment confirmation", "receipt for", "invoice #",
        "shipping confirmation", "delivery confirmation", "pickup ready", "account statement",
        "password reset", "account verification", "subscription renewal", "membership renewal",
        "billing statement", "service notification", "warranty information",
        "product registration",
    ),
    frozenset((
        "paypal.com", "stripe.com", "square.com", "amazon.com", "walmart.com", "target.com",
        "bestbuy.com", "ups.com", "fedex.com", "usps.com", "chase.com", "bankofamerica.com",
        "wellsfargo.com", "apple.com", "microsoft.com", "google.com", "ebay.com", "etsy.com",
        "shopify.com",
    )),
)  # fmt: skip


class Filters:
    """Terms of one call: one with any of `*?[]()` is a pattern without regard to case, the others
    are contained in the lower-cased header section. A pattern that is none is a plain term."""

    def __init__(self, terms: Sequence[str] | None = None):
        self.simple: list[str] = []
        self.compiled: list[tuple[re.Pattern[str], str]] = []
        for term in terms or ():
            if any(sign in term for sign in "*?[]()"):
                try:
                    self.compiled.append((re.compile(term, re.IGNORECASE), term))
                    continue
                except re.error:
                    pass
            self.simple.append(term.lower())

    def __bool__(self) -> bool:
        return bool(self.simple or self.compiled)

    def match(self, headers: str) -> tuple[bool, str]:
        """Did one match, and the text that says so."""
        lower = headers.lower()
        for term in self.simple:
            if term in lower:
                return True, f"Matched: {term}"
        for pattern, term in self.compiled:
            if pattern.search(headers):
                return True, f"Matched regex: {term}"
        return False, ""


@dataclass(frozen=True)
class Policy:
    """The rules of one run.

    `keywords`: texts that make a message unwanted, in the order in which they are tried.
    `protected_subjects`: texts of a subject that keep it. `protected`, `whitelist`: addresses, and
    domains that stand for all below them. `flags`: by source and place the flag of a message.
    `validate_domains`, `protect_business`: whether these rules hold; `account_provider` sets the
    threshold of the first (`icloud`, `gmail`). `filters` are keywords of the caller's that are
    looked for in the whole header section; `validate`, if given, is asked about a sender's domain
    in place of the engine.
    Texts, addresses and domains are compared in lower case. Raises SettingsError when a list is
    longer than the limits.
    """

    keywords: tuple[str, ...] = ()
    protected_subjects: tuple[str, ...] = ()
    protected: frozenset[str] = frozenset()
    whitelist: frozenset[str] = frozenset()
    flags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    validate_domains: bool = True
    protect_business: bool = True
    account_provider: str | None = None
    filters: Filters = field(default_factory=Filters)
    validate: Validate | None = None

    def __post_init__(self) -> None:
        for name in ("keywords", "protected_subjects"):
            texts = texts_of(getattr(self, name))
            object.__setattr__(self, name, texts)
            _at_most(name, len(texts), limits.MAX_POLICY_TEXTS)
        for name in ("protected", "whitelist"):
            names = frozenset(text.strip().lower().lstrip("@") for text in getattr(self, name))
            object.__setattr__(self, name, names - {""})
            _at_most(name, len(names), limits.MAX_POLICY_NAMES)
        _at_most("flags", sum(map(len, self.flags.values())), limits.MAX_POLICY_FLAGS)

    def and_(self, other: Policy) -> Policy:
        """The rules of both; switches, filters and validator are those of this one."""
        flags = {source: dict(of) for source, of in self.flags.items()}
        for source, of in other.flags.items():
            flags.setdefault(source, {}).update(of)
        return Policy(
            (*self.keywords, *other.keywords),
            (*self.protected_subjects, *other.protected_subjects),
            self.protected | other.protected,
            self.whitelist | other.whitelist,
            flags,
            self.validate_domains,
            self.protect_business,
            self.account_provider,
            self.filters,
            self.validate,
        )


def lowered(text: str) -> str:
    """Lower case, with as many characters as before (U+0130 alone would become two)."""
    return text.replace("\u0130", "i").lower()


def texts_of(texts: Iterable[str]) -> tuple[str, ...]:
    """In lower case, each once, none empty."""
    return tuple(dict.fromkeys(text for text in (lowered(one).strip() for one in texts) if text))


def _at_most(name: str, number: int, limit: int) -> None:
    if number > limit:
        raise SettingsError(f"policy: {number:,} {name}; {limit:,} are the most")


_SETTINGS = {
    "keywords": list, "protected_subjects": list, "protected": list, "whitelist": list,
    "validate_domains": bool, "protect_business": bool, "account_provider": str,
}  # fmt: skip


def from_settings(table: Mapping[str, Any]) -> Policy:
    """The table `[policy]` of the settings file. Raises SettingsError for what cannot be one."""
    for name, value in table.items():
        kind = _SETTINGS.get(name)
        if kind is None:
            raise SettingsError(
                f"policy: no setting is called {name}; there are {', '.join(_SETTINGS)}"
            )
        texts = value if kind is list and isinstance(value, list) else []
        if not isinstance(value, kind) or not all(isinstance(text, str) for text in texts):
            what = {list: "a list of texts", bool: "true or false", str: "a text"}[kind]
            raise SettingsError(f"policy: {name} is not {what}")
    return Policy(**table)
