"""Where the messages of an mbox lie.

(a) is_separator: a line `From address date`, as RFC 4155 writes it and as mailers vary it: after
    the address a time with a colon and a year must follow, so that `From what I hear` in a body,
    even behind an empty line, is text.
(b) scan: separators stand at the start of the file or behind an empty line. Where the caller
    trusts Content-Length (mboxcl, mboxcl2), it counts when it lands on a separator or on the end,
    and then `From ` lines inside are text. states_length tells such a file by its first message: a
    later message alone, which anybody may have sent, cannot hide those behind it.
(c) scan_mbox: the door; finds up to the caller's number of messages from a separator on.
Lines end in LF or CRLF. The empty line before a separator, or at the end of the
file, belongs to the mailbox.
"""
from atlas_fast._kernels.ascii cimport is_digit, is_wsp
from atlas_fast._kernels.fields cimport Field, next_field
from atlas_fast._kernels.scan cimport equals_fold, find_byte
from atlas_fast._kernels.types cimport int64_t, uint8_t, uint32_t

cdef enum:
    MAX_LINE = 1024             # a longer line is no separator
    MAX_HEAD = 1 << 20          # bytes of a header section in which Content-Length is looked for


cdef bint is_separator(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """Does a `From ` line start at pos?"""
    cdef Py_ssize_t end, limit
    cdef int digits = 0
    cdef bint clock = False, year = False, word = False
    if stop - pos < 5 or not (buf[pos] == 70 and buf[pos + 1] == 114 and buf[pos + 2] == 111
                              and buf[pos + 3] == 109 and buf[pos + 4] == 32):
        return False
    limit = stop if stop - pos < MAX_LINE else pos + MAX_LINE
    end = find_byte(buf, pos, limit, 10)
    if end == limit and limit < stop:
        return False
    pos += 5
    while pos < end and is_wsp(buf[pos]):
        pos += 1
    while pos < end and not is_wsp(buf[pos]):               # the address, which may be anything
        pos += 1
        word = True
    while pos < end:
        if is_digit(buf[pos]):
            digits += 1
        else:
            year |= digits == 4
            clock |= buf[pos] == 58 and digits in (1, 2) and pos + 1 < end and is_digit(buf[pos + 1])
            digits = 0
        pos += 1
    year |= digits == 4
    return word and year and clock


cdef Py_ssize_t _stated_end(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Py_ssize_t* body,
) noexcept nogil:
    """Where the body ends by Content-Length, or -1; *body is where it starts."""
    cdef Field field
    cdef bint more = True
    cdef uint32_t ignored = 0
    cdef Py_ssize_t limit = stop if stop - pos < MAX_HEAD else pos + MAX_HEAD
    cdef Py_ssize_t length = -1, i
    while True:
        pos = next_field(buf, pos, limit, &field, &more, &ignored)
        if not more:
            break
        if length < 0 and equals_fold(buf, field.name_start, field.name_stop, b"content-length", 14):
            i = field.value_start
            if 0 < field.value_stop - i <= 12:
                length = 0
                while i < field.value_stop and length >= 0:
                    length = length * 10 + buf[i] - 48 if is_digit(buf[i]) else -1
                    i += 1
    body[0] = pos
    if length < 0 or length > stop - pos:
        return -1
    return pos + length


cdef Py_ssize_t _ends_at(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """Skip up to two line ends at pos: the separator or end behind them, or -1."""
    cdef int i
    for i in range(3):
        if pos == stop or is_separator(buf, pos, stop):
            return pos
        if pos < stop and buf[pos] == 13:
            pos += 1
        if pos < stop and buf[pos] == 10:
            pos += 1
        else:
            return -1
    return -1


cdef Py_ssize_t _next_separator(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """The first separator behind an empty line in [pos, stop), or stop. pos is a line start."""
    cdef Py_ssize_t lf
    cdef bint empty = False
    while pos < stop:
        if empty and buf[pos] == 70 and is_separator(buf, pos, stop):
            return pos
        lf = find_byte(buf, pos, stop, 10)
        empty = lf == pos or (lf == pos + 1 and buf[pos] == 13)
        pos = lf + 1
    return stop


cdef inline Py_ssize_t _without_blank(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """The stop that leaves out the empty line before a separator or the end."""
    if stop > start and buf[stop - 1] == 10:
        stop -= 1
        if stop > start and buf[stop - 1] == 13:
            stop -= 1
        if stop > start and buf[stop - 1] == 10:
            return stop
        return stop if stop == start else stop + 1 + (buf[stop] == 13)
    return stop


cdef Py_ssize_t scan(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Py_ssize_t n, Py_ssize_t max_bytes,    # IN
    bint trust_length,                                                                          # IN
    int64_t* places, int64_t* starts, int64_t* stops, Py_ssize_t* after,                        # OUT
) noexcept nogil:
    cdef Py_ssize_t found = 0, first = pos, end, body = 0
    while pos < stop and found < n and (found == 0 or pos - first < max_bytes):
        places[found] = pos
        if is_separator(buf, pos, stop):
            pos = find_byte(buf, pos, stop, 10) + 1
            if pos > stop:
                pos = stop
        starts[found] = pos
        end = _stated_end(buf, pos, stop, &body) if trust_length else -1
        if end >= 0:
            stops[found] = end
            end = _ends_at(buf, end, stop)
        if end < 0:
            end = _next_separator(buf, pos, stop)
            stops[found] = _without_blank(buf, pos, end)
        if found and stops[found] - first > max_bytes:     # it begins the next batch
            pos = places[found]
            break
        pos = end
        found += 1
    after[0] = pos
    return found


def scan_mbox(
    const uint8_t[::1] raw not None,        # IN   the whole file
    Py_ssize_t start,                       # IN   a separator, or 0
    Py_ssize_t max_bytes,                   # IN   only a first message ends further behind start
    bint trust_length,                      # IN   do messages end where their Content-Length says?
    int64_t[::1] places not None,           # OUT  where each separator line starts
    int64_t[::1] starts not None,           # OUT  where each message starts
    int64_t[::1] stops not None,            # OUT  and where it stops
):
    """(number of messages found, where to go on). ValueError when shapes or start do not fit."""
    cdef Py_ssize_t after = start, found = 0, n = places.shape[0]
    if starts.shape[0] != n or stops.shape[0] != n or n == 0:
        raise ValueError("places, starts and stops need the same length above 0")
    if not 0 <= start <= raw.shape[0]:
        raise ValueError("start is not inside raw")
    if start < raw.shape[0]:
        with nogil:
            found = scan(&raw[0], start, raw.shape[0], n, max_bytes, trust_length, &places[0],
                         &starts[0], &stops[0], &after)
    return found, after


def looks_like_separator(const uint8_t[::1] raw not None):
    """Does raw begin with a separator line?"""
    return raw.shape[0] > 0 and is_separator(&raw[0], 0, raw.shape[0])


def states_length(const uint8_t[::1] raw not None):
    """Does the first message have a Content-Length that ends on a separator or on the end?"""
    cdef Py_ssize_t pos = 0, end, body = 0, stop = raw.shape[0]
    if stop == 0:
        return False
    if is_separator(&raw[0], 0, stop):
        pos = find_byte(&raw[0], 0, stop, 10)
        pos = pos + 1 if pos < stop else stop
    end = _stated_end(&raw[0], pos, stop, &body)
    return end > body and _ends_at(&raw[0], end, stop) >= 0
