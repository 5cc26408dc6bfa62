"""Characters that are written to look like others, folded to ASCII.

The tables are lists in this file and not the Unicode database of the running Python: a model is
trained on folded words and must find the same ones everywhere. Folded are Latin letters with marks
(U+00C0 to U+024F), their twins in Greek, Cyrillic and Armenian, full width forms and the alphabets
of mathematics and enclosed letters. Skipped are characters without width and combining marks.

A token (folding.pxd) is one word: letters, digits, `_` and bytes above 0x7f, folded. Its hash takes
the folded bytes eight at a time as little-endian numbers; its stem is what words() makes of it.

(a) token_read: any word, byte by byte.
(b) tokens_next: many at once. Masks of 64 bytes (classes.pxd) give where runs of such bytes begin and
    end; most are up to 16 letters of ASCII, and go to the same hash eight runs at a time (lanes.pxd).
"""
from libc.string cimport memcpy, memset

from atlas_fast._kernels.blocks cimport ctz
from atlas_fast._kernels.classes cimport Classes, read_classes
from atlas_fast._kernels.hashing cimport hash_byte, hash_start
from atlas_fast._kernels.lanes cimport LANES_HASH, lanes_hash
from atlas_fast._kernels.types cimport uint8_t, uint16_t, uint32_t, uint64_t
from atlas_fast._kernels.processor cimport processor_ask

cdef enum:
    FIRST = 0x80
    TABLE = 0x600 - FIRST

    START_WORD = 0x51ED270B
    START_NUMBER = 0x2545F491

cdef uint8_t LETTER_BYTE[256]   # 0 for digits, 1 for the other bytes of words
cdef uint8_t NOTHING[FILTER]    # a filter that has no hash
cdef uint8_t FOLDS[TABLE]       # of U+0080 to U+05FF: a letter, 1 skip, 2 gap, 0 keep

LATIN = (                       # U+00C0 to U+024F
    "aaaaaaaceeeeiiiidnooooo.ouuuuy.saaaaaaaceeeeiiiidnooooo.ouuuuy.y"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii..jjkk.llllll."
    ".llnnnnnn...oooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"
    "..................f.............oo.............uu..............."
    ".............aaiioouuuuuuuuuu.aaaa....ggkkoooo..j...gg..nnaa...."
    "aaaaeeeeiiiioooorrrruuuusstt..hh......aaeeooooooooyy............"
    "................"
)
"""Letters below those with marks; a dot where there is none."""

TWINS = (
    "аa вb еe ёe кk мm нh оo рp сc тt уy хx ѕs іi їi јj һh ԁd ԛq ԝw ɡg ɑa ɩi "
    "АA ВB ЕE ЁE КK МM НH ОO РP СC ТT УY ХX ЅS ІI ЇI ЈJ ҺH "
    "αa βb εe ικ ιi κk νv οo ρp τt υu χx ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX "
    "օo ոn սu հh ցg ӏl"
)
"""Letters of other alphabets and the Latin ones that they look like."""


cdef int _plane1(uint32_t c) noexcept nogil:
    if 0x1D400 <= c < 0x1D6A4:                              # mathematical letters, A-Z a-z in turn
        c = (c - 0x1D400) % 52
        return <int> (97 + c % 26)
    if 0x1D7CE <= c < 0x1D800:                              # and digits
        return WORD_BYTE[48 + (c - 0x1D7CE) % 10]
    if 0x1F130 <= c < 0x1F14A or 0x1F150 <= c < 0x1F16A or 0x1F170 <= c < 0x1F18A:
        return <int> (97 + (c - 0x1F130) % 32)              # letters in boxes and circles
    if 0xE0000 <= c < 0xE0080:                              # tags
        return FOLD_SKIP
    return FOLD_KEEP


