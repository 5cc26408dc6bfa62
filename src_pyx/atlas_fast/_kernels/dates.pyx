"""Date-time of header fields (RFC 5322, 3.3 and 4.3) to seconds since the epoch.

(a) _fast: `Mon, 1 Jan 2024 00:00:00 +0100` and the same without the day name.
(b) _slow: tokens in any usual order: comments, missing seconds, two- and three-digit years,
    zones by name, the asctime form, full month names, dashes between day, month and year.
(c) parse_date_text: the door for one field body.
A year of two digits below 50 is 20xx, else 19xx; of three digits, 1900 is added (4.3). `-0000`,
an unknown zone name and no zone at all say that the local time is unknown: ZONE_NONE, read as UTC.
"""
from atlas_fast._kernels.ascii cimport is_alpha, is_digit, is_lwsp, lower
from atlas_fast._kernels.scan cimport equals_fold
from atlas_fast._kernels.types cimport int32_t, int64_t, uint8_t

NO_ZONE = ZONE_NONE

cdef enum:
    MAX_TOKENS = 32             # a date-time has at most ten

cdef struct Moment:
    int year
    int month                   # 1-12, 0 while unknown
    int day
    int hour
    int minute
    int second
    int zone


cdef inline int _month(const uint8_t* buf) noexcept nogil:
    """1-12 for three letters that begin a month's English name, else 0."""
    cdef uint8_t a = lower(buf[0]), b = lower(buf[1]), c = lower(buf[2])
    if a == 106:                                            # j
        if b == 97:
            return 1 if c == 110 else 0
        if b == 117:
            return 6 if c == 110 else 7 if c == 108 else 0
    elif a == 102:
        return 2 if b == 101 and c == 98 else 0
    elif a == 109:                                          # m
        if b == 97:
            return 3 if c == 114 else 5 if c == 121 else 0
    elif a == 97:                                           # a
        if b == 112:
            return 4 if c == 114 else 0
        return 8 if b == 117 and c == 103 else 0
    elif a == 115:
        return 9 if b == 101 and c == 112 else 0
    elif a == 111:
        return 10 if b == 99 and c == 116 else 0
    elif a == 110:
        return 11 if b == 111 and c == 118 else 0
    elif a == 100:
        return 12 if b == 101 and c == 99 else 0
    return 0


cdef inline int _two(const uint8_t* buf) noexcept nogil:
    """Value of two digits, or -1."""
    if is_digit(buf[0]) and is_digit(buf[1]):
        return (buf[0] - 48) * 10 + buf[1] - 48
    return -1


cdef inline bint _finish(const Moment* m, int64_t* epoch, int32_t* zone) noexcept nogil:
    """Check the ranges and count the days (proleptic Gregorian calendar)."""
    cdef int64_t y, era, day_of_era, days
    cdef int last
    if not 1 <= m.month <= 12 or not 1 <= m.year <= 9999:
        return False
    last = 31
    if m.month == 2:
        last = 29 if m.year % 4 == 0 and (m.year % 100 != 0 or m.year % 400 == 0) else 28
    elif m.month == 4 or m.month == 6 or m.month == 9 or m.month == 11:
        last = 30
    if not 1 <= m.day <= last or not 0 <= m.hour < 24 or not 0 <= m.minute < 60:
        return False
    if not 0 <= m.second <= 60:                             # 60: a leap second (3.3)
        return False
    y = m.year - (m.month <= 2)
    era = y // 400
    y -= era * 400
    day_of_era = y * 365 + y // 4 - y // 100 + (153 * ((m.month + 9) % 12) + 2) // 5 + m.day - 1
    days = era * 146097 + day_of_era - 719468
    epoch[0] = days * 86400 + m.hour * 3600 + m.minute * 60 + m.second
    zone[0] = m.zone
    if m.zone != ZONE_NONE:
        if not -1440 < m.zone < 1440:
            return False
        epoch[0] -= <int64_t> m.zone * 60
    return True


