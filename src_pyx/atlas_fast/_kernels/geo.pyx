"""Addresses to records of geography: ranges of IPv4 and IPv6, searched in place.

(a) find_ipv4, find_ipv6, find_text: one address, never fail; the answer is the number of a record,
    UNKNOWN where the table has none, NO_ADDRESS for text that is no address.
(b) locate_*: a door for each form in which many addresses come. They work in blocks: the parts of
    the table that the addresses of a block need are fetched together, so that the waiting for
    memory overlaps. gather: columns of records.
(c) GeoTable: a Table whose parts were checked against each other, so that no search leaves it.

IPv4: the upper 16 bits choose the ranges of their /16, of which each has the low half of its first
address; a search without branches finds the last that is not above the address. IPv6 the same with
buckets of a /20 below 2000::/3 and upper halves. An IPv4-mapped address is looked up as IPv4, and
one in a prefix that the source treats alike (6to4, Teredo, IPv4-compatible) as well. The form of
the payload is in atlas_fast/reference/geodata/payload.py.
"""
from cpython.ref cimport PyObject, Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from libc.string cimport memcpy

from atlas_fast._kernels.blocks cimport prefetch
from atlas_fast._kernels.ip cimport parse_ipv4, parse_ipv6
from atlas_fast._kernels.tables cimport Table
from atlas_fast._kernels.types cimport (
    int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
)

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        object (*tp_alloc)(PyTypeObject* form, Py_ssize_t n)
    bint PyType_IsSubtype(PyTypeObject* form, PyTypeObject* base)
    PyTypeObject PyTuple_Type
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size)
    void PyErr_Clear()

cdef enum:
    BLOCK = 64              # addresses that are searched together
    AHEAD = 12              # items of a list that are fetched before they are read
    BUCKETS4 = 1 << 16
    BUCKETS6 = (1 << 17) + 2
    NONE = -1
    INVALID = -2
    UNSET = -3
    AS_6TO4 = 1
    AS_TEREDO = 2
    AS_COMPATIBLE = 4

UNKNOWN = NONE
NO_ADDRESS = INVALID


cdef inline uint64_t _big_endian(const uint8_t* p) noexcept nogil:
    return (
        <uint64_t> p[0] << 56 | <uint64_t> p[1] << 48 | <uint64_t> p[2] << 40
        | <uint64_t> p[3] << 32 | <uint64_t> p[4] << 24 | <uint64_t> p[5] << 16
        | <uint64_t> p[6] << 8 | <uint64_t> p[7]
    )


cdef inline uint32_t _quad(const uint8_t* p) noexcept nogil:
    return <uint32_t> p[0] << 24 | <uint32_t> p[1] << 16 | <uint32_t> p[2] << 8 | <uint32_t> p[3]


cdef inline Py_ssize_t _last_low(
    const uint16_t* low, Py_ssize_t at, Py_ssize_t n, uint16_t key,
) noexcept nogil:
    """The last of low[at:at + n] that is not above the key; `at` when all are."""
    cdef Py_ssize_t half
    while n > 1:
        half = n >> 1
        at += half if low[at + half] <= key else 0
        n -= half
    return at


cdef inline Py_ssize_t _last_hi(
    const uint64_t* hi, Py_ssize_t at, Py_ssize_t n, uint64_t key,
) noexcept nogil:
    cdef Py_ssize_t half
    while n > 1:
        half = n >> 1
        at += half if hi[at + half] <= key else 0
        n -= half
    return at


cdef inline Py_ssize_t _before_low(
    GeoTable table, Py_ssize_t at, uint64_t hi, uint64_t lo,
) noexcept nogil:
    """From the last range that begins at `hi`: back to the last that begins at or before (hi, lo)."""
    cdef Py_ssize_t first = 0, middle
    # All ranges at `hi` before `at` are sorted by their lower half; so are those before them.
    while first < at:
        middle = (first + at) >> 1
        if table.hi6[middle] < hi or (table.hi6[middle] == hi and table.lo6[middle] <= lo):
            first = middle + 1
        else:
            at = middle
    return at - 1 if at > 0 else 0


cdef inline Py_ssize_t _bucket(uint64_t hi) noexcept nogil:
    if hi >> 61 == 1:
        return 1 + <Py_ssize_t> (hi >> 44 & 0x1FFFF)
    return 0 if hi < <uint64_t> 1 << 61 else BUCKETS6 - 1