cdef int _bmp(uint32_t c) noexcept nogil:
    """Of U+0800 to U+FFFF."""
    if 0x200B <= c <= 0x200F or 0x202A <= c <= 0x202E or 0x2060 <= c <= 0x2064 or c == 0xFEFF or (
            0xFE00 <= c <= 0xFE0F) or c == 0x180E:
        return FOLD_SKIP
    if 0x2000 <= c <= 0x206F or 0x3000 <= c <= 0x3003:      # spaces, dashes, quotes
        return FOLD_GAP
    if 0xFF01 <= c <= 0xFF5E:                               # full width ASCII
        c = WORD_BYTE[c - 0xFEE0]
        return <int> c if c else FOLD_GAP
    if 0x24B6 <= c <= 0x24E9:                               # letters in circles
        return <int> (97 + (c - 0x24B6) % 26)
    if c == 0x212A:
        return 107
    return FOLD_KEEP


cdef int fold_char(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Py_ssize_t* after,
) noexcept nogil:
    cdef uint32_t c = buf[pos]
    cdef int kind
    after[0] = pos + 1
    if c < 0xC2:
        return FOLD_KEEP
    if c < 0xE0:
        if stop - pos < 2 or buf[pos + 1] & 0xC0 != 0x80:
            return FOLD_KEEP
        c = (c & 0x1F) << 6 | (buf[pos + 1] & 0x3F)
        if c >= 0x600:
            return FOLD_KEEP
        kind = FOLDS[c - FIRST]
        if kind == 0:
            return FOLD_KEEP
        after[0] = pos + 2
        return kind if kind > 2 else FOLD_SKIP if kind == 1 else FOLD_GAP
    if c < 0xF0:
        if stop - pos < 3 or buf[pos + 1] & 0xC0 != 0x80 or buf[pos + 2] & 0xC0 != 0x80:
            return FOLD_KEEP
        kind = _bmp((c & 0xF) << 12 | (buf[pos + 1] & 0x3F) << 6 | (buf[pos + 2] & 0x3F))
        if kind != FOLD_KEEP:
            after[0] = pos + 3
        return kind
    if c < 0xF5:
        if stop - pos < 4 or buf[pos + 1] & 0xC0 != 0x80 or buf[pos + 2] & 0xC0 != 0x80 or (
                buf[pos + 3] & 0xC0 != 0x80):
            return FOLD_KEEP
        kind = _plane1((c & 0x7) << 18 | (buf[pos + 1] & 0x3F) << 12 | (buf[pos + 2] & 0x3F) << 6
                       | (buf[pos + 3] & 0x3F))
        if kind != FOLD_KEEP:
            after[0] = pos + 4
        return kind
    return FOLD_KEEP


cdef inline uint64_t _chunk(uint64_t h, uint64_t chunk) noexcept nogil:
    h = (h ^ chunk) * 0x9E3779B97F4A7C15u
    return h ^ h >> 29


cdef void token_read(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Token* token,
) noexcept nogil:
    cdef uint64_t chunk = 0, digits = 0, h = START_WORD, number = START_NUMBER
    cdef uint32_t first = 0, last = 0
    cdef Py_ssize_t after = 0
    cdef int kind, filled = 0, n_digits = 0
    cdef uint8_t c, letters = 0
    token.size = 0
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
        last = last >> 8 | <uint32_t> c << 24
        token.size += token.size < NUMBER - 1
        token.end = pos
        if token.size == 4:
            first = last
        if filled == 8:
            h = _chunk(h, chunk)
            chunk = 0
            filled = 0
    if filled:
        h = _chunk(h, chunk)
    if n_digits:
        number = _chunk(number, digits)
    token.after = pos
    token.stem = first | <uint64_t> (last >> 8) << 32
    token.hash = h if letters else number
    if not letters and token.size:
        token.size += NUMBER


