"""Features of each message: one row of a CSR matrix, hashed.

The door features_batch, and the order of the groups in a row: words of text and subject
(wording.pyx), then what facts.pyx says of shape, links, structure, identity, origin and
authentication, then the words of link targets. docs/features.md lists every feature.
Not used, as they tell where mail was collected and not what it is: hosts of Received,
Delivered-To, Sender, Errors-To, Precedence, list fields, recipients' addresses, dates.
"""
from atlas_fast._kernels.arena cimport Arena, arena_reserve
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.facts cimport (
    facts_authentication, facts_fields, facts_identity, facts_links, facts_origin, facts_parts,
    facts_sender, facts_subject, facts_text, url_words,
)
from atlas_fast._kernels.headers cimport (
    F_SUBJECT, FieldRecord, N_KNOWN, N_TEXT, T_FROM_ADDRESS, T_FROM_DOMAIN, T_FROM_NAME,
    T_MESSAGE_ID, T_REPLY_TO, T_SUBJECT,
)
from atlas_fast._kernels.html cimport LinkRecord
from atlas_fast._kernels.messages cimport Messages
from atlas_fast._kernels.mime cimport PartRecord
from atlas_fast._kernels.rows cimport (
    BUCKETS, N_DAMAGE, N_RECIPIENTS, Row, SEEN, Text, log2_of, row_begin, row_close, row_fact,
)
from atlas_fast._kernels.types cimport int16_t, int32_t, int64_t, uint8_t, uint32_t
from atlas_fast._kernels.wording cimport (
    without_footer, without_marks, wording_subject, wording_text,
)

LAYOUT = 2
"""Version of the features; a model of another version is refused."""

N_BUCKETS = BUCKETS
"""Columns of the matrix: features are hashed into so many."""

N_SEEN = SEEN
"""Entries of the kernel's scratch."""

GROUPS = (
    "text", "shape", "links", "structure", "identity", "origin", "authentication", "urls",
)
"""Groups of a row in their order."""

cdef enum:
    TEXT = 0
    SHAPE = 1
    LINKS = 2
    STRUCTURE = 3
    IDENTITY = 4
    ORIGIN = 5
    AUTHENTICATION = 6
    URLS = 7
    N_GROUPS = 8

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
    Py_ssize_t n


cdef inline void _column(const Columns* c, int column, Py_ssize_t i, Text* text) noexcept nogil:
    text.buf = c.texts[column].data
    text.start = c.text_offsets[column * (c.n + 1) + i]
    text.stop = c.text_offsets[column * (c.n + 1) + i + 1]


cdef void _row(
    Row* row, const Columns* c, Py_ssize_t i, const uint8_t* raw, int32_t* ends,
) noexcept nogil:
    cdef Text body, subject, name, address, domain, reply, msgid
    cdef const int16_t* first = c.first + i * N_KNOWN
    cdef const FieldRecord* fields = c.fields + c.field_indptr[i]
    cdef const LinkRecord* links = c.links + c.link_indptr[i]
    cdef Py_ssize_t n_fields = c.field_indptr[i + 1] - c.field_indptr[i]
    cdef Py_ssize_t n_links = c.link_indptr[i + 1] - c.link_indptr[i]
    cdef uint32_t damage = c.flags[i] & DAMAGE
    cdef int bit, replies
    body.buf = c.body.data
    body.start, body.stop = c.body_offsets[i], c.body_offsets[i + 1]
    _column(c, T_SUBJECT, i, &subject)
    _column(c, T_FROM_NAME, i, &name)
    _column(c, T_FROM_ADDRESS, i, &address)
    _column(c, T_FROM_DOMAIN, i, &domain)
    _column(c, T_REPLY_TO, i, &reply)
    _column(c, T_MESSAGE_ID, i, &msgid)
    body.stop = without_footer(&body)
    replies = without_marks(&subject)
    wording_text(row, &body)
    wording_subject(row, &subject)
    ends[TEXT] = <int32_t> (row.indices.size // 4 - row.start)
    facts_text(row, &body)
    facts_subject(row, &subject, first[F_SUBJECT] >= 0, replies)
    ends[SHAPE] = <int32_t> (row.indices.size // 4 - row.start)
    facts_links(row, links, n_links, c.strings, &body, &domain)
    ends[LINKS] = <int32_t> (row.indices.size // 4 - row.start)
    facts_parts(row, c.parts + c.part_indptr[i], c.part_indptr[i + 1] - c.part_indptr[i],
                c.strings, c.n_hidden[i], body.stop - body.start)
    for bit in range(21):
        if damage >> bit & 1:
            row_fact(row, N_DAMAGE, bit, 1)
    ends[STRUCTURE] = <int32_t> (row.indices.size // 4 - row.start)
    facts_sender(row, &name, &address, &domain)
    facts_identity(row, &domain, &reply, &msgid, first, fields, raw)
    facts_fields(row, first, fields, n_fields, raw)
    row_fact(row, N_RECIPIENTS, 0, log2_of(c.to_indptr[i + 1] - c.to_indptr[i]))
    ends[IDENTITY] = <int32_t> (row.indices.size // 4 - row.start)
    facts_origin(row, fields, n_fields, raw, &domain)
    ends[ORIGIN] = <int32_t> (row.indices.size // 4 - row.start)
    facts_authentication(row, first, fields, raw)
    ends[AUTHENTICATION] = <int32_t> (row.indices.size // 4 - row.start)
    row_close(row, 1.0)
    url_words(row, links, n_links, c.strings, &body)
    ends[URLS] = <int32_t> (row.indices.size // 4 - row.start)
    row_close(row, 0.5)


cdef void _each(
    const Columns* c, Messages messages, Row* row, int64_t* indptr, int32_t* ends,
) noexcept nogil:
    cdef Py_ssize_t i
    indptr[0] = 0
    for i in range(c.n):
        row_begin(row, i, c.body_offsets[i + 1] - c.body_offsets[i])
        _row(row, c, i, messages.items[i].buf, ends + i * N_GROUPS)
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
    int32_t[:, ::1] ends not None,              # OUT  (n, N_GROUPS) end of each group in its row
    Bytes indices not None,                     # OUT  int32, below N_BUCKETS
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
    row.indices, row.data = &indices.arena, &data.arena
    row.seen = &seen[0]
    arena_reserve(row.indices, min(2000 * n, 1 << 26))
    arena_reserve(row.data, min(2000 * n, 1 << 26))
    with nogil:
        _each(&c, messages, &row, &indptr[0], &ends[0, 0])
    if row.indices.failed or row.data.failed:
        raise MemoryError("a column of the features could not grow")
