"""The original's lists of words, read once from data/original_lists.json."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import orjson

__all__ = ["routes", "words"]


@cache
def _lists() -> dict[str, list[str] | dict[str, list[str]]]:
    made: dict[str, list[str] | dict[str, list[str]]] = orjson.loads(
        (files("atlas_fast") / "data" / "original_lists.json").read_bytes()
    )
    return made


@cache
def words(name: str) -> tuple[str, ...]:
    """A list in its order. KeyError for an unknown name."""
    found = _lists()[name]
    assert isinstance(found, list)
    return tuple(found)


def routes() -> dict[str, list[str]]:
    """Category to its keywords, in the order of the two-factor validation."""
    found = _lists()["routes"]
    assert isinstance(found, dict)
    return found
