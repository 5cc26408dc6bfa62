"""Fuzz targets: C functions of the kernels, called without the GIL. Those of
caching.pyx, doors.pyx, names.pyx and places.pyx join them.

How an input is read is said in inputs.pxd. Text that a kernel makes must be UTF-8, spans must lie
inside: else abort.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport abort, free, malloc
from libc.string cimport memcpy, memset

from atlas_fast._kernels.addresses cimport (
    Mailbox, MailboxState, addr_spec_append, domain_start, next_mailbox, phrase_append,
)
from atlas_fast._kernels.arena cimport Arena, arena_free, arena_init
from atlas_fast._kernels.authres cimport (
    Property, Results, Statement, next_pair, next_statement, next_tag, open_results, result_code,
    spf_result,
)
from atlas_fast._kernels.charsets cimport CS_UNKNOWN, charset_append, charset_id, utf8_valid
from atlas_fast._kernels.dates cimport ZONE_NONE, parse_date
from atlas_fast._kernels.html cimport LINK_FRAME, LinkRecord, Sink, html_append, plain_append
from atlas_fast._kernels.msgids cimport bare_msgid, next_msgid
from atlas_fast._kernels.params cimport (
    Param, find_param, next_param, param_append, value_end,
)
from atlas_fast._kernels.received cimport Hop, parse_received
from atlas_fast._kernels.transfer cimport base64_append, quoted_printable_append
from atlas_fast._kernels.types cimport Span
from atlas_fast._kernels.words cimport words_append
from inputs cimport run

import caching
import doors
import names
import places
import storing

from atlas_fast._kernels.charsets import MULTI_BYTE, SINGLE_BYTE

cdef enum:
    LIMIT = 1 << 26
    FIRST_PYTHON = 128          # id of the first charset that Python's codecs decode

cdef const char* WORDS_TOKENS = (
    b"=?utf-8?b?\001=?UTF-8?Q?\001=?iso-8859-1?q?\001=?iso-2022-jp?B?\001=?x?b?\001"
    b"=?utf-8*en?q?\001?=\001?= =?\001?\001\r\n \001=C3\001=A9\001=\001_\001YQ\001YWI=\001"
    b"GyRC\001GyhC\001a\001 \001\xc3\xa9\001\xff"
)
cdef const char* CHARSETS_TOKENS = (
    b"\x1b$B\001\x1b(J\001\x1b$)C\001\x1b(B\001~{\001~}\001+AGE-\001+\001utf-8\001"
    b"iso-8859-1\001ISO_8859-15\001windows-1251\001gb2312\001\xc3\xa9\001\xe2\x82\xac\001"
    b"\xf0\x9f\x98\x80\001\xed\xa0\x80\001\xc0\x80\001\xff\xfe\001a\001aaaaaaaa\001"
    b"\x81\x30\x81\x30"
)
cdef const char* ADDRESSES_TOKENS = (
    b"a\001<\001>\001@\001,\001;\001:\001(\001)\001\"\001\\\001.\001 \001[\001]\001"
    b"a@b.example\001<a@b>\001=?utf-8?q?a?=\001undisclosed-recipients:;\001\r\n \001"
    b"@a,@b:\001\xc3\xa9"
)
cdef const char* AUTHRES_TOKENS = (
    b"mx.a\001 1\001;\001; spf=pass\001 smtp.mailfrom=\001a@b.example\001dkim/1=fail\001"
    b" header.d=\001 header . i = \001reason=\001\"\001\\\001(\001)\001(c)\001=\001.\001/\001"
    b" \001\r\n\t\001none\001@\001client-ip=1.2.3.4;\001envelope-from=\001v=1;\001d=\001"
    b"\"l\"@d\001dmarc\001-\001_\001\xc3\xa9"
)
cdef const char* DATES_TOKENS = (
    b"Mon, \0011\00131 \00129 \001Feb \001Jan \001Dec \0012004 \00199 \00112:\00100\001"
    b"59\00160\001 \001+0000\001-0800\001-0000\001+9999\001GMT\001EST\001Z\001PM\001AM\001"
    b"(\001(a)\001)\001\\\001-\001/\00100000\001,\001\r\n "
)
cdef const char* MSGIDS_TOKENS = (
    b"<\001>\001@\001a\001<a@b>\001 \001\r\n \001.\001\"\001[\001]\001(\001)"
)
cdef const char* RECEIVED_TOKENS = (
    b"from \001by \001with \001id \001for \001via \001a.example \001(\001(HELO a)\001"
    b"(helo=a)\001[192.0.2.1]\001[IPv6:2001:db8::1]\001::\0011.2.3.4\001)\001<a@b>\001"
    b"; \001Mon, 1 Jan 2001 00:00:00 +0000\001ESMTP \001\\\001\"\001"
    b"(unknown [10.0.0.1])\001\r\n\t\001 \001envelope-from"
)
cdef const char* PARAMS_TOKENS = (
    b"; \001name\001=\001*\0010\0011\001*0*\001*1\001utf-8''\001iso-8859-1'en'\001"
    b"%C3%A9\001%\001\"\001\\\001a\001name=\001name*=\001name*0=\001name*1=\001(\001)\001"
    b"\r\n \001=?utf-8?q?a?=\001text/plain"
)
cdef const char* TRANSFER_TOKENS = (
    b"QUJD\001Q\001QQ==\001=\001=3D\001=C3=A9\001=e9\001=\r\n\001=\n\001\r\n\001\n\001"
    b" \001\t\001!\001a\001AAAAAAAAAAAAAAAAAAAA\001-\001=4"
)
cdef const char* HTML_TOKENS = (
    b"<a href=\001<img src=\001<form action=\001<iframe src=\001<area href=\001</a>\001"
    b"<p>\001<br>\001<script>\001</script>\001<style>\001</style>\001<title>\001"
    b"</title>\001<textarea>\001<td>\001<!--\001-->\001<!\001<![CDATA[\001]]>\001<?\001"
    b">\001/>\001\"\001'\001 \001\n\001&amp;\001&#\001&#x\001&nbsp;\00141;\001110000;\001"
    b"style=\001display:none\001font-size:0\001http://\001https://a.example/\001www.\001"
    b"mailto:\001a\001<\001=\001\xc3\xa9"
)


cdef Py_ssize_t N_SINGLE = len(SINGLE_BYTE)
cdef Py_ssize_t N_MULTI = len(MULTI_BYTE)


cdef void _check_text(Arena* out) noexcept nogil:
    if out.failed or not utf8_valid(out.data, 0, out.size):
        abort()
    arena_free(out)


cdef inline void _check_growth(const Arena* out, Py_ssize_t size) noexcept nogil:
    """A byte becomes U+FFFD at worst, and the end of a shift sequence one more."""
    if out.size > 3 * size + 3:
        abort()


cdef inline void _check_span(const Span* span, Py_ssize_t size) noexcept nogil:
    if span.start != -1 and not 0 <= span.start <= span.stop <= size:
        abort()


cdef void _words(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef uint32_t flags = 0
    arena_init(&out, LIMIT)
    words_append(buf, 0, size, &out, &flags)
    _check_growth(&out, size)
    _check_text(&out)


cdef void _charsets(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    """UTF-8, one single-byte charset and one of Python's, or an unknown one, over the same bytes.

    The size is part of the choice: an input that is mapped or made of tokens has few first bytes.
    """
    cdef Py_ssize_t choice
    cdef int32_t id = charset_id(buf, 0, size)
    if not (CS_UNKNOWN <= id <= N_SINGLE or FIRST_PYTHON <= id < FIRST_PYTHON + N_MULTI):
        abort()
    if size == 0:
        return
    choice = buf[0] + size
    _charset(0, buf, size)
    _charset(<int32_t> (1 + choice % N_SINGLE), buf, size)
    choice %= N_MULTI + 1
    _charset(<int32_t> (FIRST_PYTHON + choice) if choice < N_MULTI else CS_UNKNOWN, buf, size)


cdef void _charset(int32_t charset, const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef uint32_t flags = 0
    arena_init(&out, LIMIT)
    charset_append(charset, buf, 1, size, &out, &flags)
    _check_growth(&out, size)
    _check_text(&out)


cdef void _addresses(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef Mailbox box
    cdef MailboxState state
    cdef uint32_t flags = 0
    cdef Py_ssize_t pos = 0, last
    arena_init(&out, LIMIT)
    memset(&state, 0, sizeof(state))
    while True:
        last = pos
        pos = next_mailbox(buf, pos, size, &state, &box, &flags)
        if pos < 0:
            break
        if not last < pos <= size + 1:                      # each call takes a byte, or the end
            abort()
        if not 0 <= box.name_start <= box.name_stop <= size:
            abort()
        if not 0 <= box.address_start <= box.address_stop <= size:
            abort()
        phrase_append(buf, box.name_start, box.name_stop, &out, &flags)
        addr_spec_append(buf, box.address_start, box.address_stop, &out, &flags)
        if not box.address_start <= domain_start(
                buf, box.address_start, box.address_stop) <= box.address_stop:
            abort()
    _check_growth(&out, 2 * size)                           # a group's name may serve again
    _check_text(&out)


cdef void _authres(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Results results
    cdef Statement one
    cdef Property properties[4]
    cdef Property pair
    cdef Span word
    cdef Py_ssize_t pos, last, n = 0
    cdef int32_t i
    open_results(buf, 0, size, 6, 4, &results)
    _check_span(&results.id, size)
    _check_span(&results.version, size)
    while next_statement(&results, &one, properties):
        n += 1
        if n > 6 or not 0 <= one.properties <= 4 or not 0 <= results.pos <= size:
            abort()
        _check_span(&one.method, size)
        _check_span(&one.version, size)
        _check_span(&one.result, size)
        _check_span(&one.reason, size)
        if not 0 <= result_code(buf, &one.result) <= 8:
            abort()
        for i in range(one.properties):
            _check_span(&properties[i].ptype, size)
            _check_span(&properties[i].name, size)
            _check_span(&properties[i].value, size)
    pos = spf_result(buf, 0, size, &word)
    _check_span(&word, size)
    while pos >= 0:
        last = pos
        pos = next_pair(buf, pos, size, &pair)
        if pos >= 0:
            if pos <= last or pos > size:
                abort()
            _check_span(&pair.name, size)
            _check_span(&pair.value, size)
    pos = 0
    while pos >= 0:
        last = pos
        pos = next_tag(buf, pos, size, &pair)
        if pos >= 0:
            if pos <= last or pos > size + 1:
                abort()
            _check_span(&pair.name, size)
            _check_span(&pair.value, size)


cdef void _dates(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef int64_t epoch = 0
    cdef int64_t first = -62135596800LL, last = 253402300800LL      # the years 1 to 9999
    cdef int32_t zone = 0
    if not parse_date(buf, 0, size, &epoch, &zone):
        return
    if zone != ZONE_NONE and not -1440 < zone < 1440:
        abort()
    if epoch < first - 86400 or epoch > last + 86400:       # a zone may lie a day beside
        abort()


cdef void _msgids(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t start = 0, end = 0
    while next_msgid(buf, &start, size, &end):
        if not 0 <= start < end <= size:
            abort()
        start = end
    start = 0
    if bare_msgid(buf, &start, size, &end) and not 0 <= start < end <= size:
        abort()


cdef void _received(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Hop hop
    parse_received(buf, 0, size, &hop)
    _check_span(&hop.from_, size)
    _check_span(&hop.from_ip, size)
    _check_span(&hop.by, size)
    _check_span(&hop.by_ip, size)
    _check_span(&hop.helo, size)
    _check_span(&hop.with_, size)
    _check_span(&hop.id, size)
    _check_span(&hop.for_, size)
    _check_span(&hop.date, size)


cdef void _params(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef Param param
    cdef uint32_t flags = 0
    cdef Py_ssize_t pos = 0, last
    arena_init(&out, LIMIT)
    if not 0 <= value_end(buf, 0, size) <= size:
        abort()
    while True:
        last = pos
        pos = next_param(buf, pos, size, &param)
        if pos < 0:
            break
        if not last < pos <= size + 1:
            abort()
        _check_param(&param, size)
    if find_param(buf, 0, size, b"name", 4, &param):
        _check_param(&param, size)
        if param.name_stop - param.name_start != 4:
            abort()
    if not param_append(buf, 0, size, b"name", 4, &out, &flags) and out.size:
        abort()
    _check_growth(&out, size)
    _check_text(&out)


cdef inline void _check_param(const Param* param, Py_ssize_t size) noexcept nogil:
    if not 0 <= param.name_start <= param.name_stop <= param.value_start:
        abort()
    if not param.value_start <= param.value_stop <= size:
        abort()


cdef void _transfer(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena out
    cdef uint32_t flags = 0
    arena_init(&out, LIMIT)
    base64_append(buf, 0, size, &out, &flags)
    if out.failed or out.size > size // 4 * 3 + 2:
        abort()
    out.size = 0
    quoted_printable_append(buf, 0, size, &out, &flags)
    if out.failed or out.size > size:
        abort()
    arena_free(&out)


cdef void _html(const uint8_t* buf, Py_ssize_t size) noexcept nogil:
    cdef Arena text, links, strings
    cdef LinkRecord* link
    cdef Sink sink
    cdef int32_t i
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
    if text.size > sink.text_limit + 4:                     # the last character, a space before it
        abort()
    if not 0 <= sink.n_links <= sink.max_links:
        abort()
    if links.size != sink.n_links * <Py_ssize_t> sizeof(LinkRecord):
        abort()
    for i in range(sink.n_links):
        link = <LinkRecord*> links.data + i
        if not 0 <= link.url_start <= link.url_stop <= strings.size:
            abort()
        if not 0 <= link.text_start <= link.text_stop <= text.size:
            abort()
        if not 0 <= link.kind <= LINK_FRAME:
            abort()
    arena_free(&links)
    _check_text(&text)
    _check_text(&strings)


cdef void fuzz_words(const uint8_t* data, size_t size) noexcept nogil:
    run(_words, b"=?utf-8QqBb_0C39A \r\n\ti", WORDS_TOKENS, data, size)


cdef void fuzz_charsets(const uint8_t* data, size_t size) noexcept nogil:
    run(_charsets, b"aZ\x1b$B(J~{}\xc3\xa9\xe2\x82\xac\xf0\xff\x80\x81+/-", CHARSETS_TOKENS, data, size)


cdef void fuzz_addresses(const uint8_t* data, size_t size) noexcept nogil:
    run(_addresses, b"a.@<>()[],;:\"\\ \r\n=?\xc3\xa9", ADDRESSES_TOKENS, data, size)


cdef void fuzz_authres(const uint8_t* data, size_t size) noexcept nogil:
    run(_authres, b"spfdkim=;.()\"\\/@ \r\n1-a", AUTHRES_TOKENS, data, size)


cdef void fuzz_dates(const uint8_t* data, size_t size) noexcept nogil:
    run(_dates, b"0123456789 :+-,()JanFebDecMonGMTESTPM\\\r\n", DATES_TOKENS, data, size)


cdef void fuzz_msgids(const uint8_t* data, size_t size) noexcept nogil:
    run(_msgids, b"<>a@. \r\n", MSGIDS_TOKENS, data, size)


cdef void fuzz_received(const uint8_t* data, size_t size) noexcept nogil:
    run(_received, b"frombyithd ;()[]<>.:0129a=HELOeE\\\r\n", RECEIVED_TOKENS, data, size)


cdef void fuzz_params(const uint8_t* data, size_t size) noexcept nogil:
    run(_params, b";name*=01'\"\\%C3utf-8? \r\n", PARAMS_TOKENS, data, size)


cdef void fuzz_transfer(const uint8_t* data, size_t size) noexcept nogil:
    run(_transfer, b"AZaz09+/= \r\n\t3D!", TRANSFER_TOKENS, data, size)


cdef void fuzz_html(const uint8_t* data, size_t size) noexcept nogil:
    run(_html, b"<>/!-=\"' a&;#x0hrefimgsctyldpn:fo\n", HTML_TOKENS, data, size)


ADDRESSES = {
    "words": <uintptr_t> &fuzz_words,
    "charsets": <uintptr_t> &fuzz_charsets,
    "addresses": <uintptr_t> &fuzz_addresses,
    "authres": <uintptr_t> &fuzz_authres,
    "dates": <uintptr_t> &fuzz_dates,
    "msgids": <uintptr_t> &fuzz_msgids,
    "received": <uintptr_t> &fuzz_received,
    "params": <uintptr_t> &fuzz_params,
    "transfer": <uintptr_t> &fuzz_transfer,
    "html": <uintptr_t> &fuzz_html,
}
ADDRESSES |= (
    caching.ADDRESSES | doors.ADDRESSES | names.ADDRESSES | places.ADDRESSES | storing.ADDRESSES
)


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


def read_past_the_end(bytes data):
    """A planted fault: read the byte behind an exact-size copy. A sanitizer ends the process."""
    cdef Py_ssize_t size = len(data)
    cdef uint8_t* block = <uint8_t*> malloc(size)
    memcpy(block, <const uint8_t*> <const char*> data, size)
    total = block[size]
    free(block)
    return total
