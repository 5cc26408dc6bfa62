"""Terms of a lexicon in texts: one pass, whatever the number of terms.

An automaton of Aho and Corasick (1975) whose letters are words: a state is the longest run of words
just read that begins a term, and transitions are slots of one hash table. Words are those of
folding.pyx, so case, marks, look-alikes, characters without width and digits for letters do not
matter; three or more single letters with one byte between each two are read as a word as well.

(a) Lexicon: a table that was checked once: every position in it is inside.
(b) lexicon_read: follow words; at the root most are passed over by filters of hashes. _spell,
    _end_spelled: words whose letters stand apart, of one line alone if that is
    asked for. The feature kernel feeds its own words.
(c) lexicon_batch: terms by category; lexicon_find: the terms of one text and where they are.
Payload: uint32 states, terms, slots, categories, then zeros to 64 bytes; slots; fail, term, link and 0
of each state; category and number of words of each term; filters, a bit for each hash: 4,096 bytes for
first words of terms, 4,096 for terms of one word, 8,192 for the first two words of terms, 8,192 for
terms of two words, 8,192 for the first three words of terms.
"""
from atlas_fast._kernels.arena cimport arena_reserve
from atlas_fast._kernels.blocks cimport prefetch
from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.folding cimport (
    FILTER, TOKENS, Token, Tokens, WORD_BYTE, filter_has, token_read, tokens_begin, tokens_next,
)
from atlas_fast._kernels.tables cimport Table
from atlas_fast._kernels.types cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

KIND = b"lexicon"
LAYOUT = 2

cdef enum:
    HEAD = 64
    LEAST_SPELLED = 3           # single letters that make a word; MOST_SPELLED make none

TERM_WORDS = RING
"""Words of a term at most."""


cdef class Lexicon:
    """An automaton over a Table of kind `lexicon`. ValueError when it is not one."""

    def __init__(self, Table table not None):
        cdef const uint32_t* head = <const uint32_t*> table.payload
        cdef uint64_t states, terms, slots, need
        cdef uint64_t i, key
        if table.size < HEAD:
            raise ValueError("too short")
        states, terms, slots, self.n_categories = head[0], head[1], head[2], head[3]
        need = HEAD + 16 * slots + 16 * states + 2 * terms + 2 * FILTER + 3 * PAIRS
        if (
            need != <uint64_t> table.size or slots & (slots - 1) or slots < 2 or states < 1
            or not 0 < self.n_categories <= 256 or states >= 1 << 31 or terms >= 1 << 31
        ):
            raise ValueError("sizes do not fit")
        self.table = table
        self.n_states, self.n_terms = <int> states, <int> terms
        self.mask = <uint32_t> slots - 1
        self.slots = <const Slot*> (table.payload + HEAD)
        self.states = <const State*> (table.payload + HEAD + 16 * slots)
        self.category = <const uint8_t*> (self.states + states)
        self.words = self.category + terms
        self.starts = self.words + terms
        self.alone = self.starts + FILTER
        self.pairs = self.alone + FILTER
        self.twos = self.pairs + PAIRS
        self.threes = self.twos + PAIRS
        need = 0
        for i in range(slots):
            if self.slots[i].state >= states:
                raise ValueError("a slot leads nowhere")
            key = self.slots[i].key
            need += key != 0
            self.steps[(key & (8 * STEPS - 1)) >> 3] |= <uint8_t> (1 << (key & 7))
        if need >= slots:
            raise ValueError("no slot is free")
        for i in range(states):                             # chains go down, so they end
            if (i and (self.states[i].fail >= i or self.states[i].link >= i)) or (
                    self.states[i].term > terms):
                raise ValueError("a state leads nowhere")
        if self.states[0].fail or self.states[0].link or self.states[0].term:
            raise ValueError("the root is wrong")
        for i in range(terms):
            if self.category[i] >= self.n_categories or not 0 < self.words[i] <= RING:
                raise ValueError("a term has no category, or no words")


