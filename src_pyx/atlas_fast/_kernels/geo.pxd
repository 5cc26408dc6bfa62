from atlas_fast._kernels.tables cimport Table
from atlas_fast._kernels.types cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef class GeoTable:
    cdef Table table                # keeps the memory
    cdef readonly Py_ssize_t n_records
    cdef readonly Py_ssize_t n_organisations
    cdef const uint32_t* index4
    cdef const uint16_t* low4
    cdef const int32_t* id4
    cdef const uint32_t* index6
    cdef const uint64_t* hi6
    cdef const uint64_t* lo6        # NULL when no range begins inside a /64
    cdef const int32_t* id6
    cdef const uint16_t* countries
    cdef const uint32_t* asns
    cdef const uint32_t* organisations
    cdef const uint32_t* names
    cdef const uint8_t* text
    cdef Py_ssize_t n_text
    cdef Py_ssize_t n4              # ranges of each family
    cdef Py_ssize_t n6
    cdef int aliases
    cdef int _check(self) except -1


cdef int32_t find_ipv4(GeoTable table, uint32_t address) noexcept nogil
cdef int32_t find_ipv6(GeoTable table, uint64_t hi, uint64_t lo) noexcept nogil
cdef int32_t find_text(
    GeoTable table, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil
