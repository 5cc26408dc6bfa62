"""From the authentication fields of each message to results and a verdict.

(a) evidence_batch: which Authentication-Results and Received-SPF were written on the receiver's
    side, and what they say; the domains of DKIM-Signature; the shape of the ARC chain. Fields
    above the border (the last Received that the receiver's side wrote) are the receiver's. Right
    below it one more may be, of a server that adds its results before it adds its Received field:
    it counts when nothing above counts, and only under a name that is configured or related to
    the `by` name of the border. All others are somebody else's word: counted, and called forged
    when they bear a name that is the receiver's.
(b) verdict_batch: of the evidence, which SPF and DKIM result stands for the message, whether its
    domain is aligned with From (RFC 7489, 3.1), DMARC where the receiver gave none, authenticity
    and modifier. Between the two the caller finds the organizational domains.
"""
from atlas_fast._kernels.arena cimport Arena, arena_push, arena_reserve
from atlas_fast._kernels.ascii cimport is_alnum, is_digit, lower
from atlas_fast._kernels.authres cimport (
    R_FAIL, R_NONE, R_PASS, R_SOFTFAIL, Property, Results, Statement, next_pair, next_statement,
    next_tag, open_results, result_code, spf_result,
)
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.headers cimport (
    F_ARC_RESULTS, F_ARC_SEAL, F_ARC_SIGNATURE, F_AUTH_RESULTS, F_DKIM_SIGNATURE, F_RECEIVED,
    F_RECEIVED_SPF, F_RETURN_PATH, FieldRecord, check_fields,
)
from atlas_fast._kernels.messages cimport Messages
from atlas_fast._kernels.received cimport Hop, parse_received
from atlas_fast._kernels.scan cimport equals_fold
from atlas_fast._kernels.types cimport Span, int16_t, int32_t, int64_t, uint8_t, uint64_t

cdef enum:                      # kinds of evidence
    E_SPF_MAILFROM = 0
    E_SPF_HELO = 1
    E_DKIM = 2
    E_SIGNATURE = 3             # a DKIM-Signature: the signer's claim, no result

cdef enum:                      # twin: Source in atlas_fast/auth.py
    S_NONE = 0
    S_RESULTS = 1
    S_RECEIVED_SPF = 2
    S_COMPUTED = 3

cdef enum:                      # twin: Signal in atlas_fast/auth.py
    X_UNTRUSTED = 1 << 0
    X_FORGED = 1 << 1
    X_UNTRUSTED_SPF = 1 << 2
    X_ARC_BROKEN = 1 << 3
    X_TOO_MANY = 1 << 4

cdef enum:                      # twin: Alignment in atlas_fast/auth.py
    A_NONE = 0
    A_RELAXED = 1
    A_STRICT = 2

cdef enum:
    MAX_PROPERTIES = 64         # room on the stack

KINDS = ("SPF_MAILFROM", "SPF_HELO", "DKIM", "SIGNATURE")
SOURCES = ("NONE", "RESULTS", "RECEIVED_SPF", "COMPUTED")
SIGNALS = ("UNTRUSTED", "FORGED", "UNTRUSTED_SPF", "ARC_BROKEN", "TOO_MANY")

cdef struct Evidence:           # numpy twin: EVIDENCE_DTYPE in atlas_fast/auth.py
    int32_t start               # of the domain, in the arena of domains
    int32_t stop
    int32_t field               # number of the field that says so
    uint8_t kind
    uint8_t result
    uint8_t source
    uint8_t unused

cdef struct Caps:
    Py_ssize_t fields
    Py_ssize_t methods
    Py_ssize_t properties
    Py_ssize_t tags
    Py_ssize_t sets
    Py_ssize_t domain
    Py_ssize_t bytes            # of one field

