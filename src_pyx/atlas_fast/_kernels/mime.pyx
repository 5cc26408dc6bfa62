"""The parts of each message of a batch: tree, text and links.

(a) read_type, read_encoding, read_disposition: three fields of a part to codes and spans.
(b) _walk: one pass over the lines of a multipart body with a stack of open boundaries (no
    recursion). A delimiter of an outer multipart closes the inner ones (RFC 2046, 5.1.2); a
    multipart that never closes ends with what holds it. message/rfc822 opens as a part with one child.
    Past a cap a part is a leaf whose content is skipped. Lines end in LF or CRLF.
(c) _leaf: text/plain and text/html that are no attachments go to the text: transfer encoding,
    then charset, then tags. All alternatives are read, as mail may show people one text and
    filters another. Each text ends in a line end. No more is decoded than the text cap can take.
(d) mime_batch: the door.
"""
from libc.string cimport memcmp, memset

from atlas_fast._kernels.arena cimport (
    Arena, arena_free, arena_init, arena_push, arena_reserve,
)
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.charsets cimport (
    CS_CP1252, CS_LATIN1, CS_UNKNOWN, CS_UTF8, charset_append, charset_id, utf8_valid,
)
from atlas_fast._kernels.fields cimport Field, next_field
from atlas_fast._kernels.html cimport LinkRecord, Sink, html_append, plain_append
from atlas_fast._kernels.messages cimport Extent, Messages
from atlas_fast._kernels.params cimport Param, find_param, param_append, value_end
from atlas_fast._kernels.scan cimport (
    equals_fold, find_byte, skip_lwsp, starts_fold, whole_utf8,
)
from atlas_fast._kernels.transfer cimport base64_append, quoted_printable_append
from atlas_fast._kernels.types cimport (
    B64_TRUNCATED, CHARSET_UNKNOWN, MIME_NO_BOUNDARY, MIME_TOO_DEEP, MIME_TOO_MANY_PARTS,
    MIME_UNTERMINATED, MSG_CUT, NO_MEMORY, TEXT_CUT, Span, int32_t, int64_t, uint8_t,
    uint32_t,
)
from atlas_fast._kernels.wide cimport find_line

MEDIA_NAMES = (
    "text/plain", "text/html", "text/*", "multipart/alternative", "multipart/*", "message/*",
    "image/*", "audio/*", "video/*", "application/*", "other",
)
ENCODING_NAMES = ("7bit", "base64", "quoted-printable", "uuencode", "other")
DISPOSITION_NAMES = ("none", "inline", "attachment")

cdef enum:
    MAX_LEVELS = 64             # hard bound of the depth cap
    MAX_BOUNDARY = 200          # RFC 2046 allows 70
    MAX_PADDING = 1000          # white space behind a delimiter
    MAX_PART_FIELDS = 1000      # header fields of a part that are looked at
    TEXT_FACTOR = 4             # bytes of a body that are decoded for each byte of room for text

cdef struct Head:               # what a part's header section says
    Span content_type
    Span encoding
    Span disposition

cdef struct Level:              # an open multipart
    int32_t part
    Py_ssize_t start            # of its boundary
    Py_ssize_t stop
    bint embedded               # a message/rfc822: no boundary of its own

cdef struct Caps:
    Py_ssize_t message
    int depth
    int parts
    Py_ssize_t text
    int links

cdef struct Walk:
    const uint8_t* buf
    Py_ssize_t stop
    Level levels[MAX_LEVELS]
    int n_levels
    int32_t n_parts
    int32_t leaf                # the part whose body is being read, or -1
    int32_t last_stop           # where the part closed last stops: what holds it goes as far
    Py_ssize_t first_part       # offset of the message's first record in the parts arena
    Sink sink
    uint32_t flags

cdef struct Out:
    Arena* text
    Arena* parts
    Arena* links
    Arena* strings
    Arena scratch               # bodies without transfer encoding
    Arena utf8                  # and without charset


