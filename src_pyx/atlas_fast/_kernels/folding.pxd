from libc.string cimport memcpy

from atlas_fast._kernels.types cimport uint8_t, uint32_t, uint64_t

cdef enum:
    FOLD_SKIP = 0               # nothing to see: zero width, soft hyphen, a combining mark
    FOLD_KEEP = -1              # a letter that stands for itself; its bytes are taken as they are
    FOLD_GAP = -2               # a space or a mark between words

cdef uint8_t WORD_BYTE[256]     # lower case of a byte of a word, digits as the letters that they
                                # stand for (0 o, 1 i, 3 e, 4 a, 5 s, 7 t); 0: not in a word
cdef uint8_t LETTER_BYTE[256]   # 0 for digits, 1 for the other bytes of words

cdef int fold_char(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   buf[pos] is above 0x7f
    Py_ssize_t* after,                                      # OUT  position behind the character
) noexcept nogil

cdef extern from *:
    """
    static inline int atlas_ctz64(unsigned long long x) { return __builtin_ctzll(x); }
    """
    int atlas_ctz64(unsigned long long x) noexcept nogil

cdef struct Token:
    uint64_t hash               # digits alone: of the digits as they are, and another start
    uint64_t first              # the first chunk
    uint64_t last               # the last chunk
    uint64_t before             # the chunk before the last
    Py_ssize_t end              # behind the last letter
    Py_ssize_t after            # where reading goes on
    int size                    # folded bytes; 0: nothing but characters without width
    bint number                 # digits alone


cdef inline uint64_t _chunk(uint64_t h, uint64_t chunk) noexcept nogil:
    h = (h ^ chunk) * 0x9E3779B97F4A7C15u
    return h ^ h >> 29


cdef enum:
    START_WORD = 0x51ED270B
    START_NUMBER = 0x2545F491


cdef inline void token_read(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   a byte of a word is at pos
    Token* token,                                           # OUT
) noexcept nogil:
    cdef Py_ssize_t start = pos
    cdef uint64_t raw, low, seven, others, chunk, h = START_WORD
    cdef int n
    cdef uint8_t c
    token.size = 0
    token.number = False
    token.first = token.last = token.before = 0
    while True:
        if stop - pos >= 8:
            memcpy(&raw, buf + pos, 8)
        else:
            raw = 0
            memcpy(&raw, buf + pos, <size_t> (stop - pos))
        low = raw | 0x2020202020202020u
        seven = low & 0x7F7F7F7F7F7F7F7Fu
        # The high bit of each byte that is no letter.
        others = ~((seven + 0x1F1F1F1F1F1F1F1Fu) & ~(seven + 0x0505050505050505u) & ~raw) & (
            0x8080808080808080u)
        n = 8 if others == 0 else atlas_ctz64(others) >> 3
        if n:
            chunk = low if n == 8 else low & ((<uint64_t> 1 << (8 * n)) - 1)
            h = _chunk(h, chunk)
            if token.size == 0:
                token.first = chunk
            token.before = token.last
            token.last = chunk
            token.size += n
            pos += n
        if n < 8:
            break
    if pos < stop:
        c = buf[pos]
        if c >= 0x80 or <uint8_t> (c - 48) < 10 or c == 95:
            _token_slow(buf, start, stop, token)
            return
    token.hash = h
    token.end = token.after = pos


cdef inline void _token_slow(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Token* token,
) noexcept nogil:
    cdef uint64_t chunk = 0, digits = 0, h = START_WORD, number = START_NUMBER
    cdef Py_ssize_t after = 0
    cdef int kind, filled = 0, n_digits = 0
    cdef uint8_t c, letters = 0
    token.size = 0
    token.first = token.last = token.before = 0
    token.end = pos
    while pos < stop:
        c = WORD_BYTE[buf[pos]]
        if c == 0:
            break
        if c >= 0x80:
            kind = fold_char(buf, pos, stop, &after)
            pos = after
            if kind == FOLD_GAP:
                break
            if kind != FOLD_KEEP:
                if kind <= 0:
                    continue
                c = <uint8_t> kind
            letters = 1
        else:
            letters |= LETTER_BYTE[buf[pos]]
            digits |= <uint64_t> buf[pos] << (8 * n_digits)
            n_digits += 1
            if n_digits == 8:
                number = _chunk(number, digits)
                digits = 0
                n_digits = 0
            pos += 1
        chunk |= <uint64_t> c << (8 * filled)
        filled += 1
        token.size += 1
        token.end = pos
        if filled == 8:
            h = _chunk(h, chunk)
            if token.size == 8:
                token.first = chunk
            token.before = token.last
            token.last = chunk
            chunk = 0
            filled = 0
    if filled:
        h = _chunk(h, chunk)
        if token.size < 8:
            token.first = chunk
        token.before = token.last
        token.last = chunk
    if n_digits:
        number = _chunk(number, digits)
    token.after = pos
    token.number = letters == 0
    token.hash = number if token.number else h


cdef inline uint32_t token_ending(const Token* token) noexcept nogil:
    """The last three bytes of a word of at least three, the first of them lowest."""
    cdef int n = token.size & 7
    if n == 0:
        n = 8
    if n >= 3:
        return <uint32_t> (token.last >> (8 * (n - 3))) & 0xFFFFFF
    return <uint32_t> (token.before >> (8 * (5 + n)) | token.last << (8 * (3 - n))) & 0xFFFFFF
