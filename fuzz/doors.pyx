"""Fuzz targets that go through the door of a kernel, with the GIL: batches, and numbers.

The input block itself is given as the view, so it keeps its exact size.
"""
from libc.math cimport INFINITY, NAN
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport abort, free, malloc

from json import loads

import numpy as np

from inputs cimport run

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.features import N_BUCKETS
from atlas_fast._kernels.folding import fold_text, tokens_of
from atlas_fast._kernels.headers import FIELD_NAMES, TEXT_COLUMNS, headers_batch
from atlas_fast._kernels.kinds import KINDS, kinds_choose, kinds_logits
from atlas_fast._kernels.learn import train_linear
from atlas_fast._kernels.lexicon import lexicon_find
from atlas_fast._kernels.mboxscan import scan_mbox
from atlas_fast._kernels.messages import Messages
from atlas_fast._kernels.mime import mime_batch
from atlas_fast._kernels.score import contributions_batch, reasons_text, score_batch
from atlas_fast.auth import AuthColumns, AuthSettings
from atlas_fast._kernels.wording import word_columns
from atlas_fast.classify.lexicon import lexicon
from atlas_fast.headers import FIELD_DTYPE, HeaderColumns
from atlas_fast.mime import LINK_DTYPE, PART_DTYPE, MimeColumns
from atlas_fast.origin import OriginColumns, Trusted
from atlas_fast.stages.features import extract

