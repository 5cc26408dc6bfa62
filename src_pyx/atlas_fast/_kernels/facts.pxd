from atlas_fast._kernels.arena cimport Arena
from atlas_fast._kernels.headers cimport FieldRecord
from atlas_fast._kernels.html cimport LinkRecord
from atlas_fast._kernels.mime cimport PartRecord
from atlas_fast._kernels.rows cimport Row, Text
from atlas_fast._kernels.types cimport int16_t, int32_t, int64_t, uint8_t, uint64_t

cdef enum:
    MAX_LINKS = 100             # of one message that are looked at

cdef struct Host:               # of a link; empty: none
    Py_ssize_t start
    Py_ssize_t end
    uint64_t site               # hash
    int same                    # as that of the link before: 2 with the same kind of link, else 1

cdef void facts_text(Row* row, const Text* text) noexcept nogil
cdef void facts_subject(Row* row, const Text* text, bint present, int replies) noexcept nogil
cdef void facts_links(
    Row* row, const LinkRecord* links, Py_ssize_t n, const Arena* strings, const Text* text,
    const Text* domain,         # IN
    Host* hosts,                # OUT  MAX_LINKS
) noexcept nogil
cdef void url_words(
    Row* row, const LinkRecord* links, Py_ssize_t n, const Arena* strings, const Text* text,
    const Host* hosts,          # IN   of facts_links
) noexcept nogil
cdef void facts_parts(
    Row* row, const PartRecord* parts, Py_ssize_t n, const Arena* strings, int32_t hidden,
    int64_t text,
) noexcept nogil
cdef void facts_sender(
    Row* row, const Text* name, const Text* address, const Text* domain,
) noexcept nogil
cdef void facts_identity(
    Row* row, const Text* domain, const Text* reply, const Text* msgid, const int16_t* first,
    const FieldRecord* fields, const uint8_t* raw,
) noexcept nogil
cdef void facts_fields(
    Row* row, const int16_t* first, const FieldRecord* fields, Py_ssize_t n, const uint8_t* raw,
) noexcept nogil
cdef void facts_origin(
    Row* row, const FieldRecord* fields, Py_ssize_t n, const uint8_t* raw, const Text* domain,
) noexcept nogil
cdef void facts_authentication(
    Row* row, const int16_t* first, const FieldRecord* fields, Py_ssize_t trusted,
    const uint8_t* raw,
) noexcept nogil
