"""Charset names to ids, and bytes of a charset to UTF-8.

(a) charset_id: a name as it stands in mail to an id; names and aliases are Python's codecs.
(b) utf8_append, single-byte tables, and Python's codecs for the multi-byte charsets of East Asia
    and for UTF-7, -16 and -32; the last take the GIL for one run of text, which is rare. A table is
    made of Python's codec when it is first needed: all codecs loaded are 2 MB.
(c) decode_charset, charset_number: the door for tests and the one-item faces.
Bytes that the charset does not have become U+FFFD, one for each maximal ill-formed part, as
Python's "replace" does (Unicode, 3.9). An unknown charset is read as UTF-8.
"""
from encodings.aliases import aliases

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcmp, memcpy, memset

from atlas_fast._kernels.arena cimport (
    Arena, arena_append, arena_free, arena_init, arena_push_codepoint,
)
from atlas_fast._kernels.ascii cimport lower
from atlas_fast._kernels.types cimport (
    CHARSET_BAD, CHARSET_UNKNOWN, int32_t, uint8_t, uint16_t, uint32_t,
)
from atlas_fast._kernels.wide cimport find_high

cdef extern from *:
    """
    /* A table is seen whole by whoever sees that it is there, with a GIL or without. */
    #define atlas_is_made(flag) __atomic_load_n(flag, __ATOMIC_ACQUIRE)
    #define atlas_made(flag) __atomic_store_n(flag, 1, __ATOMIC_RELEASE)
    """
    uint8_t is_made "atlas_is_made"(const uint8_t* flag) noexcept nogil
    void made "atlas_made"(uint8_t* flag) noexcept nogil

cdef enum:
    N_SLOTS = 2048          # power of two, at least twice the number of names
    NAME_SIZE = 24          # a longer name is none of ours
    MAX_SINGLE = 64
    CS_PYTHON = 128         # ids from here on are decoded by Python's codecs

SINGLE_BYTE = [
    "latin_1", "cp1252", "iso8859_2", "iso8859_3", "iso8859_4", "iso8859_5", "iso8859_6",
    "iso8859_7", "iso8859_8", "iso8859_9", "iso8859_10", "iso8859_11", "iso8859_13",
    "iso8859_14", "iso8859_15", "iso8859_16", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255",
    "cp1256", "cp1257", "cp1258", "koi8_r", "koi8_u", "koi8_t", "kz1048", "ptcp154", "tis_620",
    "cp437", "cp720", "cp737", "cp775", "cp850", "cp852", "cp855", "cp857", "cp858", "cp860",
    "cp861", "cp862", "cp863", "cp865", "cp866", "cp869", "cp874", "mac_roman",
    "mac_cyrillic", "mac_greek", "mac_latin2", "mac_turkish",
]
MULTI_BYTE = [                  # and cp864, whose 0x25 is no percent sign
    "cp864", "gb2312", "gbk", "gb18030", "hz", "big5", "big5hkscs", "cp950", "shift_jis", "cp932",
    "shift_jis_2004", "shift_jisx0213", "euc_jp", "euc_jis_2004", "euc_jisx0213", "iso2022_jp",
    "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_3", "iso2022_jp_ext",
    "euc_kr", "cp949", "iso2022_kr", "johab", "utf_7", "utf_16", "utf_16_be", "utf_16_le",
    "utf_32", "utf_32_be", "utf_32_le",
]
EXTRA_NAMES = {                 # met in mail, unknown to Python's alias table
    "utf8": "utf_8", "x-gbk": "gbk", "x-sjis": "shift_jis", "x-euc-jp": "euc_jp",
    "ks_c_5601-1987": "cp949", "x-windows-949": "cp949", "gb_2312-80": "gb2312",
    "unicode-1-1-utf-7": "utf_7", "iso-8859-8-i": "iso8859_8", "iso-8859-8-e": "iso8859_8",
    "iso-8859-6-i": "iso8859_6", "iso-8859-6-e": "iso8859_6", "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-roman": "mac_roman", "x-cp1250": "cp1250", "x-cp1251": "cp1251", "x-cp1252": "cp1252",
    "windows-874": "cp874", "macintosh": "mac_roman", "ansi_x3.110-1983": "latin_1",
    "cn-gb": "gb2312", "cn-big5": "big5", "x-big5": "big5", "x-unknown": None,
}

cdef struct Slot:
    uint8_t size            # 0: free
    uint8_t name[NAME_SIZE]
    int32_t charset

