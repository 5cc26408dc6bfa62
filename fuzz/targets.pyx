"""Fuzz targets: one C function a kernel.

The first byte of an input chooses: as it is, or every byte mapped into the kernel's alphabet, which
reaches deep states soon. A mapped input is a block of malloc of its exact size, an unmapped one is
libFuzzer's own, so that the address sanitizer sees a read of one byte too many. Text that a kernel
makes must be UTF-8, spans must lie inside: else abort.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport abort, free, malloc
from libc.string cimport memset

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

from atlas_fast._kernels.mboxscan import scan_mbox
from atlas_fast._kernels.messages import Messages
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
}