cdef inline bint _fast(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Moment* m,
) noexcept nogil:
    """The form that RFC 5322 generates; False when anything else stands there."""
    cdef const uint8_t* p
    cdef int high, low
    if stop - start >= 5 and buf[start + 3] == 44 and buf[start + 4] == 32:
        start += 5
    if stop - start >= 1 and buf[start] == 32:
        start += 1
    if stop - start < 25 or not is_digit(buf[start]):
        return False
    m.day = buf[start] - 48
    start += 1
    if is_digit(buf[start]):
        m.day = m.day * 10 + buf[start] - 48
        start += 1
    if stop - start < 24:
        return False
    p = buf + start                                         # ` Jan 2024 00:00:00 +0100`
    if p[0] != 32 or p[4] != 32 or p[9] != 32 or p[12] != 58 or p[15] != 58 or p[18] != 32:
        return False
    m.month = _month(p + 1)
    high = _two(p + 5)
    low = _two(p + 7)
    m.hour = _two(p + 10)
    m.minute = _two(p + 13)
    m.second = _two(p + 16)
    if m.month == 0 or high < 0 or low < 0 or m.hour < 0 or m.minute < 0 or m.second < 0:
        return False
    m.year = high * 100 + low
    high = _two(p + 20)
    low = _two(p + 22)
    if (p[19] != 43 and p[19] != 45) or high < 0 or low < 0 or m.year < 1000:
        return False
    if stop - start > 24 and not (is_lwsp(p[24]) or p[24] == 40):
        return False
    m.zone = high * 60 + low
    if p[19] == 45:
        m.zone = ZONE_NONE if m.zone == 0 else -m.zone
    return True


