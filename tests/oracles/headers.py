"""The header section of a message, plainly: lines, then fields."""

import re

LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")
NAME = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:[ \t]*")

NO_BLANK_LINE, BARE_CR, NUL, HIGH, EMPTY = 1, 8, 16, 32, 64


def lines(raw: bytes):
    """(start, stop, next) of every line."""
    pos = 0
    while pos < len(raw):
        match = LINE.match(raw, pos)
        yield pos, match.end(1), match.end()
        pos = match.end()


def scan(raw: bytes):
    """(fields as (name_start, name_stop, start, stop), where the body starts, flags)."""
    fields, flags, body, first, leading = [], NO_BLANK_LINE, len(raw), len(raw), True
    for start, stop, after in lines(raw):
        line = raw[start:stop]
        if leading and (line[:1] in (b" ", b"\t") or re.match(rb">?From ", line)):
            continue
        if leading:
            first, leading = start, False
        if raw[stop:after] == b"\r":
            flags |= BARE_CR
        if not line:
            flags &= ~NO_BLANK_LINE
            body = after
            break
        if line[:1] in (b" ", b"\t"):
            fields[-1][3] = stop
            continue
        match = NAME.match(line)
        if not match:
            body = start
            break
        fields.append([start, start + match.end(1), start + match.end(), stop])
    section = raw[first:body]
    if b"\0" in section:
        flags |= NUL
    if not section.isascii():
        flags |= HIGH
    if not fields:
        flags |= EMPTY
    return [tuple(field) for field in fields], body, flags
