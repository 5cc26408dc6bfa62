from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t

cdef enum:
    FOLD_SKIP = 0               # nothing to see: zero width, soft hyphen, a combining mark
    FOLD_KEEP = -1              # a letter that stands for itself; its bytes are taken as they are
    FOLD_GAP = -2               # a space or a mark between words

cdef enum:
    TOKENS = 256                # that are read at once
    ROOM = TOKENS + 8           # see lanes.pxd
    RUNS = TOKENS + 65
    NUMBER = 1 << 30            # added to the size of a token of digits alone
    FILTER = 4096               # bytes of a filter of hashes

cdef uint8_t WORD_BYTE[256]     # lower case of a byte of a word, digits as the letters that they
                                # stand for (0 o, 1 i, 3 e, 4 a, 5 s, 7 t); 0: not in a word

cdef int fold_char(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   buf[pos] is above 0x7f
    Py_ssize_t* after,                                      # OUT  position behind the character
) noexcept nogil

cdef struct Token:
    uint64_t hash               # digits alone: of the digits as they are, and another start
    uint64_t stem               # the first four bytes, and above them the last three
    Py_ssize_t end              # behind the last letter
    Py_ssize_t after            # where reading goes on
    int32_t size                # folded bytes; 0: nothing but characters without width

cdef void token_read(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop,    # IN   a byte of a word is at pos
    Token* token,                                           # OUT
) noexcept nogil

cdef struct Tokens:             # of a text, TOKENS at a time
    const uint8_t* buf
    Py_ssize_t pos              # where the next block of 64 bytes begins
    Py_ssize_t end
    Py_ssize_t room             # bytes of buf that may be read, `end` at least
    uint64_t in_word, in_mark, in_letters       # does the run before pos go on?
    int run, n_runs             # the next to be read; how many are whole
    int64_t run_start[RUNS]
    int64_t run_stop[RUNS]
    int next_odd, n_odd
    uint16_t odd[RUNS + 1]      # runs that are not just one word of up to 16 letters of ASCII
    int n                       # tokens
    uint64_t hash[ROOM]
    uint64_t stem[ROOM]
    int32_t size[ROOM]          # 0 for a mark
    int64_t start[ROOM]
    int64_t stop[ROOM]
    int n_minded
    uint16_t minded[ROOM]       # tokens that are in the filter, or have one letter
    int n_special
    uint16_t special[ROOM]      # numbers, and words of more than 16 bytes

cdef void tokens_begin(
    Tokens* tokens, const uint8_t* buf, Py_ssize_t pos, Py_ssize_t end, Py_ssize_t room,
) noexcept nogil
cdef bint tokens_next(Tokens* tokens, const uint8_t* filter, int most) noexcept nogil


cdef inline bint filter_has(const uint8_t* filter, uint64_t hash) noexcept nogil:
    """Is the bit of a hash in a filter?"""
    return filter[hash >> 43 & (FILTER - 1)] >> (hash >> 40 & 7) & 1
