"""_kernels.geo against bisection, and the face atlas_fast.geo."""

import ipaddress
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from geodata import ASNS, COUNTRIES, HOLDERS, N_RECORDS, NAMES, both, geo_data, letters, whole
from guard import before_guard, behind_guard
from hypothesis import example, given
from hypothesis import strategies as st
from oracles.geo import NO_ADDRESS, UNKNOWN

from atlas_fast import geo as face
from atlas_fast._kernels import geo
from atlas_fast._kernels.tables import Table, pack
from atlas_fast.records import GeoRecord
from atlas_fast.reference.geodata.payload import encode
from atlas_fast.reference.geodata.ranges import merge

V4 = st.one_of(
    st.integers(0, (1 << 32) - 1),
    st.builds(lambda a, b: a << 16 | b, st.sampled_from([0, 1, 0xC000, 0xFFFF]), st.integers(0, 9)),
)
V6 = st.one_of(
    st.integers(0, (1 << 128) - 1),
    st.builds(
        lambda a, b: a << 112 | b, st.integers(0x1FFF, 0x4001), st.integers(0, (1 << 112) - 1)
    ),
    st.builds(
        lambda hi, lo: hi << 64 | lo,
        st.sampled_from([0, 1, 0x2001 << 48, 0x20010000 << 32, 0x2002C000 << 32, (1 << 64) - 1]),
        st.one_of(st.integers(0, 4), st.integers((1 << 64) - 4, (1 << 64) - 1)),
    ),
    st.integers(0, (1 << 32) - 1).map(lambda n: 0xFFFF << 32 | n),
    st.integers(0, (1 << 32) - 1),
)
RECORD = st.one_of(st.none(), st.integers(0, N_RECORDS - 1))
TABLES = st.builds(
    both, st.dictionaries(V4, RECORD, max_size=12), st.dictionaries(V6, RECORD, max_size=12),
    st.integers(0, 7),
)  # fmt: skip
FIXED = both(
    {0: 1, 0x01000000: 0, 0x08080800: 1, 0x08080900: None, 0x3B180000: 3, 0xFFFFFFFF: 4},
    {0x20010DB8 << 96: 0, (0x20010DB8 << 96) + (1 << 80): 1, 0x2A00 << 112: 3,
     (0x2A00 << 112) + 5: 4, (0x2A00 << 112) + 9: None, 0x4000 << 112: 5, (1 << 128) - 1: 2},
)  # fmt: skip
TEXTS = [
    "8.8.8.8", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "0.0.0.0", "255.255.255.255", "",
    " 8.8.8.8", "8.8.8.8 ", "8.8.8.8\0", "::", "::1", "2001:db8::1", "2001:DB8:1::", "::ffff:8.8.8.8",
    "::FFFF:808:808", "::8.8.8.8", "2001:db8::1%eth0", "2002:808:808::", "1:2:3:4:5:6:7:8", "1::2::3",
    "2001:0:808:808::", "fe80::", ":::", "1.2.3.4::", "x" * 10_000, "٨.8.8.8", "8.8.8.8\n", "0x8.8.8.8",
]  # fmt: skip


def columns(texts):
    raws = [
        text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in texts
    ]
    offsets = np.cumsum([0, *map(len, raws)]).astype(np.int64)
    return np.frombuffer(b"".join(raws), np.uint8), offsets


def located(table, items):
    """Record numbers of texts by each door that takes them; the doors agree."""
    data, offsets = columns(items)
    out = np.full((2, len(items)), -9, np.int32)
    geo.locate_text(table, data, offsets, out[0])
    geo.locate_items(table, list(items), out[1])
    assert out[0].tolist() == out[1].tolist() == [geo.locate(table, item) for item in items]
    return out[0].tolist()


