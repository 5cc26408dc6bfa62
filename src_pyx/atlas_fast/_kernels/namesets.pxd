from atlas_fast._kernels.types cimport int32_t, uint8_t


cdef class NameSet:
    cdef int32_t* slots
    cdef Py_ssize_t mask
    cdef bytes texts
    cdef const uint8_t* bytes_of    # of `texts`
    cdef int32_t* bounds
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t longest
    cdef Py_ssize_t find(self, const uint8_t* name, Py_ssize_t size) noexcept nogil
