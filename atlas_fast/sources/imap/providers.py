"""What providers want: how many messages a command, how often to select again, where they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Strategy", "default_host", "provider_settings", "provider_type", "strategy_for"]


@dataclass(frozen=True, slots=True)
class _Provider:
    skip_individual_marking: bool
    use_bulk_operations: bool
    batch_size: int
    requires_parentheses: bool
    folder_reselect_frequency: int


PROVIDERS = {
    "icloud": _Provider(True, True, 25, True, 5),
    "gmail": _Provider(False, False, 50, False, 10),
    "outlook": _Provider(False, False, 30, False, 8),
    "yahoo": _Provider(False, False, 40, False, 8),
    "aol": _Provider(False, False, 30, False, 8),
    "generic": _Provider(False, False, 25, False, 5),
}

DOMAINS = {
    "icloud": ("icloud.com", "me.com", "mac.com"),
    "gmail": ("gmail.com",),
    "outlook": ("outlook.com", "hotmail.com", "live.com", "msn.com"),
    "yahoo": ("yahoo.com", "yahoo.co.uk", "yahoo.ca"),
    "aol": ("aol.com",),
}

HOSTS = {
    "icloud": "imap.mail.me.com",
    "gmail": "imap.gmail.com",
    "outlook": "outlook.office365.com",
    "yahoo": "imap.mail.yahoo.com",
    "aol": "imap.aol.com",
}

_BY_DOMAIN = {domain: kind for kind, domains in DOMAINS.items() for domain in domains}


def provider_type(address: str | None) -> str:
    """Key of PROVIDERS by the domain behind the first `@`."""
    _, at, rest = (address or "").partition("@")
    return _BY_DOMAIN.get(rest.partition("@")[0].lower(), "generic") if at else "generic"


def provider_settings(kind: str) -> dict[str, Any]:
    """A new dictionary of a provider's settings; an unknown one is generic."""
    return asdict(PROVIDERS.get(kind, PROVIDERS["generic"]))


def default_host(address: str) -> str | None:
    """Server of the big providers, by the address."""
    return HOSTS.get(provider_type(address))


@dataclass(frozen=True, slots=True)
class Strategy:
    """How messages are deleted. `slice`: messages a STORE; `expunge_each`: a UID EXPUNGE behind
    each of them, else one for a group; `reselect`: slices between two SELECTs; `suffix`: what the
    stored reason ends in."""

    name: str
    slice: int
    reselect: int
    parentheses: bool
    expunge_each: bool
    suffix: str


def strategy_for(kind: str, account: str = "", settings: dict[str, Any] | None = None) -> Strategy:
    """The strategy of a provider; `settings` override its own, as callers of the original may."""
    known = provider_settings(kind) | (settings or {})
    size = max(1, int(known["batch_size"]))
    reselect = max(1, int(known["folder_reselect_frequency"]))
    parentheses = bool(known["requires_parentheses"])
    if kind == "icloud" or any(domain in account.lower() for domain in DOMAINS["icloud"]):
        return Strategy("icloud", 1, reselect, True, True, " [iCloud-UID-EXPUNGE]")
    if known["use_bulk_operations"]:
        return Strategy("bulk", size, reselect, parentheses, False, " [Bulk-Optimized]")
    return Strategy("standard", size, reselect, parentheses, False, "")
