"""Rows of a CSR matrix times weights: the logit of each message, and what it is made of."""
from libc.math cimport rint
from libc.string cimport memcpy, memset

from atlas_fast._kernels.arena cimport Arena, arena_reserve
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.decimals cimport put_decimal
from atlas_fast._kernels.processor cimport processor_ask
from atlas_fast._kernels.shares cimport (
    SHARES_BLOCK, SHARES_CHUNK, lanes_add, lanes_sum, shares_make,
)
from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    MOST = 1000000              # hundredths of a logit that are told at most
    BLOCKS = SHARES_CHUNK // SHARES_BLOCK


cdef Py_ssize_t _each(
    const int64_t* indptr, Py_ssize_t n, const int32_t* indices, const float* data, Py_ssize_t nnz,
    const float* weights, uint32_t size, double bias,       # IN
    double* out,                                            # OUT
) noexcept nogil:
    """-1 when done, otherwise the first row that does not fit."""
    cdef Py_ssize_t i, m
    cdef int64_t start, stop = indptr[0]
    cdef float share[SHARES_CHUNK]
    cdef int32_t peak[BLOCKS]
    cdef double sums[8]
    for i in range(n):
        start, stop = stop, indptr[i + 1]
        if start < 0 or stop < start or stop > nnz:
            return i
        memset(sums, 0, sizeof(sums))
        while start < stop:
            m = stop - start if stop - start < SHARES_CHUNK else SHARES_CHUNK
            if not shares_make(indices + start, data + start, m, weights, size, share, peak, sums):
                return i
            start += m
        out[i] = bias + lanes_sum(sums)
    return -1


def score_batch(
    const int64_t[::1] indptr not None,     # IN   (n + 1,)
    const int32_t[::1] indices not None,    # IN   (nnz,)
    const float[::1] data not None,         # IN   (nnz,)
    const float[::1] weights not None,      # IN   (m,)
    double bias,                            # IN
    double[::1] out not None,               # OUT  (n,)
):
    """Fill the logits. ValueError when shapes, offsets or indices do not fit."""
    cdef Py_ssize_t n = indptr.shape[0] - 1, bad
    cdef const int32_t* at = NULL
    cdef const float* value = NULL
    if n < 0 or out.shape[0] != n or data.shape[0] != indices.shape[0] or not (
            0 < weights.shape[0] < 1 << 31):
        raise ValueError("columns do not fit")
    if n == 0:
        return
    if indices.shape[0]:
        at = &indices[0]
        value = &data[0]
    with nogil:
        bad = _each(&indptr[0], n, at, value, indices.shape[0], &weights[0],
                    <uint32_t> weights.shape[0], bias, &out[0])
    if bad >= 0:
        raise ValueError(f"row {bad} does not fit")


cdef enum:
    MAX_TOP = 16                # features of a message that are picked at most
    SIGN = 0x7FFFFFFF           # all bits of a float but its sign

cdef union Shares:
    float value[SHARES_CHUNK]
    int32_t bits[SHARES_CHUNK]  # without their signs, floats and their bits have one order

cdef struct Top:                # the k largest shares, the largest first; of equals the earlier
    int32_t size[MAX_TOP]       # bits without the sign; 0 where there is none
    int32_t column[MAX_TOP]
    uint8_t group[MAX_TOP]
    float share[MAX_TOP]


cdef inline void _keep(
    Top* top, int k, int32_t size, int32_t column, uint8_t group, float share,
) noexcept nogil:
    """In the place of the last, which is smaller."""
    cdef int at = k - 1
    while at > 0 and top.size[at - 1] < size:
        top.size[at] = top.size[at - 1]
        top.column[at] = top.column[at - 1]
        top.group[at] = top.group[at - 1]
        top.share[at] = top.share[at - 1]
        at -= 1
    top.size[at], top.column[at], top.group[at], top.share[at] = size, column, group, share


