from atlas_fast._kernels.arena cimport Arena


cdef class Bytes:
    cdef Arena arena
    cdef Py_ssize_t n_views
