"""Parameters of structured fields, plainly."""

BLANK = b" \t\r\n"


def pieces(raw: bytes):
    """Texts between semicolons that are not inside a quoted string."""
    out, quoted, pos, start = [], False, 0, 0
    first = raw.find(b";")
    if first < 0:
        return []
    pos = start = first + 1
    fresh = True
    while pos < len(raw):
        char = raw[pos : pos + 1]
        if fresh and char in BLANK:
            pos += 1
            start = pos
            continue
        fresh = False
        if char == b'"':
            quoted = not quoted
        elif char == b"\\" and quoted:
            pos += 1
        elif char == b";" and not quoted:
            out.append(raw[start:pos])
            start, fresh = pos + 1, True
        pos += 1
    out.append(raw[start:])
    return out


def parse(raw: bytes):
    """(value, [(name, value as it stands), ...])."""
    found = []
    for piece in pieces(raw):
        name, equals, rest = piece.partition(b"=")
        if not equals:
            continue
        rest = rest.lstrip(BLANK)
        if rest[:1] == b'"':
            pos = 1
            while pos < len(rest) and rest[pos : pos + 1] != b'"':
                pos += 2 if rest[pos : pos + 1] == b"\\" else 1
            value = rest[1 : min(pos, len(rest))]
        else:
            end = next((i for i, c in enumerate(rest) if c in BLANK or c == 40), len(rest))
            value = rest[:end]
        found.append((name.rstrip(BLANK), value))
    return raw.lstrip(BLANK).partition(b";")[0].rstrip(BLANK), found