cdef void _pick(
    const Shares* made, const int32_t* peak, Py_ssize_t m, const int32_t* at, Py_ssize_t first,
    const int32_t* ends, Py_ssize_t n_groups, int k,        # IN
    int32_t* peaks, Top* top,                               # IN OUT, OUT
) noexcept nogil:
    """The largest of a chunk, which begins at feature `first` of the row.

    `peaks` are the k largest maxima of blocks so far: what is smaller than the last of them is not
    among the k largest, and most blocks are passed over. They are kept sorted without a branch.
    """
    cdef int32_t bits, largest, other, least
    cdef Py_ssize_t b, i, n = (m + SHARES_BLOCK - 1) // SHARES_BLOCK, group = 0
    cdef int q
    for b in range(n):
        largest = peak[b]
        for q in range(k):
            other = peaks[q]
            peaks[q] = largest if largest > other else other
            largest = other if largest > other else largest
    least = peaks[k - 1] if peaks[k - 1] > 1 else 1
    for b in range(n):
        if peak[b] < least:
            continue
        for i in range(b * SHARES_BLOCK, b * SHARES_BLOCK + SHARES_BLOCK):
            bits = made.bits[i] & SIGN
            if bits >= least and bits > top.size[k - 1] and i < m:
                while group + 1 < n_groups and first + i >= ends[group]:
                    group += 1
                _keep(top, k, bits, at[i], <uint8_t> group, made.value[i])


cdef bint _row(
    const int32_t* at, const float* data, Py_ssize_t n, const int32_t* ends, Py_ssize_t n_groups,
    const float* weights, uint32_t size, int k,             # IN
    double* logit, double* groups, Top* top,                # IN OUT, OUT, OUT
) noexcept nogil:
    """False where a column is not below size. The whole and each group are summed in lanes."""
    cdef Py_ssize_t i, j = 0, start, stop, group = 0, m
    cdef Shares made
    cdef int32_t peaks[MAX_TOP]
    cdef int32_t peak[BLOCKS]
    cdef double whole[8]
    cdef double sums[8]
    for i in range(k):
        peaks[i] = top.size[i] = top.group[i] = 0
        top.column[i] = -1
        top.share[i] = 0
    memset(whole, 0, sizeof(whole))
    memset(sums, 0, sizeof(sums))
    while j < n:
        m = n - j if n - j < SHARES_CHUNK else SHARES_CHUNK
        if not shares_make(at + j, data + j, m, weights, size, made.value, peak, whole):
            return False
        start = 0
        while group < n_groups:
            stop = ends[group] - j
            stop = stop if stop < m else m
            if start < stop:
                lanes_add(made.value, start, stop, sums)
                start = stop
            if ends[group] - j > m:
                break                                       # it goes on in the next chunk
            groups[group] = lanes_sum(sums)
            memset(sums, 0, sizeof(sums))
            group += 1
        if k:
            _pick(&made, peak, m, at + j, j, ends, n_groups, k, peaks, top)
        j += m
    if group < n_groups:
        groups[group] = lanes_sum(sums)
    logit[0] += lanes_sum(whole)
    return True


def contributions_batch(
    const int64_t[::1] indptr not None,     # IN   (n + 1,)
    const int32_t[::1] indices not None,    # IN   (nnz,)
    const float[::1] data not None,         # IN   (nnz,)
    const int32_t[:, ::1] ends not None,    # IN   (n, groups) end of each group in its row
    const float[::1] weights not None,      # IN   (m,)
    double bias,                            # IN
    double[::1] logits not None,            # OUT  (n,) the same as of score_batch
    double[:, ::1] groups not None,         # OUT  (n, groups) what each group adds to the logit
    int32_t[:, ::1] top not None,           # OUT  (n, k) columns that add or take most; -1: none
    uint8_t[:, ::1] of not None,            # OUT  (n, k) their groups
    float[:, ::1] share not None,           # OUT  (n, k) and how much
):
    """Fill the logits and what they are made of; a feature that weighs nothing is no reason.
    ValueError when shapes, offsets or indices do not fit, or k is above 16."""
    cdef Py_ssize_t n = indptr.shape[0] - 1, i, nnz = indices.shape[0], size = weights.shape[0]
    cdef Py_ssize_t n_groups = ends.shape[1], k = top.shape[1], bad = -1, at
    cdef int64_t start, stop
    cdef Top best
    if (
        n < 0 or data.shape[0] != nnz or ends.shape[0] != n or groups.shape[0] != n
        or logits.shape[0] != n
        or groups.shape[1] != n_groups or not 0 < n_groups <= 64 or top.shape[0] != n
        or of.shape[0] != n or of.shape[1] != k or share.shape[0] != n or share.shape[1] != k
        or not 0 < size < 1 << 31 or k > MAX_TOP
    ):
        raise ValueError("columns do not fit")
    with nogil:
        for i in range(n):
            start, stop = indptr[i], indptr[i + 1]
            logits[i] = bias
            for at in range(n_groups):
                groups[i, at] = 0
            for at in range(k):
                top[i, at], of[i, at], share[i, at] = -1, 0, 0
            if start < 0 or stop < start or stop > nnz:
                bad = i
                break
            if start == stop:
                continue
            if not _row(&indices[start], &data[start], stop - start, &ends[i, 0], n_groups,
                        &weights[0], <uint32_t> size, <int> k, &logits[i], &groups[i, 0], &best):
                bad = i
                break
            for at in range(k):
                top[i, at], of[i, at] = best.column[at], best.group[at]
                share[i, at] = best.share[at]
    if bad >= 0:
        raise ValueError(f"row {bad} does not fit")


