"""Features of each message: one row of a CSR matrix, hashed.

(a) Words: letters, digits, `_` and bytes above 0x7f, ASCII folded; one word and two neighbours are
    features, of the text and of the subject apart. A number counts as its length; a word of more
    than MAX_WORD bytes as one of a long word. The tail behind the last rule of underscores,
    dashes or equals signs is left out when it is short: list servers and providers write there.
(b) Links: hosts, their last labels, and how the target looks. (c) Structure: parts, types,
    encodings, attachments, sizes. (d) Identity: the sender's name and address, reply-to, the
    message id, which fields are there. Counts go in by powers of two.
(e) features_batch: the door. A row has each feature once. Values make the words of the text, of
    the subject and the rest unit vectors of their own, so that a long text does not drown them.
Not used, as they tell where mail was collected and not what it is: Received, Delivered-To, Sender,
Errors-To, Precedence, list fields, recipients' addresses, dates.
"""
from libc.math cimport sqrt
from libc.string cimport memset

from atlas_fast._kernels.arena cimport Arena, arena_reserve
from atlas_fast._kernels.ascii cimport is_alpha, is_digit, lower
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.hashing cimport hash_byte, hash_end, hash_start, hash_word
from atlas_fast._kernels.headers cimport (
    F_DATE, F_IMPORTANCE, F_IN_REPLY_TO, F_MESSAGE_ID, F_MIME_VERSION, F_ORGANIZATION, F_REFERENCES,
    F_REPLY_TO, F_SUBJECT, F_TO, F_USER_AGENT, F_X_MAILER, F_X_PRIORITY, FieldRecord, N_KNOWN,
    N_TEXT, T_FROM_ADDRESS, T_FROM_DOMAIN, T_FROM_NAME, T_MESSAGE_ID, T_REPLY_TO, T_SUBJECT,
)
from atlas_fast._kernels.html cimport LINK_FORM, LINK_IMAGE, LINK_PLAIN, LinkRecord
from atlas_fast._kernels.messages cimport Messages
from atlas_fast._kernels.mime cimport (
    D_ATTACHMENT, M_HTML, M_MESSAGE, M_MULTIPART, M_PLAIN, PartRecord,
)
from atlas_fast._kernels.scan cimport find_byte, skip_lwsp, starts_fold
from atlas_fast._kernels.types cimport (
    int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t,
)

LAYOUT = 1
"""Version of the features; a model of another version is refused."""

N_BUCKETS = BUCKETS
"""Columns of the matrix: features are hashed into so many."""

N_SEEN = SEEN
"""Entries of the kernel's scratch."""

cdef enum:
    MAX_WORD = 24
    MAX_WORDS = 3000            # of one text; the rest is not read
    MAX_TAIL = 1500             # bytes behind a rule that count as a footer
    MIN_RULE = 20               # characters of a rule
    MAX_LINKS = 100             # of one message that are looked at
    MAX_PARTS = 50

cdef enum:
    BITS = 18                   # of an index
    BUCKETS = 1 << BITS         # columns of the matrix
    SEEN = 1 << 14              # entries of the hash set
    MAX_STAMP = (1 << (32 - BITS)) - 1

cdef enum:                      # namespaces: no feature of one equals a feature of another
    N_WORD = 1
    N_PAIR = 2
    N_SUBJECT_WORD = 3
    N_SUBJECT_PAIR = 4
    N_HOST = 5
    N_HOST_LABEL = 6
    N_LINK = 7
    N_LINKS = 8
    N_PART = 9
    N_PARTS = 10
    N_EXTENSION = 11
    N_TEXT_SHAPE = 12
    N_SUBJECT_SHAPE = 13
    N_FROM = 14
    N_FROM_LABEL = 15
    N_REPLY = 16
    N_ID = 17
    N_PRESENT = 18
    N_MAILER = 19
    N_DAMAGE = 20
    N_RECIPIENTS = 21

cdef enum:
    DAMAGE = 0x1FFFA0           # flags that say something about the sender's software