cdef void tokens_begin(
    Tokens* tokens, const uint8_t* buf, Py_ssize_t pos, Py_ssize_t end, Py_ssize_t room,
) noexcept nogil:
    tokens.buf = buf
    tokens.pos, tokens.end, tokens.room = pos, end, room
    tokens.in_word = tokens.in_mark = tokens.in_letters = 0
    tokens.run = tokens.n_runs = tokens.next_odd = tokens.n_odd = 0


cdef void _runs(Tokens* t) noexcept nogil:
    """Find more runs of bytes of words, and of marks."""
    cdef uint8_t last[64]
    cdef const uint8_t* block
    cdef Classes c
    cdef uint64_t starts, stops, words, marks, ends, more, high = <uint64_t> 1 << 63
    cdef Py_ssize_t room = t.room - 16
    cdef int n = 0, odd = 0, at
    cdef bint plain
    t.run_start[0] = t.run_start[t.n_runs]                  # one may have begun
    while t.pos < t.end and n < TOKENS:
        block = t.buf + t.pos
        if t.end - t.pos < 64:
            memset(last, 0, 64)
            memcpy(last, block, <size_t> (t.end - t.pos))
            block = last
        read_classes(block, &c)
        words, marks = c.word << 1 | t.in_word, c.mark << 1 | t.in_mark     # moved by one byte
        starts = (c.word & ~words) | (c.mark & ~marks)
        stops = (words & ~c.word) | (marks & ~c.mark)
        # Added to the letters, the bit of a start moves through them to the byte behind.
        more = c.letter + t.in_letters
        ends = more + (starts & c.letter)
        if (t.in_word | t.in_mark) == 0:
            t.run_start[n] = t.pos + ctz(starts | high)
            starts &= starts - 1
        t.in_word, t.in_mark = c.word >> 63, c.mark >> 63
        t.in_letters = (more < c.letter) | (ends < more)
        while stops:
            at = ctz(stops)
            stops &= stops - 1
            t.run_stop[n] = t.pos + at
            plain = LANES_HASH & (ends >> at & 1) & (t.pos + at - t.run_start[n] <= 16) & (
                t.run_start[n] <= room)
            t.odd[odd] = <uint16_t> n
            odd += not plain
            n += 1
            t.run_start[n] = t.pos + ctz(starts | high)
            starts &= starts - 1
        t.pos += 64
    if t.pos >= t.end and (t.in_word | t.in_mark):
        t.run_stop[n] = t.end
        t.odd[odd] = <uint16_t> n
        odd += 1
        n += 1
        t.in_word = t.in_mark = 0
    t.odd[odd] = <uint16_t> n
    t.run, t.n_runs, t.next_odd, t.n_odd = 0, n, 0, odd


cdef int _odd(Tokens* t, const uint8_t* filter, int n, int most) noexcept nogil:
    """Read a run that is more, or less, than one word of ASCII letters; moves on when it is done."""
    cdef const uint8_t* buf = t.buf
    cdef Py_ssize_t pos = t.run_start[t.run], stop = t.run_stop[t.run], start
    cdef uint64_t h
    cdef Token token
    while pos < stop and n < most:
        start = pos
        if WORD_BYTE[buf[pos]]:
            token_read(buf, pos, stop, &token)
            pos = token.after
            if token.size == 0:
                continue
            t.minded[t.n_minded] = <uint16_t> n
            t.n_minded += filter_has(filter, token.hash) or token.size & (NUMBER - 1) == 1
            t.special[t.n_special] = <uint16_t> n
            t.n_special += token.size > 16
            t.stop[n] = token.end
        else:
            h = hash_start(0)
            while pos < stop and pos - start < 3:
                h = hash_byte(h, buf[pos])
                pos += 1
            token.hash, token.size, token.stem = h, 0, 0
            t.stop[n] = pos
        t.hash[n], t.stem[n], t.size[n], t.start[n] = token.hash, token.stem, token.size, start
        n += 1
    t.run_start[t.run] = pos
    if pos >= stop:
        t.run += 1
        t.next_odd += 1
    return n


