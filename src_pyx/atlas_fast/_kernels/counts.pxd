"""How often classes of bytes stand in a text: 32 bytes at a time, each lane with counters of its own.

Once for every machine and once for those with AVX2; with AVX-512 masks of 64 bytes. Plain C without
ATLAS_VECTORS (processor.pxd).
"""
cimport atlas_fast._kernels.processor
from atlas_fast._kernels.types cimport int64_t, uint8_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    typedef struct {
        int64_t upper, letters, digits, high, bangs, dollars, lines, quotes, questions;
    } atlas_counts;

    #ifdef ATLAS_VECTORS
    typedef uint8_t atlas_lanes __attribute__((vector_size(32)));
    #define ATLAS_SUM(field, lanes) do { \\
        uint64_t each[4], pairs = 0; int k;     /* sixteen bits a pair of lanes: 8 * 255 fit */ \\
        memcpy(each, &(lanes), 32); \\
        for (k = 0; k < 4; k++) \\
            pairs += (each[k] & 0x00FF00FF00FF00FFu) + (each[k] >> 8 & 0x00FF00FF00FF00FFu); \\
        out->field += (int64_t)(pairs * 0x0001000100010001u >> 48); \\
    } while (0)
    #define ATLAS_COUNT(name, target) \\
    target static void name(const uint8_t *p, size_t n, atlas_counts *out) { \\
        uint8_t rest[32] = {0};             /* zero is in no class */ \\
        while (n) { \\
            atlas_lanes upper = {0}, letters = {0}, digits = {0}, high = {0}, bangs = {0}; \\
            atlas_lanes dollars = {0}, lines = {0}, quotes = {0}, questions = {0}, x; \\
            int turn; \\
            for (turn = 0; turn < 255 && n; turn++) { \\
                if (n >= 32) { \\
                    memcpy(&x, p, 32); \\
                    p += 32; n -= 32; \\
                } else { \\
                    memcpy(rest, p, n); \\
                    memcpy(&x, rest, 32); \\
                    n = 0; \\
                } \\
                upper -= (atlas_lanes)((x - 65) < 26);      /* true is -1 */ \\
                letters -= (atlas_lanes)(((x | 32) - 97) < 26); \\
                digits -= (atlas_lanes)((x - 48) < 10); \\
                high += x >> 7; \\
                bangs -= (atlas_lanes)(x == 33); \\
                dollars -= (atlas_lanes)(x == 36); \\
                lines -= (atlas_lanes)(x == 10); \\
                quotes -= (atlas_lanes)(x == 62); \\
                questions -= (atlas_lanes)(x == 63); \\
            } \\
            ATLAS_SUM(upper, upper); ATLAS_SUM(letters, letters); ATLAS_SUM(digits, digits); \\
            ATLAS_SUM(high, high); ATLAS_SUM(bangs, bangs); ATLAS_SUM(dollars, dollars); \\
            ATLAS_SUM(lines, lines); ATLAS_SUM(quotes, quotes); ATLAS_SUM(questions, questions); \\
        } \\
    }
    ATLAS_COUNT(atlas_count_any, )
    #ifdef ATLAS_LANES
    ATLAS_COUNT(atlas_count_wide, __attribute__((target("avx2"))))
    #define ATLAS_ADD(field, mask) out->field += _mm_popcnt_u64(mask)
    #define ATLAS_EQUAL(what) _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(what))
    #define ATLAS_WITHIN(x, first, count) _mm512_cmplt_epu8_mask( \\
        _mm512_sub_epi8(x, _mm512_set1_epi8(first)), _mm512_set1_epi8(count))
    ATLAS_AVX512 static void atlas_count_masks(const uint8_t *p, size_t n, atlas_counts *out) {
        size_t i;
        for (i = 0; i < n; i += 64) {
            const __mmask64 some = n - i < 64 ? ((uint64_t)1 << (n - i)) - 1 : ~(uint64_t)0;
            const __m512i x = _mm512_maskz_loadu_epi8(some, p + i);
            ATLAS_ADD(upper, ATLAS_WITHIN(x, 'A', 26));
            ATLAS_ADD(letters, ATLAS_WITHIN(_mm512_or_si512(x, _mm512_set1_epi8(32)), 'a', 26));
            ATLAS_ADD(digits, ATLAS_WITHIN(x, '0', 10));
            ATLAS_ADD(high, _mm512_movepi8_mask(x));
            ATLAS_ADD(bangs, ATLAS_EQUAL('!'));
            ATLAS_ADD(dollars, ATLAS_EQUAL('$'));
            ATLAS_ADD(lines, ATLAS_EQUAL(10));
            ATLAS_ADD(quotes, ATLAS_EQUAL('>'));
            ATLAS_ADD(questions, ATLAS_EQUAL('?'));
        }
    }
    #endif
    static inline void atlas_count(const uint8_t *p, size_t n, atlas_counts *out) {
        memset(out, 0, sizeof(*out));
    #ifdef ATLAS_LANES
        if (atlas_avx512) {
            atlas_count_masks(p, n, out);
            return;
        }
        if (atlas_avx2) {
            atlas_count_wide(p, n, out);
            return;
        }
    #endif
        atlas_count_any(p, n, out);
    }
    #else
    static inline void atlas_count(const uint8_t *p, size_t n, atlas_counts *out) {
        size_t i;
        memset(out, 0, sizeof(*out));
        for (i = 0; i < n; i++) {
            out->upper += (uint8_t)(p[i] - 65) < 26;
            out->letters += (uint8_t)((p[i] | 32) - 97) < 26;
            out->digits += (uint8_t)(p[i] - 48) < 10;
            out->high += p[i] >> 7;
            out->bangs += p[i] == 33;
            out->dollars += p[i] == 36;
            out->lines += p[i] == 10;
            out->quotes += p[i] == 62;
            out->questions += p[i] == 63;
        }
    }
    #endif
    """
    ctypedef struct Counts "atlas_counts":
        int64_t upper
        int64_t letters
        int64_t digits
        int64_t high
        int64_t bangs           # !
        int64_t dollars         # $
        int64_t lines
        int64_t quotes          # >
        int64_t questions       # ?

    void count_bytes "atlas_count"(const uint8_t* p, size_t n, Counts* out) noexcept nogil
