"""Parts and text of a message by the rules of docs/mime.md, plainly: lines, a stack, slices.

Independent of the standard library's parser, so that the two can be told apart.
"""

import re
from dataclasses import dataclass, field

from oracles import headers, htmltext, parameters, transfer
from oracles.charsets import by_name

BLANK = b" \t\r\n"
FIELD = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:[ \t]*")
TOO_DEEP, TOO_MANY, UNTERMINATED, NO_BOUNDARY = 1 << 10, 1 << 11, 1 << 12, 1 << 20
OPEN = ("text/plain", "text/html")


@dataclass
class Part:
    kind: str | None
    header: int
    body: int
    stop: int
    parent: int
    depth: int
    fields: dict
    boundary: bytes | None = None
    children: list = field(default_factory=list)
    is_text: bool = False
    opened: bool = False

    @property
    def encoding(self):
        stated = value(self.fields.get(b"content-transfer-encoding")).lower()
        return stated.decode("ascii", "replace")

    @property
    def is_attachment(self):
        stated = self.fields.get(b"content-disposition")
        return stated is not None and value(stated).lower() != b"inline"

    @property
    def filename(self):
        name = None
        for where, key in ((b"content-disposition", b"filename"), (b"content-type", b"name")):
            if name is None and where in self.fields:
                name = parameters.text(self.fields[where], key)
        return name or ""


def value(body):
    return (body or b"").partition(b";")[0].strip(BLANK)


def first_fields(pairs):
    out = {}
    for name, body in pairs:
        if name.lower().startswith(b"content-"):
            out.setdefault(name.lower(), body[:8192])
    return out


def part_head(raw, pos, is_delimiter):
    """(content fields, where the body starts) of the header section at pos."""
    pairs = []
    while pos < len(raw):
        line = headers.LINE.match(raw, pos)
        after = line.end()
        if not line[1]:
            pos = after
            break
        match = FIELD.match(line[1])
        at_line = pos == 0 or raw[pos - 1] == 10
        if not match or (at_line and is_delimiter(raw[pos : (raw + b"\n").index(b"\n", pos)])):
            break
        start, stop = pos + match.end(), line.end(1)
        while raw[after : after + 1] in (b" ", b"\t") and after < len(raw):
            line = headers.LINE.match(raw, after)
            stop, after = line.end(1), line.end()
        pairs.append((match[1], raw[start:stop]))
        pos = after
    return first_fields(pairs), pos


