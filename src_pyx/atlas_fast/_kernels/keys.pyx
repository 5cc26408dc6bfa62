"""Message keys: eight bytes that order, then BLAKE2b-128 over (source, NUL, place, NUL, content).

The digest is what makes a key one message's: nobody can make two messages with the same. Before it
stand two bytes of the source's digest and six of the first number in the last part of the place
(byte offset, delivery time, file number), big-endian, so that messages that come after each other
have keys close to each other.

(a) _each: one message after the other.
(b) _together: a message in each lane of a vector, where the machine has such (blake2b.pxd). A lane
    whose message ends takes the next one; the last message alone is ended as in (a), since a vector
    with one lane in use is slower.
(c) keys_batch: the door.
"""
from libc.string cimport memcpy, memset

from atlas_fast._kernels.blake2b cimport (
    LANES, Blake2b, Blake2bLanes, blake2b_add, blake2b_end, blake2b_init, blake2b_run, blake2b_width,
)
from atlas_fast._kernels.messages cimport Extent, Messages
from atlas_fast._kernels.types cimport int64_t, uint8_t, uint64_t

cdef enum:
    NEAR = 2            # bytes of the source's digest
    ORDER = 6           # bytes of the number
    DIGEST = 16
    KEY = NEAR + ORDER + DIGEST
    DIGITS = 14         # of a number at most: 10 ** 14 is below 2 ** 48
    BLOCK = 128         # bytes that BLAKE2b compresses at once

cdef struct Lane:
    Blake2b state       # what it hashes next is state.block, when that has bytes, or else `rest`
    const uint8_t* rest # content that is neither compressed nor in state.block
    Py_ssize_t size     # bytes of it
    Py_ssize_t blocks   # that can be compressed before `_prepare` is due
    bint last           # and with them the message ends
    uint8_t* key        # NULL: the lane has no message

KEY_BYTES = KEY
LANES_HERE = blake2b_width()
cdef uint8_t NUL = 0
cdef uint8_t NOTHING[BLOCK]     # what a lane without a message compresses


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


cdef inline void _begin(
    const Blake2b* source, const uint8_t* near, const uint8_t* places,  # IN
    Py_ssize_t start, Py_ssize_t stop,                                  # IN   of the place
    Blake2b* state, uint8_t* key,                                       # OUT
) noexcept nogil:
    """What stands before the digest, and the state behind source and place."""
    cdef uint64_t number = _number(places, start, stop)
    cdef Py_ssize_t j
    for j in range(NEAR):
        key[j] = near[j]
    for j in range(ORDER):
        key[NEAR + j] = <uint8_t> (number >> (8 * (ORDER - 1 - j)))
    state[0] = source[0]
    blake2b_add(state, places + start, <size_t> (stop - start))
    blake2b_add(state, &NUL, 1)


cdef void _each(
    const Extent* items, Py_ssize_t n, const Blake2b* source, const uint8_t* near,  # IN
    const uint8_t* places, const int64_t* offsets,                                  # IN
    uint8_t* keys,                                                                  # OUT
) noexcept nogil:
    cdef Blake2b state
    cdef Py_ssize_t i
    for i in range(n):
        _begin(source, near, places, offsets[i], offsets[i + 1], &state, keys)
        blake2b_add(&state, items[i].buf, <size_t> items[i].size)
        blake2b_end(&state, keys + NEAR + ORDER, DIGEST)
        keys += KEY


cdef void _prepare(Lane* lane, Blake2bLanes* s, int j) noexcept nogil:
    """Point lane j at the blocks that come next: at least one."""
    cdef Py_ssize_t room = BLOCK - lane.state.fill
    lane.last = False
    if lane.state.fill == 0 and lane.size > BLOCK:
        lane.blocks = (lane.size - 1) // BLOCK              # the last is kept for the end
        s.at[j] = lane.rest
        s.stride[j] = BLOCK
        s.count[j] = lane.state.count + BLOCK
        return
    if lane.size <= room:
        room = lane.size
        lane.last = True
    if room:
        memcpy(lane.state.block + lane.state.fill, lane.rest, <size_t> room)
        lane.state.fill += <int> room
        lane.rest += room
        lane.size -= room
    memset(lane.state.block + lane.state.fill, 0, <size_t> (BLOCK - lane.state.fill))
    lane.blocks = 1
    s.at[j] = lane.state.block
    s.stride[j] = 0
    s.count[j] = lane.state.count + <uint64_t> lane.state.fill
    s.last[j] = ~<uint64_t> 0 if lane.last else 0


