"""One header field after the other: the scanner that header and MIME kernels share.

RFC 5322 (2.2, 3.6.8) with what is met in the wild (4.5): LF, CRLF and bare CR end a line,
white space may stand before the colon, a continuation starts with a space or a tab.
A line that is none of these ends the header section as an empty line does.
"""
from atlas_fast._kernels.ascii cimport is_wsp
from atlas_fast._kernels.scan cimport find_byte
from atlas_fast._kernels.types cimport HDR_BARE_CR, HDR_NO_BLANK_LINE, int32_t, uint8_t, uint32_t


cdef struct Field:
    Py_ssize_t name_start       # positions in the same buffer
    Py_ssize_t name_stop
    Py_ssize_t value_start      # behind the colon and the white space after it
    Py_ssize_t value_stop       # before the last line end; folding is still inside


cdef inline Py_ssize_t line_end(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   [pos, stop)
    Py_ssize_t* next_line,                                  # OUT  where the next line starts
    uint32_t* flags,                                        # OUT  bits are or-ed in
) noexcept nogil:
    """Stop of the line at pos, its LF, CRLF or bare CR left out."""
    cdef Py_ssize_t lf = find_byte(buf, pos, stop, 10)
    cdef Py_ssize_t cr = find_byte(buf, pos, lf, 13)
    next_line[0] = lf + 1 if lf < stop else stop
    if cr < lf and (cr + 1 < lf or lf == stop):
        flags[0] |= HDR_BARE_CR
        next_line[0] = cr + 1
    return cr


cdef inline Py_ssize_t next_field(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   [pos, stop)
    Field* field,                                           # OUT
    bint* more,                                             # OUT  False: no field, section over
    uint32_t* flags,                                        # OUT  bits are or-ed in
) noexcept nogil:
    """Read the field at pos. Returns where the next one starts, or where the body starts."""
    cdef Py_ssize_t end, after = stop, colon, name_stop
    more[0] = False
    if pos >= stop:
        flags[0] |= HDR_NO_BLANK_LINE
        return stop
    end = line_end(buf, pos, stop, &after, flags)
    if end == pos:                                          # the empty line
        return after
    colon = find_byte(buf, pos, end, 58)
    name_stop = colon
    while name_stop > pos and is_wsp(buf[name_stop - 1]):   # obs-optional: WSP before the colon
        name_stop -= 1
    if colon == end or not is_name(buf, pos, name_stop):
        flags[0] |= HDR_NO_BLANK_LINE
        return pos
    field.name_start = pos
    field.name_stop = name_stop
    pos = colon + 1
    while pos < end and is_wsp(buf[pos]):
        pos += 1
    field.value_start = pos
    while after < stop and is_wsp(buf[after]):              # folded: the line goes on
        end = line_end(buf, after, stop, &after, flags)
    field.value_stop = end
    more[0] = True
    return after


cdef inline bint is_name(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """ftext (RFC 5322, 3.6.8): printable ASCII but the colon; at least one."""
    cdef Py_ssize_t i
    if start >= stop:
        return False
    for i in range(start, stop):
        if buf[i] < 33 or buf[i] > 126:
            return False
    return True


cdef inline Py_ssize_t skip_envelope(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,
) noexcept nogil:
    """Where the header section starts: behind an mbox `From ` line and what else may not lead."""
    cdef Py_ssize_t after = stop, skip
    cdef uint32_t ignored = 0
    while pos < stop:
        if is_wsp(buf[pos]):                                # a continuation of nothing
            line_end(buf, pos, stop, &after, &ignored)
            pos = after
            continue
        skip = 1 if buf[pos] == 62 else 0
        if stop - pos < 5 + skip:
            break
        if not (buf[pos + skip] == 70 and buf[pos + skip + 1] == 114 and buf[pos + skip + 2] == 111
                and buf[pos + skip + 3] == 109 and buf[pos + skip + 4] == 32):
            break
        line_end(buf, pos, stop, &after, &ignored)
        pos = after
    return pos
