"""The in-process level against a model in plain Python; sealed entries; threads."""

import threading

import numpy as np
import pytest
from guard import before_guard, behind_guard
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import memo as oracle
from oracles.siphash import siphash

from atlas_fast._kernels import memo
from atlas_fast._kernels.memo import Memo, seal_batch, unseal_batch

SECRET = np.array([11, 2**63 + 5], np.uint64)
SIZE = 5
keys = st.tuples(st.integers(0, 40), st.integers(0, 3))  # few, so that they meet in sets
steps = st.lists(
    st.one_of(
        st.tuples(st.just("get"), st.lists(keys, max_size=12), st.integers(0, 30)),
        st.tuples(st.just("put"), st.lists(st.tuples(keys, st.integers(0, 40)), max_size=25),
                  st.integers(0, 30)),
    ),
    max_size=25,
)  # fmt: skip


def get(table, wanted, now):
    n, size = len(wanted), table.value_size
    values, found = np.full((n, size), 0xEE, np.uint8), np.full(n, 7, np.uint8)
    hits = table.get_batch(np.array(wanted, np.uint64).reshape(n, 2), now, values, found)
    assert hits == found.sum()
    assert (values[found == 0] == 0xEE).all()
    return [row.tobytes() if hit else None for row, hit in zip(values, found, strict=True)]


def put(table, items, now):
    n, size = len(items), table.value_size
    values = b"".join(value for *_, value in items)
    table.put_batch(
        np.array([key for key, *_ in items], np.uint64).reshape(n, 2),
        np.array([expires for _, expires, _ in items], np.int64),
        np.frombuffer(values, np.uint8).reshape(n, size), now,
    )  # fmt: skip


@given(steps, st.sampled_from([1, 8, 9, 32]), st.sampled_from([1, 8, 16, 64]))
def test_the_model(doings, capacity, first):
    ours, model = Memo(capacity, SIZE, first), oracle.Memo(capacity, SIZE, first)
    number = 0
    for what, items, now in doings:
        if what == "get":
            assert get(ours, items, now) == [model.get(key, now) for key in items]
        else:
            named = []
            for key, expires in items:
                number += 1
                named.append((key, expires, number.to_bytes(SIZE, "little")))
            put(ours, named, now)
            for item in named:
                model.put(*item, now)
        assert ours.counters() == model.count
        assert len(ours) == len(model)


def test_the_strategy_reaches_what_it_should():
    """Evictions, marks and expiry: by hand, so that it is certain that they are met."""
    table = Memo(8, SIZE)
    put(table, [((0, n), 10, bytes([n] * SIZE)) for n in range(8)], 0)
    assert get(table, [(0, 0)], 0) == [bytes(SIZE)]  # marked: has a second chance
    put(table, [((0, 8), 10, b"xxxxx")], 0)
    assert get(table, [(0, 0), (0, 1), (0, 8)], 9) == [bytes(SIZE), None, b"xxxxx"]
    assert table.counters() == {"hits": 3, "misses": 1, "puts": 9, "evictions": 1, "expirations": 0}
    assert get(table, [(0, 0)], 10) == [None]
    assert table.counters()["expirations"] == 1
    table.clear()
    assert len(table) == 0 and get(table, [(0, 8)], 0) == [None]


def test_it_is_bounded():
    table = Memo(1000, 16)
    assert table.capacity == 1024
    assert table.bytes == 1024 * (32 + 16) + 128
    for start in range(0, 50_000, 1000):
        items = [((n * 2654435761 % 2**64, n), 5, bytes(16)) for n in range(start, start + 1000)]
        put(table, items, 0)
    assert len(table) <= 1024
    assert table.counters()["evictions"] == 50_000 - len(table)


def test_few_entries_take_little_memory():
    """It doubles before an entry gives way, and what was there stays."""
    table = Memo(8192, 16)
    small = table.bytes
    assert small == memo.FIRST_ENTRIES * (32 + 16) + memo.FIRST_ENTRIES // 8
    spread = [((n * 0x9E3779B97F4A7C15 % 2**64, n), 5, n.to_bytes(16, "big")) for n in range(3000)]
    put(table, spread[:100], 0)
    assert table.bytes == small
    put(table, spread[100:], 0)
    assert table.counters()["evictions"] == 0 and len(table) == 3000
    assert get(table, [key for key, *_ in spread], 0) == [value for *_, value in spread]
    assert small < table.bytes <= 8192 * (32 + 16) + 1024
    assert table.capacity == 8192


def test_threads_share_a_table():
    """Each value names its key, so a torn or mixed-up entry shows."""
    table, wrong = Memo(256, 16, 8), []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(300):
            some = random.integers(0, 400, (50, 2)).astype(np.uint64)
            some[:, 1] = some[:, 0] * 3
            values, found = np.zeros((50, 16), np.uint8), np.zeros(50, np.uint8)
            table.get_batch(some, 0, values, found)
            if (values.view(np.uint64)[found == 1] != some[found == 1]).any():
                wrong.append(seed)
            table.put_batch(some, np.full(50, 5, np.int64), some.view(np.uint8).copy(), 0)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = table.counters()
    assert not wrong
    assert counts["hits"] + counts["misses"] == 4 * 300 * 50
    assert counts["puts"] == 4 * 300 * 50


