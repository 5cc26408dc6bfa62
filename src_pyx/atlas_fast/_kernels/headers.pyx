"""The header section of each message of a batch, in one pass.

(a) identify: a field name to the id of a known field, by a perfect hash made at import.
(b) scan_fields: spans of all fields of one message. The fast loop knows LF and CRLF; a check over
    the section then looks for a bare CR, and only a message that has one is scanned again, slowly.
(c) decode_row: the text columns of one message from its spans.
(d) headers_batch: the door; views in and out, shapes checked, errors raised with the GIL.
All positions are relative to the message. RFC 5322 with the obsolete forms met in the wild.
"""
from libc.string cimport memcpy, memset

from atlas_fast._kernels.addresses cimport (
    Mailbox, MailboxState, addr_spec_append, domain_start, next_mailbox, phrase_append,
)
from atlas_fast._kernels.arena cimport Arena, arena_reserve
from atlas_fast._kernels.ascii cimport is_wsp, lower
from atlas_fast._kernels.blocks cimport Block, ctz, prefetch, read_block
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.dates cimport parse_date
from atlas_fast._kernels.fields cimport Field, is_name, next_field, skip_envelope
from atlas_fast._kernels.messages cimport Extent, Messages
from atlas_fast._kernels.msgids cimport bare_msgid, next_msgid
from atlas_fast._kernels.types cimport (
    DATE_BAD, HDR_8BIT, HDR_EMPTY, HDR_FIELD_CUT, HDR_NO_BLANK_LINE, HDR_NUL,
    HDR_TOO_MANY_FIELDS, MSG_CUT, NO_MEMORY, Span, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t,
    uint32_t, uint64_t,
)
from atlas_fast._kernels.words cimport words_append

FIELD_NAMES = (
    "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "Return-Path", "Content-Type",
    "Content-Transfer-Encoding", "Content-Disposition", "Received", "Authentication-Results",
    "Received-SPF", "DKIM-Signature", "ARC-Authentication-Results", "ARC-Message-Signature",
    "ARC-Seal", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Post", "List-Help",
    "List-Subscribe", "List-Archive", "List-Owner", "Cc", "Bcc", "Sender", "In-Reply-To",
    "References", "MIME-Version", "X-Mailer", "User-Agent", "Precedence", "Auto-Submitted",
    "X-Originating-IP", "X-Priority", "Importance", "Organization", "Delivered-To", "Feedback-ID",
)
TEXT_COLUMNS = (
    "subject", "from_name", "from_address", "from_domain", "message_id", "reply_to", "return_path",
)
NO_DATE = -(1 << 63)

cdef enum:
    NAME_SIZE = 32
    N_SLOTS = 1024

cdef int64_t NO_DATE_CODE = <int64_t> (<uint64_t> 1 << 63)

cdef struct Caps:
    Py_ssize_t message
    Py_ssize_t fields
    Py_ssize_t field_bytes
    Py_ssize_t addresses

cdef struct Row:                # where the columns of one message go
    int16_t* first              # N_KNOWN: the first such field of the message, or -1
    const FieldRecord* fields   # of the message, when all are read
    int32_t body
    int32_t n_fields
    int32_t n_received
    int64_t date
    int32_t zone
    uint32_t flags

cdef struct Texts:
    Arena* columns[N_TEXT]
    Arena* to_name
    Arena* to_address
    Arena* to_ends              # two int64 for each mailbox: stop in to_name, stop in to_address

# Filled below while the module is imported; read only afterwards.
cdef uint8_t KNOWN_NAME[N_KNOWN][NAME_SIZE]
cdef uint8_t KNOWN_SIZE[N_KNOWN]
cdef int8_t SLOT[N_SLOTS]
cdef uint32_t MULTIPLIER[3]


