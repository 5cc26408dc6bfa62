"""Content-Transfer-Encodings (RFC 2045, 6.7 and 6.8): base64 and quoted-printable to bytes.

(a) base64_append: four characters a step while they are clean; line ends and foreign characters
    are skipped (6.8). Padding ends the data, as with a footer that a list wrote behind it, unless
    the next line is base64 throughout: bodies that somebody joined.
(b) quoted_printable_append: runs between `=` are copied whole; white space before a line end is
    dropped (6.7, rule 3); a `=` that escapes nothing stays as it is.
(c) decode_transfer: the door for one body. Damage is B64_BAD, B64_TRUNCATED or QP_BAD.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcpy

from atlas_fast._kernels.arena cimport Arena, arena_free, arena_init, arena_reserve
from atlas_fast._kernels.ascii cimport hex_digit, is_lwsp, is_wsp
from atlas_fast._kernels.scan cimport find_byte, skip_lwsp
from atlas_fast._kernels.types cimport (
    B64_BAD, B64_TRUNCATED, QP_BAD, int8_t, int32_t, uint8_t, uint32_t,
)
from atlas_fast._kernels.wide cimport find3

cdef enum:
    SKIP = 0x1000000            # above any sum of clean values: not of the alphabet

# Value of a character, shifted to its place in the quantum; filled when the module is imported.
cdef uint32_t PLACE[4][256]
cdef int8_t HEX[256]            # 0-15, or -1; filled with it


cdef inline void _store(Arena* out, uint32_t bits) noexcept nogil:
    """The three bytes of a quantum; room is reserved."""
    out.data[out.size] = <uint8_t> (bits >> 16)
    out.data[out.size + 1] = <uint8_t> (bits >> 8)
    out.data[out.size + 2] = <uint8_t> bits
    out.size += 3


cdef inline void _flush(Arena* out, uint32_t bits, int have, uint32_t* flags) noexcept nogil:
    """The whole bytes of a quantum that ends early."""
    if have == 1:
        flags[0] |= B64_TRUNCATED
    elif have > 1:
        out.data[out.size] = <uint8_t> (bits >> 16)
        out.size += 1
        if have == 3:
            out.data[out.size] = <uint8_t> (bits >> 8)
            out.size += 1


cdef inline Py_ssize_t _base64_line(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """Where the line at start ends, when it is base64 throughout; otherwise -1."""
    cdef Py_ssize_t end = find_byte(buf, start, stop, 10), pos = start
    while pos < end and (not PLACE[0][buf[pos]] & SKIP or buf[pos] == 61):
        pos += 1
    return end if skip_lwsp(buf, pos, end) == end else -1


cdef void base64_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    cdef uint32_t bits = 0, quantum
    cdef Py_ssize_t looked = 0                              # up to here lines are base64
    cdef int have = 0
    cdef bint ends
    cdef uint8_t c
    if not arena_reserve(out, (stop - start) // 4 * 3 + 6):
        return
    while start < stop:
        while have == 0 and stop - start >= 4:
            quantum = (PLACE[0][buf[start]] | PLACE[1][buf[start + 1]]
                       | PLACE[2][buf[start + 2]] | PLACE[3][buf[start + 3]])
            if quantum & SKIP:
                break
            _store(out, quantum)
            start += 4
        if start >= stop:
            break
        c = buf[start]
        start += 1
        if not PLACE[0][c] & SKIP:
            bits |= PLACE[have][c]
            have += 1
            if have == 4:
                _store(out, bits)
                bits = 0
                have = 0
        elif c == 61:
            ends = have > 1
            _flush(out, bits, have, flags)
            bits = 0
            have = 0
            if ends:
                while start < stop and (buf[start] == 61 or is_lwsp(buf[start])):
                    start += 1
                if start < stop and start >= looked:
                    looked = _base64_line(buf, start, stop)
                    if looked < 0:
                        flags[0] |= B64_BAD
                        return
        elif not is_lwsp(c):
            flags[0] |= B64_BAD
    if have:
        flags[0] |= B64_TRUNCATED
        _flush(out, bits, have, flags)


cdef void quoted_printable_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    cdef Py_ssize_t lf, end
    cdef bint soft
    if not arena_reserve(out, stop - start):                # no byte becomes more than one
        return
    while start < stop:
        lf = find_byte(buf, start, stop, 10)
        end = lf
        if end > start and buf[end - 1] == 13:
            end -= 1
        while lf < stop and end > start and is_wsp(buf[end - 1]):
            end -= 1
        soft = _line(buf, start, end, stop, out, flags)
        if lf < stop and not soft:                          # a hard line break
            if lf > start and buf[lf - 1] == 13:
                out.data[out.size] = 13
                out.size += 1
            out.data[out.size] = 10
            out.size += 1
        start = lf + 1


cdef inline bint _line(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t end, Py_ssize_t stop,  # IN   stop: of the body
    Arena* out, uint32_t* flags,                                            # OUT
) noexcept nogil:
    """The line [start, end); room is reserved. True when it ends in a soft line break."""
    cdef Py_ssize_t equals, size = out.size
    cdef int value
    cdef bint soft = False
    while start < end:
        equals = find3(buf, start, end, stop, 61, 61, 61)
        memcpy(out.data + size, buf + start, <size_t> (equals - start))
        size += equals - start
        start = equals + 1
        if start >= end:
            soft = equals < end
            break
        value = -1
        if start + 1 < end:
            value = HEX[buf[start]] * 16 | HEX[buf[start + 1]]
        if value >= 0:
            out.data[size] = <uint8_t> value
            start += 2
        else:
            flags[0] |= QP_BAD
            out.data[size] = 61
        size += 1
    out.size = size
    return soft


def decode_transfer(const uint8_t[::1] raw not None, bint base64):
    """(decoded bytes, flags) of one body: base64, or quoted-printable."""
    cdef Arena out
    cdef uint32_t flags = 0
    if raw.shape[0] == 0:
        return b"", 0
    arena_init(&out, 1 << 40)
    try:
        with nogil:
            if base64:
                base64_append(&raw[0], 0, raw.shape[0], &out, &flags)
            else:
                quoted_printable_append(&raw[0], 0, raw.shape[0], &out, &flags)
        if out.failed:
            raise MemoryError
        if out.size == 0:
            return b"", flags
        return PyBytes_FromStringAndSize(<const char*> out.data, out.size), flags
    finally:
        arena_free(&out)


def _build():
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for byte in range(256):
        HEX[byte] = hex_digit(byte)
    for place in range(4):
        for byte in range(256):
            PLACE[place][byte] = SKIP
        for value, byte in enumerate(alphabet):
            PLACE[place][byte] = value << (18 - 6 * place)


_build()
