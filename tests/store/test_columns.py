"""Columns of buffers against the lists they stand for."""

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atlas_fast._kernels.sqltable import NONE
from atlas_fast.store.columns import (
    Blobs,
    Factor,
    Integers,
    Reals,
    Same,
    Texts,
    factor,
    in_groups,
    joined,
)

words = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=20)


@given(words)
def test_texts(texts):
    column = Texts.of(texts)
    assert list(column) == column.tolist() == texts and len(column) == len(texts)
    assert column.size == sum(len(text.encode()) for text in texts)
    assert column.some(np.arange(len(texts))[::-1]) == texts[::-1]


def test_a_lone_surrogate_is_replaced():
    assert Texts.of(["a\udce9b", "\U0001f600", "\ud83d"]).tolist() == [
        "a\ufffdb", "\U0001f600", "\ufffd",
    ]  # fmt: skip


@given(words.filter(bool), st.data())
def test_coded_texts(texts, data):
    codes = data.draw(st.lists(st.integers(-2, len(texts) - 1), max_size=30))
    column = Texts.of(texts, np.array(codes, np.int32))
    assert column.tolist() == [None if code < 0 else texts[code] for code in codes]


def test_numbers_and_blobs():
    assert Integers(np.array([1, NONE, 3])).tolist() == [1, None, 3]
    assert Reals(np.array([0.5, math.nan])).tolist() == [0.5, None]
    assert Blobs(np.arange(6, dtype=np.uint8).reshape(2, 3)).tolist() == [b"\0\1\2", b"\3\4\5"]
    assert Blobs(np.empty((0, 3), np.uint8)).tolist() == []
    assert list(Same("x", 2)) == Same("x", 2).tolist() == ["x", "x"]


def back(found: Factor):
    return [None if code < 0 else found.names[code] for code in found.codes.tolist()]


@given(words, st.lists(st.sampled_from([None, "a", "b", 3]), max_size=20))
def test_factors(texts, values):
    assert back(factor(Texts.of(texts))) == texts
    assert len(factor(Texts.of(texts)).names) == len(set(texts))
    taken = Texts.of(texts).take(np.arange(len(texts)).repeat(2))
    assert back(factor(taken)) == list(np.repeat(np.array(texts, object), 2))
    assert len(factor(taken).names) == len(set(texts))
    assert back(factor(Texts.of(["a", "b", "c"], np.array([-2, 1, -1], np.int32)))) == [
        None, "b", None,
    ]  # fmt: skip
    assert back(factor(values)) == values
    assert back(factor(Same(None, 3))) == [None] * 3
    assert back(factor(Same("x", 2))) == ["x"] * 2
    assert back(factor(Integers(np.array([7, NONE, 7, -1])))) == [7, None, 7, -1]


@given(
    st.lists(
        st.tuples(st.sampled_from([None, "a", "b"]), st.integers(0, 40), st.booleans()),
        max_size=60,
    ),
    st.integers(0, 5_000),
)
def test_groups(rows, more):
    """Few combinations are counted in a table, many are sorted."""
    one, two = factor([row[0] for row in rows]), factor([row[1] for row in rows])
    two = Factor(two.codes, [*two.names, *range(100, 100 + more)])
    mask = np.array([row[2] for row in rows], bool)
    for counted, which in ((rows, None), ([row for row in rows if row[2]], mask)):
        keys, group = in_groups(one, two, rows=which)
        assert [keys[i] for i in group.tolist()] == [row[:2] for row in counted]
        assert Counter(row[:2] for row in counted) == dict(
            zip(keys, np.bincount(group, minlength=len(keys)).tolist(), strict=True)
        )


@given(st.lists(st.integers(0, 3), max_size=9))
def test_rows_are_taken(rows):
    texts = ["a", "", "ü", "b"]
    columns = (
        Texts.of(texts), Texts.of(texts, np.array([3, -1, 0, 1], np.int32)), Same("x", 4),
        Integers(np.array([1, NONE, 3, 4])), Reals(np.array([0.5, math.nan, 1, 2])),
        Blobs(np.arange(8, dtype=np.uint8).reshape(4, 2)),
    )  # fmt: skip
    for column in columns:
        values = list(column)
        assert list(column.take(np.array(rows, np.int64))) == [values[row] for row in rows]


@st.composite
def kinds_of_columns(draw):
    """A column of any kind, and the list that it stands for."""
    texts = draw(words)
    codes = np.array(
        draw(st.lists(st.integers(-2, len(texts) - 1), max_size=9)) if texts else [], np.int32
    )
    shared = Texts.of(["x", "", "yy"])
    return draw(
        st.sampled_from([
            Texts.of(texts),
            Texts.of(texts, codes),
            shared.coded(codes % 4 - 1),
            SHARED.coded(codes % 4 - 1),
            Same("x", len(texts)),
            Same(None, len(codes)),
            Integers(codes.astype(np.int64)),
            Reals(codes.astype(np.float64)),
            list(texts),
        ])
    )  # fmt: skip


SHARED = Texts.of(["x", "", "yy"])


@given(st.lists(kinds_of_columns(), min_size=1, max_size=4), st.booleans())
def test_joined_columns(columns, one_kind):
    if one_kind:
        columns = [one for one in columns if type(one) is type(columns[0])]
    made = joined(columns)
    values = [value for column in columns for value in column]
    assert list(made) == values
    assert back(factor(made)) == values
    assert isinstance(made, list) or not isinstance(columns[0], list)


def test_joined_columns_over_the_same_bytes():
    """Two cuts of one buffer are not the same entries."""
    data = np.frombuffer(b"abcdef", np.uint8)
    one = Texts(data, np.array([0, 3, 6]), np.array([0, 1], np.int32))
    two = Texts(data, np.array([0, 1, 2, 6]), np.array([2, 0], np.int32))
    assert list(joined([one, two])) == ["abc", "def", "cdef", "a"]
