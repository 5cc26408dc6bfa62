"""The text of a parameter, plainly: RFC 2231 sections, or header text."""

import re

from oracles import words
from oracles.charsets import by_name
from oracles.params import BLANK, pieces

SECTION = re.compile(rb"(?:\*([0-9]*)(\*?))\Z")


def parse_quoted(raw: bytes):
    """(name, value as it stands, was it quoted) of every parameter."""
    for piece in pieces(raw):
        name, equals, rest = piece.partition(b"=")
        rest = rest.lstrip(BLANK)
        if not equals:
            continue
        if rest[:1] == b'"':
            match = re.match(rb'"((?:\\.|[^"\\])*+(?:\\\Z)?)', rest, re.DOTALL)
            yield name.rstrip(BLANK), match[1], True
        else:
            yield name.rstrip(BLANK), re.match(rb"[^ \t\r\n(]*", rest)[0], False


def unquoted(value: bytes, quoted: bool, percent: bool) -> bytes:
    """Quoted-pairs resolved, line ends dropped, %XX decoded."""
    out, pos = b"", 0
    while pos < len(value):
        if quoted and value[pos : pos + 1] == b"\\" and pos + 1 < len(value):
            pos += 1
        elif percent and re.match(rb"%[0-9A-Fa-f]{2}", value[pos:]):
            out += bytes([int(value[pos + 1 : pos + 3], 16)])
            pos += 3
            continue
        if value[pos : pos + 1] not in (b"\r", b"\n"):
            out += value[pos : pos + 1]
        pos += 1
    return out


def text(raw: bytes, name: bytes):
    """str, or None when the field has no such parameter."""
    sections = {}
    for found, value, quoted in parse_quoted(raw):
        found = found.lower()
        if found == name:
            return words.decode(unquoted(value, quoted, False))
        if not found.startswith(name):
            continue
        match = SECTION.match(found[len(name) :])
        if not match:
            continue
        digits = match[1]
        number = int(digits or b"0")
        if number < 64:
            sections.setdefault(number, (value, quoted, bool(match[2]) or not digits))
    if not sections:
        return None
    whole, codec = b"", "utf-8"
    for number in sorted(sections):
        value, quoted, extended = sections[number]
        if extended and number == 0 and value.count(b"'") >= 2:
            charset, _, value = value.split(b"'", 2)
            codec = by_name(charset) or "utf-8"
            quoted = False  # an extended value has no quoted-pairs
        whole += unquoted(value, quoted, extended)
    return whole.decode(codec, "replace").encode("utf-8", "replace").decode()