cdef struct Mail:               # one message, while its fields are read
    const uint8_t* buf
    const FieldRecord* fields
    Py_ssize_t n
    Py_ssize_t above            # fields before this one are the receiver's
    Py_ssize_t beside           # [beside, beside_stop): where results may stand below the border
    Py_ssize_t beside_stop
    Span by                     # host of the border, or -1
    Span id                     # the authserv-id that counts, where none is configured
    bint have_id
    bint counted_above
    bint counted
    Py_ssize_t first            # the first field that counted, or -1
    bint have_spf

cdef struct Names:              # configured authserv-ids, lower-cased
    const uint8_t* text
    const int64_t* ends
    Py_ssize_t n
    bint below                  # may results stand right below the border?

cdef struct Out:
    Arena* evidence
    Arena* domains
    uint8_t dmarc
    uint8_t dmarc_source
    uint8_t arc
    uint8_t arc_source
    uint8_t iprev
    uint8_t iprev_source
    uint8_t arc_sets
    uint8_t signals
    uint8_t untrusted


cdef inline Py_ssize_t _stop(const FieldRecord* field, const Caps* caps) noexcept nogil:
    return field.stop if field.stop - field.start <= caps.bytes else field.start + caps.bytes


cdef inline bint _same(const uint8_t* buf, const Span* a, const Span* b) noexcept nogil:
    """Equal, ASCII case aside; two absent ones are."""
    cdef Py_ssize_t i, size = a.stop - a.start
    if size != b.stop - b.start:
        return False
    for i in range(size):
        if lower(buf[a.start + i]) != lower(buf[b.start + i]):
            return False
    return True


cdef bint _related(const uint8_t* buf, Span a, Span b) noexcept nogil:
    """Is one host name the other, or below it? A name without a dot is related to itself only."""
    cdef Span long, short, tail
    cdef Py_ssize_t i
    cdef bint dotted = False
    if a.start < 0 or b.start < 0:
        return False
    if a.stop > a.start and buf[a.stop - 1] == 46:
        a.stop -= 1
    if b.stop > b.start and buf[b.stop - 1] == 46:
        b.stop -= 1
    long, short = a, b
    if a.stop - a.start < b.stop - b.start:
        long, short = b, a
    if short.stop <= short.start:
        return False
    tail.start = long.stop - (short.stop - short.start)
    tail.stop = long.stop
    if not _same(buf, &tail, &short):
        return False
    if tail.start == long.start:
        return True
    for i in range(short.start, short.stop):
        dotted |= buf[i] == 46
    return dotted and buf[tail.start - 1] == 46


cdef bint _configured(const uint8_t* buf, const Span* id, const Names* names) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(names.n):
        if id.start >= 0 and equals_fold(
                buf, id.start, id.stop, <const char*> names.text + names.ends[i],
                <Py_ssize_t> (names.ends[i + 1] - names.ends[i])):
            return True
    return False


cdef inline bint _in_run(int id) noexcept nogil:
    return id == F_AUTH_RESULTS or id == F_RECEIVED_SPF or id == F_RETURN_PATH


cdef void _place(Mail* mail, int16_t border, const Caps* caps) noexcept nogil:
    """Find the border among the fields, and what may lie beside it."""
    cdef Hop hop
    cdef Py_ssize_t i
    cdef int n = 0
    mail.by.start = mail.by.stop = mail.id.start = mail.id.stop = -1
    mail.have_id = mail.counted_above = mail.counted = mail.have_spf = False
    mail.first = -1
    mail.above = mail.beside = mail.beside_stop = mail.n
    if border < 0:                      # nothing was received: the topmost run of fields counts
        for i in range(mail.n):
            if mail.fields[i].id == F_AUTH_RESULTS:
                while i < mail.n and _in_run(mail.fields[i].id):
                    i += 1
                mail.above = i
                return
        return
    for i in range(mail.n):
        if mail.fields[i].id != F_RECEIVED:
            continue
        if n == border:
            parse_received(mail.buf, mail.fields[i].start, _stop(&mail.fields[i], caps), &hop)
            mail.by = hop.by
            mail.above = i
            mail.beside = mail.beside_stop = i + 1
            while mail.beside_stop < mail.n and _in_run(mail.fields[mail.beside_stop].id):
                mail.beside_stop += 1
            return
        n += 1


