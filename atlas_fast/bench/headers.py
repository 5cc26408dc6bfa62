"""Header parsing against its peers: the same fields read from the same messages.

Every contestant gets the messages as a list of bytes and reads From, To, Subject, Date,
Message-ID, Received, Authentication-Results, Received-SPF, DKIM-Signature, List-*, Reply-To,
Return-Path and Content-Type. atlas_fast decodes Subject, names, addresses and the date into
columns, and allocates those within the time; the peers give what they give.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email import policy
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime
from functools import partial
from importlib.util import find_spec
from typing import Any

from atlas_fast.bench.paired import Contestant

ONE = (
    "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "Return-Path", "Content-Type",
    "Received-SPF",
)  # fmt: skip
MANY = (
    "Received", "Authentication-Results", "DKIM-Signature", "List-Id", "List-Unsubscribe",
    "List-Post", "List-Help", "List-Subscribe", "List-Archive",
)  # fmt: skip
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:[ \t]*((?:.*(?:\n[ \t].*)*))", re.MULTILINE)
_WANTED = frozenset(name.lower().encode() for name in ONE + MANY)


def ours(messages: Sequence[bytes]) -> Any:
    """atlas_fast.headers.parse_many: Subject, names, addresses, date decoded; columns allocated."""
    from atlas_fast.headers import parse_many

    return parse_many(messages)


def standard_raw(messages: Sequence[bytes]) -> list[tuple]:
    """BytesHeaderParser, the fields read as they stand: nothing is decoded."""
    parser, out = BytesHeaderParser(), []
    for raw in messages:
        head = parser.parsebytes(raw)
        out.append(([head[name] for name in ONE], [head.get_all(name) for name in MANY]))
    return out


def standard_decoded(messages: Sequence[bytes]) -> list[tuple]:
    """The same with Subject, names, addresses and the date decoded, as atlas_fast does."""
    parser, out = BytesHeaderParser(), []
    for raw in messages:
        head = parser.parsebytes(raw)
        one = {name: head[name] for name in ONE}
        people = getaddresses([str(one[name] or "") for name in ("From", "To", "Reply-To")])
        people = [(_text(name), address) for name, address in people]
        try:
            date = parsedate_to_datetime(one["Date"]) if one["Date"] else None
        except (ValueError, TypeError):
            date = None
        many = [head.get_all(name) for name in MANY]
        out.append((one, people, _text(one["Subject"]), date, many))
    return out


def _text(value: Any) -> str:
    if value is None:
        return ""
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        return str(value)


def standard_policy(messages: Sequence[bytes]) -> list[tuple]:
    """BytesHeaderParser with policy.default, which decodes each field that is read."""
    parser, out = BytesHeaderParser(policy=policy.default), []
    for raw in messages:
        head = parser.parsebytes(raw)
        row = []
        for name in ONE:
            try:
                row.append(head[name])
            except Exception as error:  # some real fields make the standard library raise
                row.append(error)
        out.append((row, [head.get_all(name) for name in MANY]))
    return out


def pattern(messages: Sequence[bytes]) -> list[dict]:
    """A regular expression by hand: bodies undecoded."""
    out = []
    for raw in messages:
        section = raw.partition(b"\n\n")[0]
        row: dict[bytes, list[bytes]] = {}
        for name, body in _FIELD.findall(section):
            if name.lower() in _WANTED:
                row.setdefault(name.lower(), []).append(body)
        out.append(row)
    return out


def rust(messages: Sequence[bytes]) -> list[tuple]:
    """fast-mail-parser in its metadata mode: subject, date, addresses and headers read."""
    from fast_mail_parser import ParseError, parse_email

    out: list[tuple] = []
    for raw in messages:
        try:
            mail = parse_email(raw, mode="metadata")
        except ParseError as error:
            out.append((error,))
            continue
        out.append((mail.subject, mail.date, mail.headers))
    return out


def contestants(
    messages: Sequence[bytes], sample: int = 1000
) -> tuple[list[Contestant], list[str]]:
    """atlas_fast first, then the peers that are installed; and the names of those that are not.

    atlas_fast reads all messages, the peers every k-th so that `sample` remain.
    """
    step = max(1, len(messages) // sample)
    some = list(messages[::step])
    peers = [
        ("email.BytesHeaderParser, fields as they stand", standard_raw),
        ("email.BytesHeaderParser, decoded", standard_decoded),
        ("email.BytesHeaderParser, policy.default", standard_policy),
        ("regular expression", pattern),
    ]
    absent = []
    if find_spec("fast_mail_parser"):
        peers.append(("fast-mail-parser, metadata", rust))
    else:
        absent.append("fast-mail-parser")
    rows = [Contestant("atlas_fast", lambda: ours(messages), len(messages), ours.__doc__ or "")]
    for name, call in peers:
        rows.append(Contestant(name, partial(call, some), len(some), call.__doc__ or ""))
    return rows, absent


def check(messages: Sequence[bytes], sample: int = 1000) -> None:
    """AssertionError unless atlas_fast and the standard library read the same fields."""
    step = max(1, len(messages) // sample)
    columns = ours(messages)
    for index, (one, many) in zip(
        range(0, len(messages), step), standard_raw(messages[::step]), strict=True
    ):
        head = columns.row(index)
        for name, value in zip(ONE, one, strict=True):
            assert (head.get_raw(name) is None) == (value is None), (index, name)
        for name, values in zip(MANY, many, strict=True):
            assert len(head.get_all_raw(name)) == len(values or ()), (index, name)
