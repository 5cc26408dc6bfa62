"""The order of decisions about one message of a mailbox, as the original documents it.

A verdict marks a message as spam; the user's filters and deletion flags may mark others; then
domain validation, protection of appointments and transactions, and the policy on promotional mail
may keep a marked one. Texts of reasons and categories are the original's stored strings.

The protections look at the domain of the sender's address, and at it alone: `paypal.com` is
paypal.com and its subdomains, not `paypal.com.evil.example`, and not a display name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Decisions", "Filters", "Order", "Validate", "is_appointment", "is_transaction"]

Validate = Callable[[str, str], tuple[bool, str, bool]]
"""(sender, subject) to (may be deleted, reason, was really looked at)."""

SCHEDULED = (
    "appointment scheduled", "appointment confirmed", "appointment booked", "booking confirmation",
    "service appointment", "your appointment", "upcoming appointment", "appointment reminder",
    "scheduled for", "appointment details",
)  # fmt: skip
SCHEDULERS = (
    "xtime.com", "calendly.com", "acuityscheduling.com", "appointmentplus.com", "setmore.com",
    "bookingbug.com", "simplybook.me", "schedulicity.com", "appointy.com", "appointmentquest.com",
)  # fmt: skip
AUTOMOTIVE = (
    "dealership", "honda", "toyota", "ford", "chevrolet", "hyundai", "nissan", "bmw", "mercedes",
    "audi", "volkswagen", "subaru", "mazda", "kia", "service center", "auto service",
    "car service", "vehicle service",
)  # fmt: skip
TRANSACTIONS = (
    "order confirmation", "payment confirmation", "receipt for", "invoice #",
    "shipping confirmation", "delivery confirmation", "pickup ready", "account statement",
    "password reset", "account verification", "subscription renewal", "membership renewal",
    "billing statement", "service notification", "warranty information", "product registration",
)  # fmt: skip
BUSINESSES = (
    "paypal.com", "stripe.com", "square.com", "amazon.com", "walmart.com", "target.com",
    "bestbuy.com", "ups.com", "fedex.com", "usps.com", "chase.com", "bankofamerica.com",
    "wellsfargo.com", "apple.com", "microsoft.com", "google.com", "ebay.com", "etsy.com",
    "shopify.com",
)  # fmt: skip
PROMOTIONAL = frozenset((
    "Promotional Email", "Marketing Spam", "Health & Medical Spam", "Payment Scam", "Phishing",
    "Brand Impersonation", "Financial & Investment Spam", "Adult & Dating Spam",
    "Real Estate Spam", "Crypto & Investment Spam", "Tech Support Scam",
))  # fmt: skip
COMMUNICATION = frozenset((
    "Legitimate Billing/Delivery", "Community Email", "Transactional Email",
    "Account Notification", "Subscription Management",
))  # fmt: skip

SURE = 90.0
"""Confidence from which a sender's domain is not looked at."""
SKIPPED = (True, "Skipped - High confidence spam (90%+)", False)
NO_VALIDATOR = (True, "Skipped - No domain validator", False)

FLAGGED_CATEGORY = "Flagged for Deletion"
USER_CATEGORY = "User Keyword"
BUSINESS_CATEGORY = "BUSINESS_TRANSACTION"


class Filters:
    """The user's terms: one with any of `*?[]()` is a pattern without regard to case, the others
    are contained in the lower-cased header section. A pattern that is none is a plain term."""

    def __init__(self, terms: Sequence[str] | None):
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


def _within(domain: str, of: Sequence[str]) -> bool:
    return any(domain == one or domain.endswith("." + one) for one in of)


def is_appointment(sender: str, domain: str, subject: str) -> bool:
    """Does the message confirm an appointment? `domain` is that of the sender's address."""
    lower = subject.lower()
    if not any(pattern in lower for pattern in SCHEDULED):
        return False
    both = f"{sender.lower()}\n{lower}"
    return _within(domain.lower(), SCHEDULERS) or any(word in both for word in AUTOMOTIVE)


def is_transaction(domain: str, subject: str) -> bool:
    """Is it about a transaction with one of the known businesses?"""
    lower = subject.lower()
    return any(p in lower for p in TRANSACTIONS) and _within(domain.lower(), BUSINESSES)


