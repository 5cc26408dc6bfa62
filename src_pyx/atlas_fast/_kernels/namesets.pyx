"""A fixed list of short names, looked up by their bytes: words, brands, known domains."""
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from atlas_fast._kernels.types cimport int32_t, uint8_t, uint32_t


cdef inline uint32_t _hash(const uint8_t* name, Py_ssize_t size) noexcept nogil:
    cdef uint32_t h = 2166136261
    cdef Py_ssize_t i
    for i in range(size):
        h = (h ^ name[i]) * 16777619
    return h ^ h >> 15


cdef class NameSet:
    """`names` are distinct and not empty. ValueError otherwise."""

    def __cinit__(self, names):
        cdef list items = [bytes(name) for name in names]
        cdef Py_ssize_t i, at, size = 2, end = 0
        cdef bytes name
        while size < 2 * len(items) + 2:
            size *= 2
        self.slots = <int32_t*> calloc(<size_t> size, sizeof(int32_t))
        self.bounds = <int32_t*> calloc(<size_t> len(items) + 1, sizeof(int32_t))
        if self.slots is NULL or self.bounds is NULL:
            raise MemoryError
        self.mask = size - 1
        self.texts = b"".join(items)
        self.bytes_of = <const uint8_t*> <const char*> self.texts
        self.count = len(items)
        if len(self.texts) > 1 << 30:
            raise ValueError("too many names")
        for i in range(self.count):
            name = items[i]
            if not name or self.find(name, len(name)) >= 0:
                raise ValueError(f"name {i} is empty or there already")
            end += len(name)
            self.bounds[i + 1] = <int32_t> end
            self.longest = max(self.longest, len(name))
            at = _hash(name, len(name)) & self.mask
            while self.slots[at]:
                at = (at + 1) & self.mask
            self.slots[at] = <int32_t> (i + 1)

    def __dealloc__(self):
        free(self.slots)
        free(self.bounds)

    def __len__(self):
        return self.count

    cdef Py_ssize_t find(self, const uint8_t* name, Py_ssize_t size) noexcept nogil:
        """Position of the name, or -1."""
        cdef Py_ssize_t at, i
        if size > self.longest:
            return -1
        at = _hash(name, size) & self.mask
        while self.slots[at]:
            i = self.slots[at] - 1
            if (self.bounds[i + 1] - self.bounds[i] == size
                    and memcmp(self.bytes_of + self.bounds[i], name, <size_t> size) == 0):
                return i
            at = (at + 1) & self.mask
        return -1

    def position(self, const uint8_t[::1] name not None) -> int:
        """Position of the name in the list, or -1."""
        return self.find(&name[0], name.shape[0]) if name.shape[0] else -1
