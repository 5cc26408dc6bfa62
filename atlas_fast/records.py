"""What the one-item faces give: small frozen records; and the names of codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

CATEGORIES = ("Legitimate", "Legitimate Marketing", "Commercial Spam", "Scams", "Dangerous")
"""Name by category code of a verdict."""

FIRST_SPAM = 2
"""Code of the first category that is spam."""

UNKNOWN = "Unknown"
"""The category of a message on which a stage failed."""

OLD_CATEGORIES = {
    "Legitimate": "Not Spam",
    "Legitimate Marketing": "Promotional Email",
    "Commercial Spam": "Business Opportunity Spam",
    "Scams": "Payment Scam",
    "Dangerous": "Phishing",
}
"""The original's older category, which `category` and reasons have, by that of a verdict."""

ACTIONS = ("PRESERVED", "DELETED")
"""Stored action by action code. A file source deletes nothing: DELETED is the verdict, and its
reason ends in ` [PREVIEW]`, as the original's previews are stored."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox (RFC 5322, 3.4): display-name, addr-spec, and the group that it stood in."""

    name: str
    address: str
    group: str | None = None

    @property
    def domain(self) -> str:
        """What follows the last `@`, lower-cased; empty when there is none."""
        return self.address.rpartition("@")[2].lower() if "@" in self.address else ""


@dataclass(frozen=True, slots=True)
class Received:
    """One hop (RFC 5321, 4.4). Absent clauses are None; addresses are checked text."""

    from_: str | None
    from_ip: str | None
    by: str | None
    by_ip: str | None
    with_: str | None
    id: str | None
    for_: str | None
    helo: str | None
    date: datetime | None


@dataclass(frozen=True, slots=True)
class DomainVerdict:
    """Standing of a domain by its name alone; nothing was asked over the network."""

    domain: str
    """Lower-cased, as it was judged."""
    registrable: str | None
    """By the Public Suffix List, private section included."""
    suffix: str | None
    private: bool
    """The suffix is one of the private section."""
    known_suffix: bool
    suspicious: bool
    confidence: int
    """0 to 100: the score, capped."""
    reasons: tuple[str, ...]
    provider: str
    """Mail provider of the sender, or "unknown"."""
    reputation: int
    entropy: float
    """Bits a character of the name without dots."""
    words: int
    natural: bool
    """The share of vowels is that of words."""
    patterns: tuple[str, ...]
    """Which of "hard", "weak" and "obvious" the name has; and "gibberish" for the sender."""
    preserved: bool
    """The registrable domain is on the list of those whose mail is always kept."""
    spelled: str
    """With A-labels decoded."""
    skeleton: str
    scripts: tuple[str, ...]
    mixed_scripts: bool
    all_confusable: bool
    """A label without a Latin letter looks wholly like ASCII."""
    confusable_with: str | None
    """The brand that a label looks like without being it."""


class GeoRecord(NamedTuple):
    """What is known of an address. What is not known is None; `risk` then is the default's."""

    ip: str
    country_code: str | None
    country_name: str | None
    asn: int | None
    organisation: str | None
    risk: float


class Ruling(NamedTuple):
    """What the policy made of one message: the name of the rule, the reason as it is stored, the
    stored category where the rule has one of its own, and whether the rule is certain (confidence
    100) or the model's confidence stands."""

    rule: str
    reason: str
    category: str | None
    certain: bool
