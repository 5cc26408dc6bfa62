"""Parameters of structured fields (RFC 2045, 5.1; RFC 2231) as spans, and as decoded text.

(a) next_param: `; name=value` pieces; a semicolon inside a quoted string does not count, a quoted
    string that never closes ends with the field. find_param: the first piece of a name.
(b) param_append: the text of a parameter: sections `name*0`, `name*1*` are joined in the order of
    their numbers as they stand, percent escapes and the charset of `name*` are decoded; a plain
    value is read as header text, so that encoded-words in a filename (common, not standard) work.
(c) parse_parameters: the door for one field body.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize

from atlas_fast._kernels.arena cimport Arena, arena_free, arena_init, arena_push
from atlas_fast._kernels.ascii cimport hex_digit, is_digit, is_lwsp
from atlas_fast._kernels.charsets cimport CS_UTF8, charset_append, charset_id
from atlas_fast._kernels.scan cimport equals_fold, find_byte, skip_lwsp, starts_fold, trim_lwsp
from atlas_fast._kernels.types cimport int32_t, uint8_t, uint32_t
from atlas_fast._kernels.words cimport words_append

cdef enum:
    MAX_SECTIONS = 64           # sections of one parameter that are read


cdef Py_ssize_t value_end(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Where the value before the first parameter ends, white space trimmed."""
    return trim_lwsp(buf, start, find_byte(buf, start, stop, 59))