cdef bint _counts(Mail* mail, Py_ssize_t field, const Span* id, const Names* names, Out* out) noexcept nogil:
    """Was this Authentication-Results field written on the receiver's side?"""
    cdef bint named = _configured(mail.buf, id, names), claims, counts = False
    cdef bint beside = names.below and mail.beside <= field < mail.beside_stop
    if names.n:
        claims = named
        counts = named and (field < mail.above or (beside and not mail.counted_above))
    else:
        if mail.have_id:
            claims = _same(mail.buf, id, &mail.id)
            counts = claims and field < mail.above
        else:
            claims = _related(mail.buf, id[0], mail.by)
            counts = field < mail.above or (beside and claims and not mail.counted)
        if counts and not mail.have_id:
            mail.have_id = True
            mail.id = id[0]
    if counts:
        mail.counted = True
        mail.counted_above |= field < mail.above
        if mail.first < 0:
            mail.first = field
        return True
    out.signals |= X_UNTRUSTED
    if claims and id.start >= 0:
        out.signals |= X_FORGED
    if out.untrusted < 255:
        out.untrusted += 1
    return False


cdef void _add(
    const uint8_t* buf, const Span* value, Py_ssize_t field, int kind, int result, int source,  # IN
    const Caps* caps, Out* out,                                                             # OUT
) noexcept nogil:
    """Evidence with the domain of a value: what follows its last `@`, lower-cased."""
    cdef Evidence* one
    cdef Py_ssize_t start = value.start, stop = value.stop, i, mark = out.domains.size
    if start >= 0:
        if stop > start and buf[stop - 1] == 62:
            stop -= 1
        i = stop
        while i > start and buf[i - 1] != 64:
            i -= 1
        if i == start and start < stop and buf[start] == 60:
            i += 1
        start = i
        if stop > start and buf[stop - 1] == 46:
            stop -= 1
    if start < 0 or stop - start > caps.domain:
        start = stop = 0
    for i in range(start, stop):
        if not (is_alnum(buf[i]) or buf[i] == 45 or buf[i] == 46 or buf[i] == 95):
            start = stop
            break
    if not arena_reserve(out.domains, stop - start) or not arena_reserve(
            out.evidence, sizeof(Evidence)):
        return
    for i in range(start, stop):
        arena_push(out.domains, lower(buf[i]))
    one = <Evidence*> (out.evidence.data + out.evidence.size)
    out.evidence.size += sizeof(Evidence)
    one.start = <int32_t> mark
    one.stop = <int32_t> out.domains.size
    one.field = <int32_t> field
    one.kind = <uint8_t> kind
    one.result = <uint8_t> result
    one.source = <uint8_t> source
    one.unused = 0


cdef Span _named(
    const uint8_t* buf, const Statement* statement, const Property* properties,
    const char* ptype, Py_ssize_t ptype_size, const char* name, Py_ssize_t name_size,
) noexcept nogil:
    """Value of the first property of this name, or -1."""
    cdef Span absent
    cdef int32_t i
    absent.start = absent.stop = -1
    for i in range(statement.properties):
        if properties[i].ptype.start >= 0 and equals_fold(
                buf, properties[i].ptype.start, properties[i].ptype.stop, ptype, ptype_size
        ) and equals_fold(
                buf, properties[i].name.start, properties[i].name.stop, name, name_size):
            return properties[i].value
    return absent


cdef Span _return_path(const Mail* mail) noexcept nogil:
    """The envelope sender that the receiver wrote down, or -1."""
    cdef Span span
    cdef Py_ssize_t i
    span.start = span.stop = -1
    for i in range(min(mail.above, mail.n)):
        if mail.fields[i].id == F_RETURN_PATH:
            span.start, span.stop = mail.fields[i].start, mail.fields[i].stop
            break
    return span


cdef inline bint _is_one(const uint8_t* buf, const Span* version) noexcept nogil:
    """RFC 8601, 2.2: no version means 1, and no other is known."""
    return version.start < 0 or (version.stop - version.start == 1 and buf[version.start] == 49)