def numbers(table, ipv4, ipv6):
    four, six = np.empty(len(ipv4), np.int32), np.empty(len(ipv6), np.int32)
    geo.locate_ipv4(table, np.array(ipv4, np.uint32), four)
    packed = b"".join(n.to_bytes(16, "big") for n in ipv6)
    geo.locate_ipv6(table, np.frombuffer(packed, np.uint8).reshape(-1, 16), six)
    objects = [*map(ipaddress.IPv4Address, ipv4), *map(ipaddress.IPv6Address, ipv6)]
    items = np.empty(len(objects), np.int32)
    geo.locate_items(table, objects, items)
    assert items.tolist() == [*four.tolist(), *six.tolist()]
    return items.tolist(), objects


def boundaries(twin):
    ipv4 = {start + d for start, _ in twin.ipv4 for d in (-1, 0, 1)}
    ipv6 = {start + d for start, _ in twin.ipv6 for d in (-1, 0, 1)}
    return [n for n in ipv4 if 0 <= n < 1 << 32], [n for n in ipv6 if 0 <= n < 1 << 128]


@given(TABLES, st.lists(V4, max_size=100), st.lists(V6, max_size=100))
def test_numbers(pair, ipv4, ipv6):
    table, twin = pair
    edges = boundaries(twin)
    found, objects = numbers(table, ipv4 + edges[0], ipv6 + edges[1])
    assert found == [twin.find(address) for address in objects]


@given(TABLES, st.lists(st.one_of(
    V4.map(lambda n: str(ipaddress.IPv4Address(n))), V6.map(lambda n: str(ipaddress.IPv6Address(n))),
    st.text(max_size=20), st.binary(max_size=20), st.sampled_from(TEXTS),
    st.text("0123456789.:abf", max_size=24),
), max_size=80))  # fmt: skip
def test_texts(pair, texts):
    table, twin = pair
    assert located(table, texts) == [twin.find_text(text) for text in texts]


def test_known_texts():
    table, twin = FIXED
    found = located(table, TEXTS)
    assert found == [twin.find_text(text) for text in TEXTS]
    assert found[:3] == [1, NO_ADDRESS, NO_ADDRESS]
    assert found[TEXTS.index("::ffff:8.8.8.8")] == 1
    assert {UNKNOWN, NO_ADDRESS} < set(found)


def test_more_than_a_block_of_mixed_forms():
    table, twin = FIXED
    chosen = random.Random(1)
    items = [chosen.choice(TEXTS) for _ in range(1000)]
    assert located(table, items) == [twin.find_text(text) for text in items]


def test_integers_and_strange_items():
    table, _ = FIXED
    items = [0x08080808, 0x20010DB8 << 96, -1, 1 << 128, np.uint32(0x08080808), "\udc00"]
    out = np.empty(len(items), np.int32)
    geo.locate_items(table, items, out)
    assert out.tolist() == [1, 0, NO_ADDRESS, NO_ADDRESS, 1, NO_ADDRESS]
    for item in (None, 1.5, True, object()):
        with pytest.raises(TypeError):
            geo.locate(table, item)


@given(st.lists(st.integers(-3, N_RECORDS + 2), max_size=50))
@example(list(range(N_RECORDS)))
def test_gather(ids):
    table, _ = FIXED
    n = len(ids)
    country, asn, organisation = (
        np.empty(n, np.uint16),
        np.empty(n, np.uint32),
        np.empty(n, np.int32),
    )
    geo.gather(table, np.array(ids, np.int32), country, asn, organisation)
    for i, number in enumerate(ids):
        there = 0 <= number < N_RECORDS
        row = (letters(COUNTRIES[number]), ASNS[number], HOLDERS[number]) if there else (0, 0, 0)
        assert (country[i], asn[i], organisation[i]) == row == geo.record(table, number)


