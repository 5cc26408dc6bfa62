"""Bytes: the Python owner of an arena, readable through the buffer protocol.

A kernel appends to `Bytes.arena` without the GIL; numpy then views the memory in place.
While a view is open the arena may not grow: `clear` and kernels' doors refuse with BufferError.

Memory that `bytes_reserve` gave is kept when its Bytes end, for the next that want as much: a batch
follows a batch, and fresh memory costs a page fault for each page.
"""
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.pythread cimport (
    NOWAIT_LOCK, PyThread_acquire_lock, PyThread_allocate_lock, PyThread_release_lock,
    PyThread_type_lock,
)

from atlas_fast._kernels.arena cimport Arena, arena_free, arena_init, arena_reserve
from atlas_fast._kernels.pages cimport arena_large_pages
from atlas_fast._kernels.processor cimport HAS_AVX2, HAS_AVX512, processor_ask
from atlas_fast._kernels.types cimport uint8_t

cdef extern from *:
    """
    #ifndef ATLAS_FAST_BUILD_MODE
    #define ATLAS_FAST_BUILD_MODE "unknown"
    #endif
    #ifdef __OPTIMIZE__
    #define ATLAS_FAST_OPTIMIZED 1
    #else
    #define ATLAS_FAST_OPTIMIZED 0
    #endif
    #ifdef __VERSION__
    #define ATLAS_FAST_COMPILER __VERSION__
    #else
    #define ATLAS_FAST_COMPILER "unknown"
    #endif
    /* Threads without a GIL open and close views at the same time. */
    #define atlas_count(n, by) __atomic_fetch_add(n, by, __ATOMIC_SEQ_CST)
    """
    void count_views "atlas_count"(Py_ssize_t* n, Py_ssize_t by) noexcept nogil
    const char* ATLAS_FAST_BUILD_MODE
    const char* ATLAS_FAST_COMPILER
    int ATLAS_FAST_OPTIMIZED


cdef enum:
    SPARES = 8
    LEAST_SPARE = 1 << 18
    MOST_SPARE = 1 << 23        # bytes of one; a larger one goes back to the system

cdef struct Spare:
    uint8_t* data
    Py_ssize_t capacity         # 0: no spare here

cdef Spare spares[SPARES]
cdef PyThread_type_lock lock = PyThread_allocate_lock()
if lock is NULL:
    raise MemoryError
processor_ask()


cdef bint bytes_reserve(Bytes self, Py_ssize_t size) noexcept:
    """Room for `size` bytes in an empty one. Content is anything. False when memory ends."""
    cdef Arena* arena = &self.arena
    cdef int i, best = -1
    if size > arena.capacity - arena.size and arena.size == 0 and size <= arena.limit and (
            LEAST_SPARE <= size <= MOST_SPARE):
        self.spare = True
        # Not waited for: another thread has it, or had it when this process was forked off.
        if PyThread_acquire_lock(lock, NOWAIT_LOCK):
            for i in range(SPARES):
                if size <= spares[i].capacity <= min(2 * size, arena.limit) and (
                        best < 0 or spares[i].capacity < spares[best].capacity):
                    best = i
            if best >= 0:
                arena_free(arena)
                arena.data, arena.capacity = spares[best].data, spares[best].capacity
                spares[best].capacity = 0
            PyThread_release_lock(lock)
    if best < 0:
        if not arena_reserve(arena, size):
            return False
        arena_large_pages(arena)
    return True


cdef bint _keep(Arena* arena) noexcept:
    """Keep memory as a spare; False where there is no place for it."""
    cdef int i
    cdef bint kept = False
    if not LEAST_SPARE <= arena.capacity <= MOST_SPARE or not PyThread_acquire_lock(lock, NOWAIT_LOCK):
        return False
    for i in range(SPARES):
        if spares[i].capacity == 0:
            spares[i].data, spares[i].capacity = arena.data, arena.capacity
            kept = True
            break
    PyThread_release_lock(lock)
    return kept


cdef class Bytes:
    """Growing bytes that belong to the kernel which fills them; `limit` caps their size."""

    def __cinit__(self, Py_ssize_t limit=1 << 62):
        arena_init(&self.arena, limit)
        if not arena_reserve(&self.arena, min(64, limit)):  # so that data is never NULL
            raise MemoryError

    def __dealloc__(self):
        if not (self.spare and _keep(&self.arena)):
            arena_free(&self.arena)

    def __len__(self):
        return self.arena.size

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.arena.data, self.arena.size, 1, flags)
        count_views(&self.n_views, 1)

    def __releasebuffer__(self, Py_buffer* view):
        count_views(&self.n_views, -1)

    def clear(self):
        """Forget the content, keep the memory. BufferError while a view is open."""
        if self.n_views:
            raise BufferError("a view of these bytes is open")
        self.arena.size = 0
        self.arena.failed = False


def build_info() -> dict:
    """Build mode, compiler and whether the optimiser was on, as compiled into this module; and what
    of the processor is used: `avx512`, `avx2` or `plain`."""
    return {
        "mode": ATLAS_FAST_BUILD_MODE.decode(),
        "compiler": ATLAS_FAST_COMPILER.decode(),
        "optimized": bool(ATLAS_FAST_OPTIMIZED),
        "processor": "avx512" if HAS_AVX512 else "avx2" if HAS_AVX2 else "plain",
    }
