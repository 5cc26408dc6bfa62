"""Columns as a table of SQLite: what is selected is what the columns hold."""

import _sqlite3
import ctypes
import math
import sqlite3
import threading

import numpy as np
import pytest
from guard import before_guard
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.sqltable import NONE, rows

from atlas_fast._kernels import sqltable
from atlas_fast.store import rowtable

LIBRARY = getattr(_sqlite3, "__file__", None)


def connected(**options):
    connection, table = rowtable.connected(
        lambda: sqlite3.connect(":memory:", isolation_level=None, **options)
    )
    if table is None:
        pytest.skip("the SQLite of this Python cannot be found in its process")
    connection.text_factory = bytes
    return connection, table


@pytest.fixture(scope="module")
def shared():
    connection, table = connected()
    yield connection, table
    connection.close()


def test_it_is_there_where_the_library_has_what_it_needs():
    """The other tests are skipped without it."""
    if LIBRARY is None or not hasattr(ctypes.CDLL(LIBRARY), "sqlite3_auto_extension"):
        pytest.skip("the SQLite of this Python cannot be found in its process")
    connection, table = rowtable.connected(lambda: sqlite3.connect(":memory:"))
    connection.close()
    assert table is not None


def packed(texts, place=bytes):
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return place(b"".join(texts)), offsets


def shown(kind, *given, place=bytes):
    if kind == "text":
        return sqltable.TEXT, *packed(given[0], place), None
    if kind == "coded":
        return sqltable.TEXT, *packed(given[0], place), np.array(given[1], np.int32)
    if kind == "integer":
        return sqltable.INTEGER, np.array(given[0], np.int64)
    if kind == "real":
        values = [math.nan if value is None else value for value in given[0]]
        return sqltable.REAL, np.array(values, np.float64)
    return sqltable.BLOB, np.array([list(blob) for blob in given[0]], np.uint8)


@st.composite
def blocks(draw):
    n = draw(st.integers(1, 8))

    def of(values):
        return st.lists(values, min_size=n, max_size=n)

    texts = st.lists(st.binary(max_size=9), min_size=1, max_size=4)
    coded = texts.flatmap(
        lambda some: st.tuples(st.just("coded"), st.just(some), of(st.integers(-3, len(some) - 1)))
    )
    column = st.one_of(
        st.tuples(st.just("text"), of(st.binary(max_size=20))),
        coded,
        st.tuples(st.just("integer"), of(st.integers(NONE, -NONE - 1))),
        st.tuples(st.just("real"), of(st.none() | st.floats(allow_nan=False))),
        st.tuples(st.just("blob"), of(st.binary(min_size=3, max_size=3))),
    )
    return n, draw(st.lists(column, min_size=1, max_size=6))


@settings(deadline=None)
@given(blocks())
def test_what_is_selected_is_what_the_columns_hold(shared, block):
    connection, table = shared
    n, columns = block
    names = ", ".join(f"c{k}" for k in range(len(columns)))
    for place in (bytes, before_guard):
        table.show([shown(*column, place=place) for column in columns], n)
        found = connection.execute(f"SELECT {names} FROM temp.atlas_rows").fetchall()
        assert found == rows(columns, n)
    table.hide()
    assert connection.execute("SELECT * FROM temp.atlas_rows").fetchall() == []


def test_a_column_that_is_not_shown_is_null(shared):
    connection, table = shared
    table.show([shown("integer", [5, 6])], 2)
    assert connection.execute("SELECT c0, c1, c63 FROM temp.atlas_rows").fetchall() == [
        (5, None, None), (6, None, None),
    ]  # fmt: skip
    table.hide()


WORDS = (np.frombuffer(b"ab", np.uint8), np.array([0, 1, 2], np.int64))


@pytest.mark.parametrize(
    "columns",
    [
        [(sqltable.TEXT, WORDS[0], np.array([0, 1, 3], np.int64), None)],
        [(sqltable.TEXT, WORDS[0], np.array([0, 2, 1], np.int64), None)],
        [(sqltable.TEXT, WORDS[0], np.array([-1, 1, 2], np.int64), None)],
        [(sqltable.TEXT, WORDS[0], np.array([0, 1], np.int64), None)],
        [(sqltable.TEXT, *WORDS, np.array([0, 2], np.int32))],
        [(sqltable.TEXT, *WORDS, np.array([0], np.int32))],
        [(sqltable.TEXT, WORDS[0], np.zeros(0, np.int64), np.array([0, 0], np.int32))],
        [(sqltable.INTEGER, np.array([1]))],
        [(sqltable.INTEGER, np.array([1.0, 2.0]))],
        [(sqltable.REAL, np.array([1.0]))],
        [(sqltable.BLOB, np.zeros((3, 4), np.uint8))],
        [(4, WORDS[0])],
        [(sqltable.INTEGER, np.array([1, 2]))] * (sqltable.MAX_COLUMNS + 1),
    ],
)
def test_columns_that_do_not_fit_are_refused_and_nothing_is_shown(shared, columns):
    connection, table = shared
    with pytest.raises(ValueError):
        table.show(columns, 2)
    assert connection.execute("SELECT COUNT(*) FROM temp.atlas_rows").fetchone() == (0,)