cdef inline uint8_t* _number(uint8_t* out, int64_t value, uint8_t behind) noexcept nogil:
    """Write a number and the byte behind it; at most 21 bytes."""
    if value < 0:
        out[0] = 45
        out += 1
    out = put_decimal(out, <uint64_t> (-value if value < 0 else value))
    out[0] = behind
    return out + 1


cdef inline int64_t _hundredths(double share) noexcept nogil:
    """Rounded, halves to even; what is not finite or too large is the largest."""
    share *= 100
    if not -MOST < share < MOST:
        return MOST if share > 0 else -MOST
    return <int64_t> rint(share)


def reasons_text(
    const double[:, ::1] groups not None,   # IN   (n, groups) of contributions_batch
    const int32_t[:, ::1] top not None,     # IN   (n, k)
    const uint8_t[:, ::1] of not None,      # IN   (n, k)
    const float[:, ::1] share not None,     # IN   (n, k)
    int layout,                             # IN   of the features
    int largest,                            # IN   groups that are told, the largest first
    Bytes out not None,                     # OUT  ASCII
    int64_t[::1] offsets not None,          # OUT  (n + 1,)
):
    """The reasons of each message as JSON text: {"reasons":[layout,[group,share,...],[group,
    column,share,...]]}, shares in hundredths, those of nothing left out. ValueError when shapes do
    not fit, MemoryError when memory ends."""
    cdef Py_ssize_t n = groups.shape[0], i, k = top.shape[1], at, n_groups = groups.shape[1], best
    cdef Arena* a = &out.arena
    cdef uint8_t* out_at
    cdef int64_t value, size, most
    cdef uint64_t told
    cdef int told_n
    if (
        top.shape[0] != n or of.shape[0] != n or of.shape[1] != k or share.shape[0] != n
        or share.shape[1] != k or offsets.shape[0] != n + 1 or n_groups > 64 or layout < 0
    ):
        raise ValueError("columns do not fit")
    out.clear()
    offsets[0] = 0
    arena_reserve(a, 96 * n)
    with nogil:
        for i in range(n):
            if not arena_reserve(a, 80 + 42 * n_groups + 63 * k):
                break
            out_at = a.data + a.size
            memcpy(out_at, <const uint8_t*> b'{"reasons":[', 12)
            out_at = _number(out_at + 12, layout, 44)
            out_at[0] = 91
            out_at += 1
            told = 0
            for told_n in range(largest):
                best, most = -1, 0
                for at in range(n_groups):
                    value = _hundredths(groups[i, at])
                    size = value if value > 0 else -value
                    if size > most and not told >> at & 1:
                        best, most = at, size
                if best < 0:
                    break
                told |= <uint64_t> 1 << best
                out_at = _number(out_at, best, 44)
                out_at = _number(out_at, _hundredths(groups[i, best]), 44)
            out_at -= told != 0                             # over the last comma
            memcpy(out_at, <const uint8_t*> b"],[", 3)
            out_at += 3
            told = 0
            for at in range(k):
                value = _hundredths(share[i, at])
                if top[i, at] < 0 or value == 0:
                    continue
                out_at = _number(out_at, of[i, at], 44)
                out_at = _number(out_at, top[i, at], 44)
                out_at = _number(out_at, value, 44)
                told = 1
            out_at -= told
            memcpy(out_at, <const uint8_t*> b"]]}", 3)
            a.size = out_at + 3 - a.data
            offsets[i + 1] = a.size
    if a.failed:
        raise MemoryError("the reasons could not grow")


processor_ask()
