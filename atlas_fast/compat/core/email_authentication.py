"""What the receiver says about a sender, over `atlas_fast.auth`. Nothing is asked of the DNS."""

from __future__ import annotations

from datetime import timedelta
from email.message import Message
from typing import Any

from atlas_fast.auth import original_result

__all__ = [
    "DB_LOGGING_AVAILABLE", "DNS_AVAILABLE", "EmailAuthenticator", "authenticate_email_headers",
]  # fmt: skip

DNS_AVAILABLE = False
"""Whether SPF records are looked up: not here. Real checks are those of `atlas_fast.verify`."""

DB_LOGGING_AVAILABLE = True


class EmailAuthenticator:
    """Its attributes are the original's; as nothing is looked up, nothing is cached."""

    def __init__(self) -> None:
        self.spf_cache: dict[str, Any] = {}
        self.cache_timeout = timedelta(hours=24)
        self.dns_timeout = 10

    def authenticate_email(
        self, email_msg: Message, sender_ip: str | None = None
    ) -> dict[str, Any]:
        """Results by method, `is_authentic`, `confidence_modifier` (negative: suspicious)."""
        raw = b"".join(
            name.encode("utf-8", "replace") + b":" + _body(value) + b"\n"
            for name, value in email_msg.raw_items()
        )
        return original_result(raw + b"\n", sender_ip)


def authenticate_email_headers(headers_str: str, sender_ip: str | None = None) -> dict[str, Any]:
    """The same for the text of a header section. Raises TypeError for what is no text."""
    return original_result(headers_str, sender_ip)


def _body(value: Any) -> bytes:
    """A field body with its folds; bytes that the parser could not read as they were."""
    lines = str(value).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    text = "\n".join(line if line[:1] in (" ", "\t") else f" {line}" for line in lines)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
