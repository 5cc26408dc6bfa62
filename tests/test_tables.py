"""_kernels.tables against the plain reading of a value."""

import numpy as np
import pytest
from guard import before_guard, behind_guard
from hypothesis import given
from hypothesis import strategies as st
from oracles.tables import read

from atlas_fast._kernels.tables import HEADER_BYTES, Table, digest, pack

GOOD = pack(b"geo", 3, 7, b"payload of seven", 1_700_000_000, b"abcd")


def aligned(value: bytes) -> np.ndarray:
    """A copy whose payload, 48 bytes in, lies on a multiple of 64."""
    room = np.zeros(len(value) + 128, np.uint8)
    start = -(room.ctypes.data + HEADER_BYTES) % 64
    out = room[start : start + len(value)]
    out[:] = np.frombuffer(value, np.uint8)
    return out


def opened(value, kind, layout):
    """(count, size, does the checksum agree), or None; the two ways agree."""
    answers = []
    for make in (lambda: Table.of_value(aligned(value), None, kind, layout),
                 lambda: Table.of_copy(value, kind, layout)):  # fmt: skip
        try:
            table = make()
            right = table.checksum() == bytes(value[32:40])
            answers.append((table.count, table.size, right))
        except ValueError:
            answers.append(None)
    assert answers[0] == answers[1]
    return answers[0]


def expected(value, kind, layout):
    found = read(bytes(value), kind, layout)
    return None if found is None else (found[0], len(found[1]), found[2])


def test_round_trip():
    assert len(GOOD) >= 4096, "above half a page it lies on pages of its own"
    assert opened(GOOD, b"geo", 3) == expected(GOOD, b"geo", 3) == (7, 16, True)
    assert opened(GOOD, b"geo", 4) is None
    assert opened(GOOD, b"geos", 3) is None
    assert digest(b"payload of seven") == GOOD[32:40]


@given(st.binary(max_size=100), st.integers(0, 5), st.binary(max_size=8))
def test_any_bytes(raw, layout, kind):
    if b"\0" in kind:
        kind = b"geo"
    assert opened(raw, kind, layout) == expected(raw, kind, layout)


@given(st.lists(st.tuples(st.integers(0, HEADER_BYTES + 20), st.integers(0, 255)), max_size=4),
       st.integers(0, 4096))  # fmt: skip
def test_changed_and_cut(changes, stop):
    value = bytearray(GOOD)
    for place, byte in changes:
        value[place] = byte
    for raw in (bytes(value), bytes(value[:stop])):
        assert opened(raw, b"geo", 3) == expected(raw, b"geo", 3)


@given(st.binary(max_size=300), st.integers(0, (1 << 16) - 1), st.binary(min_size=1, max_size=8))
def test_packed_is_opened(payload, layout, kind):
    kind = kind.replace(b"\0", b"x")
    value = pack(kind, layout, min(3, len(payload)), payload)
    assert opened(value, kind, layout) == (min(3, len(payload)), len(payload), True)


@pytest.mark.parametrize(
    ("place", "byte", "says"),
    [(0, 0, "magic"), (4, 9, "layout"), (8, 0, "kind"), (16, 200, "count"), (30, 1, "length")],
)
def test_each_part_is_named(place, byte, says):
    value = bytearray(GOOD)
    value[place] = byte
    with pytest.raises(ValueError, match=says):
        Table.of_copy(bytes(value), b"geo", 3)


def test_what_is_not_aligned_is_refused():
    room = aligned(b"\0" + GOOD)
    with pytest.raises(ValueError, match="aligned"):
        Table.of_value(room[1:], None, b"geo", 3)


def test_the_owner_lives_as_long():
    class Owner:
        alive = True

        def __del__(self):
            Owner.alive = False

    table = Table.of_value(aligned(GOOD), Owner(), b"geo", 3)
    assert Owner.alive
    del table
    assert not Owner.alive


def test_a_long_kind():
    for make in (
        lambda: Table.of_copy(GOOD, b"ninebytes", 3),
        lambda: pack(b"ninebytes", 1, 0, b""),
    ):
        with pytest.raises(ValueError, match="kind"):
            make()


def test_guarded():
    for stop in range(1, HEADER_BYTES + 20):
        for guarded in (before_guard, behind_guard):
            try:
                Table.of_copy(guarded(GOOD[:stop]), b"geo", 3)
            except ValueError:
                assert stop < HEADER_BYTES + 16


def test_a_copy_is_the_same_table():
    value = pack(b"small", 1, 3, b"abcdefgh" * 9)
    mapped = aligned(value)
    table = Table.of_value(mapped, None, b"small", 1)
    copy = table.copied()
    mapped[64:] = 0  # what the first one lies in changes
    assert (copy.count, copy.size) == (table.count, table.size) == (3, 72)
    assert copy.checksum() == digest(b"abcdefgh" * 9) != table.checksum()
    empty = Table.of_copy(pack(b"small", 1, 0, b""), b"small", 1).copied()
    assert (empty.count, empty.size) == (0, 0)
