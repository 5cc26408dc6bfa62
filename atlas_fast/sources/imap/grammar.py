"""Responses to values: parenthesised lists, quoted strings, atoms, UID sets.

Bytes in, `list`, `bytes` or `None` (NIL) out; what does not fit raises ValueError, which the
client turns into its own error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from atlas_fast import limits

__all__ = ["parse_numbers", "parse_set", "tokens", "uid_sets"]

Value = bytes | None | list  # type: ignore[type-arg]

_ATOM = re.compile(
    rb'[^\s()"\x00{\[]{1,100}\[[^\]\r\n]{0,1000}\][^\s()"\x00{]*|[^\s()"\x00{]+'  # BODY[...]<0>
)
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_LITERAL = re.compile(rb"~?\{(\d{1,20})\+?\}\r?\n")
_SET = re.compile(rb"\d{1,10}(?::\d{1,10})?(?:,\d{1,10}(?::\d{1,10})?)*\Z")
_NUMBERS = re.compile(rb"(?: +\d{1,10})*\s*\Z")
MAX_UID = 0xFFFFFFFF


def tokens(raw: bytes) -> list[Value]:
    """Values of one response, literals included, in nested lists."""
    out: list[Value] = []
    stack = [out]
    at, end, number = 0, len(raw), 0
    while at < end:
        byte = raw[at]
        number += 1
        if number > limits.IMAP_VALUES:
            raise ValueError("too many values")
        if byte in b" \r\n\t":
            at += 1
        elif byte == 0x28:
            if len(stack) > limits.IMAP_DEPTH:
                raise ValueError("lists nested too deep")
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
            at += 1
        elif byte == 0x29:
            if len(stack) == 1:
                raise ValueError("a list that was not opened")
            stack.pop()
            at += 1
        else:
            value, at = _token(raw, at)
            stack[-1].append(value)
    if len(stack) > 1:
        raise ValueError("a list that is not closed")
    return out


def _token(raw: bytes, at: int) -> tuple[bytes | None, int]:
    found = _QUOTED.match(raw, at)
    if found:
        text = found[1]
        return (re.sub(rb"\\(.)", rb"\1", text) if b"\\" in text else text), found.end()
    found = _LITERAL.match(raw, at)
    if found:
        stop = found.end() + int(found[1])
        if stop > len(raw):
            raise ValueError("a literal that is cut")
        return raw[found.end() : stop], stop
    found = _ATOM.match(raw, at)
    if not found:
        raise ValueError(f"byte {raw[at]:#04x} where a value is due")
    return (None if found[0].upper() == b"NIL" else found[0]), found.end()


def parse_set(text: bytes, most: int) -> np.ndarray:
    """UIDs of a set like `5,1:3`, uint32, in its order. ValueError for more than `most`."""
    if not _SET.match(text):
        raise ValueError("not a set of UIDs")
    numbers = np.fromstring(text.replace(b":", b","), np.int64, sep=",")
    signs = np.frombuffer(text, np.uint8)
    is_range = signs[(signs == 0x2C) | (signs == 0x3A)] == 0x3A  # one sign behind each number
    is_first = np.concatenate([[True], ~is_range])
    reaches = np.concatenate([is_range, [False]])[is_first]
    first = numbers[is_first]
    other = np.where(
        reaches, numbers[np.minimum(np.flatnonzero(is_first) + 1, len(numbers) - 1)], first
    )
    low, high = np.minimum(first, other), np.maximum(first, other)
    _check(low, high)
    sizes = high - low + 1
    if int(sizes.sum()) > most:
        raise ValueError(f"a set of more than {most} messages")
    ends = np.cumsum(sizes)
    return (np.arange(ends[-1]) + np.repeat(low - ends + sizes, sizes)).astype(np.uint32)


def parse_numbers(text: bytes, most: int) -> np.ndarray:
    """UIDs of a SEARCH response behind its name, uint32, in its order."""
    if not _NUMBERS.match(text):
        raise ValueError("a SEARCH response with something other than numbers")
    numbers = np.fromstring(text, np.int64, sep=" ") if text.strip() else np.empty(0, np.int64)
    if len(numbers) > most:
        raise ValueError(f"more than {most} messages")
    _check(numbers, numbers)
    return numbers.astype(np.uint32)


def _check(low: np.ndarray, high: np.ndarray) -> None:
    if len(low) and not (low.min() > 0 and high.max() <= MAX_UID):
        raise ValueError("not a UID")


def uid_sets(uids: Sequence[int] | np.ndarray, most: int = 1 << 30) -> Iterator[tuple[bytes, int]]:
    """The UIDs as sets that fit a command line, with how many each has, at most `most`.

    Runs of neighbours, up or down, become one range.
    """
    array = np.asarray(uids, np.int64)
    if not len(array):
        return
    text, number = bytearray(), 0
    for run in np.split(array, np.flatnonzero(np.abs(np.diff(array)) != 1) + 1):
        first, last = int(run.min()), int(run.max())
        while first <= last:
            if number and (number >= most or len(text) > limits.IMAP_SET_BYTES):
                yield bytes(text), number
                text, number = bytearray(), 0
            stop = min(last, first + most - number - 1)
            text += b"," if text else b""
            text += b"%d" % first if stop == first else b"%d:%d" % (first, stop)
            number += stop - first + 1
            first = stop + 1
    yield bytes(text), number
