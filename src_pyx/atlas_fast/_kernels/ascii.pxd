"""Byte classes, folding and digits of ASCII."""
from atlas_fast._kernels.types cimport uint8_t


cdef inline uint8_t lower(uint8_t c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c


cdef inline bint is_wsp(uint8_t c) noexcept nogil:
    """Space or tab (RFC 5234, B.1)."""
    return c == 32 or c == 9


cdef inline bint is_lwsp(uint8_t c) noexcept nogil:
    """Space, tab, CR or LF: what folding may leave inside a field body."""
    return c == 32 or c == 9 or c == 13 or c == 10


cdef inline bint is_digit(uint8_t c) noexcept nogil:
    return <uint8_t> (c - 48) < 10


cdef inline bint is_alpha(uint8_t c) noexcept nogil:
    return <uint8_t> ((c | 32) - 97) < 26


cdef inline bint is_alnum(uint8_t c) noexcept nogil:
    return is_digit(c) or is_alpha(c)


cdef inline int hex_digit(uint8_t c) noexcept nogil:
    """0-15, or -1 when c is no hexadecimal digit."""
    if <uint8_t> (c - 48) < 10:
        return c - 48
    c |= 32
    if 97 <= c <= 102:
        return c - 87
    return -1
