"""Reasons in words: which features of a message speak for spam, and which against.

A feature is a column of a hashed matrix; the facts have names here, made by hashing each fact with
each value that it can have. Words and links are found again in the message itself, on demand.
Two features may share a column; where one has no name here, it is named after its group.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from atlas_fast._kernels.facts import fact_column, site_column, url_word_column
from atlas_fast._kernels.features import GROUPS, N_TEXT_BUCKETS
from atlas_fast._kernels.mime import DISPOSITION_NAMES, ENCODING_NAMES, MEDIA_NAMES
from atlas_fast._kernels.wording import word_columns
from atlas_fast.classify.lexicon import terms

__all__ = ["GROUP_NAMES", "Reason", "name_of", "names_in_message", "summary"]

MAX_SHOWN = 40
"""Characters of a message's own text that a reason shows."""

GROUP_NAMES = {
    "text": "words of text and subject", "lexicon": "terms of the lexicon",
    "shape": "shape of text and subject", "links": "links", "structure": "parts and damage",
    "identity": "sender and header fields", "origin": "first hop",
    "authentication": "authentication", "urls": "words of links",
}  # fmt: skip

ABOUT = [
    "none",
    "1",
    "2-3",
    "4-7",
    "8-15",
    "16-31",
    "32-63",
    "64-127",
    "128-255",
    "256-511",
    "512-1,023",
    "1,024-2,047",
]
NO_YES = ("no", "yes")

# Facts by namespace of rows.pxd: what is counted; "#" a count by powers of two, "?" yes or no,
# "%" a share in steps, "=" a number.
FACTS: dict[int, tuple[str, ...]] = {
    7: ("# bytes of text", "% capitals in the text", "% digits in the text",
        "% bytes above ASCII in the text", "# exclamation marks", "# dollar signs",
        "# bytes a line", "# marks of quotation", "# question marks"),
    8: ("? a subject", "= marks of reply or forwarding", "# bytes of subject",
        "% capitals in the subject", "# exclamation marks in the subject",
        "# dollar signs in the subject", "# digits in the subject",
        "% bytes above ASCII in the subject", "? a wide gap in the subject"),
    9: ("= an empty link of kind", "= a link without a host, kind", "? a link to a bare address",
        "= dots in a link's host", "# digits in a link's host", "# bytes behind a link's host",
        "# escapes in a link", "? a link with a port", "? a link with a query",
        "? a link that shows the host it leads to"),
    10: ("# links in HTML", "# images", "# forms", "# links in plain text", "# sites linked to",
         "= links to the sender's own site (0 no link, 1 none ... 4 all)",
         "= links, and to the sender's site", "= links with a host"),
    13: ("# parts", "= plain and HTML parts", "# attachments", "# hidden elements",
         "= type of the whole", "# bytes of HTML source", "% text in the HTML source"),
    15: ("? a sender's name", "# digits in the sender's address", "# bytes before the @",
         "= dots in the sender's domain", "? an @ in the sender's name",
         "% capitals in the sender's name", "? no sender's domain", "= words of the sender's name",
         "? the name is in the address", "? the name is in the domain",
         "? an address of a free provider", "= a role before the @",
         "? the sender's name is quoted", "? a comment in From"),
    18: ("? Reply-To at the sender's domain",),
    19: ("? a Message-ID", "? Message-ID at the sender's domain", "? Message-ID without a domain",
         "? a $ in the Message-ID", "# bytes of the Message-ID", "? a dot in the Message-ID's domain",
         "= length of the Message-ID in fours"),
    26: ("", "? first hop named as the sender's site", "= first hop without a name", "",
         "= parts of the first hop", "= address (2) and `unknown` (1) at the first hop",
         "? a protocol at the first hop"),
    27: ("? a DKIM signature",),
    29: ("# recipients",),
}  # fmt: skip
PRESENT, DAMAGE, LEXICON, TYPE = 21, 28, 30, 25
FIELDS = {
    1: "To", 3: "Date", 2: "Subject", 28: "In-Reply-To", 29: "References", 30: "MIME-Version",
    31: "X-Mailer", 32: "User-Agent", 36: "X-Priority", 37: "Importance", 38: "Organization",
}  # fmt: skip
MOST = 20  # values of "=" facts that have a name


