"""Received fields (RFC 5321, 4.4): the clauses of one hop as spans.

(a) parse_received walks the words outside comments. `from`, `by`, `via`, `with`, `id` and `for`
    open a clause when they stand where a clause may start; each counts once, its value is the next
    word. `from` counts as the first word only. The date-time follows the last semicolon outside
    comments; without one there is none.
(b) The comments of a clause say more: an address literal of the peer (`[192.0.2.1]`,
    `[IPv6:2001:db8::1]`, or bare: `(192.0.2.1)`), and what the peer called itself (`HELO name`,
    `helo=name`). Of the addresses of `from`, those in comments come first: that is where a server
    writes what it saw, whereas the word behind `from` may be what the peer said. What follows
    HELO is the peer's word too and no address. Then a literal in brackets is preferred to a bare
    one, and the first of its kind wins.
    Where no HELO is told apart, `helo` is the value of `from`, as RFC 5321 defines it.
(c) parse_received_text is the door for one field body.
"""
from atlas_fast._kernels.ascii cimport is_alnum, is_lwsp
from atlas_fast._kernels.dates cimport ZONE_NONE, parse_date
from atlas_fast._kernels.ip cimport parse_ip
from atlas_fast._kernels.scan cimport equals_fold, skip_lwsp, starts_fold, trim_lwsp
from atlas_fast._kernels.types cimport Span, int32_t, uint8_t, uint32_t
from atlas_fast._kernels.wide cimport find3

cdef enum:                      # classes of bytes
    WORD_ENDS = 1               # white space, an opening parenthesis, a semicolon
    ALNUM = 2
    IN_NAME = 4                 # of a host name or an address literal

cdef enum:
    K_NONE = 0
    K_FROM = 1
    K_BY = 2
    K_VIA = 3
    K_WITH = 4
    K_ID = 5
    K_FOR = 6

cdef uint8_t CLASS[256]         # filled below while the module is imported


