"""Charsets by Python's codecs."""

import codecs


def decode(codec: str, raw: bytes):
    """(text, is any of it U+FFFD)."""
    text = codecs.decode(raw, codec, "replace")
    return text, "\ufffd" in text


EXTRA = {
    "x-unknown": None, "unicode-1-1-utf-7": "utf_7", "ks_c_5601-1987": "cp949",
    "windows-874": "cp874", "macintosh": "mac_roman", "ansi_x3.110-1983": "latin_1",
}  # fmt: skip


def by_name(name: bytes):
    """Codec of a charset name as mail states it, or None."""
    plain = name.decode("ascii", "replace").lower()
    if plain in EXTRA:
        return EXTRA[plain]
    if not plain or len(plain) > 24 or not all(c.isalnum() or c in "-_ .:" for c in plain):
        return None
    try:
        codec = codecs.lookup(plain)
        return codec.name if codec.encode("a")[0] and codec.name not in NO_TEXT else None
    except (LookupError, TypeError, ValueError):
        return None


NO_TEXT = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "unicode_escape", "mbcs"}
