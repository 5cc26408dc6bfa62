"""Bit masks of 64 bytes at a time: which bytes belong to words, which are letters, which are marks.

AVX-512, or SSE2, which every x86-64 has, or plain C elsewhere and without ATLAS_VECTORS
(processor.pxd).
A block is read whole: the caller copies the last, shorter one into 64 bytes of its own.
"""
cimport atlas_fast._kernels.processor
from atlas_fast._kernels.types cimport uint8_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    typedef struct {
        uint64_t word, letter, mark;    /* bit i: byte i is one of this class */
    } atlas_classes;

    #ifdef ATLAS_LANES
    ATLAS_AVX512 static inline __mmask64 atlas_within_wide(__m512i x, char first, char count) {
        return _mm512_cmplt_epu8_mask(
            _mm512_sub_epi8(x, _mm512_set1_epi8(first)), _mm512_set1_epi8(count));
    }
    ATLAS_AVX512 static inline __mmask64 atlas_is_wide(__m512i x, char what) {
        return _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(what));
    }
    ATLAS_AVX512 static inline void atlas_classes_wide(const uint8_t *p, atlas_classes *out) {
        const __m512i x = _mm512_loadu_si512(p);
        out->letter = atlas_within_wide(_mm512_or_si512(x, _mm512_set1_epi8(32)), 'a', 26);
        out->word = out->letter | atlas_within_wide(x, '0', 10) | atlas_is_wide(x, '_')
            | _mm512_movepi8_mask(x);
        out->mark = atlas_is_wide(x, '!') | atlas_within_wide(x, '$', 2);
    }
    #endif

    #if defined(__SSE2__) && defined(ATLAS_VECTORS)
    #include <emmintrin.h>
    static inline __m128i atlas_within(__m128i x, char first, char count) {
        const __m128i from = _mm_sub_epi8(x, _mm_set1_epi8(first));
        return _mm_cmpeq_epi8(_mm_min_epu8(from, _mm_set1_epi8((char)(count - 1))), from);
    }
    static inline void atlas_classes_any(const uint8_t *p, atlas_classes *out) {
        int i;
        out->word = out->letter = out->mark = 0;
        for (i = 0; i < 64; i += 16) {
            const __m128i x = _mm_loadu_si128((const __m128i *)(p + i));
            const __m128i letter = atlas_within(_mm_or_si128(x, _mm_set1_epi8(32)), 'a', 26);
            const __m128i other = _mm_or_si128(                     /* x: its high bit counts */
                _mm_or_si128(atlas_within(x, '0', 10), _mm_cmpeq_epi8(x, _mm_set1_epi8('_'))), x);
            const __m128i mark = _mm_or_si128(
                _mm_cmpeq_epi8(x, _mm_set1_epi8('!')), atlas_within(x, '$', 2));
            out->letter |= (uint64_t)(uint32_t)_mm_movemask_epi8(letter) << i;
            out->word |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(letter, other)) << i;
            out->mark |= (uint64_t)(uint32_t)_mm_movemask_epi8(mark) << i;
        }
    }
    #else
    static inline void atlas_classes_any(const uint8_t *p, atlas_classes *out) {
        int i;
        out->word = out->letter = out->mark = 0;
        for (i = 0; i < 64; i++) {
            const uint64_t letter = (uint8_t)((p[i] | 32) - 97) < 26;
            out->letter |= letter << i;
            out->word |= (uint64_t)(letter || (uint8_t)(p[i] - 48) < 10 || p[i] == 95 || p[i] >> 7) << i;
            out->mark |= (uint64_t)(p[i] == 33 || p[i] == 36 || p[i] == 37) << i;
        }
    }
    #endif

    #ifdef ATLAS_LANES
    #define atlas_read_classes(p, out) \\
        (atlas_avx512 ? atlas_classes_wide(p, out) : atlas_classes_any(p, out))
    #else
    #define atlas_read_classes atlas_classes_any
    #endif
    """
    ctypedef struct Classes "atlas_classes":
        uint64_t word           # letter, digit, `_`, above 0x7f
        uint64_t letter         # of ASCII
        uint64_t mark           # `$ % !`

    void read_classes "atlas_read_classes"(const uint8_t* p, Classes* out) noexcept nogil
