"""What a message looks like and who it says it is from: facts, and words of its links.

(a) facts_text, facts_subject: sizes, shares, marks. (b) facts_links: each link, how many, how many
    lead to the sender's own site; url_words: site, words of the path, names of query parameters.
(c) facts_parts: types, encodings, files, sizes. (d) facts_sender, facts_identity: name, address,
    reply-to, message id, which fields are there, how their names and values are written.
(e) facts_origin: the oldest Received field, which the sender's side wrote, by its form alone.
    facts_authentication: what the receiver's results say, whether the message is signed.
Counts go in by powers of two. No value of a recipient, no host of a trace, no date goes in.
"""
from libc.string cimport memcpy

from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.ascii cimport is_alpha, is_digit, is_lwsp, lower
from atlas_fast._kernels.counts cimport Counts, count_bytes
from atlas_fast._kernels.hashing cimport hash_byte, hash_start, hash_word
from atlas_fast._kernels.headers cimport (
    F_CONTENT_TYPE, F_DATE, F_DKIM_SIGNATURE, F_FROM, F_IMPORTANCE, F_IN_REPLY_TO, F_MESSAGE_ID, F_MIME_VERSION,
    F_ORGANIZATION, F_RECEIVED, F_REFERENCES, F_REPLY_TO, F_SUBJECT, F_TO, F_USER_AGENT,
    F_X_MAILER, F_X_PRIORITY, FieldRecord, N_KNOWN,
)
from atlas_fast._kernels.html cimport LINK_FORM, LINK_IMAGE, LINK_PLAIN, LinkRecord
from atlas_fast._kernels.mime cimport D_ATTACHMENT, M_HTML, M_PLAIN, PartRecord
from atlas_fast._kernels.rows cimport (
    N_AUTH, N_DATE_SHAPE, N_EXTENSION, N_FIELD_NAME, N_FROM, N_FROM_LABEL, N_FROM_SHAPE,
    N_HOST_LABEL, N_ID, N_ID_SHAPE, N_LINK, N_LINKS, N_MAILER, N_ORIGIN, N_PART, N_PARTS, N_PRESENT,
    N_REPLY, N_SUBJECT_SHAPE, N_TEXT_SHAPE, N_TYPE, N_URL, N_URL_END, N_URL_HOST, N_URL_KEY,
    N_URL_WORD, Row, Text, fold_hash, last_label, log2_of, row_add, row_column, row_fact, shape_hash, site_of,
)
from atlas_fast._kernels.scan cimport equals_fold, find_byte, same_fold, skip_lwsp, starts_fold
from atlas_fast._kernels.types cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from atlas_fast._kernels.processor cimport processor_ask

cdef enum:
    MAX_PARTS = 50
    MAX_FIELDS = 100
    MAX_SITES = 32              # sites told apart in one message
    MAX_VALUE = 500             # bytes of a field that are looked at
    N_PRESENT_FIELDS = 11
    N_FREE = 64
    N_USUAL = 3
    F_ENCODING = 8              # positions in FIELD_NAMES that this kernel alone uses
    F_DISPOSITION = 9
    F_CC = 25

cdef int PRESENT_FIELDS[N_PRESENT_FIELDS]
PRESENT_FIELDS[:] = [
    F_TO, F_DATE, F_SUBJECT, F_IN_REPLY_TO, F_REFERENCES, F_MIME_VERSION, F_X_MAILER, F_USER_AGENT,
    F_X_PRIORITY, F_IMPORTANCE, F_ORGANIZATION,
]

cdef uint8_t KINDS[256]         # classes of bytes: digits, lower case, upper case, above 0x7f; any
                                # other byte is its own, `+` counts as `-`
cdef uint8_t NAMED[N_KNOWN]     # known fields whose name's spelling is a feature
cdef const char* USUAL[N_KNOWN][N_USUAL]    # of those, the spellings that are met most
cdef uint8_t USUAL_SIZE[N_KNOWN][N_USUAL]   # 0: no more
cdef uint64_t USUAL_HASH[N_KNOWN][N_USUAL]
cdef uint64_t FREE[N_FREE]      # hashes of the domains that give addresses to anybody