cdef enum:
    N_PRESENT_FIELDS = 11

cdef int PRESENT_FIELDS[N_PRESENT_FIELDS]
PRESENT_FIELDS[:] = [
    F_TO, F_DATE, F_SUBJECT, F_IN_REPLY_TO, F_REFERENCES, F_MIME_VERSION, F_X_MAILER, F_USER_AGENT,
    F_X_PRIORITY, F_IMPORTANCE, F_ORGANIZATION,
]

cdef struct Row:                # the row that is being made
    Arena* indices
    Arena* data
    uint32_t* seen              # a hash set of indices: stamp << BITS | index
    uint32_t seen_mask          # of the part of the set that this row uses
    uint32_t stamp              # tells the entries of this row from older ones
    int32_t room                # entries that may still be added
    Py_ssize_t group            # where the present group of the row starts

cdef struct Text:
    const uint8_t* buf
    Py_ssize_t start
    Py_ssize_t stop


cdef inline void _add(Row* row, uint64_t hash) noexcept nogil:
    cdef uint64_t mixed = hash_end(hash)
    cdef uint32_t index = <uint32_t> (mixed & (BUCKETS - 1))
    cdef uint32_t entry = row.stamp | index
    cdef uint32_t at = (index * 2654435761u >> 16) & row.seen_mask
    while row.seen[at] >= row.stamp:                        # entries of older rows are smaller
        if row.seen[at] == entry:
            return
        at = (at + 1) & row.seen_mask
    if row.room == 0:
        return
    row.room -= 1
    row.seen[at] = entry
    if row.indices.size + 4 > row.indices.capacity and not arena_reserve(row.indices, 4):
        return
    (<int32_t*> (row.indices.data + row.indices.size))[0] = <int32_t> index
    row.indices.size += 4


cdef inline void _fact(Row* row, int namespace, uint64_t what, uint64_t value) noexcept nogil:
    _add(row, hash_word(hash_word(hash_start(namespace), what), value))


cdef inline int _log2(int64_t n) noexcept nogil:
    """0 for 0, else 1 + floor of the binary logarithm."""
    cdef int bits = 0
    while n > 0:
        bits += 1
        n >>= 1
    return bits


cdef void _close_group(Row* row, float scale) noexcept nogil:
    """Values of the features since the group began: together a vector of length `scale`."""
    cdef Py_ssize_t n = (row.indices.size - row.group) // 4, i
    cdef float value
    row.group = row.indices.size
    if n == 0 or not arena_reserve(row.data, 4 * n):
        return
    value = scale / <float> sqrt(<double> n)
    for i in range(n):
        (<float*> (row.data.data + row.data.size))[i] = value
    row.data.size += 4 * n


cdef uint8_t FOLDED[256]        # lower case of a byte of a word; 0: no word has it
for _byte in range(256):
    FOLDED[_byte] = 0
    if _byte >= 0x80 or _byte == 95 or chr(_byte).isalnum():
        FOLDED[_byte] = _byte + 32 if 65 <= _byte <= 90 else _byte


cdef void _words(Row* row, const Text* text, int words, int pairs) noexcept nogil:
    """Features of single words and of neighbours."""
    cdef const uint8_t* buf = text.buf
    cdef Py_ssize_t pos = text.start, start
    cdef uint64_t h, last = 0, begin = hash_start(words), pair = hash_start(pairs)
    cdef int n = 0
    cdef bint number
    cdef uint8_t c, least
    while pos < text.stop and n < MAX_WORDS:
        c = FOLDED[buf[pos]]
        if c == 0:
            pos += 1
            continue
        start = pos
        h = begin
        least = 0
        while c:
            least |= c                                      # digits alone never set bit 6
            h = hash_byte(h, c)
            pos += 1
            if pos == text.stop:
                break
            c = FOLDED[buf[pos]]
        number = least < 64
        if number:
            h = hash_word(begin, <uint64_t> (pos - start))
        elif pos - start > MAX_WORD:
            h = hash_word(begin, <uint64_t> 1000 + _log2(pos - start))
        elif pos - start < 2:
            last = 0
            continue
        _add(row, h)
        if last:
            _add(row, hash_word(pair + (last << 1), h))
        last = h
        n += 1


