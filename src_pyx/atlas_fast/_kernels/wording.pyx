"""What a message says: hashed words of its text and subject.

(a) _words: words and neighbours of one stretch. A word is letters, digits, `_` and bytes above
    0x7f, folded (folding.pyx); or up to three of `$ % !`. A number counts as its length, a longer
    word than MAX_WORD as one of a long word, names of months and weekdays as one and the same.
(b) Stems and endings: the first four and the last three bytes of words above four.
(c) Left out, as they tell who spoke before or where the mail was kept: quoted lines, the line that
    introduces them, and the tail behind the last rule when it is short (lists and providers write
    there).
"""
from libc.string cimport memcpy, memset

from atlas_fast._kernels.ascii cimport is_lwsp, lower
from atlas_fast._kernels.buffers cimport Bytes, bytes_reserve
from atlas_fast._kernels.folding cimport (
    FILTER, NUMBER, ROOM, TOKENS, Tokens, filter_has, tokens_begin, tokens_next,
)
from atlas_fast._kernels.hashing cimport hash_start, hash_word
from atlas_fast._kernels.lanes cimport lanes_columns, lanes_stem_columns
from atlas_fast._kernels.lexicon cimport (
    Lexicon, Reader, lexicon_begin, lexicon_end, lexicon_read,
)
from atlas_fast._kernels.rows cimport (
    N_ENDING, N_PAIR, N_STEM, N_SUBJECT_PAIR, N_SUBJECT_WORD, N_WORD, Row, SEEN, Text, log2_of,
    TEXT_BUCKETS, row_add_all, row_begin, row_close, row_column,
)
from atlas_fast._kernels.scan cimport find_byte, skip_lwsp, starts_fold
from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from atlas_fast._kernels.processor cimport processor_ask
from atlas_fast._kernels.wide cimport find3_far

cdef enum:
    MAX_WORD = 24
    MAX_WORDS = 3000            # of one text; the rest is not read
    MAX_TAIL = 1500             # bytes behind a rule that count as a footer
    MIN_RULE = 20               # characters of a rule
    N_DATES = 256

cdef uint64_t DATES[N_DATES]    # a hash set of the names of months and weekdays
cdef uint8_t DATE_FILTER[FILTER]    # of their hashes

cdef struct Words:              # where the reading of a text stands
    uint64_t last               # hash of the word before, 0 for none
    int n
    int n_stems
    uint32_t columns[2 * ROOM]  # of words and pairs, or stems and endings
    uint64_t stems[MAX_WORDS + 8]
    Reader reader               # of the lexicon
    Tokens tokens

cdef enum:
    A_NUMBER = 0                # added to lengths: what else a hash of a word stands for
    A_LONG = 1000
    A_DATE = 2000


cdef inline uint64_t _slot(uint64_t h) noexcept nogil:
    return h >> 24 & (N_DATES - 1)


cdef bint _is_date(uint64_t h) noexcept nogil:
    cdef uint64_t at = _slot(h)
    while DATES[at]:
        if DATES[at] == h:
            return True
        at = (at + 1) & (N_DATES - 1)
    return False


cdef inline bint _special(uint64_t* hash, int32_t* size) noexcept nogil:
    """Of numbers, long words and dates something else is hashed; they have no stem."""
    if size[0] & NUMBER:
        hash[0] = hash_word(hash_start(0), <uint64_t> (A_NUMBER + (size[0] - NUMBER)))
    elif size[0] > MAX_WORD:
        hash[0] = hash_word(hash_start(0), <uint64_t> (A_LONG + log2_of(size[0])))
    elif 0 < size[0] <= 9 and _is_date(hash[0]):
        hash[0] = hash_word(hash_start(0), A_DATE)
    else:
        return False
    size[0] = 0
    return True


cdef void _add(Row* row, Words* state, int words, int pairs) noexcept nogil:
    """Add words and pairs of the tokens, and keep the stems."""
    cdef Tokens* tokens = &state.tokens
    cdef int i, k
    for k in range(tokens.n_special):
        i = tokens.special[k]
        _special(&tokens.hash[i], &tokens.size[i])
    for k in range(tokens.n_minded):
        i = tokens.minded[k]
        if filter_has(DATE_FILTER, tokens.hash[i]):
            _special(&tokens.hash[i], &tokens.size[i])
    state.n_stems += lanes_columns(
        tokens.hash, tokens.stem, tokens.size, tokens.n, state.last, hash_word(0, words),
        hash_start(pairs), TEXT_BUCKETS - 1, state.columns, state.stems + state.n_stems)
    if state.last == 0:                                     # the first has none before it
        state.columns[1] = state.columns[0]
    state.last = tokens.hash[tokens.n - 1]
    state.n += tokens.n
    row_add_all(row, state.columns, 2 * tokens.n)


