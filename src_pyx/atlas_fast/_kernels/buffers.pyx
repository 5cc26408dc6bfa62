"""Bytes: the Python owner of an arena, readable through the buffer protocol.

A kernel appends to `Bytes.arena` without the GIL; numpy then views the memory in place.
While a view is open the arena may not grow: `clear` and kernels' doors refuse with BufferError.
"""
from cpython.buffer cimport PyBuffer_FillInfo

from atlas_fast._kernels.arena cimport arena_free, arena_init, arena_reserve

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
    """
    const char* ATLAS_FAST_BUILD_MODE
    const char* ATLAS_FAST_COMPILER
    int ATLAS_FAST_OPTIMIZED


cdef class Bytes:
    """Growing bytes that belong to the kernel which fills them; `limit` caps their size."""

    def __cinit__(self, Py_ssize_t limit=1 << 62):
        arena_init(&self.arena, limit)
        if not arena_reserve(&self.arena, min(64, limit)):  # so that data is never NULL
            raise MemoryError

    def __dealloc__(self):
        arena_free(&self.arena)

    def __len__(self):
        return self.arena.size

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.arena.data, self.arena.size, 1, flags)
        self.n_views += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.n_views -= 1

    def clear(self):
        """Forget the content, keep the memory. BufferError while a view is open."""
        if self.n_views:
            raise BufferError("a view of these bytes is open")
        self.arena.size = 0
        self.arena.failed = False


def build_info() -> dict:
    """Build mode, compiler and whether the optimiser was on, as compiled into this module."""
    return {
        "mode": ATLAS_FAST_BUILD_MODE.decode(),
        "compiler": ATLAS_FAST_COMPILER.decode(),
        "optimized": bool(ATLAS_FAST_OPTIMIZED),
    }
