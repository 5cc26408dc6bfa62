"""The quoting of `From ` lines in an mbox."""

from __future__ import annotations

import re

_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


def unquote(raw: bytes) -> bytes:
    """Take one `>` off every line that begins with `>From `, `>>From ` and so on (mboxrd).

    In an mboxo file `>From ` may also have been written by the author; nothing tells the two apart.
    """
    return _QUOTED.sub(rb"\1", raw)