cdef const char* HEADERS_TOKENS = (
    b"\n\001\r\n\001\n\n\001Content-Type: \001\"b c\"\001b\001message/rfc822\001"
    b"text/html\001text/plain\001; charset=\001utf-8\001iso-8859-1\001windows-1251\001"
    b"iso-2022-jp\001Content-Transfer-Encoding: \001base64\001quoted-printable\001"
    b"Content-Disposition: attachment; filename=\001a.exe\001From: \001To: \001"
    b"Subject: \001Date: Mon, 1 Jan 2001 00:00:00 +0000\001Message-ID: <a@b>\001"
    b"Received: from a by b\001Reply-To: \001a <a@b.example>, \001=?utf-8?b?w6k=?=\001"
    b" \001\t\001a\001<a href=http://a.example/>\001</a>\001QUJDREVG\001=C3=A9\001"
    b"\xc3\xa9\001\xff\001\r\001From a\001\n--a\n\001\n--a--\001Return-Path: \001X-\001"
    b"List-Id: \001DKIM-Signature: \001>From x\001: \001:"
)
cdef const char* LEXICON_TOKENS = (
    b"viagra\001v.i.a.g.r.a\001v i a\001money back guarantee\001free\001 \001\n\001work from home\001"
    b"\xd0\xb0\001\xe2\x80\x8b\001\xef\xbd\x96\001\xf0\x9d\x90\x9a\001\xe2\x80\001\xcc\x81\001V1AGRA\0012024\001"
    b"you have won\001next of kin\001click here\001_\001\xff\001abcdefgh"
)
cdef const char* MIME_TOKENS = (
    b"\n\001\r\n\001\n\n\001Content-Type: \001multipart/mixed; boundary=a\001"
    b"multipart/alternative; boundary=\001\"b c\"\001b\001--a\001--b\001--b c\001-\001--\001"
    b"multipart/digest; boundary=d\001--d\001message/rfc822\001text/html\001text/plain\001"
    b"; charset=\001utf-8\001iso-8859-1\001windows-1251\001iso-2022-jp\001"
    b"Content-Transfer-Encoding: \001base64\001quoted-printable\001"
    b"Content-Disposition: attachment; filename=\001a.exe\001From: \001To: \001"
    b"Subject: \001Date: Mon, 1 Jan 2001 00:00:00 +0000\001Message-ID: <a@b>\001"
    b"Received: from a by b\001Reply-To: \001a <a@b.example>, \001=?utf-8?b?w6k=?=\001"
    b" \001\t\001a\001<a href=http://a.example/>\001</a>\001QUJDREVG\001=C3=A9\001"
    b"\xc3\xa9\001\xff\001\r\001From a\001\n--a\n\001\n--a--"
)
cdef const char* MESSAGE_TOKENS = (
    b"\n\001\r\n\001\n\n\001Content-Type: \001multipart/mixed; boundary=a\001"
    b"multipart/alternative; boundary=\001\"b c\"\001b\001--a\001--b\001--b c\001-\001--\001"
    b"multipart/digest; boundary=d\001--d\001message/rfc822\001text/html\001text/plain\001"
    b"; charset=\001utf-8\001iso-8859-1\001windows-1251\001iso-2022-jp\001"
    b"Content-Transfer-Encoding: \001base64\001quoted-printable\001"
    b"Content-Disposition: attachment; filename=\001a.exe\001From: \001To: \001"
    b"Subject: \001Date: Mon, 1 Jan 2001 00:00:00 +0000\001Message-ID: <a@b>\001"
    b"Received: from a by b\001Reply-To: \001a <a@b.example>, \001=?utf-8?b?w6k=?=\001"
    b" \001\t\001a\001<a href=http://a.example/>\001</a>\001QUJDREVG\001=C3=A9\001"
    b"\xc3\xa9\001\xff\001\r\001From a\001\n--a\n\001\n--a--"
)
cdef const char* MBOXSCAN_TOKENS = (
    b"From a@b Mon Jan  1 00:00:00 2001\n\001From a@b Mon Jan  1 00:00 2001\r\n\001"
    b"From \001\n\001\r\n\001\n\n\001>From \001Content-Length: \0011\0019\00199\001"
    b"Content-Length: 3\n\001a: b\001a\n\001-"
)
cdef const char* TRACE_TOKENS = (
    b"\n\001\r\n\t\001Received: \001from a \001(b [\001])\001 by mx.a.test\001 by r.test\001"
    b"10.0.0.1\00141.0.0.1\00142.0.0.1\001::1\0012a00::1\001::ffff:10.0.0.1\001"
    b"64:ff9b::2900:1\0012002:2900:1::\001 with POP3\001(HELO \001X-Originating-IP: \001"
    b"Received: from a ([41.0.0.1]) by mx.a.test\n\001Received: from a ([10.0.0.1]) by b\n\001;"
)
cdef const char* AUTHVERDICT_TOKENS = (
    b"\n\001Received: from a ([41.0.0.1]) by mx.a.test\n\001Received: by b\n\001"
    b"Authentication-Results: \001mx.a.test\001; spf=pass smtp.mailfrom=\001a@b.test\001"
    b"; dkim=pass header.d=\001; dkim=fail\001; dmarc=pass\001; arc=fail\001; iprev=pass\001b.test\001"
    b"Received-SPF: pass receiver=mx.a.test; envelope-from=\001Received-SPF: fail\001\"\001(\001"
    b"DKIM-Signature: d=\001ARC-Seal: i=1; cv=none\n\001ARC-Seal: i=2; cv=pass\n\001"
    b"ARC-Message-Signature: i=1\n\001ARC-Authentication-Results: i=1; a\n\001"
    b"From: a@b.test\n\001Return-Path: <a@b.test>\n\001 \001;\001\xff"
)
cdef const char* LINEAR_TOKENS = (
    b"\x02\x05\x17\x0b\001\x02\001\x04\x04\001\x7f\001\x80\001\xff\001\xfd\xfd\001"
    b"\x10\x20\x30"
)

START, STOP, BODY = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int32)
FIRST = np.zeros((1, len(FIELD_NAMES)), np.int16)
N_FIELDS, N_RECEIVED, ZONE, N_HIDDEN = np.zeros((4, 1), np.int32)
DATE, FLAGS = np.zeros(1, np.int64), np.zeros(1, np.uint32)
INDPTR = np.zeros((4, 2), np.int64)
OFFSETS = np.zeros((len(TEXT_COLUMNS), 2), np.int64)
SPANS = np.zeros((3, 1, 2), np.int32)


cdef object _view(const uint8_t* buf, Py_ssize_t size):
    return <uint8_t[:size]> <uint8_t*> buf if size else b""


cdef int _inside(starts, stops, Py_ssize_t size) except -1:
    """Each span on its own: the least start and the greatest stop may belong to two."""
    if (starts < 0).any() or (starts > stops).any() or (stops > size).any():
        abort()
    return 0


