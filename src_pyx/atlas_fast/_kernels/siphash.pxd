"""SipHash with a key of 128 bits: whoever does not know the key cannot aim at a slot or a collision.

Twice the compression and four times the final round (2-4) with 128 bits of output for what is kept,
once and three times (1-3) with 64 bits for tables that live as long as a call. Bytes are read
little-endian on any machine.
"""
from libc.string cimport memcpy

from atlas_fast._kernels.types cimport uint8_t, uint64_t

cdef extern from *:
    """
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define atlas_le64(x) __builtin_bswap64(x)
    #else
    #define atlas_le64(x) (x)
    #endif
    """
    uint64_t le64 "atlas_le64"(uint64_t x) noexcept nogil


cdef struct SipState:
    uint64_t v0
    uint64_t v1
    uint64_t v2
    uint64_t v3


cdef inline uint64_t _rotl(uint64_t x, int b) noexcept nogil:
    return (x << b) | (x >> (64 - b))


cdef inline void _sip_round(SipState* s) noexcept nogil:
    s.v0 += s.v1
    s.v2 += s.v3
    s.v1 = _rotl(s.v1, 13) ^ s.v0
    s.v3 = _rotl(s.v3, 16) ^ s.v2
    s.v0 = _rotl(s.v0, 32)
    s.v2 += s.v1
    s.v0 += s.v3
    s.v1 = _rotl(s.v1, 17) ^ s.v2
    s.v3 = _rotl(s.v3, 21) ^ s.v0
    s.v2 = _rotl(s.v2, 32)


cdef inline void sip_init(SipState* s, const uint64_t* key, bint wide) noexcept nogil:
    s.v0 = key[0] ^ 0x736F6D6570736575u
    s.v1 = key[1] ^ 0x646F72616E646F6Du
    s.v2 = key[0] ^ 0x6C7967656E657261u
    s.v3 = key[1] ^ 0x7465646279746573u
    if wide:
        s.v1 ^= 0xEE


cdef inline void sip_bytes(
    SipState* s, const uint8_t* buf, Py_ssize_t size, int rounds,       # IN   bytes [0, size)
) noexcept nogil:
    """All bytes and the block that ends them: once a message."""
    cdef Py_ssize_t pos = 0
    cdef uint64_t m
    cdef int i
    while size - pos >= 8:
        memcpy(&m, buf + pos, 8)
        m = le64(m)
        s.v3 ^= m
        for i in range(rounds):
            _sip_round(s)
        s.v0 ^= m
        pos += 8
    m = <uint64_t> size << 56
    for i in range(<int> (size - pos)):
        m |= <uint64_t> buf[pos + i] << (8 * i)
    s.v3 ^= m
    for i in range(rounds):
        _sip_round(s)
    s.v0 ^= m


cdef inline uint64_t siphash13(
    const uint64_t* key, const uint8_t* buf, Py_ssize_t size,
) noexcept nogil:
    cdef SipState s
    cdef int i
    sip_init(&s, key, False)
    sip_bytes(&s, buf, size, 1)
    s.v2 ^= 0xFF
    for i in range(3):
        _sip_round(&s)
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3


cdef inline void siphash24_wide(
    const uint64_t* key, const uint8_t* buf, Py_ssize_t size,
    uint64_t* out,                                                      # OUT  2
) noexcept nogil:
    cdef SipState s
    cdef int i
    sip_init(&s, key, True)
    sip_bytes(&s, buf, size, 2)
    s.v2 ^= 0xEE
    for i in range(4):
        _sip_round(&s)
    out[0] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3
    s.v1 ^= 0xDD
    for i in range(4):
        _sip_round(&s)
    out[1] = s.v0 ^ s.v1 ^ s.v2 ^ s.v3
