"""Charsets by Python's codecs."""

import codecs


def decode(codec: str, raw: bytes):
    """(text, is any of it U+FFFD)."""
    text = codecs.decode(raw, codec, "replace")
    return text, "\ufffd" in text
