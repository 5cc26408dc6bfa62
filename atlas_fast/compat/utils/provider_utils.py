"""Mail providers: which one an address belongs to, and how its server wants to be used.

What the engine does itself stands in sources.imap.providers; these are its figures.
"""

from __future__ import annotations

from typing import Any

from atlas_fast.compat.utils import domain_validator
from atlas_fast.sources.imap.providers import (
    DOMAINS,
    HOSTS,
    PROVIDERS,
    provider_settings,
    provider_type,
    strategy_for,
)

__all__ = ["ProviderDetector", "ProviderOptimizer", "ProviderValidator"]

APP_PASSWORD = frozenset(("icloud", "gmail", "yahoo", "aol"))
"""Providers whose IMAP servers take a password that was made for the program."""

EMOJI = {
    "icloud": "\N{CLOUD}", "gmail": "\N{ENVELOPE}", "outlook": "\N{OPEN MAILBOX WITH RAISED FLAG}",
    "yahoo": "\N{LARGE PURPLE CIRCLE}", "aol": "\N{LARGE BLUE CIRCLE}",
}  # fmt: skip
NAMES = {
    "icloud": "iCloud", "gmail": "Gmail", "outlook": "Outlook", "yahoo": "Yahoo", "aol": "AOL",
}  # fmt: skip
PORT = 993


def _known(kind: str) -> str:
    return kind if kind in PROVIDERS else "generic"


class ProviderDetector:
    """What there is to know about a provider."""

    @staticmethod
    def detect_provider_from_email(email_address: str) -> str:
        """icloud, gmail, outlook, yahoo, aol or generic."""
        return provider_type(email_address)

    @staticmethod
    def detect_provider_from_sender(sender: str) -> str:
        """icloud, gmail, outlook, yahoo, aol or unknown."""
        return str(domain_validator.detect_provider_from_sender(sender))

    @staticmethod
    def get_all_providers() -> list[str]:
        return list(PROVIDERS)

    @staticmethod
    def get_provider_config(provider_type: str) -> dict[str, Any]:
        """Settings of deletion, and `name`, `host` (empty for generic), `port`, `domains`."""
        kind = _known(provider_type)
        return provider_settings(kind) | {
            "name": NAMES.get(kind, "Generic IMAP"),
            "host": HOSTS.get(kind, ""),
            "port": PORT,
            "domains": list(DOMAINS.get(kind, ())),
        }

    @staticmethod
    def get_provider_emoji(provider_type: str) -> str:
        return EMOJI.get(provider_type, "\N{E-MAIL SYMBOL}")

    @staticmethod
    def get_optimization_notes(provider_type: str) -> list[str]:
        """How messages are deleted there, in words."""
        kind = _known(provider_type)
        strategy = strategy_for(kind)
        notes = [f"{strategy.slice} messages a STORE, selected again every {strategy.reselect}"]
        if strategy.expunge_each:
            notes.append("UID EXPUNGE behind each message")
        return notes

    @staticmethod
    def get_setup_instructions(provider_type: str) -> list[str]:
        """What to do before the first connection."""
        kind = _known(provider_type)
        where = f"{HOSTS[kind]}, port {PORT}, TLS" if kind in HOSTS else "the server's name, TLS"
        steps = ["Switch IMAP on in the settings of the mailbox", f"Connect to {where}"]
        if kind in APP_PASSWORD:
            steps.insert(1, "Make a password for this program in the settings of the account")
        return steps

    @staticmethod
    def is_major_provider(provider_type: str) -> bool:
        return provider_type in HOSTS

    @staticmethod
    def requires_app_password(provider_type: str) -> bool:
        return provider_type in APP_PASSWORD


class ProviderOptimizer:
    """Single settings by provider; an unknown one is generic."""

    @staticmethod
    def get_batch_size(provider_type: str) -> int:
        return int(provider_settings(provider_type)["batch_size"])

    @staticmethod
    def get_connection_delay(provider_type: str) -> float:
        """The original's seconds between two attempts to select a folder; the engine waits for
        none."""
        return 0.2 if provider_type == "icloud" else 0.1

    @staticmethod
    def get_deletion_strategy(provider_type: str) -> str:
        """icloud, bulk or standard."""
        return strategy_for(_known(provider_type)).name

    @staticmethod
    def get_flag_syntax(provider_type: str) -> str:
        r"""`(\Deleted)`, or without parentheses."""
        return r"(\Deleted)" if provider_settings(provider_type)["requires_parentheses"] else (
            r"\Deleted"
        )  # fmt: skip

    @staticmethod
    def get_reselect_frequency(provider_type: str) -> int:
        return int(provider_settings(provider_type)["folder_reselect_frequency"])

    @staticmethod
    def requires_folder_quotes(provider_type: str) -> bool:
        """True: every name is sent in quotes, which IMAP allows for all."""
        return True

    @staticmethod
    def should_skip_individual_marking(provider_type: str) -> bool:
        return bool(provider_settings(provider_type)["skip_individual_marking"])

    @staticmethod
    def should_use_bulk_operations(provider_type: str) -> bool:
        return bool(provider_settings(provider_type)["use_bulk_operations"])

    @staticmethod
    def supports_individual_uid(provider_type: str) -> bool:
        """True: UID commands are part of IMAP4rev1."""
        return True


class ProviderValidator:
    """Checks of what a user typed."""

    @staticmethod
    def validate_email_for_provider(email: str, provider_type: str) -> tuple[bool, str]:
        """(does the address belong to the provider, why not)."""
        local, at, domain = (email or "").rpartition("@")
        if not (at and local and domain):
            return False, "Invalid email format"
        domains = DOMAINS.get(provider_type, ())
        if domains and domain.lower() not in domains:
            return False, f"{domain.lower()} is none of {', '.join(domains)}"
        return True, ""

    @staticmethod
    def validate_provider_config(provider_type: str) -> tuple[bool, list[str]]:
        """(is the provider known, what is missing)."""
        if provider_type not in PROVIDERS:
            return False, [f"Unknown provider: {provider_type}"]
        return True, []

    @staticmethod
    def get_provider_troubleshooting(provider_type: str, error_message: str = "") -> list[str]:
        """What to try, the likeliest first."""
        steps = ProviderDetector.get_setup_instructions(provider_type)
        lowered = (error_message or "").lower()
        if "auth" in lowered or "login" in lowered or "credential" in lowered:
            steps.insert(0, "The server refused the password: check it, or make a new one")
        elif "timed out" in lowered or "timeout" in lowered or "refused" in lowered:
            steps.insert(0, "The server could not be reached: check its name, port and the network")
        elif "certificate" in lowered or "ssl" in lowered:
            steps.insert(0, "The server's certificate is not valid for its name")
        return steps
