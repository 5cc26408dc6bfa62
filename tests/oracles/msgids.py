"""Message identifiers, plainly."""

import re

BLANK = b" \t\r\n"


def parse(raw: bytes) -> list[bytes]:
    if b"<" not in raw:
        return [raw.strip(BLANK)] if raw.strip(BLANK) else []
    found = re.findall(rb"<[^>]*>", raw)
    rest = raw[raw.rfind(b">") + 1 :] if found else raw
    if b"<" in rest:  # never closed: up to the end
        found.append(rest[rest.index(b"<") :].rstrip(BLANK))
    return found