def test_kept_records():
    table, _ = FIXED
    code = "".join(("U", "S"))  # an object that nobody else holds
    kept = {1: (code, None, 3, None, 0.5), -1: (None,) * 5}
    found = geo.kept_record(table, "8.8.8.8", kept, GeoRecord)
    assert type(found) is GeoRecord and found == GeoRecord("8.8.8.8", *kept[1])
    assert geo.kept_record(table, "9.9.9.9", kept, GeoRecord) == ("9.9.9.9", *kept[-1])
    for other in ("1.1.1.1", "x", "\udc00", b"8.8.8.8", 0x08080808, None):
        assert geo.kept_record(table, other, kept, GeoRecord) is None
    for wrong, form in ((kept, list), (kept, object), ({1: ["US"]}, GeoRecord)):
        with pytest.raises(TypeError):
            geo.kept_record(table, "8.8.8.8", wrong, form)
    before = sys.getrefcount(kept[1][0])
    many = [geo.kept_record(table, "8.8.8.8", kept, GeoRecord) for _ in range(100)]
    held = sys.getrefcount(kept[1][0])  # not inside an assert, which may hold it too
    del many
    after = sys.getrefcount(kept[1][0])
    assert (held - before, after - before) == (100, 0)


def test_names():
    table, _ = FIXED
    assert [geo.organisation_name(table, i) for i in range(len(NAMES))] == NAMES
    for number in (-1, len(NAMES)):
        with pytest.raises(IndexError):
            geo.organisation_name(table, number)


def test_misuse_raises():
    table, _ = FIXED
    ids, four = np.empty(2, np.int32), np.empty(3, np.uint32)
    for call in (
        lambda: geo.locate_ipv4(table, four, ids),
        lambda: geo.locate_ipv6(table, np.zeros((2, 15), np.uint8), ids),
        lambda: geo.locate_items(table, ["1.1.1.1"], ids),
        lambda: geo.locate_text(table, b"abc", np.array([0, 1], np.int64), ids),
        lambda: geo.locate_text(table, b"abc", np.array([0, 2, 1], np.int64), ids),
        lambda: geo.locate_text(table, b"abc", np.array([-1, 2, 3], np.int64), ids),
        lambda: geo.locate_text(table, b"abc", np.array([0, 2, 4], np.int64), ids),
        lambda: geo.gather(table, ids, np.empty(2, np.uint16), four, ids),
    ):
        with pytest.raises(ValueError, match=r"each|leave"):
            call()


def test_guarded_texts():
    table, _ = FIXED
    for text in TEXTS[:26]:
        raw = text.encode()
        for stop in range(len(raw) + 1):
            offsets = np.array([0, stop], np.int64)
            answers = []
            for data in (raw[:stop], before_guard(raw[:stop]), behind_guard(raw[:stop])):
                out = np.empty(1, np.int32)
                geo.locate_text(table, data, offsets, out)
                answers.append(int(out[0]))
            assert len(set(answers)) == 1


def table_value():
    ipv4 = whole({n << 20: n % N_RECORDS for n in range(200)})
    ipv6 = whole({(0x2000 << 112) + (n << 90) + n % 3: n % N_RECORDS for n in range(200)})
    count, payload = encode(geo_data(ipv4, ipv6))
    return count, payload


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_payload_is_refused_or_searched_inside(changes):
    """Under a wrong payload that its checksum was not compared for: no crash, numbers of records."""
    count, payload = table_value()
    raw = bytearray(payload)
    for place, byte in changes:
        raw[place % len(raw) if place % 3 else place % 64] = byte
    table = Table.of_copy(pack(b"geo", 1, count, bytes(raw)), b"geo", 1)
    try:
        opened = geo.GeoTable(table)
    except ValueError:
        return
    probe = [n << 20 for n in range(4096)]
    wide = [(0x2000 << 112) + (n << 90) + 1 for n in range(4096)]
    found, _ = numbers(opened, probe, wide)
    assert min(found) >= -1 and max(found) < max(opened.n_records, 1)
    columns = (
        np.empty(len(found), np.uint16),
        np.empty(len(found), np.uint32),
        np.empty(len(found), np.int32),
    )
    geo.gather(opened, np.array(found, np.int32), *columns)
    for number in set(columns[2].tolist()):
        if number < opened.n_organisations:
            geo.organisation_name(opened, number)


