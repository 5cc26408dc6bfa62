"""The fields that say how a message was authenticated, as spans.

(a) open_results and next_statement: Authentication-Results (RFC 8601, 2.2): authserv-id, version,
    then `method/version=result reason= ptype.property=value` behind semicolons. Comments and white
    space may stand between any two tokens. A statement that cannot be read is skipped up to the
    next semicolon outside comments and quotes. A field without authserv-id (`spf=pass ...` first,
    as some servers write) has an empty one.
(b) spf_result and next_pair: Received-SPF (RFC 7208, 9.1): a result and `key=value` pairs.
(c) next_tag: `tag=value` lists (RFC 6376, 3.2) of DKIM and ARC fields.
(d) parse_results, parse_spf and parse_tags are the doors for one field body.
A comment or quoted string that never closes ends with the field; each byte is read a bounded
number of times.
"""
from atlas_fast._kernels.ascii cimport is_alnum, is_digit, is_lwsp
from atlas_fast._kernels.scan cimport equals_fold, find_byte, skip_lwsp, trim_lwsp
from atlas_fast._kernels.types cimport Span, int32_t, uint8_t

cdef enum:
    MAX_PROPERTIES = 64         # room on the stack; the cap of the caller is at most this

RESULT_NAMES = (
    "NONE", "PASS", "FAIL", "SOFTFAIL", "NEUTRAL", "POLICY", "TEMPERROR", "PERMERROR", "OTHER",
)


