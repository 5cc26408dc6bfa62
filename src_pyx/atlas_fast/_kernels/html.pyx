"""Text and links of HTML, and links of plain text; in: valid UTF-8, out: valid UTF-8.

(a) html_append: one pass. Tags vanish; those of blocks leave a line end, those inside a line
    nothing, so that `V<b></b>iagra` and `V<!-- x -->iagra` read as people see them. The content
    of script, style and title is dropped. White space runs become one space.
(b) A tag is `<`, a letter, `/`, `!` or `?`, up to the next `>` outside quotes; where the quotes
    hide it to the end, up to the next `>`; without any, the `<` is text. What was not found once is
    not looked for again, so that hostile input costs linear time.
(c) Links keep the target and the span of their visible text. A style that hides its element
    (display:none, visibility:hidden, font-size:0) is counted; its text stays.
(d) plain_append: the text as it is, and the http, https and ftp URLs in it.
(e) html_text: the door for one document.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from html.entities import name2codepoint

from libc.string cimport memcmp, memset

from atlas_fast._kernels.arena cimport (
    Arena, arena_append, arena_free, arena_init, arena_push, arena_push_codepoint, arena_reserve,
)
from atlas_fast._kernels.ascii cimport hex_digit, is_alnum, is_alpha, is_digit, is_lwsp, lower
from atlas_fast._kernels.charsets cimport utf8_append
from atlas_fast._kernels.scan cimport (
    equals_fold, find_byte, same_fold, skip_lwsp, whole_utf8,
)
from atlas_fast._kernels.types cimport (
    TEXT_CUT, int32_t, int64_t, uint8_t, uint32_t, uint64_t,
)
from atlas_fast._kernels.wide cimport find3, find_low, find_markup, find_pair_fold

cdef enum:
    MAX_URL = 2048              # bytes of a link's target that are kept
    MAX_NAME = 12               # a tag or entity whose name is longer is none that counts
    N_SLOTS = 1024

cdef enum:                      # what a tag does
    T_OTHER = 0                 # inside a line: nothing
    T_BLOCK = 1                 # a line end
    T_DROP = 2                  # its content is no text
    T_A = 3
    T_AREA = 4
    T_IMAGE = 5
    T_FORM = 6
    T_FRAME = 7
    T_CELL = 8                  # a space

cdef struct Name:               # letters and digits as numbers, the first the lowest byte
    uint64_t first              # eight of them
    uint64_t rest               # up to MAX_NAME

cdef struct Slot:
    Name name                   # 0: free
    uint32_t value

# Filled below while the module is imported; read only afterwards.
cdef Slot TAGS[N_SLOTS]
cdef Slot ENTITIES[N_SLOTS]
cdef uint8_t FOLDED[256]        # letters in lower case, digits, 0 for the rest

cdef struct Reader:
    const uint8_t* buf
    Py_ssize_t stop
    bint no_comment             # no `-->` follows
    bint no_close               # no `>` follows
    bint no_end                 # a dropped element is never closed
    bint space                  # white space is due before the next character
    bint line                   # and it is a line end
    Py_ssize_t base             # where this document starts in the text arena
    int64_t open_link           # number of the link record whose text is being read, or -1
    bint fresh_link             # it has no text yet


cdef inline uint64_t _letters(
    const uint8_t* buf, Py_ssize_t* pos, Py_ssize_t stop, bint fold,
) noexcept nogil:
    """Up to eight letters and digits at pos, which moves behind them."""
    cdef Py_ssize_t at = pos[0]
    cdef uint64_t word = 0, c
    cdef int shift = 0
    while at < stop and shift < 64:
        c = FOLDED[buf[at]]
        if c == 0:
            break
        word |= (c if fold else buf[at]) << shift
        shift += 8
        at += 1
    pos[0] = at
    return word


cdef inline Py_ssize_t _read_name(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, bint fold,     # IN
    Name* name,                                                         # OUT
) noexcept nogil:
    """Behind the letters and digits at pos; more than MAX_NAME are no name."""
    cdef Py_ssize_t at = pos
    name.rest = 0
    name.first = _letters(buf, &at, stop, fold)
    if at - pos < 8:
        return at
    name.rest = _letters(buf, &at, min(stop, at + MAX_NAME - 8), fold)
    if at - pos == MAX_NAME and at < stop and FOLDED[buf[at]]:
        name.first = name.rest = 0
        while at < stop and FOLDED[buf[at]]:
            at += 1
    return at


cdef inline uint32_t _hash(const Name* name) noexcept nogil:
    cdef uint64_t mixed = (name.first ^ name.rest * 0xC2B2AE3D27D4EB4Fu) * 0x9E3779B97F4A7C15u
    return <uint32_t> (mixed >> 54)                         # ten bits: N_SLOTS


cdef inline int64_t _look_up(const Slot* slots, const Name* name) noexcept nogil:
    cdef uint32_t at = _hash(name)
    while slots[at].name.first:
        if slots[at].name.first == name.first and slots[at].name.rest == name.rest:
            return slots[at].value
        at = (at + 1) & (N_SLOTS - 1)
    return -1


cdef inline bint _full(Sink* sink) noexcept nogil:
    if sink.text.size < sink.text_limit and not sink.text.failed:
        return False
    sink.flags |= TEXT_CUT
    return True


cdef inline void _due_space(Reader* r, Sink* sink) noexcept nogil:
    """What comes before the next character: white space, unless the document has no text yet."""
    if r.space:
        if sink.text.size > r.base:
            arena_push(sink.text, 10 if r.line else 32)
        r.space = r.line = False
    if r.fresh_link:
        (<LinkRecord*> sink.links.data)[r.open_link].text_start = sink.text.size
        r.fresh_link = False


cdef Py_ssize_t _entity(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   buf[pos] is `&`
    uint32_t* code,                                         # OUT
) noexcept nogil:
    """Behind the character reference at pos, or pos when there is none."""
    cdef Py_ssize_t end = pos + 1
    cdef int64_t found
    cdef Name name
    cdef uint32_t value = 0
    cdef int digits = 0
    if end < stop and buf[end] == 35:
        end += 1
        if end < stop and buf[end] | 32 == 120:
            end += 1
            while end < stop and digits < 8 and hex_digit(buf[end]) >= 0:
                value = value << 4 | <uint32_t> hex_digit(buf[end])
                digits += 1
                end += 1
        else:
            while end < stop and digits < 8 and is_digit(buf[end]):
                value = value * 10 + buf[end] - 48
                digits += 1
                end += 1
        if digits == 0:
            return pos
        code[0] = value if value else 0xFFFD
    else:
        end = _read_name(buf, end, min(stop, end + MAX_NAME), False, &name)
        found = _look_up(ENTITIES, &name)
        if found < 0:
            return pos
        code[0] = <uint32_t> found
    if end < stop and buf[end] == 59:
        end += 1
    return end


cdef Py_ssize_t _tag_end(Reader* r, Py_ssize_t at) noexcept nogil:
    """Position of the `>` that closes the tag whose name ends at `at`, or -1: the `<` is text."""
    cdef const uint8_t* buf = r.buf
    cdef Py_ssize_t plain = -1, stop = r.stop               # plain: the first `>`, quoted or not
    cdef uint8_t quote
    if r.no_close:
        return -1
    while True:
        at = find3(buf, at, stop, r.stop, 62, 34, 39)
        if at >= stop or buf[at] == 62:
            break
        quote = buf[at]
        at += 1
        if buf[at - 2] != 61:
            continue
        while True:
            at = find3(buf, at, stop, r.stop, quote, quote if plain >= 0 else 62, quote)
            if at >= stop or buf[at] == quote:
                break
            plain = at
            if stop > plain + 1024:                         # a tag hides no more than this in quotes
                stop = plain + 1024
        at += 1
    if at < stop:
        return at
    if plain < 0:
        r.no_close = True
    return plain


cdef Py_ssize_t _attribute(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   inside a tag
    Py_ssize_t* name_stop, Py_ssize_t* value_start, Py_ssize_t* value_stop,     # OUT
) noexcept nogil:
    """Start of the next attribute's name, or -1. Go on at value_stop + 1."""
    cdef Py_ssize_t start
    while pos < stop and (is_lwsp(buf[pos]) or buf[pos] == 47 or buf[pos] == 34 or buf[pos] == 39):
        pos += 1
    if pos >= stop:
        return -1
    start = pos
    while pos < stop and not is_lwsp(buf[pos]) and buf[pos] != 61:
        pos += 1
    name_stop[0] = pos
    pos = skip_lwsp(buf, pos, stop)
    if pos >= stop or buf[pos] != 61:
        value_start[0] = pos
        value_stop[0] = pos - 1
        return start
    pos = skip_lwsp(buf, pos + 1, stop)
    if pos < stop and (buf[pos] == 34 or buf[pos] == 39):
        value_start[0] = pos + 1
        value_stop[0] = find_byte(buf, pos + 1, stop, buf[pos])
    else:
        value_start[0] = pos
        while pos < stop and not is_lwsp(buf[pos]):
            pos += 1
        value_stop[0] = pos
    return start