cdef int _media(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    if starts_fold(buf, start, stop, b"text/", 5):
        if equals_fold(buf, start, stop, b"text/plain", 10):
            return M_PLAIN
        return M_HTML if equals_fold(buf, start, stop, b"text/html", 9) else M_TEXT
    if starts_fold(buf, start, stop, b"multipart/", 10):
        if equals_fold(buf, start, stop, b"multipart/alternative", 21):
            return M_ALTERNATIVE
        return M_MULTIPART
    if starts_fold(buf, start, stop, b"message/", 8):
        return M_MESSAGE
    if starts_fold(buf, start, stop, b"image/", 6):
        return M_IMAGE
    if starts_fold(buf, start, stop, b"audio/", 6):
        return M_AUDIO
    if starts_fold(buf, start, stop, b"video/", 6):
        return M_VIDEO
    return M_APPLICATION if starts_fold(buf, start, stop, b"application/", 12) else M_OTHER


cdef void _read_type(
    const uint8_t* buf, const Span* span, PartRecord* part, bint digest,
) noexcept nogil:
    """Content-Type: media, charset. Absent or no `/` in it: text/plain (RFC 2045, 5.2)."""
    cdef Param param
    cdef Py_ssize_t start, stop
    part.charset = CS_UNKNOWN
    part.has_charset = 0
    part.type_start = part.type_stop = -1
    part.media = M_MESSAGE if digest else M_PLAIN           # RFC 2046, 5.1.5
    if span.start < 0:
        return
    start = skip_lwsp(buf, span.start, span.stop)
    stop = value_end(buf, start, span.stop)
    if find_byte(buf, start, stop, 47) < stop:
        part.type_start = <int32_t> start
        part.type_stop = <int32_t> stop
        part.media = _media(buf, start, stop)
    if find_param(buf, span.start, span.stop, b"charset", 7, &param):
        part.charset = charset_id(buf, param.value_start, param.value_stop)
        part.has_charset = 1


cdef int _read_encoding(const uint8_t* buf, const Span* span) noexcept nogil:
    cdef Py_ssize_t start, stop
    if span.start < 0:
        return E_IDENTITY
    start = skip_lwsp(buf, span.start, span.stop)
    stop = value_end(buf, start, span.stop)
    if equals_fold(buf, start, stop, b"base64", 6):
        return E_BASE64
    if equals_fold(buf, start, stop, b"quoted-printable", 16):
        return E_QUOTED_PRINTABLE
    if (
        equals_fold(buf, start, stop, b"7bit", 4) or equals_fold(buf, start, stop, b"8bit", 4)
        or equals_fold(buf, start, stop, b"binary", 6) or start == stop
    ):
        return E_IDENTITY
    if equals_fold(buf, start, stop, b"x-uuencode", 10) or equals_fold(buf, start, stop, b"uuencode", 8):
        return E_UUENCODE
    return E_OTHER


cdef void _read_disposition(
    const uint8_t* buf, const Head* head, PartRecord* part, Arena* strings, uint32_t* flags,
) noexcept nogil:
    """Content-Disposition (RFC 2183), and the filename there or in Content-Type."""
    cdef Py_ssize_t start, stop
    cdef bint named = False
    part.disposition = D_NONE
    part.name_start = strings.size
    if head.disposition.start >= 0:
        start = skip_lwsp(buf, head.disposition.start, head.disposition.stop)
        stop = value_end(buf, start, head.disposition.stop)
        part.disposition = D_INLINE if equals_fold(buf, start, stop, b"inline", 6) else D_ATTACHMENT
        named = param_append(
            buf, head.disposition.start, head.disposition.stop, b"filename", 8, strings, flags)
    if not named and head.content_type.start >= 0:
        param_append(
            buf, head.content_type.start, head.content_type.stop, b"name", 4, strings, flags)
    part.name_stop = strings.size


cdef Py_ssize_t _read_head(const Walk* w, Py_ssize_t pos, Head* head) noexcept nogil:
    """The header section of a part. Returns where its body starts: at a delimiter at the latest."""
    cdef const uint8_t* buf = w.buf
    cdef Py_ssize_t stop = w.stop
    cdef Field field
    cdef bint more = True, closes = False
    cdef uint32_t ignored = 0
    cdef int n = 0
    cdef Span* span
    head.content_type.start = head.encoding.start = head.disposition.start = -1
    head.content_type.stop = head.encoding.stop = head.disposition.stop = -1
    while True:
        if (
            stop - pos > 2 and buf[pos] == 45 and buf[pos + 1] == 45
            and (pos == 0 or buf[pos - 1] == 10)
            and _delimiter(w, pos, _line_stop(buf, pos, stop), &closes) >= 0
        ):
            return pos                                      # a colon in it made it a field
        pos = next_field(buf, pos, stop, &field, &more, &ignored)
        if not more:
            return pos
        n += 1
        if n > MAX_PART_FIELDS or not starts_fold(
                buf, field.name_start, field.name_stop, b"content-", 8):
            continue
        if equals_fold(buf, field.name_start, field.name_stop, b"content-type", 12):
            span = &head.content_type
        elif equals_fold(buf, field.name_start, field.name_stop, b"content-transfer-encoding", 25):
            span = &head.encoding
        elif equals_fold(buf, field.name_start, field.name_stop, b"content-disposition", 19):
            span = &head.disposition
        else:
            continue
        if span.start < 0:
            span.start = <int32_t> field.value_start
            span.stop = <int32_t> min(field.value_stop, field.value_start + 8192)


cdef inline PartRecord* _part(Walk* w, Out* out, int32_t number) noexcept nogil:
    return (<PartRecord*> (out.parts.data + w.first_part)) + number


cdef int32_t _open_part(
    Walk* w, const Head* head, Py_ssize_t header, Py_ssize_t body, const Caps* caps, Out* out,
) noexcept nogil:
    """Add a part below the innermost level. Its number, or -1 when it is past the cap."""
    cdef PartRecord* part
    cdef int32_t parent = w.levels[w.n_levels - 1].part if w.n_levels else -1
    cdef bint digest = False
    w.leaf = -1
    w.last_stop = <int32_t> body
    if w.n_parts >= caps.parts:
        w.flags |= MIME_TOO_MANY_PARTS
        return -1
    if not arena_reserve(out.parts, sizeof(PartRecord)):
        w.flags |= NO_MEMORY
        return -1
    out.parts.size += sizeof(PartRecord)
    part = _part(w, out, w.n_parts)
    memset(part, 0, sizeof(PartRecord))
    if parent >= 0:
        _part(w, out, parent).n_children += 1
        digest = _is_digest(w.buf, _part(w, out, parent))
    part.parent = parent
    part.depth = w.n_levels
    part.header = <int32_t> header
    part.body = part.stop = <int32_t> body
    _read_type(w.buf, &head.content_type, part, digest)
    part.encoding = _read_encoding(w.buf, &head.encoding)
    _read_disposition(w.buf, head, part, out.strings, &w.flags)
    w.leaf = w.n_parts
    w.n_parts += 1
    return w.leaf


cdef inline bint _is_digest(const uint8_t* buf, const PartRecord* part) noexcept nogil:
    return part.media == M_MULTIPART and equals_fold(
        buf, part.type_start, part.type_stop, b"multipart/digest", 16)


cdef Py_ssize_t _enter(
    Walk* w, Head* head, Py_ssize_t header, Py_ssize_t body, const Caps* caps, Out* out,
) noexcept nogil:
    """Open the part whose header section was read, and what it holds; returns where to read on."""
    cdef Param param
    cdef Level* level
    cdef int32_t number
    cdef PartRecord* part
    while True:
        number = _open_part(w, head, header, body, caps, out)
        if number < 0:
            return body
        part = _part(w, out, number)
        if part.media not in (M_ALTERNATIVE, M_MULTIPART, M_MESSAGE):
            return body
        if part.media == M_MESSAGE and (part.encoding > E_IDENTITY or not _is_rfc822(w.buf, part)):
            return body
        if w.n_levels >= caps.depth:
            w.flags |= MIME_TOO_DEEP
            return body
        level = &w.levels[w.n_levels]
        level.part = number
        level.embedded = part.media == M_MESSAGE
        level.start = level.stop = 0
        if not level.embedded:
            if (
                not find_param(w.buf, head.content_type.start, head.content_type.stop,
                               b"boundary", 8, &param)
                or param.value_stop == param.value_start
                or param.value_stop - param.value_start > MAX_BOUNDARY
            ):
                w.flags |= MIME_NO_BOUNDARY
                part.media = M_PLAIN                        # its body is read as text
                return body
            level.start, level.stop = param.value_start, param.value_stop
            w.leaf = -1
            w.n_levels += 1
            return body
        w.leaf = -1
        w.n_levels += 1
        header = body
        body = _read_head(w, header, head)


cdef inline bint _is_rfc822(const uint8_t* buf, const PartRecord* part) noexcept nogil:
    return part.type_start < 0 or equals_fold(
        buf, part.type_start, part.type_stop, b"message/rfc822", 14)


cdef inline Py_ssize_t _line_stop(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,
) noexcept nogil:
    """Stop of the line at pos, its LF or CRLF left out."""
    stop = find_byte(buf, pos, stop, 10)
    return stop - 1 if stop > pos and buf[stop - 1] == 13 else stop


cdef int _delimiter(
    const Walk* w, Py_ssize_t pos, Py_ssize_t end, bint* closes,    # IN   the line [pos, end)
) noexcept nogil:
    """Number of the level whose delimiter this line is, innermost first; -1 when of none."""
    cdef int i = w.n_levels - 1
    cdef Py_ssize_t size, at
    while i >= 0:
        size = w.levels[i].stop - w.levels[i].start
        if not w.levels[i].embedded and end - pos >= size + 2 and memcmp(
                w.buf + pos + 2, w.buf + w.levels[i].start, <size_t> size) == 0:
            at = pos + 2 + size
            closes[0] = end - at >= 2 and w.buf[at] == 45 and w.buf[at + 1] == 45
            at += 2 if closes[0] else 0
            # Transport padding only; long padding is not looked through for every level.
            if end - at <= MAX_PADDING and skip_lwsp(w.buf, at, end) == end:
                return i
        i -= 1
    return -1


cdef void _close_levels(
    Walk* w, int keep, Py_ssize_t stop, bint damaged, Out* out,
) noexcept nogil:
    """Close the levels above `keep`; a multipart closed from outside is unterminated."""
    cdef PartRecord* part
    while w.n_levels > keep:
        w.n_levels -= 1
        if damaged and not w.levels[w.n_levels].embedded:
            w.flags |= MIME_UNTERMINATED
        part = _part(w, out, w.levels[w.n_levels].part)
        part.stop = <int32_t> max(stop, part.body, w.last_stop)
        w.last_stop = part.stop


cdef void _close_leaf(Walk* w, Py_ssize_t stop, Out* out) noexcept nogil:
    cdef PartRecord* part
    if w.leaf < 0:
        return
    part = _part(w, out, w.leaf)
    part.stop = <int32_t> (stop if stop > part.body else part.body)
    w.last_stop = part.stop
    if part.media <= M_HTML and part.disposition != D_ATTACHMENT:
        _leaf(w, part, out)
    w.leaf = -1


cdef inline Py_ssize_t _whole_escape(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """The stop that leaves out an escape of quoted-printable which stop may cut."""
    if stop - start > 0 and buf[stop - 1] == 61:
        return stop - 1
    return stop - 2 if stop - start > 1 and buf[stop - 2] == 61 else stop


cdef void _leaf(Walk* w, PartRecord* part, Out* out) noexcept nogil:
    """Append the text of a part."""
    cdef const uint8_t* buf = w.buf
    cdef Py_ssize_t start = part.body, stop = part.stop, room
    cdef int32_t charset = part.charset
    cdef bint cut = False
    cdef uint32_t damage = 0
    room = (w.sink.text_limit - w.sink.text.size) * TEXT_FACTOR
    if room <= 0:
        w.flags |= TEXT_CUT
        return
    if stop - start > room:
        w.flags |= TEXT_CUT
        stop = start + room
        cut = True
    if part.encoding == E_BASE64 or part.encoding == E_QUOTED_PRINTABLE:
        out.scratch.size = 0
        if part.encoding == E_BASE64:
            base64_append(buf, start, stop, &out.scratch, &damage)
            if cut:
                damage &= ~<uint32_t> B64_TRUNCATED         # it is the cap that ends it
        else:
            if cut:
                stop = _whole_escape(buf, start, stop)
            quoted_printable_append(buf, start, stop, &out.scratch, &damage)
        w.flags |= damage
        buf = out.scratch.data
        start = 0
        stop = out.scratch.size
    if part.has_charset and charset == CS_UNKNOWN:
        w.flags |= CHARSET_UNKNOWN
    if charset == CS_UNKNOWN or charset == CS_UTF8 or charset == CS_LATIN1:
        # ASCII, UTF-8, nothing and latin-1 are stated for each other: look at the bytes.
        if cut:
            stop = whole_utf8(buf, start, stop)
        charset = CS_UTF8 if utf8_valid(buf, start, stop) else CS_CP1252
    if charset != CS_UTF8:
        out.utf8.size = 0
        charset_append(charset, buf, start, stop, &out.utf8, &w.flags)
        buf = out.utf8.data
        start = 0
        stop = out.utf8.size
    w.sink.part = w.leaf
    if part.media == M_HTML:
        html_append(buf, start, stop, &w.sink)
    else:
        plain_append(buf, start, stop, &w.sink)
    arena_push(w.sink.text, 10)


cdef void _walk(Walk* w, Py_ssize_t pos, const Caps* caps, Out* out) noexcept nogil:
    """Read the lines from pos on while a multipart is open."""
    cdef Py_ssize_t lf, end, header
    cdef int level
    cdef bint closes = False
    cdef Head head
    while pos < w.stop and w.n_levels:
        if w.stop - pos < 2:
            break
        if w.buf[pos] != 45 or w.buf[pos + 1] != 45:
            pos = find_line(w.buf, pos, w.stop, w.stop, 45) + 1
            continue
        lf = find_byte(w.buf, pos, w.stop, 10)
        end = lf
        if end > pos and w.buf[end - 1] == 13:
            end -= 1
        level = _delimiter(w, pos, end, &closes)
        if level < 0:
            pos = lf + 1
            continue
        end = pos                                           # the line end before it belongs to it
        if end > 0 and w.buf[end - 1] == 10:
            end -= 1
            if end > 0 and w.buf[end - 1] == 13:
                end -= 1
        _close_leaf(w, end, out)
        _close_levels(w, level + 1, end, True, out)
        pos = lf + 1 if lf < w.stop else w.stop
        if closes:
            _close_levels(w, level, pos, False, out)
        elif pos < w.stop:
            header = pos
            pos = _read_head(w, header, &head)
            pos = _enter(w, &head, header, pos, caps, out)


cdef void _message(
    const Extent* message, int32_t body, const Head* top, const Caps* caps,     # IN
    Walk* w, Out* out,                                                          # OUT
) noexcept nogil:
    cdef Head head = top[0]
    cdef Py_ssize_t pos
    w.buf = message.buf
    w.stop = message.size
    if w.stop > caps.message:
        w.stop = caps.message
        w.flags |= MSG_CUT
    w.n_levels = 0
    w.n_parts = 0
    w.leaf = -1
    w.last_stop = 0
    w.first_part = out.parts.size
    w.sink.text = out.text
    w.sink.links = out.links
    w.sink.strings = out.strings
    w.sink.text_limit = out.text.size + caps.text
    w.sink.max_links = caps.links
    w.sink.n_links = w.sink.n_hidden = 0
    w.sink.flags = 0
    pos = _enter(w, &head, 0, min(<Py_ssize_t> body, w.stop), caps, out)
    _walk(w, pos, caps, out)
    _close_leaf(w, w.stop, out)
    _close_levels(w, 0, w.stop, True, out)
    w.flags |= w.sink.flags


cdef inline void _span(const int32_t[:, :] spans, Py_ssize_t i, Py_ssize_t size, Span* span) noexcept nogil:
    """A span of the caller; one that does not fit the message is absent."""
    span.start, span.stop = spans[i, 0], spans[i, 1]
    if not 0 <= span.start <= span.stop <= size:
        span.start = span.stop = -1
    elif span.stop - span.start > 8192:
        span.stop = span.start + 8192


cdef Py_ssize_t _each(
    Messages messages, const int32_t[::1] bodies, const int32_t[:, :] types,
    const int32_t[:, :] encodings, const int32_t[:, :] dispositions, const Caps* caps, Out* out,
    int64_t* text_offsets, int64_t* part_indptr, int64_t* link_indptr, int32_t* n_hidden,
    uint32_t* flags,
) noexcept nogil:
    """-1 when done, otherwise the first message whose body start does not fit."""
    cdef Walk w
    cdef Head top
    cdef Py_ssize_t i
    cdef int32_t body
    text_offsets[0] = part_indptr[0] = link_indptr[0] = 0
    for i in range(messages.count):
        body = bodies[i]
        if not 0 <= body <= messages.items[i].size:
            return i
        _span(types, i, messages.items[i].size, &top.content_type)
        _span(encodings, i, messages.items[i].size, &top.encoding)
        _span(dispositions, i, messages.items[i].size, &top.disposition)
        w.flags = 0
        _message(&messages.items[i], body, &top, caps, &w, out)
        text_offsets[i + 1] = out.text.size
        part_indptr[i + 1] = out.parts.size // <Py_ssize_t> sizeof(PartRecord)
        link_indptr[i + 1] = out.links.size // <Py_ssize_t> sizeof(LinkRecord)
        n_hidden[i] = w.sink.n_hidden
        flags[i] |= w.flags
    return -1


def mime_batch(
    Messages messages not None,                 # IN
    const int32_t[::1] bodies not None,         # IN   (n,) where each body starts
    const int32_t[:, :] types not None,         # IN   (n, 2) body of Content-Type, -1: absent
    const int32_t[:, :] encodings not None,     # IN   (n, 2) of Content-Transfer-Encoding
    const int32_t[:, :] dispositions not None,  # IN   (n, 2) of Content-Disposition
    tuple caps not None,                        # IN   message bytes, depth, parts, text bytes, links
    Bytes text not None,                        # OUT  UTF-8
    int64_t[::1] text_offsets not None,         # OUT  (n + 1,)
    Bytes parts not None,                       # OUT  PartRecord
    int64_t[::1] part_indptr not None,          # OUT  (n + 1,)
    Bytes links not None,                       # OUT  LinkRecord
    int64_t[::1] link_indptr not None,          # OUT  (n + 1,)
    Bytes strings not None,                     # OUT  link targets and filenames, UTF-8
    int32_t[::1] n_hidden not None,             # OUT  (n,) elements that a style hides
    uint32_t[::1] flags not None,               # OUT  (n,) bits are or-ed in
):
    """Read the parts of each message. ValueError when shapes, caps or body starts do not fit."""
    cdef Py_ssize_t n = messages.count, bad
    cdef Caps c
    cdef Out out
    c.message, c.depth, c.parts, c.text, c.links = caps
    if not (0 < c.message < 1 << 31 and 0 <= c.depth <= MAX_LEVELS and c.parts > 0):
        raise ValueError("a cap does not fit")
    if (
        bodies.shape[0] != n or types.shape[0] != n or types.shape[1] != 2
        or encodings.shape[0] != n or encodings.shape[1] != 2
        or dispositions.shape[0] != n or dispositions.shape[1] != 2
        or text_offsets.shape[0] != n + 1 or part_indptr.shape[0] != n + 1
        or link_indptr.shape[0] != n + 1 or n_hidden.shape[0] != n or flags.shape[0] != n
    ):
        raise ValueError("columns do not fit the number of messages")
    for sink in (text, parts, links, strings):
        (<Bytes> sink).clear()
    if n == 0:
        text_offsets[0] = part_indptr[0] = link_indptr[0] = 0
        return
    out.text, out.parts = &text.arena, &parts.arena
    out.links, out.strings = &links.arena, &strings.arena
    arena_init(&out.scratch, 1 << 40)
    arena_init(&out.utf8, 1 << 40)
    try:
        with nogil:
            bad = _each(
                messages, bodies, types, encodings, dispositions, &c, &out, &text_offsets[0],
                &part_indptr[0], &link_indptr[0], &n_hidden[0], &flags[0])
        if bad >= 0:
            raise ValueError(f"the body of message {bad} does not fit")
        if out.scratch.failed or out.utf8.failed or text.arena.failed or parts.arena.failed or (
                links.arena.failed or strings.arena.failed):
            raise MemoryError("a column of the parts could not grow")
    finally:
        arena_free(&out.scratch)
        arena_free(&out.utf8)
