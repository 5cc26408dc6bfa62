"""What a page says after a change: a code and a number in the address, the words from here.

Words never travel in an address, so that a link cannot make our page say something.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TEXTS", "notice_of"]

TEXTS = {
    "judged": "Noted for {n} messages. atlas-fast learn takes it up.",
    "protected": "{n} messages are protected from deletion.",
    "deletion": "{n} messages are flagged for deletion by the next run.",
    "research": "{n} messages are flagged for research; runs keep them.",
    "unflagged": "The flag of {n} messages is gone.",
    "nothing": "Nothing was chosen.",
    "saved": "Saved. Runs that start from now on follow it.",
    "removed": "Removed. Runs that start from now on follow it.",
    "imported": "{n} entries were imported.",
    "started": "The run has started.",
    "busy": "A run over this account is on already.",
    "left": "You are logged out.",
}


def notice_of(query: Mapping[str, str]) -> str:
    """The sentence for `done` and `n` of an address; empty for none."""
    text = TEXTS.get(query.get("done", ""), "")
    n = query.get("n", "0")
    return text.format(n=f"{int(n):,}" if n.isdecimal() and len(n) < 7 else "some")