cdef inline uint32_t _slot_of(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    return (
        <uint32_t> size + (buf[0] | 32) * MULTIPLIER[0] + (buf[size - 1] | 32) * MULTIPLIER[1]
        + (buf[size >> 1] | 32) * MULTIPLIER[2]
    ) & (N_SLOTS - 1)


cdef inline int identify(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    """Id of the field name buf[0:size] (ftext only), or -1. `| 32` folds case in ftext letters."""
    cdef int known
    cdef Py_ssize_t i
    cdef uint64_t here, there
    if size < 2 or size >= NAME_SIZE:
        return -1
    known = SLOT[_slot_of(buf, size)]
    if known < 0 or KNOWN_SIZE[known] != size:
        return -1
    if size < 8:
        for i in range(size):
            if buf[i] | 32 != KNOWN_NAME[known][i]:
                return -1
        return known
    i = 0
    while True:
        memcpy(&here, buf + i, 8)
        memcpy(&there, &KNOWN_NAME[known][i], 8)
        if here | 0x2020202020202020u != there:
            return -1
        if i + 8 == size:
            return known
        i = i + 8 if i + 16 <= size else size - 8


cdef inline void _put_field(
    const Field* field, int known, const Caps* caps,        # IN
    Row* row, Arena* fields,                                # OUT
) noexcept nogil:
    cdef FieldRecord* record
    if row.n_fields >= caps.fields:
        row.flags |= HDR_TOO_MANY_FIELDS
        return
    if not arena_reserve(fields, sizeof(FieldRecord)):
        row.flags |= NO_MEMORY
        return
    record = <FieldRecord*> (fields.data + fields.size)
    fields.size += sizeof(FieldRecord)
    record.start = <int32_t> field.value_start
    record.stop = <int32_t> field.value_stop
    record.name_gap = <uint16_t> min(field.value_start - field.name_start, 0xFFFF)
    record.name_size = <uint8_t> min(field.name_stop - field.name_start, 0xFF)
    record.id = <int8_t> known
    if known >= 0:
        row.n_received += known == F_RECEIVED
        if row.first[known] < 0:
            row.first[known] = <int16_t> row.n_fields
    row.n_fields += 1


cdef void _scan_any(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, const Caps* caps,  # IN
    Row* row, Arena* fields,                                                # OUT
) noexcept nogil:
    """All fields, whatever ends the lines."""
    cdef Field field
    cdef bint more = True
    cdef int known
    while True:
        pos = next_field(buf, pos, stop, &field, &more, &row.flags)
        if not more:
            row.body = <int32_t> pos
            return
        known = identify(buf + field.name_start, field.name_stop - field.name_start)
        _put_field(&field, known, caps, row, fields)


cdef struct Lines:              # the walk over the lines of one message, a block at a time
    const uint8_t* buf
    Py_ssize_t base             # where the current block starts
    Py_ssize_t stop
    uint64_t lf                 # line ends of the block that are still to come
    uint64_t colon
    uint64_t held               # 1 when the last byte of the block is a CR
    bint bare                   # a CR without LF was seen
    bint high
    bint nul


cdef inline void _next_block(Lines* lines) noexcept nogil:
    cdef Block block
    cdef uint8_t last[64]
    cdef Py_ssize_t rest = lines.stop - lines.base
    if rest >= 64:
        read_block(lines.buf + lines.base, &block)
    else:                                                   # the end: pad with what means nothing
        memset(last, 32, 64)
        memcpy(last, lines.buf + lines.base, <size_t> rest)
        read_block(last, &block)
    lines.lf = block.lf
    lines.colon = block.colon
    lines.high |= block.high
    lines.nul |= block.nul
    lines.bare |= (((block.cr << 1) | lines.held) & ~block.lf) != 0
    lines.held = block.cr >> 63


cdef inline Py_ssize_t _next_lf(Lines* lines) noexcept nogil:
    """Position of the next LF, or stop."""
    cdef Py_ssize_t at
    while lines.lf == 0:
        lines.base += 64
        if lines.base >= lines.stop:
            lines.base = lines.stop
            return lines.stop
        _next_block(lines)
    at = lines.base + ctz(lines.lf)
    lines.lf &= lines.lf - 1
    return at


cdef inline Py_ssize_t _colon(const Lines* lines, Py_ssize_t pos, Py_ssize_t end) noexcept nogil:
    """First colon of the line [pos, end), or end; the block of masks is that of end or before."""
    cdef Py_ssize_t skip = pos - lines.base
    cdef uint64_t mask
    if skip >= 0:
        mask = lines.colon >> skip if skip < 64 else 0
        if mask:
            skip = pos + ctz(mask)
            return skip if skip < end else end
        return end
    while pos < end and lines.buf[pos] != 58:
        pos += 1
    return pos


cdef inline bint _read_name(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t colon, Py_ssize_t end,   # IN
    Field* field, int* known,                                               # OUT
) noexcept nogil:
    """Is [pos, colon) a field name? A known one needs no look at its characters."""
    cdef Py_ssize_t stop = colon
    if colon == end:
        return False
    while stop > pos and is_wsp(buf[stop - 1]):             # obs-optional: WSP before the colon
        stop -= 1
    known[0] = identify(buf + pos, stop - pos)
    if known[0] < 0 and not is_name(buf, pos, stop):
        return False
    field.name_start = pos
    field.name_stop = stop
    pos = colon + 1
    while pos < end and is_wsp(buf[pos]):
        pos += 1
    field.value_start = pos
    return True


cdef bint _scan_lf(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, const Caps* caps,  # IN
    Row* row, Arena* fields,                                                # OUT
) noexcept nogil:
    """All fields, where lines end in LF or CRLF. False when a bare CR makes the answer wrong."""
    cdef Field field
    cdef Lines lines
    cdef Py_ssize_t lf, end, colon
    cdef bint open = False
    cdef int known = -1
    cdef Py_ssize_t start = pos
    memset(&lines, 0, sizeof(lines))
    lines.buf = buf
    lines.base = pos - 64
    lines.stop = stop
    row.flags |= HDR_NO_BLANK_LINE
    while pos < stop:
        lf = _next_lf(&lines)
        end = lf
        if end > pos and buf[end - 1] == 13:
            end -= 1
        if open and is_wsp(buf[pos]):                       # folded: the field goes on
            field.value_stop = end
            pos = lf + 1
            continue
        if open:
            _put_field(&field, known, caps, row, fields)
            open = False
        if lines.bare:
            return False
        if end == pos:                                      # the empty line
            if lf < stop:
                row.flags &= ~(<uint32_t> HDR_NO_BLANK_LINE)
            pos = lf + 1
            break
        colon = _colon(&lines, pos, end)
        if not _read_name(buf, pos, colon, end, &field, &known):
            break
        field.value_stop = end
        open = True
        pos = lf + 1
    if open:
        _put_field(&field, known, caps, row, fields)
    row.body = <int32_t> (pos if pos < stop else stop)
    if lines.high or lines.nul:
        row.flags |= _look_over(buf, start, row.body)
    return not lines.bare and not lines.held


cdef uint32_t _look_over(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """HDR_8BIT and HDR_NUL of [start, stop): the blocks may have seen them in the body."""
    cdef uint8_t high = 0, nul = 0
    cdef Py_ssize_t i
    for i in range(start, stop):
        high |= buf[i]
        nul |= buf[i] == 0
    return (HDR_8BIT if high & 0x80 else 0) | (HDR_NUL if nul else 0)


cdef void scan_fields(
    const uint8_t* buf, Py_ssize_t size, const Caps* caps,  # IN
    Row* row, Arena* fields,                                # OUT
) noexcept nogil:
    cdef Py_ssize_t start, mark = fields.size
    cdef uint32_t flags
    memset(row.first, 0xFF, N_KNOWN * sizeof(int16_t))
    row.n_fields = row.n_received = 0
    if size > caps.message:
        size = caps.message
        row.flags |= MSG_CUT
    flags = row.flags
    start = skip_envelope(buf, 0, size)
    if not _scan_lf(buf, start, size, caps, row, fields):
        fields.size = mark
        memset(row.first, 0xFF, N_KNOWN * sizeof(int16_t))
        row.n_fields = row.n_received = 0
        row.flags = flags
        _scan_any(buf, start, size, caps, row, fields)
        row.flags |= _look_over(buf, start, row.body)
    row.fields = <const FieldRecord*> (fields.data + mark) if row.n_fields else NULL
    if row.n_fields == 0:
        row.flags |= HDR_EMPTY


cdef inline bint _find(
    Row* row, int known, const Caps* caps,                  # IN   sets HDR_FIELD_CUT
    Span* span,                                             # OUT  the part of the body to decode
) noexcept nogil:
    """Does the message have this field?"""
    cdef int16_t at = row.first[known]
    if at < 0:
        return False
    span.start = row.fields[at].start
    span.stop = row.fields[at].stop
    if span.stop - span.start > caps.field_bytes:
        row.flags |= HDR_FIELD_CUT
        span.stop = span.start + <int32_t> caps.field_bytes
    return True


cdef inline void _address_column(
    const uint8_t* buf, int known, const Caps* caps,        # IN
    Row* row, Arena* out,                                   # OUT
) noexcept nogil:
    cdef Mailbox box
    cdef MailboxState state
    cdef Span span
    if _find(row, known, caps, &span):
        memset(&state, 0, sizeof(state))
        if next_mailbox(buf, span.start, span.stop, &state, &box, &row.flags) >= 0:
            addr_spec_append(buf, box.address_start, box.address_stop, out, &row.flags)


cdef void _from_columns(
    const uint8_t* buf, const Caps* caps,                   # IN
    Row* row, Texts* texts,                                 # OUT
) noexcept nogil:
    cdef Mailbox box
    cdef MailboxState state
    cdef Span span
    cdef Arena* address = texts.columns[T_FROM_ADDRESS]
    cdef Arena* domain = texts.columns[T_FROM_DOMAIN]
    cdef Py_ssize_t mark, i, at
    if not _find(row, F_FROM, caps, &span):
        return
    memset(&state, 0, sizeof(state))
    if next_mailbox(buf, span.start, span.stop, &state, &box, &row.flags) < 0:
        return
    phrase_append(buf, box.name_start, box.name_stop, texts.columns[T_FROM_NAME], &row.flags)
    mark = address.size
    addr_spec_append(buf, box.address_start, box.address_stop, address, &row.flags)
    at = domain_start(address.data, mark, address.size)
    if at < address.size and arena_reserve(domain, address.size - at):
        for i in range(at, address.size):
            domain.data[domain.size + i - at] = lower(address.data[i])
        domain.size += address.size - at


cdef void _to_columns(
    const uint8_t* buf, const Caps* caps,                   # IN
    Row* row, Texts* texts,                                 # OUT
) noexcept nogil:
    cdef Mailbox box
    cdef MailboxState state
    cdef Span span
    cdef Py_ssize_t pos, n = 0
    cdef int64_t* ends
    if not _find(row, F_TO, caps, &span):
        return
    memset(&state, 0, sizeof(state))
    pos = next_mailbox(buf, span.start, span.stop, &state, &box, &row.flags)
    while pos >= 0:
        if n >= caps.addresses:
            row.flags |= HDR_FIELD_CUT
            return
        if not arena_reserve(texts.to_ends, 2 * sizeof(int64_t)):
            row.flags |= NO_MEMORY
            return
        phrase_append(buf, box.name_start, box.name_stop, texts.to_name, &row.flags)
        addr_spec_append(
            buf, box.address_start, box.address_stop, texts.to_address, &row.flags)
        ends = <int64_t*> (texts.to_ends.data + texts.to_ends.size)
        ends[0] = texts.to_name.size
        ends[1] = texts.to_address.size
        texts.to_ends.size += 2 * sizeof(int64_t)
        n += 1
        pos = next_mailbox(buf, pos, span.stop, &state, &box, &row.flags)


cdef void decode_row(
    const uint8_t* buf, const Caps* caps,                   # IN
    Row* row, Texts* texts,                                 # OUT
) noexcept nogil:
    cdef Span span
    cdef Py_ssize_t start, id_stop = 0
    if _find(row, F_SUBJECT, caps, &span):
        words_append(buf, span.start, span.stop, texts.columns[T_SUBJECT], &row.flags)
    _from_columns(buf, caps, row, texts)
    _to_columns(buf, caps, row, texts)
    _address_column(buf, F_REPLY_TO, caps, row, texts.columns[T_REPLY_TO])
    _address_column(buf, F_RETURN_PATH, caps, row, texts.columns[T_RETURN_PATH])
    if _find(row, F_MESSAGE_ID, caps, &span):
        start = span.start
        if next_msgid(buf, &start, span.stop, &id_stop) or bare_msgid(
                buf, &start, span.stop, &id_stop):
            words_append(buf, start, id_stop, texts.columns[T_MESSAGE_ID], &row.flags)
    row.date = NO_DATE_CODE
    row.zone = 0
    if _find(row, F_DATE, caps, &span) and not parse_date(
            buf, span.start, span.stop, &row.date, &row.zone):
        row.date = NO_DATE_CODE
        row.flags |= DATE_BAD


cdef inline void _prefetch(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    """Ask for the header section of the next message while this one is read."""
    cdef Py_ssize_t at = 0
    while at < size and at < 2048:
        prefetch(buf + at)
        at += 64


cdef void _each(
    const Extent* items, Py_ssize_t n, const Caps* caps,    # IN
    int16_t* first, int32_t* body, int32_t* n_fields, int32_t* n_received, int64_t* date,  # OUT
    int32_t* zone, Arena* fields, int64_t* field_indptr, Texts* texts, int64_t* text_offsets,
    int64_t* to_indptr, uint32_t* flags,
) noexcept nogil:
    cdef Row row
    cdef Py_ssize_t i
    cdef int column
    field_indptr[0] = to_indptr[0] = 0
    for column in range(N_TEXT):
        text_offsets[column * (n + 1)] = 0
    for i in range(n):
        if i + 1 < n:
            _prefetch(items[i + 1].buf, items[i + 1].size)
        row.first = first + i * N_KNOWN
        row.flags = 0
        scan_fields(items[i].buf, items[i].size, caps, &row, fields)
        decode_row(items[i].buf, caps, &row, texts)
        body[i] = row.body
        n_fields[i] = row.n_fields
        n_received[i] = row.n_received
        date[i] = row.date
        zone[i] = row.zone
        field_indptr[i + 1] = fields.size // sizeof(FieldRecord)
        to_indptr[i + 1] = texts.to_ends.size // (2 * sizeof(int64_t))
        for column in range(N_TEXT):
            text_offsets[column * (n + 1) + i + 1] = texts.columns[column].size
        flags[i] |= row.flags


def headers_batch(
    Messages messages not None,             # IN
    tuple caps not None,                    # IN   bytes of a message, fields, bytes of a field, addresses
    int16_t[:, ::1] first not None,         # OUT  (n, N_KNOWN) number of the first such field, or -1
    int32_t[::1] body not None,             # OUT  (n,) where the body starts
    int32_t[::1] n_fields not None,         # OUT  (n,)
    int32_t[::1] n_received not None,       # OUT  (n,)
    int64_t[::1] date not None,             # OUT  (n,) seconds since the epoch, or NO_DATE
    int32_t[::1] zone not None,             # OUT  (n,) minutes east of UTC as written, or NO_ZONE
    Bytes fields not None,                  # OUT  FieldRecord of every field
    int64_t[::1] field_indptr not None,     # OUT  (n + 1,)
    list texts not None,                    # OUT  N_TEXT of Bytes, in the order of TEXT_COLUMNS
    int64_t[:, ::1] text_offsets not None,  # OUT  (N_TEXT, n + 1)
    Bytes to_name not None,                 # OUT  display names of To
    Bytes to_address not None,              # OUT  addresses of To
    Bytes to_ends not None,                 # OUT  two int64 a mailbox: stop of name and of address
    int64_t[::1] to_indptr not None,        # OUT  (n + 1,) mailboxes
    uint32_t[::1] flags not None,           # OUT  (n,) bits are or-ed in
):
    """Fill the header columns. ValueError when shapes do not fit, MemoryError when memory ends."""
    cdef Py_ssize_t n = messages.count
    cdef Caps c
    cdef Texts t
    cdef int column
    c.message, c.fields, c.field_bytes, c.addresses = caps
    if not (0 < c.message < 1 << 31 and 0 < c.fields < 1 << 15):
        raise ValueError("the cap of a message needs to fit int32, that of fields int16")
    if (
        first.shape[0] != n or first.shape[1] != N_KNOWN
        or body.shape[0] != n or n_fields.shape[0] != n or n_received.shape[0] != n
        or date.shape[0] != n or zone.shape[0] != n or flags.shape[0] != n
        or field_indptr.shape[0] != n + 1 or to_indptr.shape[0] != n + 1
        or text_offsets.shape[0] != N_TEXT or text_offsets.shape[1] != n + 1
        or len(texts) != N_TEXT
    ):
        raise ValueError("outputs do not fit the number of messages")
    outputs = [fields, to_name, to_address, to_ends, *texts]
    for out in outputs:
        (<Bytes?> out).clear()              # BufferError while somebody looks at the last content
    if n == 0:
        field_indptr[0] = to_indptr[0] = 0
        for column in range(N_TEXT):
            text_offsets[column, 0] = 0
        return
    # Typical sizes, so that growing copies little; pages that are not used cost nothing.
    arena_reserve(&fields.arena, min(n * 32 * <Py_ssize_t> sizeof(FieldRecord), fields.arena.limit))
    for column in range(N_TEXT):
        t.columns[column] = &(<Bytes> texts[column]).arena
        arena_reserve(t.columns[column], min(n * 48, t.columns[column].limit))
    t.to_name = &to_name.arena
    t.to_address = &to_address.arena
    t.to_ends = &to_ends.arena
    with nogil:
        _each(
            messages.items, n, &c, &first[0, 0], &body[0], &n_fields[0],
            &n_received[0], &date[0], &zone[0], &fields.arena, &field_indptr[0], &t,
            &text_offsets[0, 0], &to_indptr[0], &flags[0])
    for out in outputs:
        if (<Bytes> out).arena.failed:
            raise MemoryError("a header column could not grow")


cdef int check_fields(
    Messages messages, const int16_t[:, ::1] first, Bytes fields, const int64_t[::1] indptr,
) except -1:
    """ValueError unless these are header columns of these messages: for doors that read fields."""
    cdef Py_ssize_t n = messages.count, i, k
    cdef int64_t total = fields.arena.size // <Py_ssize_t> sizeof(FieldRecord)
    cdef const FieldRecord* records = <const FieldRecord*> fields.arena.data
    if first.shape[0] != n or first.shape[1] != N_KNOWN or indptr.shape[0] != n + 1:
        raise ValueError("header columns do not fit the number of messages")
    for i in range(n):
        if not 0 <= indptr[i] <= indptr[i + 1] <= total:
            raise ValueError(f"fields of message {i} do not fit")
        for k in range(N_KNOWN):
            if not -1 <= first[i, k] < indptr[i + 1] - indptr[i]:
                raise ValueError(f"fields of message {i} do not fit")
        for k in range(indptr[i], indptr[i + 1]):
            if not 0 <= records[k].start <= records[k].stop <= messages.items[i].size:
                raise ValueError(f"fields of message {i} do not fit")
    return 0


cdef Py_ssize_t _section_end(const uint8_t* buf, Py_ssize_t stop) noexcept nogil:
    """Where the body starts, or stop. Nothing behind the line that ends the section is read."""
    cdef Field field
    cdef bint more = True
    cdef uint32_t ignored = 0
    cdef Py_ssize_t pos = skip_envelope(buf, 0, stop)
    while more:
        pos = next_field(buf, pos, stop, &field, &more, &ignored)
    return pos


def header_ends(
    Messages messages not None,             # IN
    Py_ssize_t cap,                         # IN   bytes of a message that are looked at
    int64_t[::1] ends not None,             # OUT  (n,) where each body starts; cap where later
):
    """Fill `ends`. ValueError when shapes or cap do not fit."""
    cdef Py_ssize_t i, size, n = messages.count
    if ends.shape[0] != n or cap < 0:
        raise ValueError("ends needs a place for each message, cap a number from 0")
    with nogil:
        for i in range(n):
            size = messages.items[i].size
            ends[i] = _section_end(messages.items[i].buf, size if size < cap else cap)


def identify_field(const uint8_t[::1] name not None):
    """Position of a field name in FIELD_NAMES, or -1."""
    if name.shape[0] == 0:
        return -1
    return identify(&name[0], name.shape[0])


def _build():
    """Find multipliers under which no two known names share a slot; fill the tables."""
    if len(FIELD_NAMES) != N_KNOWN or len(TEXT_COLUMNS) != N_TEXT:
        raise AssertionError("enums and names differ")
    ids = {
        F_FROM: "From", F_TO: "To", F_RETURN_PATH: "Return-Path", F_CONTENT_TYPE: "Content-Type",
        F_RECEIVED: "Received", F_AUTH_RESULTS: "Authentication-Results",
        F_RECEIVED_SPF: "Received-SPF", F_DKIM_SIGNATURE: "DKIM-Signature",
        F_ARC_RESULTS: "ARC-Authentication-Results", F_ARC_SIGNATURE: "ARC-Message-Signature",
        F_ARC_SEAL: "ARC-Seal", F_X_ORIGINATING_IP: "X-Originating-IP",
        F_IN_REPLY_TO: "In-Reply-To", F_REFERENCES: "References",
        F_MIME_VERSION: "MIME-Version", F_X_MAILER: "X-Mailer", F_USER_AGENT: "User-Agent",
        F_X_PRIORITY: "X-Priority", F_IMPORTANCE: "Importance", F_ORGANIZATION: "Organization",
    }
    if any(FIELD_NAMES[known] != name for known, name in ids.items()):
        raise AssertionError("field ids and names differ")
    names = [name.lower().encode() for name in FIELD_NAMES]
    memset(KNOWN_NAME, 0, sizeof(KNOWN_NAME))
    for known, name in enumerate(names):
        KNOWN_SIZE[known] = len(name)
        for i in range(len(name)):
            KNOWN_NAME[known][i] = name[i]
    cdef uint32_t seed = 1
    while True:
        for i in range(3):
            seed = seed * 1664525u + 1013904223u
            MULTIPLIER[i] = seed >> 20 | 1
        slots = {_slot_of(<const uint8_t*> <const char*> name, len(name)) for name in names}
        if len(slots) == N_KNOWN:
            break
    memset(SLOT, 0xFF, sizeof(SLOT))
    for known, name in enumerate(names):
        SLOT[_slot_of(<const uint8_t*> <const char*> name, len(name))] = known


_build()
