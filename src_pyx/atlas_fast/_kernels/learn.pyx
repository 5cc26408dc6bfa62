"""Training of the linear model: dual coordinate descent for the L2-regularised squared hinge.

The method is that of Hsieh, Chang, Lin, Keerthi and Sundararajan, "A dual coordinate descent method
for large-scale linear SVM" (ICML 2008): one pass changes the dual variable of each row in turn and
keeps the weights in step. Rows are visited in an order drawn by splitmix64 from the seed, sums are
taken in one order, so the same input gives the same bits.
"""
from libc.stdlib cimport free, malloc

from atlas_fast._kernels.types cimport int8_t, int32_t, int64_t, uint64_t


cdef inline uint64_t _next(uint64_t* state) noexcept nogil:
    """splitmix64."""
    cdef uint64_t z
    state[0] += 0x9E3779B97F4A7C15u
    z = state[0]
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu
    return z ^ (z >> 31)


cdef void _shuffle(int32_t* order, Py_ssize_t n, uint64_t* state) noexcept nogil:
    cdef Py_ssize_t i = n - 1, j
    cdef int32_t held
    while i > 0:
        j = <Py_ssize_t> (_next(state) % <uint64_t> (i + 1))
        held = order[i]
        order[i] = order[j]
        order[j] = held
        i -= 1


cdef double _pass(
    const int64_t* indptr, const int32_t* indices, const float* data, const int8_t* labels,
    const int32_t* order, Py_ssize_t n, double cost_positive, double cost_negative,     # IN
    double* alpha, const double* norm, double* weights, double* bias,                   # OUT
) noexcept nogil:
    """One pass over the rows; returns the largest violation of optimality."""
    cdef Py_ssize_t k, j
    cdef int32_t i
    cdef double y, margin, gradient, diagonal, old, step, worst = 0
    for k in range(n):
        i = order[k]
        y = 1.0 if labels[i] > 0 else -1.0
        diagonal = 0.5 / (cost_positive if labels[i] > 0 else cost_negative)
        margin = bias[0]
        for j in range(indptr[i], indptr[i + 1]):
            margin += weights[indices[j]] * data[j]
        gradient = y * margin - 1 + diagonal * alpha[i]
        if alpha[i] == 0 and gradient > 0:
            continue
        worst = max(worst, gradient if gradient > 0 else -gradient)
        old = alpha[i]
        alpha[i] = max(old - gradient / (norm[i] + 1 + diagonal), 0.0)
        step = (alpha[i] - old) * y
        if step != 0:
            bias[0] += step
            for j in range(indptr[i], indptr[i + 1]):
                weights[indices[j]] += step * data[j]
    return worst


def train_linear(
    const int64_t[::1] indptr not None,     # IN   (n + 1,)
    const int32_t[::1] indices not None,    # IN   (nnz,) below len(weights)
    const float[::1] data not None,         # IN   (nnz,)
    const int8_t[::1] labels not None,      # IN   (n,) 1 or -1
    double cost_positive,                   # IN   how much an error on a row of label 1 costs
    double cost_negative,                   # IN   and of label -1
    int max_passes,                         # IN
    double tolerance,                       # IN   stop when no row violates optimality by more
    uint64_t seed,                          # IN
    double[::1] weights not None,           # OUT  (m,) zeros on entry
):
    """(bias, passes made). ValueError when shapes or indices do not fit."""
    cdef Py_ssize_t n = labels.shape[0], i, j, nnz = indices.shape[0], m = weights.shape[0]
    cdef double bias = 0
    cdef int passes = 0
    cdef uint64_t state = seed
    cdef int32_t* order
    cdef double* alpha
    cdef double* norm
    if indptr.shape[0] != n + 1 or data.shape[0] != nnz or n == 0 or nnz == 0 or m == 0:
        raise ValueError("columns do not fit")
    if indptr[0] != 0 or indptr[n] != nnz or cost_positive <= 0 or cost_negative <= 0:
        raise ValueError("offsets or costs do not fit")
    for i in range(n):
        if indptr[i + 1] < indptr[i] or indptr[i + 1] > nnz:
            raise ValueError(f"offsets of row {i} do not fit")
    for j in range(nnz):
        if indices[j] < 0 or indices[j] >= m:
            raise ValueError(f"index {j} does not fit")
    order = <int32_t*> malloc(<size_t> n * sizeof(int32_t))
    alpha = <double*> malloc(<size_t> n * sizeof(double))
    norm = <double*> malloc(<size_t> n * sizeof(double))
    try:
        if order is NULL or alpha is NULL or norm is NULL:
            raise MemoryError
        with nogil:
            for i in range(n):
                order[i] = <int32_t> i
                alpha[i] = 0
                norm[i] = 0
                for j in range(indptr[i], indptr[i + 1]):
                    norm[i] += <double> data[j] * data[j]
            while passes < max_passes:
                _shuffle(order, n, &state)
                passes += 1
                if _pass(&indptr[0], &indices[0], &data[0], &labels[0], order, n, cost_positive,
                         cost_negative, alpha, norm, &weights[0], &bias) < tolerance:
                    break
        return bias, passes
    finally:
        free(order)
        free(alpha)
        free(norm)
