"""The in-process level of a cache: a bounded table without Python objects.

(a) memo_find, memo_place: one key in its set of 8 entries; the least recently marked one gives way,
    once the table has doubled to its full size: few entries take little memory.
(b) Memo: the doors, a column of keys at a time.
(c) seal_batch, unseal_batch: entries as they are kept outside of the process, each with a stamp of
    what it was computed from, its time of expiry and a checksum, so that damage is a miss.

A key is 128 bits of a hash with a secret key, so that nobody can aim at a set or at another's entry.
The time is an argument: seconds of any clock. An entry is alive while now < expires.

A set is searched whole, so the place of a key inside it says nothing; a mark is set when an entry is
used, and the hand of the set clears marks until it meets an unmarked entry, which goes (second
chance). Expired entries go first.

One Memo may be used by several threads: each door holds its lock while it works, without the GIL.
"""
from cpython.pythread cimport (
    PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock, PyThread_release_lock,
    WAIT_LOCK,
)
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from atlas_fast._kernels.siphash cimport le64, siphash24_wide
from atlas_fast._kernels.types cimport int64_t, uint8_t, uint64_t

cdef enum:
    N_WAYS = 8
    FIRST = 1024        # entries of a new table
    FRAME = 24          # bytes of a sealed entry beside its value: stamp, expiry, checksum
    MAX_VALUE = 4096

WAYS = N_WAYS
FIRST_ENTRIES = FIRST
SEAL_BYTES = FRAME
MAX_VALUE_BYTES = MAX_VALUE


cdef Entry* memo_find(
    Table* t, const uint64_t* key, int64_t now,                             # IN
    Py_ssize_t* at,                                                         # OUT  number of the entry
) noexcept nogil:
    """The living entry of this key, or NULL; a dead one is freed and counted."""
    cdef Py_ssize_t base = <Py_ssize_t> (key[0] & t.set_mask) * N_WAYS
    cdef Py_ssize_t i
    cdef Entry* e
    for i in range(base, base + N_WAYS):
        e = &t.entries[i]
        if e.used and e.key[0] == key[0] and e.key[1] == key[1]:
            if e.expires > now:
                at[0] = i
                return e
            e.used = False
            t.used -= 1
            t.expirations += 1
            return NULL
    return NULL


cdef bint _alloc(Table* t, Py_ssize_t sets) noexcept nogil:
    """Memory of `sets` empty sets; False when there is none, and the table is as it was."""
    cdef Entry* entries = <Entry*> calloc(<size_t> (sets * N_WAYS), sizeof(Entry))
    cdef uint8_t* values = <uint8_t*> calloc(<size_t> (sets * N_WAYS), <size_t> t.value_size)
    cdef uint8_t* hands = <uint8_t*> calloc(<size_t> sets, 1)
    if entries is NULL or values is NULL or hands is NULL:
        free(entries)
        free(values)
        free(hands)
        return False
    t.entries, t.values, t.hands = entries, values, hands
    t.set_mask = <uint64_t> (sets - 1)
    t.capacity = sets * N_WAYS
    return True


