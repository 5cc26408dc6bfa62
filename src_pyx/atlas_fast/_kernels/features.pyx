"""Features of each message: one row of a CSR matrix, hashed.

The door features_batch, and the order of the groups in a row: words of text and subject
(wording.pyx), then what facts.pyx says of shape, links, structure, identity, origin and
authentication, then the words of link targets. docs/features.md lists every feature.
Not used, as they tell where mail was collected and not what it is: hosts of Received,
Delivered-To, Sender, Errors-To, Precedence, list fields, recipients' addresses, dates.
"""
from libc.string cimport memset

from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.buffers cimport Bytes, bytes_reserve
from atlas_fast._kernels.facts cimport (
    Host, MAX_LINKS, facts_authentication, facts_fields, facts_identity, facts_links, facts_origin, facts_parts,
    facts_sender, facts_subject, facts_text, url_words,
)
from atlas_fast._kernels.folding cimport FILTER
from atlas_fast._kernels.headers cimport (
    F_SUBJECT, FieldRecord, N_KNOWN, N_TEXT, T_FROM_ADDRESS, T_FROM_DOMAIN, T_FROM_NAME,
    T_MESSAGE_ID, T_REPLY_TO, T_SUBJECT,
)
from atlas_fast._kernels.html cimport LinkRecord
from atlas_fast._kernels.lexicon cimport Lexicon
from atlas_fast._kernels.messages cimport Messages
from atlas_fast._kernels.mime cimport PartRecord
from atlas_fast._kernels.rows cimport (
    BUCKETS, N_DAMAGE, N_LEXICON, N_RECIPIENTS, Row, SEEN, Text, log2_of, row_begin, row_close, row_fact, row_form,
    TEXT_BUCKETS,
)
from atlas_fast._kernels.scan cimport skip_lwsp
from atlas_fast._kernels.types cimport int16_t, int32_t, int64_t, uint8_t, uint32_t
from atlas_fast._kernels.wording cimport (
    without_footer, without_marks, wording_minded, wording_subject, wording_text,
)

LAYOUT = 3
"""Version of the features; a model of another version is refused."""

N_BUCKETS = BUCKETS
"""Columns of the matrix: features are hashed into so many."""

N_TEXT_BUCKETS = TEXT_BUCKETS
"""Those below this number are for words, the others for form."""

N_SEEN = SEEN
"""Entries of the kernel's scratch."""

GROUPS = (
    "text", "lexicon", "shape", "links", "structure", "identity", "origin", "authentication", "urls",
)
"""Groups of a row in their order."""

cdef enum:
    TEXT = 0
    LEXICON = 1
    SHAPE = 2
    LINKS = 3
    STRUCTURE = 4
    IDENTITY = 5
    ORIGIN = 6
    AUTHENTICATION = 7
    URLS = 8
    N_GROUPS = 9
    MAX_TERMS = 8               # of one category that count

cdef enum:
    DAMAGE = 0x1FFFA0           # flags that say something about the sender's software


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
    const int32_t* trusted
    Py_ssize_t n


cdef inline void _column(const Columns* c, int column, Py_ssize_t i, Text* text) noexcept nogil:
    text.buf, text.room = c.texts[column].data, c.texts[column].size
    text.start = c.text_offsets[column * (c.n + 1) + i]
    text.stop = c.text_offsets[column * (c.n + 1) + i + 1]


