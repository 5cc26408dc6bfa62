"""Authentication fields, plainly: tokens by regular expressions over the text with comments
replaced by blanks of the same length."""

import re

KEY = re.compile(r"[0-9A-Za-z_-]*")
BLANK = re.compile(r"[ \t\r\n]*")
BARE = re.compile(r'[^ \t\r\n()";]*')
QUOTED = re.compile(r'"((?:\\[\s\S]|[^"\\])*)("|\\?\Z)')
DIGITS = re.compile(r"[0-9]*")
CODES = {
    "none": 0, "pass": 1, "fail": 2, "hardfail": 2, "softfail": 3, "neutral": 4, "policy": 5,
    "temperror": 6, "error": 6, "permerror": 7, "unknown": 7,
}  # fmt: skip


def skip(text, pos):
    """Behind white space and comments."""
    depth = 0
    while pos < len(text):
        char = text[pos]
        if char == "(":
            depth += 1
        elif depth and char == ")":
            depth -= 1
        elif depth and char == "\\":
            pos += 1
        elif not depth and char not in " \t\r\n":
            return pos
        pos += 1
    return len(text)


def quoted(text, pos):
    """(inside start, inside stop, behind) of the quoted string at pos."""
    match = QUOTED.match(text, pos)
    inner_stop = match.end(1) if match[2] == '"' else len(text)
    return pos + 1, inner_stop, match.end()


def value(text, pos):
    """(span or None, behind)."""
    pos = skip(text, pos)
    if text[pos : pos + 1] == '"':
        start, stop, behind = quoted(text, pos)
        if text[behind - 1 : behind + 1] == '"@' and behind > pos + 1 and stop < behind:
            end = BARE.match(text, behind).end()
            return (pos, end), end
        return (start, stop), behind
    end = BARE.match(text, pos).end()
    return ((pos, end) if end > pos else None), end


def to_semicolon(text, pos):
    while True:
        pos = skip(text, pos)
        if pos >= len(text) or text[pos] == ";":
            return pos
        pos = quoted(text, pos)[2] if text[pos] == '"' else pos + 1


def one_property(text, pos):
    """((ptype, name, value) or None, behind)."""
    end = KEY.match(text, pos).end()
    if end == pos:
        return None, quoted(text, pos)[2] if text[pos] == '"' else pos + 1
    name, ptype = (pos, end), None
    pos = skip(text, end)
    if text[pos : pos + 1] == ".":
        ptype = name
        pos = skip(text, pos + 1)
        end = KEY.match(text, pos).end()
        if end == pos:
            return None, pos
        name = (pos, end)
        pos = skip(text, end)
    if text[pos : pos + 1] != "=":
        return None, pos
    found, pos = value(text, pos + 1)
    return ((ptype, name, found) if found else None), pos


def results(raw, max_methods, max_properties):
    """(authserv-id, version, none, cut, statements), as the kernel gives them."""
    text = raw.decode("latin-1")
    pos = skip(text, 0)
    end = KEY.match(text, pos).end()
    id_ = version = None
    if text[skip(text, end) :][:1] == "=":
        pos -= 1
    else:
        id_, pos = value(text, pos)
        pos = skip(text, pos)
        end = DIGITS.match(text, pos).end()
        version = (pos, end) if end > pos else None
        pos = to_semicolon(text, end)
    none = cut = False
    found = []
    while pos < len(text):
        pos = skip(text, pos + 1)
        end = KEY.match(text, pos).end()
        if end == pos:
            pos = to_semicolon(text, pos)
            continue
        method, mversion = (pos, end), None
        pos = skip(text, end)
        if text[pos : pos + 1] == "/":
            pos = skip(text, pos + 1)
            end = DIGITS.match(text, pos).end()
            mversion = (pos, end) if end > pos else None
            pos = skip(text, end)
        if text[pos : pos + 1] != "=":
            ended = pos >= len(text) or text[pos] == ";"
            if ended and mversion is None and text[slice(*method)].lower() == "none":
                none = True
            pos = to_semicolon(text, pos)
            continue
        pos = skip(text, pos + 1)
        end = KEY.match(text, pos).end()
        if end == pos:
            pos = to_semicolon(text, pos)
            continue
        if len(found) == max_methods:
            cut = True
            break
        result, reason, properties = (pos, end), None, []
        pos = skip(text, end)
        while pos < len(text) and text[pos] != ";":
            one, pos = one_property(text, pos)
            pos = skip(text, pos)
            if one is None:
                continue
            if one[0] is None and reason is None and text[slice(*one[1])].lower() == "reason":
                reason = one[2]
            elif len(properties) < max_properties:
                properties.append(one)
            else:
                cut = True
        code = CODES.get(text[slice(*result)].lower(), 8)
        found.append((method, mversion, result, code, reason, properties))
    return id_, version, none, cut, found


def spf(raw, max_pairs):
    text = raw.decode("latin-1")
    pos = skip(text, 0)
    end = KEY.match(text, pos).end()
    word = (pos, end) if end > pos else None
    found, pos = [], skip(text, end)
    while pos < len(text) and len(found) < max_pairs:
        one, pos = one_property(text, pos)
        pos = skip(text, pos)
        if one and one[0] is None:
            found.append(one[1:])
    return word, CODES.get(text[slice(*word)].lower(), 8) if word else 0, found


def tags(raw, max_tags):
    found, pos = [], 0
    for piece in raw.split(b";"):
        name, equals, rest = piece.partition(b"=")
        stripped, inner = name.strip(b" \t\r\n"), rest.strip(b" \t\r\n")
        if equals and stripped and len(found) < max_tags:
            start = pos + len(name) - len(name.lstrip(b" \t\r\n"))
            behind = pos + len(name) + 1 + len(rest) - len(rest.lstrip(b" \t\r\n"))
            if not inner:
                behind = pos + len(piece)
            found.append(((start, start + len(stripped)), (behind, behind + len(inner))))
        pos += len(piece) + 1
    return found
