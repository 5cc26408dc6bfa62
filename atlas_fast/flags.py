"""What may be wrong with a message: the bits of every `flags` column."""

from __future__ import annotations

from enum import IntFlag


class Flag(IntFlag):
    """The same names and values as in src_pyx/atlas_fast/_kernels/types.pxd."""

    HDR_NO_BLANK_LINE = 1 << 0
    HDR_TOO_MANY_FIELDS = 1 << 1
    HDR_FIELD_CUT = 1 << 2
    HDR_BARE_CR = 1 << 3
    HDR_NUL = 1 << 4
    HDR_8BIT = 1 << 5
    HDR_EMPTY = 1 << 6
    WORD_BAD = 1 << 7
    CHARSET_UNKNOWN = 1 << 8
    CHARSET_BAD = 1 << 9
    MIME_TOO_DEEP = 1 << 10
    MIME_TOO_MANY_PARTS = 1 << 11
    MIME_UNTERMINATED = 1 << 12
    B64_BAD = 1 << 13
    B64_TRUNCATED = 1 << 14
    QP_BAD = 1 << 15
    TEXT_CUT = 1 << 16
    MSG_CUT = 1 << 17
    ADDRESS_BAD = 1 << 18
    DATE_BAD = 1 << 19
    MIME_NO_BOUNDARY = 1 << 20
    NO_MEMORY = 1 << 21
