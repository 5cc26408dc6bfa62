"""Bounded finders that look at sixteen bytes a step. Header only.

Each gives the first position in [start, stop) that it looks for, or stop. Bytes up to `end`, which
is stop at least, may be read: so a short run in a long buffer is one step. Vectors are 16 bytes
of the baseline of x86-64 and ARM64. What is left at the end goes byte by byte, as everything does
without ATLAS_VECTORS (processor.pxd).
"""
cimport atlas_fast._kernels.processor
from atlas_fast._kernels.types cimport uint8_t

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>
    #ifdef ATLAS_VECTORS
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif
    typedef uint8_t atlas_u8x16 __attribute__((vector_size(16)));

    static inline atlas_u8x16 atlas_load16(const uint8_t *p) {
        atlas_u8x16 v;
        memcpy(&v, p, 16);
        return v;
    }

    /* Number of the first byte that is not 0, each being 0 or 255; 16 when all are 0. */
    static inline int atlas_first16(atlas_u8x16 hit) {
    #if defined(__SSE2__)
        return __builtin_ctz((unsigned)_mm_movemask_epi8((__m128i)hit) | 0x10000u);
    #else
        uint64_t half[2];
        memcpy(half, &hit, 16);
        if (half[0])
            return __builtin_ctzll(half[0]) >> 3;
        return half[1] ? 8 + (__builtin_ctzll(half[1]) >> 3) : 16;
    #endif
    }

    /* `vector`: of the condition, from bytes v at `at`; `more`: bytes behind them that it reads. */
    #define ATLAS_STEPS(more, vector)                                   \\
        while (at < stop && end - at >= 16 + (more)) {                  \\
            const atlas_u8x16 v = atlas_load16(buf + at);               \\
            const int found = atlas_first16((atlas_u8x16)(vector));     \\
            at += found;                                                \\
            if (found < 16)                                             \\
                return at < stop ? at : stop;                           \\
        }
    #else
    #define ATLAS_STEPS(more, vector)
    #endif

    /* One of three bytes. */
    static inline ptrdiff_t atlas_find3(
        const uint8_t *buf, ptrdiff_t at, ptrdiff_t stop, ptrdiff_t end, uint8_t a, uint8_t b,
        uint8_t c
    ) {
        ATLAS_STEPS(0, (v == a) | (v == b) | (v == c))
        while (at < stop && buf[at] != a && buf[at] != b && buf[at] != c)
            at++;
        return at < stop ? at : stop;
    }

    /* The same, where most often none is near: four vectors a step first. */
    #define ATLAS_ANY3(v) (((v) == a) | ((v) == b) | ((v) == c))
    static inline ptrdiff_t atlas_find3_far(
        const uint8_t *buf, ptrdiff_t at, ptrdiff_t stop, ptrdiff_t end, uint8_t a, uint8_t b,
        uint8_t c
    ) {
    #ifdef ATLAS_VECTORS
        while (at < stop && end - at >= 64) {
            const atlas_u8x16 any = (atlas_u8x16)(
                ATLAS_ANY3(atlas_load16(buf + at)) | ATLAS_ANY3(atlas_load16(buf + at + 16))
                | ATLAS_ANY3(atlas_load16(buf + at + 32)) | ATLAS_ANY3(atlas_load16(buf + at + 48)));
            if (atlas_first16(any) < 16)
                break;
            at += 64;
        }
    #endif
        return atlas_find3(buf, at, stop, end, a, b, c);
    }

    /* A byte up to 32, or the byte `a`. */
    static inline ptrdiff_t atlas_find_low(
        const uint8_t *buf, ptrdiff_t at, ptrdiff_t stop, ptrdiff_t end, uint8_t a
    ) {
        ATLAS_STEPS(0, (v <= 32) | (v == a))
        while (at < stop && buf[at] > 32 && buf[at] != a)
            at++;
        return at < stop ? at : stop;
    }

    /* Two letters, given in lower case, in a row; the second may stand at `stop`. */
    static inline ptrdiff_t atlas_find_pair_fold(
        const uint8_t *buf, ptrdiff_t at, ptrdiff_t stop, ptrdiff_t end, uint8_t a, uint8_t b
    ) {
        ATLAS_STEPS(1, ((v | 32) == a) & ((atlas_load16(buf + at + 1) | 32) == b))
        while (at < stop && (end - at < 2 || (buf[at] | 32) != a || (buf[at + 1] | 32) != b))
            at++;
        return at < stop ? at : stop;
    }

    /* A line end, and behind it the byte `a`, which may stand at `stop`. */
    #define ATLAS_LINE_STARTS(at)                                       \\
        ((atlas_load16(buf + (at)) == 10) & (atlas_load16(buf + (at) + 1) == a))
    static inline ptrdiff_t atlas_find_line(
        const uint8_t *buf, ptrdiff_t at, ptrdiff_t stop, ptrdiff_t end, uint8_t a
    ) {
    #ifdef ATLAS_VECTORS
        while (at < stop && end - at > 64) {
            const atlas_u8x16 any = (atlas_u8x16)(
                ATLAS_LINE_STARTS(at) | ATLAS_LINE_STARTS(at + 16)
                | ATLAS_LINE_STARTS(at + 32) | ATLAS_LINE_STARTS(at + 48));
            if (atlas_first16(any) < 16)
                break;
            at += 64;
        }
    #endif
        ATLAS_STEPS(1, (v == 10) & (atlas_load16(buf + at + 1) == a))
        while (at < stop && (end - at < 2 || buf[at] != 10 || buf[at + 1] != a))
            at++;
        return at < stop ? at : stop;
    }

    /* A byte of HTML that is no plain character, except a space with a plain one behind it. */
    #define ATLAS_MARKUP(c) (((c) <= 32) | ((c) == '&') | ((c) == '<') | ((c) == 0xC2))
    static inline ptrdiff_t atlas_find_markup(const uint8_t *buf, ptrdiff_t at, ptrdiff_t stop) {
        const ptrdiff_t end = stop;
        ATLAS_STEPS(1, ATLAS_MARKUP(v)
            & ~((v == 32) & ~ATLAS_MARKUP(atlas_load16(buf + at + 1))))
        while (at < stop && (!ATLAS_MARKUP(buf[at])
               || (buf[at] == 32 && at + 1 < stop && !ATLAS_MARKUP(buf[at + 1]))))
            at++;
        return at;
    }

    /* A byte above 0x7f. */
    static inline ptrdiff_t atlas_find_high(const uint8_t *buf, ptrdiff_t at, ptrdiff_t stop) {
        const ptrdiff_t end = stop;
    #ifdef ATLAS_VECTORS
        while (stop - at >= 64) {
            const atlas_u8x16 v = atlas_load16(buf + at) | atlas_load16(buf + at + 16)
                | atlas_load16(buf + at + 32) | atlas_load16(buf + at + 48);
            if (atlas_first16((atlas_u8x16)(v >= 0x80)) < 16)
                break;
            at += 64;
        }
    #endif
        ATLAS_STEPS(0, v >= 0x80)
        while (at < stop && buf[at] < 0x80)
            at++;
        return at;
    }
    """
    Py_ssize_t find3 "atlas_find3"(
        const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t end,
        uint8_t a, uint8_t b, uint8_t c,
    ) noexcept nogil
    Py_ssize_t find3_far "atlas_find3_far"(
        const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t end,
        uint8_t a, uint8_t b, uint8_t c,
    ) noexcept nogil
    Py_ssize_t find_low "atlas_find_low"(
        const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t end, uint8_t a,
    ) noexcept nogil
    Py_ssize_t find_pair_fold "atlas_find_pair_fold"(
        const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t end,
        uint8_t a, uint8_t b,
    ) noexcept nogil
    Py_ssize_t find_line "atlas_find_line"(
        const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t end, uint8_t a,
    ) noexcept nogil
    Py_ssize_t find_markup "atlas_find_markup"(
        const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    ) noexcept nogil
    Py_ssize_t find_high "atlas_find_high"(
        const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    ) noexcept nogil
