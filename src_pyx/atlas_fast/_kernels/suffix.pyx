"""Public suffix and registrable domain by the rules of the Public Suffix List.

The table holds a node for each name that is a rule, or that a rule lies under; a name is probed
label by label from the right, and the walk ends at the first name that is no node. A rule with
labels beyond ASCII is there with U-labels and with A-labels, so that both are found.

Payload: 64 bytes of counts, the filter, the slots of an open-addressing hash table, the folds, the
names. The filter fits the first cache, so that a name that is no node costs no miss.

(a) _label, _folded_label: one label, hashed from the right; the second one for names beyond ASCII.
(b) suffix_find: one name, never fails.
(c) the doors: a column without the GIL, and a list of texts.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memcpy

from atlas_fast._kernels.ascii cimport is_digit, lower
from atlas_fast._kernels.tables cimport Table
from atlas_fast._kernels.types cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    int __builtin_clzll(unsigned long long word) noexcept nogil

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 highest)
    void* PyUnicode_DATA(object text) noexcept
    bint PyUnicode_IS_ASCII(object text) noexcept

cdef enum:
    RULE = 1                    # the name itself is a suffix
    RULE_PRIVATE = 2
    WILD = 4                    # each label before it makes a suffix
    WILD_PRIVATE = 8
    EXCEPTION = 16              # not a suffix, though a wildcard says so
    EXCEPTION_PRIVATE = 32
    CHILDREN = 64               # there are nodes below it
    NODE = 128
    HEAD = 64
    DOT = 46
    MAX_KEY = 255
    NOT_ASCII = -2
    FILTER_SHIFT = 24
    OBJECT_HEAD = 8             # bytes of a str or bytes object that lie before its text

KIND = b"suffix"
LAYOUT = 2
FLAGS = {
    "RULE": RULE, "RULE_PRIVATE": RULE_PRIVATE, "WILD": WILD, "WILD_PRIVATE": WILD_PRIVATE,
    "EXCEPTION": EXCEPTION, "EXCEPTION_PRIVATE": EXCEPTION_PRIVATE, "CHILDREN": CHILDREN,
    "NODE": NODE,
}
PRIVATE, UNKNOWN, ADDRESS, EMPTY = SFX_PRIVATE, SFX_UNKNOWN, SFX_ADDRESS, SFX_EMPTY


cdef inline uint64_t _mix(uint64_t h, uint64_t word) noexcept nogil:
    h = (h ^ word) * 0x9E3779B97F4A7C15ULL
    return h ^ (h >> 32)


cdef inline uint64_t _lower8(uint64_t w) noexcept nogil:
    """Eight ASCII bytes in lower case."""
    return w | (((w + 0x3F3F3F3F3F3F3F3FULL) ^ (w + 0x2525252525252525ULL))
                & 0x8080808080808080ULL) >> 2


cdef inline Py_ssize_t _label(
    const uint8_t* name, Py_ssize_t stop,
    Py_ssize_t room,            # bytes that may be read before the name
    uint64_t* h,
) noexcept nogil:
    """Start of the label that ends at `stop`, mixed into the hash; NOT_ASCII when it is not."""
    cdef uint64_t word, other, mixed = h[0]
    cdef Py_ssize_t i = stop, k
    while True:
        if i + room >= 8:
            memcpy(&word, name + i - 8, 8)
        else:
            word = 0
            for k in range(i):
                word |= <uint64_t> name[k] << (8 * (8 - i + k))
        # the last `.`: its bit 7 alone stays of a byte that equals it
        other = word ^ 0x2E2E2E2E2E2E2E2EULL
        other = ~((((other & 0x7F7F7F7F7F7F7F7FULL) + 0x7F7F7F7F7F7F7F7FULL) | other)
                  | 0x7F7F7F7F7F7F7F7FULL)
        k = __builtin_clzll(other) >> 3 if other else 8
        if k > i:
            k = i
        if k == 8:
            if word & 0x8080808080808080ULL:
                return NOT_ASCII
            mixed = _mix(mixed, _lower8(word))
            i -= 8
            if i:
                continue
            word = 0
        elif k:
            word >>= 64 - 8 * k
            if word & 0x8080808080808080ULL:
                return NOT_ASCII
            word = _lower8(word)
            i -= k
        else:
            word = 0
        h[0] = _mix(mixed, word)
        return i


cdef inline int _dot_before(const uint8_t* name, Py_ssize_t i) noexcept nogil:
    """Bytes of the dot that ends at i: `.`, or one of U+3002, U+FF0E, U+FF61 (RFC 3490); or 0."""
    if name[i - 1] == DOT:
        return 1
    if i >= 3:
        if name[i - 3] == 0xE3 and name[i - 2] == 0x80 and name[i - 1] == 0x82:
            return 3
        if name[i - 3] == 0xEF and ((name[i - 2] == 0xBC and name[i - 1] == 0x8E)
                                    or (name[i - 2] == 0xBD and name[i - 1] == 0xA1)):
            return 3
    return 0


cdef uint32_t _lower_beyond(const RuleSet* rules, uint32_t c) noexcept nogil:
    cdef Py_ssize_t low = 0, high = rules.n_folds, middle
    while low < high:
        middle = (low + high) >> 1
        if rules.folds[middle].upper < c:
            low = middle + 1
        else:
            high = middle
    if low < rules.n_folds and rules.folds[low].upper == c:
        return rules.folds[low].lower
    return c


cdef void _fold(
    const RuleSet* rules, const uint8_t* name, Py_ssize_t size, uint8_t* out,
) noexcept nogil:
    """Lower case of a label in as many bytes: ASCII, and the letters that rules have."""
    cdef Py_ssize_t i = 0
    cdef uint32_t c
    while i < size:
        if 0xC2 <= name[i] < 0xE0 and i + 1 < size and name[i + 1] & 0xC0 == 0x80:
            c = _lower_beyond(rules, (<uint32_t> name[i] & 0x1F) << 6 | (name[i + 1] & 0x3F))
            out[i] = <uint8_t> (0xC0 | c >> 6)
            out[i + 1] = <uint8_t> (0x80 | (c & 0x3F))
            i += 2
        elif (name[i] & 0xF0 == 0xE0 and i + 2 < size and name[i + 1] & 0xC0 == 0x80
                and name[i + 2] & 0xC0 == 0x80):
            c = _lower_beyond(rules, (<uint32_t> name[i] & 0x0F) << 12
                              | (<uint32_t> name[i + 1] & 0x3F) << 6 | (name[i + 2] & 0x3F))
            out[i] = <uint8_t> (0xE0 | c >> 12)
            out[i + 1] = <uint8_t> (0x80 | (c >> 6 & 0x3F))
            out[i + 2] = <uint8_t> (0x80 | (c & 0x3F))
            i += 3
        else:
            out[i] = lower(name[i])
            i += 1


cdef Py_ssize_t _folded_label(
    const RuleSet* rules, const uint8_t* name, Py_ssize_t stop,
    uint8_t* key, Py_ssize_t* key_start,        # the labels so far, at the end of MAX_KEY bytes
    uint64_t* h,
) noexcept nogil:
    """As _label; the folded label goes before the key. *key_start is -1 once it is too long."""
    cdef Py_ssize_t i = stop, size, at
    while i > 0 and not _dot_before(name, i):
        i -= 1
    size = stop - i
    at = key_start[0] - size - (0 if key_start[0] == MAX_KEY else 1)
    if key_start[0] < 0 or at < 0:
        key_start[0] = -1
        return i
    if key_start[0] < MAX_KEY:
        key[key_start[0] - 1] = DOT
    _fold(rules, name + i, size, key + at)
    key_start[0] = at
    h[0] = _hash_tail(key + at, size, h[0])
    return i


cdef inline uint64_t _hash_tail(
    const uint8_t* label, Py_ssize_t size, uint64_t h,
) noexcept nogil:
    """What _label makes of a folded label, whatever its bytes."""
    cdef uint64_t word
    while size >= 8:
        size -= 8
        memcpy(&word, label + size, 8)
        h = _mix(h, word)
    word = 0
    memcpy(&word, label, <size_t> size)
    return _mix(h, word)


cdef inline int _node(
    const RuleSet* rules, uint64_t h,
    const uint8_t* name, Py_ssize_t size, bint folded,
) noexcept nogil:
    """Flags of the node of a name, 0 when there is none."""
    cdef uint64_t at = h >> FILTER_SHIFT & rules.filter_mask
    cdef uint16_t tag = <uint16_t> (h >> 48)
    cdef const Node* node
    cdef const uint8_t* text
    cdef Py_ssize_t i
    if not rules.filter[at >> 3] >> (at & 7) & 1:
        return 0
    at = h & rules.mask
    node = rules.slots + at
    while node.size:
        if node.tag == tag and node.size == size:
            text = rules.texts + node.text
            if folded:
                if memcmp(text, name, <size_t> size) == 0:
                    return node.flags
            else:
                i = 0
                while i < size and text[i] == lower(name[i]):
                    i += 1
                if i == size:
                    return node.flags
        at = (at + 1) & rules.mask
        node = rules.slots + at
    return 0


cdef inline bint _walk(
    const RuleSet* rules, const uint8_t* name, Py_ssize_t size, Py_ssize_t room, bint private,
    Suffix* out,
    bint folded,                # labels beyond ASCII may be met
) noexcept nogil:
    """False when a label beyond ASCII was met and `folded` is not set."""
    cdef Py_ssize_t stop, i, start, before, key_start = MAX_KEY
    cdef uint8_t key[MAX_KEY + 1]
    cdef uint64_t h = 0
    cdef int node, wild = 0, dot = 1
    cdef int allowed = 0xFF if private else RULE | WILD | EXCEPTION | CHILDREN | NODE
    cdef uint8_t c, seen = 0, empty = 0
    out.registrable = out.suffix = -1
    out.flags = SFX_UNKNOWN
    if folded:
        dot = _dot_before(name, size) if size else 0
        stop = size - dot
    else:
        stop = size - 1 if size and name[size - 1] == DOT else size
    out.stop = <int32_t> stop
    i = before = stop
    while True:
        if folded:
            start = _folded_label(rules, name, i, key, &key_start, &h)
        else:
            start = _label(name, i, room, &h)
            if start == NOT_ASCII:
                return False
        if start == i:
            out.flags |= SFX_EMPTY
            break
        if not folded:
            node = _node(rules, h, name + start, stop - start, False)
        elif key_start >= 0:
            node = _node(rules, h, key + key_start, MAX_KEY - key_start, True)
        else:
            node = 0
        node &= allowed
        if node & (EXCEPTION | EXCEPTION_PRIVATE):
            out.suffix = <int32_t> before
            out.registrable = <int32_t> start
            out.flags = SFX_PRIVATE if node & EXCEPTION_PRIVATE else 0
            break
        if node & (RULE | RULE_PRIVATE) or wild:
            out.suffix = <int32_t> start
            out.registrable = -1
            if node & (RULE | RULE_PRIVATE):
                out.flags = SFX_PRIVATE if node & RULE_PRIVATE else 0
            else:
                out.flags = SFX_PRIVATE if wild & WILD_PRIVATE else 0
        elif out.suffix < 0:
            out.suffix = <int32_t> start                # `*`
        elif out.suffix == before:
            out.registrable = <int32_t> start
        wild = node & (WILD | WILD_PRIVATE)
        if start == 0 or not (wild or node & CHILDREN):
            break
        if folded:
            dot = _dot_before(name, start)
        before = start
        i = start - dot
    if out.registrable < 0 and out.suffix > 0:          # the label before the suffix
        dot = _dot_before(name, out.suffix) if folded else 1
        i = start = out.suffix - dot
        if folded:
            while start > 0 and not _dot_before(name, start):
                start -= 1
        else:
            while start > 0 and name[start - 1] != DOT:
                if name[start - 1] >= 0x80:
                    return False
                start -= 1
        if start < i:
            out.registrable = <int32_t> start
        else:
            out.flags |= SFX_EMPTY
    if out.flags & SFX_UNKNOWN and out.suffix >= 0:
        i = out.suffix
        while i < stop and is_digit(name[i]):
            i += 1
        if i == stop or name[0] == 91:                  # no top-level domain is a number
            out.flags |= SFX_ADDRESS
    # What is left of the registrable domain: is there an empty label?
    start = out.registrable if out.registrable >= 0 else out.suffix
    if start > 0:
        if folded:
            i = start
            while i > 0:
                dot = _dot_before(name, i)
                if dot and (i == dot or _dot_before(name, i - dot)):
                    empty = 1
                i -= dot if dot else 1
        else:
            empty = name[0] == DOT
            for i in range(start):
                c = name[i]
                seen |= c
                empty |= (c == DOT) & (name[i + 1] == DOT)
            if seen >= 0x80:
                return False
        if empty:
            out.flags |= SFX_EMPTY
    return True


cdef void suffix_find(
    const RuleSet* rules,
    const uint8_t* name, Py_ssize_t size,       # IN   below 2 GiB
    Py_ssize_t room,                            # IN   bytes before it that may be read, or 0
    bint private,                               # IN   do the rules of the private section count?
    Suffix* out,                                # OUT
) noexcept nogil:
    if not _walk(rules, name, size, room, private, out, False):
        _walk(rules, name, size, room, private, out, True)


cdef inline uint32_t _u32(const uint8_t* p) noexcept nogil:
    cdef uint32_t value
    memcpy(&value, p, 4)
    return value


cdef class SuffixRules:
    """The rules of a table of kind KIND and layout LAYOUT. ValueError when its parts do not fit."""

    def __init__(self, Table table not None):
        cdef const uint8_t* p = table.payload
        cdef Py_ssize_t slots, texts, folds, filter, i, used = 0
        cdef const Node* node
        if table.size < HEAD:
            raise ValueError("table of suffixes is too short")
        slots, folds, texts, filter = _u32(p), _u32(p + 4), _u32(p + 8), _u32(p + 12)
        if (slots < 2 or slots & (slots - 1) or filter < 8 or filter & (filter - 1)
                or HEAD + filter + slots * 8 + folds * 8 + texts != table.size):
            raise ValueError("counts of the table of suffixes do not fit")
        self.table = table
        self.rules.filter = p + HEAD
        self.rules.filter_mask = <uint64_t> filter * 8 - 1
        self.rules.slots = <const Node*> (p + HEAD + filter)
        self.rules.mask = <uint64_t> (slots - 1)
        self.rules.folds = <const Fold*> (self.rules.slots + slots)
        self.rules.n_folds = folds
        self.rules.texts = <const uint8_t*> (self.rules.folds + folds)
        for i in range(slots):
            node = self.rules.slots + i
            used += node.size != 0
            if <Py_ssize_t> node.text + node.size > texts:
                raise ValueError("a name of the table of suffixes lies outside")
        if used == slots:
            raise ValueError("the table of suffixes has no free slot")

    @property
    def count(self):
        """Rules of the list."""
        return self.table.count


def suffix_batch(
    SuffixRules rules not None,
    const uint8_t[::1] data not None,       # IN   names, UTF-8
    const int64_t[::1] offsets not None,    # IN   (n + 1,)
    bint private,                           # IN   do the rules of the private section count?
    int32_t[::1] registrable not None,      # OUT  (n,)  start within the name, or -1
    int32_t[::1] suffix not None,           # OUT  (n,)  start within the name, or -1
    int32_t[::1] stops not None,            # OUT  (n,)  of both
    uint8_t[::1] flags not None,            # OUT  (n,)  PRIVATE, UNKNOWN, ADDRESS, EMPTY
):
    """Fill the columns. ValueError when shapes or offsets do not fit."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, i, bad = -1
    cdef int64_t start, stop, size = data.shape[0]
    cdef uint8_t nothing = 0
    cdef const uint8_t* buf = &nothing
    cdef Suffix found
    if (n < 0 or registrable.shape[0] != n or suffix.shape[0] != n or stops.shape[0] != n
            or flags.shape[0] != n):
        raise ValueError("columns do not fit")
    if size:
        buf = &data[0]
    with nogil:
        stop = offsets[0]
        for i in range(n):
            start, stop = stop, offsets[i + 1]
            if start < 0 or stop < start or stop > size or stop - start > 0x7FFFFFFF:
                bad = i
                break
            suffix_find(&rules.rules, buf + start, stop - start, start, private, &found)
            registrable[i] = found.registrable
            suffix[i] = found.suffix
            stops[i] = found.stop
            flags[i] = found.flags
    if bad >= 0:
        raise ValueError(f"offsets of name {bad} do not fit")


