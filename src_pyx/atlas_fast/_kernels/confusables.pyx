"""Labels as people see them: A-labels decoded, scripts, and skeletons (RFC 3492, UTS 39).

The skeleton of a label is what its characters are mistaken for; two names with one skeleton look
alike. A name is compared label by label with a list of brands: a label that has a brand's skeleton
and is not the brand is a homoglyph of it.

Payload: 64 bytes of counts; ranges (start, script); mappings (code point, place << 8 | size in the
pool); the pool; names of the scripts, a line each.

(a) _decode: the digits of an A-label. (b) _label: one label. (c) look_batch, the door.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from atlas_fast._kernels.arena cimport Arena, arena_append, arena_push, arena_push_codepoint
from atlas_fast._kernels.ascii cimport lower
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.chars cimport read_char
from atlas_fast._kernels.namesets cimport NameSet
from atlas_fast._kernels.tables cimport Table
from atlas_fast._kernels.types cimport int32_t, uint8_t, uint32_t, uint64_t

cdef enum:
    PUNYCODE = 1 << 0           # a label is an A-label
    BAD_PUNYCODE = 1 << 1       # one that has no U-label: left as it is
    MIXED_SCRIPTS = 1 << 2      # a label has scripts that are not written together
    ALL_CONFUSABLE = 1 << 3     # a label without a Latin letter looks wholly like ASCII
    BRAND_LOOKALIKE = 1 << 4    # a label looks like a brand and is not it
    LONG_LABEL = 1 << 5         # a label over the cap: neither decoded nor compared
    INVISIBLE = 1 << 6          # a character that is not seen

    CAP = 63                    # octets of a label (RFC 1035, 2.3.4), characters of a read one
    HEAD = 64
    COMMON = 0
    INHERITED = 1
    LATIN = 1 << 2
    HAN = 1 << 5
    JAPANESE = LATIN | HAN | 1 << 6 | 1 << 7
    KOREAN = LATIN | HAN | 1 << 8
    CHINESE = LATIN | HAN | 1 << 9

KIND = b"confuse"
LAYOUT = 1
MAX_LABEL = CAP
FLAGS = {
    "PUNYCODE": PUNYCODE, "BAD_PUNYCODE": BAD_PUNYCODE, "MIXED_SCRIPTS": MIXED_SCRIPTS,
    "ALL_CONFUSABLE": ALL_CONFUSABLE, "BRAND_LOOKALIKE": BRAND_LOOKALIKE,
    "LONG_LABEL": LONG_LABEL, "INVISIBLE": INVISIBLE,
}

cdef struct Pair:
    uint32_t first
    uint32_t second

cdef struct Data:
    const Pair* ranges
    Py_ssize_t n_ranges
    const Pair* maps
    Py_ssize_t n_maps
    const uint32_t* pool


# (a) punycode

cdef int _decode(
    const uint8_t* text, Py_ssize_t size,   # IN   behind `xn--`, at most CAP bytes
    uint32_t* out,                          # OUT  at most CAP characters
) noexcept nogil:
    """Characters of the U-label, or -1 when there is none."""
    cdef uint64_t n = 128, i = 0, before, weight, bias = 72, delta, digit, limit, k
    cdef Py_ssize_t pos, delimiter = -1
    cdef int length = 0, place, j
    cdef uint8_t c
    cdef bint first = True
    for pos in range(size):
        if text[pos] >= 0x80:
            return -1
        if text[pos] == 45:
            delimiter = pos
    for pos in range(max(delimiter, 0)):
        out[length] = text[pos]
        length += 1
    pos = delimiter + 1
    if pos >= size:
        return -1                           # nothing beyond ASCII: no reason to be an A-label
    while pos < size:
        before = i
        weight = 1
        k = 36
        while True:
            if pos == size:
                return -1
            c = lower(text[pos])
            pos += 1
            if 97 <= c <= 122:
                digit = c - 97
            elif 48 <= c <= 57:
                digit = c - 22
            else:
                return -1
            i += digit * weight
            if i > 0x10FFFF * (CAP + 1):
                return -1
            limit = 1 if k <= bias else 26 if k >= bias + 26 else k - bias
            if digit < limit:
                break
            weight *= 36 - limit
            if weight > 0x10FFFF * (CAP + 1):
                return -1
            k += 36
        if length == CAP:
            return -1
        delta = (i - before) // (700 if first else 2)
        first = False
        delta += delta // <uint64_t> (length + 1)
        k = 0
        while delta > 455:
            delta //= 35
            k += 36
        bias = k + 36 * delta // (delta + 38)
        n += i // <uint64_t> (length + 1)
        place = <int> (i % <uint64_t> (length + 1))
        if n > 0x10FFFF or 0xD800 <= n < 0xE000:
            return -1
        for j in range(length, place, -1):
            out[j] = out[j - 1]
        out[place] = <uint32_t> n
        length += 1
        i = <uint64_t> place + 1
    return length


# (b) one label

cdef inline Py_ssize_t _at(const Pair* pairs, Py_ssize_t n, uint32_t c) noexcept nogil:
    """The last pair that does not begin above c, or -1."""
    cdef Py_ssize_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) >> 1
        if pairs[middle].first <= c:
            low = middle + 1
        else:
            high = middle
    return low - 1


cdef uint32_t _label(
    const Data* data, NameSet brands, NameSet skeletons,
    const uint8_t* text, Py_ssize_t size, bint compare,     # IN   compare it with brands
    Arena* spelled, Arena* skeleton,                        # OUT  appended to, as UTF-8
    uint64_t* scripts, int32_t* brand,                      # OUT
) noexcept nogil:
    """Flags of one label."""
    cdef uint32_t chars[CAP]
    cdef uint32_t flags = 0, c = 0
    cdef uint64_t own = 0
    cdef Py_ssize_t pos = 0, at, k, spelled_at = spelled.size, skeleton_at = skeleton.size
    cdef int n = 0
    cdef bint beyond = False, whole = True
    cdef const Pair* found
    if (size >= 4 and lower(text[0]) == 120 and lower(text[1]) == 110 and text[2] == 45
            and text[3] == 45):
        flags = PUNYCODE
        n = _decode(text + 4, size - 4, chars) if size <= CAP else -1
        if n < 0:
            flags |= BAD_PUNYCODE
            n = 0
    if n == 0:
        while pos < size and n < CAP:
            pos = read_char(text, pos, size, &c)
            chars[n] = lower(<uint8_t> c) if c < 128 else c
            n += 1
        if pos < size:
            arena_append(spelled, text, 0, size)
            arena_append(skeleton, text, 0, size)
            return flags | LONG_LABEL
    for k in range(n):
        c = chars[k]
        arena_push_codepoint(spelled, c)
        beyond = beyond or c >= 128
        if c < 128:
            if 97 <= c <= 122:
                own |= LATIN
        else:
            at = _at(data.ranges, data.n_ranges, c)
            if at >= 0 and data.ranges[at].second > INHERITED:
                own |= <uint64_t> 1 << data.ranges[at].second
        at = _at(data.maps, data.n_maps, c)
        if at >= 0 and data.maps[at].first == c:
            found = data.maps + at
            if found.second & 0xFF == 0 and c >= 128:
                flags |= _unseen(c)
            for at in range(found.second & 0xFF):
                c = data.pool[(found.second >> 8) + at]
                whole = whole and c < 128
                arena_push_codepoint(skeleton, c)
        else:
            whole = whole and c < 128
            arena_push_codepoint(skeleton, c)
    scripts[0] |= own
    if own & (own - 1) and own & ~JAPANESE and own & ~KOREAN and own & ~CHINESE:
        flags |= MIXED_SCRIPTS
    if spelled.failed or skeleton.failed:
        return flags
    if beyond and whole and not own & LATIN and skeleton.size > skeleton_at:
        flags |= ALL_CONFUSABLE
    if compare and skeleton.size > skeleton_at:
        at = skeletons.find(skeleton.data + skeleton_at, skeleton.size - skeleton_at)
        if at >= 0 and brands.find(spelled.data + spelled_at, spelled.size - spelled_at) < 0:
            flags |= BRAND_LOOKALIKE
            if brand[0] < 0:
                brand[0] = <int32_t> at
    return flags


cdef inline uint32_t _unseen(uint32_t c) noexcept nogil:
    """INVISIBLE for what takes no room of its own: format characters, not combining marks."""
    if (c == 0xAD or 0x200B <= c <= 0x200F or 0x202A <= c <= 0x202E or 0x2060 <= c <= 0x206F
            or c == 0xFEFF or 0xFE00 <= c <= 0xFE0F or 0xE0000 <= c < 0xE0200 or c == 0x61C
            or c == 0x34F or 0x180B <= c <= 0x180F):
        return INVISIBLE
    return 0


# (c) the door

cdef class Confusables:
    """Unicode's data of a table of KIND and LAYOUT. ValueError when its parts do not fit."""

    cdef Data data
    cdef readonly Table table
    cdef readonly tuple scripts         # names by bit

    def __init__(self, Table table not None):
        cdef const uint8_t* p = table.payload
        cdef uint32_t counts[4]
        cdef Py_ssize_t i, size
        cdef bytes names
        if table.size < HEAD:
            raise ValueError("table of confusables is too short")
        memcpy(counts, p, sizeof(counts))
        size = HEAD + 8 * (<Py_ssize_t> counts[0] + counts[1]) + 4 * <Py_ssize_t> counts[2]
        if size + counts[3] != table.size:
            raise ValueError("counts of the table of confusables do not fit")
        self.table = table
        self.data.n_ranges, self.data.n_maps = counts[0], counts[1]
        self.data.ranges = <const Pair*> (p + HEAD)
        self.data.maps = self.data.ranges + counts[0]
        self.data.pool = <const uint32_t*> (self.data.maps + counts[1])
        names = bytes(p[size:size + counts[3]])
        self.scripts = tuple(names.decode().split("\n"))
        if len(self.scripts) > 64:
            raise ValueError("the table of confusables has too many scripts")
        for i in range(self.data.n_ranges):
            if self.data.ranges[i].second >= <uint32_t> len(self.scripts):
                raise ValueError("a script of the table of confusables is not known")
        for i in range(self.data.n_maps):
            if (self.data.maps[i].second >> 8) + (self.data.maps[i].second & 0xFF) > counts[2]:
                raise ValueError("a mapping of the table of confusables lies outside")