cdef inline bint _embedded(
    GeoTable table, uint64_t hi, uint64_t lo, uint32_t* address,
) noexcept nogil:
    """Whether an IPv6 address stands for the IPv4 address that is in it."""
    if hi == 0:
        address[0] = <uint32_t> lo
        return lo >> 32 == 0xFFFF or (lo >> 32 == 0 and table.aliases & AS_COMPATIBLE)
    if hi >> 48 == 0x2002 and table.aliases & AS_6TO4:
        address[0] = <uint32_t> (hi >> 16)
        return True
    if hi >> 32 == 0x20010000 and table.aliases & AS_TEREDO:
        address[0] = <uint32_t> hi
        return True
    return False


cdef inline int32_t _record(GeoTable table, int32_t number) noexcept nogil:
    """The number, or NONE where a damaged table has one past its records."""
    return number if <uint32_t> number < <uint32_t> table.n_records else NONE


cdef inline Py_ssize_t _ranges(
    const uint32_t* index, Py_ssize_t bucket, Py_ssize_t total, Py_ssize_t more, Py_ssize_t* first,
) noexcept nogil:
    """How many ranges a bucket has, and its first: inside the table even where the mapped index was
    damaged after it had been checked."""
    cdef Py_ssize_t at = index[bucket], stop = <Py_ssize_t> index[bucket + 1] + more
    first[0] = at if at < total else total - 1
    stop = stop if stop < total else total
    return stop - first[0]


cdef int32_t find_ipv4(GeoTable table, uint32_t address) noexcept nogil:
    """Record of an IPv4 address."""
    cdef Py_ssize_t at
    cdef Py_ssize_t n = _ranges(table.index4, address >> 16, table.n4, 0, &at)
    return _record(table, table.id4[_last_low(table.low4, at, n, <uint16_t> address)])


cdef int32_t find_ipv6(GeoTable table, uint64_t hi, uint64_t lo) noexcept nogil:
    """Record of an IPv6 address, given by its halves."""
    cdef uint32_t address = 0
    cdef Py_ssize_t at, n
    if _embedded(table, hi, lo, &address):
        return find_ipv4(table, address)
    n = _ranges(table.index6, _bucket(hi), table.n6, 1, &at)
    at = _last_hi(table.hi6, at, n, hi)
    if table.lo6 != NULL and table.hi6[at] == hi and table.lo6[at] > lo:
        at = _before_low(table, at, hi, lo)
    return _record(table, table.id6[at])


