"""Date-time of header fields, plainly: tokens, then the calendar of the standard library."""

import re
from datetime import datetime, timedelta

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
ZONES = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "ast": -240, "adt": -180, "est": -300, "edt": -240,
    "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
}  # fmt: skip
NONE = 32767
CLOCK = re.compile(r"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2}))?\Z", re.ASCII)
OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)\Z", re.ASCII)


def without_comments(text: str) -> str:
    out, depth, pos = [], 0, 0
    while pos < len(text):
        char = text[pos]
        if depth == 0:
            if char == "(":
                depth = 1
                out.append(" ")
            else:
                out.append(char)
        elif char == "\\":
            pos += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        pos += 1
    return "".join(out)


class Moment:
    def __init__(self):
        self.year = self.day = self.hour = None
        self.month = self.minute = self.second = 0
        self.zone = NONE

    def number(self, text):
        if self.day is None and len(text) <= 2:
            self.day = int(text)
        elif self.year is None:
            year = int(text)
            if len(text) == 2:
                year += 2000 if year < 50 else 1900
            elif len(text) == 3:
                year += 1900
            self.year = year
        elif self.day is None:
            self.day = int(text)

    def token(self, text):
        if re.match(r"[0-9]", text):
            self.digits(text)
        elif text[0] in "+-":
            found = offset(text)
            if found is not None and self.hour is not None:
                self.zone = found
        elif re.match(r"[A-Za-z]", text):
            self.word(text)

    def digits(self, text):
        clock = CLOCK.match(text)
        if self.hour is None and clock:
            self.hour, self.minute = int(clock[1]), int(clock[2])
            self.second = int(clock[3] or 0)
            return
        head, dash, rest = text.partition("-")
        if dash:
            self.token(head)
            if rest:
                self.token(rest)
        elif re.fullmatch(r"[0-9]{1,4}", text):
            self.number(text)

    def word(self, text):
        letters = re.match(r"[A-Za-z]+", text)[0]
        rest = text[len(letters) :]
        half = letters.lower()
        if self.month == 0 and letters[:3].lower() in MONTHS:
            self.month = MONTHS.index(letters[:3].lower()) + 1
        elif not rest and half in ("am", "pm") and self.hour is not None and 1 <= self.hour <= 12:
            self.hour = self.hour % 12 + (12 if half == "pm" else 0)
            return
        elif self.hour is not None and self.zone == NONE:
            self.zone = ZONES.get(half, NONE)
            if rest:
                found = offset(rest)
                self.zone = NONE if found is None else found
            return
        if self.year is None and re.fullmatch(r"-[0-9]{1,4}", rest):
            self.number(rest[1:])


def offset(text):
    match = OFFSET.match(text)
    if not match:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    if match[1] == "-":
        return NONE if minutes == 0 else -minutes
    return minutes


def parse(raw: bytes):
    """(seconds since the epoch, minutes east of UTC) or None."""
    text = without_comments(raw.decode("latin-1"))
    moment = Moment()
    for token in [token for token in re.split(r"[ \t\r\n,]+", text) if token][:32]:
        moment.token(token)
    if not moment.month or not moment.day or moment.year is None:
        return None
    leap = moment.second == 60
    try:
        when = datetime(
            moment.year, moment.month, moment.day, moment.hour or 0, moment.minute,
            moment.second - leap,
        )  # fmt: skip
    except ValueError:
        return None
    if moment.zone != NONE and abs(moment.zone) >= 1440:
        return None
    seconds = (when - datetime(1970, 1, 1)) // timedelta(seconds=1) + leap
    return seconds - (0 if moment.zone == NONE else moment.zone * 60), moment.zone
