"""Geography against its sources' own readers: at every boundary, and at random addresses."""

import ipaddress
import random
import subprocess
import sys

import numpy as np
import pytest

from atlas_fast.errors import ReferenceDataError
from atlas_fast.geo import Geo
from atlas_fast.reference.build import build
from atlas_fast.reference.geodata import mmdb, plevin
from atlas_fast.reference.open import open_reference

maxminddb = pytest.importorskip("maxminddb")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(folder, Geo of the data package, an MMDB file of the same ranges, Geo of that file)."""
    from atlas_fast.bench.mmdb import write

    if plevin.find() is None:
        pytest.skip(f"{plevin.PACKAGE} is not installed")
    folder = tmp_path_factory.mktemp("geodata")
    data = plevin.read(plevin.find().path).normal()
    path = folder / "same.mmdb"
    write(path, data)
    build(folder / "package", named={})
    build(folder / "file", named={"mmdb": [path]})
    package, file = (Geo(open_reference(folder / name)) for name in ("package", "file"))
    return folder, package, path, file, data


def starts(data):
    """Every first and last address of a range, and the one behind the first."""
    ipv4 = data.ipv4.lo.astype(np.int64)
    ipv4 = np.unique(np.concatenate([ipv4 - 1, ipv4, ipv4 + 1]))
    hi, lo, one = data.ipv6.hi, data.ipv6.lo, np.uint64(1)
    below = np.stack([hi - (lo == 0).astype(np.uint64), lo - one], axis=1)
    above = np.stack([hi + (lo + one == 0).astype(np.uint64), lo + one], axis=1)
    ipv6 = np.unique(np.concatenate([below, np.stack([hi, lo], axis=1), above]), axis=0)
    return ipv4[(ipv4 >= 0) & (ipv4 < 1 << 32)].astype(np.uint32), ipv6


def addresses(data, n, every=1):
    """uint32, and uint8 (m, 16): every k-th boundary, and n random ones of each family."""
    ipv4, ipv6 = starts(data)
    chosen = np.random.default_rng(1)
    near = ipv6[chosen.integers(0, len(ipv6), n // 2)].copy()
    near[:, 1] ^= chosen.integers(0, 1 << 64, len(near), np.uint64)
    anywhere = chosen.integers(0, 1 << 64, (n - len(near), 2), np.uint64)
    pairs = np.concatenate([ipv6[::every], near, anywhere])
    return (
        np.concatenate([ipv4[::every], chosen.integers(0, 1 << 32, n, np.uint32)]),
        pairs.astype(">u8").view(np.uint8).reshape(-1, 16),
    )


def objects(ipv4, ipv6):
    raw = ipv6.tobytes()
    yield from map(ipaddress.IPv4Address, ipv4.tolist())
    for i in range(0, len(raw), 16):
        yield ipaddress.IPv6Address(raw[i : i + 16])


def compare(geo, reader, ipv4, ipv6):
    """Country, AS number and organisation of each as the reader has them."""
    ids = np.concatenate([geo.locate_many(ipv4), geo.locate_many(ipv6)])
    rows = geo.records(ids)
    names = geo.organisations(range(geo.table.n_organisations))
    ours = zip(rows["country"].tolist(), rows["asn"].tolist(), rows["organisation"].tolist(),
               strict=True)  # fmt: skip
    known = 0
    for address, (country, asn, organisation) in zip(objects(ipv4, ipv6), ours, strict=True):
        theirs = mmdb.fields(reader.get(address))
        assert (country.decode(), asn, names[organisation]) == theirs, address
        known += theirs != ("", 0, "")
    assert known > len(ids) // 4


def test_some_addresses(built):
    _, package, path, file, data = built
    ipv4, ipv6 = addresses(data, 5_000, every=97)
    with maxminddb.open_database(path) as reader:
        compare(package, reader, ipv4, ipv6[: len(ipv6) - 2_500])
        compare(file, reader, ipv4, ipv6[: len(ipv6) - 2_500])


@pytest.mark.slow
@pytest.mark.parametrize("which", ["package", "file"])
def test_all_boundaries_and_a_million_random_addresses(built, which):
    _, package, path, file, data = built
    ipv4, ipv6 = addresses(data, 1_000_000)
    with maxminddb.open_database(path) as reader:
        compare(package if which == "package" else file, reader, ipv4, ipv6)


def check_package(geo, data, n):
    """The package's own reader answers alike. It reads sorted addresses faster."""
    import plevin as package

    ipv4, ipv6 = starts(data)
    chosen = np.random.default_rng(2)
    some4 = np.sort(np.concatenate([chosen.choice(ipv4, n), chosen.integers(0, 1 << 32, n)]))
    wide = chosen.choice(ipv6, n)
    some6 = wide.astype(">u8").view(np.uint8).reshape(-1, 16)
    database = package.database()
    for address in objects(some4.astype(np.uint32), some6):
        if address.version == 6 and (address.ipv4_mapped or address.sixtofour):
            continue  # the package answers nothing for these
        network, mine = database.lookup(str(address)).network, geo.lookup(address)
        theirs = (None, None, None)
        if network is not None:
            operator = network.operator
            holder = operator.company if operator and operator.company else network.handle
            theirs = network.country, network.asn, holder
        assert (mine.country_code, mine.asn, mine.organisation) == theirs, address


