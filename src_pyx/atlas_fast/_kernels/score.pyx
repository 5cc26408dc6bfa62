"""Rows of a CSR matrix times weights: the logit of each message, and what it is made of."""
from atlas_fast._kernels.types cimport int32_t, int64_t, uint32_t


cdef Py_ssize_t _each(
    const int64_t* indptr, Py_ssize_t n, const int32_t* indices, const float* data, Py_ssize_t nnz,
    const float* weights, Py_ssize_t size, double bias,     # IN
    double* out,                                            # OUT
) noexcept nogil:
    """-1 when done, otherwise the first row that does not fit."""
    cdef Py_ssize_t i, j
    cdef int64_t start, stop = indptr[0]
    cdef uint32_t a, b, c, d, worst, most = <uint32_t> (size - 1)
    cdef double one, two, three, four
    for i in range(n):
        start, stop = stop, indptr[i + 1]
        if start < 0 or stop < start or stop > nnz:
            return i
        worst = 0
        for j in range(start, stop):                        # a negative one is a large one here
            a = <uint32_t> indices[j]
            worst = a if a > worst else worst
        if worst > most and stop > start:
            return i
        one = two = three = four = 0                        # four sums: none waits for another
        j = start
        while j + 4 <= stop:
            a, b = <uint32_t> indices[j], <uint32_t> indices[j + 1]
            c, d = <uint32_t> indices[j + 2], <uint32_t> indices[j + 3]
            one += <double> weights[a] * data[j]
            two += <double> weights[b] * data[j + 1]
            three += <double> weights[c] * data[j + 2]
            four += <double> weights[d] * data[j + 3]
            j += 4
        while j < stop:
            one += <double> weights[indices[j]] * data[j]
            j += 1
        out[i] = bias + ((one + two) + (three + four))
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
    if n < 0 or out.shape[0] != n or data.shape[0] != indices.shape[0] or weights.shape[0] == 0:
        raise ValueError("columns do not fit")
    if n == 0:
        return
    if indices.shape[0]:
        at = &indices[0]
        value = &data[0]
    with nogil:
        bad = _each(&indptr[0], n, at, value, indices.shape[0], &weights[0], weights.shape[0],
                    bias, &out[0])
    if bad >= 0:
        raise ValueError(f"row {bad} does not fit")


cdef inline void _keep(
    int32_t* top, float* share, int k, int32_t column, float value,
) noexcept nogil:
    """Keep the k largest by size, the largest first; of equals the earlier."""
    cdef int at = k
    cdef float size = value if value > 0 else -value
    while at > 0 and (top[at - 1] < 0 or (share[at - 1] if share[at - 1] > 0 else -share[at - 1])
                      < size):
        at -= 1
    if at == k:
        return
    for k in range(k - 1, at, -1):
        top[k] = top[k - 1]
        share[k] = share[k - 1]
    top[at] = column
    share[at] = value


def contributions_batch(
    const int64_t[::1] indptr not None,     # IN   (n + 1,)
    const int32_t[::1] indices not None,    # IN   (nnz,)
    const float[::1] data not None,         # IN   (nnz,)
    const int32_t[:, ::1] ends not None,    # IN   (n, groups) end of each group in its row
    const float[::1] weights not None,      # IN   (m,)
    float[:, ::1] groups not None,          # OUT  (n, groups) what each group adds to the logit
    int32_t[:, ::1] top not None,           # OUT  (n, k) columns that add or take most; -1: none
    float[:, ::1] share not None,           # OUT  (n, k) and how much
):
    """Fill what the logits are made of. ValueError when shapes, offsets or indices do not fit."""
    cdef Py_ssize_t n = indptr.shape[0] - 1, i, j, nnz = indices.shape[0], size = weights.shape[0]
    cdef Py_ssize_t n_groups = ends.shape[1], group, bad = -1
    cdef int k = <int> top.shape[1], at
    cdef float value
    if (
        n < 0 or data.shape[0] != nnz or ends.shape[0] != n or groups.shape[0] != n
        or groups.shape[1] != n_groups or top.shape[0] != n or share.shape[0] != n
        or share.shape[1] != k or size == 0
    ):
        raise ValueError("columns do not fit")
    with nogil:
        for i in range(n):
            for at in range(k):
                top[i, at] = -1
                share[i, at] = 0
            for group in range(n_groups):
                groups[i, group] = 0
            if indptr[i] < 0 or indptr[i + 1] < indptr[i] or indptr[i + 1] > nnz:
                bad = i
                break
            j = indptr[i]
            for group in range(n_groups):
                while j < indptr[i + 1] and j - indptr[i] < ends[i, group]:
                    if indices[j] < 0 or indices[j] >= size:
                        bad = i
                        break
                    value = weights[indices[j]] * data[j]
                    groups[i, group] += value
                    if value != 0 and k and (top[i, k - 1] < 0 or value > share[i, k - 1]
                                             or -value > share[i, k - 1]):
                        _keep(&top[i, 0], &share[i, 0], k, indices[j], value)
                    j += 1
                if bad >= 0:
                    break
            if bad >= 0:
                break
    if bad >= 0:
        raise ValueError(f"row {bad} does not fit")
