"""Geography against the readers of MMDB files, over one and the same set of ranges.

The reference data of the installed package is built in a folder of its own, and the same ranges
are written as an MMDB file for the peers. libmaxminddb is called from C by a driver that is
compiled on the spot, so that no Python is in its time.
"""

from __future__ import annotations

import ctypes
import ipaddress
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast.bench import mmdb
from atlas_fast.bench.paired import Contestant, Paired, compare
from atlas_fast.geo import Geo
from atlas_fast.reference.geodata.mmdb import fields

__all__ = ["ADDRESSES", "GeoMaterial", "comparisons", "corpus_addresses", "material"]

ADDRESSES = 1_000_000
SLOW = 50_000
"""Addresses that a peer which takes one at a time gets, evenly spaced."""

COUNTRY = ("country", "iso_code")
_ADDRESS = re.compile(rb"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_BLANK = re.compile(rb"\n\r?\n")

DRIVER = r"""
#include <maxminddb.h>
#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

int opened(const char *path, MMDB_s *db) { return MMDB_open(path, MMDB_MODE_MMAP, db); }
unsigned size_of(void) { return sizeof(MMDB_s); }

/* `full`: the country and the AS number as well, not only the place of the record. */
int64_t find(MMDB_s *db, const uint32_t *ips, int64_t n, int full,
             uint16_t *country, uint32_t *asn) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        struct sockaddr_in to;
        int error;
        memset(&to, 0, sizeof to);
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(ips[i]);
        MMDB_lookup_result_s got = MMDB_lookup_sockaddr(db, (struct sockaddr *) &to, &error);
        country[i] = 0;
        asn[i] = 0;
        if (error != MMDB_SUCCESS) return -1;
        if (!got.found_entry) continue;
        found++;
        if (full) {
            MMDB_entry_data_s data;
            if (MMDB_get_value(&got.entry, &data, "country", "iso_code", NULL) == MMDB_SUCCESS
                && data.has_data && data.data_size == 2) memcpy(&country[i], data.utf8_string, 2);
            if (MMDB_get_value(&got.entry, &data, "autonomous_system_number", NULL) == MMDB_SUCCESS
                && data.has_data) asn[i] = data.uint32;
        }
    }
    return found;
}
"""


@dataclass(slots=True)
class GeoMaterial:
    """The table, the same ranges as an MMDB file, and addresses."""

    geo: Geo
    path: Path
    scratch: Path
    starts6: np.ndarray  # uint64 (n, 2): ranges of IPv6 that have a record
    absent: list[str] = field(default_factory=list)


def material(scratch: Path) -> GeoMaterial:
    """Build both forms below `scratch`. ReferenceDataError where the data package is absent."""
    from atlas_fast.errors import ReferenceDataError
    from atlas_fast.reference.build import build
    from atlas_fast.reference.geodata import plevin, ranges
    from atlas_fast.reference.open import open_reference

    source = plevin.find()
    if source is None:
        raise ReferenceDataError(f"{plevin.PACKAGE} is not installed")
    folder, path = scratch / "reference", scratch / "same.mmdb"
    build(folder, named={})
    data = ranges.merge([plevin.read(source.path)])
    mmdb.write(path, data)
    known = data.ipv6.record >= 0
    starts = np.stack([data.ipv6.hi[known], data.ipv6.lo[known]], axis=1)
    return GeoMaterial(Geo(open_reference(folder)), path, scratch, starts)


def corpus_addresses(messages: Sequence[bytes], n: int = ADDRESSES) -> np.ndarray:
    """uint32: drawn from the IPv4 addresses in header sections, as often as they stand there."""
    found = []
    for raw in messages:
        for text in _ADDRESS.findall(_BLANK.split(raw, maxsplit=1)[0]):
            try:
                found.append(int(ipaddress.IPv4Address(text.decode())))
            except ValueError:
                continue
    chosen = np.random.default_rng(2)
    return chosen.choice(np.array(found or [0x7F000001], np.uint32), n)


def random_addresses(n: int = ADDRESSES) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 1 << 32, n, np.uint32)