cdef bint tokens_next(Tokens* tokens, const uint8_t* filter, int most) noexcept nogil:
    """Read the next tokens, as many as there are, or `most`, or TOKENS; False behind the last.
    filter: hashes that somebody minds, or NULL."""
    cdef Tokens* t = tokens
    cdef int n = 0, run
    if filter is NULL:
        filter = NOTHING
    if most > TOKENS:
        most = TOKENS
    t.n_minded = t.n_special = 0
    while n < most:
        run = t.run
        if run == t.n_runs:
            if n or t.pos >= t.end:
                break
            _runs(t)
            continue
        run = t.odd[t.next_odd] - run                       # so many before the next odd one
        if run == 0:
            n = _odd(t, filter, n, most)
            continue
        if run > most - n:
            run = most - n
        t.n_minded += lanes_hash(
            t.buf, t.run_start + t.run, t.run_stop + t.run, run, filter, n, t.hash + n, t.stem + n,
            t.size + n, t.start + n, t.stop + n, t.minded + t.n_minded)
        n += run
        t.run += run
    t.n = n
    return n > 0


def fold_text(const uint8_t[::1] text not None) -> bytes:
    """Text as the words of features and lexicon see it: lower case, folded, gaps as spaces."""
    cdef const uint8_t* buf = NULL
    cdef Py_ssize_t pos = 0, after = 0, n = text.shape[0]
    cdef int kind
    out = bytearray()
    if n:
        buf = &text[0]
    while pos < n:
        if buf[pos] < 0x80:
            out.append(WORD_BYTE[buf[pos]] or buf[pos])
            pos += 1
            continue
        kind = fold_char(buf, pos, n, &after)
        if kind > 0:
            out.append(kind)
        elif kind == FOLD_GAP:
            out.append(32)
        elif kind == FOLD_KEEP:
            out += text[pos:after]
        pos = after
    return bytes(out)


def tokens_of(const uint8_t[::1] text not None) -> list:
    """[(hash, folded size, start, stop), ...] of the words of a text."""
    cdef Py_ssize_t n = text.shape[0]
    cdef int i
    cdef Tokens tokens
    out = []
    if n == 0:
        return out
    tokens_begin(&tokens, &text[0], 0, n, n)
    while tokens_next(&tokens, NULL, TOKENS):
        for i in range(tokens.n):
            if tokens.size[i]:
                out.append((tokens.hash[i], tokens.size[i] & (NUMBER - 1), tokens.start[i],
                            tokens.stop[i]))
    return out


def _build():
    memset(FOLDS, 0, sizeof(FOLDS))
    memset(NOTHING, 0, sizeof(NOTHING))
    processor_ask()
    for byte in range(256):
        letter = byte >= 0x80 or byte == 95 or chr(byte).isalpha()
        LETTER_BYTE[byte] = letter
        WORD_BYTE[byte] = 0
        if letter or chr(byte).isalnum():
            WORD_BYTE[byte] = byte + 32 if 65 <= byte <= 90 else byte
    for digit, stands_for in zip(b"013457", b"oieast", strict=True):
        WORD_BYTE[digit] = stands_for
    for code in range(0x80, 0xC0):                          # controls and marks of Latin-1
        FOLDS[code - FIRST] = 0 if code in (0xAA, 0xB5, 0xBA) else 2
    FOLDS[0xAD - FIRST] = 1                                 # soft hyphen
    FOLDS[0xD7 - FIRST] = FOLDS[0xF7 - FIRST] = 2
    for i, base in enumerate(LATIN):
        if base != ".":
            FOLDS[0xC0 + i - FIRST] = ord(base)
    for code in range(0x300, 0x370):                        # combining marks
        FOLDS[code - FIRST] = 1
    for twin, base in TWINS.split():
        FOLDS[ord(twin) - FIRST] = ord(base.lower())


_build()