class Reader:
    def __init__(self, raw, depth, most):
        self.raw, self.depth, self.most = raw, depth, most
        self.parts, self.stack, self.leaf, self.flags = [], [], None, 0
        self.skipped = 0

    def delimiter(self, line):
        """(index in the stack, does it close) or None. `line` has no LF."""
        if not line.startswith(b"--"):
            return None
        for index in reversed(range(len(self.stack))):
            boundary = self.parts[self.stack[index]].boundary
            if boundary is None or not line.startswith(b"--" + boundary):
                continue
            rest = line.removesuffix(b"\r")[2 + len(boundary) :]
            closes = rest.startswith(b"--")
            rest = rest[2:] if closes else rest
            if len(line.removesuffix(b"\r")) < 2 + len(boundary) or rest.strip(BLANK):
                continue
            if len(rest) <= 1000:
                return index, closes
        return None

    def open(self, fields, header, body):
        """Add parts until one has no header section of its own; returns where to go on."""
        while True:
            self.leaf = None
            if len(self.parts) >= self.most:
                self.flags |= TOO_MANY
                self.skipped = body
                return body
            parent = self.stack[-1] if self.stack else -1
            stated = value(fields.get(b"content-type"))
            kind = stated.decode("latin-1").lower() if b"/" in stated else None
            in_digest = parent >= 0 and self.parts[parent].kind == "multipart/digest"
            part = Part(kind, header, body, body, parent, len(self.stack), fields)
            number = len(self.parts)
            self.parts.append(part)
            if parent >= 0:
                self.parts[parent].children.append(number)
            self.leaf = number
            message = kind == "message/rfc822" or (kind is None and in_digest)
            part.is_text = kind in OPEN or (kind is None and not message)
            multipart = bool(kind and kind.startswith("multipart/"))
            if message and part.encoding not in ("", "7bit", "8bit", "binary"):
                return body
            if not (message or multipart):
                return body
            if len(self.stack) >= self.depth:
                self.flags |= TOO_DEEP
                return body
            if multipart:
                found = next(
                    (v for n, v, _ in parameters.parse_quoted(fields[b"content-type"])
                     if n.lower() == b"boundary"), b"",
                )  # fmt: skip
                if not 0 < len(found) <= 200:
                    self.flags |= NO_BOUNDARY
                    part.is_text = True
                    return body
                part.boundary = found
            part.opened = True
            self.stack.append(number)
            self.leaf = None
            if multipart:
                return body
            header = body
            fields, body = part_head(self.raw, header, self.delimiter)

    def close(self, keep, stop, damaged):
        if self.leaf is not None:
            part = self.parts[self.leaf]
            part.stop = max(part.body, stop)
            self.leaf = None
        while len(self.stack) > keep:
            part = self.parts[self.stack.pop()]
            if damaged and part.boundary is not None:
                self.flags |= UNTERMINATED
            last = max((self.parts[child].stop for child in part.children), default=0)
            part.stop = max(stop, part.body, last, self.skipped)

    def read(self, fields, body):
        raw = self.raw
        pos = self.open(fields, 0, body)
        while pos < len(raw) and self.stack:
            end = raw.find(b"\n", pos)
            end = len(raw) if end < 0 else end
            found = self.delimiter(raw[pos:end])
            after = min(end + 1, len(raw))
            if found is None:
                pos = after
                continue
            index, closes = found
            stop = len(re.sub(rb"\r?\n\Z", b"", raw[:pos]))
            self.close(index + 1, stop, True)
            pos = after
            if closes:
                self.close(index, pos, False)
            elif pos < len(raw):
                header = pos
                fields, pos = part_head(raw, header, self.delimiter)
                pos = self.open(fields, header, pos)
        self.close(0, len(raw), True)


def tree(raw: bytes, depth: int = 32, most: int = 1000):
    """(parts in the order of the message, MIME flags)."""
    found, body, _ = headers.scan(raw)
    pairs = [(raw[a:b], raw[c:d]) for a, b, c, d in found]
    reader = Reader(raw, depth, most)
    reader.read(first_fields(pairs), body)
    return reader.parts, reader.flags


def payload(raw: bytes, part: Part) -> bytes:
    body = raw[part.body : part.stop]
    if part.encoding == "base64":
        return transfer.decode_base64(body)[0]
    if part.encoding == "quoted-printable":
        return transfer.decode_quoted_printable(body)[0]
    return body


def decoded(raw: bytes, part: Part) -> bytes:
    """The text of a part as UTF-8; what is stated wrongly for each other is looked at."""
    body = payload(raw, part)
    stated = next(
        (v for n, v, _ in parameters.parse_quoted(part.fields.get(b"content-type", b""))
         if n.lower() == b"charset"), b"",
    )  # fmt: skip
    codec = by_name(stated)
    if codec in (None, "utf-8", "utf-8-sig", "ascii", "iso8859-1"):
        try:
            return body.decode("utf-8").encode()
        except UnicodeDecodeError:
            codec = "cp1252"
    return body.decode(codec, "replace").encode("utf-8", "replace")


def text_and_links(raw: bytes):
    """(text of all parts that give some, [(target, visible text, kind, part)], hidden elements).

    For messages below the caps of text and links.
    """
    out, links, hidden = b"", [], 0
    for number, part in enumerate(tree(raw)[0]):
        if not part.is_text or part.is_attachment or part.opened:
            continue
        text, found, count = htmltext.read(decoded(raw, part), part.kind == "text/html")
        out += text + b"\n"
        links += [(*link, number) for link in found]
        hidden += count
    return out, links, hidden
