"""Unstructured header text to UTF-8: unfolding and encoded-words (RFC 5322 2.2.3, RFC 2047).

(a) _find_word: an encoded-word at a position, as spans; nothing else decides what one is.
(b) _payload_q, _payload_b: the two encodings to bytes; they never fail, damage is WORD_BAD.
(c) words_append: a run of adjacent words of one charset is decoded as one, so that characters
    split between words survive (RFC 2047, 5 forbids the split, mailers do it); white space
    between adjacent words goes away (6.2). What is no encoded-word is copied, without its line
    ends, as UTF-8 (RFC 6532); bytes that are none become U+FFFD.
(d) decode_words: the door for one field body.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize

from atlas_fast._kernels.arena cimport Arena, arena_free, arena_init, arena_push, arena_reserve
from atlas_fast._kernels.ascii cimport hex_digit, is_lwsp
from atlas_fast._kernels.charsets cimport charset_append, charset_id, utf8_append
from atlas_fast._kernels.scan cimport find_byte, skip_lwsp
from atlas_fast._kernels.types cimport WORD_BAD, int8_t, int32_t, uint8_t, uint32_t

cdef enum:
    MAX_CHARSET = 40            # an encoded-word whose charset is longer is none

cdef struct Word:
    int32_t charset
    bint base64
    Py_ssize_t start            # of the encoded text
    Py_ssize_t stop
    Py_ssize_t after            # behind the closing ?=

cdef int8_t BASE64[256]         # value, or -1; filled when the module is imported


cdef inline Py_ssize_t _find_end(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """First position of `?=` in [start, stop), or stop."""
    cdef Py_ssize_t pos = start
    while True:
        pos = find_byte(buf, pos, stop, 63)
        if pos + 1 >= stop:
            return stop
        if buf[pos + 1] == 61:
            return pos
        pos += 1


cdef bint _find_word(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   buf[pos:pos + 2] is `=?`
    Word* word,                                             # OUT
    bint* no_end,                                           # OUT  no `?=` follows, here or later
) noexcept nogil:
    cdef Py_ssize_t start = pos + 2, mark, star, end, limit
    limit = stop if stop - start < MAX_CHARSET else start + MAX_CHARSET
    mark = find_byte(buf, start, limit, 63)
    if mark == start or mark + 2 >= stop or mark == limit or buf[mark + 2] != 63:
        return False
    word.base64 = buf[mark + 1] | 32 == 98
    if not word.base64 and buf[mark + 1] | 32 != 113:
        return False
    for end in range(start, mark):
        if is_lwsp(buf[end]):
            return False
    star = find_byte(buf, start, mark, 42)                  # a language may follow (RFC 2231, 5)
    word.start = mark + 3
    end = _find_end(buf, word.start, stop)
    if end == stop:
        no_end[0] = True
        return False
    word.charset = charset_id(buf, start, star)
    word.stop = end
    word.after = end + 2
    return True


cdef void _payload_q(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    cdef uint8_t c
    cdef int high, low
    if not arena_reserve(out, stop - pos):
        return
    while pos < stop:
        c = buf[pos]
        pos += 1
        if c == 95:                                         # `_` is 0x20 in every charset (4.2)
            c = 32
        elif c == 61:
            high = hex_digit(buf[pos]) if pos < stop else -1
            low = hex_digit(buf[pos + 1]) if pos + 1 < stop else -1
            if high >= 0 and low >= 0:
                c = <uint8_t> (high << 4 | low)
                pos += 2
            else:
                flags[0] |= WORD_BAD
        elif c == 10 or c == 13:
            continue
        out.data[out.size] = c
        out.size += 1


cdef void _payload_b(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    """A quantum that ends early gives the whole bytes that it holds; foreign bytes are skipped."""
    cdef uint32_t bits = 0
    cdef int have = 0, value
    if not arena_reserve(out, (stop - pos) // 4 * 3 + 3):
        return
    while pos < stop:
        value = BASE64[buf[pos]]
        if value >= 0:
            bits = bits << 6 | <uint32_t> value
            have += 1
            if have == 4:
                out.data[out.size] = <uint8_t> (bits >> 16)
                out.data[out.size + 1] = <uint8_t> (bits >> 8)
                out.data[out.size + 2] = <uint8_t> bits
                out.size += 3
                have = 0
        elif buf[pos] == 61:
            _rest(bits, have, out, flags)
            have = 0
        elif not is_lwsp(buf[pos]):
            flags[0] |= WORD_BAD
        pos += 1
    if have:
        flags[0] |= WORD_BAD
        _rest(bits, have, out, flags)


cdef inline void _rest(uint32_t bits, int have, Arena* out, uint32_t* flags) noexcept nogil:
    """The bytes of a quantum of 2 or 3 characters."""
    if have == 1:
        flags[0] |= WORD_BAD
    elif have == 2:
        arena_push(out, <uint8_t> (bits >> 4))
    elif have == 3:
        arena_push(out, <uint8_t> (bits >> 10))
        arena_push(out, <uint8_t> (bits >> 2))


cdef void _plain_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    """Copy without CR and LF."""
    cdef Py_ssize_t lf, cr
    while start < stop:
        lf = find_byte(buf, start, stop, 10)
        while start < lf:
            cr = find_byte(buf, start, lf, 13)
            utf8_append(buf, start, cr, out, flags)
            start = cr + 1
        start = lf + 1


cdef void words_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Arena* out, uint32_t* flags,
) noexcept nogil:
    """Append the text of the field body [start, stop) as UTF-8."""
    cdef Py_ssize_t pos = start
    cdef Arena run                                          # bytes of adjacent words, one charset
    cdef int32_t charset = -2                               # of the run; -2: no word yet
    cdef Word word
    cdef bint no_end = False                                # keeps the search for `?=` linear
    arena_init(&run, out.limit)
    while not no_end:
        pos = find_byte(buf, pos, stop, 61)
        if pos + 1 >= stop:
            break
        if buf[pos + 1] != 63 or not _find_word(buf, pos, stop, &word, &no_end):
            pos += 1
            continue
        if charset != -2 and skip_lwsp(buf, start, pos) == pos:
            if word.charset != charset:
                charset_append(charset, run.data, 0, run.size, out, flags)
                run.size = 0
        else:
            charset_append(charset, run.data, 0, run.size, out, flags)
            run.size = 0
            _plain_append(buf, start, pos, out, flags)
        charset = word.charset
        if word.base64:
            _payload_b(buf, word.start, word.stop, &run, flags)
        else:
            _payload_q(buf, word.start, word.stop, &run, flags)
        start = pos = word.after
    if charset != -2:
        charset_append(charset, run.data, 0, run.size, out, flags)
        arena_free(&run)
    _plain_append(buf, start, stop, out, flags)


def decode_words(const uint8_t[::1] raw not None):
    """(text as UTF-8 bytes, flags) of one field body."""
    cdef Arena out
    cdef uint32_t flags = 0
    if raw.shape[0] == 0:
        return b"", 0
    arena_init(&out, 1 << 40)
    try:
        with nogil:
            words_append(&raw[0], 0, raw.shape[0], &out, &flags)
        if out.failed:
            raise MemoryError
        if out.size == 0:
            return b"", flags
        return PyBytes_FromStringAndSize(<const char*> out.data, out.size), flags
    finally:
        arena_free(&out)


def _build():
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for byte in range(256):
        BASE64[byte] = -1
    for value, byte in enumerate(alphabet):
        BASE64[byte] = value


_build()