cdef void _row(
    Row* row, Lexicon lexicon, const Columns* c, Py_ssize_t at, const uint8_t* raw,
    int32_t* ends, uint8_t* terms,
) noexcept nogil:
    cdef Text body, subject, name, address, domain, reply, msgid
    cdef Host hosts[MAX_LINKS]
    cdef const int16_t* first = c.first + at * N_KNOWN
    cdef const FieldRecord* fields = c.fields + c.field_indptr[at]
    cdef const LinkRecord* links = c.links + c.link_indptr[at]
    cdef Py_ssize_t n_fields = c.field_indptr[at + 1] - c.field_indptr[at]
    cdef Py_ssize_t n_links = c.link_indptr[at + 1] - c.link_indptr[at]
    cdef const PartRecord* parts = c.parts + c.part_indptr[at]
    cdef Py_ssize_t n_parts = c.part_indptr[at + 1] - c.part_indptr[at], i
    cdef uint32_t damage = c.flags[at] & DAMAGE
    cdef int bit, replies
    body.buf, body.room = c.body.data, c.body.size
    body.start, body.stop = c.body_offsets[at], c.body_offsets[at + 1]
    if n_fields == 0 and n_links == 0 and skip_lwsp(body.buf, body.start, body.stop) == body.stop:
        memset(ends, 0, N_GROUPS * sizeof(int32_t))         # nothing is said: no features
        return
    _column(c, T_SUBJECT, at, &subject)
    _column(c, T_FROM_NAME, at, &name)
    _column(c, T_FROM_ADDRESS, at, &address)
    _column(c, T_FROM_DOMAIN, at, &domain)
    _column(c, T_REPLY_TO, at, &reply)
    _column(c, T_MESSAGE_ID, at, &msgid)
    body.stop = without_footer(&body)
    replies = without_marks(&subject)
    wording_text(row, &body, lexicon, terms)
    wording_subject(row, &subject, lexicon, terms)
    ends[TEXT] = <int32_t> (row.indices.size // 4 - row.start)
    row_form(row)
    for i in range(lexicon.n_categories):
        if terms[i]:
            row_fact(row, N_LEXICON, i, log2_of(terms[i] if terms[i] < MAX_TERMS else MAX_TERMS))
    ends[LEXICON] = <int32_t> (row.indices.size // 4 - row.start)
    facts_text(row, &body)
    facts_subject(row, &subject, first[F_SUBJECT] >= 0, replies)
    ends[SHAPE] = <int32_t> (row.indices.size // 4 - row.start)
    facts_links(row, links, n_links, c.strings, &body, &domain, hosts)
    ends[LINKS] = <int32_t> (row.indices.size // 4 - row.start)
    facts_parts(row, parts, n_parts, c.strings, c.n_hidden[at], body.stop - body.start)
    for bit in range(21):
        if damage >> bit & 1:
            row_fact(row, N_DAMAGE, bit, 1)
    ends[STRUCTURE] = <int32_t> (row.indices.size // 4 - row.start)
    facts_sender(row, &name, &address, &domain)
    facts_identity(row, &domain, &reply, &msgid, first, fields, raw)
    facts_fields(row, first, fields, n_fields, raw)
    row_fact(row, N_RECIPIENTS, 0, log2_of(c.to_indptr[at + 1] - c.to_indptr[at]))
    ends[IDENTITY] = <int32_t> (row.indices.size // 4 - row.start)
    facts_origin(row, fields, n_fields, raw, &domain)
    ends[ORIGIN] = <int32_t> (row.indices.size // 4 - row.start)
    facts_authentication(
        row, first, fields, c.trusted[at] if c.trusted[at] < n_fields else -1, raw)
    ends[AUTHENTICATION] = <int32_t> (row.indices.size // 4 - row.start)
    row_close(row, 1.0)
    url_words(row, links, n_links, c.strings, &body, hosts)
    ends[URLS] = <int32_t> (row.indices.size // 4 - row.start)
    row_close(row, 0.5)


cdef void _each(
    const Columns* c, Messages messages, Lexicon lexicon,   # IN
    Row* row, int64_t* indptr, int32_t* ends, uint8_t* terms,   # OUT
) noexcept nogil:
    cdef Py_ssize_t i
    indptr[0] = 0
    for i in range(c.n):
        row_begin(row, i, c.body_offsets[i + 1] - c.body_offsets[i])
        _row(row, lexicon, c, i, messages.items[i].buf, ends + i * N_GROUPS,
             terms + i * lexicon.n_categories)
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
    const int32_t[::1] trusted not None,        # IN   (n,) results that count: a field, or -1
    Lexicon lexicon not None,                   # IN
    uint32_t[::1] seen not None,                # IN   scratch: N_SEEN entries, any content
    int64_t[::1] indptr not None,               # OUT  (n + 1,)
    int32_t[:, ::1] ends not None,              # OUT  (n, N_GROUPS) end of each group in its row
    uint8_t[:, ::1] terms not None,             # OUT  (n, n_categories) terms found, 255 at most
    Bytes indices not None,                     # OUT  int32, below N_BUCKETS
    Bytes data not None,                        # OUT  float32
):
    """Make the rows. ValueError when shapes do not fit, MemoryError when memory ends."""
    cdef Py_ssize_t n = messages.count
    cdef Columns c
    cdef Row row
    cdef uint8_t minded[FILTER]
    cdef int column
    if (
        first.shape[0] != n or first.shape[1] != N_KNOWN or field_indptr.shape[0] != n + 1
        or len(texts) != N_TEXT or text_offsets.shape[0] != N_TEXT
        or text_offsets.shape[1] != n + 1 or to_indptr.shape[0] != n + 1
        or body_offsets.shape[0] != n + 1 or part_indptr.shape[0] != n + 1
        or link_indptr.shape[0] != n + 1 or n_hidden.shape[0] != n or flags.shape[0] != n
        or trusted.shape[0] != n
        or terms.shape[0] != n or terms.shape[1] != lexicon.n_categories
        or indptr.shape[0] != n + 1 or ends.shape[0] != n or ends.shape[1] != N_GROUPS
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
    c.trusted = &trusted[0]
    row.indices, row.data = &indices.arena, &data.arena
    row.seen = &seen[0]
    wording_minded(lexicon, minded)
    row.minded = minded
    bytes_reserve(indices, min(2500 * n, 1 << 26))
    bytes_reserve(data, min(2500 * n, 1 << 26))
    memset(&terms[0, 0], 0, <size_t> (n * lexicon.n_categories))
    with nogil:
        _each(&c, messages, lexicon, &row, &indptr[0], &ends[0, 0], &terms[0, 0])
    if row.indices.failed or row.data.failed:
        raise MemoryError("a column of the features could not grow")
