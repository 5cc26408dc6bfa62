"""Fuzz targets: one C function a kernel.

The first byte of an input chooses: as it is, or every byte mapped into the kernel's alphabet, which
reaches deep states soon. A mapped input is a block of malloc of its exact size, an unmapped one is
libFuzzer's own, so that the address sanitizer sees a read of one byte too many. Text that a kernel
makes must be UTF-8, spans must lie inside: else abort.
"""
from libc.math cimport INFINITY, NAN
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport abort, free, malloc
from libc.string cimport memcpy, memset

import numpy as np

from atlas_fast._kernels.addresses cimport (
    Mailbox, MailboxState, addr_spec_append, next_mailbox, phrase_append,
)
from atlas_fast._kernels.arena cimport Arena, arena_free, arena_init
from atlas_fast._kernels.charsets cimport charset_append, charset_id, utf8_valid
from atlas_fast._kernels.dates cimport parse_date
from atlas_fast._kernels.html cimport Sink, html_append, plain_append
from atlas_fast._kernels.msgids cimport bare_msgid, next_msgid
from atlas_fast._kernels.params cimport Param, next_param, param_append
from atlas_fast._kernels.received cimport Hop, parse_received
from atlas_fast._kernels.transfer cimport base64_append, quoted_printable_append
from atlas_fast._kernels.types cimport Span
from atlas_fast._kernels.words cimport words_append

from atlas_fast._kernels.learn import train_linear
from atlas_fast._kernels.mboxscan import scan_mbox
from atlas_fast._kernels.messages import Messages
from atlas_fast._kernels.score import score_batch
from atlas_fast.headers import HeaderColumns
from atlas_fast.mime import MimeColumns
from atlas_fast.stages.features import extract

ctypedef void (*Body)(const uint8_t* buf, Py_ssize_t size) noexcept nogil

cdef enum:
    LIMIT = 1 << 26


cdef void _run(Body body, const char* alphabet, const uint8_t* data, size_t size) noexcept nogil:
    cdef uint8_t* block
    cdef size_t i, n = 0
    if size == 0:
        body(data, 0)
        return
    if data[0] & 1:
        body(data + 1, <Py_ssize_t> size - 1)
        return
    while alphabet[n]:
        n += 1
    block = <uint8_t*> malloc(size - 1 if size > 1 else 1)
    if block is NULL:
        return
    for i in range(size - 1):
        block[i] = <uint8_t> alphabet[data[i + 1] % n]
    body(block, <Py_ssize_t> size - 1)
    free(block)


cdef void _check_text(Arena* out) noexcept nogil:
    if not utf8_valid(out.data, 0, out.size):
        abort()
    arena_free(out)


cdef inline void _check_span(const Span* span, Py_ssize_t size) noexcept nogil:
    if span.start != -1 and not 0 <= span.start <= span.stop <= size:
        abort()