cdef void _rest_alone(Lane* lane, const Blake2bLanes* s, int j) noexcept nogil:
    """End the message of lane j without the others."""
    cdef int k
    for k in range(8):
        lane.state.h[k] = s.h[k][j]
    blake2b_add(&lane.state, lane.rest, <size_t> lane.size)
    blake2b_end(&lane.state, lane.key + NEAR + ORDER, DIGEST)


cdef void _together(
    const Extent* items, Py_ssize_t n, const Blake2b* source, const uint8_t* near,  # IN
    const uint8_t* places, const int64_t* offsets, int width,                       # IN
    uint8_t* keys,                                                                  # OUT
) noexcept nogil:
    cdef Blake2bLanes s
    cdef Lane lanes[LANES]
    cdef Py_ssize_t next_one = 0, blocks
    cdef int busy = 0, j, k
    memset(&s, 0, sizeof(s))
    memset(lanes, 0, sizeof(lanes))
    for j in range(width):
        s.at[j] = NOTHING
        busy += _take(items, n, source, near, places, offsets, keys, &next_one, &lanes[j], &s, j)
    while busy > 1:
        blocks = 0
        for j in range(width):
            if lanes[j].key is not NULL and (blocks == 0 or lanes[j].blocks < blocks):
                blocks = lanes[j].blocks
        blake2b_run(&s, width, <size_t> blocks)
        for j in range(width):
            if lanes[j].key is NULL:
                continue
            lanes[j].blocks -= blocks
            lanes[j].state.count += <uint64_t> (BLOCK * blocks)
            if s.stride[j]:
                lanes[j].rest += BLOCK * blocks
                lanes[j].size -= BLOCK * blocks
            else:
                lanes[j].state.fill = 0
            if lanes[j].blocks:
                continue
            if not lanes[j].last:
                _prepare(&lanes[j], &s, j)
                continue
            for k in range(DIGEST):
                lanes[j].key[NEAR + ORDER + k] = <uint8_t> (s.h[k // 8][j] >> (8 * (k % 8)))
            busy += _take(
                items, n, source, near, places, offsets, keys, &next_one, &lanes[j], &s, j) - 1
    for j in range(width):
        if lanes[j].key is not NULL:
            _rest_alone(&lanes[j], &s, j)


cdef int _take(
    const Extent* items, Py_ssize_t n, const Blake2b* source, const uint8_t* near,  # IN
    const uint8_t* places, const int64_t* offsets,                                  # IN
    uint8_t* keys, Py_ssize_t* next_one, Lane* lane, Blake2bLanes* s, int j,        # OUT
) noexcept nogil:
    """Give lane j the next message: 1, or 0 when there is none."""
    cdef Py_ssize_t i = next_one[0]
    cdef int k
    s.last[j] = 0
    if i == n:
        lane.key = NULL
        s.at[j] = NOTHING
        s.stride[j] = 0
        return 0
    next_one[0] = i + 1
    lane.key = keys + i * KEY
    _begin(source, near, places, offsets[i], offsets[i + 1], &lane.state, lane.key)
    for k in range(8):
        s.h[k][j] = lane.state.h[k]
    lane.rest = items[i].buf
    lane.size = items[i].size
    _prepare(lane, s, j)
    return 1


def keys_batch(
    Messages messages not None,             # IN
    bytes source not None,                  # IN   identity of the source
    const uint8_t[::1] places not None,     # IN   all places, one after the other
    const int64_t[::1] offsets not None,    # IN   (n + 1,) positions in places
    uint8_t[:, ::1] keys not None,          # OUT  (n, KEY_BYTES)
    int lanes=LANES_HERE,                   # IN   messages at once: 8, 4, or 0 for one by one
):
    """Fill `keys`. ValueError when shapes or offsets do not fit, or the machine has fewer lanes."""
    cdef Py_ssize_t n = messages.count, i, size = places.shape[0]
    cdef Blake2b state
    cdef uint8_t near[DIGEST]
    cdef const uint8_t* text = &NUL
    cdef const uint8_t* name = source
    if offsets.shape[0] != n + 1 or keys.shape[0] != n or keys.shape[1] != KEY:
        raise ValueError("offsets or keys do not fit the number of messages")
    if lanes > LANES_HERE or lanes not in (0, 4, 8):
        raise ValueError(f"{lanes} lanes do not fit this machine")
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
        if lanes:
            _together(messages.items, n, &state, near, text, &offsets[0], lanes, &keys[0, 0])
        else:
            _each(messages.items, n, &state, near, text, &offsets[0], &keys[0, 0])
