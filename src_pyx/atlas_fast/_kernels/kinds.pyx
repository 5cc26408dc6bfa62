"""Kinds of mail: category and subcategory, once it is known how likely a message is spam.

kinds_logits: two linear models over the terms of the lexicon; of a count only its step matters.
kinds_choose: their probabilities, the likeliest category on the side of the verdict, and the
subcategory of it whose terms are there most.
"""
from libc.math cimport exp
from libc.string cimport memcpy

from atlas_fast._kernels.types cimport int32_t, uint8_t, uint64_t

KINDS = N_KINDS
"""Categories: N_HAM that are no spam, and behind them those that are."""

STEPS = (0, 1, 2, 2, 3, 3, 3, 3, 4)
"""What so many terms of a category count, more than the last as it."""

cdef enum:
    N_KINDS = 5
    N_HAM = 2
    N_STEPS = 9

cdef double STEP[N_STEPS]
for _at in range(N_STEPS):
    STEP[_at] = STEPS[_at]


cdef void _logits(
    const uint8_t* terms, Py_ssize_t m, bint bulk, const double* weights,   # IN   (N_KINDS, m + 2)
    double* out,                                                            # OUT  (N_KINDS,)
) noexcept nogil:
    cdef Py_ssize_t k, i = 0, width = m + 2
    cdef uint64_t eight
    cdef double step
    for k in range(N_KINDS):
        out[k] = weights[k * width]
    while i < m:
        if m - i >= 8:                                      # most have no term
            memcpy(&eight, terms + i, 8)
            if eight == 0:
                i += 8
                continue
        if terms[i]:
            step = STEP[terms[i] if terms[i] < N_STEPS else N_STEPS - 1]
            for k in range(N_KINDS):
                out[k] += step * weights[k * width + 1 + i]
        i += 1
    if bulk:
        for k in range(N_KINDS):
            out[k] += weights[k * width + 1 + m]


def kinds_logits(
    const uint8_t[:, ::1] terms not None,   # IN   (n, m)  terms of each category of the lexicon
    const uint8_t[::1] bulk not None,       # IN   (n,)  0 or 1: sent to many
    const double[:, ::1] weights not None,  # IN   (KINDS, m + 2)  constant, terms, bulk; finite
    double[:, ::1] out not None,            # OUT  (n, KINDS)
):
    """Fill the logits. ValueError when shapes do not fit."""
    cdef Py_ssize_t n = terms.shape[0], m = terms.shape[1], i
    cdef const uint8_t* row = NULL
    if (
        bulk.shape[0] != n or weights.shape[0] != N_KINDS or weights.shape[1] != m + 2
        or out.shape[0] != n or out.shape[1] != N_KINDS
    ):
        raise ValueError("columns do not fit")
    if n == 0:
        return
    with nogil:
        for i in range(n):
            if m:
                row = &terms[i, 0]
            _logits(row, m, bulk[i] != 0, &weights[0, 0], &out[i, 0])


cdef inline void _share(
    const double* logits, int start, int stop, double whole, float* out,
) noexcept nogil:
    """The probabilities of one side, which add up to `whole`."""
    cdef double most = logits[start], total = 0
    cdef double each[N_KINDS]
    cdef int k
    for k in range(start + 1, stop):
        most = logits[k] if logits[k] > most else most
    for k in range(start, stop):
        each[k] = exp(logits[k] - most)
        total += each[k]
    for k in range(start, stop):
        out[k] = <float> (each[k] / total * whole)


def kinds_choose(
    const double[:, ::1] logits not None,   # IN   (n, KINDS)
    const float[::1] of_spam not None,      # IN   (n,)  probability of spam
    float threshold,                        # IN   from here on it is spam
    const uint8_t[:, ::1] terms not None,   # IN   (n, m)
    const int32_t[::1] column not None,     # IN   (s,)  of each subcategory: its category in terms,
    const uint8_t[::1] owner not None,      # IN   (s,)  the one of KINDS that it belongs to,
    const uint8_t[::1] fallback not None,   # IN   (s,)  1 for what is meant where no term is there
    uint8_t none,                           # IN   in place of a subcategory
    float[:, ::1] probabilities not None,   # OUT  (n, KINDS)
    uint8_t[::1] category not None,         # OUT  (n,)
    uint8_t[::1] subcategory not None,      # OUT  (n,)  position among the s, or `none`
):
    """Fill all three. ValueError when shapes or columns do not fit."""
    cdef Py_ssize_t n = logits.shape[0], m = terms.shape[1], s = column.shape[0], i, k, at
    cdef int best, value, most, first, last
    if (
        logits.shape[1] != N_KINDS or of_spam.shape[0] != n or terms.shape[0] != n
        or owner.shape[0] != s or fallback.shape[0] != s or probabilities.shape[0] != n
        or probabilities.shape[1] != N_KINDS or category.shape[0] != n or subcategory.shape[0] != n
        or s > 255
    ):
        raise ValueError("columns do not fit")
    for k in range(s):
        if not 0 <= column[k] < m:
            raise ValueError(f"subcategory {k} has no column")
    with nogil:
        for i in range(n):
            _share(&logits[i, 0], 0, N_HAM, 1 - <double> of_spam[i], &probabilities[i, 0])
            _share(&logits[i, 0], N_HAM, N_KINDS, of_spam[i], &probabilities[i, 0])
            first = N_HAM if of_spam[i] >= threshold else 0
            last = N_KINDS if of_spam[i] >= threshold else N_HAM
            best = first
            for at in range(first + 1, last):
                if probabilities[i, at] > probabilities[i, best]:
                    best = <int> at
            category[i] = <uint8_t> best
            subcategory[i] = none
            if best == 0:
                continue
            most = -1
            for k in range(s):
                value = 2 * terms[i, column[k]] + fallback[k]
                if owner[k] == best and value > most:
                    most = value
                    subcategory[i] = <uint8_t> k
