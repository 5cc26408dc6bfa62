"""Features of words, plainly: what docs/features.md says of text and subject."""

import math
import re

from oracles import folding

M64 = (1 << 64) - 1
FNV = 0x100000001B3
TEXT_BUCKETS, FORM_BUCKETS = 1 << 18, 1 << 16
WORD, PAIR, STEM, ENDING, SUBJECT_WORD, SUBJECT_PAIR = range(1, 7)
MAX_WORD, MAX_WORDS, MAX_TAIL, MIN_RULE = 24, 3000, 1500, 20
BLANK = b" \t\r\n"
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
]
DATES = {*MONTHS, *(name[:3] for name in MONTHS), "sept", "tues", "thur", "thurs"}


def start(namespace):
    return ((0xCBF29CE484222325 ^ namespace) * FNV) & M64


def take(h, value):
    return ((h ^ (value & M64)) * 0x9E3779B97F4A7C15) & M64


def take_bytes(h, raw):
    for byte in raw:
        h = ((h ^ byte) * FNV) & M64
    return h


def finish(h):
    h ^= h >> 32
    h = (h * 0xD6E8FEB86659FD93) & M64
    return h ^ (h >> 32)


def log2(n):
    return max(n, 0).bit_length()


class Row:
    """Columns in the order they are found; groups give the values."""

    def __init__(self, text_size):
        self.seen, self.indices, self.data, self.group = set(), [], [], 0
        self.base, self.size = 0, TEXT_BUCKETS
        room = 2048
        while room < 1 << 14 and room < text_size:
            room <<= 1
        self.room = room // 4 * 3

    def form(self):
        self.base, self.size = TEXT_BUCKETS, FORM_BUCKETS

    def add(self, h):
        index = self.base + finish(h) % self.size
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


class Words:
    """Words of one text in their order: last hash, number so far, words above four bytes."""

    def __init__(self):
        self.last = self.n = 0
        self.long = []

    def read(self, row, text, one, two):
        """Returns what was read of the text: all of it, unless there are too many words."""
        found = [(word[2], word, word[3]) for word in folding.words(text)]
        marks = re.finditer(rb"[$%!]{1,3}", text)
        found += [(match.start(), match[0], match.end()) for match in marks]
        stop = 0
        for _, word, after in sorted(found, key=lambda item: item[0]):
            if self.n == MAX_WORDS:
                return text[:stop]
            stop = after
            h = self.hash(word)
            row.add(h ^ take(0, one))
            if self.last:
                row.add(take((start(two) + (self.last << 1)) & M64, h))
            self.last = h
            self.n += 1
        return text

    def hash(self, word):
        if isinstance(word, bytes):
            return take_bytes(start(0), word)
        folded, digits = word[:2]
        if digits:
            return take(start(0), len(folded))
        if len(folded) > MAX_WORD:
            return take(start(0), 1000 + log2(len(folded)))
        if folded in {name.encode() for name in DATES}:
            return take(start(0), 2000)
        if len(folded) > 4:
            self.long.append(folded)
        return folding.hash_of(word)


def introduces(line):
    line = line.strip(BLANK).lower()
    return len(line) >= 8 and line.endswith(
        (b"wrote:", b"writes:", b"said:", b"schrieb:", b"crit:")
    )


def text(row, raw):
    """Returns the lines that were read."""
    words, lines = Words(), []
    for line in raw.split(b"\n"):
        if words.n == MAX_WORDS:
            break
        line = line.lstrip(BLANK)
        if line and line[:1] not in b">|" and not introduces(line):
            lines.append(words.read(row, line, WORD, PAIR))
    row.close(1.0)
    for word in words.long:
        row.add(take(start(STEM), int.from_bytes(word[:4], "little")))
        row.add(take(start(ENDING), int.from_bytes(word[-3:], "little")))
    row.close(0.7)
    return lines


def subject(row, raw):
    read = Words().read(row, raw, SUBJECT_WORD, SUBJECT_PAIR)
    row.close(0.7)
    return read


def without_marks(raw):
    """(subject without Re:, Fwd: and the tag of a list; 1 a reply, 2 forwarded)"""
    replies = 0
    while match := re.match(rb"(re|fwd?):[ \t\r\n]*", raw, re.IGNORECASE):
        replies |= 1 if match[1][:1] in b"rR" else 2
        raw = raw[match.end() :]
    tag = re.match(rb"\[[^\]]*\]", raw)
    if tag and tag.end() - 1 < 40:
        raw = raw[tag.end() :].lstrip(BLANK)
        if raw[:3].lower() == b"re:":
            raw = raw[3:]
    return raw, replies


def without_footer(raw):
    """Length of the text before a short tail behind a rule, or behind `-- `."""
    least = max(0, len(raw) - MAX_TAIL)
    found, pos = len(raw), len(raw)
    while pos > least:
        line = max(raw.rfind(b"\n", least, pos) + 1, least)
        body = raw[line:pos]
        if re.fullmatch(rb"--(|[ \r].?)", body, re.DOTALL) or re.match(
            rb"(_{%d}|-{%d}|={%d})" % ((MIN_RULE,) * 3), body
        ):
            found = line
        pos = line - 1
    return found if found > 40 else len(raw)
