"""Labels as people see them, in plain Python, from ranges of scripts and a map of prototypes.

`look(name, suffix, ranges, prototypes, brands, by_skeleton)` gives (spelled, skeleton, scripts,
flags, brand); `suffix` is the byte from which labels are no brands, or -1.
"""

import re
import unicodedata

DOT = re.compile("[.\u3002\uff0e\uff61]")
TOGETHER = (
    {"Latin", "Han", "Hiragana", "Katakana"}, {"Latin", "Han", "Hangul"}, {"Latin", "Han", "Bopomofo"},
)  # fmt: skip
CAP = 63
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e01ff]"
)


def decode_label(text: str) -> str | None:
    """The U-label of what follows `xn--` (RFC 3492)."""
    try:
        found = text.encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return None
    if found.isascii() or len(found) > CAP or any("\ud800" <= c <= "\udfff" for c in found):
        return None
    return found


def skeleton(text: str, prototypes: dict[str, str]) -> str:
    """UTS 39, in lower case with l for i, without marks and invisible characters; Hangul is left composed."""
    out = ""
    for c in text:
        if "\uac00" <= c <= "\ud7a3":
            out += c
            continue
        made = unicodedata.normalize("NFD", c)
        for _ in range(3):
            made = "".join(prototypes.get(one, one) for one in made)
        made = unicodedata.normalize("NFD", made)
        out += "".join(
            one.lower().replace("i", "l") if one.isascii() else one
            for one in made
            if unicodedata.category(one) not in ("Mn", "Me", "Cf")
        )
    return out


def script_of(c: str, ranges) -> str:
    for first, last, script in ranges:
        if first <= ord(c) <= last:
            return script
    return "Common"


def look(name: str, suffix: int, ranges, prototypes, brands, by_skeleton):
    spelled, skeletons, scripts, flags, brand = [], [], set(), set(), None
    at = stop = 0
    for label in DOT.split(name):
        at, text = len(name[:stop].encode()), label
        stop += len(label) + 1
        if label[:4] == "xn--":
            flags.add("PUNYCODE")
            decoded = decode_label(label[4:]) if len(label.encode()) <= CAP else None
            if decoded is None:
                flags.add("BAD_PUNYCODE")
            else:
                text = decoded
        if len(text) > CAP:
            flags.add("LONG_LABEL")
            spelled.append(text)
            skeletons.append(text)
            continue
        made = skeleton(text, prototypes)
        own = {
            "Latin" if c.isascii() and c.isalpha() else script_of(c, ranges)
            for c in text
            if not c.isascii() or c.isalpha()
        } - {"Common", "Inherited"}
        scripts |= own
        if len(own) > 1 and not any(own <= group for group in TOGETHER):
            flags.add("MIXED_SCRIPTS")
        if not text.isascii() and made and made.isascii() and "Latin" not in own:
            flags.add("ALL_CONFUSABLE")
        if INVISIBLE.search(text):
            flags.add("INVISIBLE")
        if (suffix < 0 or at < suffix) and made in by_skeleton and text not in brands:
            flags.add("BRAND_LOOKALIKE")
            brand = by_skeleton[made] if brand is None else brand
        spelled.append(text)
        skeletons.append(made)
    return ".".join(spelled), ".".join(skeletons), scripts, flags, brand
