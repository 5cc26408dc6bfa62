"""Interning and the levels of the cache against Python's dict, numpy.unique and cachetools."""

import numpy as np
import pytest

from atlas_fast._kernels import intern, memo
from atlas_fast.cache import Cache
from atlas_fast.headers import parse_many

KEY = np.array([1, 2], np.uint64)


@pytest.fixture(scope="module")
def column(mail):
    """From domains of real or generated mail: data, starts, stops, and as a list of bytes."""
    head = parse_many([path.read_bytes() for path in mail.paths[:4000]])
    texts = head.from_domain
    items = [text.encode() for text in texts.tolist()]
    return texts.data, texts.offsets[:-1].copy(), texts.offsets[1:].copy(), items


@pytest.mark.parametrize("peer", ["atlas_fast", "dict", "dict of a column", "numpy.unique"])
@pytest.mark.benchmark(group="intern a column")
def bench_intern(benchmark, column, peer):
    data, starts, stops, items = column
    ids, first = np.empty((2, len(items)), np.int32)

    def ours():
        return intern.intern_batch(data, starts, stops, KEY, ids, first)

    def plain(texts):
        seen = {}
        return [seen.setdefault(text, len(seen)) for text in texts]

    def sliced():
        raw = data.tobytes()
        spans = zip(starts.tolist(), stops.tolist(), strict=True)
        return plain([raw[a:b] for a, b in spans])

    array = np.array(items)
    ours()
    assert ids.tolist() == plain(items)
    calls = {"atlas_fast": ours, "dict": lambda: plain(items), "dict of a column": sliced,
             "numpy.unique": lambda: np.unique(array, return_inverse=True)}  # fmt: skip
    benchmark(calls[peer])
    benchmark.extra_info.update(checked=True, items=len(items))


@pytest.mark.parametrize("peer", ["atlas_fast", "atlas_fast with hashing", "dict", "cachetools"])
@pytest.mark.benchmark(group="2,000 hits in the process")
def bench_memo(benchmark, peer):
    items = [b"host%d.example.org" % n for n in range(2000)]
    ends = np.cumsum([0, *map(len, items)]).astype(np.int64)
    data = np.frombuffer(b"".join(items), np.uint8)
    starts, stops = ends[:-1].copy(), ends[1:].copy()
    keys = np.empty((2000, 2), np.uint64)
    intern.hash_batch(data, starts, stops, KEY, keys)
    table = memo.Memo(1 << 14, 24)
    stored = np.arange(2000 * 24, dtype=np.int64).astype(np.uint8).reshape(2000, 24)
    table.put_batch(keys, np.full(2000, 9, np.int64), stored, 0)
    values, found = np.empty((2000, 24), np.uint8), np.empty(2000, np.uint8)

    def ours():
        table.get_batch(keys, 0, values, found)

    def hashed():
        intern.hash_batch(data, starts, stops, KEY, keys)
        ours()

    ours()
    assert found.all() and (values == stored).all()
    kept = {}
    if peer == "cachetools":
        kept = pytest.importorskip("cachetools").TTLCache(1 << 14, 3600)
    kept.update(zip(items, [row.tobytes() for row in stored], strict=True))
    calls = {"atlas_fast": ours, "atlas_fast with hashing": hashed}
    benchmark(calls.get(peer, lambda: [kept.get(item) for item in items]))
    benchmark.extra_info.update(checked=True, items=2000)


@pytest.mark.parametrize("level", ["computed", "L1", "L2"])
@pytest.mark.benchmark(group="standing of 2,000 domains")
def bench_levels(benchmark, column, tmp_path_factory, level):
    """What a level costs beside the computation that it saves."""
    from atlas_fast.stages.enrich import DOMAIN_DTYPE, _judge

    names = [b"host%d.example%d.org" % (n, n) for n in range(2000)]
    ends = np.cumsum([0, *map(len, names)]).astype(np.int64)
    data = np.frombuffer(b"".join(names), np.uint8)
    starts, stops = ends[:-1].copy(), ends[1:].copy()
    cache = Cache(tmp_path_factory.mktemp("cache"))
    kind = cache.kind("domain", DOMAIN_DTYPE, b"")
    expected = _judge(data, starts, stops)

    def find():
        keys = kind.keys(data, starts, stops)
        return kind.find(keys, lambda m: _judge(data, starts[m], stops[m]))

    def from_file():
        kind.memo.clear()
        return find()

    assert (find() == expected).all()
    cache.flush()
    assert (from_file() == expected).all() and (find() == expected).all()
    call = {"computed": lambda: _judge(data, starts, stops), "L1": find, "L2": from_file}[level]
    benchmark(call)
    benchmark.extra_info.update(checked=True, items=2000)
    cache.close()
