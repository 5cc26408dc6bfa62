"""The hash of features: 64-bit FNV-1a with a final mix; the value depends on bytes alone."""
from atlas_fast._kernels.types cimport uint8_t, uint64_t


cdef inline uint64_t hash_start(uint64_t namespace) noexcept nogil:
    return (0xCBF29CE484222325u ^ namespace) * 0x100000001B3u


cdef inline uint64_t hash_byte(uint64_t h, uint8_t c) noexcept nogil:
    return (h ^ c) * 0x100000001B3u


cdef inline uint64_t hash_word(uint64_t h, uint64_t value) noexcept nogil:
    """Take in another hash or a number at once."""
    return (h ^ value) * 0x9E3779B97F4A7C15u


cdef inline uint64_t hash_end(uint64_t h) noexcept nogil:
    """Mix, so that low bits depend on high ones too."""
    h ^= h >> 32
    h *= 0xD6E8FEB86659FD93u
    return h ^ (h >> 32)