cdef bint _is_lower(const uint8_t* text, Py_ssize_t size) noexcept nogil:
    """No letter A to Z, and nothing beyond ASCII."""
    cdef Py_ssize_t i
    cdef bint upper = False
    for i in range(size):
        upper |= (<uint8_t> (text[i] - 65) < 26) | (text[i] >= 0x80)
    return not upper


cdef object _lowered(const uint8_t* text, Py_ssize_t size):
    """Lower-cased text of UTF-8 bytes."""
    cdef Py_ssize_t i
    cdef uint8_t seen = 0
    cdef uint8_t* to
    for i in range(size):
        seen |= text[i]
    if seen >= 0x80:
        return bytes(text[:size]).decode("utf-8", "surrogatepass").lower()
    made = PyUnicode_New(size, 127)
    to = <uint8_t*> PyUnicode_DATA(made)
    for i in range(size):
        to[i] = lower(text[i])
    return made


def suffix_texts(SuffixRules rules not None, names not None, bint private, bint registrable):
    """The registrable domain, or the public suffix, of each of a list of str or bytes.

    Lower case; None where there is none. TypeError names the item that is no text.
    """
    cdef Py_ssize_t i, size = 0, start
    cdef const uint8_t* text
    cdef Suffix found
    cdef list items = names if isinstance(names, list) else list(names)
    cdef list out = [None] * len(items)
    for i in range(len(items)):
        item = items[i]
        if isinstance(item, str):
            if not PyUnicode_IS_ASCII(item):
                item = (<str> item).encode("utf-8", "surrogatepass")
                text = <const uint8_t*> <const char*> <bytes> item
                size = len(<bytes> item)
            else:
                text = <const uint8_t*> PyUnicode_AsUTF8AndSize(item, &size)
        elif isinstance(item, bytes):
            if not (<bytes> item).isascii():
                item = (<bytes> item).decode("utf-8", "replace").encode()
            text = <const uint8_t*> <const char*> <bytes> item
            size = len(<bytes> item)
        else:
            raise TypeError(f"name {i} is {type(item).__name__}")
        if size > 0x7FFFFFFF:
            raise ValueError(f"name {i} is too long")
        suffix_find(&rules.rules, text, size, OBJECT_HEAD, private, &found)
        if found.flags & (SFX_ADDRESS | SFX_EMPTY):
            continue
        start = found.registrable if registrable else found.suffix
        if start == 0 and found.stop == size and isinstance(item, str) and _is_lower(text, size):
            out[i] = item
        elif start >= 0:
            out[i] = _lowered(text + start, found.stop - start)
    return out


def filter_bit(uint64_t mixed, Py_ssize_t size) -> int:
    """The bit of a hash in a filter of `size` bytes: for the compiler of the table."""
    return mixed >> FILTER_SHIFT & (<uint64_t> size * 8 - 1)


def hash_name(const uint8_t[::1] name not None) -> int:
    """What a lookup makes of a lower-cased name: for the compiler of the table."""
    cdef Py_ssize_t i = name.shape[0], start
    cdef uint64_t h = 0
    while i > 0:
        start = i
        while start > 0 and name[start - 1] != DOT:
            start -= 1
        h = _hash_tail(&name[0] + start, i - start, h)
        i = start - 1
    return h
