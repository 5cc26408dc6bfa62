"""Small geographies for tests: the table and its plain twin."""

import numpy as np
from oracles.geo import Ranges

from atlas_fast._kernels.geo import GeoTable
from atlas_fast._kernels.tables import Table, pack
from atlas_fast.reference.geodata.payload import encode
from atlas_fast.reference.geodata.ranges import (
    ALIAS_6TO4,
    ALIAS_COMPATIBLE,
    ALIAS_TEREDO,
    Family,
    GeoData,
)

N_RECORDS = 6
COUNTRIES = ["DE", "US", "", "KR", "CN", "ZZ"]
ASNS = [64496, 4200000000, 0, 1, 64511, 0]
NAMES = ["", "Größe GmbH", "Example, Inc.", "이름"]
HOLDERS = [1, 2, 0, 3, 2, 0]


def letters(code: str) -> int:
    return int.from_bytes(code.encode(), "little")


def family(ranges) -> Family:
    rows = sorted(ranges)
    return Family(
        np.array([start >> 64 for start, _ in rows], np.uint64),
        np.array([start & (1 << 64) - 1 for start, _ in rows], np.uint64),
        np.array([-1 if record is None else record for _, record in rows], np.int64),
    )


def geo_data(ipv4, ipv6, aliases=0) -> GeoData:
    return GeoData(
        family(ipv4), family(ipv6), np.array([letters(c) for c in COUNTRIES], np.uint16),
        np.array(ASNS, np.uint32), np.array(HOLDERS, np.int64), NAMES, aliases=aliases,
    )  # fmt: skip


def whole(ranges: dict) -> list:
    """Ranges that begin at 0."""
    return sorted(({0: None} | ranges).items())


def both(ipv4: dict, ipv6: dict, aliases: int = 0) -> tuple[GeoTable, Ranges]:
    """The table and its twin."""
    four, six = whole(ipv4), whole(ipv6)
    count, payload = encode(geo_data(four, six, aliases))
    table = GeoTable(Table.of_copy(pack(b"geo", 1, count, payload), b"geo", 1))
    twin = Ranges(
        four, six, bool(aliases & ALIAS_6TO4), bool(aliases & ALIAS_TEREDO),
        bool(aliases & ALIAS_COMPATIBLE),
    )  # fmt: skip
    return table, twin