ROLES = (
    b"info", b"news", b"sales", b"support", b"webmaster", b"admin", b"noreply", b"no-reply",
    b"postmaster", b"mailer", b"service", b"offer", b"promo", b"marketing", b"list", b"owner",
    b"contact", b"help", b"editor", b"subscri", b"reply", b"bounce", b"order", b"account",
)
FREE_DOMAINS = (
    "hotmail.com yahoo.com aol.com msn.com netscape.net lycos.com excite.com mail.com email.com "
    "gmx.net gmx.de earthlink.net juno.com mail.ru gmail.com outlook.com icloud.com live.com "
    "altavista.com usa.net compuserve.com rocketmail.com 163.com sina.com qq.com web.de yahoo.fr "
    "yahoo.co.uk googlemail.com yandex.ru proton.me protonmail.com"
)

SPELLINGS = {                   # what is spelled otherwise is hashed when it is met
    F_FROM: (b"From",), F_TO: (b"To",), F_SUBJECT: (b"Subject",), F_DATE: (b"Date",),
    F_MESSAGE_ID: (b"Message-Id", b"Message-ID", b"Message-id"), F_REPLY_TO: (b"Reply-To",),
    F_CONTENT_TYPE: (b"Content-Type", b"Content-type"),
    F_ENCODING: (b"Content-Transfer-Encoding", b"Content-transfer-encoding"),
    F_DISPOSITION: (b"Content-Disposition",), F_CC: (b"Cc", b"CC"),
    F_IN_REPLY_TO: (b"In-Reply-To", b"In-reply-to"), F_REFERENCES: (b"References",),
    F_MIME_VERSION: (b"MIME-Version", b"Mime-Version", b"MIME-version"), F_X_MAILER: (b"X-Mailer",),
    F_USER_AGENT: (b"User-Agent",), F_X_PRIORITY: (b"X-Priority",), F_IMPORTANCE: (b"Importance",),
    F_ORGANIZATION: (b"Organization",),
}