cdef bint _grow(Table* t) noexcept nogil:
    """Twice the sets, of which each gets a part of what one had; the hands begin anew. False when
    memory ends."""
    cdef Table old = t[0]
    cdef Py_ssize_t i, at
    if not _alloc(t, old.capacity // N_WAYS * 2):
        return False
    for i in range(old.capacity):
        if old.entries[i].used:
            at = <Py_ssize_t> (old.entries[i].key[0] & t.set_mask) * N_WAYS
            while t.entries[at].used:
                at += 1
            t.entries[at] = old.entries[i]
            memcpy(t.values + at * t.value_size, old.values + i * t.value_size,
                   <size_t> t.value_size)
    free(old.entries)
    free(old.values)
    free(old.hands)
    return True


cdef Py_ssize_t memo_place(Table* t, const uint64_t* key, int64_t now) noexcept nogil:
    """The entry for a key: its own, a free one, an expired one, or the one whose turn it is; in a
    larger table before one gives way."""
    cdef Py_ssize_t set_ = <Py_ssize_t> (key[0] & t.set_mask)
    cdef Py_ssize_t base = set_ * N_WAYS, i, free_ = -1, dead = -1
    cdef Entry* e
    for i in range(base, base + N_WAYS):
        e = &t.entries[i]
        if not e.used:
            if free_ < 0:
                free_ = i
        elif e.key[0] == key[0] and e.key[1] == key[1]:
            return i
        elif dead < 0 and e.expires <= now:
            dead = i
    if free_ >= 0:
        t.used += 1
        return free_
    if dead >= 0:
        t.expirations += 1
        return dead
    if t.capacity < t.most and _grow(t):
        return memo_place(t, key, now)
    while True:                             # at most one turn: marks are cleared on the way
        i = base + t.hands[set_]
        t.hands[set_] = (t.hands[set_] + 1) % N_WAYS
        if not t.entries[i].mark:
            t.evictions += 1
            return i
        t.entries[i].mark = False


cdef Py_ssize_t _get(
    Table* t, const uint64_t* keys, Py_ssize_t n, int64_t now,              # IN
    uint8_t* values, uint8_t* found,                                        # OUT
) noexcept nogil:
    cdef Py_ssize_t i, at = 0, hits = 0
    cdef Entry* e
    for i in range(n):
        e = memo_find(t, keys + 2 * i, now, &at)
        if e is NULL:
            found[i] = 0
            continue
        e.mark = True
        memcpy(values + i * t.value_size, t.values + at * t.value_size, <size_t> t.value_size)
        found[i] = 1
        hits += 1
    t.hits += hits
    t.misses += n - hits
    return hits


cdef void _put(
    Table* t, const uint64_t* keys, const int64_t* expires, const uint8_t* values, Py_ssize_t n,
    int64_t now,                                                            # IN
) noexcept nogil:
    cdef Py_ssize_t i, at
    cdef int64_t end
    for i in range(n):
        end = expires[i]
        if end <= now:
            continue
        at = memo_place(t, keys + 2 * i, now)
        t.entries[at].key[0] = keys[2 * i]
        t.entries[at].key[1] = keys[2 * i + 1]
        t.entries[at].expires = end
        t.entries[at].used = True
        t.entries[at].mark = False
        memcpy(t.values + at * t.value_size, values + i * t.value_size, <size_t> t.value_size)
        t.puts += 1


cdef class Memo:
    """At most `capacity` entries (rounded up to a power of two) of `value_size` bytes.

    It begins with `first` entries, or fewer where `capacity` is less, and doubles before an entry
    has to give way; `bytes` is the memory of the table now. Raises ValueError on sizes that make no
    sense, MemoryError.
    """

    def __cinit__(self, Py_ssize_t capacity, Py_ssize_t value_size, Py_ssize_t first=FIRST):
        cdef Py_ssize_t sets = 1, begin = 1
        if not 1 <= capacity <= 1 << 28 or not 1 <= value_size <= MAX_VALUE or first < 1:
            raise ValueError(
                "capacity and first need to be positive, value_size from 1 to MAX_VALUE_BYTES"
            )
        while sets * N_WAYS < capacity:
            sets *= 2
        while begin < sets and begin * N_WAYS < first:
            begin *= 2
        self.lock = PyThread_allocate_lock()
        self.t.most = sets * N_WAYS
        self.t.value_size = value_size
        if self.lock is NULL or not _alloc(&self.t, begin):
            raise MemoryError

    def __dealloc__(self):
        if self.lock is not NULL:
            PyThread_free_lock(self.lock)
        free(self.t.entries)
        free(self.t.values)
        free(self.t.hands)

    def __len__(self):
        return self.t.used

    @property
    def capacity(self) -> int:
        return self.t.most

    @property
    def value_size(self) -> int:
        return self.t.value_size

    @property
    def bytes(self) -> int:
        return self.t.capacity * (<Py_ssize_t> sizeof(Entry) + self.t.value_size) + (
            self.t.capacity // N_WAYS
        )

    def get_batch(
        self,
        const uint64_t[:, ::1] keys not None,       # IN   (n, 2)
        int64_t now,                                # IN
        uint8_t[:, ::1] values not None,            # OUT  (n, value_size), written where found
        uint8_t[::1] found not None,                # OUT  (n,)  1 or 0
    ) -> int:
        """How many were found. ValueError when shapes do not fit."""
        cdef Py_ssize_t n = keys.shape[0], hits
        if keys.shape[1] != 2 or values.shape[0] != n or found.shape[0] != n:
            raise ValueError("keys (n, 2), values (n, value_size) and found (n,) are needed")
        if values.shape[1] != self.t.value_size:
            raise ValueError(f"values have {values.shape[1]} bytes, not {self.t.value_size}")
        if n == 0:
            return 0
        with nogil:
            PyThread_acquire_lock(self.lock, WAIT_LOCK)
            hits = _get(&self.t, &keys[0, 0], n, now, &values[0, 0], &found[0])
            PyThread_release_lock(self.lock)
        return hits

    def put_batch(
        self,
        const uint64_t[:, ::1] keys not None,       # IN   (n, 2)
        const int64_t[::1] expires not None,        # IN   (n,)  what is dead already is left out
        const uint8_t[:, ::1] values not None,      # IN   (n, value_size)
        int64_t now,                                # IN
    ):
        """Keep these values; one whose key is there takes its place. ValueError as in get_batch."""
        cdef Py_ssize_t n = keys.shape[0]
        if keys.shape[1] != 2 or values.shape[0] != n or expires.shape[0] != n:
            raise ValueError("keys (n, 2), expires (n,) and values (n, value_size) are needed")
        if values.shape[1] != self.t.value_size:
            raise ValueError(f"values have {values.shape[1]} bytes, not {self.t.value_size}")
        if n == 0:
            return
        with nogil:
            PyThread_acquire_lock(self.lock, WAIT_LOCK)
            _put(&self.t, &keys[0, 0], &expires[0], &values[0, 0], n, now)
            PyThread_release_lock(self.lock)

    def clear(self):
        """Forget all entries; the counters go on."""
        with nogil:
            PyThread_acquire_lock(self.lock, WAIT_LOCK)
            memset(self.t.entries, 0, <size_t> self.t.capacity * sizeof(Entry))
            self.t.used = 0
            PyThread_release_lock(self.lock)

    def counters(self) -> dict:
        """hits, misses, puts, evictions, expirations (an expired entry is a miss as well)."""
        return {
            "hits": self.t.hits, "misses": self.t.misses, "puts": self.t.puts,
            "evictions": self.t.evictions, "expirations": self.t.expirations,
        }


cdef inline void _word(uint8_t* out, uint64_t value) noexcept nogil:
    value = le64(value)
    memcpy(out, &value, 8)


cdef inline uint64_t _read(const uint8_t* p) noexcept nogil:
    cdef uint64_t value
    memcpy(&value, p, 8)
    return le64(value)


cdef inline uint64_t _checksum(
    const uint64_t* secret, const uint64_t* key, const uint8_t* entry, Py_ssize_t size,
) noexcept nogil:
    """Over the key and all of the entry but its last 8 bytes; `secret` is not known to mail."""
    cdef uint64_t mixed[2]
    cdef uint64_t out[2]
    mixed[0] = secret[0] ^ key[0]
    mixed[1] = secret[1] ^ key[1]
    siphash24_wide(mixed, entry, size - 8, out)
    return out[0]


cdef void _seal(
    const uint64_t* keys, const int64_t* expires, const uint8_t* values, Py_ssize_t n,
    Py_ssize_t size, uint64_t stamp, const uint64_t* secret,                # IN
    uint8_t* out,                                                           # OUT
) noexcept nogil:
    cdef Py_ssize_t i, row = size + FRAME
    cdef uint8_t* p
    for i in range(n):
        p = out + i * row
        _word(p, stamp)
        _word(p + 8, <uint64_t> expires[i])
        memcpy(p + 16, values + i * size, <size_t> size)
        _word(p + 16 + size, _checksum(secret, keys + 2 * i, p, row))


cdef Py_ssize_t _unseal(
    const uint8_t* rows, const uint64_t* keys, Py_ssize_t n, Py_ssize_t size, uint64_t stamp,
    int64_t now, const uint64_t* secret,                                    # IN
    uint8_t* values, int64_t* expires, uint8_t* state,                      # OUT
) noexcept nogil:
    cdef Py_ssize_t i, row = size + FRAME, good = 0
    cdef const uint8_t* p
    for i in range(n):
        p = rows + i * row
        expires[i] = <int64_t> _read(p + 8)
        if _read(p + 16 + size) != _checksum(secret, keys + 2 * i, p, row):
            state[i] = STATE_DAMAGED
        elif _read(p) != stamp:
            state[i] = STATE_STALE
        elif expires[i] <= now:
            state[i] = STATE_EXPIRED
        else:
            memcpy(values + i * size, p + 16, <size_t> size)
            state[i] = STATE_GOOD
            good += 1
    return good


GOOD, STALE, EXPIRED, DAMAGED = STATE_GOOD, STATE_STALE, STATE_EXPIRED, STATE_DAMAGED


def seal_batch(
    const uint64_t[:, ::1] keys not None,       # IN   (n, 2)
    const int64_t[::1] expires not None,        # IN   (n,)
    const uint8_t[:, ::1] values not None,      # IN   (n, size)
    uint64_t stamp,                             # IN   what the values were computed from
    const uint64_t[::1] secret not None,        # IN   (2,)
    uint8_t[:, ::1] out not None,               # OUT  (n, size + SEAL_BYTES)
):
    """Entries to be kept outside. ValueError when shapes do not fit."""
    cdef Py_ssize_t n = keys.shape[0], size = values.shape[1]
    _check(n, size, keys.shape[1], values.shape[0], expires.shape[0], out.shape[0], out.shape[1],
           secret.shape[0])
    if n == 0:
        return
    with nogil:
        _seal(&keys[0, 0], &expires[0], &values[0, 0], n, size, stamp, &secret[0], &out[0, 0])


def unseal_batch(
    const uint8_t[:, ::1] rows not None,        # IN   (n, size + SEAL_BYTES)
    const uint64_t[:, ::1] keys not None,       # IN   (n, 2)
    uint64_t stamp,                             # IN
    int64_t now,                                # IN
    const uint64_t[::1] secret not None,        # IN   (2,)
    uint8_t[:, ::1] values not None,            # OUT  (n, size), written where the state is GOOD
    int64_t[::1] expires not None,              # OUT  (n,)
    uint8_t[::1] state not None,                # OUT  (n,)  GOOD, STALE, EXPIRED or DAMAGED
) -> int:
    """How many are good. ValueError when shapes do not fit."""
    cdef Py_ssize_t n = keys.shape[0], size = values.shape[1], good
    _check(n, size, keys.shape[1], values.shape[0], expires.shape[0], rows.shape[0], rows.shape[1],
           secret.shape[0])
    if state.shape[0] != n:
        raise ValueError("state needs n entries")
    if n == 0:
        return 0
    with nogil:
        good = _unseal(&rows[0, 0], &keys[0, 0], n, size, stamp, now, &secret[0], &values[0, 0],
                       &expires[0], &state[0])
    return good


cdef int _check(
    Py_ssize_t n, Py_ssize_t size, Py_ssize_t key_words, Py_ssize_t values, Py_ssize_t expires,
    Py_ssize_t rows, Py_ssize_t row_size, Py_ssize_t secret,
) except -1:
    if key_words != 2 or secret != 2 or values != n or expires != n or rows != n:
        raise ValueError("keys (n, 2), expires (n,), values (n, size) and a secret of 2 are needed")
    if not 1 <= size <= MAX_VALUE or row_size != size + FRAME:
        raise ValueError("sealed entries have SEAL_BYTES more than values, values 1 to MAX_VALUE_BYTES")
    return 0
