from atlas_fast._kernels.types cimport Span, int32_t, int64_t, uint8_t


cdef struct Hop:                # spans relative to the buffer; -1 where the clause is absent
    Span from_
    Span helo
    Span from_ip                # valid text of an IPv4 or IPv6 address
    Span by
    Span by_ip
    Span with_
    Span id
    Span for_                   # without angle brackets
    Span date                   # behind the last semicolon
    int64_t epoch
    int32_t zone
    int32_t has_date


cdef void parse_received(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Hop* hop,
) noexcept nogil
