"""What stands before a store, each against Python doing the same; whole writing: `atlas-fast bench
store`."""

import sqlite3
from itertools import pairwise

import numpy as np
import pytest

from atlas_fast._kernels import sqltable, storedtext
from atlas_fast.headers import parse_many
from atlas_fast.store.rows import clean
from atlas_fast.store.rowtable import connected


@pytest.fixture(scope="module")
def subjects(mail):
    return parse_many([path.read_bytes() for path in mail.paths[:4000]]).subject


@pytest.mark.parametrize("peer", ["atlas_fast", "str"])
@pytest.mark.benchmark(group="stored form of subjects")
def bench_stored_texts(benchmark, subjects, peer):
    data, offsets = subjects.data, subjects.offsets
    out = np.empty(storedtext.GROWTH * len(data), np.uint8)
    ends = np.empty(len(offsets), np.int64)

    def ours():
        return storedtext.stored_texts(data, offsets, 1000, b"", out, ends)

    def plain():
        text = data.tobytes()
        return [clean(text[a:b].decode())[:1000] for a, b in pairwise(offsets.tolist())]

    used = ours()
    assert out[:used].tobytes() == "".join(plain()).encode()
    benchmark(ours if peer == "atlas_fast" else plain)


@pytest.mark.parametrize("peer", ["atlas_fast", "executemany"])
@pytest.mark.benchmark(group="a column into a table")
def bench_sqltable(benchmark, subjects, peer):
    """Rows of four columns into a table in memory, emptied before each round."""
    connection, table = connected(lambda: sqlite3.connect(":memory:", isolation_level=None))
    if table is None:
        pytest.skip("the SQLite of this Python cannot be found in its process")
    connection.execute("CREATE TABLE t (a, b, c, d)")
    n = len(subjects)
    numbers = np.arange(n)
    ready = list(zip(*[subjects.tolist()] * 3, numbers.tolist(), strict=True))

    def ours():
        texts = (sqltable.TEXT, subjects.data, subjects.offsets, None)
        table.show([texts, texts, texts, (sqltable.INTEGER, numbers)], n)
        connection.execute("INSERT INTO t SELECT c0, c1, c2, c3 FROM temp.atlas_rows")

    def plain():
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", ready)

    def empty():
        connection.execute("DELETE FROM t")

    ours()
    assert connection.execute("SELECT * FROM t").fetchall() == ready
    benchmark.pedantic(ours if peer == "atlas_fast" else plain, setup=empty, rounds=20)
    connection.close()
