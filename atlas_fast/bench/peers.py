"""What users would pick in our place, made ready for the paired runner.

A peer that is not installed is an `Absent`, so that the table names it instead of leaving it out.
Each function reads the same fields as `atlas_fast.headers.parse_many`: From (name and address), To,
Subject, Date, Message-ID, Received, Authentication-Results, Received-SPF, DKIM-Signature, List-Id,
List-Unsubscribe, Reply-To, Return-Path, Content-Type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email import policy
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

__all__ = ["FIELDS", "Absent", "Peer", "header_peers"]

FIELDS = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Received",
    "Authentication-Results",
    "Received-SPF",
    "DKIM-Signature",
    "List-Id",
    "List-Unsubscribe",
    "Reply-To",
    "Return-Path",
    "Content-Type",
)
"""The fields that every contestant reads."""

_REPEATED = frozenset({"Received", "Authentication-Results", "DKIM-Signature"})


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to read the headers of many messages; `includes` says how far it goes."""

    name: str
    read: Callable[[Sequence[bytes]], list[Any]]
    includes: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A peer that is not installed."""

    name: str
    install: str


def header_peers() -> list[Peer | Absent]:
    """All peers of the header kernel, those of the standard library first."""
    return [
        Peer("BytesHeaderParser", stdlib_raw, "compat32, fields as they stand, nothing decoded"),
        Peer(
            "BytesHeaderParser, decoded",
            stdlib_decoded,
            "compat32; Subject and names decoded, addresses and date parsed",
        ),
        Peer("regex", regex_fields, "one regular expression a message, fields as they stand"),
        _fast_mail_parser(),
    ]


def stdlib_raw(messages: Sequence[bytes]) -> list[dict[str, Any]]:
    """email.parser.BytesHeaderParser, fields as str."""
    parse = BytesHeaderParser(policy=policy.compat32).parsebytes
    out = []
    for raw in messages:
        message = parse(raw)
        out.append(
            {
                name: message.get_all(name) if name in _REPEATED else message.get(name)
                for name in FIELDS
            }
        )
    return out


def stdlib_decoded(messages: Sequence[bytes]) -> list[dict[str, Any]]:
    """The same with what the columns hold: decoded texts, addresses, date."""
    out = stdlib_raw(messages)
    for fields in out:
        fields["Subject"] = _text(fields["Subject"])
        for name in ("From", "To", "Reply-To"):
            value = fields[name]
            if value is not None:
                pairs = getaddresses([str(value)])
                fields[name] = [(_text(display), address) for display, address in pairs]
        try:
            fields["Date"] = parsedate_to_datetime(fields["Date"])
        except (TypeError, ValueError):
            fields["Date"] = None
    return out


def _text(value: Any) -> str:
    if value is None:
        return ""
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError, UnicodeError):
        return str(value)


_FIELD = re.compile(
    rb"^(" + b"|".join(re.escape(name.encode()) for name in FIELDS) + rb"):[ \t]*"
    rb"([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)


def regex_fields(messages: Sequence[bytes]) -> list[list[tuple[bytes, bytes]]]:
    """What one writes by hand: cut at the empty line, one expression over the rest."""
    out = []
    for raw in messages:
        ends = [end for end in (raw.find(b"\n\n"), raw.find(b"\r\n\r\n")) if end >= 0]
        out.append(_FIELD.findall(raw, 0, min(ends, default=len(raw))))
    return out


def _fast_mail_parser() -> Peer | Absent:
    try:
        from fast_mail_parser import parse_email
    except ImportError:
        return Absent("fast-mail-parser", "pip install fast-mail-parser")

    def read(messages: Sequence[bytes]) -> list[Any]:
        out = []
        for raw in messages:
            found = parse_email(raw, mode="metadata")
            headers = found.headers
            out.append(
                (
                    found.from_, found.to, found.subject, found.date_parsed, found.reply_to,
                    [headers.get(name) for name in FIELDS],
                )
            )  # fmt: skip
        return out

    return Peer("fast-mail-parser", read, "parse_email(mode='metadata'), fields read from it")