cdef bint _hides(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Does this style hide its element? White space and case do not count."""
    cdef uint8_t text[160]
    cdef Py_ssize_t n = 0, i
    while start < stop and n < 160:
        if not is_lwsp(buf[start]):
            text[n] = lower(buf[start])
            n += 1
        start += 1
    for i in range(n):
        if text[i] == 100 and n - i >= 12 and memcmp(text + i, b"display:none", 12) == 0:
            return True
        if text[i] == 118 and n - i >= 17 and memcmp(text + i, b"visibility:hidden", 17) == 0:
            return True
        if text[i] == 102 and n - i >= 11 and memcmp(text + i, b"font-size:0", 11) == 0:
            if n - i == 11 or text[i + 11] != 46:
                return True
    return False


cdef void _add_link(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, int32_t kind, Sink* sink,
) noexcept nogil:
    """A record for the target [start, stop), character references decoded, white space dropped."""
    cdef LinkRecord* link
    cdef Py_ssize_t next_pos, mark = sink.strings.size
    cdef uint32_t code = 0
    if sink.n_links >= sink.max_links:
        sink.flags |= TEXT_CUT
        return
    if not arena_reserve(sink.links, sizeof(LinkRecord)):
        return
    start = skip_lwsp(buf, start, stop)
    if kind == LINK_PLAIN:
        arena_append(sink.strings, buf, start, min(stop, start + MAX_URL))
        start = stop
    while start < stop and sink.strings.size - mark < MAX_URL:
        if buf[start] == 38:
            next_pos = _entity(buf, start, stop, &code)
            if next_pos > start:
                arena_push_codepoint(sink.strings, code)
            else:
                arena_push(sink.strings, 38)
                next_pos = start + 1
        elif buf[start] <= 32:
            next_pos = start + 1
        else:
            next_pos = find_low(
                buf, start, min(stop, start + MAX_URL - (sink.strings.size - mark)), stop, 38)
            arena_append(sink.strings, buf, start, next_pos)
        start = next_pos
    sink.strings.size = whole_utf8(sink.strings.data, mark, sink.strings.size)
    link = <LinkRecord*> (sink.links.data + sink.links.size)
    sink.links.size += sizeof(LinkRecord)
    link.url_start = mark
    link.url_stop = sink.strings.size
    link.text_start = link.text_stop = sink.text.size
    link.kind = kind
    link.part = sink.part
    sink.n_links += 1


cdef void _close_link(Reader* r, Sink* sink) noexcept nogil:
    if r.open_link >= 0:
        (<LinkRecord*> sink.links.data)[r.open_link].text_stop = sink.text.size
        r.open_link = -1
        r.fresh_link = False


cdef void _attributes(
    Reader* r, int kind, Py_ssize_t pos, Py_ssize_t stop, Sink* sink,
) noexcept nogil:
    """Links and hiding styles of an opening tag whose attributes are [pos, stop)."""
    cdef Py_ssize_t name_stop = 0, start = 0, end = 0, name
    cdef const uint8_t* buf = r.buf
    cdef Py_ssize_t before
    while True:
        name = _attribute(buf, pos, stop, &name_stop, &start, &end)
        if name < 0:
            return
        pos = end + 1
        if equals_fold(buf, name, name_stop, b"style", 5):
            sink.n_hidden += _hides(buf, start, end)
        elif kind == T_A and equals_fold(buf, name, name_stop, b"href", 4):
            _close_link(r, sink)
            before = sink.n_links
            _add_link(buf, start, end, LINK_A, sink)
            if sink.n_links > before:
                r.open_link = <int64_t> (sink.links.size // <Py_ssize_t> sizeof(LinkRecord)) - 1
                r.fresh_link = True
        elif kind == T_AREA and equals_fold(buf, name, name_stop, b"href", 4):
            _add_link(buf, start, end, LINK_A, sink)
        elif kind == T_IMAGE and equals_fold(buf, name, name_stop, b"src", 3):
            _add_link(buf, start, end, LINK_IMAGE, sink)
        elif kind == T_FRAME and equals_fold(buf, name, name_stop, b"src", 3):
            _add_link(buf, start, end, LINK_FRAME, sink)
        elif kind == T_FORM and equals_fold(buf, name, name_stop, b"action", 6):
            _add_link(buf, start, end, LINK_FORM, sink)


cdef Py_ssize_t _skip_content(
    Reader* r, Py_ssize_t pos, Py_ssize_t name, Py_ssize_t size,
) noexcept nogil:
    """Where the element at pos is closed by the name that stands at `name`; pos when it never is,
    and then for all that follow."""
    cdef Py_ssize_t at = pos
    if r.no_end:
        return pos
    while True:
        at = find_byte(r.buf, at, r.stop, 60)
        if at + 2 + size > r.stop:
            r.no_end = True
            return pos
        if r.buf[at + 1] == 47 and same_fold(r.buf + name, r.buf + at + 2, size):
            return at
        at += 1


cdef Py_ssize_t _comment(Reader* r, Py_ssize_t pos) noexcept nogil:
    """Behind the comment or declaration at pos (`<!`), or pos when its `<` is text."""
    cdef Py_ssize_t at = pos + 4
    if pos + 4 <= r.stop and r.buf[pos + 2] == 45 and r.buf[pos + 3] == 45 and not r.no_comment:
        while True:
            at = find_byte(r.buf, at, r.stop, 62)
            if at == r.stop:
                r.no_comment = True
                break
            if r.buf[at - 1] == 45 and r.buf[at - 2] == 45:
                return at + 1
            at += 1
    if r.no_close:
        return pos
    at = find_byte(r.buf, pos, r.stop, 62)
    if at == r.stop:
        r.no_close = True
        return pos
    return at + 1


cdef Py_ssize_t _tag(Reader* r, Py_ssize_t pos, Sink* sink) noexcept nogil:
    """Behind the tag at pos (a `<`), or pos when it is text."""
    cdef const uint8_t* buf = r.buf
    cdef Name name
    cdef Py_ssize_t start = pos + 1, at, end
    cdef bint closing
    cdef int64_t kind
    if start < r.stop and (buf[start] == 33 or buf[start] == 63):
        return _comment(r, pos)
    closing = start < r.stop and buf[start] == 47
    start += closing
    if start >= r.stop or not is_alpha(buf[start]):
        return pos
    at = _read_name(buf, start, r.stop, True, &name)
    end = at if at < r.stop and buf[at] == 62 else _tag_end(r, at)
    if end < 0:
        return pos
    kind = _look_up(TAGS, &name)
    if kind == T_BLOCK:
        r.space = r.line = True
    elif kind == T_CELL:
        r.space = True
    elif kind == T_A and closing:
        _close_link(r, sink)
    if not closing and at < end and (
            T_A <= kind <= T_FRAME or find_pair_fold(buf, at, end, r.stop, 115, 116) < end):
        _attributes(r, <int> kind, at, end, sink)           # without `st` there is no style
    if kind == T_DROP and not closing:
        return _skip_content(r, end + 1, start, at - start)
    return end + 1


cdef void html_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN   valid UTF-8
    Sink* sink,                                             # OUT
) noexcept nogil:
    cdef Reader r
    cdef Py_ssize_t after, run, room
    cdef uint32_t code = 0
    cdef uint8_t c
    memset(&r, 0, sizeof(r))
    r.buf = buf
    r.stop = stop
    r.base = sink.text.size
    r.open_link = -1
    while start < stop:
        if _full(sink):
            break
        c = buf[start]
        if c > 32 and c != 38 and c != 60 and c != 0xC2:
            run = find_markup(buf, start, stop)
            _due_space(&r, sink)
            room = sink.text_limit - sink.text.size
            if run - start > room:
                sink.flags |= TEXT_CUT
                run = start + (room if room > 0 else 0)
                while run > start and buf[run] & 0xC0 == 0x80:
                    run -= 1
                stop = run
            arena_append(sink.text, buf, start, run)
            start = run
            continue
        if c == 60:
            after = _tag(&r, start, sink)
            if after > start:
                start = after
                continue
        elif c == 38:
            after = _entity(buf, start, stop, &code)
            if after > start:
                start = after
                if code == 160 or code <= 32:
                    r.space = True
                else:
                    _due_space(&r, sink)
                    arena_push_codepoint(sink.text, code)
                continue
        elif c <= 32:
            r.space = True
            while start < stop and buf[start] <= 32:
                start += 1
            continue
        elif c == 0xC2 and start + 1 < stop and buf[start + 1] == 0xA0:
            r.space = True                                  # U+00A0
            start += 2
            continue
        _due_space(&r, sink)
        run = start + (2 if c == 0xC2 and start + 1 < stop else 1)
        arena_append(sink.text, buf, start, run)
        start = run
    _close_link(&r, sink)


cdef inline bint _in_url(uint8_t c) noexcept nogil:
    return c > 32 and c != 34 and c != 60 and c != 62 and c != 127


cdef void plain_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN   valid UTF-8
    Sink* sink,                                             # OUT
) noexcept nogil:
    cdef Py_ssize_t colon = start, scheme, end, base = sink.text.size, room
    cdef int64_t number
    room = sink.text_limit - base
    if room < stop - start:
        sink.flags |= TEXT_CUT
        stop = start + (room if room > 0 else 0)
        while stop > start and buf[stop] & 0xC0 == 0x80:
            stop -= 1
    arena_append(sink.text, buf, start, stop)
    if sink.text.failed:
        return
    while True:
        colon = find_byte(buf, colon, stop, 58)
        if colon + 3 >= stop:
            return
        if buf[colon + 1] != 47 or buf[colon + 2] != 47:
            colon += 1
            continue
        scheme = colon
        while scheme > start and colon - scheme < 5 and is_alpha(buf[scheme - 1]):
            scheme -= 1
        end = colon + 3
        while end < stop and end - scheme < MAX_URL and _in_url(buf[end]):
            end += 1
        while end > colon + 3 and (buf[end - 1] == 46 or buf[end - 1] == 44 or buf[end - 1] == 41):
            end -= 1                                        # punctuation of the sentence
        if (
            equals_fold(buf, scheme, colon, b"http", 4) or equals_fold(buf, scheme, colon, b"https", 5)
            or equals_fold(buf, scheme, colon, b"ftp", 3)
        ):
            number = sink.n_links
            _add_link(buf, scheme, end, LINK_PLAIN, sink)
            if sink.n_links > number:
                number = <int64_t> (sink.links.size // <Py_ssize_t> sizeof(LinkRecord)) - 1
                (<LinkRecord*> sink.links.data)[number].text_start = base + scheme - start
                (<LinkRecord*> sink.links.data)[number].text_stop = base + end - start
        colon = end


cdef bytes _copy(const Arena* a, Py_ssize_t start, Py_ssize_t stop):
    return PyBytes_FromStringAndSize(<const char*> a.data + start, stop - start) if stop > start else b""


def html_text(const uint8_t[::1] raw not None, bint html=True, Py_ssize_t limit=1 << 40):
    """(text, [(target, visible text, kind), ...], hidden elements) of one UTF-8 document."""
    cdef Arena text, links, strings, clean
    cdef Sink sink
    cdef LinkRecord* link
    cdef uint32_t flags = 0
    cdef Py_ssize_t i
    arena_init(&text, 1 << 40)
    arena_init(&links, 1 << 40)
    arena_init(&strings, 1 << 40)
    arena_init(&clean, 1 << 40)
    memset(&sink, 0, sizeof(sink))
    sink.text, sink.links, sink.strings = &text, &links, &strings
    sink.text_limit = limit
    sink.max_links = 1 << 30
    try:
        if raw.shape[0]:
            with nogil:
                utf8_append(&raw[0], 0, raw.shape[0], &clean, &flags)
                if html:
                    html_append(clean.data, 0, clean.size, &sink)
                else:
                    plain_append(clean.data, 0, clean.size, &sink)
        if text.failed or links.failed or strings.failed or clean.failed:
            raise MemoryError
        found = []
        for i in range(sink.n_links):
            link = (<LinkRecord*> links.data) + i
            found.append((_copy(&strings, link.url_start, link.url_stop),
                          _copy(&text, link.text_start, link.text_stop), link.kind))
        return _copy(&text, 0, text.size), found, sink.n_hidden
    finally:
        arena_free(&text)
        arena_free(&links)
        arena_free(&strings)
        arena_free(&clean)


cdef int _put(Slot* slots, bytes text, uint32_t value) except -1:
    cdef uint32_t at
    cdef Name name
    if len(text) > MAX_NAME:
        return 0
    _read_name(<const uint8_t*> <const char*> text, 0, len(text), False, &name)
    at = _hash(&name)
    while slots[at].name.first:
        at = (at + 1) & (N_SLOTS - 1)
    slots[at].name = name
    slots[at].value = value
    return 0


def _build():
    memset(TAGS, 0, sizeof(TAGS))
    memset(ENTITIES, 0, sizeof(ENTITIES))
    for byte in range(256):
        FOLDED[byte] = lower(byte) if is_alnum(byte) else 0
    blocks = (
        "p div br tr table ul ol li dl dt dd h1 h2 h3 h4 h5 h6 hr pre blockquote center form body "
        "head html section article header footer nav main address fieldset tbody thead tfoot "
        "caption option select textarea"
    )
    for name in blocks.split():
        if name != "form":
            _put(TAGS, name.encode(), T_BLOCK)
    for name in ("script", "style", "title", "noframes"):
        _put(TAGS, name.encode(), T_DROP)
    for name in ("td", "th"):
        _put(TAGS, name.encode(), T_CELL)
    for name in ("iframe", "frame", "embed"):
        _put(TAGS, name.encode(), T_FRAME)
    for name, kind in (("a", T_A), ("area", T_AREA), ("img", T_IMAGE), ("form", T_FORM)):
        _put(TAGS, name.encode(), kind)
    for name, code in sorted(name2codepoint.items()):
        _put(ENTITIES, name.encode(), code)
    _put(ENTITIES, b"apos", 39)


_build()
