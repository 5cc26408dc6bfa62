"""Text of mail for people's eyes: whatever hides, or acts on a terminal, is spelled out."""

from __future__ import annotations

import unicodedata

__all__ = ["visible"]


def visible(text: str, keep: str = "") -> str:
    """The text with control, direction and other invisible characters as `\\u{202e}`.

    Blanks other than the space become one; those in `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(one if one in keep else _shown(one) for one in text)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return f"\\u{{{ord(character):x}}}"