def random_ipv6(data: GeoMaterial, n: int = ADDRESSES) -> np.ndarray:
    """uint8 (n, 16): an address near the start of a range that has a record."""
    chosen = np.random.default_rng(3)
    pairs = data.starts6[chosen.integers(0, len(data.starts6), n)].copy()
    pairs[:, 0] |= chosen.integers(0, 1 << 16, n, np.uint64)
    pairs[:, 1] ^= chosen.integers(0, 1 << 64, n, np.uint64)
    return pairs.astype(">u8").view(np.uint8).reshape(n, 16)


def texts_of(ipv4: np.ndarray) -> list[str]:
    a, b, c, d = (ipv4 >> shift & 255 for shift in (24, 16, 8, 0))
    rows = zip(a.tolist(), b.tolist(), c.tolist(), d.tolist(), strict=True)
    return [f"{w}.{x}.{y}.{z}" for w, x, y, z in rows]


def texts_of_ipv6(packed: np.ndarray) -> list[str]:
    raw = packed.tobytes()
    return [str(ipaddress.IPv6Address(raw[i : i + 16])) for i in range(0, len(raw), 16)]


def _driver(data: GeoMaterial) -> Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray]] | str:
    """A call into libmaxminddb, or why there is none."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "libmaxminddb: no C compiler"
    source, shared = data.scratch / "driver.c", data.scratch / "driver.so"
    source.write_text(DRIVER)
    command = [compiler, "-O3", "-shared", "-fPIC", str(source), "-o", str(shared), "-lmaxminddb"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return "libmaxminddb: its headers are not installed (Debian: libmaxminddb-dev)"
    library = ctypes.CDLL(str(shared))
    library.find.restype = ctypes.c_int64
    base = ctypes.create_string_buffer(library.size_of())
    if library.opened(str(data.path).encode(), base):
        return "libmaxminddb: cannot open the file"

    def call(ips: np.ndarray, full: bool) -> tuple[np.ndarray, np.ndarray]:
        country, asn = np.empty(len(ips), np.uint16), np.empty(len(ips), np.uint32)
        found = library.find(
            base, ctypes.c_void_p(ips.ctypes.data), ctypes.c_int64(len(ips)), int(full),
            ctypes.c_void_p(country.ctypes.data), ctypes.c_void_p(asn.ctypes.data),
        )  # fmt: skip
        if found < 0:
            raise RuntimeError("libmaxminddb: lookup failed")
        return country, asn

    return call


class _Peers:
    def __init__(self, data: GeoMaterial):
        self.c_reader: Any = None
        self.rust: Any = None
        self.driver: Any = None
        if find_spec("maxminddb") and find_spec("maxminddb.extension"):
            import maxminddb

            self.c_reader = maxminddb.open_database(str(data.path), maxminddb.MODE_MMAP_EXT)
        else:
            data.absent.append("maxminddb with its C extension")
        if find_spec("maxminddb_rust"):
            import maxminddb_rust

            self.rust = maxminddb_rust.open_database(str(data.path))
        else:
            data.absent.append("maxminddb-rust")
        driver = _driver(data)
        if isinstance(driver, str):
            data.absent.append(driver)
        else:
            self.driver = driver

    def extension(self, texts: Sequence[str]) -> Contestant:
        some = texts[:: max(1, len(texts) // SLOW)]
        get = self.c_reader.get
        return Contestant(
            "maxminddb, C extension", lambda: [get(text) for text in some], len(some),
            "get(str) of every k-th address, in a list; the record as a dict",
        )  # fmt: skip

    def many(self, texts: list[str]) -> Contestant:
        return Contestant(
            "maxminddb-rust", lambda: self.rust.get_many_path(texts, COUNTRY), len(texts),
            "get_many_path of the country of every address",
        )  # fmt: skip


def comparisons(
    data: GeoMaterial, messages: Sequence[bytes], rounds: int, n: int = ADDRESSES
) -> list[Paired]:
    """All of them: both kinds of addresses in each form, IPv6, and one call an address."""
    peers = _Peers(data)
    out = []
    kinds = (("random", random_addresses(n)), ("of mail", corpus_addresses(messages, n)))
    for kind, ipv4 in kinds:
        out += _ipv4(data, peers, kind, ipv4, rounds)
    packed = random_ipv6(data, n)
    texts = texts_of_ipv6(packed)
    sides = [_ours("array of uint8 (n, 16)", lambda: data.geo.lookup_many(packed), n)]
    sides += [peers.extension(texts)] if peers.c_reader else []
    out.append(_compare(data, "geo, IPv6, integers", sides, texts, rounds))
    return out


def _ipv4(
    data: GeoMaterial, peers: _Peers, kind: str, ipv4: np.ndarray, rounds: int
) -> list[Paired]:
    geo, n, texts = data.geo, len(ipv4), texts_of(ipv4)
    column = np.frombuffer("".join(texts).encode(), np.uint8)
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    extension = [peers.extension(texts)] if peers.c_reader else []
    rust = [peers.many(texts)] if peers.rust else []
    driver = []
    if peers.driver:
        driver.append(
            Contestant(
                "libmaxminddb, from C", lambda: peers.driver(ipv4, True), n,
                "MMDB_lookup_sockaddr, and MMDB_get_value of country and AS number",
            )
        )  # fmt: skip
    groups = [
        ("integers", _ours("array of uint32", lambda: geo.lookup_many(ipv4), n),
         [*extension, *driver, *rust]),
        ("text spans", _ours("column of text",
                             lambda: geo.records(geo.locate_text(column, offsets)), n), extension),
        ("list of str", _ours("list of str", lambda: geo.lookup_many(texts), n),
         [*extension, *rust]),
    ]  # fmt: skip
    out = [
        _compare(data, f"geo, {kind}, {form}", [ours, *theirs], texts, rounds)
        for form, ours, theirs in groups
    ]
    if peers.driver:
        numbers = Contestant(
            "atlas_fast, record numbers", lambda: geo.locate_many(ipv4), n, "without their columns"
        )
        bare = Contestant(
            "libmaxminddb, place only", lambda: peers.driver(ipv4, False), n,
            "MMDB_lookup_sockaddr; nothing of the record is read",
        )  # fmt: skip
        out.append(compare(f"geo, {kind}, integers, place only", [numbers, bare], rounds=rounds))
    if extension:
        out.append(_one_call(data, kind, extension[0], texts, rounds))
    return out


def _one_call(
    data: GeoMaterial, kind: str, extension: Contestant, texts: list[str], rounds: int
) -> Paired:
    some, lookup = texts[:: max(1, len(texts) // SLOW)], data.geo.lookup
    ours = Contestant(
        "atlas_fast, lookup", lambda: [lookup(text) for text in some], len(some),
        "one GeoRecord a call: country, its name, AS number, organisation, risk",
    )  # fmt: skip

    def check(answers: dict[str, Any]) -> None:
        pairs = zip(answers[ours.name], answers[extension.name], strict=True)
        for mine, theirs in pairs:
            own = (mine.country_code or "", mine.asn or 0, mine.organisation or "")
            assert own == fields(theirs), (mine, theirs)

    return compare(f"geo, {kind}, one call an address", [ours, extension], rounds=rounds,
                   check=check)  # fmt: skip


def _ours(form: str, call: Callable[[], np.ndarray], n: int) -> Contestant:
    return Contestant(
        f"atlas_fast, {form}", call, n,
        "record, country, AS number, organisation and risk of each, outputs allocated",
    )  # fmt: skip


def _compare(
    data: GeoMaterial, group: str, sides: list[Contestant], texts: list[str], rounds: int
) -> Paired:
    """Answers are held against each other address by address before the clock starts."""

    def check(answers: dict[str, Any]) -> None:
        mine = answers[sides[0].name]
        names = data.geo.organisations(range(data.geo.table.n_organisations))
        if "maxminddb, C extension" in answers:
            step = max(1, len(texts) // SLOW)
            rows = mine[::step]
            own = zip(rows["country"].tolist(), rows["asn"].tolist(),
                      rows["organisation"].tolist(), strict=True)  # fmt: skip
            records = answers["maxminddb, C extension"]
            for (country, asn, organisation), record in zip(own, records, strict=True):
                assert (country.decode(), asn, names[organisation]) == fields(record), record
        if "libmaxminddb, from C" in answers:
            country, asn = answers["libmaxminddb, from C"]
            assert (mine["country"] == country.view("S2")).all() and (mine["asn"] == asn).all()
        if "maxminddb-rust" in answers:
            codes = [country.decode() or None for country in mine["country"].tolist()]
            assert codes == answers["maxminddb-rust"]

    return compare(group, sides, rounds=rounds, check=check)
