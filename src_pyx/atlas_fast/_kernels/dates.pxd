from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t

cdef enum:
    ZONE_NONE = 32767           # no zone is stated, or -0000: UTC, local time unknown


cdef bint parse_date(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, int64_t* epoch, int32_t* zone,
) noexcept nogil
