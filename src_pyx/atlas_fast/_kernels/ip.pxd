"""Addresses of the Internet Protocol from text: dotted quads and RFC 4291 (2.2), nothing looser."""
from libc.string cimport memset

from atlas_fast._kernels.ascii cimport hex_digit, is_digit
from atlas_fast._kernels.types cimport uint8_t


cdef inline bint parse_ipv4(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, uint8_t* out,    # OUT  4 bytes
) noexcept nogil:
    """Four decimal octets without leading zeros, as inet_pton and ipaddress want them."""
    cdef int part = 0, digits = 0, value = 0
    if not 7 <= stop - start <= 15:
        return False
    while start < stop:
        if is_digit(buf[start]):
            if digits and value == 0:
                return False
            value = value * 10 + buf[start] - 48
            digits += 1
            if value > 255:
                return False
        elif buf[start] == 46 and digits and part < 3:
            out[part] = <uint8_t> value
            part += 1
            digits = value = 0
        else:
            return False
        start += 1
    if part != 3 or digits == 0:
        return False
    out[3] = <uint8_t> value
    return True


cdef inline bint parse_ipv6(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, uint8_t* out,    # OUT  16 bytes
) noexcept nogil:
    """Groups of hex digits with at most one `::`; the last 32 bits may be a dotted quad."""
    cdef int n = 0, gap = -1, digits, value, i
    cdef Py_ssize_t pos = start
    if not 2 <= stop - start <= 45:
        return False
    if buf[pos] == 58:
        if pos + 1 >= stop or buf[pos + 1] != 58:
            return False
        gap = 0
        pos += 2
    while pos < stop:
        start = pos
        value = digits = 0
        while pos < stop and digits < 5 and hex_digit(buf[pos]) >= 0:
            value = value << 4 | hex_digit(buf[pos])
            digits += 1
            pos += 1
        if pos < stop and buf[pos] == 46:                   # the dotted quad
            if n > 6 or not parse_ipv4(buf, start, stop, out + 2 * n):
                return False
            n += 2
            pos = stop
            break
        if not 1 <= digits <= 4 or n == 8:
            return False
        out[2 * n] = <uint8_t> (value >> 8)
        out[2 * n + 1] = <uint8_t> value
        n += 1
        if pos == stop:
            break
        if buf[pos] != 58:
            return False
        pos += 1
        if pos < stop and buf[pos] == 58:
            if gap >= 0:
                return False
            gap = n
            pos += 1
        elif pos == stop:
            return False
    if gap < 0:
        return n == 8
    if n > 7:
        return False
    for i in range(n - gap):                                # the groups behind `::` go to the end
        out[15 - 2 * i] = out[2 * (n - i) - 1]
        out[14 - 2 * i] = out[2 * (n - i) - 2]
    memset(out + 2 * gap, 0, <size_t> (2 * (8 - n)))
    return True


cdef inline int parse_ip(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, uint8_t* out,    # OUT  16 bytes
) noexcept nogil:
    """4 or 6 when [start, stop) is an address of that family, else 0."""
    if parse_ipv4(buf, start, stop, out):
        return 4
    if parse_ipv6(buf, start, stop, out):
        return 6
    return 0
