"""Characters that are written to look like others, folded to ASCII.

The tables are lists in this file and not the Unicode database of the running Python: a model is
trained on folded words and must find the same ones everywhere. Folded are Latin letters with marks
(U+00C0 to U+024F), their twins in Greek, Cyrillic and Armenian, full width forms and the alphabets
of mathematics and enclosed letters. Skipped are characters without width and combining marks.

A token (folding.pxd) is one word: letters, digits, `_` and bytes above 0x7f, folded. Its hash takes
the folded bytes eight at a time as little-endian numbers. Letters of ASCII are read eight at once
without a table; a word with anything else in it goes byte by byte to the same hash.
"""
from libc.string cimport memset

from atlas_fast._kernels.types cimport uint8_t, uint32_t

cdef enum:
    FIRST = 0x80
    TABLE = 0x600 - FIRST

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
    cdef Py_ssize_t pos = 0, n = text.shape[0]
    cdef Token token
    out = []
    while pos < n:
        if WORD_BYTE[text[pos]] == 0:
            pos += 1
            continue
        token_read(&text[0], pos, n, &token)
        if token.size:
            out.append((token.hash, token.size, pos, token.end))
        pos = token.after
    return out


def _build():
    memset(FOLDS, 0, sizeof(FOLDS))
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