cdef int _named_zone(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Minutes east of UTC of an obs-zone, or ZONE_NONE."""
    cdef int hours = 0
    cdef uint8_t a, c
    if stop - start == 1:
        return 0 if lower(buf[start]) == 122 else ZONE_NONE     # military zones say nothing (4.3)
    if equals_fold(buf, start, stop, b"ut", 2) or equals_fold(buf, start, stop, b"utc", 3):
        return 0
    if equals_fold(buf, start, stop, b"gmt", 3):
        return 0
    if stop - start != 3 or lower(buf[start + 2]) != 116:
        return ZONE_NONE
    a = lower(buf[start])
    c = lower(buf[start + 1])
    hours = -4 if a == 97 else -5 if a == 101 else -6 if a == 99 else -7 if a == 109 else (
        -8 if a == 112 else 0)
    if hours == 0 or (c != 115 and c != 100):
        return ZONE_NONE
    return (hours + (c == 100)) * 60


cdef bint _clock(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Moment* m,
) noexcept nogil:
    """hh:mm or hh:mm:ss, one or two digits each; also with dots."""
    cdef int value[3]
    cdef int n = 0, digits = 0
    value[0] = value[1] = value[2] = 0
    while start < stop:
        if is_digit(buf[start]):
            digits += 1
            if digits > 2:
                return False
            value[n] = value[n] * 10 + buf[start] - 48
        elif (buf[start] == 58 or buf[start] == 46) and digits and n < 2:
            n += 1
            digits = 0
        else:
            return False
        start += 1
    if n == 0 or digits == 0:
        return False
    m.hour, m.minute, m.second = value[0], value[1], value[2]
    return True


cdef inline Py_ssize_t _skip_blank(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,
) noexcept nogil:
    """Behind white space, commas and comments; a comment that never closes ends the text."""
    cdef Py_ssize_t depth
    while start < stop:
        if is_lwsp(buf[start]) or buf[start] == 44:
            start += 1
        elif buf[start] == 40:
            depth = 0
            while start < stop:
                if buf[start] == 92:
                    start += 1
                elif buf[start] == 40:
                    depth += 1
                elif buf[start] == 41:
                    depth -= 1
                    if depth == 0:
                        break
                start += 1
            start += 1
        else:
            break
    return start if start < stop else stop


cdef int _number(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Value of one to four digits, or -1."""
    cdef int value = 0
    if not 0 < stop - start <= 4:
        return -1
    while start < stop:
        if not is_digit(buf[start]):
            return -1
        value = value * 10 + buf[start] - 48
        start += 1
    return value


cdef int _offset(const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Minutes east of UTC of `+hhmm` or `-hhmm` (a colon may stand inside), or -100000."""
    cdef int value = 0, digits = 0
    cdef Py_ssize_t pos = start + 1
    if buf[start] != 43 and buf[start] != 45:
        return -100000
    while pos < stop:
        if is_digit(buf[pos]) and digits < 4:
            value = value * 10 + buf[pos] - 48
            digits += 1
        elif buf[pos] != 58 or digits != 2:
            return -100000
        pos += 1
    if digits != 4:
        return -100000
    value = value // 100 * 60 + value % 100
    if buf[start] == 45:
        return ZONE_NONE if value == 0 else -value
    return value


cdef void _take_number(Moment* m, int value, Py_ssize_t digits) noexcept nogil:
    """A bare number is the day first, then the year."""
    if m.day < 0 and digits <= 2:
        m.day = value
    elif m.year < 0:
        m.year = value
        if digits == 2:
            m.year += 2000 if value < 50 else 1900
        elif digits == 3:
            m.year += 1900
    elif m.day < 0:
        m.day = value


cdef bint _half_day(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Moment* m,
) noexcept nogil:
    """`06:50 PM`: no standard has it, some mailers write it."""
    if not 1 <= m.hour <= 12:
        return False
    if equals_fold(buf, start, stop, b"pm", 2):
        m.hour = m.hour % 12 + 12
        return True
    if equals_fold(buf, start, stop, b"am", 2):
        m.hour = m.hour % 12
        return True
    return False


cdef void _take_token(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Moment* m,
) noexcept nogil:
    cdef Py_ssize_t dash = start + 1
    cdef int value
    if is_digit(buf[start]):
        if m.hour < 0 and _clock(buf, start, stop, m):
            return
        while dash < stop and buf[dash] != 45:
            dash += 1
        if dash < stop:                                     # 1-Jan-2024
            _take_token(buf, start, dash, m)
            if dash + 1 < stop:
                _take_token(buf, dash + 1, stop, m)
            return
        value = _number(buf, start, stop)
        if value >= 0:
            _take_number(m, value, stop - start)
    elif buf[start] == 43 or buf[start] == 45:
        value = _offset(buf, start, stop)
        if value != -100000 and m.hour >= 0:
            m.zone = value
    elif is_alpha(buf[start]):
        while dash < stop and is_alpha(buf[dash]):
            dash += 1
        if m.month == 0 and dash - start >= 3 and _month(buf + start):
            m.month = _month(buf + start)
        elif dash == stop and dash - start == 2 and _half_day(buf, start, stop, m):
            return
        elif m.hour >= 0 and m.zone == ZONE_NONE:
            m.zone = _named_zone(buf, start, dash)
            if dash < stop:                                 # GMT+0200
                value = _offset(buf, dash, stop)
                m.zone = value if value != -100000 else ZONE_NONE
            return
        if dash < stop and buf[dash] == 45 and m.year < 0 and dash + 1 < stop:
            value = _number(buf, dash + 1, stop)
            if value >= 0:
                _take_number(m, value, stop - dash - 1)


cdef bint _slow(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop, Moment* m,
) noexcept nogil:
    cdef Py_ssize_t end
    cdef int n = 0
    m.year = m.day = m.hour = -1
    m.month = m.minute = m.second = 0
    m.zone = ZONE_NONE
    start = _skip_blank(buf, start, stop)
    while start < stop and n < MAX_TOKENS:
        end = start
        while end < stop and not is_lwsp(buf[end]) and buf[end] != 44 and buf[end] != 40:
            end += 1
        _take_token(buf, start, end, m)
        start = _skip_blank(buf, end, stop)
        n += 1
    if m.hour < 0:
        m.hour = 0
    return m.month > 0 and m.day > 0 and m.year >= 0


cdef bint parse_date(
    const uint8_t* buf, Py_ssize_t start, Py_ssize_t stop,  # IN
    int64_t* epoch, int32_t* zone,                          # OUT
) noexcept nogil:
    """True when [start, stop) is a date-time."""
    cdef Moment m
    if not _fast(buf, start, stop, &m) and not _slow(buf, start, stop, &m):
        return False
    return _finish(&m, epoch, zone)


def parse_date_text(const uint8_t[::1] raw not None):
    """(seconds since the epoch, minutes east of UTC or NO_ZONE) of one field body, or None."""
    cdef int64_t epoch = 0
    cdef int32_t zone = 0
    if raw.shape[0] == 0 or not parse_date(&raw[0], 0, raw.shape[0], &epoch, &zone):
        return None
    return epoch, zone
