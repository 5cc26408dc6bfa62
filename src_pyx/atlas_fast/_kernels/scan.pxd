"""Bounded finders and comparers. The positions that they give never pass `stop`."""
from libc.string cimport memchr

from atlas_fast._kernels.ascii cimport is_lwsp, lower
from atlas_fast._kernels.types cimport Span, int32_t, uint8_t


cdef inline Py_ssize_t find_byte(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, uint8_t c,
) noexcept nogil:
    """First position of c in [start, stop), or stop."""
    cdef const void* hit
    if start >= stop:
        return stop
    hit = memchr(buf + start, c, <size_t> (stop - start))
    if hit is NULL:
        return stop
    return <const uint8_t*> hit - buf


cdef inline Py_ssize_t skip_lwsp(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """First position in [start, stop) that is no white space or line end, or stop."""
    while start < stop and is_lwsp(buf[start]):
        start += 1
    return start


cdef inline Py_ssize_t trim_lwsp(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """The stop that leaves no white space or line end before it."""
    while stop > start and is_lwsp(buf[stop - 1]):
        stop -= 1
    return stop


cdef inline bint equals_fold(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    const char* text, Py_ssize_t size,                      # lower case
) noexcept nogil:
    """Is [start, stop) equal to text, ASCII case aside?"""
    cdef Py_ssize_t i
    if stop - start != size:
        return False
    for i in range(size):
        if lower(buf[start + i]) != <uint8_t> text[i]:
            return False
    return True


cdef inline bint starts_fold(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    const char* text, Py_ssize_t size,                      # lower case
) noexcept nogil:
    """Does [start, stop) begin with text, ASCII case aside?"""
    if stop - start < size:
        return False
    return equals_fold(buf, start, start + size, text, size)


cdef inline bint same_fold(const uint8_t* a, const uint8_t* b, Py_ssize_t n) noexcept nogil:
    """Are n bytes at a and at b the same, ASCII case aside?"""
    cdef Py_ssize_t i
    for i in range(n):
        if lower(a[i]) != lower(b[i]):
            return False
    return True


cdef inline Py_ssize_t whole_utf8(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """The stop that leaves out a UTF-8 sequence which stop cuts."""
    cdef Py_ssize_t lead = stop - 1
    cdef uint8_t c
    while lead > start and stop - lead < 4 and buf[lead] & 0xC0 == 0x80:
        lead -= 1
    if lead < start:
        return stop
    c = buf[lead]
    if c >= 0xC0 and stop - lead < (2 if c < 0xE0 else 3 if c < 0xF0 else 4):
        return lead
    return stop
