"""Address lists (RFC 5322, 3.4 and 4.4), with the damage that real mail has.

(a) next_mailbox: the next mailbox of a list as spans; groups are flattened. Commas, semicolons,
    colons and angle brackets count outside quoted strings, comments and domain literals only.
    What never closes is ordinary text, and after a `(` that never closes no other opens a comment
    (so that hostile input costs linear time). The last `<` of an element opens its address.
(b) phrase_append, addr_spec_append: spans to UTF-8. Clean spans are copied; the rest loses its
    comments, folding and quoting first. A comment is no display name (3.4, last paragraph).
(c) parse_addresses: the door for one field body.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize

from atlas_fast._kernels.arena cimport Arena, arena_append, arena_free, arena_init, arena_push
from atlas_fast._kernels.ascii cimport is_lwsp
from atlas_fast._kernels.charsets cimport utf8_append
from atlas_fast._kernels.scan cimport skip_lwsp, trim_lwsp
from atlas_fast._kernels.types cimport ADDRESS_BAD, uint8_t, uint32_t
from atlas_fast._kernels.words cimport words_append

cdef enum:
    C_SPECIAL = 1               # has a meaning in an address list
    C_DIRTY_NAME = 2            # a phrase with this is not copied as it is
    C_DIRTY_ADDRESS = 4         # an addr-spec with this is not copied as it is
    C_NO_ATOM = 8               # a local-part with this must stay quoted

cdef uint8_t CLASS[256]         # filled when the module is imported


cdef inline Py_ssize_t _quoted_end(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,
) noexcept nogil:
    """Position of the `"` that closes the string whose `"` is at pos, or stop."""
    pos += 1
    while pos < stop:
        if buf[pos] == 34:
            return pos
        pos += 2 if buf[pos] == 92 else 1
    return stop


cdef inline Py_ssize_t _comment_end(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,
) noexcept nogil:
    """Position of the `)` that closes the comment whose `(` is at pos, or stop."""
    cdef Py_ssize_t depth = 0
    while pos < stop:
        if buf[pos] == 92:
            pos += 1
        elif buf[pos] == 40:
            depth += 1
        elif buf[pos] == 41:
            depth -= 1
            if depth == 0:
                return pos
        pos += 1
    return stop


cdef struct Element:            # what is known of the element that is being read
    Py_ssize_t start
    Py_ssize_t open             # the last `<`, or -1
    Py_ssize_t close            # its `>`, or -1
    bint at                     # an `@` was seen


cdef Py_ssize_t _skip_enclosed(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, MailboxState* state, uint32_t* flags,
) noexcept nogil:
    """Behind the quoted string or comment at pos; pos + 1 when it never closes."""
    cdef Py_ssize_t end
    if buf[pos] == 34:
        if not state.no_quote:
            end = _quoted_end(buf, pos, stop)
            if end < stop:
                return end + 1
            state.no_quote = True
    elif not state.no_comment:
        end = _comment_end(buf, pos, stop)
        if end < stop:
            return end + 1
        state.no_comment = True
    flags[0] |= ADDRESS_BAD
    return pos + 1


cdef inline Py_ssize_t _angle_end(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,
) noexcept nogil:
    """The `>` of an address in brackets, or -1 when something that may separate comes first."""
    while pos < stop and buf[pos] != 44 and buf[pos] != 60 and buf[pos] != 34 and buf[pos] != 40:
        if buf[pos] == 62:
            return pos
        pos += 1
    return -1


cdef Py_ssize_t _element_end(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,        # IN
    MailboxState* state, Element* e, uint32_t* flags,           # OUT
) noexcept nogil:
    """Read one element. Returns the position of its separator, or stop."""
    cdef uint8_t c
    e.start = pos
    e.open = e.close = -1
    e.at = False
    while pos < stop:
        c = buf[pos]
        if not CLASS[c] & C_SPECIAL:
            pos += 1
            continue
        if c == 34 or c == 40:                              # " (
            pos = _skip_enclosed(buf, pos, stop, state, flags)
            continue
        if c == 64:                                         # @
            e.at = True
        elif c == 60:                                       # <
            if e.open >= 0:
                flags[0] |= ADDRESS_BAD
            e.open = pos
            e.close = _angle_end(buf, pos + 1, stop)
            if e.close >= 0:
                pos = e.close
        elif c == 62:                                       # >
            if e.open >= 0 and e.close < 0:
                e.close = pos
        elif c == 44:                                       # ,
            if not (e.open >= 0 and e.close < 0 and buf[e.open + 1] == 64):
                return pos                                  # inside <@a,@b:c@d> it is obs-route
        elif c == 59:                                       # ;
            return pos
        elif c == 58 and e.open < 0 and not e.at and not state.in_group:
            state.in_group = True
            state.group_start = skip_lwsp(buf, e.start, pos)
            state.group_stop = trim_lwsp(buf, state.group_start, pos)
            e.start = pos + 1
        pos += 1
    return stop


cdef Py_ssize_t next_mailbox(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,        # IN
    MailboxState* state, Mailbox* box, uint32_t* flags,         # OUT
) noexcept nogil:
    """Read the next mailbox of [pos, stop). Returns where to go on, or -1 when there is none."""
    cdef Element e
    cdef Py_ssize_t end, start
    cdef bint closes
    while pos < stop:
        if not state.in_group:
            state.group_start = state.group_stop = 0
        end = _element_end(buf, pos, stop, state, &e, flags)
        pos = end + 1
        closes = end < stop and buf[end] == 59
        start = skip_lwsp(buf, e.start, end)
        end = trim_lwsp(buf, start, end)
        if closes:
            state.in_group = False
        if start == end:
            continue
        if e.open >= 0:
            box.name_start = start
            box.name_stop = trim_lwsp(buf, start, e.open)
            box.address_start = e.open + 1
            box.address_stop = e.close if e.close >= 0 else end
            if e.close < 0:
                flags[0] |= ADDRESS_BAD
            return pos
        start = _skip_comments(buf, start, end)
        if start == end:
            continue                                        # nothing but comments
        box.name_start = box.name_stop = start
        box.address_start = start
        box.address_stop = end
        if not e.at:
            flags[0] |= ADDRESS_BAD
        return pos
    return -1


cdef inline Py_ssize_t _skip_comments(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """First position that is neither white space nor comment, or stop."""
    cdef Py_ssize_t end
    start = skip_lwsp(buf, start, stop)
    while start < stop and buf[start] == 40:
        end = _comment_end(buf, start, stop)
        if end == stop:
            break
        start = skip_lwsp(buf, end + 1, stop)
    return start


cdef inline bint _clean(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, uint8_t dirty,
) noexcept nogil:
    cdef uint8_t seen = 0
    cdef Py_ssize_t i
    for i in range(start, stop):
        seen |= CLASS[buf[i]]
    return not seen & dirty


cdef inline bint _single_spaced(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    cdef bint double = False
    cdef Py_ssize_t i
    for i in range(start + 1, stop):
        double |= (buf[i] == 32) & (buf[i - 1] == 32)
    return not double


cdef void _strip_phrase(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out,
) noexcept nogil:
    """Copy a phrase without comments and quotes; white space between its words becomes one space."""
    cdef Py_ssize_t end
    cdef bint space = False, started = False, no_comment = False, no_quote = False
    while start < stop and not out.failed:
        if is_lwsp(buf[start]):
            space = True
            start += 1
            continue
        if buf[start] == 40 and not no_comment:
            end = _comment_end(buf, start, stop)
            if end < stop:
                start = end + 1
                space = True
                continue
            no_comment = True
        if space and started:
            arena_push(out, 32)
        space = False
        started = True
        if buf[start] == 34 and not no_quote:
            end = _quoted_end(buf, start, stop)
            if end < stop:
                start = _copy_quoted(buf, start + 1, end, out)
                continue
            no_quote = True
        arena_push(out, buf[start])
        start += 1


cdef Py_ssize_t _copy_quoted(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t end, Arena* out,
) noexcept nogil:
    """Copy the content [start, end) of a quoted string, quoted-pairs resolved; returns end + 1."""
    while start < end:
        if buf[start] == 92 and start + 1 < end:
            start += 1
            arena_push(out, buf[start])
        elif buf[start] != 13 and buf[start] != 10:
            arena_push(out, buf[start])
        start += 1
    return end + 1


cdef void phrase_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    """Append the text of a display-name."""
    cdef Arena bare
    if start == stop:
        return
    if _clean(buf, start, stop, C_DIRTY_NAME) and _single_spaced(buf, start, stop):
        utf8_append(buf, start, stop, out, flags)
        return
    if (
        buf[start] == 34 and stop - start >= 2 and buf[stop - 1] == 34
        and _clean(buf, start + 1, stop - 1, C_DIRTY_NAME)
    ):
        utf8_append(buf, start + 1, stop - 1, out, flags)
        return
    arena_init(&bare, out.limit)
    _strip_phrase(buf, start, stop, &bare)
    words_append(bare.data, 0, bare.size, out, flags)
    arena_free(&bare)


cdef void addr_spec_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    """Append an addr-spec: no route, comments or white space; quoted only where it must be."""
    cdef Py_ssize_t end, i
    cdef Arena local
    cdef bint quoted = False
    if start < stop and buf[start] == 64:                   # obs-route: <@a,@b:c@d>
        end = start
        while end < stop and buf[end] != 58:
            end += 1
        if end < stop:
            start = end + 1
    if _clean(buf, start, stop, C_DIRTY_ADDRESS):
        utf8_append(buf, start, stop, out, flags)
        return
    arena_init(&local, out.limit)
    end = _read_local(buf, start, stop, &local, &quoted)
    if quoted:
        arena_push(out, 34)
        start = 0
        for i in range(local.size):
            if local.data[i] == 34 or local.data[i] == 92:
                utf8_append(local.data, start, i, out, flags)
                arena_push(out, 92)
                start = i
        utf8_append(local.data, start, local.size, out, flags)
        arena_push(out, 34)
    else:
        utf8_append(local.data, 0, local.size, out, flags)
    arena_free(&local)
    while end < stop and not out.failed:                    # `@` and the domain
        start = _skip_comments(buf, end, stop)
        end = start
        while end < stop and not is_lwsp(buf[end]) and buf[end] != 40:
            end += 1
        if end == start and end < stop:                     # a `(` that never closes
            end = stop
        utf8_append(buf, start, end, out, flags)


cdef Py_ssize_t _read_local(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN
    Arena* out, bint* quoted,                               # OUT
) noexcept nogil:
    """Copy the local-part without comments, quotes and white space around dots.

    *quoted: it needs quotes (a special, white space between words, or nothing inside quotes).
    Returns the position of the `@` behind it, or stop.
    """
    cdef Py_ssize_t end
    cdef bint space = False, no_comment = False, no_quote = False
    quoted[0] = False
    while start < stop and buf[start] != 64 and not out.failed:
        if is_lwsp(buf[start]):
            space = True
            start += 1
            continue
        if buf[start] == 40 and not no_comment:
            end = _comment_end(buf, start, stop)
            if end < stop:
                start = end + 1
                space = True
                continue
            no_comment = True
        if space and out.size and out.data[out.size - 1] != 46 and buf[start] != 46:
            arena_push(out, 32)
            quoted[0] = True
        space = False
        if buf[start] == 34 and not no_quote:
            end = _quoted_end(buf, start, stop)
            if end < stop:
                quoted[0] |= end == start + 1 or not _clean(buf, start + 1, end, C_NO_ATOM)
                start = _copy_quoted(buf, start + 1, end, out)
                continue
            no_quote = True
        arena_push(out, buf[start])
        start += 1
    return start


cdef Py_ssize_t domain_start(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """Behind the last `@` of a clean addr-spec, or stop."""
    cdef Py_ssize_t pos = stop
    while pos > start:
        pos -= 1
        if buf[pos] == 64:
            return pos + 1
    return stop


cdef bytes _taken(Arena* out):
    """The content as bytes; the arena is empty after it."""
    if out.failed:
        raise MemoryError
    text = PyBytes_FromStringAndSize(<const char*> out.data, out.size) if out.size else b""
    out.size = 0
    return text


def parse_addresses(const uint8_t[::1] raw not None, Py_ssize_t most=1 << 40) -> list:
    """(name, address, group or None) of the first `most` mailboxes of one field body, as str."""
    cdef Arena out
    cdef Mailbox box
    cdef MailboxState state
    cdef Py_ssize_t pos = 0, stop = raw.shape[0]
    cdef uint32_t flags = 0
    cdef const uint8_t* buf
    found = []
    if stop == 0:
        return found
    buf = &raw[0]
    state.in_group = state.no_quote = state.no_comment = False
    state.group_start = state.group_stop = 0
    arena_init(&out, 1 << 40)
    try:
        while len(found) < most:
            pos = next_mailbox(buf, pos, stop, &state, &box, &flags)
            if pos < 0:
                break
            phrase_append(buf, box.name_start, box.name_stop, &out, &flags)
            name = _taken(&out).decode()
            addr_spec_append(buf, box.address_start, box.address_stop, &out, &flags)
            address = _taken(&out).decode()
            group = None
            if state.group_stop > state.group_start:
                phrase_append(buf, state.group_start, state.group_stop, &out, &flags)
                group = _taken(&out).decode()
            found.append((name, address, group))
        return found
    finally:
        arena_free(&out)


def _build():
    for byte in b'"(<>,;:@':
        CLASS[byte] |= C_SPECIAL
    for byte in b'"()\\=\t\r\n':
        CLASS[byte] |= C_DIRTY_NAME
    for byte in b'"() \\\t\r\n':
        CLASS[byte] |= C_DIRTY_ADDRESS
    for byte in b'()<>[]:;@\\," \t\r\n':
        CLASS[byte] |= C_NO_ATOM


_build()
