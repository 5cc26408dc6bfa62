"""What stands before the `@`: is it the mailbox of a business or of a professional?"""

from __future__ import annotations

from atlas_fast.compat.lists import words

__all__ = [
    "BUSINESS_PREFIX_PATTERNS", "LEGITIMATE_BUSINESS_PREFIXES", "get_prefix_confidence_explanation",
    "is_legitimate_business_prefix",
]  # fmt: skip

LEGITIMATE_BUSINESS_PREFIXES = set(words("prefixes"))
BUSINESS_PREFIX_PATTERNS = set(words("prefix_patterns"))

_COMPANIES = frozenset(words("companies"))
_ENDINGS = ("1", "2", "3", "team", "dept", "us", "uk", "ca")
_COMPANY_ENDINGS = ("team", "store", "shop", "deals", "offers", "news", "updates")
_TITLES = ("ceo", "cfo", "cto", "vp", "president", "director")


def is_legitimate_business_prefix(email_address: str) -> tuple[bool, str, float]:
    """(is it one, the prefix, confidence)."""
    local = _local(email_address)
    if not local:
        return False, "", 0.0
    if local in LEGITIMATE_BUSINESS_PREFIXES:
        return True, local, 0.95
    if local in BUSINESS_PREFIX_PATTERNS:
        return True, local, 0.85
    for ending in _ENDINGS:
        prefix = local.removesuffix(ending)
        if prefix != local and prefix in LEGITIMATE_BUSINESS_PREFIXES:
            return True, prefix, 0.80
    if _is_professional(local):
        return True, local, 0.70
    return False, "", 0.0


def get_prefix_confidence_explanation(email_address: str) -> str:
    """The answer of `is_legitimate_business_prefix` in words."""
    if not email_address or "@" not in email_address:
        return "Invalid email format"
    found, prefix, confidence = is_legitimate_business_prefix(email_address)
    local = _local(email_address)
    if not found:
        return f"Non-business prefix: '{local}' doesn't match professional email patterns"
    if confidence >= 0.95:
        return f"Perfect match: '{prefix}' is a core business communication prefix"
    if confidence >= 0.85:
        return f"Pattern match: '{prefix}' follows professional naming conventions"
    if confidence >= 0.80:
        return f"Prefix match: '{local}' starts with legitimate prefix '{prefix}'"
    return f"Professional pattern: '{local}' follows business email conventions"


def _local(address: str) -> str:
    before, at, _ = (address or "").partition("@")
    return before.lower().strip() if at else ""


def _is_professional(local: str) -> bool:
    first, dot, last = local.partition(".")
    if dot and "." not in last and len(first) > 1 and len(last) > 1:
        return True
    if any(title in local for title in _TITLES):
        return True
    if ("." in local or "_" in local) and any(
        w in local for w in ("marketing", "sales", "support")
    ):
        return True
    if local in _COMPANIES or local.replace("_", "").replace("-", "") in _COMPANIES:
        return True
    return any(
        len(company) >= 4 and company in _COMPANIES
        for company in (local.removesuffix(end) for end in _COMPANY_ENDINGS if local.endswith(end))
    )
