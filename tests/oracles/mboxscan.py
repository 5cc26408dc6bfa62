"""Messages of an mbox without Content-Length, plainly."""

import re


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
