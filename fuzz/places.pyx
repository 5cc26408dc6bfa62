"""Fuzz targets about reference data: the value of a table, and geography in a small or a damaged one."""
from libc.stdint cimport int32_t, uint8_t, uintptr_t
from libc.stdlib cimport abort

import numpy as np

from atlas_fast._kernels.geo cimport GeoTable, find_text
from inputs cimport run

from atlas_fast._kernels import geo
from atlas_fast._kernels.tables import Table, pack
from atlas_fast.reference.geodata.payload import encode
from atlas_fast.reference.geodata.ranges import Family, GeoData

cdef const char* TABLES_TOKENS = (
    b"ATFT\001\x01\001\x02\001geo\001\xff\xff\xff\xff\xff\xff\xff\xff\001\x10\001\x30\001payload\001"
    b"\x80\001\x7f\001ATFT\x03"
)
cdef const char* GEO_TOKENS = (
    b"8.8.8.8\0010\001255\001256\001.\001:\001::\001ffff:\001::ffff:\0012001:db8::\0012002:808:808::\001"
    b"%\001x\001\xd9\xa8\001-\0011\00100\001\xff\001 "
)


def _family(rows):
    starts, records = zip(*sorted(rows))
    return Family(
        np.array([start >> 64 for start in starts], np.uint64),
        np.array([start & (1 << 64) - 1 for start in starts], np.uint64),
        np.array(records, np.int64),
    )


COUNT, PAYLOAD = encode(GeoData(
    _family([(0, -1), (0x08080800, 1), (0x08080900, -1), (0xFFFFFFFF, 2)]),
    _family([(0, -1), (0x20010DB8 << 96, 0), ((0x2A00 << 112) + 5, 2), ((1 << 128) - 1, 1)]),
    np.array([0x4544, 0x5355, 0], np.uint16), np.array([64496, 0, 1], np.uint32),
    np.array([1, 0, 1], np.int64), ["", "Example"], aliases=7,
))
cdef GeoTable SMALL = geo.GeoTable(Table.of_copy(pack(b"geo", 1, COUNT, PAYLOAD), b"geo", 1))
PROBE4 = np.arange(1 << 10, dtype=np.uint32) << np.uint32(22)
PROBE6 = np.frombuffer(np.random.default_rng(1).bytes(16 * 256), np.uint8).reshape(-1, 16)


cdef void _tables(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Any value: refused, or the payload lies in it. As it is, and behind the right magic."""
    cdef bytes raw = buf[:size] if size else b""
    try:
        for value in (raw, b"ATFT\1\0\0\0geo\0\0\0\0\0" + raw):
            try:
                table = Table.of_copy(value, b"geo", 1)
            except ValueError:
                continue
            if not 0 <= table.count <= table.size <= len(value) - 48:
                abort()
            table.checksum()
            try:
                geo.GeoTable(table)
            except ValueError:
                pass
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _damaged(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Changes of four bytes each to the payload; then each search stays inside what is there."""
    cdef Py_ssize_t i
    try:
        raw = bytearray(PAYLOAD)
        for i in range(0, size - 3, 4):
            place = buf[i] if buf[i + 1] & 1 else (buf[i] << 16 | buf[i + 1] << 8 | buf[i + 2])
            raw[place % len(raw)] = buf[i + 3]
        try:
            table = geo.GeoTable(Table.of_copy(pack(b"geo", 1, 0, bytes(raw)), b"geo", 1))
        except ValueError:
            return
        ids = np.empty(len(PROBE4) + len(PROBE6), np.int32)
        geo.locate_ipv4(table, PROBE4, ids[:len(PROBE4)])
        geo.locate_ipv6(table, PROBE6, ids[len(PROBE4):])
        if ids.min() < -1 or ids.max() >= max(table.n_records, 1):
            abort()
        n = len(ids)
        columns = np.empty(n, np.uint16), np.empty(n, np.uint32), np.empty(n, np.int32)
        geo.gather(table, ids, *columns)
        for number in np.unique(columns[2]).tolist():
            if number < table.n_organisations:
                geo.organisation_name(table, number)
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _geo(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """The doors give what the C function gives, and for halves what they give for each alone."""
    cdef int32_t found
    if size and buf[0] == 0x44:             # "D": damage
        _damaged(buf + 1, size - 1)
        return
    found = find_text(SMALL, buf, 0, size)
    if not -2 <= found < 3:
        abort()
    try:
        raw = np.frombuffer(buf[:size], np.uint8) if size else np.empty(0, np.uint8)
        ids = np.empty(1, np.int32)
        geo.locate_text(SMALL, raw, np.array([0, size], np.int64), ids)
        halves = np.empty(2, np.int32)
        geo.locate_text(SMALL, raw, np.array([0, size // 2, size], np.int64), halves)
        alone = geo.locate(SMALL, bytes(raw)), geo.locate(SMALL, bytes(raw[:size // 2]))
        if (ids[0], halves[0]) != alone or ids[0] != found:
            abort()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void fuzz_tables(const uint8_t* data, size_t size) noexcept nogil:
    run(_tables, b"ATFTgeo\x01\x10\x30\x7f\x80\xff", TABLES_TOKENS, data, size)


cdef void fuzz_geo(const uint8_t* data, size_t size) noexcept nogil:
    run(_geo, b"0123456789abcdef:.%xD", GEO_TOKENS, data, size)


ADDRESSES = {
    "tables": <uintptr_t> &fuzz_tables,
    "geo": <uintptr_t> &fuzz_geo,
}