@dataclass(slots=True)
class Decisions:
    """What was decided about n messages, in lists of n; the rest are counts."""

    delete: list[bool] = field(default_factory=list)
    reason: list[str] = field(default_factory=list)
    category: list[str] = field(default_factory=list)
    confidence: list[float | None] = field(default_factory=list)
    matched: int = 0
    validated: int = 0
    legitimate: int = 0

    def add(self, delete: bool, reason: str, category: str, confidence: float | None) -> None:
        self.delete.append(delete)
        self.reason.append(reason)
        self.category.append(category)
        self.confidence.append(confidence)


@dataclass(frozen=True, slots=True)
class Message:
    """What a decision is made of. `sender` as the From field says it, `domain` of its address;
    `category` of the original, `confidence` 0-100, `spam` the verdict."""

    uid: int
    sender: str
    domain: str
    subject: str
    category: str
    confidence: float | None
    spam: bool


class Order:
    """Decides by the user's filters and flags, a domain validator, and the protections.

    `flags`: UID to PROTECT, RESEARCH or DELETE. `validate` is asked for each marked message below
    SURE; an error of it keeps the message.
    """

    def __init__(
        self,
        filters: Filters | None = None,
        flags: Mapping[int, str] | None = None,
        validate: Validate | None = None,
    ):
        self.filters = filters or Filters(())
        self.flags = flags or {}
        self.validate = validate

    def decide(self, one: Message, headers: Callable[[], str], out: Decisions) -> None:
        """Add the decision about one message to `out`; `headers` is called for filters only."""
        flag = self.flags.get(one.uid)
        by_user, match = self.filters.match(headers()) if self.filters else (False, "")
        if not (one.spam or by_user or flag == "DELETE"):
            out.legitimate += 1
            reason = f"Not flagged by spam detection (category: {one.category})"
            out.add(False, reason, one.category, one.confidence)
            return
        out.matched += 1
        if flag in ("PROTECT", "RESEARCH"):
            reason = "Protected by user flag [FLAG_PROTECTED]"
            out.add(False, reason, one.category, one.confidence)
            return
        flagged = flag == "DELETE"
        allowed, why, looked = self._validated(one)
        out.validated += looked
        if is_appointment(one.sender, one.domain, one.subject):
            reason = "Appointment Confirmation protection override"
            out.add(False, reason, BUSINESS_CATEGORY, 100.0)
        elif is_transaction(one.domain, one.subject):
            reason = "Business Transaction protection override"
            out.add(False, reason, BUSINESS_CATEGORY, 100.0)
        elif (
            not allowed
            and not by_user
            and not flagged
            and (one.category not in PROMOTIONAL or one.category in COMMUNICATION)
        ):
            reason = f"{why} [HYBRID_CLASSIFIER override]"
            out.add(False, reason, one.category, one.confidence)
        else:
            out.add(True, *self._final(one, match, by_user, flagged))

    def _validated(self, one: Message) -> tuple[bool, str, bool]:
        if one.confidence is not None and one.confidence >= SURE:
            return SKIPPED
        if self.validate is None:
            return NO_VALIDATOR
        try:
            allowed, reason, looked = self.validate(one.sender, one.subject)
        except Exception as error:  # the caller's own code; what it cannot say keeps the message
            return False, f"Domain validation failed: {type(error).__name__}", False
        return bool(allowed), str(reason), bool(looked)

    @staticmethod
    def _final(
        one: Message, match: str, by_user: bool, flagged: bool
    ) -> tuple[str, str, float | None]:
        """Reason, category and confidence of a message that goes."""
        percent = 0.0 if one.confidence is None else one.confidence
        said = f"Hybrid Classifier: {one.category} ({percent:.1f}% confidence)"
        if one.spam and by_user:
            said += f" + {match}"
        elif by_user:
            said = match
        if flagged:
            if not one.spam and not by_user:
                said = "Manually flagged for deletion"
            mark = "+USER_KEYWORD" if by_user and not one.spam else ""
            return f"{said} [FLAGGED_FOR_DELETION{mark}]", FLAGGED_CATEGORY, one.confidence
        if one.spam and by_user:
            return f"{said} [MULTI_MATCH] | Category: {one.category}", USER_CATEGORY, one.confidence
        if by_user:
            return f"{said} [USER_KEYWORD]", USER_CATEGORY, one.confidence
        return f"{said} [AUTO_DETECTED]", one.category, one.confidence