cdef inline uint64_t _key(uint32_t state, uint64_t word) noexcept nogil:
    cdef uint64_t key = (word ^ state * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u
    key ^= key >> 29
    return key if key else 1


cdef inline uint32_t _next(Lexicon lexicon, uint32_t state, uint64_t word) noexcept nogil:
    """State behind a transition, 0 when there is none."""
    cdef uint64_t key = _key(state, word)
    cdef uint32_t at = <uint32_t> (key >> 32) & lexicon.mask
    if lexicon.steps[(key & (8 * STEPS - 1)) >> 3] >> (key & 7) & 1 == 0:
        return 0
    while lexicon.slots[at].key:
        if lexicon.slots[at].key == key:
            return lexicon.slots[at].state
        at = (at + 1) & lexicon.mask
    return 0


cdef inline uint32_t _feed(
    Lexicon lexicon, uint32_t state, uint64_t word, bint begins,    # IN   may a term begin here?
) noexcept nogil:
    cdef uint32_t found
    while state:
        found = _next(lexicon, state, word)
        if found:
            return found
        state = lexicon.states[state].fail
    return _next(lexicon, 0, word) if begins else 0


cdef inline void _hit(
    Lexicon lexicon, Reader* reader, uint32_t state, int64_t start, int64_t stop,
) noexcept nogil:
    """Note every term that ends in a state; a start of -1 says: look it up."""
    cdef uint32_t term
    cdef uint8_t category
    cdef int64_t* hit
    if lexicon.states[state].term == 0:
        state = lexicon.states[state].link
    while state:
        term = lexicon.states[state].term - 1
        if reader.counts is not NULL:
            category = lexicon.category[term]
            reader.counts[category] += reader.counts[category] < 255
        elif arena_reserve(reader.hits, 24):
            hit = <int64_t*> (reader.hits.data + reader.hits.size)
            hit[0] = start if start >= 0 else reader.starts[
                (reader.n_words - lexicon.words[term]) % RING]
            hit[1] = stop
            hit[2] = term
            reader.hits.size += 24
        state = lexicon.states[state].link


cdef inline void _end_spelled(Lexicon lexicon, Reader* reader) noexcept nogil:
    cdef uint32_t state
    cdef Token token
    if LEAST_SPELLED <= reader.n_spelled < MOST_SPELLED:
        token_read(reader.spelled, 0, reader.n_spelled, &token)
        state = _next(lexicon, 0, token.hash)
        if state:
            _hit(lexicon, reader, state, reader.spelled_start, reader.spelled_stop)
    reader.n_spelled = 0


cdef inline void _spell(
    Lexicon lexicon, Reader* reader, const uint8_t* at, int64_t start,     # IN   the letter is at[0]
) noexcept nogil:
    if reader.n_spelled and (
            start != reader.spelled_stop + 1 or (reader.by_line and (at - 1)[0] == 10)):
        _end_spelled(lexicon, reader)
    if reader.n_spelled == 0:
        reader.spelled_start = start
    if reader.n_spelled < MOST_SPELLED:
        reader.spelled[reader.n_spelled] = WORD_BYTE[at[0]]
        reader.n_spelled += 1
    reader.spelled_stop = start + 1


cdef void lexicon_begin(Reader* reader, uint8_t* counts, bint by_line) noexcept nogil:
    reader.state = 0
    reader.n_words = 0
    reader.n_spelled = 0
    reader.counts = counts
    reader.by_line = by_line


cdef inline void _step(
    Lexicon lexicon, Reader* reader, const Tokens* tokens, int i, bint begins,
) noexcept nogil:
    cdef int64_t start = tokens.start[i], stop = tokens.stop[i]
    cdef const uint8_t* at = tokens.buf + start
    if tokens.size[i] == 0:
        return
    if stop == start + 1 and at[0] < 0x80:
        _spell(lexicon, reader, at, start)
    elif reader.n_spelled:
        _end_spelled(lexicon, reader)
    if reader.state == 0 and not begins:
        return
    reader.starts[reader.n_words % RING] = start
    reader.n_words += 1
    reader.state = _feed(lexicon, reader.state, tokens.hash[i], begins)
    if reader.state and (lexicon.states[reader.state].term or lexicon.states[reader.state].link):
        _hit(lexicon, reader, reader.state, -1, stop)


cdef inline uint64_t _join(uint64_t first, uint64_t second) noexcept nogil:
    """Hash of words in a row, from that of all but the last, and the last."""
    return first * 0x9E3779B97F4A7C15u + second


cdef inline bint _among(const uint8_t* filter, uint64_t hash) noexcept nogil:
    """Is the bit of a hash in a filter of several words?"""
    return filter[hash >> 43 & (PAIRS - 1)] >> (hash >> 40 & 7) & 1


cdef inline int _after(const Tokens* tokens, int i) noexcept nogil:
    """The next token that is a word, or n."""
    i += 1
    while i < tokens.n and tokens.size[i] == 0:
        i += 1
    return i


cdef inline bint _may_begin(Lexicon lexicon, const Tokens* tokens, int i) noexcept nogil:
    """May a term begin with a token, or a word whose letters stand apart? By two words. Behind the
    last token there may be more: so always there."""
    cdef int j = _after(tokens, i)
    if j == tokens.n:
        return True
    return _among(lexicon.pairs, _join(tokens.hash[i], tokens.hash[j])) | _stands_alone(
        lexicon, tokens, i, j)


cdef inline bint _does_begin(Lexicon lexicon, const Tokens* tokens, int i) noexcept nogil:
    """The same by three words."""
    cdef int j = _after(tokens, i), k
    cdef uint64_t pair
    if j == tokens.n:
        return True
    k = _after(tokens, j)
    if k == tokens.n:
        return True
    pair = _join(tokens.hash[i], tokens.hash[j])
    return _among(lexicon.twos, pair) | _among(
        lexicon.threes, _join(pair, tokens.hash[k])) | _stands_alone(lexicon, tokens, i, j)


cdef inline bint _stands_alone(
    Lexicon lexicon, const Tokens* tokens, int i, int j,
) noexcept nogil:
    """A term of one word, or two letters with a byte between them."""
    return filter_has(lexicon.alone, tokens.hash[i]) | (
        (tokens.stop[i] == tokens.start[i] + 1) & (tokens.stop[j] == tokens.start[i] + 3))


cdef void lexicon_read(Lexicon lexicon, Reader* reader, const Tokens* tokens) noexcept nogil:
    cdef uint16_t begins[TOKENS + 1]
    cdef int i, k, some = 0, n = 0
    for k in range(tokens.n_minded):                        # one in six stays, then one in two
        i = tokens.minded[k]
        begins[some] = <uint16_t> i
        some += _may_begin(lexicon, tokens, i)
    for k in range(some):
        i = begins[k]
        begins[n] = <uint16_t> i
        n += _does_begin(lexicon, tokens, i)
        prefetch(&lexicon.slots[<uint32_t> (_key(0, tokens.hash[i]) >> 32) & lexicon.mask])
    i = k = 0
    while True:
        while k < n and begins[k] < i:
            k += 1
        if i == tokens.n or (reader.state == 0 and reader.n_spelled == 0):
            if k == n:
                return
            i = begins[k]
        _step(lexicon, reader, tokens, i, k < n and begins[k] == i)
        i += 1


cdef void lexicon_end(Lexicon lexicon, Reader* reader) noexcept nogil:
    _end_spelled(lexicon, reader)


cdef void _scan(
    Lexicon lexicon, const uint8_t* buf, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t room,
    Reader* reader, Tokens* tokens,
) noexcept nogil:
    tokens_begin(tokens, buf, first, stop, room)
    while tokens_next(tokens, lexicon.starts, TOKENS):
        lexicon_read(lexicon, reader, tokens)
    _end_spelled(lexicon, reader)


def lexicon_batch(
    Lexicon lexicon not None,               # IN
    const uint8_t[::1] text not None,       # IN   UTF-8
    const int64_t[::1] offsets not None,    # IN   (n + 1,)
    uint8_t[:, ::1] counts not None,        # OUT  (n, n_categories), added to; 255 at most
):
    """Count the terms of each category in each text. ValueError when shapes do not fit."""
    cdef Py_ssize_t n = offsets.shape[0] - 1, i
    cdef Reader reader
    cdef Tokens tokens
    if n < 0 or counts.shape[0] != n or counts.shape[1] != lexicon.n_categories or offsets[0] < 0:
        raise ValueError("columns do not fit")
    for i in range(n):
        if offsets[i + 1] < offsets[i] or offsets[i + 1] > text.shape[0]:
            raise ValueError(f"offsets of text {i} do not fit")
    if text.shape[0] == 0:
        return
    with nogil:
        for i in range(n):
            lexicon_begin(&reader, &counts[i, 0], False)
            _scan(lexicon, &text[0], offsets[i], offsets[i + 1], text.shape[0], &reader, &tokens)


def lexicon_find(Lexicon lexicon not None, const uint8_t[::1] text not None) -> list:
    """[(start, stop, number of the term), ...] of one text, in the order in which they end."""
    cdef Reader reader
    cdef Tokens tokens
    cdef Bytes hits = Bytes()
    cdef const int64_t* hit
    cdef Py_ssize_t i
    if text.shape[0] == 0:
        return []
    lexicon_begin(&reader, NULL, False)
    reader.hits = &hits.arena
    with nogil:
        _scan(lexicon, &text[0], 0, text.shape[0], text.shape[0], &reader, &tokens)
    if hits.arena.failed:
        raise MemoryError("the terms found do not fit")
    hit = <const int64_t*> hits.arena.data
    return [(hit[3 * i], hit[3 * i + 1], hit[3 * i + 2]) for i in range(hits.arena.size // 24)]


def transition_key(int state, uint64_t word) -> int:
    """Key of a slot of the table."""
    return _key(<uint32_t> state, word)


def joined_bit(uint64_t first, uint64_t second) -> int:
    """Bit of a filter of several words, for the hash of all but the last and the last."""
    return _join(first, second) >> 40 & (8 * PAIRS - 1)


def joined(uint64_t first, uint64_t second) -> int:
    """Hash of two words in a row."""
    return _join(first, second)


def words_of(const uint8_t[::1] text not None) -> list:
    """(hash, bit of the filter) of each word of a term, for the compiler."""
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
                out.append((tokens.hash[i], tokens.hash[i] >> 40 & (8 * FILTER - 1)))
    return out
