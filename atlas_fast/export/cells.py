"""Text of mail as a cell of a sheet: nothing that a spreadsheet calculates, nothing invisible.

A program that opens a CSV file takes a cell that begins with `=`, `+`, `-` or `@` for a formula,
and it may cut the line at another separator than the file's. So, in every text cell:
(a) control, direction and other invisible characters are spelled out as `\\u{202e}`, blanks other
    than the space become one; TAB and line ends stay;
(b) an apostrophe is set at the cell's start, and behind every `,` `;` `|` TAB or line end in it,
    where a formula sign follows, at once or after blanks and double quotes; the sign may be
    full-width, or the minus sign U+2212;
(c) one is set before a leading TAB or line end.
"""

from __future__ import annotations

import re
from typing import Any

from atlas_fast.visible import visible

__all__ = ["cell"]

GUARD = "'"
SIGNS = (
    "=+-@"
    "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}"
    "\N{FULLWIDTH COMMERCIAL AT}\N{SMALL EQUALS SIGN}\N{SMALL PLUS SIGN}\N{SMALL HYPHEN-MINUS}"
    "\N{SMALL COMMERCIAL AT}\N{MINUS SIGN}"
)
KEPT = "\t\r\n"
_SEPARATOR = ",;|" + KEPT
_RISKY = re.compile(rf"(^|[{_SEPARATOR}])(?=[ \"]*[{re.escape(SIGNS)}])|^(?=[{KEPT}])")


def cell(value: Any) -> Any:
    """A value as it is written into a cell: text made safe, bytes in hexadecimal, None empty."""
    if isinstance(value, str):
        text = visible(value, KEPT)
        return _RISKY.sub(rf"\1{GUARD}", text) if _RISKY.search(text) else text
    if isinstance(value, bytes):
        return value.hex()
    return value
