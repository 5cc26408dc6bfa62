"""Messages of an mbox, with and without Content-Length, plainly."""

import re

from oracles import headers


def is_separator(line: bytes) -> bool:
    match = re.match(rb"From [ \t]*([^ \t]+)(.*)\Z", line, re.DOTALL)
    if not match or len(line) >= 1024:
        return False
    rest = match[2]
    year = re.search(rb"(?<![0-9])[0-9]{4}(?![0-9])", rest)
    clock = re.search(rb"(?<![0-9])[0-9]{1,2}:[0-9]", rest)
    return bool(year and clock)


def scan(raw: bytes):
    """(place, start, stop) of every message."""
    lines, pos = [], 0
    for line in raw.split(b"\n"):
        lines.append((pos, line))
        pos += len(line) + 1
    if raw.endswith(b"\n") or not raw:
        lines.pop()
    begins = [0] if raw else []
    empty = False
    for number, (at, line) in enumerate(lines):
        if number and empty and is_separator(line):
            begins.append(at)
        empty = line in (b"", b"\r")
    out = []
    for number, place in enumerate(begins):
        stop = begins[number + 1] if number + 1 < len(begins) else len(raw)
        start = place
        first = raw[place:].split(b"\n", 1)[0]
        if is_separator(first):
            start = min(place + len(first) + 1, len(raw))
            if number + 1 == len(begins) and b"\n" not in raw[place:]:
                start = len(raw)
        body = raw[start:stop]
        for blank in (b"\r\n", b"\n"):
            if body.endswith(blank) and (body == blank or body[: -len(blank)].endswith(b"\n")):
                stop -= len(blank)
                break
        out.append((place, start, stop))
    return out


def stated_end(raw: bytes, pos: int):
    """(where the body of the message at pos starts, its end by Content-Length or None)."""
    length = None
    while pos < len(raw):
        line = headers.LINE.match(raw, pos)
        match = headers.NAME.match(line[1])
        if not line[1] or not match:
            pos = line.end() if not line[1] else pos
            break
        start, stop, pos = pos + match.end(), line.end(1), line.end()
        while raw[pos : pos + 1] in (b" ", b"\t") and pos < len(raw):
            line = headers.LINE.match(raw, pos)
            stop, pos = line.end(1), line.end()
        states = match[1].lower() == b"content-length" and length is None
        if states and re.fullmatch(rb"[0-9]{1,12}", raw[start:stop]):
            length = int(raw[start:stop])
    return pos, None if length is None or pos + length > len(raw) else pos + length


def lands(raw: bytes, pos: int):
    """The separator or end at pos or behind one or two line ends; None when there is neither."""
    for ends in (b"", rb"\r?\n", rb"\r?\n\r?\n"):
        match = re.compile(ends).match(raw, pos)
        if match and (match.end() == len(raw) or is_separator(raw[match.end() :].split(b"\n")[0])):
            return match.end()
    return None


def scan_trusting(raw: bytes):
    """(place, start, stop) of every message, Content-Length trusted where it lands."""
    out, pos = [], 0
    while pos < len(raw):
        place, start = pos, pos
        first = raw[pos:].split(b"\n", 1)[0]
        if is_separator(first):
            start = min(pos + len(first) + 1, len(raw))
        end = stated_end(raw, start)[1]
        after = None if end is None else lands(raw, end)
        if after is None:
            _, first_start, end = scan(raw[place:])[0]
            start = place + first_start
            end += place
            rest = scan(raw[place:])
            after = place + rest[1][0] if len(rest) > 1 else len(raw)
        out.append((place, start, end))
        pos = after
    return out
