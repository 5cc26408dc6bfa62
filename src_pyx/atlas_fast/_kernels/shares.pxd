"""Shares of features in a logit, sixteen at a time: weights looked up, multiplied and added.

With AVX-512 where the machine has it (processor.pxd), or plain C; both add in the same order, in
eight lanes by position, so that their sums are the same to the last bit: a product of two floats is
exact in a double.
"""
cimport atlas_fast._kernels.processor
from atlas_fast._kernels.types cimport int32_t, uint32_t

cdef enum:
    SHARES_CHUNK = 1024         # shares that are made at once
    SHARES_BLOCK = 16           # and those that have one peak

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    static inline int atlas_shares_plain(
        const int32_t *at, const float *data, ptrdiff_t m, const float *weights, uint32_t size,
        float *share, int32_t *peak, double *sum)
    {
        const ptrdiff_t whole = (m + 15) / 16 * 16;
        uint32_t worst = 0;
        ptrdiff_t i, b;
        for (i = 0; i < m; i++)                         /* a negative one is a large one here */
            worst = (uint32_t)at[i] > worst ? (uint32_t)at[i] : worst;
        if (m && worst >= size)
            return 0;
        for (i = 0; i < m; i++)
            share[i] = weights[at[i]];
        for (i = 0; i < m; i++)
            sum[i & 7] += (double)share[i] * (double)data[i];
        for (i = 0; i < m; i++)
            share[i] *= data[i];
        for (; i < whole; i++)
            share[i] = 0;
        for (b = 0; b < whole; b += 16) {
            int32_t bits[16], most = 0;
            memcpy(bits, share + b, 64);
            for (i = 0; i < 16; i++) {
                bits[i] &= 0x7FFFFFFF;
                most = bits[i] > most ? bits[i] : most;
            }
            peak[b / 16] = most;
        }
        return 1;
    }

    static inline void atlas_lanes_add_plain(
        const float *share, ptrdiff_t start, ptrdiff_t stop, double *sum)
    {
        for (; start < stop; start++)
            sum[start & 7] += (double)share[start];
    }

    #ifdef ATLAS_LANES
    ATLAS_AVX512 static inline int atlas_shares_wide(
        const int32_t *at, const float *data, ptrdiff_t m, const float *weights, uint32_t size,
        float *share, int32_t *peak, double *sum)
    {
        const __m512i end = _mm512_set1_epi32((int32_t)size);
        const __m512i plain = _mm512_set1_epi32(0x7FFFFFFF);
        __m512d all = _mm512_loadu_pd(sum);
        ptrdiff_t i;
        for (i = 0; i < m; i += 16) {
            const __mmask16 some = (__mmask16)(m - i < 16 ? (1 << (m - i)) - 1 : 65535);
            const __m512i place = _mm512_maskz_loadu_epi32(some, at + i);
            const __m512 d = _mm512_maskz_loadu_ps(some, data + i);
            __m512 w, both;
            if (_mm512_mask_cmpge_epu32_mask(some, place, end))
                return 0;
            w = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), some, place, weights, 4);
            both = _mm512_mul_ps(w, d);
            _mm512_storeu_ps(share + i, both);
            peak[i / 16] = _mm512_reduce_max_epi32(
                _mm512_and_si512(_mm512_castps_si512(both), plain));
            all = _mm512_add_pd(all, _mm512_mul_pd(
                _mm512_cvtps_pd(_mm512_castps512_ps256(w)),
                _mm512_cvtps_pd(_mm512_castps512_ps256(d))));
            all = _mm512_add_pd(all, _mm512_mul_pd(
                _mm512_cvtps_pd(_mm512_extractf32x8_ps(w, 1)),
                _mm512_cvtps_pd(_mm512_extractf32x8_ps(d, 1))));
        }
        _mm512_storeu_pd(sum, all);
        return 1;
    }

    ATLAS_AVX512 static inline void atlas_lanes_add_wide(
        const float *share, ptrdiff_t start, ptrdiff_t stop, double *sum)
    {
        __m512d all = _mm512_loadu_pd(sum);
        ptrdiff_t i;
        for (i = start & ~(ptrdiff_t)7; i < stop; i += 8) {
            unsigned some = 255;
            if (i < start)
                some &= 255u << (start - i);
            if (stop - i < 8)
                some &= (1u << (stop - i)) - 1;
            all = _mm512_add_pd(
                all, _mm512_cvtps_pd(_mm256_maskz_loadu_ps((__mmask8)some, share + i)));
        }
        _mm512_storeu_pd(sum, all);
    }
    #define atlas_shares(...) \\
        (atlas_avx512 ? atlas_shares_wide(__VA_ARGS__) : atlas_shares_plain(__VA_ARGS__))
    #define atlas_lanes_add(...) \\
        (atlas_avx512 ? atlas_lanes_add_wide(__VA_ARGS__) : atlas_lanes_add_plain(__VA_ARGS__))
    #else
    #define atlas_shares atlas_shares_plain
    #define atlas_lanes_add atlas_lanes_add_plain
    #endif
    """
    # Shares of m features, at most SHARES_CHUNK, up to the next whole block, 0 behind the last; the
    # largest of each block by its bits without the sign, in whose order floats are; and the exact
    # shares added to eight lanes. 0, and nothing is added, where a column is not below size.
    bint shares_make "atlas_shares"(
        const int32_t* at, const float* data, Py_ssize_t m, const float* weights, uint32_t size,
        float* share, int32_t* peak, double* sum,               # OUT, OUT, IN OUT
    ) noexcept nogil

    # Add share[start:stop] to eight lanes by position.
    void lanes_add "atlas_lanes_add"(
        const float* share, Py_ssize_t start, Py_ssize_t stop, double* sum,
    ) noexcept nogil


cdef inline double lanes_sum(const double* sum) noexcept nogil:
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]))
