"""A row of the feature matrix while it is made: hashed, each feature once, in groups.

A feature is a namespace and a value; its hash gives the column. A group of n features is a vector
of the length that `row_close` is given, each feature with the same value.
"""
from libc.math cimport sqrt
from libc.string cimport memset

from atlas_fast._kernels.arena cimport Arena, arena_reserve
from atlas_fast._kernels.ascii cimport lower
from atlas_fast._kernels.hashing cimport hash_byte, hash_end, hash_start, hash_word
from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define atlas_clz(x) __builtin_clzll(x)
    #else
    static inline int atlas_clz(unsigned long long x) { int n = 64; while (x) { x >>= 1; n--; } return n; }
    #endif
    """
    int clz "atlas_clz"(uint64_t x) noexcept nogil          # x is not 0

cdef enum:
    TEXT_BUCKETS = 1 << 18      # columns of what a message says: [0, TEXT_BUCKETS)
    FORM_BUCKETS = 1 << 16      # columns of what it looks like: behind those
    BUCKETS = TEXT_BUCKETS + FORM_BUCKETS
    MOST = 1 << 14              # a row has three quarters of that at most
    MOST_SHAPE = 40             # classes of bytes in the shape of a name
    SEEN = BUCKETS // 32        # a bit a column: those of the row that is being made

cdef enum:                      # namespaces: no feature of one equals a feature of another
    N_WORD = 1
    N_PAIR = 2
    N_STEM = 3
    N_ENDING = 4
    N_SUBJECT_WORD = 5
    N_SUBJECT_PAIR = 6
    N_TEXT_SHAPE = 7
    N_SUBJECT_SHAPE = 8
    N_LINK = 9
    N_LINKS = 10
    N_HOST_LABEL = 11
    N_PART = 12
    N_PARTS = 13
    N_EXTENSION = 14
    N_FROM = 15
    N_FROM_LABEL = 16
    N_FROM_SHAPE = 17
    N_REPLY = 18
    N_ID = 19
    N_ID_SHAPE = 20
    N_PRESENT = 21
    N_FIELD_NAME = 22
    N_MAILER = 23
    N_DATE_SHAPE = 24
    N_TYPE = 25
    N_ORIGIN = 26
    N_AUTH = 27
    N_DAMAGE = 28
    N_RECIPIENTS = 29
    N_LEXICON = 30
    N_URL_HOST = 31
    N_URL_WORD = 32
    N_URL_KEY = 33
    N_URL_END = 34
    N_URL = 35


cdef struct Row:                # the row that is being made
    Arena* indices
    Arena* data
    const uint8_t* minded       # filter of the words that somebody asks for
    uint32_t* seen              # bits of the columns that the row has
    uint32_t base               # columns [base, base + mask] are those of the present groups
    uint32_t mask
    int32_t room                # entries that may still be added
    Py_ssize_t group            # where the present group of values starts, in bytes of indices
    Py_ssize_t start            # where the row starts, in entries

cdef struct Text:
    const uint8_t* buf
    Py_ssize_t start
    Py_ssize_t stop
    Py_ssize_t room             # bytes of buf that may be read


cdef inline void row_begin(Row* row, Py_ssize_t number, Py_ssize_t text) noexcept nogil:
    """Forget the columns of the row before; a long text has room for more."""
    cdef const int32_t* had = <const int32_t*> row.indices.data
    cdef Py_ssize_t i, n = row.indices.size // 4
    cdef int32_t size = 2048
    if number == 0 or row.indices.failed:
        memset(row.seen, 0, SEEN * sizeof(uint32_t))
    else:
        for i in range(row.start, n):
            row.seen[had[i] >> 5] = 0
    while size < MOST and size < text:
        size <<= 1
    row.room = size // 4 * 3
    row.base = 0
    row.mask = TEXT_BUCKETS - 1
    row.group = row.indices.size
    row.start = n


cdef inline void row_form(Row* row) noexcept nogil:
    """What follows is about the form of the message."""
    row.base = TEXT_BUCKETS
    row.mask = FORM_BUCKETS - 1


cdef inline int32_t row_column(uint64_t hash, bint text) noexcept nogil:
    """Column of a feature."""
    hash = hash_end(hash)
    return <int32_t> (hash & (TEXT_BUCKETS - 1)) if text else <int32_t> (
        TEXT_BUCKETS + (hash & (FORM_BUCKETS - 1)))


cdef inline void row_add(Row* row, uint64_t hash) noexcept nogil:
    cdef uint32_t index = row.base + (<uint32_t> hash_end(hash) & row.mask)
    cdef uint32_t bit = <uint32_t> 1 << (index & 31), old = row.seen[index >> 5]
    if old & bit or row.room == 0:
        return
    if row.indices.size + 4 > row.indices.capacity and not arena_reserve(row.indices, 4):
        return
    row.room -= 1
    row.seen[index >> 5] = old | bit
    (<int32_t*> (row.indices.data + row.indices.size))[0] = <int32_t> index
    row.indices.size += 4


cdef inline void row_add_all(Row* row, const uint32_t* columns, Py_ssize_t n) noexcept nogil:
    """Add features by their columns. Nothing branches on whether one is new: half of them are."""
    cdef uint32_t* seen = row.seen
    cdef int32_t* out
    cdef uint32_t old, new
    cdef Py_ssize_t i, made = 0
    if n > row.room:                                        # not all of them may be added
        for i in range(n):
            if row.room and not seen[columns[i] >> 5] >> (columns[i] & 31) & 1 and (
                    arena_reserve(row.indices, 4)):
                seen[columns[i] >> 5] |= <uint32_t> 1 << (columns[i] & 31)
                (<int32_t*> (row.indices.data + row.indices.size))[0] = <int32_t> columns[i]
                row.indices.size += 4
                row.room -= 1
        return
    if not arena_reserve(row.indices, 4 * n):
        return
    out = <int32_t*> (row.indices.data + row.indices.size)
    for i in range(n):
        old = seen[columns[i] >> 5]
        new = old | <uint32_t> 1 << (columns[i] & 31)
        seen[columns[i] >> 5] = new
        out[made] = <int32_t> columns[i]
        made += new != old
    row.indices.size += 4 * made
    row.room -= <int32_t> made


cdef inline void row_fact(Row* row, int namespace, uint64_t what, uint64_t value) noexcept nogil:
    row_add(row, hash_word(hash_word(hash_start(namespace), what), value))


cdef inline void row_close(Row* row, float scale) noexcept nogil:
    """Values of the features since the group began: together a vector of length `scale`."""
    cdef Py_ssize_t n = (row.indices.size - row.group) // 4, i
    cdef float value
    row.group = row.indices.size
    if n == 0 or not arena_reserve(row.data, 4 * n):
        return
    value = scale / <float> sqrt(<double> n)
    for i in range(n):
        (<float*> (row.data.data + row.data.size))[i] = value
    row.data.size += 4 * n


cdef inline int log2_of(int64_t n) noexcept nogil:
    """0 for 0 and below, else 1 + floor of the binary logarithm."""
    return 64 - clz(<uint64_t> n) if n > 0 else 0


cdef inline uint64_t fold_hash(
    uint64_t h, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    while start < stop:
        h = hash_byte(h, lower(buf[start]))
        start += 1
    return h


cdef inline Py_ssize_t last_label(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    while stop > start and buf[stop - 1] != 46:
        stop -= 1
    return stop


cdef inline Py_ssize_t site_of(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """Start of the last two labels of a host, or three when the last has two bytes and the one
    before it at most three: a rule of thumb for the registrable domain that needs no table."""
    cdef Py_ssize_t last = last_label(buf, start, stop), two, three
    if last == start:
        return start
    two = last_label(buf, start, last - 1)
    if two == start or stop - last != 2 or last - 1 - two > 3:
        return two
    three = last_label(buf, start, two - 1)
    return three


cdef inline uint64_t shape_hash(
    uint64_t h, const uint8_t* kinds, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, int most,
) noexcept nogil:
    """Hash of the classes of bytes (`kinds` of each), a run of one class once, `most` classes at
    most, MOST_SHAPE above all."""
    cdef uint8_t shape[MOST_SHAPE + 1]
    cdef uint8_t kind, last = 0
    cdef int n = 0, i
    while start < stop and n < most:                        # no branch on where a run ends
        kind = kinds[buf[start]]
        shape[n] = kind
        n += kind != last
        last = kind
        start += 1
    for i in range(n):
        h = hash_byte(h, shape[i])
    return h