cdef Py_ssize_t _piece_end(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """The semicolon that ends the piece at pos, or stop."""
    cdef bint quoted = False
    while pos < stop:
        if buf[pos] == 34:
            quoted = not quoted
        elif buf[pos] == 92 and quoted:
            pos += 1
        elif buf[pos] == 59 and not quoted:
            return pos
        pos += 1
    return stop


cdef Py_ssize_t next_param(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   pos: at a semicolon
    Param* param,                                           # OUT
) noexcept nogil:
    """The next parameter. Returns the semicolon behind it or stop; -1 when there is none."""
    cdef Py_ssize_t end, equals, start
    while pos < stop:
        start = skip_lwsp(buf, pos + 1, stop)
        end = _piece_end(buf, start, stop)
        pos = end
        equals = find_byte(buf, start, end, 61)
        if equals == end:
            continue
        param.name_start = start
        param.name_stop = trim_lwsp(buf, start, equals)
        start = skip_lwsp(buf, equals + 1, end)
        if start < end and buf[start] == 34:
            param.value_start = start + 1
            start += 1
            while start < end and buf[start] != 34:
                start += 2 if buf[start] == 92 else 1
            param.value_stop = start if start < end else end
        else:
            param.value_start = start
            while start < end and not is_lwsp(buf[start]) and buf[start] != 40:
                start += 1
            param.value_stop = start
        return end
    return -1


cdef bint find_param(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN   a whole field body
    const char* name, Py_ssize_t size,                      # IN   lower case
    Param* param,                                           # OUT
) noexcept nogil:
    """The first parameter of exactly this name."""
    start = find_byte(buf, start, stop, 59)
    while True:
        start = next_param(buf, start, stop, param)
        if start < 0:
            return False
        if equals_fold(buf, param.name_start, param.name_stop, name, size):
            return True


cdef void _unquote(
    const uint8_t* buf, const Param* param, bint percent, Arena* out,
) noexcept nogil:
    """The bytes of a value: quoted-pairs resolved, line ends dropped, %XX where it is extended."""
    cdef Py_ssize_t pos = param.value_start
    cdef int high, low
    while pos < param.value_stop:
        if buf[pos] == 92 and pos + 1 < param.value_stop and buf[param.value_start - 1] == 34:
            pos += 1
        elif percent and buf[pos] == 37 and pos + 2 < param.value_stop:
            high = hex_digit(buf[pos + 1])
            low = hex_digit(buf[pos + 2])
            if high >= 0 and low >= 0:
                arena_push(out, <uint8_t> (high << 4 | low))
                pos += 3
                continue
        if buf[pos] != 10 and buf[pos] != 13:
            arena_push(out, buf[pos])
        pos += 1


cdef void _charset_of(const uint8_t* buf, Param* param, int32_t* charset) noexcept nogil:
    """Take `charset'language'` off the front of an extended value."""
    cdef Py_ssize_t first = find_byte(buf, param.value_start, param.value_stop, 39), second
    if first == param.value_stop:
        return
    second = find_byte(buf, first + 1, param.value_stop, 39)
    if second == param.value_stop:
        return
    charset[0] = charset_id(buf, param.value_start, first)
    param.value_start = second + 1


cdef int _section(
    const uint8_t* buf, const Param* param, Py_ssize_t size, bint* extended,
) noexcept nogil:
    """Number of a section from `name*N` or `name*N*`; 0 for `name*`; -1 when it is none."""
    cdef Py_ssize_t pos = param.name_start + size
    cdef int number = 0
    if pos >= param.name_stop or buf[pos] != 42:
        return -1
    pos += 1
    extended[0] = pos == param.name_stop
    while pos < param.name_stop and is_digit(buf[pos]) and number < MAX_SECTIONS:
        number = number * 10 + buf[pos] - 48
        pos += 1
    if pos < param.name_stop:
        if buf[pos] != 42 or pos + 1 != param.name_stop:
            return -1
        extended[0] = True
    return number if number < MAX_SECTIONS else -1


cdef bint param_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN   a whole field body
    const char* name, Py_ssize_t size,                      # IN   lower case
    Arena* out, uint32_t* flags,                            # OUT
) noexcept nogil:
    """Append the text of a parameter as UTF-8. False when the field does not have it."""
    cdef Param param
    cdef Param sections[MAX_SECTIONS]
    cdef bint extended[MAX_SECTIONS]
    cdef uint8_t have[MAX_SECTIONS]
    cdef bint is_extended = False
    cdef int number, last = -1
    cdef int32_t charset = CS_UTF8
    cdef Arena whole
    cdef Py_ssize_t pos = find_byte(buf, start, stop, 59)
    for number in range(MAX_SECTIONS):
        have[number] = 0
    arena_init(&whole, out.limit)
    while True:
        pos = next_param(buf, pos, stop, &param)
        if pos < 0:
            break
        if not starts_fold(buf, param.name_start, param.name_stop, name, size):
            continue
        if param.name_stop - param.name_start == size:
            _unquote(buf, &param, False, &whole)
            words_append(whole.data, 0, whole.size, out, flags)
            arena_free(&whole)
            return True
        number = _section(buf, &param, size, &is_extended)
        if number >= 0 and not have[number]:
            have[number] = 1
            sections[number] = param
            extended[number] = is_extended
            last = number if number > last else last
    if last < 0:
        return False
    for number in range(last + 1):
        if have[number]:
            if extended[number] and number == 0:
                _charset_of(buf, &sections[0], &charset)
            _unquote(buf, &sections[number], extended[number], &whole)
    charset_append(charset, whole.data, 0, whole.size, out, flags)
    arena_free(&whole)
    return True


def parse_parameters(const uint8_t[::1] raw not None):
    """(value, [(name, value as it stands), ...]) of one field body, as bytes."""
    cdef Param param
    cdef Py_ssize_t pos
    cdef const uint8_t* buf
    if raw.shape[0] == 0:
        return b"", []
    buf = &raw[0]
    found = []
    pos = find_byte(buf, 0, raw.shape[0], 59)
    while True:
        pos = next_param(buf, pos, raw.shape[0], &param)
        if pos < 0:
            break
        found.append((bytes(raw[param.name_start:param.name_stop]),
                      bytes(raw[param.value_start:param.value_stop])))
    return bytes(raw[skip_lwsp(buf, 0, raw.shape[0]):value_end(buf, 0, raw.shape[0])]), found


def parameter_text(const uint8_t[::1] raw not None, bytes name not None):
    """The decoded text of a parameter as UTF-8 bytes, or None. The name is lower case."""
    cdef Arena out
    cdef uint32_t flags = 0
    if raw.shape[0] == 0:
        return None
    arena_init(&out, 1 << 40)
    try:
        if not param_append(&raw[0], 0, raw.shape[0], name, len(name), &out, &flags):
            return None
        if out.size == 0:
            return b""
        return PyBytes_FromStringAndSize(<const char*> out.data, out.size)
    finally:
        arena_free(&out)
