"""Rows of a CSR matrix times weights: the logit of each message."""
from atlas_fast._kernels.types cimport int32_t, int64_t


cdef Py_ssize_t _each(
    const int64_t* indptr, Py_ssize_t n, const int32_t* indices, const float* data, Py_ssize_t nnz,
    const float* weights, Py_ssize_t size, double bias,     # IN
    double* out,                                            # OUT
) noexcept nogil:
    """-1 when done, otherwise the first row that does not fit."""
    cdef Py_ssize_t i, j
    cdef int64_t start, stop = indptr[0]
    cdef int32_t at
    cdef double total
    for i in range(n):
        start, stop = stop, indptr[i + 1]
        if start < 0 or stop < start or stop > nnz:
            return i
        total = bias
        for j in range(start, stop):
            at = indices[j]
            if at < 0 or at >= size:
                return i
            total += <double> weights[at] * data[j]
        out[i] = total
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
