"""Growable output of bytes: one allocation, offsets instead of pointers, released in one place.

`limit` bounds the size; a write past it, or past memory, sets `failed` and writes nothing.
"""
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from atlas_fast._kernels.types cimport uint8_t


cdef struct Arena:
    uint8_t* data
    Py_ssize_t size
    Py_ssize_t capacity
    Py_ssize_t limit        # size may not pass this
    bint failed


cdef inline void arena_init(Arena* a, Py_ssize_t limit) noexcept nogil:
    a.data = NULL
    a.size = 0
    a.capacity = 0
    a.limit = limit
    a.failed = False


cdef inline void arena_free(Arena* a) noexcept nogil:
    free(a.data)
    a.data = NULL
    a.size = a.capacity = 0


cdef inline bint arena_reserve(Arena* a, Py_ssize_t more) noexcept nogil:
    """True when `more` bytes fit behind the end now."""
    cdef Py_ssize_t want, room
    cdef uint8_t* grown
    if more <= a.capacity - a.size:
        return True
    if more > a.limit - a.size:
        a.failed = True
        return False
    want = a.size + more
    room = a.capacity + (a.capacity >> 1) + 256
    if room < want:
        room = want
    if room > a.limit:
        room = a.limit
    grown = <uint8_t*> realloc(a.data, <size_t> room)
    if grown is NULL:
        a.failed = True
        return False
    a.data = grown
    a.capacity = room
    return True


cdef inline void arena_append(
    Arena* a, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    if stop > start and arena_reserve(a, stop - start):
        memcpy(a.data + a.size, buf + start, <size_t> (stop - start))
        a.size += stop - start


cdef inline void arena_push(Arena* a, uint8_t c) noexcept nogil:
    if a.size < a.capacity or arena_reserve(a, 1):
        a.data[a.size] = c
        a.size += 1


cdef inline void arena_push_codepoint(Arena* a, unsigned int c) noexcept nogil:
    """Append c as UTF-8; surrogates and values past U+10FFFF become U+FFFD."""
    if c < 0x80:
        arena_push(a, <uint8_t> c)
        return
    if 0xD800 <= c <= 0xDFFF or c > 0x10FFFF:
        c = 0xFFFD
    if not arena_reserve(a, 4):
        return
    if c < 0x800:
        a.data[a.size] = <uint8_t> (0xC0 | c >> 6)
        a.data[a.size + 1] = <uint8_t> (0x80 | (c & 0x3F))
        a.size += 2
    elif c < 0x10000:
        a.data[a.size] = <uint8_t> (0xE0 | c >> 12)
        a.data[a.size + 1] = <uint8_t> (0x80 | (c >> 6 & 0x3F))
        a.data[a.size + 2] = <uint8_t> (0x80 | (c & 0x3F))
        a.size += 3
    else:
        a.data[a.size] = <uint8_t> (0xF0 | c >> 18)
        a.data[a.size + 1] = <uint8_t> (0x80 | (c >> 12 & 0x3F))
        a.data[a.size + 2] = <uint8_t> (0x80 | (c >> 6 & 0x3F))
        a.data[a.size + 3] = <uint8_t> (0x80 | (c & 0x3F))
        a.size += 4