# Filled below while the module is imported; read only afterwards.
cdef Slot SLOTS[N_SLOTS]

# Each filled once; who fills it at the same time writes the same.
cdef uint16_t SINGLE[MAX_SINGLE][256]
cdef uint8_t MADE[MAX_SINGLE]
cdef tuple PYTHON_CODECS = tuple(MULTI_BYTE)


cdef inline Py_ssize_t _normal(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, uint8_t* name,
) noexcept nogil:
    """Lower case, `_` and space as `-`, into name[NAME_SIZE]. Returns the length, 0 when too long."""
    cdef Py_ssize_t i
    cdef uint8_t c
    if stop - start > NAME_SIZE:
        return 0
    for i in range(stop - start):
        c = lower(buf[start + i])
        name[i] = 45 if c == 95 or c == 32 else c
    return stop - start


cdef inline uint32_t _slot_of(const uint8_t* name, Py_ssize_t size) noexcept nogil:
    cdef uint32_t h = 2166136261u
    cdef Py_ssize_t i
    for i in range(size):
        h = (h ^ name[i]) * 16777619u
    return (h ^ (h >> 15)) & (N_SLOTS - 1)


cdef int32_t charset_id(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """Id of the charset named by [start, stop), or CS_UNKNOWN."""
    cdef uint8_t name[NAME_SIZE]
    cdef Py_ssize_t size
    cdef uint32_t at
    size = _normal(buf, start, stop, name)
    if size == 0:
        return CS_UNKNOWN
    at = _slot_of(name, size)
    while SLOTS[at].size:
        if SLOTS[at].size == size and memcmp(SLOTS[at].name, name, <size_t> size) == 0:
            return SLOTS[at].charset
        at = (at + 1) & (N_SLOTS - 1)
    return CS_UNKNOWN


cdef inline Py_ssize_t _sequence(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, bint* good,
) noexcept nogil:
    """Length of the UTF-8 sequence at pos (not ASCII), or of its maximal ill-formed part."""
    cdef uint8_t c = buf[pos], low = 0x80, high = 0xBF
    cdef Py_ssize_t need, i
    good[0] = False
    if 0xC2 <= c <= 0xDF:
        need = 1
    elif 0xE0 <= c <= 0xEF:
        need = 2
        if c == 0xE0:
            low = 0xA0
        elif c == 0xED:
            high = 0x9F
    elif 0xF0 <= c <= 0xF4:
        need = 3
        if c == 0xF0:
            low = 0x90
        elif c == 0xF4:
            high = 0x8F
    else:
        return 1
    for i in range(1, need + 1):
        if pos + i >= stop or buf[pos + i] < low or buf[pos + i] > high:
            return i
        low = 0x80
        high = 0xBF
    good[0] = True
    return need + 1


cdef bint utf8_valid(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef bint good = True
    start = find_high(buf, start, stop)
    while start < stop:
        start += _sequence(buf, start, stop, &good)
        if not good:
            return False
        start = find_high(buf, start, stop)
    return True


cdef void utf8_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    cdef Py_ssize_t run = start, size
    cdef bint good = True
    start = find_high(buf, start, stop)
    while start < stop:
        size = _sequence(buf, start, stop, &good)
        if not good:
            arena_append(out, buf, run, start)
            arena_push_codepoint(out, 0xFFFD)
            flags[0] |= CHARSET_BAD
            run = start + size
        start = find_high(buf, start + size, stop)
    arena_append(out, buf, run, stop)


cdef bint _make_single(int32_t charset) noexcept with gil:
    """Fill the table of a charset. False when memory ends."""
    cdef int byte
    try:
        codec = SINGLE_BYTE[charset - 1]
        for byte in range(256):
            SINGLE[charset][byte] = ord(bytes([byte]).decode(codec, "replace"))
    except MemoryError:
        return False
    made(&MADE[charset])
    return True


cdef void _single_append(
    const uint16_t* table, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    Arena* out, uint32_t* flags,
) noexcept nogil:
    cdef Py_ssize_t run
    while start < stop:
        run = find_high(buf, start, stop)
        arena_append(out, buf, start, run)
        start = run
        while start < stop and buf[start] >= 0x80:
            if table[buf[start]] == 0xFFFD:
                flags[0] |= CHARSET_BAD
            arena_push_codepoint(out, table[buf[start]])
            start += 1
        if out.failed:
            return


cdef void _python_append(
    int32_t charset, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    Arena* out, uint32_t* flags,
) noexcept with gil:
    cdef bytes utf8
    try:
        raw = PyBytes_FromStringAndSize(<const char*> buf + start, stop - start)
        text = raw.decode(PYTHON_CODECS[charset - CS_PYTHON], "replace")
        if "\ufffd" in text:
            flags[0] |= CHARSET_BAD
        utf8 = text.encode("utf-8", "replace")
    except (UnicodeError, MemoryError):
        flags[0] |= CHARSET_BAD
        utf8 = b"\xef\xbf\xbd"
    arena_append(out, <const uint8_t*> <const char*> utf8, 0, len(utf8))


cdef void charset_append(
    int32_t charset, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    Arena* out, uint32_t* flags,
) noexcept nogil:
    """Append [start, stop) as UTF-8. Sets CHARSET_BAD or CHARSET_UNKNOWN where it must guess."""
    if start >= stop:
        return
    if charset == CS_UNKNOWN:
        flags[0] |= CHARSET_UNKNOWN
        utf8_append(buf, start, stop, out, flags)
    elif charset == CS_UTF8:
        utf8_append(buf, start, stop, out, flags)
    elif charset < CS_PYTHON:
        if not is_made(&MADE[charset]) and not _make_single(charset):
            out.failed = True
            return
        _single_append(SINGLE[charset], buf, start, stop, out, flags)
    else:
        _python_append(charset, buf, start, stop, out, flags)


def decode_charset(int32_t charset, const uint8_t[::1] raw not None):
    """(text as UTF-8 bytes, flags) of raw in the charset with this id."""
    cdef Arena out
    cdef uint32_t flags = 0
    if charset < CS_UNKNOWN or charset >= CS_PYTHON + len(PYTHON_CODECS) or (
            len(SINGLE_BYTE) < charset < CS_PYTHON):
        raise ValueError(f"no charset has the id {charset}")
    if raw.shape[0] == 0:
        return b"", 0
    arena_init(&out, 1 << 40)
    try:
        with nogil:
            charset_append(charset, &raw[0], 0, raw.shape[0], &out, &flags)
        if out.failed:
            raise MemoryError
        if out.size == 0:
            return b"", flags
        return PyBytes_FromStringAndSize(<const char*> out.data, out.size), flags
    finally:
        arena_free(&out)


def charset_number(const uint8_t[::1] name not None):
    """Id of the charset of this name, or -1."""
    if name.shape[0] == 0:
        return CS_UNKNOWN
    return charset_id(&name[0], 0, name.shape[0])


cdef int _add_name(bytes name, int32_t charset) except -1:
    cdef uint8_t normal[NAME_SIZE]
    cdef const uint8_t* text = <const uint8_t*> <const char*> name
    cdef Py_ssize_t size = _normal(text, 0, len(name), normal)
    cdef uint32_t at
    if size == 0:
        return 0
    at = _slot_of(normal, size)
    while SLOTS[at].size:
        if SLOTS[at].size == size and memcmp(SLOTS[at].name, normal, <size_t> size) == 0:
            return 0
        at = (at + 1) & (N_SLOTS - 1)
    memcpy(SLOTS[at].name, normal, <size_t> size)
    SLOTS[at].size = <uint8_t> size
    SLOTS[at].charset = charset
    return 0


def _build():
    memset(SLOTS, 0, sizeof(SLOTS))
    ids = {"utf_8": 0, "ascii": 0, "utf_8_sig": 0}
    for number, codec in enumerate(SINGLE_BYTE, start=1):
        ids[codec] = number
    ids |= {codec: CS_PYTHON + number for number, codec in enumerate(MULTI_BYTE)}
    names = dict(EXTRA_NAMES)
    for codec in ids:
        names[codec] = codec
    names |= {alias: codec for alias, codec in aliases.items() if codec in ids}
    for number in range(1, 17):             # aliases have `iso_8859_1`; mail has these two as well
        if f"iso8859_{number}" in ids or number == 1:
            codec = "latin_1" if number == 1 else f"iso8859_{number}"
            names |= {f"iso-8859-{number}": codec, f"iso8859-{number}": codec}
    for number in range(1250, 1259):
        names[f"windows-{number}"] = f"cp{number}"
    for name, codec in sorted((n, c) for n, c in names.items() if c):
        _add_name(name.encode(), ids[codec])


_build()
