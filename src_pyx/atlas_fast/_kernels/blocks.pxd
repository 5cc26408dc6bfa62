"""Bit masks of 64 bytes at a time: where LF, CR and colon stand, and what else is in the block.

SSE2, which every x86-64 has, or plain C elsewhere and without ATLAS_VECTORS (processor.pxd).
A block is read whole: the caller copies the last, shorter one into 64 bytes of its own.
"""
cimport atlas_fast._kernels.processor
from atlas_fast._kernels.types cimport uint8_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    typedef struct {
        uint64_t lf, cr, colon;      /* bit i: byte i is this character */
        int high, nul;               /* does any byte exceed 0x7f, is any byte zero */
    } atlas_block;

    #if defined(__SSE2__) && defined(ATLAS_VECTORS)
    #include <emmintrin.h>
    static inline uint64_t atlas_equal_mask(__m128i a, __m128i b, __m128i c, __m128i d, char what) {
        const __m128i w = _mm_set1_epi8(what);
        return (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, w))
            | (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(b, w)) << 16
            | (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(c, w)) << 32
            | (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(d, w)) << 48;
    }
    static inline void atlas_read_block(const uint8_t *p, atlas_block *out) {
        const __m128i a = _mm_loadu_si128((const __m128i *)p);
        const __m128i b = _mm_loadu_si128((const __m128i *)(p + 16));
        const __m128i c = _mm_loadu_si128((const __m128i *)(p + 32));
        const __m128i d = _mm_loadu_si128((const __m128i *)(p + 48));
        const __m128i least = _mm_min_epu8(_mm_min_epu8(a, b), _mm_min_epu8(c, d));
        const __m128i any = _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
        out->lf = atlas_equal_mask(a, b, c, d, 10);
        out->cr = atlas_equal_mask(a, b, c, d, 13);
        out->colon = atlas_equal_mask(a, b, c, d, 58);
        out->high = _mm_movemask_epi8(any) != 0;
        out->nul = _mm_movemask_epi8(_mm_cmpeq_epi8(least, _mm_setzero_si128())) != 0;
    }
    #else
    static inline void atlas_read_block(const uint8_t *p, atlas_block *out) {
        int i;
        memset(out, 0, sizeof(*out));
        for (i = 0; i < 64; i++) {
            out->lf |= (uint64_t)(p[i] == 10) << i;
            out->cr |= (uint64_t)(p[i] == 13) << i;
            out->colon |= (uint64_t)(p[i] == 58) << i;
            out->high |= p[i] >> 7;
            out->nul |= p[i] == 0;
        }
    }
    #endif

    #if defined(__GNUC__)
    #define atlas_ctz(x) __builtin_ctzll(x)
    #define atlas_prefetch(p) __builtin_prefetch(p)
    #else
    static inline int atlas_ctz(uint64_t x) { int n = 0; while (!(x & 1)) { x >>= 1; n++; } return n; }
    #define atlas_prefetch(p) ((void)(p))
    #endif
    """
    ctypedef struct Block "atlas_block":
        uint64_t lf
        uint64_t cr
        uint64_t colon
        int high
        int nul

    void read_block "atlas_read_block"(const uint8_t* p, Block* out) noexcept nogil
    int ctz "atlas_ctz"(uint64_t x) noexcept nogil         # x is not 0
    void prefetch "atlas_prefetch"(const void* p) noexcept nogil
