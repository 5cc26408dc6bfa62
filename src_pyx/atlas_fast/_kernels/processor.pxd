"""Which of the ways to do a thing is taken: what the compiler gives, and what the machine has.

(a) ATLAS_VECTORS: code with vectors of gcc and clang is compiled, on a little-endian machine with
    the optimiser on. Beside it there is always plain C that does the same, and stands alone in a
    build without the optimiser or with ATLAS_PLAIN. `scripts/asan` tests the latter, the release
    build and the fuzzer's the former.
(b) ATLAS_LANES: functions for AVX2, and with ATLAS_AVX512 for AVX-512, are compiled as well. They
    are called where `atlas_avx2` and `atlas_avx512` say so, which `processor_ask` sets once, when
    a module is imported. ATLAS_FAST_PROCESSOR=plain leaves out both, =avx2 the second: so
    tests/test_processor.py has each of them tested on one machine.
"""

cdef extern from *:
    """
    #if defined(__GNUC__) && defined(__OPTIMIZE__) && !defined(ATLAS_PLAIN) \\
        && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define ATLAS_VECTORS 1
    #if defined(__x86_64__)
    #include <immintrin.h>
    #include <stdlib.h>
    #include <string.h>
    #define ATLAS_LANES 1
    #define ATLAS_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt")))
    #endif
    #endif

    static int atlas_avx2 = 0, atlas_avx512 = 0;

    static inline void atlas_processor_ask(void) {
    #ifdef ATLAS_LANES
        const char *most = getenv("ATLAS_FAST_PROCESSOR");
        if (most && strcmp(most, "plain") == 0)
            return;
        atlas_avx2 = __builtin_cpu_supports("avx2");
        if (most && strcmp(most, "avx2") == 0)
            return;
        atlas_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("popcnt");
    #endif
    }
    """
    void processor_ask "atlas_processor_ask"() noexcept nogil
    int HAS_AVX2 "atlas_avx2"
    int HAS_AVX512 "atlas_avx512"
