"""Values that are not of their column's type: a database of another program may have any.

SQLite keeps what it is given: text in a column of numbers, bytes in one of text. A page wants the
type that the schema says; so what a question answers is looked at column by column, by the name of
the column, and what does not fit is put as text; where a number should be it is left empty, or 0
where a number may not be missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import inf, isfinite
from typing import Any, NamedTuple

from atlas_fast.store import schema

__all__ = ["fitted", "real", "text", "whole"]

_NONE = type(None)


def text(value: Any) -> str | None:
    """A text: bytes are read as UTF-8, numbers written out."""
    if value is None or isinstance(value, str):
        return value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def whole(value: Any) -> int | None:
    """An integer of 64 bits, or None."""
    if isinstance(value, float) and isfinite(value):
        value = int(value)
    return value if isinstance(value, int) and -(1 << 63) <= value < 1 << 63 else None


def real(value: Any) -> float | None:
    """A finite number, or None."""
    return value if isinstance(value, int | float) and isfinite(value) else None


def _any(value: Any) -> Any:
    """Of a column that the schema does not have, or that has two types: no bytes, no infinity."""
    if isinstance(value, bytes):
        return text(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def _count(value: Any) -> int:
    """An integer that may not be missing."""
    return whole(value) or 0


def _sum(value: Any) -> float | None:
    """What SQLite added up: 0 where that was more than a float holds."""
    return 0 if real(value) is None else value  # type: ignore[no-any-return]


class _Fit(NamedTuple):
    """`types` need no look, unless a float is infinite; `make` gives a value of them."""

    types: frozenset[type]
    make: Callable[[Any], Any]


_TEXT = _Fit(frozenset((str, _NONE)), text)
_WHOLE = _Fit(frozenset((int, _NONE)), whole)
_COUNT = _Fit(frozenset((int,)), _count)
_REAL = _Fit(frozenset((float, int, _NONE)), real)
_BYTES = _Fit(frozenset((bytes, _NONE)), lambda value: value if type(value) is bytes else None)
_SUM = _Fit(frozenset((float, int, _NONE)), _sum)
_ANY = _Fit(frozenset((str, float, int, _NONE)), _any)
_KINDS = {
    "TEXT": _TEXT, "VARCHAR": _TEXT, "TIMESTAMP": _TEXT, "DATE": _TEXT, "INTEGER": _WHOLE,
    "BIGINT": _WHOLE, "BOOLEAN": _WHOLE, "REAL": _REAL, "FLOAT": _REAL, "BLOB": _BYTES,
}  # fmt: skip


def _columns() -> dict[str, _Fit]:
    """How values of a column are fitted, by its name; a name of two types is of none."""
    found: dict[str, _Fit] = {}
    for table in schema.TABLES.values():
        for name, kind, more in re.findall(r"^ *([a-z]\w*) ([A-Z]+)(.*)", table, re.M):
            fit = _KINDS[kind]
            if fit is _WHOLE and "NOT NULL" in more:
                fit = _COUNT
            there = found.get(name, fit)
            if there is not fit:
                fit = _WHOLE if {there, fit} == {_WHOLE, _COUNT} else _ANY
            found[name] = fit
    return found


_COLUMNS = _columns()


def _fit_of(name: str) -> _Fit:
    """`name` is a column's, or an expression."""
    added = name.startswith(("SUM(", "TOTAL(", "COALESCE(SUM(", "COALESCE(TOTAL("))
    return _SUM if added else _COLUMNS.get(name, _ANY)


_INFINITE = frozenset((inf, -inf))


def fitted(names: Sequence[str], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, each value of its column's type or None; `rows` itself where all are."""
    odd = {}
    for at, (name, values) in enumerate(zip(names, zip(*rows, strict=True), strict=False)):
        types, fit = _fit_of(name)
        there = set(map(type, values))
        if not there <= types or (float in there and not _INFINITE.isdisjoint(values)):
            odd[at] = fit
    if not odd:
        return rows
    return [
        tuple(odd[at](value) if at in odd else value for at, value in enumerate(row))
        for row in rows
    ]