def test_the_reader_of_the_package(built):
    check_package(built[1], built[4], 300)


@pytest.mark.slow
def test_the_reader_of_the_package_on_many(built):
    check_package(built[1], built[4], 20_000)


def test_embedded_addresses(built):
    geo = built[1]
    for text in ("8.8.8.8", "59.24.3.174"):
        mine, mapped = geo.lookup(text), geo.lookup(f"::ffff:{text}")
        assert mine[1:] == mapped[1:] and mine.country_code
    assert geo.locate_many(["256.1.1.1", "x" * 10_000]).tolist() == [-2, -2]


def test_files_of_another_writer(tmp_path):
    """IPv4 only, and both families; records in other forms, nodes of another size."""
    writer = pytest.importorskip("mmdb_writer")
    netaddr = pytest.importorskip("netaddr")
    for number, (version, compatible) in enumerate([(4, False), (6, True)]):
        made = writer.MMDBWriter(version, "Test-ASN", ipv4_compatible=compatible)
        made.insert_network(
            netaddr.IPSet(["1.0.0.0/24", "8.8.8.0/25"]),
            {"country_code": "de", "asn": "AS64496"},
        )
        made.insert_network(netaddr.IPSet(["9.9.0.0/16"]), {"country": "FR", "as_name": "Größe"})
        if version == 6:
            made.insert_network(netaddr.IPSet(["2001:db8::/48"]), {"country": {"iso_code": "US"}})
        path = tmp_path / f"{number}.mmdb"
        made.to_db_file(str(path))
        build(tmp_path / str(number), named={"mmdb": [path]})
        geo = Geo(open_reference(tmp_path / str(number)))
        with maxminddb.open_database(path) as reader:
            for text in ("1.0.0.0", "1.0.0.255", "1.0.1.0", "8.8.8.127", "8.8.8.128", "9.9.255.255",
                         "2001:db8::", "2001:db8:0:ffff::", "2001:db8:1::"):  # fmt: skip
                if version == 4 and ":" in text:
                    continue
                theirs = mmdb.fields(reader.get(text))[0]
                assert (geo.lookup(text).country_code or "") == theirs, (number, text)


def small_file(path):
    from geodata import geo_data, whole

    from atlas_fast.bench.mmdb import write

    write(path, geo_data(whole({0x08080800: 1, 0x08080900: None}), whole({0x20010DB8 << 96: 0})))


def test_a_damaged_file_is_refused_or_read(tmp_path):
    path, wrong = tmp_path / "small.mmdb", tmp_path / "wrong.mmdb"
    small_file(path)
    raw = path.read_bytes()
    assert mmdb.read(str(path)).has_asn
    chosen, refused = random.Random(1), 0
    changed = [raw[:stop] for stop in range(0, len(raw), 61)]
    for _ in range(300):
        one = bytearray(raw)
        one[chosen.randrange(len(raw))] ^= 1 << chosen.randrange(8)
        changed.append(bytes(one))
    for data in changed:
        wrong.write_bytes(data)
        try:
            mmdb.find(wrong)
            mmdb.read(str(wrong))
        except ReferenceDataError as error:
            assert str(wrong) in str(error)
            refused += 1
    assert refused > len(raw) // 61 - 2


def test_named_files_that_are_none(tmp_path):
    for path in (tmp_path / "absent.mmdb", tmp_path):
        with pytest.raises(ReferenceDataError, match=str(path)):
            build(tmp_path / "reference", named={"mmdb": [path]})


MEASURE = """
import sys
from pathlib import Path
import numpy as np
from atlas_fast.geo import Geo
from atlas_fast.reference.open import open_reference
def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
import lmdb, orjson, hashlib
probe = np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)
ids = np.empty(len(probe), np.int32)
from atlas_fast._kernels.geo import GeoTable, locate_ipv4
before = private()
table = GeoTable(open_reference(Path(sys.argv[1])).table(b"geo"))
locate_ipv4(table, probe, ids)
print(private() - before, flush=True)
input()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_second_process_shares_the_pages(built):
    """Kilobytes of private memory for opening and for a look-up in every /16."""
    children, grown = [], []
    try:
        for _ in range(2):
            children.append(subprocess.Popen(
                [sys.executable, "-c", MEASURE, str(built[0] / "package")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            ))  # fmt: skip
            grown.append(int(children[-1].stdout.readline()))
    finally:
        for child in children:
            child.communicate("\n", timeout=60)
    assert grown[1] < 2048, grown