@dataclass(frozen=True, slots=True)
class Reason:
    """`share`: what it adds to the logit; above 0 it speaks for spam. `group` is one of GROUPS."""

    text: str
    group: str
    share: float


@lru_cache(maxsize=1)
def _facts() -> dict[int, str]:
    """Name of each fact by its column."""
    found: dict[int, str] = {}
    for namespace, names in FACTS.items():
        for what, name in enumerate(names):
            for value in range({"#": 12, "?": 2, "%": 24, "=": MOST}.get(name[:1], 0)):
                found.setdefault(fact_column(namespace, what, value), _text(name, value))
    for number, field in FIELDS.items():
        for value, word in enumerate(NO_YES):
            found[fact_column(PRESENT, number, value)] = f"field {field}: {word}"
    for number, category in enumerate(terms().categories):
        for value, count in ((1, "1"), (2, "2-3"), (3, "4-7"), (4, "8 or more")):
            found[fact_column(LEXICON, number, value)] = f"lexicon, {category}: {count}"
    found[fact_column(18, 1, 0)] = "no Reply-To"
    for media, encoding, disposition in itertools.product(
        enumerate(MEDIA_NAMES), enumerate(ENCODING_NAMES), enumerate(DISPOSITION_NAMES)
    ):
        value = media[0] * 64 + encoding[0] * 8 + disposition[0]
        words = f"a part: {media[1]}, {encoding[1]}, {disposition[1]}"
        found.setdefault(fact_column(12, 0, value), words)
    for bit in range(21):
        found[fact_column(DAMAGE, bit, 1)] = f"damage of kind {bit}"
    return found


def _text(name: str, value: int) -> str:
    kind, name = name[0], name[2:]
    if kind == "#":
        return f"{name}: {ABOUT[value]}"
    if kind == "?":
        return f"{name}: {NO_YES[value]}"
    return f"{name}: {value}"


def name_of(column: int, own: dict[int, str] | None = None) -> str:
    """What a column stands for; `own` from names_in_message. Empty when that is not known."""
    if own and column in own:
        return own[column]
    if column < N_TEXT_BUCKETS:
        return ""
    return _facts().get(column, "")


def group_of(column: int, indices: np.ndarray, ends: np.ndarray) -> str:
    """Group of the first feature of this column in a row."""
    at = int(np.flatnonzero(indices == column)[0])
    return GROUPS[int(np.searchsorted(ends, at, side="right"))]


def names_in_message(text: bytes, subject: bytes, links: list[bytes]) -> dict[int, str]:
    """Names of the columns of a message's own words and links, by hashing them again."""
    own: dict[int, str] = {}
    for column, start, stop in word_columns(text):
        own.setdefault(column, f"text: {_shown(text[start:stop])}")
    for column, start, stop in word_columns(subject, True):
        own.setdefault(column, f"subject: {_shown(subject[start:stop])}")
    for link in links:
        match = re.match(rb"[^:]*://(?:[^/?#]*@)?([^/?#:]+)[^/?#]*([^?#]*)", link)
        if match is None:
            continue
        own.setdefault(site_column(match[1]), f"link to {_shown(match[1])}")
        for word in re.findall(rb"[A-Za-z]{3,}", match[2]):
            own.setdefault(url_word_column(word), f"word of a link: {_shown(word)}")
    return own


def _shown(raw: bytes) -> str:
    text = " ".join(raw.decode("utf-8", "replace").split())
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def summary(verdict: Any, row: int, limit: int = 3) -> str:
    """One line on the verdict of a message of a batch, from its codes alone, as it is stored.

    The groups that decided, and the strongest facts that have a name; no text of the message.
    """
    spam = verdict.category[row] >= 2
    sign = 1.0 if spam else -1.0
    groups = verdict.reasons.groups[row] * sign
    order = np.argsort(-groups, kind="stable")[:limit]
    parts = [
        f"{GROUP_NAMES[GROUPS[group]]} {groups[group] * sign:+.1f}"
        for group in order.tolist()
        if groups[group] > 0.05
    ]
    columns = zip(verdict.reasons.columns[row], verdict.reasons.shares[row], strict=True)
    for column, share in columns:
        name = name_of(int(column)) if column >= 0 and share * sign > 0 else ""
        if name:
            parts.append(f"{name} ({share:+.2f})")
    return "; ".join(parts)[:300]