cdef void _statement(
    const Mail* mail, Py_ssize_t field, const Statement* one, const Property* properties,   # IN
    const Caps* caps, Mail* state, Out* out,                                                # OUT
) noexcept nogil:
    cdef const uint8_t* buf = mail.buf
    cdef int result = result_code(buf, &one.result), kind = E_SPF_MAILFROM
    cdef Py_ssize_t a = one.method.start, b = one.method.stop
    cdef Span value
    if equals_fold(buf, a, b, b"spf", 3):
        value = _named(buf, one, properties, b"smtp", 4, b"mailfrom", 8)
        if value.start < 0:
            value = _named(buf, one, properties, b"smtp", 4, b"helo", 4)
            if value.start >= 0:
                kind = E_SPF_HELO
            else:
                value = _return_path(mail)
        _add(buf, &value, field, kind, result, S_RESULTS, caps, out)
        state.have_spf = True
    elif equals_fold(buf, a, b, b"dkim", 4):
        value = _named(buf, one, properties, b"header", 6, b"d", 1)
        if value.start < 0:
            value = _named(buf, one, properties, b"header", 6, b"i", 1)
        _add(buf, &value, field, E_DKIM, result, S_RESULTS, caps, out)
    elif equals_fold(buf, a, b, b"dmarc", 5):
        if out.dmarc_source == S_NONE:
            out.dmarc, out.dmarc_source = <uint8_t> result, S_RESULTS
    elif equals_fold(buf, a, b, b"arc", 3):
        if out.arc_source == S_NONE:
            out.arc, out.arc_source = <uint8_t> result, S_RESULTS
    elif equals_fold(buf, a, b, b"iprev", 5):
        if out.iprev_source == S_NONE:
            out.iprev, out.iprev_source = <uint8_t> result, S_RESULTS


cdef void _read_results(
    Mail* mail, Py_ssize_t field, const Names* names, const Caps* caps, Out* out,
) noexcept nogil:
    cdef Results results
    cdef Statement one
    cdef Property properties[MAX_PROPERTIES]
    open_results(mail.buf, mail.fields[field].start, _stop(&mail.fields[field], caps),
                 caps.methods, caps.properties, &results)
    if not _counts(mail, field, &results.id, names, out) or not _is_one(mail.buf, &results.version):
        return
    while next_statement(&results, &one, properties):
        if _is_one(mail.buf, &one.version):
            _statement(mail, field, &one, properties, caps, mail, out)
    if results.cut:
        out.signals |= X_TOO_MANY


cdef void _read_spf(Mail* mail, Py_ssize_t field, const Names* names, const Caps* caps, Out* out) noexcept nogil:
    cdef const uint8_t* buf = mail.buf
    cdef Span word, sender, helo, receiver
    cdef Property pair
    cdef bint by_helo = False
    cdef Py_ssize_t n, stop = _stop(&mail.fields[field], caps)
    cdef Py_ssize_t pos = spf_result(buf, mail.fields[field].start, stop, &word)
    sender.start = sender.stop = helo.start = helo.stop = receiver.start = receiver.stop = -1
    for n in range(caps.properties):
        pos = next_pair(buf, pos, stop, &pair)
        if pos < 0:
            break
        if equals_fold(buf, pair.name.start, pair.name.stop, b"envelope-from", 13):
            sender = pair.value
        elif equals_fold(buf, pair.name.start, pair.name.stop, b"helo", 4):
            helo = pair.value
        elif equals_fold(buf, pair.name.start, pair.name.stop, b"receiver", 8):
            receiver = pair.value
        elif equals_fold(buf, pair.name.start, pair.name.stop, b"identity", 8):
            by_helo = equals_fold(buf, pair.value.start, pair.value.stop, b"helo", 4)
    if field >= mail.above and not (
            names.below and mail.beside <= field < mail.beside_stop
            and _related(buf, receiver, mail.by)):
        out.signals |= X_UNTRUSTED_SPF
        return
    if mail.have_spf or word.start < 0:
        return
    mail.have_spf = True
    if by_helo:
        _add(buf, &helo, field, E_SPF_HELO, result_code(buf, &word), S_RECEIVED_SPF, caps, out)
        return
    if sender.start < 0:
        sender = _return_path(mail)
    _add(buf, &sender, field, E_SPF_MAILFROM, result_code(buf, &word), S_RECEIVED_SPF, caps, out)