cdef void _words(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef uint32_t flags = 0
    arena_init(&out, LIMIT)
    words_append(buf, 0, size, &out, &flags)
    _check_text(&out)


cdef void _charsets(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef uint32_t flags = 0
    arena_init(&out, LIMIT)
    if size:
        charset_append(buf[0] % 53, buf, 1, size, &out, &flags)
        charset_append(0, buf, 1, size, &out, &flags)
        charset_append(128 + buf[0] % 31, buf, 1, size, &out, &flags)
    charset_id(buf, 0, size)
    _check_text(&out)


cdef void _addresses(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef Mailbox box
    cdef MailboxState state
    cdef uint32_t flags = 0
    cdef Py_ssize_t pos = 0
    arena_init(&out, LIMIT)
    memset(&state, 0, sizeof(state))
    while True:
        pos = next_mailbox(buf, pos, size, &state, &box, &flags)
        if pos < 0:
            break
        if not 0 <= box.name_start <= box.name_stop <= size:
            abort()
        if not 0 <= box.address_start <= box.address_stop <= size:
            abort()
        phrase_append(buf, box.name_start, box.name_stop, &out, &flags)
        addr_spec_append(buf, box.address_start, box.address_stop, &out, &flags)
    _check_text(&out)


cdef void _dates(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef int64_t epoch = 0
    cdef int32_t zone = 0
    parse_date(buf, 0, size, &epoch, &zone)


cdef void _msgids(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t start = 0, end = 0
    while next_msgid(buf, &start, size, &end):
        if not 0 <= start < end <= size:
            abort()
        start = end
    start = 0
    bare_msgid(buf, &start, size, &end)


cdef void _received(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Hop hop
    parse_received(buf, 0, size, &hop)
    _check_span(&hop.from_, size)
    _check_span(&hop.from_ip, size)
    _check_span(&hop.by, size)
    _check_span(&hop.by_ip, size)
    _check_span(&hop.helo, size)
    _check_span(&hop.for_, size)
    _check_span(&hop.date, size)


cdef void _params(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef Param param
    cdef uint32_t flags = 0
    cdef Py_ssize_t pos = 0
    arena_init(&out, LIMIT)
    while True:
        pos = next_param(buf, pos, size, &param)
        if pos < 0:
            break
        if not 0 <= param.value_start <= param.value_stop <= size:
            abort()
    param_append(buf, 0, size, b"name", 4, &out, &flags)
    _check_text(&out)


cdef void _transfer(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef uint32_t flags = 0
    arena_init(&out, LIMIT)
    base64_append(buf, 0, size, &out, &flags)
    quoted_printable_append(buf, 0, size, &out, &flags)
    arena_free(&out)


cdef void _html(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena text, links, strings
    cdef Sink sink
    if not utf8_valid(buf, 0, size):                        # what the kernel is promised
        return
    arena_init(&text, LIMIT)
    arena_init(&links, LIMIT)
    arena_init(&strings, LIMIT)
    memset(&sink, 0, sizeof(sink))
    sink.text = &text
    sink.links = &links
    sink.strings = &strings
    sink.text_limit = 1000
    sink.max_links = 20
    html_append(buf, 0, size, &sink)
    plain_append(buf, 0, size, &sink)
    arena_free(&links)
    _check_text(&text)
    _check_text(&strings)


cdef void _message(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Header, MIME and feature kernels through their doors, over the block itself."""
    cdef uint8_t nothing[1]
    try:
        raw = np.asarray(<uint8_t[:size]> <uint8_t*> buf) if size else np.empty(0, np.uint8)
        bounds = np.array([0, size // 3, size], np.int64)
        head = HeaderColumns(Messages.of_spans(raw, bounds[:2], bounds[1:]))
        parts = MimeColumns(head)
        rows = extract(head, parts)
        bytes(head.subject.data).decode()
        bytes(head.from_name.data).decode()
        bytes(head.from_address.data).decode()
        bytes(head.to_name.data).decode()
        bytes(head.message_id.data).decode()
        bytes(parts.text.data).decode()
        bytes(parts.strings).decode()
        if len(rows.indices) and not 0 <= rows.indices.min() <= rows.indices.max() < 1 << 18:
            abort()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _mboxscan(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    try:
        raw = np.asarray(<uint8_t[:size]> <uint8_t*> buf) if size else np.empty(0, np.uint8)
        for trust in (False, True):
            places, starts, stops = np.zeros((3, 8), np.int64)
            pos = last = 0
            while pos < size:
                n, pos = scan_mbox(raw, pos, 1 << 20, trust, places, starts, stops)
                if n == 0 or pos <= last:
                    abort()
                for i in range(n):
                    if not last <= places[i] <= starts[i] <= stops[i] <= size:
                        abort()
                    last = places[i]
                last = pos
    except BaseException as error:
        print(repr(error))
        abort()


cdef struct Reader:
    const uint8_t* buf
    Py_ssize_t pos
    Py_ssize_t size


cdef int _byte(Reader* reader) noexcept nogil:
    if reader.pos >= reader.size:
        return 0
    reader.pos += 1
    return reader.buf[reader.pos - 1]


cdef float _value(int byte) noexcept nogil:
    """Small numbers, and the ones that poison a sum."""
    if byte == 255:
        return INFINITY
    if byte == 254:
        return NAN
    if byte == 253:
        return <float> -3e38
    return <float> ((byte - 126) / 16.0)


cdef void _linear(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """score_batch and train_linear over arrays of exact size; a ValueError is a good answer."""
    cdef Reader r
    cdef int64_t* indptr
    cdef int32_t* indices
    cdef float* data
    cdef float* weights
    cdef int8_t* labels
    cdef double* out
    cdef double* trained
    cdef int n, nnz, m, i, hostile, last = 0
    r.buf, r.pos, r.size = buf, 0, size
    hostile = _byte(&r)
    n, nnz, m = 1 + _byte(&r) % 6, 1 + _byte(&r) % 24, 1 + _byte(&r) % 12
    indptr = <int64_t*> malloc((n + 1) * sizeof(int64_t))
    indices = <int32_t*> malloc(nnz * sizeof(int32_t))
    data = <float*> malloc(nnz * sizeof(float))
    weights = <float*> malloc(m * sizeof(float))
    labels = <int8_t*> malloc(n)
    out = <double*> malloc(n * sizeof(double))
    trained = <double*> malloc(m * sizeof(double))
    for i in range(n + 1):
        if hostile & 1:
            indptr[i] = <int8_t> _byte(&r)
        else:
            last = min(last + _byte(&r) % 5, nnz) if i else 0
            indptr[i] = nnz if i == n else last
    for i in range(nnz):
        indices[i] = <int8_t> _byte(&r) if hostile & 2 else _byte(&r) % m
        data[i] = _value(_byte(&r))
    for i in range(m):
        weights[i] = _value(_byte(&r))
        trained[i] = 0
    for i in range(n):
        labels[i] = 1 if _byte(&r) & 1 else -1
    try:
        try:
            score_batch(<int64_t[:n + 1]> indptr, <int32_t[:nnz]> indices, <float[:nnz]> data,
                        <float[:m]> weights, 0.5, <double[:n]> out)
        except ValueError:
            pass
        try:
            train_linear(<int64_t[:n + 1]> indptr, <int32_t[:nnz]> indices, <float[:nnz]> data,
                         <int8_t[:n]> labels, 1.0, 2.0, 3, 1e-3, 1, <double[:m]> trained)
        except ValueError:
            pass
    except BaseException as error:
        print(repr(error))
        abort()
    free(indptr)
    free(indices)
    free(data)
    free(weights)
    free(labels)
    free(out)
    free(trained)


cdef void fuzz_words(const uint8_t* data, size_t size) noexcept nogil:
    _run(_words, b"=?utf-8QqBb_0C39A \r\n\ti", data, size)

cdef void fuzz_charsets(const uint8_t* data, size_t size) noexcept nogil:
    _run(_charsets, b"aZ\x1b$B(J~{}\xc3\xa9\xe2\x82\xac\xf0\xff\x80\x81+/-", data, size)

cdef void fuzz_addresses(const uint8_t* data, size_t size) noexcept nogil:
    _run(_addresses, b"a.@<>()[],;:\"\\ \r\n=?\xc3\xa9", data, size)

cdef void fuzz_dates(const uint8_t* data, size_t size) noexcept nogil:
    _run(_dates, b"0123456789 :+-,()JanFebDecMonGMTESTPM\\\r\n", data, size)

cdef void fuzz_msgids(const uint8_t* data, size_t size) noexcept nogil:
    _run(_msgids, b"<>a@. \r\n", data, size)

cdef void fuzz_received(const uint8_t* data, size_t size) noexcept nogil:
    _run(_received, b"frombyithd ;()[]<>.:0129a=HELOeE\\\r\n", data, size)

cdef void fuzz_params(const uint8_t* data, size_t size) noexcept nogil:
    _run(_params, b";name*=01'\"\\%C3utf-8? \r\n", data, size)

cdef void fuzz_transfer(const uint8_t* data, size_t size) noexcept nogil:
    _run(_transfer, b"AZaz09+/= \r\n\t3D!", data, size)

cdef void fuzz_html(const uint8_t* data, size_t size) noexcept nogil:
    _run(_html, b"<>/!-=\"' a&;#x0hrefimgsctyldpn:fo\n", data, size)

cdef void fuzz_message(const uint8_t* data, size_t size) noexcept nogil:
    _run(_message, b":\r\n \tContent-Type: multipart/;boundary=\"a\"--aFrom<@>Subject=?", data, size)

cdef void fuzz_mboxscan(const uint8_t* data, size_t size) noexcept nogil:
    _run(_mboxscan, b"From a 12:00 2001\n\r>Content-Length:", data, size)

cdef void fuzz_linear(const uint8_t* data, size_t size) noexcept nogil:
    _run(_linear, b"\x01\x02\x03\x04\x05\x10\x17\x7e\x80\x8f\xfc\xfd\xfe\xff", data, size)


ADDRESSES = {
    "words": <uintptr_t> &fuzz_words,
    "charsets": <uintptr_t> &fuzz_charsets,
    "addresses": <uintptr_t> &fuzz_addresses,
    "dates": <uintptr_t> &fuzz_dates,
    "msgids": <uintptr_t> &fuzz_msgids,
    "received": <uintptr_t> &fuzz_received,
    "params": <uintptr_t> &fuzz_params,
    "transfer": <uintptr_t> &fuzz_transfer,
    "html": <uintptr_t> &fuzz_html,
    "message": <uintptr_t> &fuzz_message,
    "mboxscan": <uintptr_t> &fuzz_mboxscan,
    "linear": <uintptr_t> &fuzz_linear,
}


def run_once(str target, bytes data):
    """One input through a target, as a copy of its exact size."""
    cdef void (*body)(const uint8_t*, size_t) noexcept nogil
    cdef size_t size = len(data)
    cdef uint8_t* block = <uint8_t*> malloc(size if size else 1)
    if block is NULL:
        raise MemoryError
    memcpy(block, <const uint8_t*> <const char*> data, size)
    body = <void (*)(const uint8_t*, size_t) noexcept nogil> <uintptr_t> ADDRESSES[target]
    with nogil:
        body(block, size)
    free(block)


def read_past_the_end():
    """A planted fault: read the byte behind an exact-size block. A sanitizer ends the process."""
    cdef volatile uint8_t* block = <uint8_t*> malloc(10)
    memset(<void*> block, 0, 10)
    total = block[10]
    free(<void*> block)
    return total
