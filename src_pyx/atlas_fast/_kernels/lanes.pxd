"""Words eight at a time: hashes of runs of letters, columns of words, pairs and stems.

With AVX-512 where the machine has it (processor.pxd), or plain C. The hashes are those of
folding.pyx and hashing.pxd: those of runs on a little-endian machine only, and with LANES_HASH at 0
folding.pyx reads each run by itself. Outputs have room for eight entries more than are asked for.
"""
cimport atlas_fast._kernels.processor
from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #define ATLAS_CHUNK 0x9E3779B97F4A7C15u
    #define ATLAS_MIX 0xD6E8FEB86659FD93u
    #define ATLAS_WORD 0x51ED270Bu
    #define ATLAS_LOW 0x2020202020202020u
    #define ATLAS_LANES_HASH (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

    static inline uint64_t atlas_mixed(uint64_t h) {
        h ^= h >> 32;
        h *= ATLAS_MIX;
        return h ^ h >> 32;
    }

    #ifdef ATLAS_LANES
    ATLAS_AVX512 static inline __m512i atlas_mixed_wide(__m512i h) {
        h = _mm512_xor_si512(h, _mm512_srli_epi64(h, 32));
        h = _mm512_mullo_epi64(h, _mm512_set1_epi64((int64_t)ATLAS_MIX));
        return _mm512_xor_si512(h, _mm512_srli_epi64(h, 32));
    }

    ATLAS_AVX512 static inline __m512i atlas_chunk_wide(__m512i h, __m512i chunk) {
        h = _mm512_mullo_epi64(
            _mm512_xor_si512(h, chunk), _mm512_set1_epi64((int64_t)ATLAS_CHUNK));
        return _mm512_xor_si512(h, _mm512_srli_epi64(h, 29));
    }

    ATLAS_AVX512 static inline __m512i atlas_low_wide(__m512i chunk, __m512i bytes) {
        const __m512i beyond = _mm512_sub_epi64(
            _mm512_set1_epi64(64), _mm512_slli_epi64(bytes, 3));
        return _mm512_and_si512(
            _mm512_or_si512(chunk, _mm512_set1_epi64((int64_t)ATLAS_LOW)),
            _mm512_srlv_epi64(_mm512_set1_epi64(-1), beyond));
    }

    ATLAS_AVX512 static inline int atlas_hash_wide(
        const uint8_t *buf, const int64_t *start, const int64_t *stop, int n, const uint8_t *filter,
        int number, uint64_t *hash, uint64_t *stem, int32_t *size, int64_t *first, int64_t *end,
        uint16_t *minded)
    {
        const __m512i eight = _mm512_set1_epi64(8), zero = _mm512_setzero_si512();
        const __m512i unit = _mm512_set1_epi64(1);
        int i, found = 0;
        for (i = 0; i < n; i += 8) {
            const __mmask8 some = (__mmask8)(n - i < 8 ? (1 << (n - i)) - 1 : 255);
            const __m512i at = _mm512_maskz_loadu_epi64(some, start + i);
            const __m512i m = _mm512_sub_epi64(_mm512_maskz_loadu_epi64(some, stop + i), at);
            const __m512i more = _mm512_max_epi64(_mm512_sub_epi64(m, eight), zero);
            const __m512i one = atlas_low_wide(
                _mm512_mask_i64gather_epi64(zero, some, at, buf, 1), _mm512_min_epi64(m, eight));
            const __m512i two = atlas_low_wide(
                _mm512_mask_i64gather_epi64(zero, some, at, buf + 8, 1), more);
            const __m512i bits = _mm512_slli_epi64(m, 3);       /* a shift of 64 and more gives 0 */
            const __m512i last = _mm512_and_si512(_mm512_set1_epi64(0xFFFFFF), _mm512_or_si512(
                _mm512_srlv_epi64(one, _mm512_sub_epi64(bits, _mm512_set1_epi64(24))),
                _mm512_or_si512(
                    _mm512_srlv_epi64(two, _mm512_sub_epi64(bits, _mm512_set1_epi64(88))),
                    _mm512_sllv_epi64(two, _mm512_sub_epi64(_mm512_set1_epi64(88), bits)))));
            __m512i h = atlas_chunk_wide(_mm512_set1_epi64(ATLAS_WORD), one);
            __m512i bit;
            __mmask8 mind;
            h = _mm512_mask_mov_epi64(
                h, _mm512_cmpgt_epi64_mask(m, eight), atlas_chunk_wide(h, two));
            bit = _mm512_cvtepu32_epi64(_mm512_mask_i64gather_epi32(
                _mm256_setzero_si256(), some,
                _mm512_and_si512(_mm512_srli_epi64(h, 45), _mm512_set1_epi64(1023)), filter, 4));
            bit = _mm512_srlv_epi64(
                bit, _mm512_and_si512(_mm512_srli_epi64(h, 40), _mm512_set1_epi64(31)));
            mind = _mm512_test_epi64_mask(bit, unit) | _mm512_cmpeq_epi64_mask(m, unit);
            _mm512_storeu_si512(first + i, at);
            _mm512_storeu_si512(end + i, _mm512_add_epi64(at, m));
            _mm512_storeu_si512(hash + i, h);
            _mm512_storeu_si512(stem + i, _mm512_or_si512(
                _mm512_and_si512(one, _mm512_set1_epi64(0xFFFFFFFF)), _mm512_slli_epi64(last, 32)));
            _mm256_storeu_si256((__m256i *)(size + i), _mm512_cvtepi64_epi32(m));
            _mm_storeu_si128((__m128i *)(minded + found), _mm512_cvtepi64_epi16(
                _mm512_maskz_compress_epi64(mind & some, _mm512_add_epi64(
                    _mm512_set1_epi64(number + i), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)))));
            found += _mm_popcnt_u32((unsigned)(mind & some));
        }
        return found;
    }

    ATLAS_AVX512 static inline int atlas_columns_wide(
        const uint64_t *hash, const uint64_t *stem, const int32_t *size, int n,
        uint64_t last, uint64_t begin, uint64_t pair, uint32_t mask, uint32_t *out, uint64_t *stems)
    {
        const __m512i low = _mm512_set1_epi64(mask);
        __m512i before = _mm512_set1_epi64((int64_t)last);
        int i, found = 0;
        for (i = 0; i < n; i += 8) {
            const __mmask8 some = (__mmask8)(n - i < 8 ? (1 << (n - i)) - 1 : 255);
            const __m512i h = _mm512_loadu_si512(hash + i);
            const __m512i two = _mm512_add_epi64(_mm512_set1_epi64((int64_t)pair),
                _mm512_slli_epi64(_mm512_alignr_epi64(h, before, 7), 1));
            const __m512i a = atlas_mixed_wide(
                _mm512_xor_si512(h, _mm512_set1_epi64((int64_t)begin)));
            const __m512i b = atlas_mixed_wide(_mm512_mullo_epi64(
                _mm512_xor_si512(two, h), _mm512_set1_epi64((int64_t)ATLAS_CHUNK)));
            const __mmask8 keep = some & _mm256_cmpgt_epi32_mask(
                _mm256_loadu_si256((const __m256i *)(size + i)), _mm256_set1_epi32(4));
            before = h;
            _mm512_storeu_si512(out + 2 * i, _mm512_or_si512(
                _mm512_and_si512(a, low), _mm512_slli_epi64(_mm512_and_si512(b, low), 32)));
            _mm512_storeu_si512(
                stems + found, _mm512_maskz_compress_epi64(keep, _mm512_loadu_si512(stem + i)));
            found += _mm_popcnt_u32((unsigned)keep);
        }
        return found;
    }

    ATLAS_AVX512 static inline void atlas_stem_columns_wide(
        const uint64_t *stems, int n, uint64_t first, uint64_t ending, uint32_t mask, uint32_t *out)
    {
        const __m512i low = _mm512_set1_epi64(mask);
        const __m512i times = _mm512_set1_epi64((int64_t)ATLAS_CHUNK);
        int i;
        for (i = 0; i < n; i += 8) {
            const __m512i s = _mm512_loadu_si512(stems + i);
            const __m512i a = atlas_mixed_wide(_mm512_mullo_epi64(times, _mm512_xor_si512(
                _mm512_set1_epi64((int64_t)first),
                _mm512_and_si512(s, _mm512_set1_epi64(0xFFFFFFFF)))));
            const __m512i b = atlas_mixed_wide(_mm512_mullo_epi64(times, _mm512_xor_si512(
                _mm512_set1_epi64((int64_t)ending), _mm512_srli_epi64(s, 32))));
            _mm512_storeu_si512(out + 2 * i, _mm512_or_si512(
                _mm512_and_si512(a, low), _mm512_slli_epi64(_mm512_and_si512(b, low), 32)));
        }
    }
    #endif

    static inline int atlas_hash_plain(
        const uint8_t *buf, const int64_t *start, const int64_t *stop, int n, const uint8_t *filter,
        int number, uint64_t *hash, uint64_t *stem, int32_t *size, int64_t *first, int64_t *end,
        uint16_t *minded)
    {
        int i, found = 0;
        for (i = 0; i < n; i++) {
            const uint8_t *p = buf + start[i];
            const int m = (int)(stop[i] - start[i]);
            uint64_t one, two, h, longer;
            uint32_t last;
            memcpy(&one, p, 8);
            memcpy(&two, p + 8, 8);
            memcpy(&last, p + (m > 4 ? m - 4 : 0), 4);
            one = (one | ATLAS_LOW) & ~(uint64_t)0 >> (64 - 8 * (m < 8 ? m : 8));
            two = (two | ATLAS_LOW) & ~(uint64_t)0 >> (64 - 8 * (m > 8 ? m - 8 : 8));
            h = (one ^ ATLAS_WORD) * ATLAS_CHUNK;
            h ^= h >> 29;
            longer = (two ^ h) * ATLAS_CHUNK;
            longer ^= longer >> 29;
            h ^= (h ^ longer) & -(uint64_t)(m > 8);
            first[i] = start[i];
            end[i] = stop[i];
            hash[i] = h;
            stem[i] = (uint32_t)one | (uint64_t)((last | (uint32_t)ATLAS_LOW) >> 8) << 32;
            size[i] = m;
            minded[found] = (uint16_t)(number + i);
            found += (filter[h >> 43 & 4095] >> (h >> 40 & 7) & 1) | (m == 1);
        }
        return found;
    }

    static inline int atlas_columns_plain(
        const uint64_t *hash, const uint64_t *stem, const int32_t *size, int n,
        uint64_t last, uint64_t begin, uint64_t pair, uint32_t mask, uint32_t *out, uint64_t *stems)
    {
        int i, found = 0;
        for (i = 0; i < n; i++) {
            const uint64_t h = hash[i];
            out[2 * i] = (uint32_t)atlas_mixed(h ^ begin) & mask;
            out[2 * i + 1] = (uint32_t)atlas_mixed(((pair + (last << 1)) ^ h) * ATLAS_CHUNK) & mask;
            stems[found] = stem[i];
            found += size[i] > 4;
            last = h;
        }
        return found;
    }

    static inline void atlas_stem_columns_plain(
        const uint64_t *stems, int n, uint64_t first, uint64_t ending, uint32_t mask, uint32_t *out)
    {
        int i;
        for (i = 0; i < n; i++) {
            out[2 * i] = (uint32_t)atlas_mixed(
                (first ^ (uint32_t)stems[i]) * ATLAS_CHUNK) & mask;
            out[2 * i + 1] = (uint32_t)atlas_mixed(
                (ending ^ stems[i] >> 32) * ATLAS_CHUNK) & mask;
        }
    }

    #ifdef ATLAS_LANES
    #define atlas_hash(...) (atlas_avx512 ? atlas_hash_wide(__VA_ARGS__) : atlas_hash_plain(__VA_ARGS__))
    #define atlas_columns(...) \\
        (atlas_avx512 ? atlas_columns_wide(__VA_ARGS__) : atlas_columns_plain(__VA_ARGS__))
    #define atlas_stem_columns(...) \\
        (atlas_avx512 ? atlas_stem_columns_wide(__VA_ARGS__) : atlas_stem_columns_plain(__VA_ARGS__))
    #else
    #define atlas_hash atlas_hash_plain
    #define atlas_columns atlas_columns_plain
    #define atlas_stem_columns atlas_stem_columns_plain
    #endif
    """
    enum: LANES_HASH "ATLAS_LANES_HASH"

    # Hash, stem and size of n runs of 1 to 16 letters, behind each of which buf can be read until 16
    # bytes from its start; numbers, from `number` on, of those in the filter, or of one letter.
    int lanes_hash "atlas_hash"(
        const uint8_t* buf, const int64_t* start, const int64_t* stop, int n, const uint8_t* filter,
        int number,                                                             # IN
        uint64_t* hash, uint64_t* stem, int32_t* size, int64_t* first, int64_t* end,
        uint16_t* minded,                                                       # OUT
    ) noexcept nogil

    # Columns of each word, and of it with the one before it; the stems of words above four bytes.
    int lanes_columns "atlas_columns"(
        const uint64_t* hash, const uint64_t* stem, const int32_t* size, int n, uint64_t last,
        uint64_t begin, uint64_t pair, uint32_t mask,                           # IN
        uint32_t* out, uint64_t* stems,                                         # OUT  2 n, n
    ) noexcept nogil

    # Columns of beginnings and endings.
    void lanes_stem_columns "atlas_stem_columns"(
        const uint64_t* stems, int n, uint64_t first, uint64_t ending, uint32_t mask,   # IN
        uint32_t* out,                                                          # OUT  2 n
    ) noexcept nogil
