"""Values of arguments: numbers that say what they may be, and no empty ones."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence

from atlas_fast.errors import UsageError

__all__ = ["MAX_ID", "WORKERS", "no_empty", "number", "whole"]

MAX_ID = (1 << 63) - 1
"""Of rows in a database."""

MAX_WORKERS = 1_000


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`, for argparse's `type`."""

    def read(text: str) -> int:
        if re.fullmatch(r"[+-]?[0-9]{1,20}", text, re.ASCII) and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text}: {_range('a whole number', low, high)}")

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """A number from `low` to `high`, for argparse's `type`."""

    def read(text: str) -> float:
        if re.fullmatch(r"[+-]?[0-9]{0,20}(\.[0-9]{0,20})?", text) and re.search("[0-9]", text):
            value = float(text)
            if low <= value <= high:
                return value
        raise argparse.ArgumentTypeError(f"{text}: {_range('a number', low, high)}")

    return read


def _range(what: str, low: float, high: float) -> str:
    return f"{what} from {low:,} to {high:,} is needed" if high < MAX_ID else f"{what} is needed"


WORKERS = whole(1, MAX_WORKERS)


def no_empty(arguments: Sequence[str]) -> None:
    """UsageError for an argument without a value."""
    for place, word in enumerate(arguments):
        if word == "" or (word.startswith("--") and word.endswith("=")):
            which = word[:-1] or (f"behind `{arguments[place - 1]}`" if place else "VERB")
            raise UsageError(f"the argument {which} is empty; is a variable of the shell not set?")