cdef void facts_text(Row* row, const Text* text) noexcept nogil:
    cdef int64_t size = text.stop - text.start
    cdef Counts n
    if size > 65536:
        size = 65536
    count_bytes(text.buf + text.start, <size_t> size, &n)
    row_fact(row, N_TEXT_SHAPE, 0, log2_of(size))
    row_fact(row, N_TEXT_SHAPE, 1, n.upper * 20 // (n.letters + 1))
    row_fact(row, N_TEXT_SHAPE, 2, n.digits * 20 // (size + 1))
    row_fact(row, N_TEXT_SHAPE, 3, n.high * 10 // (size + 1))
    row_fact(row, N_TEXT_SHAPE, 4, log2_of(n.bangs))
    row_fact(row, N_TEXT_SHAPE, 5, log2_of(n.dollars))
    row_fact(row, N_TEXT_SHAPE, 6, log2_of(size // (n.lines + 1)))
    row_fact(row, N_TEXT_SHAPE, 7, log2_of(n.quotes))
    row_fact(row, N_TEXT_SHAPE, 8, log2_of(n.questions))


cdef void facts_subject(
    Row* row, const Text* text, bint present, int replies,
) noexcept nogil:
    """Of a subject without its marks."""
    cdef int64_t size = text.stop - text.start
    cdef Counts n
    count_bytes(text.buf + text.start, <size_t> size, &n)
    row_fact(row, N_SUBJECT_SHAPE, 0, present)
    row_fact(row, N_SUBJECT_SHAPE, 1, replies)
    row_fact(row, N_SUBJECT_SHAPE, 2, log2_of(size))
    row_fact(row, N_SUBJECT_SHAPE, 3, n.upper * 8 // (n.letters + 1))
    row_fact(row, N_SUBJECT_SHAPE, 4, log2_of(n.bangs))
    row_fact(row, N_SUBJECT_SHAPE, 5, log2_of(n.dollars))
    row_fact(row, N_SUBJECT_SHAPE, 6, log2_of(n.digits))
    row_fact(row, N_SUBJECT_SHAPE, 7, n.high * 4 // (size + 1))
    row_fact(row, N_SUBJECT_SHAPE, 8, _has_gap(text))


cdef inline bint _has_gap(const Text* text) noexcept nogil:
    """Four spaces in a row: one of them is at a position that is looked at."""
    cdef Py_ssize_t pos = text.start + 3, first, last
    while pos < text.stop:
        if text.buf[pos] == 32:
            first, last = pos, pos + 1
            while first > text.start and text.buf[first - 1] == 32:
                first -= 1
            while last < text.stop and text.buf[last] == 32:
                last += 1
            if last - first > 3:
                return True
        pos += 4
    return False


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


cdef inline bint _same(const uint8_t* a, const uint8_t* b, Py_ssize_t size) noexcept nogil:
    """A call would take longer."""
    cdef uint64_t x, y
    cdef Py_ssize_t i = 0
    while i + 8 <= size:
        memcpy(&x, a + i, 8)
        memcpy(&y, b + i, 8)
        if x != y:
            return False
        i += 8
    while i < size:
        if a[i] != b[i]:
            return False
        i += 1
    return True


cdef struct Sites:              # of the links of one message
    uint64_t seen[MAX_SITES]
    int n
    int64_t hosts               # links with a host
    int64_t own                 # and those that lead to the sender's site
    uint64_t sender             # hash of that site, 0 when the sender has none


cdef inline uint64_t _site_hash(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    return fold_hash(hash_start(N_URL_HOST), buf, site_of(buf, start, stop), stop)


cdef inline void _site(Sites* sites, uint64_t site) noexcept nogil:
    cdef int i
    sites.hosts += 1
    sites.own += site == sites.sender
    for i in range(sites.n):
        if sites.seen[i] == site:
            return
    if sites.n < MAX_SITES:
        sites.seen[sites.n] = site
        sites.n += 1


cdef void _find_host(
    const LinkRecord* link, const uint8_t* buf, const Host* before, bint same_kind, Host* host,
) noexcept nogil:
    """Host of a link; most are that of the link before."""
    host.start = _host(buf, link.url_start, link.url_stop, &host.end)
    host.same = 0
    if host.end == host.start:
        return
    if before is not NULL and before.end - before.start == host.end - host.start and _same(
            buf + before.start, buf + host.start, host.end - host.start):
        host.site = before.site
        host.same = 1 + same_kind
    else:
        host.site = _site_hash(buf, host.start, host.end)


cdef void _link(
    Row* row, const LinkRecord* link, const Arena* strings, const uint8_t* text, const Host* host,
) noexcept nogil:
    cdef const uint8_t* buf = strings.data
    cdef Py_ssize_t start = host.start, end = host.end, label, shown, shown_end = 0, i
    cdef int64_t escapes = 0, digits = 0, dots = 0
    cdef uint64_t kind = <uint64_t> link.kind
    if link.url_stop <= link.url_start:
        row_fact(row, N_LINK, 0, kind)
        return
    if end == start:
        row_fact(row, N_LINK, 1, kind * 4 + starts_fold(
            buf, link.url_start, link.url_stop, b"mailto:", 7) + 2 * starts_fold(
            buf, link.url_start, link.url_stop, b"cid:", 4))
        return
    if host.same != 2:                                      # otherwise the row has these
        label = last_label(buf, start, end)
        row_add(row, fold_hash(hash_word(hash_start(N_HOST_LABEL), kind), buf, label, end))
        for i in range(start, end):
            digits += is_digit(buf[i])
            dots += buf[i] == 46
        row_fact(row, N_LINK, 2, label < end and is_digit(buf[label]))
        row_fact(row, N_LINK, 3, dots)
        row_fact(row, N_LINK, 4, log2_of(digits))
    for i in range(end, link.url_stop):
        escapes += buf[i] == 37
    row_fact(row, N_LINK, 5, log2_of(link.url_stop - end))
    row_fact(row, N_LINK, 6, log2_of(escapes))
    row_fact(row, N_LINK, 7, end < link.url_stop and buf[end] == 58)
    row_fact(row, N_LINK, 8, find_byte(buf, end, link.url_stop, 63) < link.url_stop)
    if kind != LINK_PLAIN and link.text_stop > link.text_start:
        shown = skip_lwsp(text, link.text_start, link.text_stop)
        if starts_fold(text, shown, link.text_stop, b"http", 4):
            shown = _host(text, shown, link.text_stop, &shown_end)
            row_fact(row, N_LINK, 9, shown_end - shown == end - start and same_fold(
                text + shown, buf + start, end - start))


cdef void facts_links(
    Row* row, const LinkRecord* links, Py_ssize_t n, const Arena* strings, const Text* text,
    const Text* domain, Host* hosts,
) noexcept nogil:
    """Links whose text is in the footer do not count."""
    cdef Py_ssize_t i, images = 0, forms = 0, plain = 0, total = 0, last = -1
    cdef Sites sites
    cdef Host* host
    cdef const Host* before = NULL
    sites.n = 0
    sites.hosts = sites.own = 0
    sites.sender = _site_hash(domain.buf, domain.start, domain.stop) if (
        domain.stop > domain.start) else 0
    for i in range(n):
        if links[i].text_start >= text.stop and text.stop > text.start:
            continue
        total += 1
        images += links[i].kind == LINK_IMAGE
        forms += links[i].kind == LINK_FORM
        plain += links[i].kind == LINK_PLAIN
        if total > MAX_LINKS:
            continue
        host = &hosts[total - 1]
        _find_host(&links[i], strings.data, before, last >= 0 and links[last].kind == links[i].kind,
                   host)
        _link(row, &links[i], strings, text.buf, host)
        if host.end > host.start:
            _site(&sites, host.site)
            before, last = host, i
    row_fact(row, N_LINKS, 0, log2_of(total - images - forms - plain))
    row_fact(row, N_LINKS, 1, log2_of(images))
    row_fact(row, N_LINKS, 2, log2_of(forms))
    row_fact(row, N_LINKS, 3, log2_of(plain))
    row_fact(row, N_LINKS, 4, log2_of(sites.n))
    row_fact(row, N_LINKS, 5, 0 if sites.hosts == 0 else 1 + 3 * sites.own // sites.hosts)
    row_fact(row, N_LINKS, 6, (sites.own > 0) * 2 + (sites.hosts > 0))
    row_fact(row, N_LINKS, 7, sites.hosts if sites.hosts < 4 else 4)


cdef void _url_words(
    Row* row, const LinkRecord* link, const uint8_t* buf, const Host* host,
) noexcept nogil:
    cdef Py_ssize_t start = host.start, end = host.end
    cdef Py_ssize_t pos = end, query, word, dot = -1
    cdef Py_ssize_t stop = link.url_stop if link.url_stop - end < MAX_VALUE else end + MAX_VALUE
    cdef int n = 0
    cdef uint64_t h, kind = <uint64_t> link.kind
    cdef bint number
    if end == start:
        return
    if not host.same:                                       # otherwise the row has these
        row_add(row, host.site)
        row_fact(row, N_URL, 0, starts_fold(buf, start, end, b"www.", 4))
        row_add(row, shape_hash(hash_word(hash_start(N_URL), 1), KINDS, buf, start,
                                find_byte(buf, start, end, 46), 6))
    query = find_byte(buf, end, stop, 63)
    while pos < query and n < 10:                           # words of the path
        if not is_alpha(buf[pos]):
            dot = pos if buf[pos] == 46 else -1 if buf[pos] == 47 else dot
            pos += 1
            continue
        word = pos
        h = hash_start(N_URL_WORD)
        while pos < query and is_alpha(buf[pos]):
            h = hash_byte(h, lower(buf[pos]))
            pos += 1
        if pos - word >= 3:
            row_add(row, h)
            n += 1
    if dot >= 0 and query - dot <= 6:
        row_add(row, fold_hash(hash_word(hash_start(N_URL_END), kind), buf, dot, query))
    row_fact(row, N_URL, 2, (query - end <= 1) * 8 + kind)
    row_fact(row, N_URL, 3, find_byte(buf, end, stop, 64) < stop)
    pos = query
    n = 0
    while pos < stop and n < 6:                             # names of the query's parameters
        pos += 1
        h = hash_start(N_URL_KEY)
        number = False
        word = pos
        while pos < stop and buf[pos] != 61 and buf[pos] != 38:
            if not is_digit(buf[pos]):
                h = hash_byte(h, lower(buf[pos]))
            elif not number:
                h = hash_byte(h, 57)
            number = is_digit(buf[pos])
            pos += 1
        if pos > word and pos - word <= 20 and pos < stop and buf[pos] == 61:
            row_add(row, h)
            n += 1
        pos = find_byte(buf, pos, stop, 38)


cdef void url_words(
    Row* row, const LinkRecord* links, Py_ssize_t n, const Arena* strings, const Text* text,
    const Host* hosts,
) noexcept nogil:
    cdef Py_ssize_t i, total = 0
    for i in range(n):
        if links[i].text_start >= text.stop and text.stop > text.start:
            continue
        if total < MAX_LINKS:
            _url_words(row, &links[i], strings.data, &hosts[total])
        total += 1


cdef void facts_parts(
    Row* row, const PartRecord* parts, Py_ssize_t n, const Arena* strings, int32_t hidden,
    int64_t text,                                           # bytes of the text that was taken out
) noexcept nogil:
    cdef Py_ssize_t i, dot
    cdef const PartRecord* part
    cdef int64_t plain = 0, html = 0, files = 0, source = 0
    for i in range(n if n < MAX_PARTS else MAX_PARTS):
        part = &parts[i]
        plain += part.media == M_PLAIN
        html += part.media == M_HTML
        source += part.stop - part.body if part.media == M_HTML else 0
        files += part.disposition == D_ATTACHMENT
        row_fact(row, N_PART, 0, part.media * 64 + part.encoding * 8 + part.disposition)
        if part.media <= M_HTML:
            row_fact(row, N_PART, 1, <uint64_t> (part.charset + 2) * 2 + part.has_charset)
        if part.name_stop > part.name_start:
            dot = last_label(strings.data, part.name_start, part.name_stop)
            row_add(row, fold_hash(hash_start(N_EXTENSION), strings.data, dot, part.name_stop))
    row_fact(row, N_PARTS, 0, log2_of(n))
    row_fact(row, N_PARTS, 1, log2_of(plain) * 8 + log2_of(html))
    row_fact(row, N_PARTS, 2, log2_of(files))
    row_fact(row, N_PARTS, 3, log2_of(hidden))
    if source > 0:
        row_fact(row, N_PARTS, 5, log2_of(source))
        row_fact(row, N_PARTS, 6, 10 * text // source if text < source else 10)
    if n:
        row_fact(row, N_PARTS, 4, parts[0].media * 2 + (parts[0].type_start >= 0))


cdef inline bint _is_free(const Text* domain) noexcept nogil:
    cdef uint64_t h = fold_hash(hash_start(0), domain.buf, domain.start, domain.stop), at
    at = h & (N_FREE - 1)
    while FREE[at]:
        if FREE[at] == h:
            return True
        at = (at + 1) & (N_FREE - 1)
    return False


cdef int _role(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Number of the role that a local-part begins with, from 1; 0 for none."""
    cdef int i
    for i in range(N_ROLES):
        if starts_fold(buf, start, stop, ROLE[i], ROLE_SIZE[i]):
            return i + 1
    return 0


cdef bint _within(
    const uint8_t* word, Py_ssize_t size, const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    cdef uint8_t first = lower(word[0])
    while stop - start >= size:
        if lower(buf[start]) == first and same_fold(word, buf + start, size):
            return True
        start += 1
    return False


cdef void facts_sender(
    Row* row, const Text* name, const Text* address, const Text* domain,
) noexcept nogil:
    cdef const uint8_t* buf = name.buf
    cdef Py_ssize_t i, local = address.stop - (domain.stop - domain.start) - 1, word
    cdef Py_ssize_t stop = name.stop if name.stop - name.start < 100 else name.start + 100
    cdef int64_t digits = 0, dots = 0, at = 0, upper = 0, words = 0
    cdef bint in_local = False, in_domain = False
    for i in range(address.start, local):
        digits += is_digit(address.buf[i])
    for i in range(domain.start, domain.stop):
        dots += domain.buf[i] == 46
    for i in range(name.start, name.stop):
        at += buf[i] == 64
        upper += 65 <= buf[i] <= 90
    i = name.start
    while i < stop:
        word = i
        while i < stop and (is_alpha(buf[i]) or buf[i] >= 0x80):
            i += 1
        if i > word:
            words += 1
            if i - word > 2 and local - address.start < 65:
                in_local = in_local or _within(
                    buf + word, i - word, address.buf, address.start, local)
                in_domain = in_domain or (domain.stop - domain.start < 256 and _within(
                    buf + word, i - word, domain.buf, domain.start, domain.stop))
        i += 1
    row_fact(row, N_FROM, 0, name.stop > name.start)
    row_fact(row, N_FROM, 1, log2_of(digits))
    row_fact(row, N_FROM, 2, log2_of(local - address.start))
    row_fact(row, N_FROM, 3, dots)
    row_fact(row, N_FROM, 4, at > 0)
    row_fact(row, N_FROM, 5, upper * 4 // (name.stop - name.start + 1))
    row_fact(row, N_FROM, 6, domain.stop == domain.start)
    row_fact(row, N_FROM, 7, words if words < 5 else 5)
    row_fact(row, N_FROM, 8, in_local)
    row_fact(row, N_FROM, 9, in_domain)
    row_fact(row, N_FROM, 10, _is_free(domain))
    row_fact(row, N_FROM, 11, _role(address.buf, address.start, local))
    row_add(row, shape_hash(
        hash_word(hash_start(N_FROM_SHAPE), 0), KINDS, buf, name.start, name.stop, 12))
    row_add(row, shape_hash(
        hash_word(hash_start(N_FROM_SHAPE), 1), KINDS, address.buf, address.start, local, 8))
    row_add(row, fold_hash(
        hash_start(N_FROM_LABEL), domain.buf, last_label(domain.buf, domain.start, domain.stop),
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
    return least > 0 and same_fold(a.buf + a.stop - least, b.buf + b.stop - least, least)


cdef void facts_identity(
    Row* row, const Text* domain, const Text* reply, const Text* msgid, const int16_t* first,
    const FieldRecord* fields, const uint8_t* raw,
) noexcept nogil:
    cdef Text id = msgid[0]
    cdef Py_ssize_t at, stop
    cdef int known, i
    cdef const FieldRecord* field
    if first[F_REPLY_TO] >= 0:
        row_fact(row, N_REPLY, 0, _ends_alike(reply, _domain(reply), domain, domain.start))
    else:
        row_fact(row, N_REPLY, 1, 0)
    if id.stop > id.start and id.buf[id.stop - 1] == 62:
        id.stop -= 1
    at = _domain(&id)
    row_fact(row, N_ID, 0, first[F_MESSAGE_ID] >= 0)
    row_fact(row, N_ID, 1, _ends_alike(&id, at, domain, domain.start))
    row_fact(row, N_ID, 2, at == id.stop)
    row_fact(row, N_ID, 3, find_byte(id.buf, id.start, at, 36) < at)
    row_fact(row, N_ID, 4, log2_of(at - id.start))
    row_fact(row, N_ID, 5, find_byte(id.buf, at, id.stop, 46) < id.stop)
    row_fact(row, N_ID, 6, (at - id.start) // 4 if at - id.start < 60 else 15)
    row_add(row, shape_hash(hash_start(N_ID_SHAPE), KINDS, id.buf, id.start, at, 40))
    for i in range(N_PRESENT_FIELDS):
        row_fact(row, N_PRESENT, PRESENT_FIELDS[i], first[PRESENT_FIELDS[i]] >= 0)
    for i in range(2):
        known = F_USER_AGENT if i else F_X_MAILER
        if first[known] >= 0:
            field = &fields[first[known]]
            stop = field.start                              # the name, not the version
            while stop < field.stop and stop < field.start + 40 and is_alpha(raw[stop]):
                stop += 1
            row_add(row, fold_hash(hash_start(N_MAILER), raw, field.start, stop))


cdef inline Py_ssize_t _value_stop(const FieldRecord* field) noexcept nogil:
    return field.stop if field.stop - field.start < MAX_VALUE else field.start + MAX_VALUE


cdef Py_ssize_t _parameter(
    const uint8_t* raw, Py_ssize_t start, Py_ssize_t stop, const char* name, Py_ssize_t size,
) noexcept nogil:
    """Behind `name=`, or -1."""
    cdef Py_ssize_t at = find_byte(raw, start + size, stop, 61)
    while at < stop:
        if equals_fold(raw, at - size, at, name, size):
            return at + 1
        at = find_byte(raw, at + 1, stop, 61)
    return -1


cdef void _content_type(Row* row, const uint8_t* raw, const FieldRecord* field) noexcept nogil:
    cdef Py_ssize_t start = field.start, stop = _value_stop(field), at
    cdef bint quoted
    row_add(row, shape_hash(
        hash_word(hash_start(N_TYPE), 0), KINDS, raw, start, find_byte(raw, start, stop, 59), 20))
    at = _parameter(raw, start, stop, b"boundary", 8)
    if at >= 0:
        quoted = at < stop and raw[at] == 34
        row_add(row, shape_hash(
            hash_word(hash_start(N_TYPE), 1 + quoted), KINDS, raw, at + quoted, stop, 12))
    at = _parameter(raw, start, stop, b"charset", 7)
    if at >= 0:
        quoted = at < stop and raw[at] == 34
        at += quoted
        row_fact(row, N_TYPE, 3, quoted * 2 + (at < stop and 65 <= raw[at] <= 90))


cdef void _date(Row* row, const uint8_t* raw, const FieldRecord* field) noexcept nogil:
    """Form of a date: words by their first class, so that no name of a day goes in."""
    cdef Py_ssize_t pos = field.start, stop = _value_stop(field)
    cdef uint64_t h = hash_start(N_DATE_SHAPE)
    cdef int n = 0
    cdef uint8_t c
    while pos < stop and n < 40:
        c = raw[pos]
        if is_alpha(c):
            c = 65
            while pos + 1 < stop and is_alpha(raw[pos + 1]):
                pos += 1
                c = 97 if raw[pos] >= 97 else c             # GMT is A, Mon is a
        elif is_digit(c):
            while pos + 1 < stop and is_digit(raw[pos + 1]):
                pos += 1
            c = 57
        elif c == 43:
            c = 45
        h = hash_byte(h, c)
        n += 1
        pos += 1
    row_add(row, h)


cdef void facts_fields(
    Row* row, const int16_t* first, const FieldRecord* fields, Py_ssize_t n, const uint8_t* raw,
) noexcept nogil:
    """How names and values of the fields that the sender's software writes are spelled."""
    cdef Py_ssize_t i, start
    cdef const FieldRecord* field
    for i in range(n if n < MAX_FIELDS else MAX_FIELDS):
        field = &fields[i]
        if field.id < 0 or not NAMED[field.id]:
            continue
        start = field.start - field.name_gap
        row_add(row, _spelled(raw, start, start + field.name_size, field.id))
    if first[F_CONTENT_TYPE] >= 0:
        _content_type(row, raw, &fields[first[F_CONTENT_TYPE]])
    if first[F_DATE] >= 0:
        _date(row, raw, &fields[first[F_DATE]])
    if first[F_FROM] >= 0:
        field = &fields[first[F_FROM]]
        row_fact(row, N_FROM, 12, field.stop > field.start and raw[field.start] == 34)
        row_fact(row, N_FROM, 13, find_byte(raw, field.start, field.stop, 40) < field.stop)


cdef inline uint64_t _spelled(
    const uint8_t* raw, Py_ssize_t start, Py_ssize_t stop, int known,
) noexcept nogil:
    """Hash of a name as it is written; of the usual ones it is known."""
    cdef int i
    for i in range(N_USUAL):
        if USUAL_SIZE[known][i] == stop - start and _same(
                <const uint8_t*> USUAL[known][i], raw + start, stop - start):
            return USUAL_HASH[known][i]
    return _exact(raw, start, stop)


cdef uint64_t _exact(const uint8_t* raw, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef uint64_t h = hash_start(N_FIELD_NAME)
    while start < stop:
        h = hash_byte(h, raw[start])
        start += 1
    return h


cdef void facts_origin(
    Row* row, const FieldRecord* fields, Py_ssize_t n, const uint8_t* raw, const Text* domain,
) noexcept nogil:
    """The oldest Received field: the form of its names, never a name."""
    cdef Py_ssize_t i = n - 1, pos, stop, word, end, part
    cdef bint address = False, unknown = False, by = False, recipient = False, id = False
    cdef uint64_t protocol = 0, helo
    cdef uint8_t c
    while i >= 0 and fields[i].id != F_RECEIVED:
        i -= 1
    if i < 0:
        return
    pos, stop = fields[i].start, _value_stop(&fields[i])
    if starts_fold(raw, pos, stop, b"from", 4):
        word = skip_lwsp(raw, pos + 4, stop)
        end = word
        while end < stop and not is_lwsp(raw[end]):
            end += 1
        helo = fold_hash(hash_start(N_URL_HOST), raw, site_of(raw, word, end), end)
        row_add(row, shape_hash(hash_word(hash_start(N_ORIGIN), 0), KINDS, raw, word, end, 6))
        row_fact(row, N_ORIGIN, 1, domain.stop > domain.start and helo == _site_hash(
            domain.buf, domain.start, domain.stop))
        pos = end
    else:
        row_fact(row, N_ORIGIN, 2, 0)
    part = pos                                              # what is not a protocol, from here on
    while pos < stop:
        word = skip_lwsp(raw, pos, stop)
        end = word
        while end < stop and not is_lwsp(raw[end]):
            end += 1
        pos = end
        if not 2 <= end - word <= 4:
            continue
        c = raw[word] | 32
        by = by or (end - word == 2 and c == 98 and raw[word + 1] | 32 == 121)
        id = id or (end - word == 2 and c == 105 and raw[word + 1] | 32 == 100)
        recipient = recipient or (end - word == 3 and c == 102 and starts_fold(
            raw, word, end, b"for", 3))
        if c == 119 and end - word == 4 and protocol == 0 and starts_fold(
                raw, word, end, b"with", 4):
            address = address or find_byte(raw, part, end, 91) < end
            unknown = unknown or _has_unknown(raw, part, end)
            word = skip_lwsp(raw, end, stop)
            end = word
            while end < stop and is_alpha(raw[end]):
                end += 1
            protocol = fold_hash(hash_word(hash_start(N_ORIGIN), 3), raw, word, end)
            row_add(row, protocol)
            part = pos = end
    address = address or find_byte(raw, part, stop, 91) < stop
    unknown = unknown or _has_unknown(raw, part, stop)
    row_fact(row, N_ORIGIN, 4, by * 4 + id * 2 + recipient)
    row_fact(row, N_ORIGIN, 5, address * 2 + unknown)
    row_fact(row, N_ORIGIN, 6, protocol != 0)


cdef bint _has_unknown(const uint8_t* raw, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Found by its k, which is rare."""
    cdef Py_ssize_t at
    cdef uint8_t k
    for k in range(75, 108, 32):                            # K and k
        at = find_byte(raw, start + 2, stop, k)
        while at < stop:
            if starts_fold(raw, at - 2, stop, b"unknown", 7):
                return True
            at = find_byte(raw, at + 1, stop, k)
    return False


cdef void facts_authentication(
    Row* row, const int16_t* first, const FieldRecord* fields, Py_ssize_t trusted,
    const uint8_t* raw,
) noexcept nogil:
    """Methods and results of the Authentication-Results that count, by their first words; trusted
    is the number of that field, negative where none counts."""
    cdef Py_ssize_t pos, stop, word, end
    cdef const FieldRecord* field
    row_fact(row, N_AUTH, 0, first[F_DKIM_SIGNATURE] >= 0)
    if trusted < 0:
        return
    field = &fields[trusted]
    pos, stop = field.start, _value_stop(field)
    pos = find_byte(raw, pos, stop, 59)
    while pos < stop:
        word = skip_lwsp(raw, pos + 1, stop)
        end = word
        while end < stop and (is_alpha(raw[end]) or raw[end] == 61):
            end += 1
        if end - word < 24 and find_byte(raw, word, end, 61) < end:
            row_add(row, fold_hash(hash_word(hash_start(N_AUTH), 1), raw, word, end))
        pos = find_byte(raw, end, stop, 59)


def fact_column(int namespace, uint64_t what, uint64_t value) -> int:
    """Column of a fact."""
    return row_column(hash_word(hash_word(hash_start(namespace), what), value), False)


def site_column(const uint8_t[::1] host not None) -> int:
    """Column of the site of a link's host."""
    if host.shape[0] == 0:
        return -1
    return row_column(_site_hash(&host[0], 0, host.shape[0]), False)


def url_word_column(const uint8_t[::1] word not None) -> int:
    """Column of a word of a link's path, letters alone."""
    if word.shape[0] == 0:
        return -1
    return row_column(fold_hash(hash_start(N_URL_WORD), &word[0], 0, word.shape[0]), False)


def word_column(
    int namespace, int64_t what, const uint8_t[::1] word not None, bint folded=True,
) -> int:
    """Column of a feature that is a word, as it is or in lower case; `what` -1 for none."""
    cdef uint64_t h = hash_start(namespace)
    cdef Py_ssize_t i
    if what >= 0:
        h = hash_word(h, what)
    for i in range(word.shape[0]):
        h = hash_byte(h, lower(word[i]) if folded else word[i])
    return row_column(h, False)


cdef int N_ROLES = len(ROLES)
cdef const char* ROLE[32]
cdef int ROLE_SIZE[32]


def _build():
    cdef uint64_t h, at
    processor_ask()
    for i, role in enumerate(ROLES):
        ROLE[i] = role                                      # ROLES keeps the bytes alive
        ROLE_SIZE[i] = len(role)
    for domain in FREE_DOMAINS.split():
        h = hash_start(0)
        for c in domain.encode():
            h = hash_byte(h, c)
        at = h & (N_FREE - 1)
        while FREE[at]:
            at = (at + 1) & (N_FREE - 1)
        FREE[at] = h
    for byte in range(256):
        KINDS[byte] = (
            57 if 48 <= byte <= 57 else 97 if 97 <= byte <= 122 else 65 if 65 <= byte <= 90
            else 128 if byte >= 128 else 45 if byte == 43 else byte
        )
    for known, spellings in SPELLINGS.items():
        NAMED[known] = True
        for i, name in enumerate(spellings):
            USUAL[known][i], USUAL_SIZE[known][i] = name, len(name)     # SPELLINGS keeps the bytes
            USUAL_HASH[known][i] = _exact(<const uint8_t*> USUAL[known][i], 0, len(name))


_build()