cdef int32_t find_text(
    GeoTable table, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """Record of the address that [start, stop) is the text of."""
    cdef uint8_t packed[16]
    if parse_ipv4(buf, start, stop, packed):
        return find_ipv4(table, _quad(packed))
    if parse_ipv6(buf, start, stop, packed):
        return find_ipv6(table, _big_endian(packed), _big_endian(packed + 8))
    return INVALID


cdef void _find_block4(
    GeoTable table, const uint32_t* addresses, Py_ssize_t n, int32_t* ids,      # OUT  n
) noexcept nogil:
    """At most BLOCK addresses: one step for all of them before the next step."""
    cdef Py_ssize_t at[BLOCK]
    cdef Py_ssize_t size[BLOCK]
    cdef Py_ssize_t i
    for i in range(n):
        size[i] = _ranges(table.index4, addresses[i] >> 16, table.n4, 0, &at[i])
        prefetch(table.low4 + at[i] + (size[i] >> 1))
    for i in range(n):
        at[i] = _last_low(table.low4, at[i], size[i], <uint16_t> addresses[i])
        prefetch(table.id4 + at[i])
    for i in range(n):
        ids[i] = _record(table, table.id4[at[i]])


cdef void _find_block6(
    GeoTable table, const uint64_t* hi, const uint64_t* lo, Py_ssize_t n, int32_t* ids,     # OUT
) noexcept nogil:
    """The same for IPv6."""
    cdef Py_ssize_t at[BLOCK]
    cdef Py_ssize_t size[BLOCK]
    cdef Py_ssize_t i
    cdef uint32_t address = 0
    for i in range(n):
        prefetch(table.index6 + _bucket(hi[i]))
    for i in range(n):
        size[i] = _ranges(table.index6, _bucket(hi[i]), table.n6, 1, &at[i])
        prefetch(table.hi6 + at[i] + (size[i] >> 1))
    for i in range(n):
        at[i] = _last_hi(table.hi6, at[i], size[i], hi[i])
        prefetch(table.id6 + at[i])
        if table.lo6 != NULL:
            prefetch(table.lo6 + at[i])
    for i in range(n):
        if _embedded(table, hi[i], lo[i], &address):
            ids[i] = find_ipv4(table, address)
            continue
        if table.lo6 != NULL and table.hi6[at[i]] == hi[i] and table.lo6[at[i]] > lo[i]:
            at[i] = _before_low(table, at[i], hi[i], lo[i])
        ids[i] = _record(table, table.id6[at[i]])


cdef struct Texts:
    # The addresses of a block that came as text, by family, and which of the block each one is.
    int n4
    int n6
    int n_bad
    uint32_t ipv4[BLOCK]
    uint64_t hi[BLOCK]
    uint64_t lo[BLOCK]
    uint8_t place4[BLOCK]
    uint8_t place6[BLOCK]
    uint8_t bad[BLOCK]


cdef inline void _texts_begin(Texts* texts) noexcept nogil:
    texts.n4 = texts.n6 = texts.n_bad = 0


cdef inline void _texts_ipv4(Texts* texts, Py_ssize_t place, uint32_t address) noexcept nogil:
    texts.ipv4[texts.n4] = address
    texts.place4[texts.n4] = <uint8_t> place
    texts.n4 += 1


cdef inline void _texts_ipv6(
    Texts* texts, Py_ssize_t place, uint64_t hi, uint64_t lo,
) noexcept nogil:
    texts.hi[texts.n6] = hi
    texts.lo[texts.n6] = lo
    texts.place6[texts.n6] = <uint8_t> place
    texts.n6 += 1


cdef void _texts_add(
    Texts* texts, Py_ssize_t place, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """The text [start, stop) as number `place` of the block."""
    cdef uint8_t packed[16]
    if parse_ipv4(buf, start, stop, packed):
        _texts_ipv4(texts, place, _quad(packed))
    elif parse_ipv6(buf, start, stop, packed):
        _texts_ipv6(texts, place, _big_endian(packed), _big_endian(packed + 8))
    else:
        texts.bad[texts.n_bad] = <uint8_t> place
        texts.n_bad += 1


cdef int _texts_add_item(Texts* texts, Py_ssize_t place, item) except -1:
    """A Python object as number `place` of the block. TypeError for one of another type."""
    cdef const char* text = b""
    cdef Py_ssize_t size = 0
    cdef bytes packed
    if isinstance(item, str):
        text = PyUnicode_AsUTF8AndSize(item, &size)
        if text == NULL:            # a lone surrogate, which no address has
            PyErr_Clear()
            text, size = b"", 0
        _texts_add(texts, place, <const uint8_t*> text, 0, size)
        return 0
    if isinstance(item, bytes):
        text = <const char*> <bytes> item
        _texts_add(texts, place, <const uint8_t*> text, 0, len(<bytes> item))
        return 0
    if hasattr(item, "packed"):
        packed = item.packed
    elif hasattr(item, "__index__") and not isinstance(item, bool):
        item = item.__index__()
        if not 0 <= item < 1 << 128:
            texts.bad[texts.n_bad] = <uint8_t> place
            texts.n_bad += 1
            return 0
        packed = item.to_bytes(4 if item < 1 << 32 else 16, "big")
    else:
        raise TypeError(f"an address is str, bytes, int or of ipaddress, not {type(item).__name__}")
    text = <const char*> packed
    if len(packed) == 4:
        _texts_ipv4(texts, place, _quad(<const uint8_t*> text))
    elif len(packed) == 16:
        _texts_ipv6(
            texts, place, _big_endian(<const uint8_t*> text), _big_endian(<const uint8_t*> text + 8)
        )
    else:
        raise TypeError("an address is of 4 or 16 bytes")
    return 0


cdef void _texts_find(GeoTable table, Texts* texts, int32_t* ids) noexcept nogil:    # OUT  ids
    """The records of the block."""
    cdef int32_t found[BLOCK]
    cdef int i
    _find_block4(table, texts.ipv4, texts.n4, found)
    for i in range(texts.n4):
        ids[texts.place4[i]] = found[i]
    if texts.n6:
        _find_block6(table, texts.hi, texts.lo, texts.n6, found)
        for i in range(texts.n6):
            ids[texts.place6[i]] = found[i]
    for i in range(texts.n_bad):
        ids[texts.bad[i]] = INVALID


cdef class GeoTable:
    """`GeoTable(table)`: the parts of a table of kind `geo`. ValueError when they do not fit."""

    def __cinit__(self, Table table not None):
        self.table = table
        self._check()

    cdef int _check(self) except -1:
        cdef const uint8_t* payload = self.table.payload
        cdef Py_ssize_t i, n4, n6, at = 64
        cdef uint64_t head[8]
        cdef Py_ssize_t starts[13]
        cdef Py_ssize_t sizes[13]
        if self.table.size < 64:
            raise ValueError("shorter than its head")
        memcpy(head, payload, 64)
        for i in range(7):
            if head[i] > <uint64_t> self.table.size:
                raise ValueError("a count is larger than the table")
        n4, n6 = <Py_ssize_t> head[0], <Py_ssize_t> head[1]
        self.n4, self.n6 = n4, n6
        self.n_records = <Py_ssize_t> head[3]
        self.n_organisations = <Py_ssize_t> head[4]
        self.n_text = <Py_ssize_t> head[5]
        self.aliases = <int> head[6]
        sizes = [
            4 * (BUCKETS4 + 1), 2 * n4, 4 * n4,
            4 * (BUCKETS6 + 1), 8 * n6, 8 * n6 if head[2] else 0, 4 * n6,
            2 * self.n_records, 4 * self.n_records, 4 * self.n_records,
            4 * (self.n_organisations + 1), self.n_text, 0,
        ]
        for i in range(12):
            starts[i] = at
            at += (sizes[i] + 63) & ~63
        if at != self.table.size or n4 < BUCKETS4 or n6 < 1:
            raise ValueError(f"its parts have {at} bytes, not {self.table.size}")
        self.index4 = <const uint32_t*> (payload + starts[0])
        self.low4 = <const uint16_t*> (payload + starts[1])
        self.id4 = <const int32_t*> (payload + starts[2])
        self.index6 = <const uint32_t*> (payload + starts[3])
        self.hi6 = <const uint64_t*> (payload + starts[4])
        self.lo6 = <const uint64_t*> (payload + starts[5]) if head[2] else NULL
        self.id6 = <const int32_t*> (payload + starts[6])
        self.countries = <const uint16_t*> (payload + starts[7])
        self.asns = <const uint32_t*> (payload + starts[8])
        self.organisations = <const uint32_t*> (payload + starts[9])
        self.names = <const uint32_t*> (payload + starts[10])
        self.text = payload + starts[11]
        cdef uint32_t bad = self.index4[0] != 0
        for i in range(BUCKETS4):
            bad |= self.index4[i] >= self.index4[i + 1]
        bad |= self.index4[BUCKETS4] != <uint32_t> n4
        for i in range(BUCKETS6):
            bad |= self.index6[i] > self.index6[i + 1]
        bad |= self.index6[BUCKETS6] != <uint32_t> (n6 - 1)
        if bad:
            raise ValueError("its index is not in order")
        return 0


def locate_ipv4(
    GeoTable table not None, const uint32_t[::1] addresses not None,
    int32_t[::1] ids not None,      # OUT
):
    """Record numbers of IPv4 addresses as integers. ValueError when the shapes differ."""
    cdef Py_ssize_t n = addresses.shape[0], i
    if ids.shape[0] != n:
        raise ValueError("one id for each address")
    with nogil:
        i = 0
        while i < n:
            _find_block4(table, &addresses[i], min(BLOCK, n - i), &ids[i])
            i += BLOCK


def locate_ipv6(
    GeoTable table not None, const uint8_t[:, ::1] addresses not None,      # (n, 16)
    int32_t[::1] ids not None,      # OUT
):
    """Record numbers of IPv6 addresses, 16 bytes each. ValueError when the shapes differ."""
    cdef Py_ssize_t n = addresses.shape[0], i, j, size
    cdef uint64_t hi[BLOCK]
    cdef uint64_t lo[BLOCK]
    if ids.shape[0] != n or addresses.shape[1] != 16:
        raise ValueError("16 bytes and one id for each address")
    with nogil:
        i = 0
        while i < n:
            size = min(BLOCK, n - i)
            for j in range(size):
                hi[j] = _big_endian(&addresses[i + j, 0])
                lo[j] = _big_endian(&addresses[i + j, 8])
            _find_block6(table, hi, lo, size, &ids[i])
            i += BLOCK


def locate_text(
    GeoTable table not None, const uint8_t[::1] data not None, const int64_t[::1] offsets not None,
    int32_t[::1] ids not None,      # OUT
):
    """Record numbers of the addresses whose texts are data[offsets[i]:offsets[i + 1]].

    ValueError when the shapes differ or the offsets leave the data.
    """
    cdef Py_ssize_t n = ids.shape[0], i, j, size
    cdef bint bad
    cdef const uint8_t* buf
    cdef Texts texts
    if offsets.shape[0] != n + 1:
        raise ValueError("one id for each text")
    with nogil:
        bad = offsets[0] < 0 or offsets[n] > data.shape[0]
        for i in range(n):
            bad |= offsets[i] > offsets[i + 1]
    if bad:
        raise ValueError("offsets leave the data")
    buf = &data[0] if data.shape[0] else NULL
    with nogil:
        i = 0
        while i < n:
            size = min(BLOCK, n - i)
            _texts_begin(&texts)
            for j in range(size):
                _texts_add(&texts, j, buf, offsets[i + j], offsets[i + j + 1])
            _texts_find(table, &texts, &ids[i])
            i += BLOCK


def locate_items(
    GeoTable table not None, list items not None,
    int32_t[::1] ids not None,      # OUT
):
    """Record numbers of a list of str or bytes (text), ipaddress objects, or integers.

    Integers below 2**32 are IPv4, others IPv6. ValueError when the shapes differ, TypeError for an
    item of another type. The GIL is held: the items are Python's.
    """
    cdef Py_ssize_t n = len(items), i, j, size
    cdef Texts texts
    if ids.shape[0] != n:
        raise ValueError("one id for each address")
    i = 0
    while i < n:
        size = min(BLOCK, n - i)
        _texts_begin(&texts)
        for j in range(size):
            if i + j + AHEAD < n:
                prefetch(<const void*> <PyObject*> items[i + j + AHEAD])
            _texts_add_item(&texts, j, items[i + j])
        _texts_find(table, &texts, &ids[i])
        i += BLOCK


cdef int32_t _locate_str(GeoTable table, str item) except? UNSET:
    cdef Py_ssize_t size = 0
    cdef const char* text = PyUnicode_AsUTF8AndSize(item, &size)
    if text == NULL:
        PyErr_Clear()
        return INVALID
    return find_text(table, <const uint8_t*> text, 0, size)


def locate(GeoTable table not None, item) -> int:
    """Record number of one address in any form that `locate_items` takes."""
    cdef Texts texts
    cdef int32_t found = INVALID
    if type(item) is str:
        return _locate_str(table, item)
    _texts_begin(&texts)
    _texts_add_item(&texts, 0, item)
    _texts_find(table, &texts, &found)
    return found


def kept_record(
    GeoTable table not None, item, dict kept not None, type form not None,
):
    """form(item, *kept[number of its record]) for text; None where `kept` has nothing of it.

    `form` is a named tuple; it is made without a call of Python's. TypeError when it is no tuple.
    """
    cdef tuple rest
    cdef object found, out, part
    cdef Py_ssize_t i, n
    if type(item) is not str:
        return None
    if not PyType_IsSubtype(<PyTypeObject*> form, &PyTuple_Type):
        raise TypeError("the form is no tuple")
    found = kept.get(_locate_str(table, item))
    if found is None:
        return None
    rest = <tuple?> found
    n = len(rest)
    out = (<PyTypeObject*> form).tp_alloc(<PyTypeObject*> form, n + 1)
    Py_INCREF(item)
    PyTuple_SET_ITEM(out, 0, item)
    for i in range(n):
        part = rest[i]
        Py_INCREF(part)
        PyTuple_SET_ITEM(out, i + 1, part)
    return out


def gather(
    GeoTable table not None, const int32_t[::1] ids not None,
    uint16_t[::1] country not None,         # OUT  two ASCII letters, the first in the low byte
    uint32_t[::1] asn not None,             # OUT
    int32_t[::1] organisation not None,     # OUT
):
    """Columns of records; 0 for an id that is no record's. ValueError when the shapes differ."""
    cdef Py_ssize_t n = ids.shape[0], i
    cdef uint32_t id, of
    if country.shape[0] != n or asn.shape[0] != n or organisation.shape[0] != n:
        raise ValueError("one entry of each column for each id")
    with nogil:
        for i in range(n):
            id = <uint32_t> ids[i]
            if id < <uint32_t> table.n_records:
                of = table.organisations[id]
                country[i] = table.countries[id]
                asn[i] = table.asns[id]
                organisation[i] = <int32_t> of if of < <uint32_t> table.n_organisations else 0
            else:
                country[i] = 0
                asn[i] = 0
                organisation[i] = 0


def record(GeoTable table not None, int32_t number) -> tuple[int, int, int]:
    """(country, asn, organisation) as `gather` has them."""
    cdef uint32_t of
    if <uint32_t> number >= <uint32_t> table.n_records:
        return 0, 0, 0
    of = table.organisations[number]
    return (
        table.countries[number], table.asns[number],
        of if of < <uint32_t> table.n_organisations else 0,
    )


def organisation_name(GeoTable table not None, Py_ssize_t number) -> str:
    """Name of an organisation. IndexError when there is none of that number."""
    cdef uint32_t start, stop
    if not 0 <= number < table.n_organisations:
        raise IndexError(number)
    start, stop = table.names[number], table.names[number + 1]
    if start > stop or stop > <uint32_t> table.n_text:
        return ""
    return table.text[start:stop].decode("utf-8", "replace")
