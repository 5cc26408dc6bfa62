from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.types cimport uint8_t, uint32_t


cdef void base64_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil

cdef void quoted_printable_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil
