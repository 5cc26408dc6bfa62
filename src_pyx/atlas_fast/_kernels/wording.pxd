from atlas_fast._kernels.rows cimport Row, Text

cdef void wording_text(Row* row, const Text* text) noexcept nogil
cdef void wording_subject(Row* row, const Text* subject) noexcept nogil
cdef Py_ssize_t without_footer(const Text* text) noexcept nogil
cdef int without_marks(Text* subject) noexcept nogil
