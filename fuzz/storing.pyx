"""Fuzz targets of what stands before a store: texts in their stored form, and the table of columns."""
import sqlite3

from libc.stdint cimport uint8_t, uintptr_t
from libc.stdlib cimport abort

import numpy as np

from inputs cimport run

from atlas_fast._kernels import sqltable
from atlas_fast._kernels.storedtext import (
    DIGITS, GROWTH, decimal_texts, ipv4_texts, stored_texts,
)
from atlas_fast.store.rowtable import connected

cdef const char* TEXT_TOKENS = (
    b"\n\001eight or\001 more\001\t\001\x7f\001\xc2\x80\001\xc2\xa0\001\xe2\x82\xac\001\xe2\x82\001"
    b"\xed\xa0\x80\001\xf0\x9f\x98\x80\001\xf4\x90\x80\x80\001\xc0\xaf\001\xff"
)
cdef const char* TABLE_TOKENS = b"\x02\001\x03\001\x04\001\x05\001\x7f\001\x80\001\xff\001aaaa\001\xe2\x82\xac"

CONNECTION, TABLE = connected(
    lambda: sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
)
if TABLE is None:
    raise ImportError("the SQLite of this Python cannot be found in its process")
CONNECTION.text_factory = bytes


cdef void _storedtext(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Texts between line feeds, and addresses of 16 bytes: valid UTF-8 without control characters,
    within the cap. The same bytes as numbers."""
    try:
        whole = <uint8_t[:size]> <uint8_t*> buf if size else b""
        at = np.flatnonzero(np.frombuffer(whole, np.uint8) == 10) if size else np.empty(0, np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), at.astype(np.int64), np.array([size])])
        for cap in (0, 7, 100):
            out, ends = np.empty(GROWTH * size + len(offsets), np.uint8), np.empty_like(offsets)
            used = stored_texts(whole, offsets, cap, b"-", out, ends)
            for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
                text = out[a:b].tobytes().decode()
                if len(text) > max(cap, 1) or any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in text):
                    abort()
            if used != ends[-1]:
                abort()
        n = size // 16
        if n:
            addresses = np.frombuffer(whole, np.uint8)[: 16 * n].reshape(n, 16).copy()
            addresses[::2, :12] = [0] * 10 + [255] * 2
            out, ends = np.empty(16 * n, np.uint8), np.empty(n + 1, np.int64)
            ipv4_texts(addresses, out, ends)
            for row in range(0, n, 2):
                text = out[ends[row]:ends[row + 1]].tobytes().decode()
                if list(map(int, text.split("."))) != addresses[row, 12:].tolist():
                    abort()
            numbers = addresses.view(np.int64).ravel() & 0x7FFFFFFFFFFFFFFF
            out, ends = np.empty(DIGITS * 2 * n, np.uint8), np.empty(2 * n + 1, np.int64)
            decimal_texts(numbers, out, ends)
            for i, number in enumerate(numbers.tolist()):
                if int(out[ends[i]:ends[i + 1]].tobytes()) != number:
                    abort()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void _sqltable(const uint8_t* buf, Py_ssize_t size) noexcept with gil:
    """Offsets and codes as the input says: refused, or what the slices are."""
    try:
        if size < 4:
            return
        raw = np.asarray(<uint8_t[:size]> <uint8_t*> buf)
        n = int(raw[0]) % 9
        offsets = np.cumsum(raw[1:].astype(np.int8)[: n + 1].astype(np.int64))
        codes = raw[1 : 1 + n].astype(np.int8).astype(np.int32) - 3
        for given in (None, codes):
            try:
                TABLE.show([(sqltable.TEXT, raw, offsets, given)], n)
            except ValueError:
                continue
            rows = range(n) if given is None else codes.tolist()
            expected = [(None if i < 0 else raw[offsets[i]:offsets[i + 1]].tobytes(),) for i in rows]
            if CONNECTION.execute("SELECT c0 FROM temp.atlas_rows").fetchall() != expected:
                abort()
        TABLE.hide()
    except BaseException as error:
        print(repr(error))
        abort()


cdef void fuzz_storedtext(const uint8_t* data, size_t size) noexcept nogil:
    run(_storedtext, b"a \n\t\x7f\xc2\xa0\xe2\x82\xac\xed\xf0\x9f\x98\x80\xff", TEXT_TOKENS, data, size)


cdef void fuzz_sqltable(const uint8_t* data, size_t size) noexcept nogil:
    run(_sqltable, b"\x01\x02\x03\x04\x05\x7f\x80\xff", TABLE_TOKENS, data, size)


ADDRESSES = {
    "sqltable": <uintptr_t> &fuzz_sqltable, "storedtext": <uintptr_t> &fuzz_storedtext,
}
