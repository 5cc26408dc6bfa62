"""Folding and words, plainly: by characters, with the Unicode database for Latin letters."""

import contextlib
import re
import unicodedata

M64 = (1 << 64) - 1
LEET = dict(zip("013457", "oieast", strict=True))
TWINS = [
    "аa",
    "вb",
    "еe",
    "ёe",
    "кk",
    "мm",
    "нh",
    "оo",
    "рp",
    "сc",
    "тt",
    "уy",
    "хx",
    "ѕs",
    "іi",
    "їi",
    "јj",
    "һh",
    "ԁd",
    "ԛq",
    "ԝw",
    "ɡg",
    "ɑa",
    "ɩi",
    "αa",
    "βb",
    "εe",
    "ικ",
    "ιi",
    "κk",
    "νv",
    "οo",
    "ρp",
    "τt",
    "υu",
    "χx",
    "ΑA",
    "ΒB",
    "ΕE",
    "ΖZ",
    "ΗH",
    "ΙI",
    "ΚK",
    "ΜM",
    "ΝN",
    "ΟO",
    "ΡP",
    "ΤT",
    "ΥY",
    "ΧX",
    "АA",
    "ВB",
    "ЕE",
    "ЁE",
    "КK",
    "МM",
    "НH",
    "ОO",
    "РP",
    "СC",
    "ТT",
    "УY",
    "ХX",
    "ЅS",
    "ІI",
    "ЇI",
    "ЈJ",
    "ҺH",
    "օo",
    "ոn",
    "սu",
    "հh",
    "ցg",
    "ӏl",
]
FOLDS = {twin[0]: twin[1].lower() for twin in TWINS}
FOLDS["ι"] = "i"
FOLDS |= dict(zip("ßøØđĐħĦıłŁŧŦæÆðÐƒ", "soodd" + "hhi" + "llttaaddf", strict=True))
SKIP, GAP = "", " "


def fold(char):
    """A letter, SKIP, GAP, or None for a character that stays."""
    code = ord(char)
    if char in FOLDS:
        return FOLDS[char]
    if code < 0xC0:
        return SKIP if code == 0xAD else None if code in (0xAA, 0xB5, 0xBA) else GAP
    if char in "×÷":
        return GAP
    if code < 0x250:
        base, *marks = unicodedata.normalize("NFKD", char).lower()
        whole = base.isascii() and base.isalpha() and all(map(unicodedata.combining, marks))
        return base if whole else None
    if 0x300 <= code < 0x370 or 0x200B <= code <= 0x200F or 0x202A <= code <= 0x202E:
        return SKIP
    if 0x2060 <= code <= 0x2064 or code in (0xFEFF, 0x180E) or 0xFE00 <= code <= 0xFE0F:
        return SKIP
    if 0x2000 <= code <= 0x206F or 0x3000 <= code <= 0x3003:
        return GAP
    if 0xFF01 <= code <= 0xFF5E:
        plain = chr(code - 0xFEE0)
        return ascii_fold(plain) if plain.isalnum() or plain == "_" else GAP
    if 0x24B6 <= code <= 0x24E9:
        return chr(97 + (code - 0x24B6) % 26)
    if code == 0x212A:
        return "k"
    if 0x1D400 <= code < 0x1D6A4:
        return chr(97 + (code - 0x1D400) % 52 % 26)
    if 0x1D7CE <= code < 0x1D800:
        return ascii_fold(str((code - 0x1D7CE) % 10))
    for first in (0x1F130, 0x1F150, 0x1F170):
        if first <= code < first + 26:
            return chr(97 + code - first)
    return SKIP if 0xE0000 <= code < 0xE0080 else None


def ascii_fold(char):
    return LEET.get(char, char.lower())


SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x00-\xff]", re.S
)


def pieces(raw):
    """(bytes as they are, what they fold to): bytes, None for a gap or no part of a word."""
    for match in SEQUENCE.finditer(raw):
        one = match[0]
        if len(one) == 1 and one[0] < 0x80:
            char = one.decode()
            word = char.isalnum() or char == "_"
            yield match.start(), one, ascii_fold(char).encode() if word else None
            continue
        folded = None
        with contextlib.suppress(UnicodeDecodeError):
            folded = fold(one.decode("utf-8", "surrogatepass")) if len(one) > 1 else None
        if folded is None:  # its bytes stand for themselves, one by one
            for at, byte in enumerate(one):
                yield match.start() + at, bytes([byte]), bytes([byte])
        else:
            yield match.start(), one, None if folded == GAP else folded.encode()


def fold_text(raw):
    out = b""
    for _, one, folded in pieces(raw):
        out += folded if folded is not None else b" " if one[0] >= 0x80 else one
    return out


def chunked(start, raw):
    h = start
    for at in range(0, len(raw), 8):
        h = ((h ^ int.from_bytes(raw[at : at + 8], "little")) * 0x9E3779B97F4A7C15) & M64
        h ^= h >> 29
    return h


def words(raw):
    """[(folded, digits alone: as they are, start, stop), ...]"""
    out, folded, digits, start, stop = [], b"", b"", None, 0
    for at, one, becomes in [*pieces(raw), (len(raw), b" ", None)]:
        if becomes is None:
            if folded:
                out.append((folded, digits, start, stop))
            folded, digits, start = b"", b"", None
            continue
        start = at if start is None else start
        digits = (
            digits + one if digits is not None and one.isdigit() else None if becomes else digits
        )
        if becomes:
            folded += becomes
            stop = at + len(one)
    return out


def hash_of(word):
    folded, digits = word[:2]
    return chunked(0x2545F491, digits) if digits else chunked(0x51ED270B, folded)


def tokens_of(raw):
    return [(hash_of(word), len(word[0]), *word[2:]) for word in words(raw)]
