from atlas_fast._kernels.types cimport Span, int32_t, uint8_t

cdef enum:                      # twin: Result in atlas_fast/auth.py
    R_NONE = 0
    R_PASS = 1
    R_FAIL = 2
    R_SOFTFAIL = 3
    R_NEUTRAL = 4
    R_POLICY = 5
    R_TEMPERROR = 6
    R_PERMERROR = 7
    R_OTHER = 8


cdef struct Statement:          # spans relative to the buffer; -1 where absent
    Span method
    Span version
    Span result
    Span reason                 # inside its quotes
    int32_t properties          # how many were read


cdef struct Property:
    Span ptype
    Span name
    Span value                  # inside its quotes, unless a domain follows them


cdef struct Results:            # the walk over one Authentication-Results body
    const uint8_t* buf
    Py_ssize_t pos              # at a semicolon, or at stop
    Py_ssize_t stop
    Span id
    Span version
    Py_ssize_t max_methods
    Py_ssize_t max_properties
    Py_ssize_t n_methods
    bint none                   # `none` was said
    bint cut                    # a cap ended the walk


cdef Py_ssize_t skip_cfws(const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop) noexcept nogil

cdef void open_results(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t max_methods,
    Py_ssize_t max_properties, Results* results,
) noexcept nogil

cdef bint next_statement(
    Results* results, Statement* statement, Property* properties,
) noexcept nogil

cdef Py_ssize_t spf_result(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Span* word,
) noexcept nogil

cdef Py_ssize_t next_pair(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Property* pair,
) noexcept nogil

cdef Py_ssize_t next_tag(
    const uint8_t* buf, Py_ssize_t pos, Py_ssize_t stop, Property* tag,
) noexcept nogil

cdef int result_code(const uint8_t* buf, const Span* word) noexcept nogil
