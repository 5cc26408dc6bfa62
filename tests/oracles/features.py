"""Feature rows, plainly: what docs/features.md says, with the hash in Python integers."""

import math
import re

BITS = 18
M64 = (1 << 64) - 1
FNV = 0x100000001B3
(WORD, PAIR, SUBJECT_WORD, SUBJECT_PAIR, HOST, HOST_LABEL, LINK, LINKS, PART, PARTS, EXTENSION,
 TEXT_SHAPE, SUBJECT_SHAPE, FROM, FROM_LABEL, REPLY, ID, PRESENT, MAILER, DAMAGE,
 RECIPIENTS) = (*range(1, 21), 21)  # fmt: skip
DAMAGE_FLAGS = 0x1FFFA0
MAX_WORD, MAX_WORDS, MAX_TAIL, MIN_RULE, MAX_LINKS, MAX_PARTS = 24, 3000, 1500, 20, 100, 50
PRESENT_FIELDS = (1, 3, 2, 28, 29, 30, 31, 32, 36, 37, 38)
BLANK = b" \t\r\n"


def start(namespace):
    return ((0xCBF29CE484222325 ^ namespace) * FNV) & M64


def take(h, value):
    return ((h ^ (value & M64)) * 0x9E3779B97F4A7C15) & M64


def take_bytes(h, raw):
    for byte in raw.lower():
        h = ((h ^ byte) * FNV) & M64
    return h


def finish(h):
    h ^= h >> 32
    h = (h * 0xD6E8FEB86659FD93) & M64
    return h ^ (h >> 32)


def log2(n):
    return max(n, 0).bit_length()


class Row:
    """Indices in the order they are found; groups give the values."""

    def __init__(self, text_size):
        self.seen, self.indices, self.data, self.group = set(), [], [], 0
        size = 2048
        while size < 1 << 14 and size < text_size:
            size <<= 1
        self.room = size // 4 * 3

    def add(self, h):
        index = finish(h) & ((1 << BITS) - 1)
        if index not in self.seen and self.room:
            self.room -= 1
            self.seen.add(index)
            self.indices.append(index)

    def fact(self, namespace, what, value):
        self.add(take(take(start(namespace), what), int(value)))

    def close(self, scale):
        n = len(self.indices) - self.group
        self.group = len(self.indices)
        self.data += [scale / math.sqrt(n)] * n if n else []


def words(row, text, one, two):
    last = n = 0
    for match in re.finditer(rb"[0-9A-Za-z_\x80-\xff]+", text):
        if n == MAX_WORDS:
            return
        word = match[0]
        if word.isdigit():
            h = take(start(one), len(word))
        elif len(word) > MAX_WORD:
            h = take(start(one), 1000 + log2(len(word)))
        elif len(word) < 2:
            last = 0
            continue
        else:
            h = take_bytes(start(one), word)
        row.add(h)
        if last:
            row.add(take((start(two) + (last << 1)) & M64, h))
        last = h
        n += 1


def without_footer(text):
    """Length of the text before a short tail behind a rule, or behind `-- `."""
    least = max(0, len(text) - MAX_TAIL)
    found, pos = len(text), len(text)
    while pos > least:
        line = max(text.rfind(b"\n", least, pos) + 1, least)
        body = text[line:pos]
        if re.fullmatch(rb"--(|[ \r].?)", body, re.DOTALL) or re.match(
            rb"(_{%d}|-{%d}|={%d})" % ((MIN_RULE,) * 3), body
        ):
            found = line
        pos = line - 1
    return found if found > 40 else len(text)


def count(pattern, text):
    return len(re.findall(pattern, text))


