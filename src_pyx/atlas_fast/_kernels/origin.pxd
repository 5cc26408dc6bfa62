from atlas_fast._kernels.types cimport int64_t, uint8_t


cdef int read_address(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, uint8_t* out,
) noexcept nogil

cdef bint host_ends_with(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    const uint8_t* names, const int64_t* ends, Py_ssize_t n,
) noexcept nogil
