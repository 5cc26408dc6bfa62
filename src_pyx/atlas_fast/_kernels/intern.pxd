from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t


cdef struct Slot:
    int32_t id              # from 1; 0 is an empty slot
    uint32_t tag            # high half of its hash


cdef Py_ssize_t intern_spans(
    const uint8_t* buf, Py_ssize_t size, const int64_t* starts, const int64_t* stops, Py_ssize_t n,
    const uint64_t* key, Slot* slots, uint64_t mask, int32_t* ids, int32_t* first, Py_ssize_t* bad,
) noexcept nogil