cdef inline int _dot(const uint8_t* text, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """Bytes of the dot at pos, or 0."""
    cdef uint32_t c = 0
    if text[pos] == 46:
        return 1
    if text[pos] >= 0xE3:
        pos = read_char(text, pos, stop, &c)
        if c == 0x3002 or c == 0xFF0E or c == 0xFF61:
            return 3
    return 0


def look_batch(
    Confusables data not None,
    NameSet brands not None,                # IN   names as they are spelled
    NameSet skeletons not None,             # IN   skeletons of brands
    const uint8_t[::1] names not None,      # IN   lower-cased UTF-8
    const int64_t[::1] offsets not None,    # IN   (n + 1,)
    const int32_t[::1] suffixes not None,   # IN   (n,)  labels from here on are no brands; or -1
    Bytes spelled not None,                 # OUT  names with A-labels decoded
    int64_t[::1] spelled_offsets not None,  # OUT  (n + 1,)
    Bytes skeleton not None,                # OUT
    int64_t[::1] skeleton_offsets not None,     # OUT  (n + 1,)
    uint64_t[::1] scripts not None,         # OUT  (n,)  a bit for each of `data.scripts`
    uint32_t[::1] flags not None,           # OUT  (n,)
    int32_t[::1] brand not None,            # OUT  (n,)  position in `skeletons`, or -1
):
    """Fill the columns. ValueError when shapes or offsets do not fit."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, i, pos, label, bad = -1
    cdef int64_t start, stop
    cdef uint8_t nothing = 0
    cdef const uint8_t* buf = &names[0] if names.shape[0] else &nothing
    cdef const uint8_t* text
    cdef int dot
    if (n < 0 or suffixes.shape[0] != n or spelled_offsets.shape[0] != n + 1
            or skeleton_offsets.shape[0] != n + 1 or scripts.shape[0] != n
            or flags.shape[0] != n or brand.shape[0] != n):
        raise ValueError("columns do not fit")
    spelled.clear()
    skeleton.clear()
    spelled_offsets[0] = skeleton_offsets[0] = 0
    with nogil:
        stop = offsets[0]
        for i in range(n):
            start, stop = stop, offsets[i + 1]
            if start < 0 or stop < start or stop > names.shape[0]:
                bad = i
                break
            text = buf + start
            pos = label = 0
            flags[i] = 0
            scripts[i] = 0
            brand[i] = -1
            while True:
                dot = _dot(text, pos, stop - start) if pos < stop - start else 0
                if dot or pos >= stop - start:
                    flags[i] |= _label(
                        &data.data, brands, skeletons, text + label, pos - label,
                        suffixes[i] < 0 or label < suffixes[i],
                        &spelled.arena, &skeleton.arena, &scripts[i], &brand[i])
                    if not dot:
                        break
                    arena_push(&spelled.arena, 46)
                    arena_push(&skeleton.arena, 46)
                    pos += dot
                    label = pos
                else:
                    pos += 1
            spelled_offsets[i + 1] = spelled.arena.size
            skeleton_offsets[i + 1] = skeleton.arena.size
    if bad >= 0:
        raise ValueError(f"offsets of name {bad} do not fit")
    if spelled.arena.failed or skeleton.arena.failed:
        raise MemoryError


def decode_label(const uint8_t[::1] label not None):
    """The U-label of what follows `xn--`, or None when there is none."""
    cdef uint32_t chars[CAP]
    cdef int n
    if not 0 < label.shape[0] <= CAP - 4:
        return None
    n = _decode(&label[0], label.shape[0], chars)
    return None if n < 0 else "".join([chr(chars[i]) for i in range(n)])