cdef void _read_signature(Mail* mail, Py_ssize_t field, const Caps* caps, Out* out) noexcept nogil:
    cdef Property tag
    cdef Py_ssize_t n, pos = mail.fields[field].start, stop = _stop(&mail.fields[field], caps)
    for n in range(caps.tags):
        pos = next_tag(mail.buf, pos, stop, &tag)
        if pos < 0:
            return
        if tag.name.stop - tag.name.start == 1 and mail.buf[tag.name.start] == 100:
            _add(mail.buf, &tag.value, field, E_SIGNATURE, R_NONE, S_NONE, caps, out)
            return


cdef struct Chain:              # ARC sets: bit i - 1 for instance i
    uint64_t seals
    uint64_t signatures
    uint64_t results
    uint64_t none               # cv=none
    uint64_t passed
    bint broken
    bint any


cdef void _read_arc(Mail* mail, Py_ssize_t field, const Caps* caps, Chain* chain) noexcept nogil:
    """Instance and cv of one ARC field (RFC 8617, 4)."""
    cdef const uint8_t* buf = mail.buf
    cdef Property tag
    cdef uint64_t bit = 0
    cdef uint64_t* where
    cdef Py_ssize_t n, i, pos = mail.fields[field].start, stop = _stop(&mail.fields[field], caps)
    cdef int instance = 0, id = mail.fields[field].id
    cdef bint none = False, passed = False
    chain.any = True
    for n in range(caps.tags):
        pos = next_tag(buf, pos, stop, &tag)
        if pos < 0:
            break
        if tag.name.stop - tag.name.start == 1 and buf[tag.name.start] == 105 and not instance:
            if 1 <= tag.value.stop - tag.value.start <= 2:
                for i in range(tag.value.start, tag.value.stop):
                    if not is_digit(buf[i]):
                        instance = 0
                        break
                    instance = instance * 10 + buf[i] - 48
            if id == F_ARC_RESULTS:                         # the rest is no tag list
                break
        elif equals_fold(buf, tag.name.start, tag.name.stop, b"cv", 2):
            none = equals_fold(buf, tag.value.start, tag.value.stop, b"none", 4)
            passed = equals_fold(buf, tag.value.start, tag.value.stop, b"pass", 4)
    if not 1 <= instance <= caps.sets:
        chain.broken = True
        return
    bit = <uint64_t> 1 << (instance - 1)
    where = &chain.results
    if id == F_ARC_SEAL:
        where = &chain.seals
        if none:
            chain.none |= bit
        if passed:
            chain.passed |= bit
    elif id == F_ARC_SIGNATURE:
        where = &chain.signatures
    if where[0] & bit:
        chain.broken = True
    where[0] |= bit


cdef void _close_chain(const Chain* chain, Out* out) noexcept nogil:
    """RFC 8617, 5.2: sets 1 to N, each whole; cv is none in the first and pass in the others."""
    cdef uint64_t all_ = chain.seals, rest = chain.seals
    cdef uint8_t n = 0
    if not chain.any:
        return
    while rest & 1:
        rest >>= 1
        n += 1
    if (
        chain.broken or rest or n == 0 or chain.signatures != all_ or chain.results != all_
        or chain.none != 1 or chain.passed != all_ ^ 1
    ):
        out.signals |= X_ARC_BROKEN
        if out.arc_source == S_NONE:
            out.arc, out.arc_source = R_FAIL, S_COMPUTED
        return
    out.arc_sets = n