entries = st.lists(
    st.tuples(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
              st.integers(-5, 2**40), st.binary(min_size=SIZE, max_size=SIZE)),
    max_size=12,
)  # fmt: skip


def sealed(items, stamp):
    n = len(items)
    rows = np.zeros((n, SIZE + memo.SEAL_BYTES), np.uint8)
    values = np.frombuffer(b"".join(value for *_, value in items), np.uint8).reshape(n, SIZE)
    seal_batch(
        np.array([key for key, *_ in items], np.uint64).reshape(n, 2),
        np.array([expires for _, expires, _ in items], np.int64), values, stamp, SECRET, rows,
    )  # fmt: skip
    return rows


def unsealed(rows, wanted, stamp, now):
    n = len(wanted)
    values, expires, state = (
        np.zeros((n, SIZE), np.uint8),
        np.zeros(n, np.int64),
        np.zeros(n, np.uint8),
    )
    wanted = np.array(wanted, np.uint64).reshape(n, 2)
    good = unseal_batch(rows, wanted, stamp, now, SECRET, values, expires, state)
    assert good == (state == memo.GOOD).sum()
    return [
        (s, value.tobytes() if s == memo.GOOD else None, e)
        for s, value, e in zip(state.tolist(), values, expires.tolist(), strict=True)
    ]


@given(entries, st.integers(0, 2**64 - 1), st.sampled_from([0, 1]), st.integers(0, 2**40))
def test_sealed_entries(items, stamp, other, now):
    secret = tuple(SECRET.tolist())
    rows = sealed(items, stamp)
    assert [row.tobytes() for row in rows] == [
        oracle.seal(siphash, key, expires, value, stamp, secret) for key, expires, value in items
    ]
    asked = (stamp + other) % 2**64
    assert unsealed(rows, [key for key, *_ in items], asked, now) == [
        oracle.unseal(siphash, row.tobytes(), key, asked, now, secret)
        for row, (key, *_) in zip(rows, items, strict=True)
    ]


def test_any_changed_bit_is_damage():
    key = (1, 2)
    row = sealed([(key, 100, b"value")], 9)
    assert unsealed(row, [key], 9, 0) == [(memo.GOOD, b"value", 100)]
    for bit in range(row.size * 8):
        changed = row.copy()
        changed[0, bit // 8] ^= 1 << (bit % 8)
        assert unsealed(changed, [key], 9, 0)[0][0] == memo.DAMAGED
    assert unsealed(row, [(1, 3)], 9, 0)[0][0] == memo.DAMAGED  # an entry under another's key


@settings(max_examples=30)
@given(entries)
def test_they_read_inside_only(items):
    rows = sealed(items, 3)
    wanted = [key for key, *_ in items]
    expected = unsealed(rows, wanted, 3, 0)
    if not items:
        return
    for guard in (before_guard, behind_guard):
        view = np.frombuffer(guard(rows.tobytes()), np.uint8).reshape(rows.shape)
        assert unsealed(view, wanted, 3, 0) == expected
        guarded = np.frombuffer(guard(np.array(wanted, np.uint64).tobytes()), np.uint64)
        table = Memo(16, 16)
        guarded = guarded.reshape(-1, 2)
        table.put_batch(guarded, np.full(len(wanted), 9, np.int64), guarded.view(np.uint8), 0)
        assert len(table) == len(set(wanted)) or table.counters()["evictions"]


def test_misuse():
    for arguments in ((0, 4), (1, 0), (1, memo.MAX_VALUE_BYTES + 1), (1 << 40, 1)):
        with pytest.raises(ValueError):
            Memo(*arguments)
    table = Memo(8, 4)
    two = np.zeros((2, 2), np.uint64)
    with pytest.raises(ValueError, match="needed"):
        table.get_batch(two, 0, np.zeros((1, 4), np.uint8), np.zeros(2, np.uint8))
    with pytest.raises(ValueError, match="bytes"):
        table.get_batch(two, 0, np.zeros((2, 5), np.uint8), np.zeros(2, np.uint8))
    with pytest.raises(ValueError, match="needed"):
        table.put_batch(two, np.zeros(1, np.int64), np.zeros((2, 4), np.uint8), 0)
    with pytest.raises(ValueError, match="bytes"):
        table.put_batch(two, np.zeros(2, np.int64), np.zeros((2, 5), np.uint8), 0)
    with pytest.raises(ValueError, match="needed"):
        seal_batch(
            two,
            np.zeros(1, np.int64),
            np.zeros((2, 4), np.uint8),
            0,
            SECRET,
            np.zeros((2, 28), np.uint8),
        )
    with pytest.raises(ValueError, match="SEAL_BYTES"):
        seal_batch(
            two,
            np.zeros(2, np.int64),
            np.zeros((2, 4), np.uint8),
            0,
            SECRET,
            np.zeros((2, 27), np.uint8),
        )
    with pytest.raises(ValueError, match="state"):
        unseal_batch(np.zeros((2, 28), np.uint8), two, 0, 0, SECRET, np.zeros((2, 4), np.uint8),
                     np.zeros(2, np.int64), np.zeros(1, np.uint8))  # fmt: skip
    table.put_batch(two[:0], np.zeros(0, np.int64), np.zeros((0, 4), np.uint8), 0)
    assert table.get_batch(two[:0], 0, np.zeros((0, 4), np.uint8), np.zeros(0, np.uint8)) == 0
    assert memo.WAYS == oracle.WAYS
