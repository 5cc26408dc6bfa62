from atlas_fast._kernels.types cimport uint8_t


cdef struct Extent:
    const uint8_t* buf          # bytes [0, size) of one message
    Py_ssize_t size


cdef class Messages:
    cdef Extent* items
    cdef readonly Py_ssize_t count
    cdef object owner           # what keeps the bytes alive
    cdef const uint8_t[::1] raw
    cdef int _allocate(self, Py_ssize_t count) except -1
