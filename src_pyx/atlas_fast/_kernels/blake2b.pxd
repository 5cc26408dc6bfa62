"""BLAKE2b (RFC 7693) without a key, over pieces of one input or over several inputs at once.
Header only.

(a) blake2b_init, _add, _end: one input. A state is plain memory: a copy of it goes on from the same
    place, so a common beginning is hashed once.
(b) blake2b_lanes, blake2b_run: one input in each 64-bit lane of a vector, eight with AVX-512, four
    with AVX2; which of them the machine has is asked when the program runs. The compression is
    written once: the rounds are macros over words that may be vectors.
"""
from atlas_fast._kernels.types cimport uint8_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__x86_64__) && defined(__GNUC__)
    #include <immintrin.h>
    #define ATLAS_BLAKE2B_X86 1
    #else
    #define ATLAS_BLAKE2B_X86 0
    #endif

    typedef struct {
        uint64_t h[8], count;       /* bytes that were compressed */
        uint8_t block[128];
        int fill;                   /* bytes in block, never compressed before more follow */
    } atlas_blake2b;

    #define BLAKE2B_LANES 8           /* at most */

    typedef struct {                /* what each lane compresses next */
        uint64_t h[8][BLAKE2B_LANES];
        uint64_t count[BLAKE2B_LANES], last[BLAKE2B_LANES];     /* last: all bits set, or none */
        const uint8_t *at[BLAKE2B_LANES];
        size_t stride[BLAKE2B_LANES];
    } atlas_blake2b_lanes;

    static const uint64_t ATLAS_BLAKE2B_IV[8] = {
        0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
        0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u,
    };

    static inline uint64_t atlas_load64(const uint8_t *p) {
        uint64_t x;
        memcpy(&x, p, 8);
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        x = __builtin_bswap64(x);
    #endif
        return x;
    }

    #define ATLAS_G(a, b, c, d, x, y)                                   \\
        a += b + (x); d = ATLAS_ROTR(d ^ a, 32);                        \\
        c += d;       b = ATLAS_ROTR(b ^ c, 24);                        \\
        a += b + (y); d = ATLAS_ROTR(d ^ a, 16);                        \\
        c += d;       b = ATLAS_ROTR(b ^ c, 63);
    #define ATLAS_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \\
        ATLAS_G(v0, v4, v8,  v12, m[s0],  m[s1])                        \\
        ATLAS_G(v1, v5, v9,  v13, m[s2],  m[s3])                        \\
        ATLAS_G(v2, v6, v10, v14, m[s4],  m[s5])                        \\
        ATLAS_G(v3, v7, v11, v15, m[s6],  m[s7])                        \\
        ATLAS_G(v0, v5, v10, v15, m[s8],  m[s9])                        \\
        ATLAS_G(v1, v6, v11, v12, m[s10], m[s11])                       \\
        ATLAS_G(v2, v7, v8,  v13, m[s12], m[s13])                       \\
        ATLAS_G(v3, v4, v9,  v14, m[s14], m[s15])
    /* h: eight words of state; m: the sixteen of the block. `ones`: a word with all bits set where
       the block is the last. Words are numbers or vectors of them. */
    #define ATLAS_COMPRESS(word, h, m, counts, ones) do {               \\
        const word zero = (counts) ^ (counts);                          \\
        word v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3];                \\
        word v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];                \\
        word v8 = zero + ATLAS_BLAKE2B_IV[0], v9 = zero + ATLAS_BLAKE2B_IV[1];          \\
        word v10 = zero + ATLAS_BLAKE2B_IV[2], v11 = zero + ATLAS_BLAKE2B_IV[3];        \\
        word v12 = (counts) ^ ATLAS_BLAKE2B_IV[4], v13 = zero + ATLAS_BLAKE2B_IV[5];    \\
        word v14 = (ones) ^ ATLAS_BLAKE2B_IV[6], v15 = zero + ATLAS_BLAKE2B_IV[7];      \\
        ATLAS_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)               \\
        ATLAS_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)               \\
        ATLAS_ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)               \\
        ATLAS_ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)               \\
        ATLAS_ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)               \\
        ATLAS_ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)               \\
        ATLAS_ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)               \\
        ATLAS_ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)               \\
        ATLAS_ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)               \\
        ATLAS_ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)               \\
        ATLAS_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)               \\
        ATLAS_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)               \\
        h[0] ^= v0 ^ v8;  h[1] ^= v1 ^ v9;  h[2] ^= v2 ^ v10; h[3] ^= v3 ^ v11;         \\
        h[4] ^= v4 ^ v12; h[5] ^= v5 ^ v13; h[6] ^= v6 ^ v14; h[7] ^= v7 ^ v15;         \\
    } while (0)

    #define ATLAS_ROTR(x, n) ((x) >> (n) | (x) << (64 - (n)))
    static void atlas_blake2b_compress(uint64_t h[8], const uint8_t *p, uint64_t count, int last) {
        uint64_t m[16];
        int i;
        for (i = 0; i < 16; i++)
            m[i] = atlas_load64(p + 8 * i);
        ATLAS_COMPRESS(uint64_t, h, m, count, last ? ~(uint64_t)0 : (uint64_t)0);
    }
    #undef ATLAS_ROTR

    static void atlas_blake2b_init(atlas_blake2b *s, int digest) {
        memset(s, 0, sizeof(*s));
        memcpy(s->h, ATLAS_BLAKE2B_IV, sizeof(s->h));
        s->h[0] ^= 0x01010000u ^ (uint64_t)digest;      /* no key, fanout and depth 1 */
    }

    static void atlas_blake2b_add(atlas_blake2b *s, const uint8_t *p, size_t size) {
        size_t room = (size_t)(128 - s->fill);
        if (size > room) {
            if (s->fill) {
                memcpy(s->block + s->fill, p, room);
                p += room;
                size -= room;
                s->count += 128;
                atlas_blake2b_compress(s->h, s->block, s->count, 0);
                s->fill = 0;
            }
            while (size > 128) {
                s->count += 128;
                atlas_blake2b_compress(s->h, p, s->count, 0);
                p += 128;
                size -= 128;
            }
        }
        if (size) {
            memcpy(s->block + s->fill, p, size);
            s->fill += (int)size;
        }
    }

    static void atlas_blake2b_end(atlas_blake2b *s, uint8_t *out, int digest) {
        int i;
        memset(s->block + s->fill, 0, (size_t)(128 - s->fill));
        atlas_blake2b_compress(s->h, s->block, s->count + (uint64_t)s->fill, 1);
        for (i = 0; i < digest; i++)
            out[i] = (uint8_t)(s->h[i / 8] >> (8 * (i % 8)));
    }

    #if ATLAS_BLAKE2B_X86
    typedef uint64_t atlas_u64x4 __attribute__((vector_size(32)));
    typedef uint64_t atlas_u64x8 __attribute__((vector_size(64)));

    #define ATLAS_ROTR(x, n) ATLAS_ROTR4_##n((x))
    #define ATLAS_ROTR4_32(x) (atlas_u64x4)_mm256_shuffle_epi32((__m256i)(x), 0xb1)
    #define ATLAS_ROTR4_24(x) (atlas_u64x4)_mm256_shuffle_epi8((__m256i)(x), by24)
    #define ATLAS_ROTR4_16(x) (atlas_u64x4)_mm256_shuffle_epi8((__m256i)(x), by16)
    #define ATLAS_ROTR4_63(x) (((x) + (x)) | (x) >> 63)
    #define ATLAS_LOAD4(lane, i) _mm256_loadu_si256((const __m256i *)(s->at[lane] + 8 * (i)))
    __attribute__((target("avx2")))
    static void atlas_blake2b_run4(atlas_blake2b_lanes *s, size_t blocks) {
        const __m256i by24 = _mm256_setr_epi8(
            3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
            3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
        const __m256i by16 = _mm256_setr_epi8(
            2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
            2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
        atlas_u64x4 h[8], m[16], count, last;
        int i;
        for (i = 0; i < 8; i++)
            memcpy(&h[i], s->h[i], 32);
        memcpy(&count, s->count, 32);
        memcpy(&last, s->last, 32);
        while (blocks--) {
            for (i = 0; i < 16; i += 4) {               /* four words of four lanes, turned */
                __m256i a = ATLAS_LOAD4(0, i), b = ATLAS_LOAD4(1, i);
                __m256i c = ATLAS_LOAD4(2, i), d = ATLAS_LOAD4(3, i);
                __m256i ab = _mm256_unpacklo_epi64(a, b), cd = _mm256_unpacklo_epi64(c, d);
                m[i] = (atlas_u64x4)_mm256_permute2x128_si256(ab, cd, 0x20);
                m[i + 2] = (atlas_u64x4)_mm256_permute2x128_si256(ab, cd, 0x31);
                ab = _mm256_unpackhi_epi64(a, b);
                cd = _mm256_unpackhi_epi64(c, d);
                m[i + 1] = (atlas_u64x4)_mm256_permute2x128_si256(ab, cd, 0x20);
                m[i + 3] = (atlas_u64x4)_mm256_permute2x128_si256(ab, cd, 0x31);
            }
            ATLAS_COMPRESS(atlas_u64x4, h, m, count, last);
            count += 128;
            for (i = 0; i < 4; i++)
                s->at[i] += s->stride[i];
        }
        for (i = 0; i < 8; i++)
            memcpy(s->h[i], &h[i], 32);
        memcpy(s->count, &count, 32);
    }
    #undef ATLAS_ROTR

    #define ATLAS_ROTR(x, n) (atlas_u64x8)_mm512_ror_epi64((__m512i)(x), n)
    #define ATLAS_LOAD8(lane, i) _mm512_loadu_si512((const void *)(s->at[lane] + 8 * (i)))
    __attribute__((target("avx512f")))
    static void atlas_blake2b_run8(atlas_blake2b_lanes *s, size_t blocks) {
        atlas_u64x8 h[8], m[16], count, last;
        int i, odd;
        for (i = 0; i < 8; i++)
            memcpy(&h[i], s->h[i], 64);
        memcpy(&count, s->count, 64);
        memcpy(&last, s->last, 64);
        while (blocks--) {
            for (i = 0; i < 16; i += 8) {               /* eight words of eight lanes, turned */
                __m512i pair[2][4], low, high;
                for (odd = 0; odd < 4; odd++) {
                    low = ATLAS_LOAD8(2 * odd, i);
                    high = ATLAS_LOAD8(2 * odd + 1, i);
                    pair[0][odd] = _mm512_unpacklo_epi64(low, high);
                    pair[1][odd] = _mm512_unpackhi_epi64(low, high);
                }
                for (odd = 0; odd < 2; odd++) {
                    low = _mm512_shuffle_i64x2(pair[odd][0], pair[odd][1], 0x44);
                    high = _mm512_shuffle_i64x2(pair[odd][2], pair[odd][3], 0x44);
                    m[i + odd] = (atlas_u64x8)_mm512_shuffle_i64x2(low, high, 0x88);
                    m[i + odd + 2] = (atlas_u64x8)_mm512_shuffle_i64x2(low, high, 0xdd);
                    low = _mm512_shuffle_i64x2(pair[odd][0], pair[odd][1], 0xee);
                    high = _mm512_shuffle_i64x2(pair[odd][2], pair[odd][3], 0xee);
                    m[i + odd + 4] = (atlas_u64x8)_mm512_shuffle_i64x2(low, high, 0x88);
                    m[i + odd + 6] = (atlas_u64x8)_mm512_shuffle_i64x2(low, high, 0xdd);
                }
            }
            ATLAS_COMPRESS(atlas_u64x8, h, m, count, last);
            count += 128;
            for (i = 0; i < 8; i++)
                s->at[i] += s->stride[i];
        }
        for (i = 0; i < 8; i++)
            memcpy(s->h[i], &h[i], 64);
        memcpy(s->count, &count, 64);
    }
    #undef ATLAS_ROTR
    #endif

    /* Lanes that this machine has; 0 when it has no such vectors. */
    static inline int atlas_blake2b_width(void) {
    #if ATLAS_BLAKE2B_X86
        if (__builtin_cpu_supports("avx512f"))
            return 8;
        if (__builtin_cpu_supports("avx2"))
            return 4;
    #endif
        return 0;
    }

    static inline void atlas_blake2b_run(atlas_blake2b_lanes *s, int width, size_t blocks) {
    #if ATLAS_BLAKE2B_X86
        if (width == 8)
            atlas_blake2b_run8(s, blocks);
        else
            atlas_blake2b_run4(s, blocks);
    #else
        (void)s; (void)width; (void)blocks;
    #endif
    }
    """
    ctypedef struct Blake2b "atlas_blake2b":
        uint64_t h[8]
        uint64_t count
        uint8_t block[128]
        int fill

    enum:
        LANES "BLAKE2B_LANES"

    ctypedef struct Blake2bLanes "atlas_blake2b_lanes":
        uint64_t h[8][LANES]
        uint64_t count[LANES]
        uint64_t last[LANES]
        const uint8_t* at[LANES]
        size_t stride[LANES]

    void blake2b_init "atlas_blake2b_init"(Blake2b* s, int digest) noexcept nogil
    void blake2b_add "atlas_blake2b_add"(Blake2b* s, const uint8_t* p, size_t size) noexcept nogil
    void blake2b_end "atlas_blake2b_end"(Blake2b* s, uint8_t* out, int digest) noexcept nogil
    int blake2b_width "atlas_blake2b_width"() noexcept nogil
    void blake2b_run "atlas_blake2b_run"(Blake2bLanes* s, int width, size_t blocks) noexcept nogil
