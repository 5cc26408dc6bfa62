"""How values are printed on a page: escaped, what hides made visible, what is long cut."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from atlas_fast import limits
from atlas_fast.visible import visible

__all__ = ["UNKNOWN", "confidence", "cut", "number", "percent", "safe", "seconds", "shown", "size"]


def shown(value: Any) -> Any:
    """What a template prints: text with hidden characters spelled out, cut at a limit."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if len(value) > limits.MAX_WEB_TEXT:
        value = f"{value[: limits.MAX_WEB_TEXT]} … (cut, {len(value):,} characters in all)"
    return visible(value)


_SPECIAL = re.compile("[&<>\"']")


def safe(value: Any) -> str:
    """A printed value as HTML: what `shown` makes of it, escaped. A list prints a thousand values,
    and few of them need either, so these are not looked at twice."""
    if type(value) is str:
        if len(value) > limits.MAX_WEB_TEXT or not value.isprintable():
            value = shown(value)
        return value if _SPECIAL.search(value) is None else str(escape(value))
    if type(value) in (int, Markup):
        return str(value)
    return str(escape(shown(value)))


def cut(value: str | None, length: int) -> str:
    """At most `length` characters; three dots stand for the rest."""
    text = value or ""
    return text if len(text) <= length else f"{text[: length - 1]}…"


UNKNOWN = "\u2013"
"""Stands for a number that is not known."""


def number(value: float | None, digits: int = 0) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Of a share between 0 and 1."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f} %"


def confidence(value: float | None) -> str:
    """Confidence as stored: between 0 and 100, or between 0 and 1 in rows of other programs."""
    if value is None:
        return UNKNOWN
    return f"{value * 100 if 0 < value <= 1 else value:.0f} %"


def seconds(value: float | None) -> str:
    """A time span in the unit that suits it."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0 s"
    if value < 1:
        return f"{value * 1000:.1f} ms"
    if value < 120:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return (
        f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest} s"
    )


def size(value: float | None) -> str:
    """Bytes in the unit that suits them."""
    if value is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1000
    raise AssertionError
