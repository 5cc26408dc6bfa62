"""Domains that messages name, as one column: hosts of URLs, domains of addresses, lower-cased.

(a) host_span, domain_span: where the name stands in one text.
(b) _each: appends the names of a column, in ASCII lower case, with one dot at the end taken away.
(c) hosts_batch: the door.

The host of a URL is what RFC 3986 (3.2) calls so: behind `//`, without user and port, an address
literal without its brackets. The domain of an address is what follows its last `@`.
"""
from atlas_fast._kernels.arena cimport Arena, arena_reserve
from atlas_fast._kernels.ascii cimport is_alnum, lower
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.types cimport int64_t, uint8_t


cdef Py_ssize_t host_span(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,      # IN   bytes [start, stop)
    Py_ssize_t* end,                                            # OUT
) noexcept nogil:
    """Host of a URL: [return value, *end); empty when there is none."""
    cdef Py_ssize_t pos = start, from_, at, port = -1
    cdef uint8_t c
    while pos < stop and (is_alnum(buf[pos]) or buf[pos] == 43 or buf[pos] == 45 or buf[pos] == 46):
        pos += 1                                                # the scheme (RFC 3986, 3.1)
    end[0] = start
    if stop - pos >= 3 and buf[pos] == 58 and buf[pos + 1] == 47 and buf[pos + 2] == 47:
        from_ = pos + 3
    elif stop - start >= 2 and buf[start] == 47 and buf[start + 1] == 47:
        from_ = start + 2
    else:
        return start
    pos = from_
    while pos < stop:
        c = buf[pos]
        if c == 47 or c == 63 or c == 35 or c == 92:            # a backslash counts as browsers do
            break
        pos += 1
        if c == 64:
            from_ = pos
            port = -1
        elif c == 58 and port < 0:
            port = pos - 1
    if from_ < pos and buf[from_] == 91:                        # an address literal
        at = from_ + 1
        while at < pos and buf[at] != 93:
            at += 1
        end[0] = at
        return from_ + 1
    end[0] = port if port >= 0 else pos
    return from_


cdef Py_ssize_t domain_span(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t* end,
) noexcept nogil:
    """Domain of an addr-spec, which ends with the text or with `>`."""
    cdef Py_ssize_t at = stop, from_
    while at > start and buf[at - 1] != 64:
        at -= 1
    end[0] = start
    if at == start:
        return start
    from_ = at
    while at < stop and buf[at] != 62:
        at += 1
    end[0] = at
    return from_


cdef Py_ssize_t _each(
    const uint8_t* buf, Py_ssize_t size, const int64_t* starts, const int64_t* stops, Py_ssize_t n,
    bint urls, Py_ssize_t max_size,                             # IN
    Arena* out, int64_t* offsets,                               # OUT  offsets has n + 1
) noexcept nogil:
    """-1 when done, otherwise the first span that does not fit."""
    cdef Py_ssize_t i, from_, to, k
    cdef int64_t start, stop
    offsets[0] = out.size
    for i in range(n):
        start, stop = starts[i], stops[i]
        if start < 0 or stop < start or stop > size:
            return i
        to = start
        if urls:
            from_ = host_span(buf, start, stop, &to)
        else:
            from_ = domain_span(buf, start, stop, &to)
        if to > from_ and buf[to - 1] == 46:
            to -= 1
        if from_ < to and to - from_ <= max_size and arena_reserve(out, to - from_):
            for k in range(to - from_):
                out.data[out.size + k] = lower(buf[from_ + k])
            out.size += to - from_
        offsets[i + 1] = out.size
    return -1


def hosts_batch(
    const uint8_t[::1] data not None,       # IN   all texts
    const int64_t[::1] starts not None,     # IN   (n,)
    const int64_t[::1] stops not None,      # IN   (n,)
    bint urls,                              # IN   URLs, or addresses
    Py_ssize_t max_size,                    # IN   a longer name counts as absent
    Bytes out not None,                     # OUT  names, appended
    int64_t[::1] offsets not None,          # OUT  (n + 1,) places in out
):
    """Append the name in each text, empty where there is none. ValueError; MemoryError."""
    cdef Py_ssize_t n = starts.shape[0], bad
    cdef uint8_t nothing = 0
    cdef const int64_t* first = NULL
    cdef const int64_t* last = NULL
    cdef const uint8_t* buf
    if stops.shape[0] != n or offsets.shape[0] != n + 1 or max_size < 0:
        raise ValueError("starts and stops need n entries, offsets n + 1, max_size is not negative")
    if out.n_views:
        raise BufferError("a view of these bytes is open")
    if n:
        first, last = &starts[0], &stops[0]
    buf = &data[0] if data.shape[0] else &nothing
    with nogil:
        bad = _each(buf, data.shape[0], first, last, n, urls, max_size, &out.arena, &offsets[0])
    if bad >= 0:
        raise ValueError(f"span {bad} does not fit data")
    if out.arena.failed:
        raise MemoryError("the names could not grow")
