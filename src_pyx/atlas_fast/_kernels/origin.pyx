"""Where a message entered: the first outside address that a server of the receiver's saw.

A Received field is written by the server that took the message over, on top of what it was given.
So the topmost one is the receiver's, and what it says of its peer (`from` address) is seen, not
told. The walk goes down from there:

(a) A peer in a range that no remote host can have (R_LOCAL), or one of the configured relays
    (R_TRUSTED, or a `by` name of the next hop), is on the receiver's side: it wrote the next field.
    So did the server of a hop without `from` (a local step), and the mailbox server of a hop that
    was fetched (`with POP3`, `with IMAP`).
(b) The first other address that a trusted hop saw is the origin.
(c) Behind a hop that names no address, or one no peer can have (R_SPECIAL), the chain is the
    sender's word: an address found there is given, and the reason says so.
IPv4 in IPv6 (mapped, and NAT64's 64:ff9b::/96) counts as IPv4; 6to4 (2002::/16) is judged by the
IPv4 address inside and given as it is.
"""
from libc.string cimport memcmp, memcpy, memset

from atlas_fast._kernels.ascii cimport is_alnum
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.headers cimport (
    F_RECEIVED, F_X_ORIGINATING_IP, N_KNOWN, FieldRecord, check_fields,
)
from atlas_fast._kernels.ip cimport parse_ip
from atlas_fast._kernels.messages cimport Extent, Messages
from atlas_fast._kernels.received cimport Hop, parse_received
from atlas_fast._kernels.scan cimport starts_fold
from atlas_fast._kernels.types cimport Span, int16_t, int64_t, uint8_t

cdef enum:                      # codes of a range
    R_GLOBAL = 0
    R_LOCAL = 1                 # not globally reachable: the peer is on the receiver's side
    R_SPECIAL = 2               # of a special purpose, and no place that mail comes from
    R_TRUSTED = 3               # a configured relay

cdef enum:                      # twin: Reason in atlas_fast/origin.py
    NO_RECEIVED = 0
    FIRST_EXTERNAL = 1
    SENDERS_WORD = 2
    ONLY_LOCAL = 3
    NO_ADDRESS = 4
    TOO_MANY_HOPS = 5
    ORIGINATING_IP = 6

RANGE_CODES = {"global": R_GLOBAL, "local": R_LOCAL, "special": R_SPECIAL, "trusted": R_TRUSTED}
REASONS = (
    "NO_RECEIVED", "FIRST_EXTERNAL", "SENDERS_WORD", "ONLY_LOCAL", "NO_ADDRESS", "TOO_MANY_HOPS",
    "ORIGINATING_IP",
)

cdef struct Trust:
    const uint8_t* starts       # 16 bytes each, ascending; a range ends where the next one starts
    const uint8_t* codes
    Py_ssize_t n
    const uint8_t* names        # lower-cased suffixes of host names
    const int64_t* name_ends    # n_names + 1 offsets
    Py_ssize_t n_names
    Py_ssize_t max_hops
    Py_ssize_t max_bytes        # of one field

cdef struct Found:
    uint8_t address[16]
    int family                  # 4, 6, or 0: none
    int16_t hop
    int16_t border              # the last hop that was written on the receiver's side
    uint8_t reason


cdef uint8_t _code(const Trust* trust, const uint8_t* address) noexcept nogil:
    """Code of the range that holds a 16-byte address; the first range starts at zero."""
    cdef Py_ssize_t lo = 0, hi = trust.n, middle
    while hi - lo > 1:
        middle = (lo + hi) >> 1
        if memcmp(trust.starts + 16 * middle, address, 16) <= 0:
            lo = middle
        else:
            hi = middle
    return trust.codes[lo]


cdef inline void _map(const uint8_t* quad, uint8_t* out) noexcept nogil:
    """An IPv4 address as IPv4-mapped IPv6."""
    cdef uint8_t four[4]
    memcpy(four, quad, 4)
    memset(out, 0, 10)
    out[10] = out[11] = 0xFF
    memcpy(out + 12, four, 4)