cdef inline void _set(Span* span, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    span.start = <int32_t> start
    span.stop = <int32_t> stop


cdef inline void _none(Span* span) noexcept nogil:
    span.start = span.stop = -1


cdef inline bint _is_key(uint8_t c) noexcept nogil:
    return is_alnum(c) or c == 45 or c == 95


cdef Py_ssize_t skip_cfws(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """Behind white space and comments."""
    cdef Py_ssize_t depth = 0
    while pos < stop:
        if buf[pos] == 40:
            depth += 1
        elif depth and buf[pos] == 41:
            depth -= 1
        elif depth and buf[pos] == 92:
            pos += 1
        elif not depth and not is_lwsp(buf[pos]):
            return pos
        pos += 1
    return stop


cdef inline Py_ssize_t _key_end(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    while pos < stop and _is_key(buf[pos]):
        pos += 1
    return pos


cdef Py_ssize_t _quote_end(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """The `"` that closes the one at pos, or stop."""
    pos += 1
    while pos < stop and buf[pos] != 34:
        pos += 2 if buf[pos] == 92 else 1
    return pos if pos < stop else stop


cdef inline Py_ssize_t _bare_end(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """Where an unquoted value ends: at white space, a comment, a quote or a semicolon."""
    while pos < stop and not is_lwsp(buf[pos]) and buf[pos] != 40 and buf[pos] != 41 and (
            buf[pos] != 34 and buf[pos] != 59):
        pos += 1
    return pos


cdef Py_ssize_t _value(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN
    Span* value,                                            # OUT  -1: there is none
) noexcept nogil:
    """Read the value at pos. Returns where it ends."""
    cdef Py_ssize_t end
    _none(value)
    pos = skip_cfws(buf, pos, stop)
    if pos < stop and buf[pos] == 34:
        end = _quote_end(buf, pos, stop)
        if end + 1 < stop and buf[end + 1] == 64:           # "local part"@domain
            end = _bare_end(buf, end + 1, stop)
            _set(value, pos, end)
            return end
        _set(value, pos + 1, end)
        return end + 1 if end < stop else stop
    end = _bare_end(buf, pos, stop)
    if end > pos:
        _set(value, pos, end)
    return end


cdef Py_ssize_t _segment_end(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil:
    """The next semicolon outside comments and quotes, or stop."""
    while True:
        pos = skip_cfws(buf, pos, stop)
        if pos >= stop or buf[pos] == 59:
            return pos if pos < stop else stop
        if buf[pos] == 34:
            pos = _quote_end(buf, pos, stop)
        pos += 1


cdef void open_results(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,          # IN   one field body
    Py_ssize_t max_methods, Py_ssize_t max_properties,              # IN
    Results* results,                                               # OUT
) noexcept nogil:
    cdef Py_ssize_t end, after
    results.buf = buf
    results.stop = stop
    results.max_methods = max_methods
    results.max_properties = min(max_properties, MAX_PROPERTIES)
    results.n_methods = 0
    results.none = results.cut = False
    _none(&results.id)
    _none(&results.version)
    start = skip_cfws(buf, start, stop)
    end = _key_end(buf, start, stop)
    after = skip_cfws(buf, end, stop)
    if after < stop and buf[after] == 61:                   # `method=`: no authserv-id at all
        results.pos = start - 1
        return
    end = _value(buf, start, stop, &results.id)
    after = skip_cfws(buf, end, stop)
    end = after
    while end < stop and is_digit(buf[end]):
        end += 1
    if end > after:
        _set(&results.version, after, end)
    results.pos = _segment_end(buf, end, stop)


cdef bint _head(Results* results, Py_ssize_t* at, Statement* out) noexcept nogil:
    """`method[/version]=result` at `at`; False when it is something else, `none` included."""
    cdef const uint8_t* buf = results.buf
    cdef Py_ssize_t stop = results.stop
    cdef Py_ssize_t pos = skip_cfws(buf, at[0], stop), end
    _none(&out.version)
    _none(&out.reason)
    out.properties = 0
    at[0] = pos
    end = _key_end(buf, pos, stop)
    if end == pos:
        return False
    _set(&out.method, pos, end)
    pos = skip_cfws(buf, end, stop)
    at[0] = pos
    if pos < stop and buf[pos] == 47:
        pos = skip_cfws(buf, pos + 1, stop)
        end = pos
        while end < stop and is_digit(buf[end]):
            end += 1
        if end > pos:
            _set(&out.version, pos, end)
        pos = skip_cfws(buf, end, stop)
        at[0] = pos
    if pos >= stop or buf[pos] != 61:
        if (pos >= stop or buf[pos] == 59) and out.version.start < 0 and equals_fold(
                buf, out.method.start, out.method.stop, b"none", 4):
            results.none = True
        return False
    pos = skip_cfws(buf, pos + 1, stop)
    at[0] = pos
    end = _key_end(buf, pos, stop)
    if end == pos:
        return False
    _set(&out.result, pos, end)
    at[0] = end
    return True


cdef Py_ssize_t _property(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   pos: no white space, no semicolon
    Property* out,                                          # OUT
    bint* found,                                            # OUT
) noexcept nogil:
    """`ptype.name=value` or `name=value` at pos; else step over one token."""
    cdef Py_ssize_t end = _key_end(buf, pos, stop)
    found[0] = False
    _none(&out.ptype)
    if end == pos:
        return _quote_end(buf, pos, stop) + 1 if buf[pos] == 34 else pos + 1
    _set(&out.name, pos, end)
    pos = skip_cfws(buf, end, stop)
    if pos < stop and buf[pos] == 46:
        out.ptype = out.name
        pos = skip_cfws(buf, pos + 1, stop)
        end = _key_end(buf, pos, stop)
        _set(&out.name, pos, end)
        if end == pos:
            return pos
        pos = skip_cfws(buf, end, stop)
    if pos >= stop or buf[pos] != 61:
        return pos
    pos = _value(buf, pos + 1, stop, &out.value)
    found[0] = out.value.start >= 0
    return pos


cdef bint next_statement(
    Results* results,                                       # IN, OUT
    Statement* statement, Property* properties,             # OUT  room for max_properties
) noexcept nogil:
    """The next statement that can be read; False at the end of the field or at a cap."""
    cdef const uint8_t* buf = results.buf
    cdef Py_ssize_t stop = results.stop, pos
    cdef bint found = False
    cdef Property one
    while results.pos < stop:
        pos = results.pos + 1
        if not _head(results, &pos, statement):
            results.pos = _segment_end(buf, pos, stop)
            continue
        if results.n_methods == results.max_methods:
            results.cut = True
            return False
        results.n_methods += 1
        while True:
            pos = skip_cfws(buf, pos, stop)
            if pos >= stop or buf[pos] == 59:
                break
            pos = _property(buf, pos, stop, &one, &found)
            if not found:
                continue
            if one.ptype.start < 0 and statement.reason.start < 0 and equals_fold(
                    buf, one.name.start, one.name.stop, b"reason", 6):
                statement.reason = one.value
            elif statement.properties < results.max_properties:
                properties[statement.properties] = one
                statement.properties += 1
            else:
                results.cut = True
        results.pos = pos if pos < stop else stop
        return True
    return False


cdef Py_ssize_t spf_result(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN   a Received-SPF body
    Span* word,                                             # OUT  -1: it does not begin with one
) noexcept nogil:
    """The result word. Returns where the pairs may start."""
    cdef Py_ssize_t end
    _none(word)
    start = skip_cfws(buf, start, stop)
    end = _key_end(buf, start, stop)
    if end > start:
        _set(word, start, end)
    return end


cdef Py_ssize_t next_pair(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN
    Property* pair,                                         # OUT  ptype is not used
) noexcept nogil:
    """The next `key=value`. Returns where it ends, or -1 when there is none."""
    cdef bint found = False
    while True:
        pos = skip_cfws(buf, pos, stop)
        if pos >= stop:
            return -1
        pos = _property(buf, pos, stop, pair, &found)
        if found and pair.ptype.start < 0:
            return pos


cdef Py_ssize_t next_tag(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   pos: where a piece starts
    Property* tag,                                          # OUT  ptype is not used
) noexcept nogil:
    """The next `tag=value`, white space around both trimmed. Returns where the next piece starts,
    stop + 1 behind the last one; -1 when there is none."""
    cdef Py_ssize_t end, equals
    while pos < stop:
        end = find_byte(buf, pos, stop, 59)
        equals = find_byte(buf, pos, end, 61)
        if equals < end:
            pos = skip_lwsp(buf, pos, equals)
            _set(&tag.name, pos, trim_lwsp(buf, pos, equals))
            if tag.name.stop > tag.name.start:
                equals = skip_lwsp(buf, equals + 1, end)
                _set(&tag.value, equals, trim_lwsp(buf, equals, end))
                return end + 1
        pos = end + 1
    return -1


cdef int result_code(const uint8_t* buf, const Span* word) noexcept nogil:
    """The words of RFC 8601 (2.7); those of older documents by what replaced them."""
    cdef Py_ssize_t a = word.start, b = word.stop
    if equals_fold(buf, a, b, b"pass", 4):
        return R_PASS
    if equals_fold(buf, a, b, b"fail", 4) or equals_fold(buf, a, b, b"hardfail", 8):   # RFC 5451
        return R_FAIL
    if equals_fold(buf, a, b, b"none", 4):
        return R_NONE
    if equals_fold(buf, a, b, b"softfail", 8):
        return R_SOFTFAIL
    if equals_fold(buf, a, b, b"neutral", 7):
        return R_NEUTRAL
    if equals_fold(buf, a, b, b"policy", 6):
        return R_POLICY
    if equals_fold(buf, a, b, b"temperror", 9) or equals_fold(buf, a, b, b"error", 5):
        return R_TEMPERROR
    if equals_fold(buf, a, b, b"permerror", 9) or equals_fold(buf, a, b, b"unknown", 7):
        return R_PERMERROR
    return R_OTHER


cdef object _pair(const Span* span):
    return (span.start, span.stop) if span.start >= 0 else None


cdef int _size(const uint8_t[::1] raw) except -1:
    if raw.shape[0] >= 1 << 31:
        raise ValueError("a field body is at most 2 GiB long")
    return 0


def parse_results(const uint8_t[::1] raw not None, Py_ssize_t max_methods, Py_ssize_t max_properties):
    """Spans of an Authentication-Results body: (authserv-id, version, none, cut, statements).

    A statement is (method, version, result, code, reason, [(ptype, name, value), ...]); a span is
    (start, stop) or None. ValueError when raw is 2 GiB or longer, or the caps make no sense.
    """
    cdef Results results
    cdef Statement statement
    cdef Property properties[MAX_PROPERTIES]
    cdef uint8_t nothing = 0
    cdef const uint8_t* buf = &nothing
    cdef int32_t i
    _size(raw)
    if max_methods < 0 or not 0 <= max_properties <= MAX_PROPERTIES:
        raise ValueError(f"at most {MAX_PROPERTIES} properties")
    if raw.shape[0]:
        buf = &raw[0]
    open_results(buf, 0, raw.shape[0], max_methods, max_properties, &results)
    found = []
    while next_statement(&results, &statement, properties):
        found.append((
            _pair(&statement.method), _pair(&statement.version), _pair(&statement.result),
            result_code(buf, &statement.result), _pair(&statement.reason),
            [(_pair(&properties[i].ptype), _pair(&properties[i].name), _pair(&properties[i].value))
             for i in range(statement.properties)],
        ))
    return _pair(&results.id), _pair(&results.version), bool(results.none), bool(results.cut), found


def parse_spf(const uint8_t[::1] raw not None, Py_ssize_t max_pairs):
    """Spans of a Received-SPF body: (result, code, [(key, value), ...])."""
    cdef Property pair
    cdef Span word
    cdef uint8_t nothing = 0
    cdef const uint8_t* buf = &nothing
    cdef Py_ssize_t pos
    _size(raw)
    if raw.shape[0]:
        buf = &raw[0]
    pos = spf_result(buf, 0, raw.shape[0], &word)
    found = []
    while len(found) < max_pairs:
        pos = next_pair(buf, pos, raw.shape[0], &pair)
        if pos < 0:
            break
        found.append((_pair(&pair.name), _pair(&pair.value)))
    return _pair(&word), result_code(buf, &word) if word.start >= 0 else R_NONE, found


def parse_tags(const uint8_t[::1] raw not None, Py_ssize_t max_tags):
    """Spans of a tag list: [(name, value), ...]."""
    cdef Property tag
    cdef uint8_t nothing = 0
    cdef const uint8_t* buf = &nothing
    cdef Py_ssize_t pos = 0
    _size(raw)
    if raw.shape[0]:
        buf = &raw[0]
    found = []
    while len(found) < max_tags:
        pos = next_tag(buf, pos, raw.shape[0], &tag)
        if pos < 0:
            break
        found.append((_pair(&tag.name), _pair(&tag.value)))
    return found
