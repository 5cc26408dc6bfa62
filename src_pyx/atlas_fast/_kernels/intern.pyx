"""Equal byte strings to equal ids, within a batch.

(a) intern_spans: the spans of one column, in their order; ids count up as values are first seen.
(b) intern_batch: the door for a column of spans; hash_batch gives distinct values the 128-bit keys
    under which caches know them.

Open addressing with linear probes in a table at least twice as long as the column, so it never
fills. The slot depends on a hash with a key that the caller draws: mail cannot choose values that
meet in one slot.
"""
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from atlas_fast._kernels.siphash cimport siphash13, siphash24_wide
from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

MAX_ROWS = 1 << 29


cdef Py_ssize_t intern_spans(
    const uint8_t* buf, Py_ssize_t size,                                    # IN   bytes [0, size)
    const int64_t* starts, const int64_t* stops, Py_ssize_t n,              # IN
    const uint64_t* key, Slot* slots, uint64_t mask,                        # IN   slots are zero
    int32_t* ids, int32_t* first, Py_ssize_t* bad,                          # OUT
) noexcept nogil:
    """How many distinct values; `bad` is the first row that does not fit, or -1."""
    cdef Py_ssize_t i
    cdef int64_t start, stop, other
    cdef uint64_t h, at
    cdef int32_t count = 0, id
    bad[0] = -1
    for i in range(n):
        start, stop = starts[i], stops[i]
        if start < 0 or stop < start or stop > size:
            bad[0] = i
            return 0
        if (
            i > 0 and stop - start == stops[i - 1] - starts[i - 1]
            and memcmp(buf + starts[i - 1], buf + start, <size_t> (stop - start)) == 0
        ):
            ids[i] = ids[i - 1]                             # as with the links of one message
            continue
        h = siphash13(key, buf + start, stop - start)
        at = h & mask
        while True:
            if slots[at].id == 0:
                slots[at].id = count + 1
                slots[at].tag = <uint32_t> (h >> 32)
                first[count] = <int32_t> i
                ids[i] = count
                count += 1
                break
            if slots[at].tag == <uint32_t> (h >> 32):
                other = first[slots[at].id - 1]
                if (
                    stops[other] - starts[other] == stop - start
                    and memcmp(buf + starts[other], buf + start, <size_t> (stop - start)) == 0
                ):
                    ids[i] = slots[at].id - 1
                    break
            at = (at + 1) & mask
    return count


cdef inline uint64_t table_size(Py_ssize_t n) noexcept nogil:
    """The power of two that is at least 2 n, and at least 16."""
    cdef uint64_t size = 16
    while size < 2 * <uint64_t> n:
        size *= 2
    return size


def intern_batch(
    const uint8_t[::1] data not None,       # IN   all bytes
    const int64_t[::1] starts not None,     # IN   (n,)
    const int64_t[::1] stops not None,      # IN   (n,)
    const uint64_t[::1] key not None,       # IN   (2,)
    int32_t[::1] ids not None,              # OUT  (n,)  id of each row, from 0, first seen first
    int32_t[::1] first not None,            # OUT  (n,)  row that showed id k first, for k < count
) -> int:
    """The number of distinct values. ValueError when shapes or spans do not fit; MemoryError."""
    cdef Py_ssize_t n = starts.shape[0], bad = -1, count = 0
    cdef const uint8_t* buf = NULL
    cdef uint8_t nothing = 0
    cdef Slot* slots
    cdef uint64_t size
    if stops.shape[0] != n or ids.shape[0] != n or first.shape[0] != n or key.shape[0] != 2:
        raise ValueError("starts, stops, ids and first need the same length, key needs 2")
    if n > MAX_ROWS:
        raise ValueError("too many rows")
    if n == 0:
        return 0
    buf = &data[0] if data.shape[0] else &nothing
    size = table_size(n)
    slots = <Slot*> calloc(<size_t> size, sizeof(Slot))
    if slots is NULL:
        raise MemoryError
    with nogil:
        count = intern_spans(buf, data.shape[0], &starts[0], &stops[0], n, &key[0], slots, size - 1,
                             &ids[0], &first[0], &bad)
        free(slots)
    if bad >= 0:
        raise ValueError(f"span {bad} does not fit data")
    return count


cdef Py_ssize_t _hash_each(
    const uint8_t* buf, Py_ssize_t size, const int64_t* starts, const int64_t* stops, Py_ssize_t n,
    const uint64_t* key,                                                    # IN
    uint64_t* out,                                                          # OUT  2 n
) noexcept nogil:
    """-1 when done, otherwise the first row that does not fit."""
    cdef Py_ssize_t i
    cdef int64_t start, stop
    for i in range(n):
        start, stop = starts[i], stops[i]
        if start < 0 or stop < start or stop > size:
            return i
        siphash24_wide(key, buf + start, stop - start, out + 2 * i)
    return -1


def hash_batch(
    const uint8_t[::1] data not None,       # IN   all bytes
    const int64_t[::1] starts not None,     # IN   (n,)
    const int64_t[::1] stops not None,      # IN   (n,)
    const uint64_t[::1] key not None,       # IN   (2,)
    uint64_t[:, ::1] out not None,          # OUT  (n, 2)
):
    """SipHash-2-4 with 128 bits of output of each span. ValueError when shapes or spans do not fit."""
    cdef Py_ssize_t n = starts.shape[0], bad
    cdef const uint8_t* buf
    cdef uint8_t nothing = 0
    if stops.shape[0] != n or out.shape[0] != n or out.shape[1] != 2 or key.shape[0] != 2:
        raise ValueError("starts, stops and out need the same length, out and key need 2 columns")
    if n == 0:
        return
    buf = &data[0] if data.shape[0] else &nothing
    with nogil:
        bad = _hash_each(buf, data.shape[0], &starts[0], &stops[0], n, &key[0], &out[0, 0])
    if bad >= 0:
        raise ValueError(f"span {bad} does not fit data")
