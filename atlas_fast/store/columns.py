"""Columns of rows that wait to be stored: buffers, not an object for each value.

Every column has n values, iterates over them as plain Python (None for NULL), `tolist`s them, and
`take`s the rows of given numbers; `shown` is what the kernel `sqltable` takes. A column of `n`
times one value is a `Same`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from math import prod
from typing import Any

import numpy as np

from atlas_fast._kernels import sqltable
from atlas_fast._kernels.intern import intern_batch

__all__ = [
    "Blobs", "Column", "Factor", "Integers", "Reals", "Same", "Texts", "distinct", "factor",
    "in_groups", "joined",
]  # fmt: skip

_SECRET = np.frombuffer(os.urandom(16), np.uint64).copy()
"""Key of the hash by which equal texts are found: mail cannot choose texts that collide."""


@dataclass(frozen=True, slots=True)
class Same:
    """A column of `n` times one value."""

    value: Any
    n: int

    def __iter__(self) -> Iterator[Any]:
        return repeat(self.value, self.n)

    def tolist(self) -> list[Any]:
        return [self.value] * self.n

    def take(self, rows: np.ndarray) -> Same:
        return Same(self.value, len(rows))


@dataclass(frozen=True)
class Texts:
    """UTF-8 texts: entry i is `data` uint8 [`offsets`[i]:`offsets`[i + 1]], offsets int64. With
    `codes` int32 (n,), row i is entry codes[i], or NULL where that is negative."""

    data: np.ndarray
    offsets: np.ndarray
    codes: np.ndarray | None = None

    @classmethod
    def of(cls, texts: Sequence[str], codes: np.ndarray | None = None) -> Texts:
        """Packed; a lone surrogate is U+FFFD."""
        whole = "".join(texts)
        lengths: Iterable[int] = map(len, texts)
        try:
            packed = whole.encode()
            if len(packed) != len(whole):
                lengths = (len(text.encode()) for text in texts)
        except UnicodeEncodeError:
            each = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
                    for text in texts]  # fmt: skip
            packed, lengths = b"".join(each), map(len, each)
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(lengths, np.int64, len(texts)), out=offsets[1:])
        return cls(np.frombuffer(packed, np.uint8), offsets, codes)

    def __len__(self) -> int:
        return len(self.offsets) - 1 if self.codes is None else len(self.codes)

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.tolist())

    @cached_property
    def entries(self) -> list[str]:
        """All texts."""
        return self.some(np.arange(len(self.offsets) - 1))

    def tolist(self) -> list[str | None]:
        if self.codes is None:
            return list(self.entries)
        used, group = self.used
        named = np.array([None, *self.some(used[1:])], object)
        found: list[str | None] = named[group].tolist()
        return found

    @cached_property
    def used(self) -> tuple[np.ndarray, np.ndarray]:
        """Of coded texts: -1 and the codes that occur, and the number of each row's among them."""
        assert self.codes is not None
        top = len(self.offsets)
        codes = np.maximum(self.codes, -1).astype(np.int64) + 1
        there, group = _distinct(np.append(codes, 0), top)
        return there - 1, group[:-1]

    def take(self, rows: np.ndarray) -> Texts:
        return self.coded(rows.astype(np.int32) if self.codes is None else self.codes[rows])

    def coded(self, codes: np.ndarray) -> Texts:
        """These entries, int32, in place of the rows; nothing is copied."""
        return Texts(self.data, self.offsets, codes)

    def some(self, at: np.ndarray) -> list[str]:
        """The texts of these numbers."""
        raw = self.data.tobytes()
        spans = zip(self.offsets[at].tolist(), self.offsets[at + 1].tolist(), strict=True)
        return [raw[a:b].decode() for a, b in spans]

    @property
    def size(self) -> int:
        """Bytes of the texts."""
        return len(self.data)

    @property
    def shown(self) -> tuple[Any, ...]:
        return sqltable.TEXT, self.data, self.offsets, self.codes


@dataclass(frozen=True, slots=True)
class Integers:
    """`values` int64 (n,); sqltable.NONE is NULL."""

    values: np.ndarray

    def __iter__(self) -> Iterator[int | None]:
        return iter(self.tolist())

    def tolist(self) -> list[int | None]:
        return _plain(self.values, self.values == sqltable.NONE)

    def take(self, rows: np.ndarray) -> Integers:
        return Integers(self.values[rows])

    @property
    def shown(self) -> tuple[Any, ...]:
        return sqltable.INTEGER, self.values


@dataclass(frozen=True, slots=True)
class Reals:
    """`values` float64 (n,); a NaN is NULL."""

    values: np.ndarray

    def __iter__(self) -> Iterator[float | None]:
        return iter(self.tolist())

    def tolist(self) -> list[float | None]:
        return _plain(self.values, np.isnan(self.values))

    def take(self, rows: np.ndarray) -> Reals:
        return Reals(self.values[rows])

    @property
    def shown(self) -> tuple[Any, ...]:
        return sqltable.REAL, self.values


@dataclass(frozen=True, slots=True)
class Blobs:
    """`values` uint8 (n, width)."""

    values: np.ndarray

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.tolist())

    def tolist(self) -> list[bytes]:
        if not self.values.size:
            return [b""] * len(self.values)
        return self.values.view(f"V{self.values.shape[1]}").ravel().tolist()

    def take(self, rows: np.ndarray) -> Blobs:
        return Blobs(self.values[rows])

    @property
    def shown(self) -> tuple[Any, ...]:
        return sqltable.BLOB, self.values


