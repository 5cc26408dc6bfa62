"""Message identifiers (RFC 5322, 3.6.4): the spans of the msg-ids of a field body.

An id is `<`, up to the next `>`, whatever is inside; what stands outside brackets is an id of its
own only in a body that has no bracket at all (`Message-ID: 123@host` of some mailers).
"""
from atlas_fast._kernels.scan cimport find_byte, skip_lwsp, trim_lwsp
from atlas_fast._kernels.types cimport uint8_t


cdef bint next_msgid(
    const uint8_t* buf, Py_ssize_t* start, Py_ssize_t stop,     # IN   start moves to the id
    Py_ssize_t* id_stop,                                        # OUT  behind its `>`
) noexcept nogil:
    """Is there an id in [*start, stop)? Go on at *id_stop."""
    cdef Py_ssize_t open = find_byte(buf, start[0], stop, 60), close
    if open < stop:
        close = find_byte(buf, open, stop, 62)
        start[0] = open
        id_stop[0] = close + 1 if close < stop else trim_lwsp(buf, open, stop)
        return True
    return False


cdef bint bare_msgid(
    const uint8_t* buf, Py_ssize_t* start, Py_ssize_t stop,     # IN   start moves to the id
    Py_ssize_t* id_stop,                                        # OUT
) noexcept nogil:
    """The whole body as an id; for one without brackets."""
    start[0] = skip_lwsp(buf, start[0], stop)
    id_stop[0] = trim_lwsp(buf, start[0], stop)
    return start[0] < id_stop[0]


def parse_ids(const uint8_t[::1] raw not None) -> list:
    """The msg-ids of one field body as bytes."""
    cdef Py_ssize_t start = 0, stop = raw.shape[0], end = 0
    cdef const uint8_t* buf
    found = []
    if stop == 0:
        return found
    buf = &raw[0]
    while next_msgid(buf, &start, stop, &end):
        found.append(bytes(raw[start:end]))
        start = end
    if not found and bare_msgid(buf, &start, stop, &end):
        found.append(bytes(raw[start:end]))
    return found
