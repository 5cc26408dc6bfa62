"""Fuzz targets that go through the door of a kernel, with the GIL: batches, and numbers.

The input block itself is given as the view, so it keeps its exact size.
"""
from hashlib import blake2b

from libc.math cimport INFINITY, NAN
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint64_t, uintptr_t
from libc.stdlib cimport abort, free, malloc

import numpy as np

from inputs cimport run

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.claims import EVIDENCE_BYTES, claims_batch
from atlas_fast._kernels.features import N_BUCKETS
from atlas_fast._kernels.folding import fold_text, tokens_of
from atlas_fast._kernels.headers import FIELD_NAMES, TEXT_COLUMNS, headers_batch
from atlas_fast._kernels.hosts import hosts_batch
from atlas_fast._kernels.intern import hash_batch, intern_batch
from atlas_fast._kernels.keys import KEY_BYTES, keys_batch
from atlas_fast._kernels.learn import train_linear
from atlas_fast._kernels.lexicon import lexicon_find
from atlas_fast._kernels.mboxscan import scan_mbox
from atlas_fast._kernels.memo import SEAL_BYTES, Memo, unseal_batch
from atlas_fast._kernels.messages import Messages
from atlas_fast._kernels.mime import mime_batch
from atlas_fast._kernels.score import score_batch
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
cdef const char* SPANS_TOKENS = (
    b"\n\001http://\001https://\001//\001a.example\001B.Example\001a@\001[::1]\001:80\001/\001"
    b"?\001#\001.\001\\\001a\001\xff"
)
cdef const char* MEMO_TOKENS = b"A\x09\001B\xff\001\x02\x03\001C\x10\001\x03\x04\001aaaaaaaa"
cdef const char* CLAIMS_TOKENS = b"\x02\x02\x02\x02\001\x7f\001\x02\001\xff\xff\xff\xff\001a"
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


