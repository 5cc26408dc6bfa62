from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.folding cimport Tokens
from atlas_fast._kernels.tables cimport Table
from atlas_fast._kernels.types cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    PAIRS = 8192                # bytes of a filter of several words
    STEPS = 1 << 14             # bytes of the filter of transitions
    MOST_SPELLED = 25
    RING = 16                   # words of a term at most


cdef struct Slot:               # a transition: key of (state, word), 0 for none
    uint64_t key
    uint32_t state
    uint32_t unused


cdef struct State:
    uint32_t fail               # state of the longest proper suffix
    uint32_t term               # number of the term that ends here, plus 1
    uint32_t link               # next state on the fail chain where a term ends
    uint32_t unused


cdef class Lexicon:
    cdef readonly Table table   # keeps the memory
    cdef readonly int n_states, n_terms, n_categories
    cdef uint32_t mask          # slots - 1
    cdef const Slot* slots
    cdef const State* states
    cdef const uint8_t* category
    cdef const uint8_t* words   # of each term
    cdef const uint8_t* starts  # filter: first words of terms
    cdef const uint8_t* alone   # filter: terms of one word
    cdef const uint8_t* pairs   # of several words: the first two of terms,
    cdef const uint8_t* twos    # terms of two,
    cdef const uint8_t* threes  # the first three of terms
    cdef uint8_t steps[STEPS]   # bits: which transitions may be there; most that are looked
                                # up are not, and this fits the first cache


cdef struct Reader:             # where the reading of a text stands
    uint32_t state
    uint64_t n_words
    int64_t starts[RING]        # where the last words start
    uint8_t spelled[MOST_SPELLED]   # single letters read in a row
    int n_spelled
    int64_t spelled_start
    int64_t spelled_stop
    bint by_line                # letters of two lines spell nothing
    uint8_t* counts             # by category; or, where it is NULL,
    Arena* hits                 # start, stop and number of each term, int64


cdef void lexicon_begin(Reader* reader, uint8_t* counts, bint by_line) noexcept nogil
cdef void lexicon_read(
    Lexicon lexicon, Reader* reader, const Tokens* tokens,  # IN   read with the filter `starts`
) noexcept nogil
cdef void lexicon_end(Lexicon lexicon, Reader* reader) noexcept nogil
