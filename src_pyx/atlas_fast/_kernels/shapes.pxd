"""Rules over the characters of a name, lower-cased code points: entropy, vowels, runs."""
from libc.math cimport log2
from libc.string cimport memset

from atlas_fast._kernels.chars cimport is_any_digit, is_decimal, is_letter, is_space, is_word
from atlas_fast._kernels.types cimport int32_t, uint8_t, uint32_t


cdef struct Counters:
    uint32_t* order             # distinct characters by first appearance
    uint32_t* keys              # those beyond ASCII, hashed; all counts are 0 between two texts
    int32_t* counts
    Py_ssize_t mask             # of the two above
    const double* terms         # MAX_TERM rows of as many: what k of n characters add

cdef enum:
    MAX_TERM = 64


cdef inline bint is_vowel(uint32_t c) noexcept nogil:
    return c == 97 or c == 101 or c == 105 or c == 111 or c == 117


cdef inline bint is_small(uint32_t c) noexcept nogil:
    return c - 97 < 26


cdef inline bint is_number(uint32_t c) noexcept nogil:
    return c - 48 < 10


cdef inline int32_t* counter(Counters* s, uint32_t c) noexcept nogil:
    cdef Py_ssize_t at = <Py_ssize_t> (c * <uint32_t> 2654435761) & s.mask
    while s.counts[at] and s.keys[at] != c:
        at = (at + 1) & s.mask
    s.keys[at] = c
    return s.counts + at


cdef inline double entropy(
    Counters* s, const uint32_t* text, Py_ssize_t size, Py_ssize_t total,
    double* most,               # OUT  how often the most frequent letter or digit stands there
) noexcept nogil:
    """Bits a character (Shannon); `total` characters count as the whole."""
    cdef int32_t counts[128]
    cdef Py_ssize_t i, distinct = 0
    cdef int32_t* count
    cdef double sum = 0, share
    cdef uint32_t c
    most[0] = 0
    memset(counts, 0, sizeof(counts))
    for i in range(size):
        c = text[i]
        count = &counts[c] if c < 128 else counter(s, c)
        if count[0] == 0:
            s.order[distinct] = c
            distinct += 1
        count[0] += 1
    for i in range(distinct):
        c = s.order[i]
        count = &counts[c] if c < 128 else counter(s, c)
        if total < MAX_TERM and count[0] < MAX_TERM:
            sum -= s.terms[total * MAX_TERM + count[0]]
        else:
            share = <double> count[0] / total
            sum -= share * log2(share)
        if count[0] > most[0] and is_word(c):
            most[0] = count[0]
    for i in range(distinct):
        if s.order[i] >= 128:
            counters_clear(s, s.order[i])
    return sum


cdef inline void counters_clear(Counters* s, uint32_t c) noexcept nogil:
    """Free the run of slots that begins at the place of c; all of them are of this text."""
    cdef Py_ssize_t at = <Py_ssize_t> (c * <uint32_t> 2654435761) & s.mask
    while s.counts[at]:
        s.counts[at] = 0
        at = (at + 1) & s.mask


cdef inline bint gibberish(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i, run = 0, digits = 0, letters = 0, vowels = 0
    cdef bint plain = False, long_run = False
    cdef uint32_t c
    for i in range(size):
        c = text[i]
        if is_vowel(c):
            vowels += 1
            plain = True
        elif is_space(c) or is_decimal(c):
            plain = True
        run = run + 1 if is_small(c) and not is_vowel(c) else 0
        long_run = long_run or run >= 8
        digits += is_any_digit(c)
        letters += is_letter(c)
    if size >= 6 and not plain:
        return True
    if size < 4:
        return False
    if long_run:
        return True
    if letters > 0 and <double> digits / letters > 0.6 and size > 6:
        return True
    return size > 10 and vowels == 0


cdef inline bint natural_vowels(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    """Is the share of vowels among the ASCII letters that of words?"""
    cdef Py_ssize_t i, vowels = 0, letters = 0
    cdef double share
    for i in range(size):
        letters += is_small(text[i])
        vowels += is_vowel(text[i])
    if letters == 0:
        return False
    share = <double> vowels / letters
    return 0.25 <= share <= 0.55


cdef inline bint alphanumeric(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    """Wholly a-z and 0-9."""
    cdef Py_ssize_t i
    for i in range(size):
        if not (is_small(text[i]) or is_number(text[i])):
            return False
    return True


cdef inline bint interleaved(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    """Digits, letters, digits, or the reverse: two or more of each."""
    cdef Py_ssize_t i
    cdef int kind, last = 0, run = 0, before = 0, before_that = 0
    for i in range(size + 1):
        kind = 0 if i == size else 1 if is_number(text[i]) else 2 if is_small(text[i]) else 0
        if kind == last and kind:
            run += 1
        else:
            before_that = before if kind else 0
            before = run if kind else 0
            run = 1 if kind else 0
            last = kind
        if run >= 2 and before >= 2 and before_that >= 2:
            return True
    return False


cdef inline bint ends_with(
    const uint32_t* text, Py_ssize_t size, const char* tail, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t i
    if size < n:
        return False
    for i in range(n):
        if text[size - n + i] != <uint8_t> tail[i]:
            return False
    return True


cdef inline bint holds(
    const uint32_t* text, Py_ssize_t size, const char* part, Py_ssize_t n,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n, size + 1):
        if ends_with(text, i, part, n):
            return True
    return False


cdef inline bint obvious(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    """Text before the first dot."""
    cdef Py_ssize_t i, digits = 0, mixed = 0, distinct = 0
    cdef bint pair = False
    cdef uint8_t seen[128]
    for i in range(size):
        digits += is_any_digit(text[i])
        pair = pair or (i > 0 and is_vowel(text[i]) and is_vowel(text[i - 1]))
        # letter, digit, letter, digit, letter, digit: `mixed` of them so far
        if mixed % 2 == 0:
            mixed = mixed + 1 if is_small(text[i]) else 0
        else:
            mixed = mixed + 1 if is_number(text[i]) else 1 if is_small(text[i]) else 0
        if mixed == 6:
            return True
    if digits > 0.4 * size and size > 8:
        return True
    if size > 20 and not pair:
        return True
    if size >= 10 and alphanumeric(text, size):
        memset(seen, 0, sizeof(seen))
        for i in range(size):
            distinct += not seen[text[i]]
            seen[text[i]] = 1
        return distinct > 6
    return False


cdef inline bint all_letters(const uint32_t* text, Py_ssize_t size) noexcept nogil:
    """Fifteen letters or more, and nothing else."""
    cdef Py_ssize_t i
    for i in range(size):
        if not is_small(text[i]):
            return False
    return size >= 15
