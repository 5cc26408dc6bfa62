from cpython.pythread cimport PyThread_type_lock

from atlas_fast._kernels.types cimport int64_t, uint8_t, uint64_t


cdef enum:
    STATE_GOOD = 0
    STATE_STALE = 1             # computed from something else
    STATE_EXPIRED = 2
    STATE_DAMAGED = 3


cdef struct Entry:
    uint64_t key[2]
    int64_t expires
    bint used
    bint mark                   # used since the hand came by


cdef struct Table:
    Entry* entries              # N_WAYS of each set, one set after the other
    uint8_t* values             # value_size bytes an entry
    uint8_t* hands              # of each set
    uint64_t set_mask
    Py_ssize_t capacity
    Py_ssize_t most             # entries to which it may grow
    Py_ssize_t value_size
    Py_ssize_t used
    int64_t hits
    int64_t misses
    int64_t puts
    int64_t evictions
    int64_t expirations


cdef class Memo:
    cdef Table t
    cdef PyThread_type_lock lock


cdef Entry* memo_find(Table* t, const uint64_t* key, int64_t now, Py_ssize_t* at) noexcept nogil
cdef Py_ssize_t memo_place(Table* t, const uint64_t* key, int64_t now) noexcept nogil
