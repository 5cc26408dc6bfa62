"""What the machine can do beyond what every one of its kind can: asked when a module is imported.

A function with ATLAS_AVX512 may use AVX-512; it is called where `atlas_avx512` says so, and beside it
there is always one in plain C. The debug build has the plain ones alone, so that both are tested.
"""

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GNUC__) && defined(__OPTIMIZE__)
    #include <immintrin.h>
    #define ATLAS_LANES 1
    #define ATLAS_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt")))
    #endif

    static int atlas_avx512 = 0;

    static inline void atlas_avx512_ask(void) {
    #ifdef ATLAS_LANES
        atlas_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("popcnt");
    #endif
    }
    """
    void avx512_ask "atlas_avx512_ask"() noexcept nogil
