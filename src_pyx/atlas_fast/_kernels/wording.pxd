from atlas_fast._kernels.lexicon cimport Lexicon
from atlas_fast._kernels.rows cimport Row, Text
from atlas_fast._kernels.types cimport uint8_t

cdef void wording_minded(Lexicon lexicon, uint8_t* minded) noexcept nogil
cdef void wording_text(
    Row* row, const Text* text, Lexicon lexicon, uint8_t* terms,
) noexcept nogil
cdef void wording_subject(
    Row* row, const Text* subject, Lexicon lexicon, uint8_t* terms,
) noexcept nogil
cdef Py_ssize_t without_footer(const Text* text) noexcept nogil
cdef int without_marks(Text* subject) noexcept nogil
