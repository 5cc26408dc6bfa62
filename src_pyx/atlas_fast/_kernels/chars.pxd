"""Text as code points: read from UTF-8, written back, and classes of characters as Python has them.

The classes are those of str.isspace, isdecimal, isdigit, isalpha and isalnum: look-ups in
tables of the interpreter, which need no GIL.
"""
from atlas_fast._kernels.types cimport uint8_t, uint32_t

cdef extern from "Python.h":
    bint _is_space "Py_UNICODE_ISSPACE"(Py_UCS4 c) noexcept nogil
    bint _is_decimal "Py_UNICODE_ISDECIMAL"(Py_UCS4 c) noexcept nogil
    bint _is_any_digit "Py_UNICODE_ISDIGIT"(Py_UCS4 c) noexcept nogil
    bint _is_numeric "Py_UNICODE_ISNUMERIC"(Py_UCS4 c) noexcept nogil
    bint _is_letter "Py_UNICODE_ISALPHA"(Py_UCS4 c) noexcept nogil


cdef inline bint is_space(uint32_t c) noexcept nogil:
    return c == 32 or c - 9 < 5 or c - 28 < 4 if c < 128 else _is_space(c)


cdef inline bint is_decimal(uint32_t c) noexcept nogil:
    return c - 48 < 10 if c < 128 else _is_decimal(c)


cdef inline bint is_any_digit(uint32_t c) noexcept nogil:
    return c - 48 < 10 if c < 128 else _is_any_digit(c)


cdef inline bint is_letter(uint32_t c) noexcept nogil:
    return (c | 32) - 97 < 26 if c < 128 else _is_letter(c)


cdef inline bint is_word(uint32_t c) noexcept nogil:
    """str.isalnum."""
    if c < 128:
        return is_decimal(c) or is_letter(c)
    return _is_letter(c) or _is_decimal(c) or _is_any_digit(c) or _is_numeric(c)


cdef inline bint _follows(uint8_t c) noexcept nogil:
    return c & 0xC0 == 0x80


cdef inline Py_ssize_t read_char(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, uint32_t* c,   # OUT  the code point
) noexcept nogil:
    """Position behind the character at pos < stop; a byte that is no UTF-8 is U+FFFD."""
    cdef uint8_t first = buf[pos]
    c[0] = first
    if first < 0x80:
        return pos + 1
    if 0xC2 <= first < 0xE0 and pos + 1 < stop and _follows(buf[pos + 1]):
        c[0] = (<uint32_t> first & 0x1F) << 6 | (buf[pos + 1] & 0x3F)
        return pos + 2
    if (first & 0xF0 == 0xE0 and pos + 2 < stop and _follows(buf[pos + 1])
            and _follows(buf[pos + 2])):
        c[0] = ((<uint32_t> first & 0x0F) << 12 | (<uint32_t> buf[pos + 1] & 0x3F) << 6
                | (buf[pos + 2] & 0x3F))
        if c[0] >= 0x800:
            return pos + 3
    elif (0xF0 <= first < 0xF5 and pos + 3 < stop and _follows(buf[pos + 1])
            and _follows(buf[pos + 2]) and _follows(buf[pos + 3])):
        c[0] = ((<uint32_t> first & 0x07) << 18 | (<uint32_t> buf[pos + 1] & 0x3F) << 12
                | (<uint32_t> buf[pos + 2] & 0x3F) << 6 | (buf[pos + 3] & 0x3F))
        if 0x10000 <= c[0] <= 0x10FFFF:
            return pos + 4
    c[0] = 0xFFFD
    return pos + 1


cdef inline int write_char(uint8_t* out, uint32_t c) noexcept nogil:
    """UTF-8 of a code point, surrogates included; how many of the 4 bytes were written."""
    if c < 0x80:
        out[0] = <uint8_t> c
        return 1
    if c < 0x800:
        out[0] = <uint8_t> (0xC0 | c >> 6)
        out[1] = <uint8_t> (0x80 | (c & 0x3F))
        return 2
    if c < 0x10000:
        out[0] = <uint8_t> (0xE0 | c >> 12)
        out[1] = <uint8_t> (0x80 | (c >> 6 & 0x3F))
        out[2] = <uint8_t> (0x80 | (c & 0x3F))
        return 3
    out[0] = <uint8_t> (0xF0 | c >> 18)
    out[1] = <uint8_t> (0x80 | (c >> 12 & 0x3F))
    out[2] = <uint8_t> (0x80 | (c >> 6 & 0x3F))
    out[3] = <uint8_t> (0x80 | (c & 0x3F))
    return 4