def test_a_cut_payload_is_refused():
    _, payload = table_value()
    for stop in [*range(0, 200), *range(200, len(payload), 9973)]:
        table = Table.of_copy(pack(b"geo", 1, 0, payload[:stop]), b"geo", 1)
        with pytest.raises(ValueError, match=r"shorter|parts|count"):
            geo.GeoTable(table)


@given(st.data())
def test_merging(data):
    """Country of the one, AS number and organisation of the other, address by address."""
    draws = [data.draw(st.dictionaries(V4, RECORD, max_size=8)) for _ in range(2)]
    draws += [data.draw(st.dictionaries(V6, RECORD, max_size=8)) for _ in range(2)]
    left, right = (geo_data(whole(draws[i]), whole(draws[i + 2])) for i in (0, 1))
    left.has_asn = right.has_country = False
    count, payload = encode(merge([left, right]))
    table = geo.GeoTable(Table.of_copy(pack(b"geo", 1, count, payload), b"geo", 1))
    twins = [both(draws[i], draws[i + 2])[1] for i in (0, 1)]
    edges = [boundaries(twin) for twin in twins]
    found, objects = numbers(table, edges[0][0] + edges[1][0], edges[0][1] + edges[1][1])
    for number, address in zip(found, objects, strict=True):
        a, b = (twin.find(address) for twin in twins)
        country, asn, organisation = geo.record(table, number)
        assert country == (letters(COUNTRIES[a]) if a >= 0 else 0)
        assert asn == (ASNS[b] if b >= 0 else 0)
        name = geo.organisation_name(table, organisation)
        assert name == (NAMES[HOLDERS[b]] if b >= 0 else "")


class Small:
    """A reference with one table."""

    def __init__(self):
        count, payload = encode(geo_data(
            whole({0x08080800: 1, 0x08080900: None, 0x3B180000: 3, 0x3C000000: 4, 0x40000000: 5}),
            whole({0x20010DB8 << 96: 0, 0x2A00 << 112: 2}),
        ))  # fmt: skip
        self._table = Table.of_copy(pack(b"geo", 1, count, payload), b"geo", 1)

    def table(self, kind):
        assert kind == b"geo"
        return self._table


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return face.Geo(Small())


def test_the_face_of_one(small):
    google = ("US", "United States", 4200000000, "Example, Inc.", 0.10)
    for ip, shown in [
        ("8.8.8.8", "8.8.8.8"), (b"8.8.8.8", "8.8.8.8"), (0x08080808, "8.8.8.8"),
        (ipaddress.ip_address("8.8.8.8"), "8.8.8.8"), ("::ffff:8.8.8.8", "::ffff:8.8.8.8"),
    ]:  # fmt: skip
        for _ in range(2):  # the second time it is kept
            assert tuple(small.lookup(ip)) == (shown, *google)
    assert tuple(small.lookup("9.9.9.9"))[1:] == (None, None, None, None, 0.30)
    assert small.lookup("2001:db8::1").country_name == "Germany"
    assert small.lookup("60.0.0.1").risk == 0.95
    assert small.lookup("64.0.0.1").country_name == "ZZ"  # a code without a name
    for text in ("256.1.1.1", "x" * 10_000, "", b"\xff", "::1%lo"):
        with pytest.raises(ValueError, match="no address"):
            small.lookup(text)
    with pytest.raises(TypeError):
        small.lookup(None)