def test_many_columns(shared):
    connection, table = shared
    table.show([shown("integer", [k]) for k in range(sqltable.MAX_COLUMNS)], 1)
    (found,) = connection.execute("SELECT * FROM temp.atlas_rows").fetchall()
    assert found == tuple(range(sqltable.MAX_COLUMNS))
    table.hide()


def test_either_may_go_first():
    connection, table = connected()
    table.show([shown("text", [b"one"])], 1)
    del table
    assert connection.execute("SELECT * FROM temp.atlas_rows").fetchall() == []
    connection.close()
    connection, table = connected()
    connection.close()
    table.show([shown("text", [b"one"])], 1)


def test_arrays_are_held_while_they_are_shown(shared):
    _, table = shared
    data = bytearray(b"abc")
    table.show([(sqltable.TEXT, data, np.array([0, 3], np.int64), None)], 1)
    with pytest.raises(BufferError):
        data.extend(b"def")
    table.hide()
    data.extend(b"def")


def test_one_that_attach_did_not_make_shows_nothing():
    table = sqltable.RowTable()
    table.hide()
    with pytest.raises(ValueError):
        table.show([shown("integer", [1])], 1)


def test_it_is_read_only(shared):
    connection, _ = shared
    for change in ("INSERT INTO temp.atlas_rows (c0) VALUES (1)", "DELETE FROM temp.atlas_rows"):
        with pytest.raises(sqlite3.OperationalError):
            connection.execute(change)


def test_where_the_library_cannot_be_had_there_is_no_table(monkeypatch):
    def connect():
        return sqlite3.connect(":memory:")

    found = (
        [sqltable.attach(rowtable.functions(), "3.0.0", connect)] if rowtable.functions() else []
    )
    monkeypatch.setattr(rowtable, "functions", tuple)
    for connection, table in (*found, rowtable.connected(connect)):
        assert table is None
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.close()


@pytest.mark.parametrize("functions", [(), (1,), (0,) * len(sqltable.FUNCTIONS)])
def test_functions_that_are_missing_are_not_called(functions):
    with pytest.raises(ValueError):
        sqltable.attach(functions, sqlite3.sqlite_version, lambda: sqlite3.connect(":memory:"))


def test_other_connections_do_not_have_it(shared):
    other = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError, match="no such module"):
        other.execute("CREATE VIRTUAL TABLE temp.atlas_rows USING atlas_rows")
    other.close()


def test_an_error_of_connect_is_raised_and_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError):
        rowtable.connected(lambda: 1 / 0)
    test_other_connections_do_not_have_it(None)


def test_a_connection_is_that_of_the_thread_that_opened_it():
    """Others open connections of their own meanwhile."""
    stop = threading.Event()

    def open_and_close():
        while not stop.is_set():
            sqlite3.connect(":memory:").close()

    busy = threading.Thread(target=open_and_close)
    busy.start()
    try:
        for i in range(50):
            connection, table = connected()
            table.show([shown("integer", [i])], 1)
            assert connection.execute("SELECT c0 FROM temp.atlas_rows").fetchone() == (i,)
            connection.close()
    finally:
        stop.set()
        busy.join()


@pytest.mark.parametrize("keep", [False, True])
def test_no_guess_is_made_when_another_connection_is_opened_meanwhile(keep):
    others = []

    def connect():
        connection = sqlite3.connect(":memory:")
        others.append(sqlite3.connect(":memory:"))
        if not keep:
            others.pop().close()
        return connection

    connection, table = rowtable.connected(connect)
    assert table is None
    for one in (connection, *others):
        one.close()


def test_a_row_that_a_statement_still_has_stays(shared):
    connection, table = shared
    data = bytearray(b"abc")
    table.show([(sqltable.TEXT, data, np.array([0, 3], np.int64), None)], 1)
    kept = connection.execute("SELECT c0 FROM temp.atlas_rows")
    table.hide()
    with pytest.raises(BufferError):
        data.extend(b"def")
    assert kept.fetchone() == (b"abc",)
    kept.close()
    table.hide()
    data.extend(b"def")


def test_only_what_is_created_has_its_name(shared):
    connection, _ = shared
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        connection.execute("SELECT * FROM main.atlas_rows")
