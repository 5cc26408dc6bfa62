"""One value of the reference data: checked once, then searched in place.

A value begins with a header of 48 bytes, little-endian:

    4 bytes   magic, b"ATFT"
    uint16    layout of the payload
    uint16    0
    8 bytes   kind of the table, ASCII, padded with NUL
    uint64    count of entries
    uint64    bytes of the payload (what follows them is padding)
    8 bytes   BLAKE2b-64 of the payload
    uint32    date of the source, seconds since the epoch
    uint32    first four bytes of the digest of the source

A Table owns what keeps its pages mapped, so a kernel that was handed a Table may use `payload`
without the GIL. The fields are read byte by byte, so that the answer is the same on any machine;
payloads are little-endian and read in place.
"""
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy

from atlas_fast._kernels.blake2b cimport Blake2b, blake2b_add, blake2b_end, blake2b_init
from atlas_fast._kernels.pages cimport leave_pages
from atlas_fast._kernels.types cimport uint8_t, uint64_t

cdef extern from "stdlib.h":
    int posix_memalign(void** out, size_t alignment, size_t size) noexcept nogil

cdef enum:
    HEADER = 48
    ALIGNMENT = 64

HEADER_BYTES = HEADER
MAGIC = b"ATFT"


cdef uint64_t _number(const uint8_t* p, int size) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(size):
        value |= <uint64_t> p[i] << (8 * i)
    return value


cdef class Table:
    """`of_value(value, owner, kind, layout)` or `of_copy(value, kind, layout)`.

    `count` entries in `size` bytes of payload. Raises ValueError, naming the part, when the header
    is not what the caller expects; the checksum is the caller's to compare.
    """

    def __dealloc__(self):
        free(self.copy)

    cdef int _open(self, const uint8_t* head, Py_ssize_t room, bytes kind, int layout) except -1:
        cdef uint64_t size, count
        cdef bytes padded = kind.ljust(8, b"\0")
        if len(padded) != 8:
            raise ValueError("a kind has at most 8 bytes")
        if room < HEADER:
            raise ValueError("shorter than the header of a table")
        if memcmp(head, b"ATFT", 4) != 0:
            raise ValueError("magic is wrong")
        if memcmp(head + 8, <const char*> padded, 8) != 0:
            raise ValueError("kind is wrong")
        if <int> _number(head + 4, 2) != layout:
            raise ValueError(f"layout is {_number(head + 4, 2)}, not {layout}")
        count, size = _number(head + 16, 8), _number(head + 24, 8)
        if size > <uint64_t> (room - HEADER):
            raise ValueError(f"length is wrong: {size} bytes of payload in {room - HEADER}")
        if count > size:
            raise ValueError(f"count is wrong: {count} entries in {size} bytes")
        self.size = <Py_ssize_t> size
        self.count = <Py_ssize_t> count
        return 0

    @staticmethod
    def of_value(const uint8_t[::1] value not None, owner, bytes kind not None, int layout):
        """The value where it lies; `owner` keeps its memory. ValueError where it is not aligned."""
        cdef Table self = Table()
        if value.shape[0] == 0:
            raise ValueError("shorter than the header of a table")
        self._open(&value[0], value.shape[0], kind, layout)
        self.payload = &value[0] + HEADER
        if <uintptr_t> self.payload % ALIGNMENT:
            raise ValueError("payload is not aligned")
        self.value = value
        self.owner = owner
        return self

    @staticmethod
    def of_copy(const uint8_t[::1] value not None, bytes kind not None, int layout):
        """A copy of the value in memory of its own."""
        cdef Table self = Table()
        cdef void* room = NULL
        if value.shape[0] == 0:
            raise ValueError("shorter than the header of a table")
        self._open(&value[0], value.shape[0], kind, layout)
        if posix_memalign(&room, ALIGNMENT, <size_t> (self.size if self.size else 1)):
            raise MemoryError
        self.copy = <uint8_t*> room
        if self.size:
            memcpy(self.copy, &value[HEADER], <size_t> self.size)
        self.payload = self.copy
        return self

    def copied(self) -> Table:
        """The same in memory of its own, where no file that changes can reach it."""
        cdef Table copy = Table()
        cdef void* room = NULL
        if posix_memalign(&room, ALIGNMENT, <size_t> (self.size if self.size else 1)):
            raise MemoryError
        copy.copy = <uint8_t*> room
        if self.size:
            memcpy(copy.copy, self.payload, <size_t> self.size)
        copy.payload, copy.size, copy.count = copy.copy, self.size, self.count
        return copy

    def leave(self):
        """Take the mapped pages out of the process, where something has touched them all and few
        are read again. Those that are come from the page cache. Of a copy nothing goes."""
        if self.copy is NULL and self.size:
            leave_pages(self.payload, <size_t> self.size)

    def checksum(self) -> bytes:
        """BLAKE2b-64 of the payload as it is now: touches all of it."""
        return digest(<const uint8_t[:self.size]> self.payload if self.size else b"")


def digest(const uint8_t[::1] data not None, int size=8) -> bytes:
    """BLAKE2b of `size` bytes (RFC 7693); a header has that of its payload. The same as hashlib's,
    without OpenSSL, which is 3 MB of each process. ValueError: size is not 1 to 64."""
    cdef Blake2b state
    cdef uint8_t out[64]
    if not 1 <= size <= 64:
        raise ValueError("a digest has 1 to 64 bytes")
    with nogil:
        blake2b_init(&state, size)
        if data.shape[0]:
            blake2b_add(&state, &data[0], <size_t> data.shape[0])
        blake2b_end(&state, out, size)
    return out[:size]


def pack(
    bytes kind not None, int layout, Py_ssize_t count, payload, date=0, bytes source=b"",
) -> bytes:
    """A value: header, payload, and padding that puts it on pages of its own (above half a page)."""
    body = bytes(payload)
    if len(kind) > 8 or not 0 <= layout < 1 << 16 or count < 0:
        raise ValueError("kind, layout or count do not fit the header")
    head = b"".join((
        MAGIC, layout.to_bytes(2, "little"), b"\0\0", kind.ljust(8, b"\0"),
        count.to_bytes(8, "little"), len(body).to_bytes(8, "little"), digest(body),
        (date & 0xFFFFFFFF).to_bytes(4, "little"), source[:4].ljust(4, b"\0"),
    ))
    return (head + body).ljust(4096, b"\0")
