"""Received fields, plainly: the words outside comments, and what the comments say."""

import re

from oracles import dates, ip

KEYWORDS = ("from", "by", "via", "with", "id", "for")
HELO_VALUE = re.compile(r"[ \t\r\n=][ \t\r\n]*[^ \t\r\n)]*")
LITERAL = re.compile(r"[0-9A-Za-z:][0-9A-Za-z:._-]*")


def pieces(text):
    """("word" | "comment" | ";", start, stop)."""
    pos = 0
    while pos < len(text):
        char = text[pos]
        if char in " \t\r\n":
            pos += 1
            continue
        end = pos
        if char == "(":
            depth = 0
            while end < len(text):
                if text[end] == "\\":
                    end += 1
                elif text[end] == "(":
                    depth += 1
                elif text[end] == ")":
                    depth -= 1
                    if depth == 0:
                        break
                end += 1
            end = min(end + 1, len(text))
            yield "comment", pos, end
        elif char == ";":
            end = pos + 1
            yield ";", pos, end
        else:
            while end < len(text) and text[end] not in " \t\r\n(;":
                end += 1
            yield "word", pos, end
        pos = end


def literals(text, start, stop):
    """(in brackets, start, stop) of the addresses in a word or comment; not those behind HELO."""
    pos = start
    while match := LITERAL.search(text, pos, stop):
        lo, hi = match.span()
        pos = hi
        if text[lo:hi].lower() in ("helo", "ehlo"):
            named = HELO_VALUE.match(text, hi, stop)
            pos = named.end() if named else hi
            continue
        if text[lo:hi].lower().startswith("ipv6:"):
            lo += 5
        if ip.parse(text[lo:hi]) is not None:
            yield match.start() > 0 and text[match.start() - 1] == "[", lo, hi


def helo_of(text, start, stop):
    for match in re.finditer(r"[0-9A-Za-z]+", text[start:stop]):
        if match[0].lower() not in ("helo", "ehlo"):
            continue
        rest = re.compile(r"[ \t\r\n=][ \t\r\n]*([^ \t\r\n)]*)").match(
            text, start + match.end(), stop
        )
        if rest:
            return (rest.start(1), rest.end(1)) if rest[1] else None
    return None


def parse(raw: bytes):
    """(from, from_ip, by, by_ip, with, id, for, helo, date) as spans, None where absent."""
    text = raw.decode("latin-1")
    value, ips, helo, words_of_from = {}, {"from": [], "by": []}, None, []
    clause = waits = semicolon = None
    words = 0
    seen = set()
    for kind, start, stop in pieces(text):
        if kind == ";":
            semicolon, clause, waits = start, None, None
            continue
        if kind == "word":
            word = text[start:stop].lower()
            if semicolon is not None:
                continue
            fresh = word in KEYWORDS and word not in seen
            if fresh and (word != "from" or (not seen and not words)):
                seen.add(word)
                clause = waits = word
                continue
            words += 1
            if waits:
                lo, hi = start, stop
                if waits == "for" and hi - lo >= 2 and text[lo] == "<" and text[hi - 1] == ">":
                    lo, hi = lo + 1, hi - 1
                value[waits] = (lo, hi)
                waits = None
        if clause == "from" and kind == "word":
            words_of_from += literals(text, start, stop)
        elif clause in ips:
            ips[clause] += literals(text, start, stop)
        if kind == "comment" and clause == "from" and helo is None:
            helo = helo_of(text, start, stop)
    best = {}
    ips["from"] = ips["from"] or words_of_from
    for name, found in ips.items():
        chosen = [span for inside, *span in found if inside] or [span for _, *span in found]
        best[name] = tuple(chosen[0]) if chosen else None
    date = None if semicolon is None else dates.parse(raw[semicolon + 1 :].lstrip(b" \t\r\n"))
    get = value.get
    return (
        get("from"), best["from"], get("by"), best["by"], get("with"), get("id"), get("for"),
        helo or get("from"), date,
    )  # fmt: skip
