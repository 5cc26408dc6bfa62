"""What a message says: hashed words of its text and subject.

(a) _words: words and neighbours of one stretch. A word is letters, digits, `_` and bytes above
    0x7f, folded (folding.pyx); or up to three of `$ % !`. A number counts as its length, a longer
    word than MAX_WORD as one of a long word, names of months and weekdays as one and the same.
(b) Stems and endings: the first four and the last three bytes of words above four.
(c) Left out, as they tell who spoke before or where the mail was kept: quoted lines, the line that
    introduces them, and the tail behind the last rule when it is short (lists and providers write
    there).
"""
from atlas_fast._kernels.arena cimport arena_reserve
from atlas_fast._kernels.ascii cimport is_lwsp, lower
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.folding cimport Token, WORD_BYTE, token_ending, token_read
from atlas_fast._kernels.hashing cimport hash_byte, hash_start, hash_word
from atlas_fast._kernels.lexicon cimport (
    Lexicon, Reader, lexicon_begin, lexicon_end, lexicon_minds, lexicon_step,
)
from atlas_fast._kernels.pages cimport arena_large_pages
from atlas_fast._kernels.rows cimport (
    N_ENDING, N_PAIR, N_STEM, N_SUBJECT_PAIR, N_SUBJECT_WORD, N_WORD, Row, SEEN, Text, log2_of,
    row_add_all, row_begin, row_close, row_column,
)
from atlas_fast._kernels.scan cimport find_byte, skip_lwsp, starts_fold, trim_lwsp
from atlas_fast._kernels.types cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    MAX_WORD = 24
    MAX_WORDS = 3000            # of one text; the rest is not read
    MAX_TAIL = 1500             # bytes behind a rule that count as a footer
    MIN_RULE = 20               # characters of a rule
    N_DATES = 256

cdef uint64_t DATES[N_DATES]    # a hash set of the names of months and weekdays

cdef struct Words:              # where the reading of a text stands
    uint64_t last               # hash of the word before, 0 for none
    int n
    int n_columns
    int n_stems
    uint32_t columns[2 * MAX_WORDS]     # of words and pairs
    uint32_t stems[2 * MAX_WORDS]
    Reader reader               # of the lexicon

cdef enum:
    A_NUMBER = 0                # added to lengths: what else a hash of a word stands for
    A_LONG = 1000
    A_DATE = 2000


cdef inline uint64_t _slot(uint64_t h) noexcept nogil:
    return h >> 24 & (N_DATES - 1)


cdef inline bint _is_date(uint64_t h) noexcept nogil:
    cdef uint64_t at = _slot(h)
    while DATES[at]:
        if DATES[at] == h:
            return True
        at = (at + 1) & (N_DATES - 1)
    return False


cdef inline bint _is_mark(uint8_t c) noexcept nogil:
    return c == 33 or c == 36 or c == 37


cdef inline uint64_t _word(
    const uint8_t* buf, Py_ssize_t* pos, Py_ssize_t end, Words* state, Lexicon lexicon,
    Py_ssize_t* start, Py_ssize_t* stop,
) noexcept nogil:
    """Hash of the word or mark at pos, which moves behind it; 0 when there is none."""
    cdef uint64_t h
    cdef Token token
    cdef int size = 0
    start[0] = pos[0]
    if WORD_BYTE[buf[pos[0]]] == 0:
        if not _is_mark(buf[pos[0]]):
            pos[0] += 1
            return 0
        h = hash_start(0)
        while pos[0] < end and size < 3 and _is_mark(buf[pos[0]]):
            h = hash_byte(h, buf[pos[0]])
            pos[0] += 1
            size += 1
        stop[0] = pos[0]
        return h
    token_read(buf, pos[0], end, &token)
    pos[0] = token.after
    stop[0] = token.end
    if lexicon is not None and lexicon_minds(lexicon, &state.reader, &token):
        lexicon_step(lexicon, &state.reader, &token, start[0], token.end)
    size = token.size
    if size == 0:
        return 0
    if token.number:
        return hash_word(hash_start(0), <uint64_t> (A_NUMBER + size))
    if size > MAX_WORD:
        return hash_word(hash_start(0), <uint64_t> (A_LONG + log2_of(size)))
    if size <= 9 and _is_date(token.hash):
        return hash_word(hash_start(0), A_DATE)
    if size > 4:
        state.stems[state.n_stems] = <uint32_t> token.first
        state.stems[state.n_stems + 1] = token_ending(&token)
        state.n_stems += 2
    return token.hash