cdef void _words(
    Row* row, const uint8_t* buf, Py_ssize_t pos, Py_ssize_t end, Py_ssize_t room, int words, int pairs,
    Words* state, Lexicon lexicon,
) noexcept nogil:
    """Words and pairs of a stretch of text; `lexicon` may be None."""
    tokens_begin(&state.tokens, buf, pos, end, room)
    while tokens_next(&state.tokens, row.minded, MAX_WORDS - state.n):
        if lexicon is not None:
            lexicon_read(lexicon, &state.reader, &state.tokens)
        _add(row, state, words, pairs)


cdef inline bint _introduces(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Does [start, stop), which ends in a colon, end in `wrote:`, or the like?"""
    if stop - start < 8:
        return False
    return (
        starts_fold(buf, stop - 6, stop, b"wrote:", 6)
        or starts_fold(buf, stop - 7, stop, b"writes:", 7)
        or starts_fold(buf, stop - 5, stop, b"said:", 5)
        or starts_fold(buf, stop - 8, stop, b"schrieb:", 8)
        or starts_fold(buf, stop - 5, stop, b"crit:", 5)
    )


cdef bint _left_out(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t at, Py_ssize_t stop,   # IN   `> | :` is at `at`
    Py_ssize_t* first, Py_ssize_t* end,                                     # OUT  its line
) noexcept nogil:
    """Does a byte say that its line is quoted, or introduces what is? `start` begins a line."""
    cdef Py_ssize_t line = at
    if buf[at] != 58:                                       # the first in its line
        while line > start and buf[line - 1] != 10 and is_lwsp(buf[line - 1]):
            line -= 1
        if line > start and buf[line - 1] != 10:
            return False
        end[0] = find_byte(buf, at, stop, 10)
    else:                                                   # or the last
        end[0] = at + 1
        while end[0] < stop and buf[end[0]] != 10 and is_lwsp(buf[end[0]]):
            end[0] += 1
        if (end[0] < stop and buf[end[0]] != 10) or not _introduces(buf, start, at + 1):
            return False
        while line > start and buf[line - 1] != 10:
            line -= 1
        if not _introduces(buf, skip_lwsp(buf, line, at), at + 1):
            return False
    first[0] = line
    return True


cdef inline Py_ssize_t _next_quote(const Text* text, Py_ssize_t pos) noexcept nogil:
    """Position of the first of `> | :` from pos on, or the stop of the text."""
    return find3_far(text.buf, pos, text.stop, text.room, 62, 124, 58)


cdef inline void _begin(Words* state) noexcept nogil:
    state.last = 0
    state.n = state.n_stems = 0


cdef void wording_minded(Lexicon lexicon, uint8_t* minded) noexcept nogil:
    """Fill a filter: the words that lexicon or dates mind."""
    cdef int i
    memcpy(minded, DATE_FILTER, FILTER)
    if lexicon is not None:
        for i in range(FILTER):
            minded[i] |= lexicon.starts[i]


cdef void wording_text(
    Row* row, const Text* text, Lexicon lexicon, uint8_t* terms,
) noexcept nogil:
    """Two groups: words and neighbours, stems and endings."""
    cdef const uint8_t* buf = text.buf
    cdef Py_ssize_t end = 0, first = 0, stretch = text.start
    cdef Py_ssize_t at = _next_quote(text, text.start)
    cdef Words state
    _begin(&state)
    lexicon_begin(&state.reader, terms, True)
    while at < text.stop:                                   # what is read, in stretches
        if _left_out(buf, stretch, at, text.stop, &first, &end):
            _words(row, buf, stretch, first, text.room, N_WORD, N_PAIR, &state, lexicon)
            stretch, at = end + 1, end
        at = _next_quote(text, at + 1)
    _words(row, buf, stretch, text.stop, text.room, N_WORD, N_PAIR, &state, lexicon)
    lexicon_end(lexicon, &state.reader)
    row_close(row, 1.0)
    _add_stems(row, &state)
    row_close(row, 0.7)


cdef void _add_stems(Row* row, Words* state) noexcept nogil:
    cdef uint64_t stem = hash_start(N_STEM), ending = hash_start(N_ENDING)
    cdef int i = 0, n
    while i < state.n_stems:
        n = state.n_stems - i if state.n_stems - i < TOKENS else TOKENS
        lanes_stem_columns(state.stems + i, n, stem, ending, TEXT_BUCKETS - 1, state.columns)
        row_add_all(row, state.columns, 2 * n)
        i += n


cdef void wording_subject(
    Row* row, const Text* subject, Lexicon lexicon, uint8_t* terms,
) noexcept nogil:
    """One group: words and neighbours of a subject without its marks."""
    cdef Words state
    _begin(&state)
    lexicon_begin(&state.reader, terms, False)
    _words(row, subject.buf, subject.start, subject.stop, subject.room, N_SUBJECT_WORD, N_SUBJECT_PAIR,
           &state, lexicon)
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
    cdef uint8_t minded[FILTER]
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
    wording_minded(None, minded)
    row.minded = minded
    bytes_reserve(indices, min(2000 * n, 1 << 26))
    bytes_reserve(data, min(2000 * n, 1 << 26))
    indptr[0] = 0
    with nogil:
        for i in range(n):
            row_begin(&row, i, offsets[i + 1] - offsets[i])
            _begin(&state)
            _words(&row, text.arena.data, offsets[i], offsets[i + 1], text.arena.size, N_WORD, N_PAIR,
                   &state, None)
            row_close(&row, 1.0)
            indptr[i + 1] = row.indices.size // 4
    if row.indices.failed or row.data.failed:
        raise MemoryError("a column of the features could not grow")


def word_columns(const uint8_t[::1] text not None, bint subject=False) -> list:
    """[(column, start, stop), ...]: the features of words and neighbours, for a text without
    footer and quotes, or a subject; a column may come more than once."""
    cdef Py_ssize_t start, stop, before = 0, n = text.shape[0]
    cdef uint64_t h, last = 0, begin = hash_word(0, N_SUBJECT_WORD if subject else N_WORD)
    cdef uint64_t pair = hash_start(N_SUBJECT_PAIR if subject else N_PAIR)
    cdef int32_t size
    cdef int i
    cdef Tokens tokens
    out = []
    if n == 0:
        return out
    tokens_begin(&tokens, &text[0], 0, n, n)
    while tokens_next(&tokens, NULL, TOKENS):
        for i in range(tokens.n):
            if len(out) >= 4 * MAX_WORDS:
                return out
            h, size, start, stop = tokens.hash[i], tokens.size[i], tokens.start[i], tokens.stop[i]
            _special(&h, &size)
            out.append((row_column(h ^ begin, True), start, stop))
            if last:
                out.append((row_column(hash_word(pair + (last << 1), h), True), before, stop))
            if size > 4 and not subject:
                out.append((row_column(hash_word(
                    hash_start(N_STEM), tokens.stem[i] & 0xFFFFFFFFu), True), start, stop))
                out.append((row_column(hash_word(
                    hash_start(N_ENDING), tokens.stem[i] >> 32), True), start, stop))
            last = h
            before = start
    return out


def _build():
    cdef uint64_t at, h
    cdef const uint8_t[::1] raw
    cdef Tokens tokens
    names = (
        "january february march april may june july august september october november december "
        "monday tuesday wednesday thursday friday saturday sunday"
    ).split()
    processor_ask()
    memset(DATE_FILTER, 0, sizeof(DATE_FILTER))
    for name in {*names, *(name[:3] for name in names), "sept", "tues", "thur", "thurs"}:
        raw = name.encode()
        tokens_begin(&tokens, &raw[0], 0, raw.shape[0], raw.shape[0])
        tokens_next(&tokens, NULL, 1)
        h = tokens.hash[0]
        DATE_FILTER[h >> 43 & (FILTER - 1)] |= <uint8_t> (1 << (h >> 40 & 7))
        at = _slot(h)
        while DATES[at]:
            at = (at + 1) & (N_DATES - 1)
        DATES[at] = h


_build()