def test_what_is_kept_may_go_while_it_is_read(small, monkeypatch):
    """Two threads, and room for one record: each lookup takes away what the other one may have
    in hand."""
    monkeypatch.setattr(face, "KEPT", 1)
    texts = ["8.8.8.8", "60.0.0.1", "9.9.9.9", "64.0.0.1"]
    want = {text: small.lookup(text) for text in texts}
    begin = Barrier(2)

    def look(turn):
        begin.wait()
        for i in range(20_000):
            text = texts[(i + turn) % 4 if i % 3 else 0]
            assert small.lookup(text) == want[text]

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(look, turn) for turn in range(2)]:
            done.result()


def test_the_face_of_many(small):
    found = small.lookup_many(["8.8.8.8", b"59.24.3.174", "256.1.1.1", "9.9.9.9", 0x3C000001])
    assert found.dtype == face.GEO_DTYPE
    assert found["country"].tolist() == [b"US", b"KR", b"", b"", b"CN"]
    assert found["risk"].round(2).tolist() == np.float32([0.1, 0.15, 0.4, 0.3, 0.95]).tolist()
    assert found["record"][2] == face.NO_ADDRESS and found["record"][3] == face.UNKNOWN
    assert small.organisations(found["organisation"][:2]) == ["Example, Inc.", "이름"]
    arrays = [
        np.array([0x08080808, 0x3B1803AE], np.uint32), np.array([0x08080808, 0x3B1803AE]),
        np.array(["8.8.8.8", "59.24.3.174"]), np.array([b"8.8.8.8", b"59.24.3.174"]),
        iter(["8.8.8.8", "59.24.3.174"]), ("8.8.8.8", "59.24.3.174"),
        np.array(["8.8.8.8", "59.24.3.174"], object), np.array([[0x08080808, 0x3B1803AE]]).T[:, 0],
    ]  # fmt: skip
    for array in arrays:
        assert small.lookup_many(array)["country"].tolist() == [b"US", b"KR"]
    wide = np.frombuffer(ipaddress.ip_address("2001:db8::1").packed * 2, np.uint8).reshape(2, 16)
    assert small.lookup_many(wide)["country"].tolist() == [b"DE", b"DE"]
    assert small.lookup_many(np.array([-1, 1 << 32, 0x08080808]))["record"].tolist()[:2] == [-2, -2]
    assert small.lookup_many([]).shape == (0,)
    for wrong in (np.zeros(3), np.zeros((2, 4), np.uint8), np.zeros((2, 16), np.uint16)):
        with pytest.raises(TypeError):
            small.lookup_many(wrong)


def test_risk_of_the_original():
    table, default = face.COUNTRY_RISK, face.DEFAULT_RISK
    assert len(table) == 39 and default == 0.30
    assert (table["CN"], table["RU"], table["NG"], table["ZA"], table["AT"]) == (
        0.95, 0.90, 0.85, 0.25, 0.10,
    )  # fmt: skip
    assert set(table) <= set(face.COUNTRY_NAMES)


def test_an_index_that_is_damaged_after_the_opening_stays_inside():
    """As a mapped file may be: the answer may be wrong, but nothing outside is read."""
    count, payload = table_value()
    packed = pack(b"geo", 1, count, payload)
    room = np.zeros(len(packed) + 128, np.uint8)
    start = -(room.ctypes.data + 48) % 64
    view = room[start : start + len(packed)]
    view[:] = np.frombuffer(packed, np.uint8)
    table = geo.GeoTable(Table.of_value(view, room, b"geo", 1))
    four, ids = np.array([0, 0x08080808, 0xFFFFFFFF], np.uint32), np.empty(3, np.int32)
    text = np.frombuffer(b"8.8.8.82001:db8::1::1", np.uint8)
    offsets = np.array([0, 7, 18, 21], np.int64)
    rng = np.random.default_rng(1)
    for _ in range(200):
        at = 48 + 64 + int(rng.integers(0, max(1, len(payload) - 164)))
        view[at : at + 100] = rng.integers(0, 256, 100)
        geo.locate_ipv4(table, four, ids)
        geo.locate_text(table, text, offsets, ids)
    assert table.n_records == N_RECORDS
