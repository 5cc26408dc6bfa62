"""Hints to the system about pages: large ones for large columns, as a page fault costs more than the
work on a small page; and none for a mapped file that is not read now."""
from atlas_fast._kernels.arena cimport Arena

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #ifdef __linux__
    #include <sys/mman.h>
    #include <unistd.h>
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
    static inline void atlas_leave_pages(const void *start, size_t size) {
    #if defined(__linux__)
        const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1);
        uintptr_t last = ((uintptr_t)start + size) & ~(page - 1);
        if (first < last)
            (void)madvise((void *)first, last - first, MADV_DONTNEED);
    #else
        (void)start;
        (void)size;
    #endif
    }
    """
    void leave_pages "atlas_leave_pages"(const void* start, size_t size) noexcept nogil
    void atlas_large_pages(void* start, size_t size) noexcept nogil


cdef inline void arena_large_pages(Arena* a) noexcept nogil:
    """A hint for the memory that is reserved now; below 4 MB nothing happens."""
    if a.data is not NULL:
        atlas_large_pages(a.data, <size_t> a.capacity)