cdef Py_ssize_t _read(Mail* mail, const Names* names, const Caps* caps, Out* out) noexcept nogil:
    cdef Py_ssize_t i, n_results = 0, n_signatures = 0
    cdef Chain chain
    cdef int id
    chain.seals = chain.signatures = chain.results = chain.none = chain.passed = 0
    chain.broken = chain.any = False
    for i in range(mail.n):             # results first: they come before Received-SPF
        id = mail.fields[i].id
        if id == F_AUTH_RESULTS:
            n_results += 1
            if n_results > caps.fields:
                out.signals |= X_TOO_MANY
            else:
                _read_results(mail, i, names, caps, out)
        elif id == F_DKIM_SIGNATURE:
            n_signatures += 1
            if n_signatures > caps.fields:
                out.signals |= X_TOO_MANY
            else:
                _read_signature(mail, i, caps, out)
        elif id == F_ARC_SEAL or id == F_ARC_SIGNATURE or id == F_ARC_RESULTS:
            _read_arc(mail, i, caps, &chain)
    n_results = 0
    for i in range(mail.n):
        if mail.fields[i].id == F_RECEIVED_SPF and n_results < caps.fields:
            n_results += 1
            _read_spf(mail, i, names, caps, out)
    _close_chain(&chain, out)
    return mail.first


def evidence_batch(
    Messages messages not None,             # IN
    const int16_t[:, ::1] first not None,   # IN   (n, N_KNOWN) of the header columns
    Bytes fields not None,                  # IN   FieldRecord of every field
    const int64_t[::1] field_indptr not None,   # IN   (n + 1,)
    const int16_t[::1] border not None,     # IN   (n,) last Received of the receiver's side, or -1
    const uint8_t[::1] ids not None,        # IN   configured authserv-ids, lower-cased
    const int64_t[::1] id_ends not None,    # IN   (k + 1,) offsets into ids
    bint below,                             # IN   may results stand right below the border?
    tuple caps not None,                    # IN   fields, methods, properties, tags, sets, domain, bytes
    Bytes evidence not None,                # OUT  Evidence
    int64_t[::1] indptr not None,           # OUT  (n + 1,)
    Bytes domains not None,                 # OUT  domains of the evidence, lower-cased ASCII
    uint8_t[:, ::1] results not None,       # OUT  (6, n): dmarc, its source, arc, source, iprev, source
    uint8_t[::1] arc_sets not None,         # OUT  (n,) sets of a whole ARC chain
    uint8_t[::1] signals not None,          # OUT  (n,) SIGNALS as bits
    uint8_t[::1] untrusted not None,        # OUT  (n,) Authentication-Results that do not count
    int32_t[::1] counted not None,          # OUT  (n,) number of the first field that counts, or -1
):
    """Read the fields. ValueError when shapes do not fit, MemoryError when memory ends."""
    cdef Py_ssize_t n = messages.count, i
    cdef Caps c
    cdef Names names
    cdef Mail mail
    cdef Out out
    cdef const FieldRecord* records = <const FieldRecord*> fields.arena.data
    c.fields, c.methods, c.properties, c.tags, c.sets, c.domain, c.bytes = caps
    if not (0 <= c.properties <= MAX_PROPERTIES and 0 <= c.sets <= 50):
        raise ValueError(f"at most {MAX_PROPERTIES} properties and 50 sets")
    if (
        border.shape[0] != n or indptr.shape[0] != n + 1 or results.shape[0] != 6
        or results.shape[1] != n or arc_sets.shape[0] != n or signals.shape[0] != n
        or untrusted.shape[0] != n or counted.shape[0] != n
    ):
        raise ValueError("columns do not fit the number of messages")
    if id_ends.shape[0] == 0 or id_ends[0] != 0 or id_ends[id_ends.shape[0] - 1] != ids.shape[0]:
        raise ValueError("offsets do not fit the authserv-ids")
    for i in range(1, id_ends.shape[0]):
        if id_ends[i] < id_ends[i - 1]:
            raise ValueError("offsets do not fit the authserv-ids")
    evidence.clear()
    domains.clear()
    indptr[0] = 0
    if n == 0:
        return
    check_fields(messages, first, fields, field_indptr)
    names.text = &ids[0] if ids.shape[0] else NULL
    names.ends = &id_ends[0]
    names.n = id_ends.shape[0] - 1
    names.below = below
    out.evidence = &evidence.arena
    out.domains = &domains.arena
    with nogil:
        for i in range(n):
            mail.buf = messages.items[i].buf
            mail.fields = records + field_indptr[i]
            mail.n = <Py_ssize_t> (field_indptr[i + 1] - field_indptr[i])
            out.dmarc = out.arc = out.iprev = R_NONE
            out.dmarc_source = out.arc_source = out.iprev_source = S_NONE
            out.arc_sets = out.signals = out.untrusted = 0
            if out.domains.size > 1 << 30:                  # offsets of evidence are int32
                out.domains.failed = True
                break
            _place(&mail, border[i], &c)
            counted[i] = <int32_t> _read(&mail, &names, &c, &out)
            indptr[i + 1] = out.evidence.size // <Py_ssize_t> sizeof(Evidence)
            results[0, i], results[1, i] = out.dmarc, out.dmarc_source
            results[2, i], results[3, i] = out.arc, out.arc_source
            results[4, i], results[5, i] = out.iprev, out.iprev_source
            arc_sets[i], signals[i], untrusted[i] = out.arc_sets, out.signals, out.untrusted
    if out.evidence.failed or out.domains.failed:
        raise MemoryError("the evidence could not grow")


