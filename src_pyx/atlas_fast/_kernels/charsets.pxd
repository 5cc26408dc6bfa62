from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.types cimport int32_t, uint8_t, uint32_t

cdef enum:
    CS_UNKNOWN = -1
    CS_UTF8 = 0         # us-ascii too: it is a subset
    CS_LATIN1 = 1       # first of the single-byte charsets
    CS_CP1252 = 2


cdef int32_t charset_id(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil

cdef void charset_append(
    int32_t charset, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
    Arena* out, uint32_t* flags,
) noexcept nogil

cdef bint utf8_valid(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil

cdef void utf8_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil
