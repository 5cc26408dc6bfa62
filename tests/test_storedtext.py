"""Stored texts and addresses against their oracles, on generated and on real mail."""

from itertools import pairwise

import numpy as np
import pytest
from guard import before_guard, behind_guard
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import storedtext as oracle

from atlas_fast._kernels.storedtext import (
    DIGITS,
    GROWTH,
    decimal_texts,
    ipv4_texts,
    stored_texts,
)
from atlas_fast.batch import Numbers
from atlas_fast.headers import parse_many

pieces = st.one_of(
    st.binary(max_size=30),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text("abc \t\x00\x1f\x7f\x80\x9f\xa0\u20ac\U0001f600", max_size=40).map(str.encode),
    st.just(b"a plain text of more than eight letters"),
    st.just(b""),
)


def column(items):
    offsets = np.cumsum([0, *map(len, items)]).astype(np.int64)
    return b"".join(items), offsets


def stored(items, cap, absent=b"", place=bytes):
    data, offsets = column(items)
    room = GROWTH * len(data) + len(items) * len(absent)
    out, ends = np.full(room + 3, 7, np.uint8), np.empty(len(items) + 1, np.int64)
    used = stored_texts(place(data), offsets, cap, absent, out[:room], ends)
    assert used == ends[-1] and (out[room:] == 7).all()
    raw = out.tobytes()
    return [raw[a:b] for a, b in pairwise(ends.tolist())]


@given(st.lists(pieces, max_size=12), st.integers(0, 40), st.sampled_from([b"", b"No Subject"]))
@example([b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf\xe2\x82"], 9, b"")
def test_the_oracle(items, cap, absent):
    assert stored(items, cap, absent) == [oracle.stored(item, cap, absent) for item in items]


@given(st.lists(pieces, min_size=1, max_size=5))
def test_nothing_is_read_outside(items):
    expected = stored(items, 20)
    assert stored(items, 20, place=before_guard) == expected
    assert stored(items, 20, place=behind_guard) == expected


def test_a_byte_grows_by_no_more_than_is_said():
    for byte in range(256):
        assert len(stored([bytes([byte])], 1)[0]) <= GROWTH


def test_columns_of_real_mail(corpus):
    head = parse_many([raw for _, _, raw in corpus])
    for texts in (head.subject, head.from_name, head.from_address, head.from_domain):
        items = [text.encode() for text in texts.tolist()]
        assert stored(items, 100, b"-") == [oracle.stored(item, 100, b"-") for item in items]


@pytest.mark.parametrize(
    ("offsets", "room", "ends"),
    [([0, 4], 12, 2), ([-1, 3], 12, 2), ([2, 1], 12, 2), ([0, 3], 8, 2), ([0, 3], 9, 1)],
)
def test_what_does_not_fit_is_refused(offsets, room, ends):
    with pytest.raises(ValueError):
        stored_texts(
            b"abc", np.array(offsets, np.int64), 9, b"", np.empty(room, np.uint8),
            np.empty(ends, np.int64),
        )  # fmt: skip


addresses = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=4, max_size=4).map(lambda raw: b"\0" * 10 + b"\xff\xff" + raw),
)


@given(st.lists(addresses, max_size=9))
def test_addresses(items):
    out, ends = np.empty(16 * len(items), np.uint8), np.empty(len(items) + 1, np.int64)
    used = ipv4_texts(np.frombuffer(b"".join(items), np.uint8).reshape(-1, 16), out, ends)
    raw = out[:used].tobytes()
    found = [raw[a:b] for a, b in pairwise(ends.tolist())]
    assert found == [oracle.ipv4(item) for item in items]


def test_addresses_that_do_not_fit_are_refused():
    for shape, room, ends in (((1, 15), 16, 2), ((2, 16), 31, 3), ((1, 16), 16, 1)):
        with pytest.raises(ValueError):
            ipv4_texts(
                np.zeros(shape, np.uint8), np.empty(room, np.uint8), np.empty(ends, np.int64)
            )


@given(st.lists(st.one_of(st.integers(0, 2**63 - 1), st.integers(0, 1000)), max_size=9))
@example([0, 9, 10, 2**63 - 1])
def test_numbers(items):
    out, ends = np.empty(DIGITS * len(items), np.uint8), np.empty(len(items) + 1, np.int64)
    for guard in (before_guard, behind_guard):
        values = np.frombuffer(guard(np.array(items, np.int64).tobytes()), np.int64)
        used = decimal_texts(values, out, ends)
        raw = out[:used].tobytes()
        assert [raw[a:b] for a, b in pairwise(ends.tolist())] == [b"%d" % one for one in items]
    places = Numbers(np.array(items, np.int64))
    assert list(places) == [places[i] for i in range(len(items))] == list(map(str, items))
    assert places == list(map(str, items)) and places[1:] == list(map(str, items))[1:]
    assert places[::2] == list(map(str, items))[::2] and places != "".join(map(str, items))
    assert places[::2].texts()[0].tobytes() == "".join(places[::2]).encode()
    data, offsets = places.texts()
    assert data.tobytes() == raw and offsets.tolist() == ends.tolist()


@pytest.mark.parametrize(("values", "room", "ends"), [([1], 19, 2), ([1], 20, 1), ([3, -1], 40, 3)])
def test_numbers_that_do_not_fit_are_refused(values, room, ends):
    with pytest.raises(ValueError):
        decimal_texts(
            np.array(values, np.int64), np.empty(room, np.uint8), np.empty(ends, np.int64)
        )
