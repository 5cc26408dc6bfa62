"""A number in decimal digits. Header only."""
from libc.string cimport memcpy

from atlas_fast._kernels.types cimport uint8_t, uint64_t

cdef enum:
    MOST_DIGITS = 20             # of a number of 64 bits


cdef inline uint8_t* put_decimal(uint8_t* out, uint64_t value) noexcept nogil:
    """Write the digits, at most MOST_DIGITS; the place behind them."""
    cdef uint8_t digits[MOST_DIGITS]
    cdef int first = MOST_DIGITS
    while True:
        first -= 1
        digits[first] = <uint8_t> (48 + value % 10)
        value //= 10
        if value == 0:
            break
    memcpy(out, &digits[first], <size_t> (MOST_DIGITS - first))
    return out + (MOST_DIGITS - first)