def text_shape(row, text):
    size = min(len(text), 65536)
    text = text[:size]
    letters = count(rb"[A-Za-z]", text)
    row.fact(TEXT_SHAPE, 0, log2(size))
    row.fact(TEXT_SHAPE, 1, count(rb"[A-Z]", text) * 20 // (letters + 1))
    row.fact(TEXT_SHAPE, 2, count(rb"[0-9]", text) * 20 // (size + 1))
    row.fact(TEXT_SHAPE, 3, count(rb"[\x80-\xff]", text) * 10 // (size + 1))
    row.fact(TEXT_SHAPE, 4, log2(text.count(b"!")))
    row.fact(TEXT_SHAPE, 5, log2(text.count(b"$")))
    row.fact(TEXT_SHAPE, 6, log2(size // (text.count(b"\n") + 1)))
    row.fact(TEXT_SHAPE, 7, log2(text.count(b">")))
    row.fact(TEXT_SHAPE, 8, log2(text.count(b"?")))


def subject(row, text, present):
    row.fact(SUBJECT_SHAPE, 0, present)
    replies = 0
    while match := re.match(rb"(re|fwd?):[ \t\r\n]*", text, re.IGNORECASE):
        replies |= 1 if match[1][:1] in b"rR" else 2
        text = text[match.end() :]
    tag = re.match(rb"\[[^\]]*\]", text)
    if tag and tag.end() - 1 < 40:
        text = text[tag.end() :].lstrip(BLANK)
        if text[:3].lower() == b"re:":
            text = text[3:]
    words(row, text, SUBJECT_WORD, SUBJECT_PAIR)
    letters = count(rb"[A-Za-z]", text)
    row.fact(SUBJECT_SHAPE, 1, replies)
    row.fact(SUBJECT_SHAPE, 2, log2(len(text)))
    row.fact(SUBJECT_SHAPE, 3, count(rb"[A-Z]", text) * 8 // (letters + 1))
    row.fact(SUBJECT_SHAPE, 4, log2(text.count(b"!")))
    row.fact(SUBJECT_SHAPE, 5, log2(text.count(b"$")))
    row.fact(SUBJECT_SHAPE, 6, log2(count(rb"[0-9]", text)))
    row.fact(SUBJECT_SHAPE, 7, count(rb"[\x80-\xff]", text) * 4 // (len(text) + 1))
    row.fact(SUBJECT_SHAPE, 8, b"    " in text)


def host_of(url):
    """(host, what follows it), or None."""
    match = re.match(rb"[^:]*://", url, re.DOTALL)
    if not match or match.end() >= len(url):
        return None
    rest = url[match.end() :]
    stop = re.search(rb"[/?#]|\Z", rest).start()
    begin = rest.rfind(b"@", 0, stop) + 1
    end = begin
    while end < stop and rest[end : end + 1] != b":":
        end += 1
    return (rest[begin:end], rest[end:]) if end > begin else None


def last_label(name):
    return name[name.rfind(b".") + 1 :]


def link(row, url, kind, shown):
    if not url:
        row.fact(LINK, 0, kind)
        return
    found = host_of(url)
    if found is None:
        low = url.lower()
        row.fact(LINK, 1, kind * 4 + low.startswith(b"mailto:") + 2 * low.startswith(b"cid:"))
        return
    host, rest = found
    row.add(take_bytes(start(HOST), host))
    label = last_label(host)
    row.add(take_bytes(take(start(HOST_LABEL), kind), label))
    row.fact(LINK, 2, label[:1].isdigit())
    row.fact(LINK, 3, host.count(b"."))
    row.fact(LINK, 4, log2(count(rb"[0-9]", host)))
    row.fact(LINK, 5, log2(len(rest)))
    row.fact(LINK, 6, log2(rest.count(b"%")))
    row.fact(LINK, 7, rest[:1] == b":")
    row.fact(LINK, 8, b"?" in rest)
    shown = shown.lstrip(BLANK)
    if kind != 3 and shown[:4].lower() == b"http":
        there = host_of(shown)
        row.fact(LINK, 9, there is not None and there[0].lower() == host.lower())


def links(row, found, stop):
    """`found`: (url, kind, shown text, where it starts in the text)."""
    here = [one for one in found if one[3] < stop or stop == 0]
    total = images = forms = plain = 0
    for url, kind, shown, _ in here:
        total += 1
        images += kind == 1
        forms += kind == 2
        plain += kind == 3
        if total <= MAX_LINKS:
            link(row, url, kind, shown)
    row.fact(LINKS, 0, log2(total - images - forms - plain))
    row.fact(LINKS, 1, log2(images))
    row.fact(LINKS, 2, log2(forms))
    row.fact(LINKS, 3, log2(plain))


def parts(row, found, hidden):
    """`found`: (media, encoding, disposition, charset, has_charset, filename, has_type)."""
    plain = html = files = 0
    for media, encoding, disposition, charset, has_charset, name, _ in found[:MAX_PARTS]:
        plain += media == 0
        html += media == 1
        files += disposition == 2
        row.fact(PART, 0, media * 64 + encoding * 8 + disposition)
        if media <= 1:
            row.fact(PART, 1, (charset + 2) * 2 + has_charset)
        if name:
            row.add(take_bytes(start(EXTENSION), last_label(name)))
    row.fact(PARTS, 0, log2(len(found)))
    row.fact(PARTS, 1, log2(plain) * 8 + log2(html))
    row.fact(PARTS, 2, log2(files))
    row.fact(PARTS, 3, log2(hidden))
    if found:
        row.fact(PARTS, 4, found[0][0] * 2 + found[0][6])


def sender(row, name, address, domain):
    local = address[: max(len(address) - len(domain) - 1, 0)]
    row.fact(FROM, 0, bool(name))
    row.fact(FROM, 1, log2(count(rb"[0-9]", local)))
    row.fact(FROM, 2, log2(len(address) - len(domain) - 1))
    row.fact(FROM, 3, domain.count(b"."))
    row.fact(FROM, 4, b"@" in name)
    row.fact(FROM, 5, count(rb"[A-Z]", name) * 4 // (len(name) + 1))
    row.fact(FROM, 6, not domain)
    row.add(take_bytes(start(FROM_LABEL), last_label(domain)))


def domain_at(address):
    at = address.rfind(b"@") + 1
    return at if at else len(address)


def alike(a, b):
    least = min(len(a), len(b))
    return least > 0 and a[-least:].lower() == b[-least:].lower()


def identity(row, domain, reply, msgid, fields):
    """`fields`: body by number of the known field, for those that are there."""
    if 5 in fields:
        row.fact(REPLY, 0, alike(reply[domain_at(reply) :], domain))
    else:
        row.fact(REPLY, 1, 0)
    if msgid.endswith(b">"):
        msgid = msgid[:-1]
    at = domain_at(msgid)
    row.fact(ID, 0, 4 in fields)
    row.fact(ID, 1, alike(msgid[at:], domain))
    row.fact(ID, 2, at == len(msgid))
    row.fact(ID, 3, b"$" in msgid[:at])
    row.fact(ID, 4, log2(at))
    row.fact(ID, 5, b"." in msgid[at:])
    for number in PRESENT_FIELDS:
        row.fact(PRESENT, number, number in fields)
    for number in (31, 32):
        if number in fields:
            name = re.match(rb"[A-Za-z]{0,40}", fields[number])[0]
            row.add(take_bytes(start(MAILER), name))


def make(m):
    """(indices, data) of one message given as a dictionary of plain values."""
    row = Row(len(m["text"]))
    stop = without_footer(m["text"])
    text = m["text"][:stop]
    words(row, text, WORD, PAIR)
    row.close(1.0)
    subject(row, m["subject"], 2 in m["fields"])
    row.close(0.7)
    text_shape(row, text)
    links(row, m["links"], stop)
    parts(row, m["parts"], m["hidden"])
    sender(row, m["name"], m["address"], m["domain"])
    identity(row, m["domain"], m["reply"], m["msgid"], m["fields"])
    row.fact(RECIPIENTS, 0, log2(m["recipients"]))
    for bit in range(21):
        if m["flags"] & DAMAGE_FLAGS & 1 << bit:
            row.fact(DAMAGE, bit, 1)
    row.close(1.0)
    return row.indices, row.data
