"""Address lists, plainly: elements first, then their parts."""

import re

from oracles import words

BLANK = b" \t\r\n"


def quoted_end(raw, pos):
    match = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL).match(raw, pos)
    return match.end() - 1 if match else None


def comment_end(raw, pos):
    depth = 0
    while pos < len(raw):
        if raw[pos : pos + 1] == b"\\":
            pos += 1
        elif raw[pos : pos + 1] == b"(":
            depth += 1
        elif raw[pos : pos + 1] == b")":
            depth -= 1
            if depth == 0:
                return pos
        pos += 1
    return None


def elements(raw):
    """(start, stop, position of the last `<`, of its `>`, has an @, group) of each element."""
    pos, group, start = 0, None, 0
    opened = closed = None
    at = open_comment = False  # behind a `(` that never closes none opens a comment
    while pos < len(raw):
        char = raw[pos : pos + 1]
        if char == b'"' or (char == b"(" and not open_comment):
            end = (quoted_end if char == b'"' else comment_end)(raw, pos)
            open_comment |= end is None and char == b"("
            pos = pos + 1 if end is None else end + 1
            continue
        if char == b"@":
            at = True
        elif char == b"<":
            opened, closed = pos, None
            inside = re.compile(rb'[^,<"(>]*>').match(raw, pos + 1)
            if inside:
                pos = closed = inside.end() - 1
        elif char == b">" and opened is not None and closed is None:
            closed = pos
        route = opened is not None and closed is None and raw[opened + 1 : opened + 2] == b"@"
        if char == b";" or (char == b"," and not route):
            yield start, pos, opened, closed, at, group
            if char == b";":
                group = None
            start, opened, closed, at = pos + 1, None, None, False
        elif char == b":" and opened is None and not at and group is None:
            group = raw[start:pos].strip(BLANK)
            start = pos + 1
        pos += 1
    if start < len(raw):
        yield start, len(raw), opened, closed, at, group


def tokens(raw):
    """("blank" | "comment" | "quoted" | "byte", content) of a phrase or local-part."""
    pos, open_comment = 0, False
    while pos < len(raw):
        char = raw[pos : pos + 1]
        if char == b"(" and not open_comment and comment_end(raw, pos) is None:
            open_comment = True
        if char in (b" ", b"\t", b"\r", b"\n"):
            yield "blank", char
        elif char == b"(" and not open_comment:
            pos = comment_end(raw, pos)
            yield "blank", b""
        elif char == b'"' and quoted_end(raw, pos) is not None:
            end = quoted_end(raw, pos)
            text = re.sub(rb"\\(.)|[\r\n]", lambda m: m[1] or b"", raw[pos + 1 : end], flags=re.S)
            yield "quoted", text
            pos = end
        else:
            yield "byte", char
        pos += 1


def phrase(raw):
    out, space, started = b"", False, False
    for kind, text in tokens(raw):
        if kind == "blank":
            space = True
            continue
        out += b" " if space and started else b""
        out += text
        space, started = False, True
    return words.decode(out)


def split_at(raw):
    """Local-part with its outer text, and the rest from the @ on."""
    pos, open_comment = 0, False
    while pos < len(raw):
        char = raw[pos : pos + 1]
        if char == b"@":
            break
        end = None
        if char == b'"' or (char == b"(" and not open_comment):
            end = (quoted_end if char == b'"' else comment_end)(raw, pos)
            open_comment |= end is None and char == b"("
        pos = pos + 1 if end is None else end + 1
    return raw[:pos], raw[pos:]


def addr_spec(raw):
    if raw[:1] == b"@" and b":" in raw:
        raw = raw[raw.index(b":") + 1 :]
    if not re.search(rb'["() \\\t\r\n]', raw):
        return raw.decode("utf-8", "replace")
    local, rest = split_at(raw)
    out, space, quoted = b"", False, False
    for kind, text in tokens(local):
        if kind == "blank":
            space = True
            continue
        first = b'"' if kind == "quoted" else text
        if space and out and out[-1:] != b"." and first != b".":
            out += b" "
            quoted = True
        space = False
        if kind == "quoted":
            quoted |= not text or bool(re.search(rb'[()<>\[\]:;@\\," \t\r\n]', text))
        out += text
    if quoted:
        out = b'"' + re.sub(rb'(["\\])', rb"\\\1", out) + b'"'
    return out.decode("utf-8", "replace") + domain(rest)


def domain(raw):
    out, pos = [], 0
    while pos < len(raw):
        while pos < len(raw):
            if raw[pos : pos + 1] in (b" ", b"\t", b"\r", b"\n"):
                pos += 1
            elif raw[pos : pos + 1] == b"(" and comment_end(raw, pos) is not None:
                pos = comment_end(raw, pos) + 1
            else:
                break
        end = pos
        while end < len(raw) and raw[end : end + 1] not in (b" ", b"\t", b"\r", b"\n", b"("):
            end += 1
        if end == pos:
            end = len(raw)
        out.append(raw[pos:end].decode("utf-8", "replace"))
        pos = end
    return "".join(out)


def skip_comments(raw):
    raw = raw.lstrip(BLANK)
    while raw[:1] == b"(" and comment_end(raw, 0) is not None:
        raw = raw[comment_end(raw, 0) + 1 :].lstrip(BLANK)
    return raw


def parse(raw: bytes):
    """(name, address, group or None) of every mailbox."""
    found = []
    for start, stop, opened, closed, _, group in elements(raw):
        name_of_group = phrase(group) if group else None
        if opened is not None:
            inside = raw[opened + 1 : closed] if closed is not None else raw[opened + 1 : stop]
            if closed is None:
                inside = inside.rstrip(BLANK)
            found.append((phrase(raw[start:opened].strip(BLANK)), addr_spec(inside), name_of_group))
            continue
        text = skip_comments(raw[start:stop].strip(BLANK))
        if text:
            found.append(("", addr_spec(text), name_of_group))
    return found