cdef void _keys(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """The first half is a source and places, the second is messages: the same as by hashlib."""
    try:
        raw = np.asarray(<uint8_t[:size]> <uint8_t*> buf) if size else np.empty(0, np.uint8)
        cuts = np.array([0, size // 6, size // 3, size // 2], np.int64)
        ends = np.array([size // 2, size // 2 + size // 5, size], np.int64)
        out = np.empty((2, KEY_BYTES), np.uint8)
        messages = Messages.of_spans(raw, ends[:2], ends[1:])
        source = bytes(raw[:cuts[1]])
        places = raw[cuts[1]:cuts[3]]
        keys_batch(messages, source, places, cuts[1:] - cuts[1], out)
        for i in range(2):
            place = bytes(raw[cuts[i + 1]:cuts[i + 2]])
            whole = source + b"\0" + place + b"\0" + bytes(raw[ends[i]:ends[i + 1]])
            if bytes(out[i, 8:]) != blake2b(whole, digest_size=16).digest():
                abort()
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


cdef const uint64_t[::1] SECRET = np.array([3, 5], np.uint64)


cdef void _spans(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Interning, hashing and names of hosts: pieces between line feeds, then the same twice."""
    cdef object whole = _view(buf, size), ends, starts, stops, ids, first, keys
    try:
        at = np.flatnonzero(np.frombuffer(whole, np.uint8) == 10) if size else np.empty(0, np.int64)
        ends = np.concatenate([np.zeros(1, np.int64), at.astype(np.int64), np.array([size])])
        starts = np.concatenate([ends[:-1], ends[:-1]])
        stops = np.concatenate([ends[1:], ends[1:]])
        ids, first = np.empty((2, len(starts)), np.int32)
        count = intern_batch(whole, starts, stops, SECRET, ids, first)
        half = len(starts) // 2
        if not 0 < count <= half or (ids[:half] != ids[half:]).any() or ids[first[0]] != 0:
            abort()
        keys = np.empty((len(starts), 2), np.uint64)
        hash_batch(whole, starts, stops, SECRET, keys)
        if (keys[:half] != keys[half:]).any():
            abort()
        for urls in (True, False):
            out, offsets = Bytes(), np.empty(len(starts) + 1, np.int64)
            hosts_batch(whole, starts, stops, urls, 255, out, offsets)
            if offsets[-1] > 2 * size or (np.diff(offsets) < 0).any():
                abort()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _memo(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Two bytes are a step: a key to ask for, or to keep until some time. A value names its key."""
    cdef object table = Memo(16, 8), keys = np.zeros((1, 2), np.uint64)
    cdef object values = np.zeros((1, 8), np.uint8), found = np.zeros(1, np.uint8)
    cdef object expires = np.zeros(1, np.int64), rows = np.zeros((1, 8 + SEAL_BYTES), np.uint8)
    cdef Py_ssize_t i
    try:
        for i in range(0, size - 1, 2):
            keys[0, 0], keys[0, 1] = buf[i] & 63, 7
            if buf[i] & 64:
                expires[0] = buf[i + 1]
                values[0, :] = buf[i] & 63
                table.put_batch(keys, expires, values, buf[i + 1] >> 1)
            else:
                table.get_batch(keys, buf[i + 1], values, found)
                if found[0] and (values[0] != buf[i] & 63).any():
                    abort()
        if len(table) > table.capacity:
            abort()
        if size >= 8 + SEAL_BYTES:
            rows[0] = np.frombuffer(_view(buf, size), np.uint8)[:8 + SEAL_BYTES]
            if unseal_batch(rows, keys, 1, 0, SECRET, values, expires, found) and found[0]:
                abort()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _claims(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Evidence of any bytes over domains of the same bytes: it fits, or is refused."""
    cdef Py_ssize_t m = size // EVIDENCE_BYTES
    cdef object offsets = np.zeros(2, np.int64), one = np.zeros(1, np.uint8)
    try:
        try:
            claims_batch(_view(buf, size), np.array([0, size], np.int64),
                         _view(buf, m * EVIDENCE_BYTES), np.array([0, m], np.int64),
                         _view(buf, size), one, one, Bytes(), offsets)
        except ValueError:
            pass
    except BaseException as error:
        print(repr(error))
        abort()


cdef void fuzz_headers(const uint8_t* data, size_t size) noexcept nogil:
    run(_headers, b":\r\n \tFromToSubjectDate<a@b>,=?\xff-", HEADERS_TOKENS, data, size)


cdef void fuzz_mime(const uint8_t* data, size_t size) noexcept nogil:
    run(_mime, b"-ab\r\n:; =\"multipart/xdCT", MIME_TOKENS, data, size)


cdef void fuzz_message(const uint8_t* data, size_t size) noexcept nogil:
    run(_message, b":\r\n \tContent-Type: multipart/;boundary=\"a\"--aFrom<@>Subject=?", MESSAGE_TOKENS, data, size)


cdef void fuzz_mboxscan(const uint8_t* data, size_t size) noexcept nogil:
    run(_mboxscan, b"From a 12:00 2001\n\r>Content-Length:", MBOXSCAN_TOKENS, data, size)


cdef void fuzz_keys(const uint8_t* data, size_t size) noexcept nogil:
    run(_keys, b"0123456789/ab\x00", b"cur/\001new/\00112345678901234\001/\0010\001a\001\x00", data, size)


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


cdef void fuzz_spans(const uint8_t* data, size_t size) noexcept nogil:
    run(_spans, b"\nahtp:/@.[]?#", SPANS_TOKENS, data, size)


cdef void fuzz_memo(const uint8_t* data, size_t size) noexcept nogil:
    run(_memo, b"\x01\x02\x41\x42\x43\x7f\x09\x10\x20\xff", MEMO_TOKENS, data, size)


cdef void fuzz_claims(const uint8_t* data, size_t size) noexcept nogil:
    run(_claims, b"\x01\x02\x10\x7f\xff", CLAIMS_TOKENS, data, size)


ADDRESSES = {
    "spans": <uintptr_t> &fuzz_spans,
    "memo": <uintptr_t> &fuzz_memo,
    "claims": <uintptr_t> &fuzz_claims,
    "headers": <uintptr_t> &fuzz_headers,
    "mime": <uintptr_t> &fuzz_mime,
    "message": <uintptr_t> &fuzz_message,
    "mboxscan": <uintptr_t> &fuzz_mboxscan,
    "keys": <uintptr_t> &fuzz_keys,
    "lexicon": <uintptr_t> &fuzz_lexicon,
    "linear": <uintptr_t> &fuzz_linear,
    "origin": <uintptr_t> &fuzz_origin,
    "authverdict": <uintptr_t> &fuzz_authverdict,
}
