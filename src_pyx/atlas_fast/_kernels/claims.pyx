"""What is claimed of a message's authentication, as bytes: equal claims get one verdict.

(a) _each: DMARC as stated; then, where there is evidence, the From domain and each piece of it.
(b) claims_batch: the door.

Everything that a verdict depends on is in the bytes, and nothing else: not the number of the field,
nor the place of a domain in its arena. Lengths stand before texts, so that no two claims run together.
"""
from libc.string cimport memcpy

from atlas_fast._kernels.arena cimport Arena, arena_append, arena_push
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t

cdef enum:
    ROW = 16                    # bytes of a piece of evidence: EVIDENCE_DTYPE in atlas_fast/auth.py
    AT_KIND = 12                # kind, result, source

EVIDENCE_BYTES = ROW


cdef inline void _text(Arena* out, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t size = stop - start
    cdef int i
    for i in range(4):
        arena_push(out, <uint8_t> (size >> (8 * i) & 0xFF))
    arena_append(out, buf, start, stop)


cdef Py_ssize_t _each(
    const uint8_t* senders, Py_ssize_t senders_size, const int64_t* sender_ends,
    const uint8_t* evidence, Py_ssize_t m, const int64_t* indptr,
    const uint8_t* domains, Py_ssize_t domains_size,
    const uint8_t* dmarc, const uint8_t* dmarc_source, Py_ssize_t n,            # IN
    Arena* out, int64_t* offsets,                                               # OUT
) noexcept nogil:
    """-1 when done, otherwise the first message that does not fit."""
    cdef Py_ssize_t i, k
    cdef int64_t lo, hi = indptr[0], a, b = sender_ends[0]
    cdef int32_t start, stop
    cdef const uint8_t* row
    offsets[0] = out.size
    for i in range(n):
        lo, hi, a, b = hi, indptr[i + 1], b, sender_ends[i + 1]
        if not (0 <= lo <= hi <= m and 0 <= a <= b <= senders_size):
            return i
        arena_push(out, dmarc[i])
        arena_push(out, dmarc_source[i])
        if hi > lo:
            _text(out, senders, a, b)
        for k in range(lo, hi):
            row = evidence + k * ROW
            memcpy(&start, row, 4)
            memcpy(&stop, row + 4, 4)
            if not 0 <= start <= stop <= domains_size:
                return i
            arena_append(out, row, AT_KIND, AT_KIND + 3)
            _text(out, domains, start, stop)
        offsets[i + 1] = out.size
    return -1


def claims_batch(
    const uint8_t[::1] senders not None,        # IN   From domains
    const int64_t[::1] sender_ends not None,    # IN   (n + 1,)
    const uint8_t[::1] evidence not None,       # IN   m times EVIDENCE_BYTES
    const int64_t[::1] indptr not None,         # IN   (n + 1,)
    const uint8_t[::1] domains not None,        # IN
    const uint8_t[::1] dmarc not None,          # IN   (n,)
    const uint8_t[::1] dmarc_source not None,   # IN   (n,)
    Bytes out not None,                         # OUT  appended
    int64_t[::1] offsets not None,              # OUT  (n + 1,)
):
    """Append the claims of each message. ValueError when shapes or offsets do not fit; MemoryError."""
    cdef Py_ssize_t n = dmarc.shape[0], m = evidence.shape[0] // ROW, bad
    cdef uint8_t nothing = 0
    cdef const uint8_t* s
    cdef const uint8_t* e
    cdef const uint8_t* d
    if (
        sender_ends.shape[0] != n + 1 or indptr.shape[0] != n + 1 or dmarc_source.shape[0] != n
        or offsets.shape[0] != n + 1 or evidence.shape[0] != m * ROW
    ):
        raise ValueError("columns do not fit the number of messages")
    if out.n_views:
        raise BufferError("a view of these bytes is open")
    if n == 0:
        offsets[0] = out.arena.size
        return
    s = &senders[0] if senders.shape[0] else &nothing
    e = &evidence[0] if m else &nothing
    d = &domains[0] if domains.shape[0] else &nothing
    with nogil:
        bad = _each(s, senders.shape[0], &sender_ends[0], e, m, &indptr[0], d, domains.shape[0],
                    &dmarc[0], &dmarc_source[0], n, &out.arena, &offsets[0])
    if bad >= 0:
        raise ValueError(f"message {bad} does not fit")
    if out.arena.failed:
        raise MemoryError("the claims could not grow")