cdef void _words(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t end, int words, int pairs, Words* state,
    Lexicon lexicon,
) noexcept nogil:
    """Columns of words and pairs; `lexicon` may be None."""
    cdef Py_ssize_t start = 0, stop = 0
    cdef int n = state.n_columns
    cdef uint64_t h, begin = hash_word(0, words), pair = hash_start(pairs)
    while pos < end and state.n < MAX_WORDS:
        h = _word(buf, &pos, end, state, lexicon, &start, &stop)
        if h:
            state.columns[n] = <uint32_t> row_column(h ^ begin, True)
            n += 1
            if state.last:
                state.columns[n] = <uint32_t> row_column(
                    hash_word(pair + (state.last << 1), h), True)
                n += 1
            state.last = h
            state.n += 1
    state.n_columns = n


cdef inline bint _introduces(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Does a line end in `wrote:`, or the like?"""
    stop = trim_lwsp(buf, start, stop)
    if stop - start < 8 or buf[stop - 1] != 58:
        return False
    return (
        starts_fold(buf, stop - 6, stop, b"wrote:", 6)
        or starts_fold(buf, stop - 7, stop, b"writes:", 7)
        or starts_fold(buf, stop - 5, stop, b"said:", 5)
        or starts_fold(buf, stop - 8, stop, b"schrieb:", 8)
        or starts_fold(buf, stop - 5, stop, b"crit:", 5)
    )


cdef void wording_text(
    Row* row, const Text* text, Lexicon lexicon, uint8_t* terms,
) noexcept nogil:
    """Two groups: words and neighbours, stems and endings."""
    cdef const uint8_t* buf = text.buf
    cdef Py_ssize_t pos = text.start, end, first
    cdef Words state
    cdef int i
    cdef uint64_t stem = hash_start(N_STEM), ending = hash_start(N_ENDING)
    state.last = 0
    state.n = state.n_columns = state.n_stems = 0
    lexicon_begin(&state.reader, terms)
    while pos < text.stop and state.n < MAX_WORDS:
        end = find_byte(buf, pos, text.stop, 10)
        first = pos
        while first < end and is_lwsp(buf[first]):
            first += 1
        if first < end and buf[first] != 62 and buf[first] != 124 and not _introduces(
                buf, first, end):
            _words(buf, first, end, N_WORD, N_PAIR, &state, lexicon)
            lexicon_end(lexicon, &state.reader)             # letters of two lines spell nothing
        pos = end + 1
    row_add_all(row, state.columns, state.n_columns)
    row_close(row, 1.0)
    for i in range(0, state.n_stems, 2):
        state.stems[i] = <uint32_t> row_column(hash_word(stem, state.stems[i]), True)
        state.stems[i + 1] = <uint32_t> row_column(hash_word(ending, state.stems[i + 1]), True)
    row_add_all(row, state.stems, state.n_stems)
    row_close(row, 0.7)


cdef void wording_subject(
    Row* row, const Text* subject, Lexicon lexicon, uint8_t* terms,
) noexcept nogil:
    """One group: words and neighbours of a subject without its marks."""
    cdef Words state
    state.last = 0
    state.n = state.n_columns = state.n_stems = 0
    lexicon_begin(&state.reader, terms)
    _words(subject.buf, subject.start, subject.stop, N_SUBJECT_WORD, N_SUBJECT_PAIR, &state, lexicon)
    row_add_all(row, state.columns, state.n_columns)
    lexicon_end(lexicon, &state.reader)
    row_close(row, 0.7)


cdef int without_marks(Text* text) noexcept nogil:
    """Move the start behind `Re:`, `Fwd:` and the tag of a list; 1 a reply, 2 forwarded."""
    cdef const uint8_t* buf = text.buf
    cdef Py_ssize_t i
    cdef int replies = 0
    while starts_fold(buf, text.start, text.stop, b"re:", 3) or starts_fold(
            buf, text.start, text.stop, b"fw:", 3) or starts_fold(
            buf, text.start, text.stop, b"fwd:", 4):
        replies |= 1 if lower(buf[text.start]) == 114 else 2
        text.start = skip_lwsp(
            buf, find_byte(buf, text.start, text.stop, 58) + 1, text.stop)
    if text.start < text.stop and buf[text.start] == 91:
        i = find_byte(buf, text.start, text.stop, 93)
        if i < text.stop and i - text.start < 40:
            text.start = i + 1
            text.start = skip_lwsp(buf, text.start, text.stop)
            if starts_fold(buf, text.start, text.stop, b"re:", 3):
                text.start += 3
    return replies


cdef Py_ssize_t without_footer(const Text* text) noexcept nogil:
    """The stop that leaves out a short tail behind a rule, or a signature behind `-- `."""
    cdef const uint8_t* buf = text.buf
    cdef Py_ssize_t line = text.stop - MAX_TAIL, end, i
    cdef uint8_t c
    if line < text.start:
        line = text.start
    while line < text.stop:
        end = find_byte(buf, line, text.stop, 10)
        c = buf[line]
        if end - line >= 2 and (c == 45 or c == 95 or c == 61):
            i = line
            while i < end and buf[i] == c:
                i += 1
            if i - line >= MIN_RULE or (
                c == 45 and end - line <= 4 and buf[line + 1] == 45 and (
                    end - line == 2 or buf[line + 2] == 32 or buf[line + 2] == 13)
            ):
                # A message that is all footer keeps its text.
                return line if line - text.start > 40 else text.stop
        line = end + 1
    return text.stop


def word_rows(
    Bytes text not None,                        # IN   UTF-8
    const int64_t[::1] offsets not None,        # IN   (n + 1,)
    uint32_t[::1] seen not None,                # IN   scratch: N_SEEN entries, any content
    int64_t[::1] indptr not None,               # OUT  (n + 1,)
    Bytes indices not None,                     # OUT  int32
    Bytes data not None,                        # OUT  float32
):
    """The words of texts alone: what a hashing vectorizer of words and pairs gives."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, i
    cdef Row row
    cdef Words state
    if n < 0 or indptr.shape[0] != n + 1 or offsets[0] < 0 or (
            seen.shape[0] != SEEN):
        raise ValueError("columns do not fit")
    for i in range(n):
        if offsets[i + 1] < offsets[i] or offsets[i + 1] > text.arena.size:
            raise ValueError(f"offsets of text {i} do not fit")
    (<Bytes> indices).clear()
    (<Bytes> data).clear()
    row.indices, row.data = &indices.arena, &data.arena
    row.seen = &seen[0]
    arena_reserve(row.indices, min(2000 * n, 1 << 26))
    arena_reserve(row.data, min(2000 * n, 1 << 26))
    arena_large_pages(row.indices)
    arena_large_pages(row.data)
    indptr[0] = 0
    with nogil:
        for i in range(n):
            row_begin(&row, i, offsets[i + 1] - offsets[i])
            state.last = 0
            state.n = state.n_columns = state.n_stems = 0
            _words(text.arena.data, offsets[i], offsets[i + 1], N_WORD, N_PAIR, &state, None)
            row_add_all(&row, state.columns, state.n_columns)
            row_close(&row, 1.0)
            indptr[i + 1] = row.indices.size // 4
    if row.indices.failed or row.data.failed:
        raise MemoryError("a column of the features could not grow")


def word_columns(const uint8_t[::1] text not None, bint subject=False) -> list:
    """[(column, start, stop), ...]: the features of words and neighbours, for a text without
    footer and quotes, or a subject; a column may come more than once."""
    cdef Py_ssize_t pos = 0, start, stop, before = 0, n = text.shape[0]
    cdef uint64_t h, last = 0, begin = hash_word(0, N_SUBJECT_WORD if subject else N_WORD)
    cdef uint64_t pair = hash_start(N_SUBJECT_PAIR if subject else N_PAIR)
    cdef Words state
    out = []
    while pos < n and len(out) < 4 * MAX_WORDS:
        state.n_stems = 0
        state.stems[0] = state.stems[1] = 0
        h = _word(&text[0], &pos, n, &state, None, &start, &stop)
        if h == 0:
            continue
        out.append((row_column(h ^ begin, True), start, stop))
        if last:
            out.append((row_column(hash_word(pair + (last << 1), h), True), before, stop))
        if state.n_stems and not subject:
            out.append((row_column(hash_word(hash_start(N_STEM), state.stems[0]), True), start, stop))
            out.append((row_column(hash_word(hash_start(N_ENDING), state.stems[1]), True), start,
                        stop))
        last = h
        before = start
    return out


def _build():
    cdef uint64_t at
    cdef Token token
    cdef const uint8_t[::1] raw
    names = (
        "january february march april may june july august september october november december "
        "monday tuesday wednesday thursday friday saturday sunday"
    ).split()
    for name in {*names, *(name[:3] for name in names), "sept", "tues", "thur", "thurs"}:
        raw = name.encode()
        token_read(&raw[0], 0, raw.shape[0], &token)
        at = _slot(token.hash)
        while DATES[at]:
            at = (at + 1) & (N_DATES - 1)
        DATES[at] = token.hash


_build()
