"""Trusted relays as users write them."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["relays_of"]


def relays_of(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Addresses and prefixes, and names: what has a letter beyond hex, or a dot and a letter."""
    addresses: list[str] = []
    names: list[str] = []
    for text in texts:
        is_name = ":" not in text and any(c.isalpha() for c in text)
        (names if is_name else addresses).append(text)
    return addresses, names