cdef Py_ssize_t _without_footer(const Text* text) noexcept nogil:
    """The stop that leaves out a short tail behind a rule, or a signature behind `-- `."""
    cdef const uint8_t* buf = text.buf
    cdef Py_ssize_t pos = text.stop, line, end, i
    cdef Py_ssize_t least = text.stop - MAX_TAIL
    cdef Py_ssize_t found = text.stop
    cdef uint8_t c
    if least < text.start:
        least = text.start
    while pos > least:
        end = pos
        line = end
        while line > least and buf[line - 1] != 10:
            line -= 1
        if end - line >= 2:
            c = buf[line]
            if c == 45 and end - line <= 4 and buf[line + 1] == 45 and (
                    end - line == 2 or buf[line + 2] == 32 or buf[line + 2] == 13):
                found = line
            elif c == 95 or c == 45 or c == 61:
                i = line
                while i < end and buf[i] == c:
                    i += 1
                if i - line >= MIN_RULE:
                    found = line
        pos = line - 1
    # A message that is all footer keeps its text.
    return found if found - text.start > 40 else text.stop


cdef void _text_shape(Row* row, const Text* text) noexcept nogil:
    cdef const uint8_t* buf = text.buf
    cdef int64_t size = text.stop - text.start, upper = 0, letters = 0, digits = 0, high = 0
    cdef int64_t bangs = 0, dollars = 0, lines = 0, quotes = 0, questions = 0
    cdef Py_ssize_t i, start, stop, end
    cdef uint8_t c, n_upper, n_letters, n_digits, n_high
    cdef uint8_t n_bangs, n_dollars, n_lines, n_quotes, n_questions
    if size > 65536:
        size = 65536
    stop = text.start + size
    start = text.start
    while start < stop:                                     # a byte counts to 255: vectors of bytes
        end = start + 255 if stop - start > 255 else stop
        n_upper = n_letters = n_digits = n_high = 0
        n_bangs = n_dollars = n_lines = n_quotes = n_questions = 0
        for i in range(start, end):
            c = buf[i]
            n_upper += <uint8_t> (c - 65) < 26
            n_letters += <uint8_t> ((c | 32) - 97) < 26
            n_digits += <uint8_t> (c - 48) < 10
            n_high += c >> 7
            n_bangs += c == 33
            n_dollars += c == 36
            n_lines += c == 10
            n_quotes += c == 62
            n_questions += c == 63
        upper += n_upper
        letters += n_letters
        digits += n_digits
        high += n_high
        bangs += n_bangs
        dollars += n_dollars
        lines += n_lines
        quotes += n_quotes
        questions += n_questions
        start = end
    _fact(row, N_TEXT_SHAPE, 0, _log2(size))
    _fact(row, N_TEXT_SHAPE, 1, upper * 20 // (letters + 1))
    _fact(row, N_TEXT_SHAPE, 2, digits * 20 // (size + 1))
    _fact(row, N_TEXT_SHAPE, 3, high * 10 // (size + 1))
    _fact(row, N_TEXT_SHAPE, 4, _log2(bangs))
    _fact(row, N_TEXT_SHAPE, 5, _log2(dollars))
    _fact(row, N_TEXT_SHAPE, 6, _log2(size // (lines + 1)))
    _fact(row, N_TEXT_SHAPE, 7, _log2(quotes))
    _fact(row, N_TEXT_SHAPE, 8, _log2(questions))


cdef void _subject(Row* row, const Text* subject, bint present) noexcept nogil:
    cdef const uint8_t* buf = subject.buf
    cdef Text text = subject[0]
    cdef Py_ssize_t i
    cdef int64_t upper = 0, letters = 0, digits = 0, bangs = 0, dollars = 0, high = 0, spaces = 0
    cdef int64_t widest = 0, gap = 0
    cdef uint8_t c
    cdef int replies = 0
    _fact(row, N_SUBJECT_SHAPE, 0, present)
    while starts_fold(buf, text.start, text.stop, b"re:", 3) or starts_fold(
            buf, text.start, text.stop, b"fw:", 3) or starts_fold(
            buf, text.start, text.stop, b"fwd:", 4):
        replies |= 1 if lower(buf[text.start]) == 114 else 2
        text.start = skip_lwsp(
            buf, find_byte(buf, text.start, text.stop, 58) + 1, text.stop)
    if text.start < text.stop and buf[text.start] == 91:    # the tag of a list
        i = find_byte(buf, text.start, text.stop, 93)
        if i < text.stop and i - text.start < 40:
            text.start = i + 1
            text.start = skip_lwsp(buf, text.start, text.stop)
            if starts_fold(buf, text.start, text.stop, b"re:", 3):
                text.start += 3
    _words(row, &text, N_SUBJECT_WORD, N_SUBJECT_PAIR)
    for i in range(text.start, text.stop):
        c = buf[i]
        upper += 65 <= c <= 90
        letters += is_alpha(c)
        digits += is_digit(c)
        bangs += c == 33
        dollars += c == 36
        high += c >= 0x80
        gap = gap + 1 if c == 32 else 0
        widest = gap if gap > widest else widest
    _fact(row, N_SUBJECT_SHAPE, 1, replies)
    _fact(row, N_SUBJECT_SHAPE, 2, _log2(text.stop - text.start))
    _fact(row, N_SUBJECT_SHAPE, 3, upper * 8 // (letters + 1))
    _fact(row, N_SUBJECT_SHAPE, 4, _log2(bangs))
    _fact(row, N_SUBJECT_SHAPE, 5, _log2(dollars))
    _fact(row, N_SUBJECT_SHAPE, 6, _log2(digits))
    _fact(row, N_SUBJECT_SHAPE, 7, high * 4 // (text.stop - text.start + 1))
    _fact(row, N_SUBJECT_SHAPE, 8, widest > 3)


cdef inline Py_ssize_t _host(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t* end,
) noexcept nogil:
    """Host of a URL: [return value, *end), without user and port; empty when there is none."""
    cdef Py_ssize_t pos = find_byte(buf, start, stop, 58), at
    end[0] = stop
    if pos + 2 >= stop or buf[pos + 1] != 47 or buf[pos + 2] != 47:
        end[0] = start
        return start
    start = pos + 3
    pos = start
    while pos < stop and buf[pos] != 47 and buf[pos] != 63 and buf[pos] != 35:
        pos += 1
    at = pos
    while at > start and buf[at - 1] != 64:
        at -= 1
    start = at
    at = start
    while at < pos and buf[at] != 58:
        at += 1
    end[0] = at
    return start


cdef inline uint64_t _fold_hash(
    uint64_t h, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    while start < stop:
        h = hash_byte(h, lower(buf[start]))
        start += 1
    return h


cdef inline Py_ssize_t _last_label(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    while stop > start and buf[stop - 1] != 46:
        stop -= 1
    return stop


cdef void _link(
    Row* row, const LinkRecord* link, const Arena* strings, const uint8_t* text,
) noexcept nogil:
    cdef const uint8_t* buf = strings.data
    cdef Py_ssize_t start, end = 0, label, shown, shown_end = 0, i
    cdef int64_t escapes = 0, digits = 0, dots = 0
    cdef uint64_t kind = <uint64_t> link.kind
    if link.url_stop <= link.url_start:
        _fact(row, N_LINK, 0, kind)
        return
    start = _host(buf, link.url_start, link.url_stop, &end)
    if end == start:
        _fact(row, N_LINK, 1, kind * 4 + starts_fold(
            buf, link.url_start, link.url_stop, b"mailto:", 7) + 2 * starts_fold(
            buf, link.url_start, link.url_stop, b"cid:", 4))
        return
    _add(row, _fold_hash(hash_start(N_HOST), buf, start, end))
    label = _last_label(buf, start, end)
    _add(row, _fold_hash(hash_word(hash_start(N_HOST_LABEL), kind), buf, label, end))
    for i in range(start, end):
        digits += is_digit(buf[i])
        dots += buf[i] == 46
    for i in range(end, link.url_stop):
        escapes += buf[i] == 37
    _fact(row, N_LINK, 2, label < end and is_digit(buf[label]))
    _fact(row, N_LINK, 3, dots)
    _fact(row, N_LINK, 4, _log2(digits))
    _fact(row, N_LINK, 5, _log2(link.url_stop - end))
    _fact(row, N_LINK, 6, _log2(escapes))
    _fact(row, N_LINK, 7, end < link.url_stop and buf[end] == 58)
    _fact(row, N_LINK, 8, find_byte(buf, end, link.url_stop, 63) < link.url_stop)
    if kind != LINK_PLAIN and link.text_stop > link.text_start:
        shown = skip_lwsp(text, link.text_start, link.text_stop)
        if starts_fold(text, shown, link.text_stop, b"http", 4):
            shown = _host(text, shown, link.text_stop, &shown_end)
            _fact(row, N_LINK, 9, shown_end - shown == end - start and _same_fold(
                text + shown, buf + start, end - start))


cdef inline bint _same_fold(const uint8_t* a, const uint8_t* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if lower(a[i]) != lower(b[i]):
            return False
    return True


cdef void _links(
    Row* row, const LinkRecord* links, Py_ssize_t n, const Arena* strings, const Text* text,
) noexcept nogil:
    """Links whose text is in the footer do not count."""
    cdef Py_ssize_t i, images = 0, forms = 0, plain = 0, total = 0
    for i in range(n):
        if links[i].text_start >= text.stop and text.stop > text.start:
            continue
        total += 1
        images += links[i].kind == LINK_IMAGE
        forms += links[i].kind == LINK_FORM
        plain += links[i].kind == LINK_PLAIN
        if total <= MAX_LINKS:
            _link(row, &links[i], strings, text.buf)
    _fact(row, N_LINKS, 0, _log2(total - images - forms - plain))
    _fact(row, N_LINKS, 1, _log2(images))
    _fact(row, N_LINKS, 2, _log2(forms))
    _fact(row, N_LINKS, 3, _log2(plain))


cdef void _parts(
    Row* row, const PartRecord* parts, Py_ssize_t n, const Arena* strings, int32_t hidden,
) noexcept nogil:
    cdef Py_ssize_t i, dot
    cdef const PartRecord* part
    cdef int64_t plain = 0, html = 0, files = 0
    for i in range(n if n < MAX_PARTS else MAX_PARTS):
        part = &parts[i]
        plain += part.media == M_PLAIN
        html += part.media == M_HTML
        files += part.disposition == D_ATTACHMENT
        _fact(row, N_PART, 0, part.media * 64 + part.encoding * 8 + part.disposition)
        if part.media <= M_HTML:
            _fact(row, N_PART, 1, <uint64_t> (part.charset + 2) * 2 + part.has_charset)
        if part.name_stop > part.name_start:
            dot = _last_label(strings.data, part.name_start, part.name_stop)
            _add(row, _fold_hash(hash_start(N_EXTENSION), strings.data, dot, part.name_stop))
    _fact(row, N_PARTS, 0, _log2(n))
    _fact(row, N_PARTS, 1, _log2(plain) * 8 + _log2(html))
    _fact(row, N_PARTS, 2, _log2(files))
    _fact(row, N_PARTS, 3, _log2(hidden))
    if n:
        _fact(row, N_PARTS, 4, parts[0].media * 2 + (parts[0].type_start >= 0))


cdef void _sender(Row* row, const Text* name, const Text* address, const Text* domain) noexcept nogil:
    cdef Py_ssize_t i, local = address.stop - (domain.stop - domain.start) - 1
    cdef int64_t digits = 0, dots = 0, at = 0, upper = 0
    for i in range(address.start, local):
        digits += is_digit(address.buf[i])
    for i in range(domain.start, domain.stop):
        dots += domain.buf[i] == 46
    for i in range(name.start, name.stop):
        at += name.buf[i] == 64
        upper += 65 <= name.buf[i] <= 90
    _fact(row, N_FROM, 0, name.stop > name.start)
    _fact(row, N_FROM, 1, _log2(digits))
    _fact(row, N_FROM, 2, _log2(local - address.start))
    _fact(row, N_FROM, 3, dots)
    _fact(row, N_FROM, 4, at > 0)
    _fact(row, N_FROM, 5, upper * 4 // (name.stop - name.start + 1))
    _fact(row, N_FROM, 6, domain.stop == domain.start)
    _add(row, _fold_hash(
        hash_start(N_FROM_LABEL), domain.buf, _last_label(domain.buf, domain.start, domain.stop),
        domain.stop))


cdef inline Py_ssize_t _domain(const Text* address) noexcept nogil:
    """Behind the last @, or the stop; a closing `>` is not looked at."""
    cdef Py_ssize_t pos = address.stop
    while pos > address.start and address.buf[pos - 1] != 64:
        pos -= 1
    return pos if pos > address.start else address.stop


cdef inline bint _ends_alike(const Text* a, Py_ssize_t a_start, const Text* b, Py_ssize_t b_start) noexcept nogil:
    """Is one of the two names the other, or below it?"""
    cdef Py_ssize_t x = a.stop - a_start, y = b.stop - b_start, least
    least = x if x < y else y
    return least > 0 and _same_fold(a.buf + a.stop - least, b.buf + b.stop - least, least)


cdef void _identity(
    Row* row, const Text* domain, const Text* reply, const Text* msgid, const int16_t* first,
    const FieldRecord* fields, const uint8_t* raw,
) noexcept nogil:
    cdef Text id = msgid[0]
    cdef Py_ssize_t at, stop
    cdef int known, i
    cdef const FieldRecord* field
    if first[F_REPLY_TO] >= 0:
        _fact(row, N_REPLY, 0, _ends_alike(reply, _domain(reply), domain, domain.start))
    else:
        _fact(row, N_REPLY, 1, 0)
    if id.stop > id.start and id.buf[id.stop - 1] == 62:
        id.stop -= 1
    at = _domain(&id)
    _fact(row, N_ID, 0, first[F_MESSAGE_ID] >= 0)
    _fact(row, N_ID, 1, _ends_alike(&id, at, domain, domain.start))
    _fact(row, N_ID, 2, at == id.stop)
    _fact(row, N_ID, 3, find_byte(id.buf, id.start, at, 36) < at)
    _fact(row, N_ID, 4, _log2(at - id.start))
    _fact(row, N_ID, 5, find_byte(id.buf, at, id.stop, 46) < id.stop)
    for i in range(N_PRESENT_FIELDS):
        _fact(row, N_PRESENT, PRESENT_FIELDS[i], first[PRESENT_FIELDS[i]] >= 0)
    for i in range(2):
        known = F_USER_AGENT if i else F_X_MAILER
        if first[known] >= 0:
            field = &fields[first[known]]
            stop = field.start                              # the name, not the version
            while stop < field.stop and stop < field.start + 40 and is_alpha(raw[stop]):
                stop += 1
            _add(row, _fold_hash(hash_start(N_MAILER), raw, field.start, stop))


cdef struct Columns:            # all inputs of a batch
    const int16_t* first
    const FieldRecord* fields
    const int64_t* field_indptr
    const Arena* texts[N_TEXT]
    const int64_t* text_offsets
    const int64_t* to_indptr
    const Arena* body
    const int64_t* body_offsets
    const PartRecord* parts
    const int64_t* part_indptr
    const LinkRecord* links
    const int64_t* link_indptr
    const Arena* strings
    const int32_t* n_hidden
    const uint32_t* flags
    Py_ssize_t n


cdef inline void _column(const Columns* c, int column, Py_ssize_t i, Text* text) noexcept nogil:
    text.buf = c.texts[column].data
    text.start = c.text_offsets[column * (c.n + 1) + i]
    text.stop = c.text_offsets[column * (c.n + 1) + i + 1]


cdef void _row(Row* row, const Columns* c, Py_ssize_t i, const uint8_t* raw) noexcept nogil:
    cdef Text body, subject, name, address, domain, reply, msgid
    cdef const int16_t* first = c.first + i * N_KNOWN
    cdef uint32_t damage = c.flags[i] & DAMAGE
    cdef int bit
    row.group = row.indices.size
    body.buf = c.body.data
    body.start, body.stop = c.body_offsets[i], c.body_offsets[i + 1]
    _column(c, T_SUBJECT, i, &subject)
    _column(c, T_FROM_NAME, i, &name)
    _column(c, T_FROM_ADDRESS, i, &address)
    _column(c, T_FROM_DOMAIN, i, &domain)
    _column(c, T_REPLY_TO, i, &reply)
    _column(c, T_MESSAGE_ID, i, &msgid)
    body.stop = _without_footer(&body)
    _words(row, &body, N_WORD, N_PAIR)
    _close_group(row, 1.0)
    _subject(row, &subject, first[F_SUBJECT] >= 0)
    _close_group(row, 0.7)
    _text_shape(row, &body)
    _links(row, c.links + c.link_indptr[i], c.link_indptr[i + 1] - c.link_indptr[i], c.strings, &body)
    _parts(row, c.parts + c.part_indptr[i], c.part_indptr[i + 1] - c.part_indptr[i], c.strings,
           c.n_hidden[i])
    _sender(row, &name, &address, &domain)
    _identity(row, &domain, &reply, &msgid, first, c.fields + c.field_indptr[i], raw)
    _fact(row, N_RECIPIENTS, 0, _log2(c.to_indptr[i + 1] - c.to_indptr[i]))
    for bit in range(21):
        if damage >> bit & 1:
            _fact(row, N_DAMAGE, bit, 1)
    _close_group(row, 1.0)


cdef inline void _begin(Row* row, Py_ssize_t number, Py_ssize_t text) noexcept nogil:
    """A fresh stamp; a set that fits the text, so that short messages stay in the first cache."""
    cdef uint32_t size = 2048
    if number % MAX_STAMP == 0:
        memset(row.seen, 0, SEEN * sizeof(uint32_t))
    row.stamp = <uint32_t> (number % MAX_STAMP + 1) << BITS
    while size < SEEN and size < text:
        size <<= 1
    row.seen_mask = size - 1
    row.room = <int32_t> (size // 4 * 3)


cdef void _each(
    const Columns* c, Messages messages, Row* row, int64_t* indptr,
) noexcept nogil:
    cdef Py_ssize_t i
    indptr[0] = 0
    for i in range(c.n):
        _begin(row, i, c.body_offsets[i + 1] - c.body_offsets[i])
        _row(row, c, i, messages.items[i].buf)
        indptr[i + 1] = row.indices.size // 4


def features_batch(
    Messages messages not None,                 # IN
    const int16_t[:, ::1] first not None,       # IN   (n, N_KNOWN) of the header columns
    Bytes fields not None,                      # IN
    const int64_t[::1] field_indptr not None,   # IN   (n + 1,)
    list texts not None,                        # IN   N_TEXT of Bytes
    const int64_t[:, ::1] text_offsets not None,    # IN   (N_TEXT, n + 1)
    const int64_t[::1] to_indptr not None,      # IN   (n + 1,)
    Bytes body not None,                        # IN   text of the parts
    const int64_t[::1] body_offsets not None,   # IN   (n + 1,)
    Bytes parts not None,                       # IN
    const int64_t[::1] part_indptr not None,    # IN   (n + 1,)
    Bytes links not None,                       # IN
    const int64_t[::1] link_indptr not None,    # IN   (n + 1,)
    Bytes strings not None,                     # IN
    const int32_t[::1] n_hidden not None,       # IN   (n,)
    const uint32_t[::1] flags not None,         # IN   (n,)
    uint32_t[::1] seen not None,                # IN   scratch: N_SEEN entries, any content
    int64_t[::1] indptr not None,               # OUT  (n + 1,)
    Bytes indices not None,                     # OUT  int32, below len(stamps)
    Bytes data not None,                        # OUT  float32
):
    """Make the rows. ValueError when shapes do not fit, MemoryError when memory ends."""
    cdef Py_ssize_t n = messages.count
    cdef Columns c
    cdef Row row
    cdef int column
    if (
        first.shape[0] != n or first.shape[1] != N_KNOWN or field_indptr.shape[0] != n + 1
        or len(texts) != N_TEXT or text_offsets.shape[0] != N_TEXT
        or text_offsets.shape[1] != n + 1 or to_indptr.shape[0] != n + 1
        or body_offsets.shape[0] != n + 1 or part_indptr.shape[0] != n + 1
        or link_indptr.shape[0] != n + 1 or n_hidden.shape[0] != n or flags.shape[0] != n
        or indptr.shape[0] != n + 1
    ):
        raise ValueError("columns do not fit the number of messages")
    if seen.shape[0] != SEEN:
        raise ValueError(f"the scratch needs {SEEN} entries")
    (<Bytes> indices).clear()
    (<Bytes> data).clear()
    indptr[0] = 0
    if n == 0:
        return
    for column in range(N_TEXT):
        c.texts[column] = &(<Bytes?> texts[column]).arena
    c.first, c.fields = &first[0, 0], <const FieldRecord*> fields.arena.data
    c.field_indptr, c.text_offsets = &field_indptr[0], &text_offsets[0, 0]
    c.to_indptr, c.body, c.body_offsets = &to_indptr[0], &body.arena, &body_offsets[0]
    c.parts, c.part_indptr = <const PartRecord*> parts.arena.data, &part_indptr[0]
    c.links, c.link_indptr = <const LinkRecord*> links.arena.data, &link_indptr[0]
    c.strings, c.n_hidden, c.flags, c.n = &strings.arena, &n_hidden[0], &flags[0], n
    row.indices, row.data = &indices.arena, &data.arena
    row.seen = &seen[0]
    arena_reserve(row.indices, min(2000 * n, 1 << 26))
    arena_reserve(row.data, min(2000 * n, 1 << 26))
    with nogil:
        _each(&c, messages, &row, &indptr[0])
    if row.indices.failed or row.data.failed:
        raise MemoryError("a column of the features could not grow")


def word_rows(
    Bytes text not None,                        # IN   UTF-8
    const int64_t[::1] offsets not None,        # IN   (n + 1,)
    uint32_t[::1] seen not None,                # IN   scratch: N_SEEN entries, any content
    int64_t[::1] indptr not None,               # OUT  (n + 1,)
    Bytes indices not None,                     # OUT  int32
    Bytes data not None,                        # OUT  float32
):
    """The words of texts alone: what a hashing vectorizer of words and pairs gives."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, i
    cdef Row row
    cdef Text one
    if n < 0 or indptr.shape[0] != n + 1 or offsets[0] < 0 or (
            seen.shape[0] != SEEN):
        raise ValueError("columns do not fit")
    for i in range(n):
        if offsets[i + 1] < offsets[i] or offsets[i + 1] > text.arena.size:
            raise ValueError(f"offsets of text {i} do not fit")
    (<Bytes> indices).clear()
    (<Bytes> data).clear()
    row.indices, row.data = &indices.arena, &data.arena
    row.seen = &seen[0]
    indptr[0] = 0
    one.buf = text.arena.data
    with nogil:
        for i in range(n):
            one.start, one.stop = offsets[i], offsets[i + 1]
            _begin(&row, i, one.stop - one.start)
            row.group = row.indices.size
            _words(&row, &one, N_WORD, N_PAIR)
            _close_group(&row, 1.0)
            indptr[i + 1] = row.indices.size // 4
    if row.indices.failed or row.data.failed:
        raise MemoryError("a column of the features could not grow")
