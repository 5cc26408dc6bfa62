from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t, uint32_t

cdef enum:
    LINK_A = 0                  # href of a and area
    LINK_IMAGE = 1              # src of img
    LINK_FORM = 2               # action of form
    LINK_PLAIN = 3              # a URL in plain text
    LINK_FRAME = 4              # src of iframe, frame and embed


cdef struct LinkRecord:         # numpy twin: LINK_DTYPE in atlas_fast/mime.py
    int64_t url_start           # in the strings arena
    int64_t url_stop
    int64_t text_start          # visible text, in the text arena
    int64_t text_stop
    int32_t kind
    int32_t part


cdef struct Sink:               # where text and links of one message go
    Arena* text
    Arena* links
    Arena* strings
    Py_ssize_t text_limit       # the text arena may not pass this
    int32_t max_links
    int32_t n_links
    int32_t part
    int32_t n_hidden            # elements that their style hides
    uint32_t flags


cdef void html_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Sink* sink,
) noexcept nogil

cdef void plain_append(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Sink* sink,
) noexcept nogil