cdef int _aligned(
    const uint8_t* a, Py_ssize_t a_size, Py_ssize_t a_org,  # IN   org: offset of the organizational
    const uint8_t* b, Py_ssize_t b_size, Py_ssize_t b_org,  #      domain, or -1
) noexcept nogil:
    cdef Py_ssize_t i
    if a_size and a[a_size - 1] == 46:
        a_size -= 1
    if a_size == 0 or b_size == 0:
        return A_NONE
    if a_size == b_size:
        for i in range(a_size):
            if a[i] != b[i]:
                break
        else:
            return A_STRICT
    if a_org < 0 or b_org < 0 or a_org >= a_size or a_size - a_org != b_size - b_org:
        return A_NONE
    for i in range(a_size - a_org):
        if a[a_org + i] != b[b_org + i]:
            return A_NONE
    return A_RELAXED


cdef struct Choice:
    int spf
    int spf_source
    int spf_aligned
    int spf_kind
    int dkim
    int dkim_source
    int dkim_aligned
    int signed_aligned


cdef void _choose(
    const Evidence* items, Py_ssize_t n, const uint8_t* domains, const int32_t* org,    # IN
    const uint8_t* sender, Py_ssize_t size, Py_ssize_t sender_org,                      # IN
    Choice* out,                                                                        # OUT
) noexcept nogil:
    """SPF: of MAIL FROM before that of HELO, then the first. DKIM: a pass, the best aligned."""
    cdef Py_ssize_t i
    cdef int aligned, rank, best = -1
    out.spf = out.dkim = R_NONE
    out.spf_source = out.dkim_source = S_NONE
    out.spf_aligned = out.dkim_aligned = out.signed_aligned = A_NONE
    out.spf_kind = -1
    for i in range(n):
        aligned = _aligned(sender, size, sender_org, domains + items[i].start,
                           items[i].stop - items[i].start, org[i])
        if items[i].kind == E_SIGNATURE:
            if aligned > out.signed_aligned:
                out.signed_aligned = aligned
        elif items[i].kind == E_DKIM:
            rank = 1 + aligned if items[i].result == R_PASS else 0
            if rank > best:
                best = rank
                out.dkim, out.dkim_source = items[i].result, items[i].source
                out.dkim_aligned = aligned if rank else A_NONE
        elif out.spf_kind < 0 or items[i].kind < out.spf_kind:
            out.spf_kind = items[i].kind
            out.spf, out.spf_source = items[i].result, items[i].source
            out.spf_aligned = aligned if items[i].result == R_PASS else A_NONE


