from atlas_fast._kernels.types cimport uint8_t


cdef bint next_msgid(
    const uint8_t* buf, Py_ssize_t* start, Py_ssize_t stop, Py_ssize_t* id_stop,
) noexcept nogil

cdef bint bare_msgid(
    const uint8_t* buf, Py_ssize_t* start, Py_ssize_t stop, Py_ssize_t* id_stop,
) noexcept nogil
