"""Fixed-width types shared by the kernels, and the status bits of a message.

A span is a half-open interval [start, stop) of bytes relative to the message;
start == stop == -1 says "absent". A message is capped below 2 GiB, so int32 holds it.
The Python names of the bits are in atlas_fast/limits.py; a test compares both lists.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef struct Span:
    int32_t start
    int32_t stop


cdef enum:
    HDR_NO_BLANK_LINE = 1 << 0      # the header section ends without an empty line
    HDR_TOO_MANY_FIELDS = 1 << 1    # fields past the cap were skipped
    HDR_FIELD_CUT = 1 << 2          # a decoded field was cut at its cap
    HDR_BARE_CR = 1 << 3            # a CR that no LF follows ended a line
    HDR_NUL = 1 << 4                # a NUL byte in the header section
    HDR_8BIT = 1 << 5               # bytes above 0x7f in the header section
    HDR_EMPTY = 1 << 6              # no header field at all
    WORD_BAD = 1 << 7               # an encoded-word that could not be decoded as it claims
    CHARSET_UNKNOWN = 1 << 8        # a charset that is not known
    CHARSET_BAD = 1 << 9            # bytes that their charset does not have
    MIME_TOO_DEEP = 1 << 10         # parts below the depth cap were not opened
    MIME_TOO_MANY_PARTS = 1 << 11   # parts past the cap were skipped
    MIME_UNTERMINATED = 1 << 12     # a multipart without its closing boundary
    B64_BAD = 1 << 13               # foreign bytes inside base64
    B64_TRUNCATED = 1 << 14         # base64 that ends inside a quantum
    QP_BAD = 1 << 15                # an escape of quoted-printable that is none
    TEXT_CUT = 1 << 16              # text for features was cut at its cap
    MSG_CUT = 1 << 17               # the message is longer than the cap; its rest was not read
    ADDRESS_BAD = 1 << 18           # an address list with syntax that RFC 5322 does not have
    DATE_BAD = 1 << 19              # a Date field that is no date-time
    MIME_NO_BOUNDARY = 1 << 20      # a multipart without a boundary parameter
    NO_MEMORY = 1 << 21             # an output could not grow; the rest is missing
