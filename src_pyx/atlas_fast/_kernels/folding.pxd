"""Characters that are written to look like others, folded to ASCII; used by words and lexicon."""
from atlas_fast._kernels.types cimport uint8_t, uint32_t

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
