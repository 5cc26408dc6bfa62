"""Message keys: eight bytes that order, then BLAKE2b-128 over (source, NUL, place, NUL, content).

The digest is what makes a key one message's: nobody can make two messages with the same. Before it
stand two bytes of the source's digest and six of the first number in the last part of the place
(byte offset, delivery time, file number), big-endian, so that messages that come after each other
have keys close to each other.
"""
from atlas_fast._kernels.blake2b cimport Blake2b, blake2b_add, blake2b_end, blake2b_init
from atlas_fast._kernels.messages cimport Extent, Messages
from atlas_fast._kernels.types cimport int64_t, uint8_t, uint64_t

cdef enum:
    NEAR = 2            # bytes of the source's digest
    ORDER = 6           # bytes of the number
    DIGEST = 16
    KEY = NEAR + ORDER + DIGEST
    DIGITS = 14         # of a number at most: 10 ** 14 is below 2 ** 48

KEY_BYTES = KEY
cdef uint8_t NUL = 0


cdef uint64_t _number(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """The first number behind the last slash, its first `DIGITS` digits; 0 where there is none."""
    cdef Py_ssize_t pos = stop, digits = 0
    cdef uint64_t value = 0
    while pos > start and buf[pos - 1] != 47:
        pos -= 1
    while pos < stop and not 48 <= buf[pos] <= 57:
        pos += 1
    while pos < stop and digits < DIGITS and 48 <= buf[pos] <= 57:
        value = value * 10 + (buf[pos] - 48)
        pos += 1
        digits += 1
    return value


cdef void _each(
    const Extent* items, Py_ssize_t n, const Blake2b* source, const uint8_t* near,  # IN
    const uint8_t* places, const int64_t* offsets,                                  # IN
    uint8_t* keys,                                                                  # OUT
) noexcept nogil:
    cdef Blake2b state
    cdef Py_ssize_t i, j
    cdef uint64_t number
    cdef uint8_t* key = keys
    for i in range(n):
        number = _number(places, offsets[i], offsets[i + 1])
        for j in range(NEAR):
            key[j] = near[j]
        for j in range(ORDER):
            key[NEAR + j] = <uint8_t> (number >> (8 * (ORDER - 1 - j)))
        state = source[0]
        blake2b_add(&state, places + offsets[i], <size_t> (offsets[i + 1] - offsets[i]))
        blake2b_add(&state, &NUL, 1)
        blake2b_add(&state, items[i].buf, <size_t> items[i].size)
        blake2b_end(&state, key + NEAR + ORDER, DIGEST)
        key += KEY


def keys_batch(
    Messages messages not None,             # IN
    bytes source not None,                  # IN   identity of the source
    const uint8_t[::1] places not None,     # IN   all places, one after the other
    const int64_t[::1] offsets not None,    # IN   (n + 1,) positions in places
    uint8_t[:, ::1] keys not None,          # OUT  (n, KEY_BYTES)
):
    """Fill `keys`. ValueError when shapes or offsets do not fit."""
    cdef Py_ssize_t n = messages.count, i, size = places.shape[0]
    cdef Blake2b state
    cdef uint8_t near[DIGEST]
    cdef const uint8_t* text = &NUL
    cdef const uint8_t* name = source
    if offsets.shape[0] != n + 1 or keys.shape[0] != n or keys.shape[1] != KEY:
        raise ValueError("offsets or keys do not fit the number of messages")
    if n == 0:
        return
    for i in range(n):
        if not 0 <= offsets[i] <= offsets[i + 1] <= size:
            raise ValueError(f"offsets of place {i} do not fit places")
    if size:
        text = &places[0]
    blake2b_init(&state, NEAR)
    blake2b_add(&state, name, <size_t> len(source))
    blake2b_end(&state, near, NEAR)
    blake2b_init(&state, DIGEST)
    blake2b_add(&state, name, <size_t> len(source))
    blake2b_add(&state, &NUL, 1)
    with nogil:
        _each(messages.items, n, &state, near, text, &offsets[0], &keys[0, 0])
