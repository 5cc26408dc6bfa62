"""Large pages for large columns: a page fault costs more than the work on a small page."""
from atlas_fast._kernels.arena cimport Arena

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #ifdef __linux__
    #include <sys/mman.h>
    #endif
    static inline void atlas_large_pages(void *start, size_t size) {
    #if defined(__linux__) && defined(MADV_HUGEPAGE)
        const uintptr_t page = (uintptr_t)1 << 21;
        uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1);
        uintptr_t last = ((uintptr_t)start + size) & ~(page - 1);
        if (first < last && size >= 2 * page)
            (void)madvise((void *)first, last - first, MADV_HUGEPAGE);
    #else
        (void)start;
        (void)size;
    #endif
    }
    """
    void atlas_large_pages(void* start, size_t size) noexcept nogil


cdef inline void arena_large_pages(Arena* a) noexcept nogil:
    """A hint for the memory that is reserved now; below 4 MB nothing happens."""
    if a.data is not NULL:
        atlas_large_pages(a.data, <size_t> a.capacity)
