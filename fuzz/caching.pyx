"""Fuzz targets of what keys, interning and caches are made of, through their doors."""
from hashlib import blake2b

from libc.stdint cimport uint8_t, uint64_t, uintptr_t
from libc.stdlib cimport abort

import numpy as np

from inputs cimport run

from atlas_fast._kernels.claims import EVIDENCE_BYTES, claims_batch
from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.hosts import hosts_batch
from atlas_fast._kernels.intern import hash_batch, intern_batch
from atlas_fast._kernels.keys import KEY_BYTES, LANES_HERE, keys_batch
from atlas_fast._kernels.memo import SEAL_BYTES, Memo, unseal_batch
from atlas_fast._kernels.messages import Messages

cdef const char* SPANS_TOKENS = (
    b"\n\001http://\001https://\001//\001a.example\001B.Example\001a@\001[::1]\001:80\001/\001"
    b"?\001#\001.\001\\\001a\001\xff"
)
cdef const char* MEMO_TOKENS = b"A\x09\001B\xff\001\x02\x03\001C\x10\001\x03\x04\001aaaaaaaa"
cdef const char* CLAIMS_TOKENS = b"\x02\x02\x02\x02\001\x7f\001\x02\001\xff\xff\xff\xff\001a"


cdef object _view(const uint8_t* buf, Py_ssize_t size):
    return <uint8_t[:size]> <uint8_t*> buf if size else b""


cdef void _keys(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """The first half is a source and places, the second is messages: the same as by hashlib."""
    try:
        raw = np.asarray(<uint8_t[:size]> <uint8_t*> buf) if size else np.empty(0, np.uint8)
        cuts = np.array([0, size // 6, size // 3, size // 2], np.int64)
        ends = np.array([size // 2, size // 2 + size // 5, size], np.int64)
        # Each message twice, and a third that is all of them: more than there are lanes.
        order = [0, 1, 2, 1, 0] * 2
        starts, stops = np.append(ends[:2], 0)[order], np.append(ends[1:], size)[order]
        offsets = np.array([0] + [cuts[3] - cuts[1]] * 10, np.int64)
        offsets[:5] = cuts[1] // 4 * np.arange(5)
        messages = Messages.of_spans(raw, starts, stops)
        source = bytes(raw[:cuts[1]])
        places = bytes(raw[cuts[1]:cuts[3]])
        for lanes in (0, 4, 8):
            if lanes > LANES_HERE:
                break
            out = np.empty((10, KEY_BYTES), np.uint8)
            keys_batch(messages, source, places, offsets, out, lanes)
            for i in range(10):
                place = places[offsets[i]:offsets[i + 1]]
                whole = source + b"\0" + place + b"\0" + bytes(raw[starts[i]:stops[i]])
                if bytes(out[i, 8:]) != blake2b(whole, digest_size=16).digest():
                    abort()
    except BaseException as error:
        print(repr(error))
        abort()


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


cdef void fuzz_keys(const uint8_t* data, size_t size) noexcept nogil:
    run(_keys, b"0123456789/ab\x00", b"cur/\001new/\00112345678901234\001/\0010\001a\001\x00", data, size)


cdef void fuzz_spans(const uint8_t* data, size_t size) noexcept nogil:
    run(_spans, b"\nahtp:/@.[]?#", SPANS_TOKENS, data, size)


cdef void fuzz_memo(const uint8_t* data, size_t size) noexcept nogil:
    run(_memo, b"\x01\x02\x41\x42\x43\x7f\x09\x10\x20\xff", MEMO_TOKENS, data, size)


cdef void fuzz_claims(const uint8_t* data, size_t size) noexcept nogil:
    run(_claims, b"\x01\x02\x10\x7f\xff", CLAIMS_TOKENS, data, size)


ADDRESSES = {
    "claims": <uintptr_t> &fuzz_claims,
    "keys": <uintptr_t> &fuzz_keys,
    "memo": <uintptr_t> &fuzz_memo,
    "spans": <uintptr_t> &fuzz_spans,
}