cdef float _modifier(int spf, int dkim) noexcept nogil:
    """The original's table: failures take away, passes add, between -30 and +10."""
    cdef float sum_ = 0
    if spf == R_FAIL:
        sum_ -= 25
    elif spf == R_SOFTFAIL:
        sum_ -= 10
    elif spf == R_PASS:
        sum_ += 5
    if dkim == R_FAIL:
        sum_ -= 20
    elif dkim == R_PASS:
        sum_ += 5
    if spf == R_PASS and dkim == R_PASS:
        sum_ += 5
    return max(<float> -30, min(<float> 10, sum_))


def verdict_batch(
    const uint8_t[::1] senders not None,        # IN   From domains, lower-cased
    const int64_t[::1] sender_ends not None,    # IN   (n + 1,)
    const int32_t[::1] sender_org not None,     # IN   (n,) offset of the organizational domain, or -1
    Bytes evidence not None,                    # IN   of evidence_batch
    const int64_t[::1] indptr not None,         # IN   (n + 1,)
    Bytes domains not None,                     # IN   of evidence_batch
    const int32_t[::1] org not None,            # IN   (m,) offset in the domain of each evidence, or -1
    uint8_t[:, ::1] results not None,           # INOUT (6, n): DMARC is added where there is none
    uint8_t[:, ::1] columns not None,           # OUT  (8, n): spf, source, dkim, source, spf aligned,
                                                #      dkim aligned, signature aligned, is authentic
    float[::1] modifier not None,               # OUT  (n,)
):
    """Choose and judge. ValueError when shapes or offsets do not fit."""
    cdef Py_ssize_t n = sender_org.shape[0], m = org.shape[0], i, start
    cdef const Evidence* items = <const Evidence*> evidence.arena.data
    cdef const uint8_t* sender = NULL
    cdef Choice choice
    if (
        sender_ends.shape[0] != n + 1 or indptr.shape[0] != n + 1 or results.shape[0] != 6
        or results.shape[1] != n or columns.shape[0] != 8 or columns.shape[1] != n
        or modifier.shape[0] != n or m != evidence.arena.size // <Py_ssize_t> sizeof(Evidence)
    ):
        raise ValueError("columns do not fit the number of messages")
    for i in range(n):
        if not (0 <= indptr[i] <= indptr[i + 1] <= m
                and 0 <= sender_ends[i] <= sender_ends[i + 1] <= senders.shape[0]):
            raise ValueError(f"offsets of message {i} do not fit")
    for i in range(m):
        if not 0 <= items[i].start <= items[i].stop <= domains.arena.size or (
                org[i] > items[i].stop - items[i].start):
            raise ValueError(f"the domain of evidence {i} does not fit")
    if senders.shape[0]:
        sender = &senders[0]
    with nogil:
        for i in range(n):
            start = indptr[i]
            _choose(items + start, <Py_ssize_t> (indptr[i + 1] - start), domains.arena.data,
                    &org[0] + start if m else NULL, sender + sender_ends[i] if sender else NULL,
                    <Py_ssize_t> (sender_ends[i + 1] - sender_ends[i]), sender_org[i], &choice)
            columns[0, i], columns[1, i] = <uint8_t> choice.spf, <uint8_t> choice.spf_source
            columns[2, i], columns[3, i] = <uint8_t> choice.dkim, <uint8_t> choice.dkim_source
            columns[4, i] = <uint8_t> choice.spf_aligned
            columns[5, i] = <uint8_t> choice.dkim_aligned
            columns[6, i] = <uint8_t> choice.signed_aligned
            columns[7, i] = choice.spf != R_FAIL and choice.dkim != R_FAIL and (
                choice.spf == R_PASS or choice.dkim == R_PASS)
            if results[1, i] == S_NONE and (choice.spf_aligned or choice.dkim_aligned):
                results[0, i], results[1, i] = R_PASS, S_COMPUTED
            modifier[i] = _modifier(choice.spf, choice.dkim)
