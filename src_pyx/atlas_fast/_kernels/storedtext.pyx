"""Texts of a column in the form that stores keep: without control characters, cut at a length.

TAB is a space; the other C0 controls and DEL are their control pictures (U+2400 and on); C1
controls, surrogates and bytes that are no UTF-8 are U+FFFD. And addresses and numbers as texts.
"""
from libc.string cimport memcmp, memcpy

from atlas_fast._kernels.chars cimport read_char, write_char
from atlas_fast._kernels.decimals cimport N_DIGITS, put_decimal
from atlas_fast._kernels.types cimport int64_t, uint8_t, uint32_t, uint64_t

cdef uint64_t ONES = <uint64_t> 0x0101010101010101

cdef uint8_t* MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"    # what an IPv4-mapped address begins with

GROWTH = 3                      # bytes that one byte can become


cdef inline uint32_t _stored(uint32_t c) noexcept nogil:
    if c == 9:
        return 32
    if c < 32:
        return 0x2400 + c
    if c == 0x7F:
        return 0x2421
    if 0x80 <= c < 0xA0 or 0xD800 <= c < 0xE000:
        return 0xFFFD
    return c


cdef Py_ssize_t _text(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   one text
    Py_ssize_t cap,                                         # IN   characters at most
    uint8_t* out, Py_ssize_t at,                            # OUT  three bytes for each of the text's
) noexcept nogil:
    """Write the text at `at`; the place behind it."""
    cdef uint64_t word
    cdef uint32_t c
    while pos < stop and cap > 0:
        while stop - pos >= 8 and cap >= 8:                 # as long as nothing is to be changed
            memcpy(&word, buf + pos, 8)
            if (word | (word - 0x20 * ONES) | (word + ONES)) & 0x80 * ONES:
                break
            memcpy(out + at, &word, 8)
            pos += 8
            at += 8
            cap -= 8
        if pos == stop or cap == 0:
            break
        pos = read_char(buf, pos, stop, &c)
        at += write_char(out + at, _stored(c))
        cap -= 1
    return at


def stored_texts(
    const uint8_t[::1] data not None,       # IN   UTF-8
    const int64_t[::1] offsets not None,    # IN   (n + 1,)  text i is data[offsets[i]:offsets[i + 1]]
    Py_ssize_t cap,                         # IN   characters that stay
    const uint8_t[::1] absent not None,     # IN   UTF-8 in place of an empty text
    uint8_t[::1] out not None,              # OUT  GROWTH times the texts, and n times `absent`
    int64_t[::1] stored not None,           # OUT  (n + 1,)  text i is out[stored[i]:stored[i + 1]]
) -> int:
    """Bytes of `out` that are used. ValueError when offsets or the room do not fit."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, i, size = data.shape[0], at = 0, room, blank
    cdef const uint8_t* buf = NULL
    cdef const uint8_t* other = NULL
    cdef uint8_t nothing = 0
    cdef uint8_t* into
    if n < 0 or stored.shape[0] != n + 1:
        raise ValueError("offsets and stored need the same length, at least 1")
    if offsets[0] < 0 or offsets[n] > size:
        raise ValueError("offsets do not fit data")
    for i in range(n):
        if offsets[i + 1] < offsets[i]:
            raise ValueError(f"offset {i + 1} is before the one in front of it")
    blank = absent.shape[0]
    room = 3 * (offsets[n] - offsets[0]) + n * blank
    if out.shape[0] < room:
        raise ValueError(f"out needs room for {room} bytes")
    stored[0] = 0
    if n == 0:
        return 0
    buf = &data[0] if size else &nothing
    other = &absent[0] if blank else &nothing
    into = &out[0] if out.shape[0] else &nothing
    with nogil:
        for i in range(n):
            if offsets[i] == offsets[i + 1]:
                memcpy(into + at, other, <size_t> blank)
                at += blank
            else:
                at = _text(buf, offsets[i], offsets[i + 1], cap, into, at)
            stored[i + 1] = at
    return at


def ipv4_texts(
    const uint8_t[:, ::1] addresses not None,   # IN   (n, 16)  IPv6, or IPv4-mapped (RFC 4291, 2.5.5.2)
    uint8_t[::1] out not None,                  # OUT  16 bytes for each
    int64_t[::1] stored not None,               # OUT  (n + 1,)  text i is out[stored[i]:stored[i + 1]]
) -> int:
    """The IPv4-mapped ones as dotted decimals, an empty text for the others. Bytes of `out` that are
    used; ValueError when the room does not fit."""
    cdef Py_ssize_t n = addresses.shape[0], i
    cdef int k
    cdef const uint8_t* one
    cdef uint8_t* begin
    cdef uint8_t* at
    if addresses.shape[1] != 16 or out.shape[0] < 16 * n or stored.shape[0] != n + 1:
        raise ValueError("addresses need 16 bytes, out 16 for each, stored one more than there are")
    stored[0] = 0
    if n == 0:
        return 0
    begin = at = &out[0]
    with nogil:
        for i in range(n):
            one = &addresses[i, 0]
            if memcmp(one, MAPPED, 12) == 0:
                for k in range(12, 16):
                    at = put_decimal(at, one[k])
                    at[0] = 46                              # a full stop
                    at += 1
                at -= 1
            stored[i + 1] = at - begin
    return at - begin


DIGITS = N_DIGITS               # bytes that one number has at most


def decimal_texts(
    const int64_t[::1] numbers not None,        # IN   (n,)  from 0
    uint8_t[::1] out not None,                  # OUT  DIGITS bytes for each
    int64_t[::1] stored not None,               # OUT  (n + 1,)  text i is out[stored[i]:stored[i + 1]]
) -> int:
    """The numbers in decimal digits. Bytes of `out` that are used; ValueError when the room does not
    fit, or a number is negative."""
    cdef Py_ssize_t n = numbers.shape[0], i, bad = -1
    cdef uint8_t* begin
    cdef uint8_t* at
    if out.shape[0] < N_DIGITS * n or stored.shape[0] != n + 1:
        raise ValueError("out needs DIGITS bytes for each number, stored one more than there are")
    stored[0] = 0
    if n == 0:
        return 0
    begin = at = &out[0]
    with nogil:
        for i in range(n):
            if numbers[i] < 0:
                bad = i
                break
            at = put_decimal(at, <uint64_t> numbers[i])
            stored[i + 1] = at - begin
    if bad >= 0:
        raise ValueError(f"number {bad} is negative")
    return at - begin
