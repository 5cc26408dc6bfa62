from atlas_fast._kernels.arena cimport Arena


cdef class Bytes:
    cdef Arena arena
    cdef Py_ssize_t n_views
    cdef bint spare             # its memory is kept for others


cdef bint bytes_reserve(Bytes self, Py_ssize_t size) noexcept