cdef inline int _keyword(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    if stop - start == 2:
        if equals_fold(buf, start, stop, b"by", 2):
            return K_BY
        return K_ID if equals_fold(buf, start, stop, b"id", 2) else K_NONE
    if stop - start == 3:
        if equals_fold(buf, start, stop, b"for", 3):
            return K_FOR
        return K_VIA if equals_fold(buf, start, stop, b"via", 3) else K_NONE
    if stop - start == 4:
        if equals_fold(buf, start, stop, b"from", 4):
            return K_FROM
        return K_WITH if equals_fold(buf, start, stop, b"with", 4) else K_NONE
    return K_NONE


cdef inline void _set(Span* span, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    span.start = <int32_t> start
    span.stop = <int32_t> stop


cdef Py_ssize_t _comment_end(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """Behind the comment at pos; stop when it never closes."""
    cdef Py_ssize_t depth = 0
    while True:
        pos = find3(buf, pos, stop, stop, 92, 40, 41)
        if pos >= stop:
            return stop
        if buf[pos] == 92:
            pos += 1
        elif buf[pos] == 40:
            depth += 1
        elif buf[pos] == 41:
            depth -= 1
            if depth == 0:
                return pos + 1
        pos += 1


cdef bint _literal(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN   between the brackets
    Span* ip,                                               # OUT
) noexcept nogil:
    cdef uint8_t octets[16]
    if starts_fold(buf, start, stop, b"ipv6:", 5):
        start += 5
    if parse_ip(buf, start, stop, octets) == 0:
        return False
    _set(ip, start, stop)
    return True


cdef inline bint _is_helo(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t end, Py_ssize_t stop,
) noexcept nogil:
    """Is [start, end) the word before a name that the peer gave itself?"""
    if end == stop or not (is_lwsp(buf[end]) or buf[end] == 61):
        return False
    return equals_fold(buf, start, end, b"helo", 4) or equals_fold(buf, start, end, b"ehlo", 4)


cdef void _find_ip(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN
    Span* bracketed, Span* bare,                            # OUT  the first of each kind
) noexcept nogil:
    """Look for address literals in a word or comment; what follows HELO is none."""
    cdef Py_ssize_t end
    cdef Span found
    while start < stop:
        if not (CLASS[buf[start]] & ALNUM or buf[start] == 58):
            start += 1
            continue
        end = start
        while end < stop and CLASS[buf[end]] & IN_NAME:
            end += 1
        if _literal(buf, start, end, &found):
            if start > 0 and buf[start - 1] == 91:
                if bracketed.start < 0:
                    bracketed[0] = found
            elif bare.start < 0:
                bare[0] = found
        elif _is_helo(buf, start, end, stop):
            end = skip_lwsp(buf, end + 1, stop)
            while end < stop and not is_lwsp(buf[end]) and buf[end] != 41:
                end += 1
        start = end


cdef void _find_helo(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Span* helo,
) noexcept nogil:
    """`HELO name`, `EHLO name` or `helo=name` in a comment."""
    cdef Py_ssize_t end
    while start < stop:
        if not CLASS[buf[start]] & ALNUM:
            start += 1
            continue
        end = start
        while end < stop and CLASS[buf[end]] & ALNUM:
            end += 1
        if equals_fold(buf, start, end, b"helo", 4) or equals_fold(buf, start, end, b"ehlo", 4):
            if end < stop and (is_lwsp(buf[end]) or buf[end] == 61):
                start = skip_lwsp(buf, end + 1, stop)
                end = start
                while end < stop and not is_lwsp(buf[end]) and buf[end] != 41:
                    end += 1
                if end > start:
                    _set(helo, start, end)
                return
        start = end


cdef struct Walk:
    int clause                  # whose comments and literals come now
    uint32_t seen               # bit 1 << clause
    int waits                   # the clause whose value is the next word
    Span from_bracketed         # in comments
    Span from_bare
    Span word_bracketed         # of the words of `from`
    Span word_bare
    Span by_bracketed
    Span by_bare
    Span helo


cdef void _take_value(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Walk* walk, Hop* hop,
) noexcept nogil:
    if walk.waits == K_FROM:
        _set(&hop.from_, start, stop)
    elif walk.waits == K_BY:
        _set(&hop.by, start, stop)
    elif walk.waits == K_WITH:
        _set(&hop.with_, start, stop)
    elif walk.waits == K_ID:
        _set(&hop.id, start, stop)
    elif walk.waits == K_FOR:
        if stop - start >= 2 and buf[start] == 60 and buf[stop - 1] == 62:
            start += 1
            stop -= 1
        _set(&hop.for_, start, stop)
    walk.waits = K_NONE


cdef void _take_word(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Walk* walk, Hop* hop,
) noexcept nogil:
    cdef int keyword = _keyword(buf, start, stop)
    if keyword != K_NONE and not walk.seen & (1 << keyword) and (
            keyword != K_FROM or walk.seen == 0):
        walk.seen |= 1 << keyword
        walk.clause = walk.waits = keyword
        return
    walk.seen |= 1
    if walk.waits != K_NONE:
        _take_value(buf, start, stop, walk, hop)
    if walk.clause == K_FROM:
        _find_ip(buf, start, stop, &walk.word_bracketed, &walk.word_bare)
    elif walk.clause == K_BY:
        _find_ip(buf, start, stop, &walk.by_bracketed, &walk.by_bare)


cdef void _take_comment(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Walk* walk,
) noexcept nogil:
    if walk.clause == K_FROM:
        _find_ip(buf, start, stop, &walk.from_bracketed, &walk.from_bare)
        if walk.helo.start < 0:
            _find_helo(buf, start, stop, &walk.helo)
    elif walk.clause == K_BY:
        _find_ip(buf, start, stop, &walk.by_bracketed, &walk.by_bare)


cdef inline void _none(Span* span) noexcept nogil:
    span.start = span.stop = -1


cdef void parse_received(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN
    Hop* hop,                                               # OUT
) noexcept nogil:
    cdef Walk walk
    cdef Py_ssize_t pos = start, end, semicolon = -1
    walk.clause = walk.waits = K_NONE
    walk.seen = 0
    _none(&walk.from_bracketed)
    _none(&walk.from_bare)
    _none(&walk.word_bracketed)
    _none(&walk.word_bare)
    _none(&walk.by_bracketed)
    _none(&walk.by_bare)
    _none(&walk.helo)
    _none(&hop.from_)
    _none(&hop.by)
    _none(&hop.with_)
    _none(&hop.id)
    _none(&hop.for_)
    _none(&hop.date)
    hop.epoch = 0
    hop.zone = ZONE_NONE
    while pos < stop:
        if is_lwsp(buf[pos]):
            pos += 1
        elif buf[pos] == 40:
            end = _comment_end(buf, pos, stop)
            _take_comment(buf, pos, end, &walk)
            pos = end
        elif buf[pos] == 59:
            semicolon = pos
            walk.clause = walk.waits = K_NONE
            pos += 1
        else:
            end = pos
            while end < stop and not CLASS[buf[end]] & WORD_ENDS:
                end += 1
            if semicolon < 0:
                _take_word(buf, pos, end, &walk, hop)
            pos = end
    hop.from_ip = walk.word_bracketed if walk.word_bracketed.start >= 0 else walk.word_bare
    if walk.from_bare.start >= 0:
        hop.from_ip = walk.from_bare
    if walk.from_bracketed.start >= 0:
        hop.from_ip = walk.from_bracketed
    hop.by_ip = walk.by_bracketed if walk.by_bracketed.start >= 0 else walk.by_bare
    hop.helo = walk.helo if walk.helo.start >= 0 else hop.from_
    hop.has_date = 0
    if semicolon >= 0:
        pos = skip_lwsp(buf, semicolon + 1, stop)
        _set(&hop.date, pos, trim_lwsp(buf, pos, stop))
        hop.has_date = parse_date(buf, pos, stop, &hop.epoch, &hop.zone)


def parse_received_text(const uint8_t[::1] raw not None) -> tuple:
    """Spans of one field body: (from, from_ip, by, by_ip, with, id, for, helo, date or None).

    Each span is (start, stop) or None; the date is (seconds since the epoch, minutes or NO_ZONE).
    Positions fit int32: ValueError when raw is 2 GiB or longer.
    """
    cdef Hop hop
    cdef uint8_t nothing = 0
    if raw.shape[0] >= 1 << 31:
        raise ValueError("a field body is at most 2 GiB long")
    parse_received(&raw[0] if raw.shape[0] else &nothing, 0, raw.shape[0], &hop)
    spans = [hop.from_, hop.from_ip, hop.by, hop.by_ip, hop.with_, hop.id, hop.for_, hop.helo]
    found = [(s["start"], s["stop"]) if s["start"] >= 0 else None for s in spans]
    return *found, (hop.epoch, hop.zone) if hop.has_date else None


def _build():
    for byte in range(256):
        CLASS[byte] = 0
        if is_lwsp(byte) or byte in b"(;":
            CLASS[byte] |= WORD_ENDS
        if is_alnum(byte):
            CLASS[byte] |= ALNUM | IN_NAME
        if byte in b".:-_":
            CLASS[byte] |= IN_NAME


_build()
