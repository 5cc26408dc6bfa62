"""BLAKE2b (RFC 7693) without a key, over pieces of one input. Header only.

A state is plain memory: a copy of it goes on from the same place, so a common beginning is hashed
once.
"""
from atlas_fast._kernels.types cimport uint8_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    typedef struct {
        uint64_t h[8], count;       /* bytes that were compressed */
        uint8_t block[128];
        int fill;                   /* bytes in block, never compressed before more follow */
    } atlas_blake2b;

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

    #define ATLAS_ROTR(x, n) ((x) >> (n) | (x) << (64 - (n)))
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

    static void atlas_blake2b_compress(uint64_t h[8], const uint8_t *p, uint64_t count, int last) {
        uint64_t m[16];
        uint64_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3];
        uint64_t v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        uint64_t v8 = ATLAS_BLAKE2B_IV[0], v9 = ATLAS_BLAKE2B_IV[1];
        uint64_t v10 = ATLAS_BLAKE2B_IV[2], v11 = ATLAS_BLAKE2B_IV[3];
        uint64_t v12 = ATLAS_BLAKE2B_IV[4] ^ count, v13 = ATLAS_BLAKE2B_IV[5];
        uint64_t v14 = ATLAS_BLAKE2B_IV[6] ^ (last ? ~(uint64_t)0 : 0), v15 = ATLAS_BLAKE2B_IV[7];
        int i;
        for (i = 0; i < 16; i++)
            m[i] = atlas_load64(p + 8 * i);
        ATLAS_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        ATLAS_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        ATLAS_ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
        ATLAS_ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
        ATLAS_ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
        ATLAS_ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
        ATLAS_ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
        ATLAS_ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
        ATLAS_ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
        ATLAS_ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
        ATLAS_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        ATLAS_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        h[0] ^= v0 ^ v8;  h[1] ^= v1 ^ v9;  h[2] ^= v2 ^ v10; h[3] ^= v3 ^ v11;
        h[4] ^= v4 ^ v12; h[5] ^= v5 ^ v13; h[6] ^= v6 ^ v14; h[7] ^= v7 ^ v15;
    }

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
    """
    ctypedef struct Blake2b "atlas_blake2b":
        pass

    void blake2b_init "atlas_blake2b_init"(Blake2b* s, int digest) noexcept nogil
    void blake2b_add "atlas_blake2b_add"(Blake2b* s, const uint8_t* p, size_t size) noexcept nogil
    void blake2b_end "atlas_blake2b_end"(Blake2b* s, uint8_t* out, int digest) noexcept nogil
