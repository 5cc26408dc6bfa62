"""Text and links of any HTML and of plain text, by the rules of the kernel's head note."""

import re
from html.entities import name2codepoint

BLOCKS = set(
    [
        "p",
        "div",
        "br",
        "tr",
        "table",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "pre",
        "blockquote",
        "center",
        "body",
        "head",
        "html",
        "section",
        "article",
        "header",
        "footer",
        "nav",
        "main",
        "address",
        "fieldset",
        "tbody",
        "thead",
        "tfoot",
        "caption",
        "option",
        "select",
        "textarea",
    ]
)
CELLS = {"td", "th"}
DROPPED = {"script", "style", "title", "noframes"}
TARGETS = {
    ("a", "href"): 0, ("area", "href"): 0, ("img", "src"): 1, ("form", "action"): 2,
    ("iframe", "src"): 4, ("frame", "src"): 4, ("embed", "src"): 4,
}  # fmt: skip
ENTITIES = name2codepoint | {"apos": 39}
MAX_URL = 2048
REFERENCE = re.compile(r"&(?:#[xX]([0-9a-fA-F]{1,8})|#([0-9]{1,8})|([0-9A-Za-z]+));?")
TAG = re.compile(r"<(/?)([A-Za-z][0-9A-Za-z]*)")
BLANK = "[ \t\r\n]"
ATTRIBUTE = re.compile(
    rf"[ \t\r\n/\"']*([^ \t\r\n=]*)({BLANK}*)"
    rf"(?:={BLANK}*(?:\"([^\"]*)\"?|'([^']*)'?|([^ \t\r\n]*)))?"
)
HIDING = re.compile(r"display:none|visibility:hidden|font-size:0(?!\.)")
URL = re.compile(r"(?<![A-Za-z])(?:https?|ftp)://[^\0-\x20\"<>\x7f]*", re.IGNORECASE)


def reference(text, pos):
    """(character, behind it) of the reference at pos, or None."""
    match = REFERENCE.match(text, pos)
    if not match:
        return None
    if match[3] is not None:
        if match[3] not in ENTITIES:
            return None
        return chr(ENTITIES[match[3]]), match.end()
    code = int(match[1], 16) if match[1] else int(match[2])
    if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        code = 0xFFFD
    return chr(code), match.end()


def target_of(value):
    value = value.lstrip(" \t\r\n")
    out, pos = b"", 0
    while pos < len(value) and len(out) < MAX_URL:
        found = reference(value, pos) if value[pos] == "&" else None
        if found:
            out += found[0].encode()
            pos = found[1]
            continue
        if value[pos] > " ":
            room = MAX_URL - len(out)
            piece = value[pos].encode()
            if len(piece) > room:
                break
            out += piece
        pos += 1
    return out


def attributes(text):
    """(name in lower case, value) of a tag's inside."""
    pos = 0
    while True:
        pos += len(text[pos:]) - len(text[pos:].lstrip(" \t\r\n/\"'"))
        if pos == len(text):
            return
        match = ATTRIBUTE.match(text, pos)
        values = [v for v in match.group(3, 4, 5) if v is not None]
        yield match[1].lower(), values[0] if values else ""
        pos = match.end()


def tag_end(text, pos):
    """The `>` of the tag at pos, or -1."""
    plain = text.find(">", pos)
    if plain < 0:
        return -1
    quote = ""
    far = len(text[:plain].encode()) + 1024
    for at in range(pos + 1, len(text)):
        if at >= plain and len(text[:at].encode()) >= far:
            break
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char == ">":
            return at
        elif char in "\"'" and text[at - 1] == "=":
            quote = char
    return plain


class Document:
    def __init__(self, text):
        self.source, self.out, self.due = text, [], ""
        self.size = 0
        self.links, self.open, self.fresh, self.hidden = [], None, False, 0
        self.no_end = False

    def put(self, char):
        if self.due and self.out:
            self.add(self.due)
        self.due = ""
        if self.fresh:
            self.links[self.open][1] = self.size
            self.fresh = False
        self.add(char)

    def add(self, char):
        self.out.append(char)
        self.size += len(char.encode())

    def close(self):
        if self.open is not None:
            self.links[self.open][2] = self.size
        self.open, self.fresh = None, False

    def inside(self, name, text):
        for attribute, value in attributes(text):
            if attribute == "style":
                squeezed = re.sub(BLANK, "", value).encode()[:160].decode("utf-8", "ignore")
                self.hidden += bool(HIDING.search(squeezed.lower()))
                continue
            kind = TARGETS.get((name, attribute))
            if kind is None:
                continue
            if name == "a":
                self.close()
                self.open, self.fresh = len(self.links), True
            self.links.append([target_of(value), self.size, self.size, kind])

    def tag(self, pos):
        """Behind the tag at pos, or None when its `<` is text."""
        text = self.source
        if text[pos + 1 : pos + 2] in ("!", "?"):
            if text[pos + 2 : pos + 4] == "--":
                end = re.compile("-->").search(text, pos + 2)
                if end:
                    return end.end()
            end = text.find(">", pos)
            return end + 1 if end >= 0 else None
        match = TAG.match(text, pos)
        if not match:
            return None
        end = tag_end(text, pos)
        if end < 0:
            return None
        closing, name = match[1], match[2].lower()
        if name in BLOCKS:
            self.due = "\n"
        elif name in CELLS:
            self.due = self.due or " "
        elif name == "a" and closing:
            self.close()
        if not closing:
            self.inside(name, text[match.end() : end])
            if name in DROPPED and not self.no_end:
                close = re.compile("</" + name, re.IGNORECASE | re.ASCII).search(text, end + 1)
                if close:
                    return close.start()
                self.no_end = True
        return end + 1

    def read(self):
        text, pos = self.source, 0
        while pos < len(text):
            char = text[pos]
            if char == "<":
                after = self.tag(pos)
                if after is not None:
                    pos = after
                    continue
            elif char == "&":
                found = reference(text, pos)
                if found:
                    char, pos = found[0], found[1] - 1
            if char <= " " or char == "\u00a0":
                self.due = self.due or " "
            else:
                self.put(char)
            pos += 1
        self.close()


def read(raw: bytes, html: bool = True):
    """(text, [(target, visible text, kind), ...], hidden elements) of one document."""
    text = raw.decode("utf-8", "replace")
    if not html:
        return text.encode(), plain_links(text), 0
    document = Document(text)
    document.read()
    out = "".join(document.out).encode()
    links = [(target, out[lo:hi], kind) for target, lo, hi, kind in document.links]
    return out, links, document.hidden


def plain_links(text):
    out, pos = [], 0
    while match := re.compile("://").search(text, pos):
        if match.end() == len(text):
            break
        run = re.compile(r"[A-Za-z]{0,5}\Z").search(text[pos : match.start()])[0]
        rest = re.compile(r"[^\0-\x20\"<>\x7f]*").match(text, match.end())[0]
        whole = (run + "://" + rest).encode()[:MAX_URL]
        head = len(run) + 3
        whole = whole[:head] + whole[head:].rstrip(b".,)")
        if run.lower() in ("http", "https", "ftp"):
            shown = whole.decode("utf-8", "ignore").encode()
            out.append((shown, whole, 3))
        pos = match.end() + len(whole[head:].decode("utf-8", "ignore"))
    return out