cdef int read_address(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN
    uint8_t* out,                                           # OUT  16 bytes, IPv4 as mapped
) noexcept nogil:
    """4 or 6, what the address counts as; 0 when [start, stop) is none."""
    cdef int family = parse_ip(buf, start, stop, out)
    if family == 4:
        _map(out, out)
        return 4
    if family == 6:
        if memcmp(out, b"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0:
            return 4
        if memcmp(out, b"\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12) == 0:     # RFC 6052, 2.1
            _map(out + 12, out)
            return 4
    return family


cdef uint8_t judge(const Trust* trust, const uint8_t* address) noexcept nogil:
    """Code of an address; one of 6to4 by the IPv4 address in it, unless a relay is configured."""
    cdef uint8_t inside[16]
    cdef uint8_t code = _code(trust, address)
    if code != R_TRUSTED and address[0] == 0x20 and address[1] == 0x02:     # RFC 3056, 2
        _map(address + 2, inside)
        code = _code(trust, inside)
        if code == R_LOCAL:                                 # no such address is routed anywhere
            code = R_SPECIAL
    return code


cdef bint host_ends_with(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN   a host name
    const uint8_t* names, const int64_t* ends, Py_ssize_t n,
) noexcept nogil:
    """Is the name one of the lower-cased names, or below one of them?"""
    cdef Py_ssize_t i, size
    if stop > start and buf[stop - 1] == 46:
        stop -= 1
    for i in range(n):
        size = <Py_ssize_t> (ends[i + 1] - ends[i])
        if size and stop - start >= size and starts_fold(
                buf, stop - size, stop, <const char*> names + ends[i], size) and (
                stop - start == size or buf[stop - size - 1] == 46):
            return True
    return False


cdef inline bint _fetched(const uint8_t* buf, const Span* with_) noexcept nogil:
    """Did the receiver fetch the message at this hop?"""
    if with_.start < 0:
        return False
    return (
        starts_fold(buf, with_.start, with_.stop, b"pop", 3)
        or starts_fold(buf, with_.start, with_.stop, b"imap", 4))


cdef void _take(Found* found, const uint8_t* address, int family, int16_t hop, uint8_t reason) noexcept nogil:
    memcpy(found.address, address, 16)
    found.family = family
    found.hop = hop
    found.reason = reason


cdef void _fallback(
    const uint8_t* buf, const FieldRecord* field, const Trust* trust, Found* found,
) noexcept nogil:
    """The first address of X-Originating-IP: what a web mailer says of its user."""
    cdef uint8_t address[16]
    cdef Py_ssize_t start = field.start, end, stop = field.stop
    cdef int family
    if stop - start > trust.max_bytes:
        stop = start + trust.max_bytes
    while start < stop:
        end = start
        while end < stop and (is_alnum(buf[end]) or buf[end] == 46 or buf[end] == 58):
            end += 1
        if end > start:
            family = read_address(buf, start, end, address)
            if family:
                if judge(trust, address) == R_GLOBAL:
                    _take(found, address, family, -1, ORIGINATING_IP)
                return
            start = end
        else:
            start += 1


cdef void walk(
    const uint8_t* buf, const FieldRecord* fields, Py_ssize_t n_fields,     # IN  of one message
    Py_ssize_t first, const Trust* trust,                                   # IN  first Received
    Found* found,                                                           # OUT
) noexcept nogil:
    cdef Hop hop
    cdef uint8_t address[16]
    cdef uint8_t code
    cdef int family
    cdef bint ours = True, waits = False
    cdef Py_ssize_t i, stop
    cdef int16_t n = 0
    memset(found, 0, sizeof(Found))
    found.hop = found.border = -1
    found.reason = NO_ADDRESS if 0 <= first < n_fields else NO_RECEIVED
    if first < 0:
        first = n_fields
    for i in range(first, n_fields):
        if fields[i].id != F_RECEIVED:
            continue
        if n >= trust.max_hops:
            if not waits:
                found.reason = TOO_MANY_HOPS
            return
        stop = fields[i].stop
        if stop - fields[i].start > trust.max_bytes:
            stop = fields[i].start + trust.max_bytes
        parse_received(buf, fields[i].start, stop, &hop)
        if waits:                       # the hop above saw an outside peer: is it ours by name?
            if hop.by.start < 0 or not host_ends_with(
                    buf, hop.by.start, hop.by.stop, trust.names, trust.name_ends, trust.n_names):
                return
            waits = False
            found.family = 0
            found.reason = ONLY_LOCAL
        if ours:
            found.border = n
        n += 1
        family = 0
        if hop.from_ip.start >= 0:
            family = read_address(buf, hop.from_ip.start, hop.from_ip.stop, address)
        if family == 0:
            if hop.from_.start >= 0 and not (ours and _fetched(buf, &hop.with_)):
                ours = False
            continue
        if found.reason == NO_ADDRESS:
            found.reason = ONLY_LOCAL
        code = judge(trust, address)
        if code == R_SPECIAL:
            ours = False
        elif code == R_GLOBAL and not (ours and _fetched(buf, &hop.with_)):
            _take(found, address, family, <int16_t> (n - 1),
                  FIRST_EXTERNAL if ours else SENDERS_WORD)
            if not ours or trust.n_names == 0:
                return
            waits = True


cdef void _each(
    const Extent* items, Py_ssize_t n, const int16_t* first, const FieldRecord* fields,     # IN
    const int64_t* indptr, const Trust* trust,                                              # IN
    uint8_t* address, uint8_t* family, int16_t* hop, int16_t* border, uint8_t* reason,      # OUT
) noexcept nogil:
    cdef Found found
    cdef Py_ssize_t i
    cdef int16_t other
    for i in range(n):
        walk(items[i].buf, fields + indptr[i], <Py_ssize_t> (indptr[i + 1] - indptr[i]),
             first[i * N_KNOWN + F_RECEIVED], trust, &found)
        other = first[i * N_KNOWN + F_X_ORIGINATING_IP]
        if found.family == 0 and found.reason != TOO_MANY_HOPS and other >= 0:
            _fallback(items[i].buf, fields + indptr[i] + other, trust, &found)
        if found.family == 0:
            found.hop = -1
            memset(found.address, 0, 16)
        memcpy(address + 16 * i, found.address, 16)
        family[i] = <uint8_t> found.family
        hop[i] = found.hop
        border[i] = found.border
        reason[i] = found.reason


cdef int _trust(
    Trust* out, const uint8_t[:, ::1] starts, const uint8_t[::1] codes, const uint8_t[::1] names,
    const int64_t[::1] name_ends, tuple caps,
) except -1:
    cdef Py_ssize_t i
    cdef uint8_t* nothing = NULL
    if starts.shape[0] == 0 or starts.shape[1] != 16 or codes.shape[0] != starts.shape[0]:
        raise ValueError("ranges need one code and 16 bytes each, and at least one")
    for i in range(16):
        if starts[0, i]:
            raise ValueError("the first range starts at zero")
    for i in range(1, starts.shape[0]):
        if memcmp(&starts[i - 1, 0], &starts[i, 0], 16) >= 0:
            raise ValueError("ranges ascend")
    if name_ends.shape[0] == 0 or name_ends[0] != 0 or name_ends[name_ends.shape[0] - 1] != names.shape[0]:
        raise ValueError("offsets do not fit the names")
    for i in range(1, name_ends.shape[0]):
        if name_ends[i] < name_ends[i - 1]:
            raise ValueError("offsets do not fit the names")
    out.starts = &starts[0, 0]
    out.codes = &codes[0]
    out.n = starts.shape[0]
    out.names = &names[0] if names.shape[0] else nothing
    out.name_ends = &name_ends[0]
    out.n_names = name_ends.shape[0] - 1 if names.shape[0] else 0
    out.max_hops, out.max_bytes = caps
    if not 0 < out.max_hops < 1 << 15:
        raise ValueError("the cap of hops needs to fit int16")
    return 0


def origin_batch(
    Messages messages not None,             # IN
    const int16_t[:, ::1] first not None,   # IN   (n, N_KNOWN) of the header columns
    Bytes fields not None,                  # IN   FieldRecord of every field
    const int64_t[::1] field_indptr not None,   # IN   (n + 1,)
    const uint8_t[:, ::1] starts not None,  # IN   (r, 16) where each range starts, ascending from 0
    const uint8_t[::1] codes not None,      # IN   (r,) RANGE_CODES
    const uint8_t[::1] names not None,      # IN   lower-cased suffixes of trusted `by` hosts
    const int64_t[::1] name_ends not None,  # IN   (s + 1,) offsets into names
    tuple caps not None,                    # IN   hops, bytes of a field
    uint8_t[:, ::1] address not None,       # OUT  (n, 16) IPv4 as IPv4-mapped; zero: none
    uint8_t[::1] family not None,           # OUT  (n,) 4, 6, or 0
    int16_t[::1] hop not None,              # OUT  (n,) number of the Received field, or -1
    int16_t[::1] border not None,           # OUT  (n,) last Received of the receiver's side, or -1
    uint8_t[::1] reason not None,           # OUT  (n,) position in REASONS
):
    """Fill the origin columns. ValueError when shapes, ranges or fields do not fit."""
    cdef Py_ssize_t n = messages.count
    cdef Trust trust
    cdef const FieldRecord* records = <const FieldRecord*> fields.arena.data
    _trust(&trust, starts, codes, names, name_ends, caps)
    if (
        address.shape[0] != n or address.shape[1] != 16 or family.shape[0] != n
        or hop.shape[0] != n or border.shape[0] != n or reason.shape[0] != n
    ):
        raise ValueError("outputs do not fit the number of messages")
    if n == 0:
        return
    check_fields(messages, first, fields, field_indptr)
    with nogil:
        _each(messages.items, n, &first[0, 0], records, &field_indptr[0], &trust,
              &address[0, 0], &family[0], &hop[0], &border[0], &reason[0])
