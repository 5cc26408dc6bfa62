from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t

cdef enum:
    M_PLAIN = 0
    M_HTML = 1
    M_TEXT = 2
    M_ALTERNATIVE = 3
    M_MULTIPART = 4
    M_MESSAGE = 5
    M_IMAGE = 6
    M_AUDIO = 7
    M_VIDEO = 8
    M_APPLICATION = 9
    M_OTHER = 10

cdef enum:
    E_IDENTITY = 0
    E_BASE64 = 1
    E_QUOTED_PRINTABLE = 2
    E_UUENCODE = 3
    E_OTHER = 4

cdef enum:
    D_NONE = 0
    D_INLINE = 1
    D_ATTACHMENT = 2


cdef struct PartRecord:         # numpy twin: PART_DTYPE in atlas_fast/mime.py
    int32_t parent              # number within the message, -1 for the root
    int32_t depth
    int32_t header              # where its header section starts, relative to the message
    int32_t body                # and its body
    int32_t stop                # where the body ends, the line end before a delimiter left out
    int32_t type_start          # `type/subtype` in the Content-Type field, -1 when it has none
    int32_t type_stop
    int32_t charset             # id, or -1 when unknown or not stated
    int64_t name_start          # decoded filename in the strings arena; empty: none
    int64_t name_stop
    uint8_t media
    uint8_t encoding
    uint8_t disposition
    uint8_t has_charset
    int32_t n_children
