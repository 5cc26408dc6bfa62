"""Domain and mailbox name together, then words of the message: the original's second opinion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atlas_fast.compat.core.classification_utils import KINDS, is_authenticated_domain
from atlas_fast.compat.filters.business_prefixes import (
    get_prefix_confidence_explanation,
    is_legitimate_business_prefix,
)
from atlas_fast.compat.filters.keyword_processor import KeywordProcessor
from atlas_fast.compat.lists import routes, words
from atlas_fast.compat.utils.domain_validator import (
    DomainValidator,
    detect_provider_from_sender,
    is_gibberish_email,
)

__all__ = ["TwoFactorEmailValidator"]

Answer = tuple[str, float, str, bool]
"""Category, confidence, reasoning, should it be deleted."""

_CHEAP = (".tk", ".ml", ".ga", ".cf")


class TwoFactorEmailValidator:
    """`logger` is called with (message, print_to_screen)."""

    def __init__(
        self, logger: Callable[..., Any] | None = None, account_provider: str | None = None
    ):
        self.logger = logger
        self.account_provider = account_provider
        self.domain_validator = DomainValidator(logger, account_provider)
        self.content_routing_keywords = routes()
        self._keywords = KeywordProcessor()

    def log(self, message: str, print_to_screen: bool = False) -> None:
        if self.logger is not None:
            self.logger(message, print_to_screen)

    def validate_email_classification(
        self, sender_email: str, subject: str, email_content: str = ""
    ) -> Answer:
        """The first rule that applies (docs/compatibility.md)."""
        if not sender_email or "@" not in sender_email:
            return "Invalid Email", 0.0, "Invalid email format", True
        local = sender_email.partition("@")[0]
        domain = "".join(
            sender_email.split("@")[1].lower().replace("<", "").replace(">", "").split()
        )
        business, prefix, confidence = is_legitimate_business_prefix(sender_email)
        allowed, why, _ = self.domain_validator.validate_domain_before_deletion(
            sender_email, subject
        )
        legitimate = not allowed
        if any(ending in domain for ending in _CHEAP):
            legitimate, why = False, f"{why} (Suspicious TLD)"

        def route(base: str) -> Answer:
            return self._route_by_content(sender_email, subject, email_content, base)

        if is_gibberish_email(sender_email):
            return route("Gibberish domain detected")
        provider = detect_provider_from_sender(sender_email)
        complex_, reason = self._keywords.detect_universal_subdomain_complexity(domain, provider)
        if complex_:
            legitimate, why = False, f"{why} + {reason}"
        for category, test, text in KINDS:
            if test(subject, sender_email, ""):
                return category, 0.95, text, False
        if business and legitimate:
            explanation = get_prefix_confidence_explanation(sender_email)
            text = f"Two-factor auth PASSED: {explanation} + legitimate domain ({domain})"
            return "Promotional Email", min(confidence + 0.05, 1.0), text, False
        if business:
            return route(f"Professional prefix '{prefix}' but suspicious domain: {why}")
        if legitimate and self._is_likely_legitimate_variation(local, domain):
            text = (
                f"Legitimate domain but non-standard prefix '{local}' - likely legitimate variation"
            )
            return "Promotional Email", 0.65, text, False
        if legitimate:
            return route(
                f"Non-professional prefix '{local}' from legitimate domain "
                "- content analysis needed"
            )
        return route("Two-factor auth FAILED: Non-professional prefix + suspicious domain")

    def _is_likely_legitimate_variation(self, local_part: str, domain: str) -> bool:
        return (
            is_authenticated_domain(f"test@{domain}")
            or (("." in local_part or "_" in local_part) and len(local_part) > 4)
            or (local_part.isalpha() and len(local_part) <= 8)
        )

    def _route_by_content(
        self, sender_email: str, subject: str, content: str, base_reasoning: str
    ) -> Answer:
        """A category by words; always to be deleted."""
        text = f"{subject or ''} {content or ''}".lower()
        brand = self._detect_brand_impersonation(sender_email, subject, text)
        if brand is not None:
            reason = f"{base_reasoning} + Brand impersonation detected: {brand}"
            return "Brand Impersonation", 0.85, reason, True
        best = ""
        matched: list[str] = []
        for category, keywords in self.content_routing_keywords.items():
            found = [keyword for keyword in keywords if keyword in text]
            if len(found) > len(matched) and _confidence(found) > _confidence(matched):
                best, matched = category, found
        if matched:
            reason = f"{base_reasoning} + Content analysis: {', '.join(matched[:3])}"
            return best, _confidence(matched), reason, True
        reason = f"{base_reasoning} + No specific content match - generic marketing"
        return "Marketing Spam", 0.55, reason, True

    def _detect_brand_impersonation(
        self, sender_email: str, subject: str, combined_text: str
    ) -> str | None:
        """The first brand that the text names and the domain does not have."""
        if not subject:
            return None
        domain = sender_email.lower().split("@")[1]
        for brand in words("routed_brands"):
            if brand in combined_text and brand not in domain:
                return brand
        return None


def _confidence(found: list[str]) -> float:
    return min(0.60 + 0.05 * len(found), 0.95) if found else 0.0
