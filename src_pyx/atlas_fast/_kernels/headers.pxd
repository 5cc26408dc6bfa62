from atlas_fast._kernels.buffers cimport Bytes
from atlas_fast._kernels.messages cimport Messages
from atlas_fast._kernels.types cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t

cdef enum:
    N_KNOWN = 41                # len(FIELD_NAMES); checked at import
    N_TEXT = 7                  # len(TEXT_COLUMNS); checked at import

cdef enum:                      # positions in FIELD_NAMES of the ids that kernels use
    F_FROM = 0
    F_TO = 1
    F_SUBJECT = 2
    F_DATE = 3
    F_MESSAGE_ID = 4
    F_REPLY_TO = 5
    F_RETURN_PATH = 6
    F_RECEIVED = 10
    F_AUTH_RESULTS = 11
    F_RECEIVED_SPF = 12
    F_DKIM_SIGNATURE = 13
    F_ARC_RESULTS = 14
    F_ARC_SIGNATURE = 15
    F_ARC_SEAL = 16
    F_X_ORIGINATING_IP = 35
    F_X_MAILER = 31
    F_USER_AGENT = 32
    F_IN_REPLY_TO = 28
    F_REFERENCES = 29
    F_MIME_VERSION = 30
    F_CONTENT_TYPE = 7
    F_X_PRIORITY = 36
    F_IMPORTANCE = 37
    F_ORGANIZATION = 38

cdef enum:                      # positions in TEXT_COLUMNS
    T_SUBJECT = 0
    T_FROM_NAME = 1
    T_FROM_ADDRESS = 2
    T_FROM_DOMAIN = 3
    T_MESSAGE_ID = 4
    T_REPLY_TO = 5
    T_RETURN_PATH = 6


cdef struct FieldRecord:        # numpy twin: FIELD_DTYPE in atlas_fast/headers.py
    int32_t start               # of the body: behind the colon and the white space after it
    int32_t stop                # before the last line end; folding is still inside
    uint16_t name_gap           # from the start of the name to the start of the body
    uint8_t name_size
    int8_t id                   # position in FIELD_NAMES, or -1


cdef int check_fields(
    Messages messages, const int16_t[:, ::1] first, Bytes fields, const int64_t[::1] indptr,
) except -1
