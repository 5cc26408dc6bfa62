"""A number in decimal digits. Header only."""
from libc.string cimport memcpy

from atlas_fast._kernels.types cimport uint8_t, uint64_t

cdef enum:
    N_DIGITS = 20               # of a number of 64 bits


cdef inline uint8_t* put_decimal(uint8_t* out, uint64_t value) noexcept nogil:
    """Write the digits, at most N_DIGITS; the place behind them."""
    cdef uint8_t digits[N_DIGITS]
    cdef int first = N_DIGITS
    while True:
        first -= 1
        digits[first] = <uint8_t> (48 + value % 10)
        value //= 10
        if value == 0:
            break
    memcpy(out, &digits[first], <size_t> (N_DIGITS - first))
    return out + (N_DIGITS - first)