cdef void _headers(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """headers_batch over one message; its first byte chooses the caps."""
    try:
        small = size > 0 and buf[0] & 1
        caps = tuple([max(size // 2, 1), 3, 6, 1] if small else [1 << 26, 1000, 1 << 16, 100])
        STOP[0] = size
        fields, name, address, ends = Bytes(), Bytes(), Bytes(), Bytes()
        texts = [Bytes() for _ in TEXT_COLUMNS]
        headers_batch(
            Messages.of_spans(_view(buf, size), START, STOP), caps, FIRST, BODY, N_FIELDS,
            N_RECEIVED, DATE, ZONE, fields, INDPTR[0], texts, OFFSETS, name, address, ends,
            INDPTR[1], FLAGS)
        if not 0 <= BODY[0] <= size:
            abort()
        rows = np.frombuffer(fields, FIELD_DTYPE)
        if len(rows) != N_FIELDS[0] or len(rows) > caps[1]:
            abort()
        _inside(rows["start"], rows["stop"], size)
        if (rows["name_gap"] > rows["start"]).any() or (rows["id"] >= len(FIELD_NAMES)).any():
            abort()
        if FIRST.min() < -1 or FIRST.max() >= max(len(rows), 1):
            abort()
        for text in (name, address, *texts):
            bytes(text).decode()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _mime(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """mime_batch over one message whose first line is the body of its Content-Type field."""
    cdef Py_ssize_t line = 0
    try:
        while line < size and buf[line] != 10:
            line += 1
        small = line and buf[0] & 1
        caps = tuple(
            [max(size // 2, 1), 2, 3, 10, 1] if small else [1 << 26, 32, 100, 1 << 16, 50])
        STOP[0], BODY[0] = size, line
        SPANS[0] = 0, line
        SPANS[1:] = -1
        text, parts, links, strings = Bytes(), Bytes(), Bytes(), Bytes()
        mime_batch(
            Messages.of_spans(_view(buf, size), START, STOP), BODY, SPANS[0], SPANS[1], SPANS[2],
            caps, text, INDPTR[0], parts, INDPTR[1], links, INDPTR[2], strings, N_HIDDEN, FLAGS)
        rows = np.frombuffer(parts, PART_DTYPE)
        if not (rows["header"] <= rows["body"]).all() or not (rows["body"] <= rows["stop"]).all():
            abort()
        if not 0 < len(rows) <= caps[2] or rows["header"].min() < 0 or rows["stop"].max() > size:
            abort()
        urls = np.frombuffer(links, LINK_DTYPE)
        if (rows["parent"] >= np.arange(len(rows))).any() or rows["depth"].max() > caps[1]:
            abort()
        if len(urls) > caps[4] or len(text) > caps[3] + 5:  # a character, white space around it
            abort()
        _inside(rows["name_start"], rows["name_stop"], len(strings))
        _inside(urls["url_start"], urls["url_stop"], len(strings))
        _inside(urls["text_start"], urls["text_stop"], len(text))
        typed = rows[rows["type_start"] >= 0]
        _inside(typed["type_start"], typed["type_stop"], size)
        bytes(text).decode()
        bytes(strings).decode()
    except BaseException as error:
        print(repr(error))
        abort()


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
        if len(rows.indices) and not 0 <= rows.indices.min() <= rows.indices.max() < N_BUCKETS:
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


TRUSTED = Trusted(["42.0.0.0/8", "2a00::/16"], ["r.test"])
SETTINGS = [AuthSettings(), AuthSettings(["mx.a.test"], below=False, trusted=TRUSTED)]


cdef void _origin(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    try:
        STOP[0] = size
        head = HeaderColumns(Messages.of_spans(_view(buf, size), START, STOP))
        for trusted in (None, TRUSTED):
            found = OriginColumns(head, trusted).row(0)
            if not -1 <= found.hop < head.n_received[0] or not -1 <= found.border < head.n_received[0]:
                abort()
            if (found.ip is None) != (found.reason.name not in ("FIRST_EXTERNAL", "SENDERS_WORD", "ORIGINATING_IP")):
                abort()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _authverdict(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    try:
        STOP[0] = size
        head = HeaderColumns(Messages.of_spans(_view(buf, size), START, STOP))
        for settings in SETTINGS:
            columns = AuthColumns(
                head, settings=settings,
                registrable=lambda texts: np.zeros(len(texts), np.int32))
            row = columns.row(0)
            if not -30 <= row.confidence_modifier <= 10 or row.counted >= head.n_fields[0]:
                abort()
            if row.forged and not row.untrusted:
                abort()
            bytes(columns.domains.data).decode("ascii")
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


cdef int _is_json(bytes text) except -1:
    try:
        loads(text)
    except ValueError:
        abort()
    return 0


def _kinds(raw, n, m):
    """kinds_logits and kinds_choose over arrays of exact size, with any count and any column."""
    fill = np.resize(np.frombuffer(raw, np.uint8), n * m + n * KINDS + 40) if len(raw) else np.zeros(
        n * m + n * KINDS + 40, np.uint8)
    terms, bulk = fill[: n * m].reshape(n, m).copy(), (fill[:n] & 1).copy()
    weights = (fill[: KINDS].astype(float)[:, None] - 99) * np.arange(m + 2)
    logits = np.empty((n, KINDS))
    kinds_logits(terms, bulk, weights, logits)
    column = (fill[-20:] % (m + 1)).astype(np.int32)
    spam = (fill[-n:] / 255).astype(np.float32)
    five, made = np.empty((n, KINDS), np.float32), np.empty((2, n), np.uint8)
    try:
        kinds_choose(logits, spam, 0.5, terms, column, fill[-20:] % KINDS, fill[-40:-20] & 1, 255, five,
                     made[0], made[1])
    except ValueError:
        if (column < m).all():
            raise
        return
    if not np.allclose(five.sum(axis=1), 1, atol=1e-5) or ((made[0] >= 2) != (spam >= 0.5)).any():
        raise AssertionError("the kinds do not add up")
    if ((made[1] >= 20) & (made[1] != 255)).any():
        raise AssertionError("no such subcategory")


cdef void _linear(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """score_batch, contributions_batch, reasons_text, train_linear and the kinds over arrays of exact
    size; a ValueError is a good answer."""
    cdef Reader r
    cdef int64_t* indptr
    cdef int32_t* indices
    cdef float* data
    cdef float* weights
    cdef int8_t* labels
    cdef double* out
    cdef double* trained
    cdef int32_t* ends
    cdef double* groups
    cdef int32_t* top
    cdef uint8_t* of
    cdef float* share
    cdef int64_t* offsets
    cdef int n_groups, k
    cdef int n, nnz, m, i, j, hostile, last = 0
    r.buf, r.pos, r.size = buf, 0, size
    hostile = _byte(&r)
    n, nnz, m = 1 + _byte(&r) % 6, 1 + _byte(&r) % 24, 1 + _byte(&r) % 12
    nnz = nnz * 60 if hostile & 4 else nnz                  # more than a chunk
    n_groups, k = 1 + (hostile >> 4) % 4, 1 + (hostile >> 6) * 5
    indptr = <int64_t*> malloc((n + 1) * sizeof(int64_t))
    indices = <int32_t*> malloc(nnz * sizeof(int32_t))
    data = <float*> malloc(nnz * sizeof(float))
    weights = <float*> malloc(m * sizeof(float))
    labels = <int8_t*> malloc(n)
    out = <double*> malloc(n * sizeof(double))
    trained = <double*> malloc(m * sizeof(double))
    ends = <int32_t*> malloc(n * n_groups * sizeof(int32_t))
    groups = <double*> malloc(n * n_groups * sizeof(double))
    top = <int32_t*> malloc(n * k * sizeof(int32_t))
    of = <uint8_t*> malloc(n * k)
    share = <float*> malloc(n * k * sizeof(float))
    offsets = <int64_t*> malloc((n + 1) * sizeof(int64_t))
    for i in range(n + 1):
        if hostile & 1:
            indptr[i] = <int8_t> _byte(&r)
        else:
            last = min(last + _byte(&r) % 5 * (60 if hostile & 4 else 1), nnz) if i else 0
            indptr[i] = nnz if i == n else last
    for i in range(nnz):
        indices[i] = <int8_t> _byte(&r) if hostile & 2 else _byte(&r) % m
        data[i] = _value(_byte(&r))
    for i in range(m):
        weights[i] = _value(_byte(&r))
        trained[i] = 0
    for i in range(n):
        labels[i] = 1 if _byte(&r) & 1 else -1
        for j in range(n_groups):
            ends[i * n_groups + j] = (
                <int8_t> _byte(&r) if hostile & 8 else 2000 if j == n_groups - 1 else _byte(&r) % 30)
    try:
        try:
            score_batch(<int64_t[:n + 1]> indptr, <int32_t[:nnz]> indices, <float[:nnz]> data,
                        <float[:m]> weights, 0.5, <double[:n]> out)
        except ValueError:
            pass
        try:
            contributions_batch(
                <int64_t[:n + 1]> indptr, <int32_t[:nnz]> indices, <float[:nnz]> data,
                <int32_t[:n, :n_groups]> ends, <float[:m]> weights, 0.5, <double[:n]> out,
                <double[:n, :n_groups]> groups, <int32_t[:n, :k]> top, <uint8_t[:n, :k]> of,
                <float[:n, :k]> share)
            told = Bytes()
            reasons_text(
                <double[:n, :n_groups]> groups, <int32_t[:n, :k]> top, <uint8_t[:n, :k]> of,
                <float[:n, :k]> share, 3, 3, told, <int64_t[:n + 1]> offsets)
            if offsets[n] != len(told):
                abort()
            for i in range(n):
                _is_json(bytes(told)[offsets[i]:offsets[i + 1]])
            for i in range(n * k):
                if not -1 <= top[i] < m or of[i] >= n_groups:
                    abort()
        except ValueError:
            pass
        try:
            train_linear(<int64_t[:n + 1]> indptr, <int32_t[:nnz]> indices, <float[:nnz]> data,
                         <int8_t[:n]> labels, 1.0, 2.0, 3, 1e-3, 1, <double[:m]> trained)
        except ValueError:
            pass
        _kinds(<uint8_t[:size]> <uint8_t*> buf if size else b"", n, m)
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
    free(ends)
    free(groups)
    free(top)
    free(of)
    free(share)
    free(offsets)


cdef void fuzz_headers(const uint8_t* data, size_t size) noexcept nogil:
    run(_headers, b":\r\n \tFromToSubjectDate<a@b>,=?\xff-", HEADERS_TOKENS, data, size)


cdef void fuzz_mime(const uint8_t* data, size_t size) noexcept nogil:
    run(_mime, b"-ab\r\n:; =\"multipart/xdCT", MIME_TOKENS, data, size)


cdef void fuzz_message(const uint8_t* data, size_t size) noexcept nogil:
    run(_message, b":\r\n \tContent-Type: multipart/;boundary=\"a\"--aFrom<@>Subject=?", MESSAGE_TOKENS, data, size)


cdef void fuzz_mboxscan(const uint8_t* data, size_t size) noexcept nogil:
    run(_mboxscan, b"From a 12:00 2001\n\r>Content-Length:", MBOXSCAN_TOKENS, data, size)


cdef void fuzz_origin(const uint8_t* data, size_t size) noexcept nogil:
    run(_origin, b"Received: from a [10.2] by\r\n\t()4;:x", TRACE_TOKENS, data, size)


cdef void fuzz_authverdict(const uint8_t* data, size_t size) noexcept nogil:
    run(_authverdict, b":\n Authentication-Results;=.@<>spfdkm1", AUTHVERDICT_TOKENS, data, size)


cdef object LEXICON = lexicon()


cdef void _lexicon(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Terms and words of one text lie inside it; folding never grows it."""
    try:
        text = <const uint8_t[:size]> buf if size else b""
        stop = 0
        for h, n, start, end in tokens_of(text):
            if not (stop <= start < end <= size and 0 < n <= end - start):
                raise AssertionError("a word outside")
            stop = end
        for start, end, term in lexicon_find(LEXICON, text):
            if not (0 <= start < end <= size and 0 <= term < LEXICON.n_terms):
                raise AssertionError("a term outside")
        if len(fold_text(text)) > size:
            raise AssertionError("folding grew")
        word_columns(text)
    except BaseException as error:
        print(repr(error))
        abort()


cdef void fuzz_lexicon(const uint8_t* data, size_t size) noexcept nogil:
    run(_lexicon, b"vVi1aAgrRa. \n\xc3\xa9\xd0\xb0\xe2\x80\x8b\xff", LEXICON_TOKENS, data, size)


cdef void fuzz_linear(const uint8_t* data, size_t size) noexcept nogil:
    run(_linear, b"\x01\x02\x03\x04\x05\x10\x17\x7e\x80\x8f\xfc\xfd\xfe\xff", LINEAR_TOKENS, data, size)


ADDRESSES = {
    "headers": <uintptr_t> &fuzz_headers,
    "mime": <uintptr_t> &fuzz_mime,
    "message": <uintptr_t> &fuzz_message,
    "mboxscan": <uintptr_t> &fuzz_mboxscan,
    "lexicon": <uintptr_t> &fuzz_lexicon,
    "linear": <uintptr_t> &fuzz_linear,
    "origin": <uintptr_t> &fuzz_origin,
    "authverdict": <uintptr_t> &fuzz_authverdict,
}
