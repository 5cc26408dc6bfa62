from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.types cimport uint8_t, uint32_t


cdef struct Param:              # positions in the same buffer
    Py_ssize_t name_start
    Py_ssize_t name_stop
    Py_ssize_t value_start      # inside the quotes where there are any
    Py_ssize_t value_stop


cdef Py_ssize_t value_end(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil

cdef Py_ssize_t next_param(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Param* param,
) noexcept nogil

cdef bint find_param(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, const char* name, Py_ssize_t size,
    Param* param,
) noexcept nogil

cdef bint param_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, const char* name, Py_ssize_t size,
    Arena* out, uint32_t* flags,
) noexcept nogil