def _plain(values: np.ndarray, none: np.ndarray) -> list[Any]:
    """The numbers, None where a mask says so."""
    if not none.any():
        return values.tolist()
    found = values.astype(object)
    found[none] = None
    return found.tolist()


Column = Same | Texts | Integers | Reals | Blobs | list[Any]
"""A list holds ready values; SQLite gets them by `executemany`."""


def joined(columns: Sequence[Column]) -> Column:
    """Columns one behind the other; a list where they are of several kinds."""
    first = columns[0]
    if len(columns) == 1:
        return first
    same = [one for one in columns if isinstance(one, Same)]
    if len(same) == len(columns) and len({one.value for one in same}) == 1:
        return Same(same[0].value, sum(one.n for one in same))
    texts = [one for one in columns if isinstance(one, Texts)]
    if len(texts) == len(columns):
        return _joined_texts(texts)
    whole = [one.values for one in columns if isinstance(one, Integers)]
    if len(whole) == len(columns):
        return Integers(np.concatenate(whole))
    reals = [one.values for one in columns if isinstance(one, Reals)]
    if len(reals) == len(columns):
        return Reals(np.concatenate(reals))
    return [*chain.from_iterable(columns)]


def _joined_texts(columns: Sequence[Texts]) -> Texts:
    first = columns[0]
    coded = [one.codes for one in columns if one.codes is not None]
    same = all(one.data is first.data and one.offsets is first.offsets for one in columns)
    if len(coded) == len(columns) and same:
        return first.coded(np.concatenate(coded))
    codes, offsets, entries, size = [], [], 0, 0
    for one in columns:
        own = np.arange(len(one), dtype=np.int32) if one.codes is None else one.codes
        codes.append(np.where(own < 0, own, own + entries))
        offsets.append(one.offsets + size)
        entries += len(one.offsets)  # one that nobody has stands between two columns
        size += len(one.data)
    data = np.concatenate([one.data for one in columns])
    return Texts(data, np.concatenate(offsets), np.concatenate(codes).astype(np.int32))


@dataclass(frozen=True, slots=True)
class Factor:
    """A column by its distinct values: row i is `names`[`codes`[i]], None where that is -1."""

    codes: np.ndarray
    names: Sequence[Any]


def factor(column: Column) -> Factor:
    """The distinct values of a column; no object is made for a row of texts or integers."""
    if isinstance(column, Texts):
        if column.codes is None:
            ids, first = distinct(column.data, column.offsets[:-1], column.offsets[1:])
            return Factor(ids, column.some(first))
        used, group = column.used
        used = used[1:]
        ids, first = distinct(column.data, column.offsets[used], column.offsets[used + 1])
        numbers = np.concatenate([np.full(1, -1, np.int32), ids])
        return Factor(numbers[group], column.some(used[first]))
    if isinstance(column, Integers):
        raw = np.ascontiguousarray(column.values).view(np.uint8)  # found as texts are: no sorting
        ids, first = distinct(raw, *(np.arange(i, len(raw) + i, 8) for i in (0, 8)))
        names = column.values[first].tolist()
        return Factor(np.where(column.values == sqltable.NONE, -1, ids), names)
    if isinstance(column, Same):
        return Factor(np.full(column.n, -(column.value is None), np.int64), [column.value])
    seen: dict[Any, int] = {None: -1}
    codes = np.fromiter((seen.setdefault(value, len(seen) - 1) for value in column), np.int64)
    del seen[None]
    return Factor(codes, list(seen))


def distinct(
    data: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Number of each text, int32 (n,), and the first row that has each, int32 (k,)."""
    ids, first = np.empty((2, len(starts)), np.int32)
    count = intern_batch(data, starts, stops, _SECRET, ids, first)
    return ids, first[:count]


def in_groups(
    *factors: Factor, rows: np.ndarray | None = None
) -> tuple[list[tuple[Any, ...]], np.ndarray]:
    """The combinations of values that occur, and the number of each row's: (k tuples, codes (n,)).
    `rows`: those that count, as a mask; the codes are theirs."""
    code = np.zeros(len(factors[0].codes) if rows is None else int(rows.sum()), np.int64)
    for one in factors:
        codes = one.codes if rows is None else one.codes[rows]
        code = code * (len(one.names) + 1) + codes + 1
    there, group = _distinct(code, prod(len(one.names) + 1 for one in factors))
    parts: list[list[Any]] = []
    for one in reversed(factors):
        there, at = np.divmod(there, len(one.names) + 1)
        names = [None, *one.names]
        parts.append([names[i] for i in at.tolist()])
    return list(zip(*reversed(parts), strict=True)), group


def _distinct(code: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct numbers below `top` in `code`, and the position of each of it; sorted only where
    a table of all would be large."""
    if top > 16 * len(code) + 1024:
        return np.unique(code, return_inverse=True)
    place = np.zeros(top, np.int64)
    place[code] = 1
    there = np.flatnonzero(place)
    place[there] = np.arange(len(there))
    return there, place[code]
