from atlas_fast._kernels.types cimport uint8_t


cdef class Table:
    cdef const uint8_t* payload     # `size` bytes, the first on a 64-byte boundary
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t count
    cdef object owner               # environment and transaction that keep the pages mapped
    cdef const uint8_t[::1] value   # header and payload, padding behind it
    cdef uint8_t* copy              # memory of our own, where the value could not be used in place
    cdef int _open(self, const uint8_t* head, Py_ssize_t room, bytes kind, int layout) except -1
