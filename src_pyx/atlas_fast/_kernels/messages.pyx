"""Where the messages of a batch lie: one buffer with bounds, or a sequence of bytes objects.

A Messages keeps the owner of the bytes alive and hands kernels pointer and size, checked once;
so a batch is read where it is (a memory map, a list of bytes), without a copy.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc

from atlas_fast._kernels.types cimport int64_t, uint8_t


cdef uint8_t NOTHING = 0        # where an empty buffer points: no arithmetic on NULL


cdef class Messages:
    """`of_spans(raw, starts, stops)` or `of_bytes(sequence of bytes)`; `count` messages."""

    def __dealloc__(self):
        free(self.items)

    def __len__(self):
        return self.count

    cdef int _allocate(self, Py_ssize_t count) except -1:
        self.items = <Extent*> malloc(<size_t> (count if count else 1) * sizeof(Extent))
        if self.items is NULL:
            raise MemoryError
        self.count = count
        return 0

    @staticmethod
    def of_spans(
        const uint8_t[::1] raw not None,
        const int64_t[::1] starts not None,
        const int64_t[::1] stops not None,
    ):
        """Message i is raw[starts[i]:stops[i]]. ValueError when a span does not fit."""
        cdef Messages self = Messages()
        cdef Py_ssize_t i, size = raw.shape[0]
        cdef int64_t start, stop
        cdef const uint8_t* buf = &NOTHING
        if starts.shape[0] != stops.shape[0]:
            raise ValueError("starts and stops need the same length")
        if size:
            buf = &raw[0]
        self._allocate(starts.shape[0])
        self.raw = raw
        for i in range(self.count):
            start, stop = starts[i], stops[i]
            if start < 0 or stop < start or stop > size:
                raise ValueError(f"bounds of message {i} do not fit raw")
            self.items[i].buf = buf + start
            self.items[i].size = stop - start
        return self

    @staticmethod
    def of_bytes(messages):
        """TypeError when an item is not bytes."""
        cdef Messages self = Messages()
        cdef tuple owner = tuple(messages)
        cdef Py_ssize_t i
        self._allocate(len(owner))
        self.owner = owner
        for i in range(self.count):
            item = owner[i]
            if type(item) is not bytes:
                raise TypeError(f"message {i} is {type(item).__name__}, not bytes")
            self.items[i].buf = <const uint8_t*> PyBytes_AS_STRING(item)
            self.items[i].size = PyBytes_GET_SIZE(item)
        return self

    def message(self, Py_ssize_t index) -> bytes:
        """A copy of message `index`, or the object itself where it is one."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        if self.owner is not None:
            return self.owner[index]
        return PyBytes_FromStringAndSize(
            <const char*> self.items[index].buf, self.items[index].size)
