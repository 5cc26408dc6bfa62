"""Reasons in words: which features of a message speak for spam, and which against.

A feature is a column of a hashed matrix. The facts have names here, made by hashing each fact with
each value that it can have (`factnames`); words, links and forms of a message are found again in
the message itself, where it is at hand (`names_in_message`).

`words` puts into words what the store keeps of a verdict: codes, no text of the message
(docs/classification.md). Two features may share a column; so a name counts only in its own group.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atlas_fast._kernels.facts import site_column, url_word_column, word_column
from atlas_fast._kernels.features import GROUPS, LAYOUT, N_BUCKETS, N_TEXT_BUCKETS
from atlas_fast._kernels.wording import word_columns
from atlas_fast.classify.factnames import fact_names, form_column, form_names

__all__ = ["GROUP_NAMES", "Reason", "name_of", "names_in_message", "read", "summary", "words"]

MAX_SHOWN = 40
"""Characters of a message's own text that a reason shows."""

GROUP_NAMES = {
    "text": "words of text and subject", "lexicon": "terms of the lexicon",
    "shape": "shape of text and subject", "links": "links", "structure": "parts and damage",
    "identity": "sender and header fields", "origin": "first hop",
    "authentication": "authentication", "urls": "words of links",
}  # fmt: skip

HUNDREDTHS = 100
"""Shares are stored in these parts of a logit."""

Names = dict[tuple[int, int], str]
"""Name of a feature by (group, column)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`share`: what it adds to the logit; above 0 it speaks for spam. `group` is one of GROUPS.
    `whole`: all features of the group together."""

    text: str
    group: str
    share: float
    whole: bool = False


def words(stored: str | None, subject: str = "") -> list[str]:
    """What the store keeps of a verdict (`raw_data` of a row), in words, the strongest first.

    First the groups of features that decided, then single ones; `+` speaks for spam, `-` against.
    `subject`, as the row has it: its words are named where they count. Empty for a row without
    reasons, and where they were stored by a version with other features. What is returned holds
    text of the message only from `subject`: escape it where it is shown.
    """
    return [f"{one.text} ({one.share:+.2f})" for one in read(stored, subject)]


def read(stored: str | None, subject: str = "") -> list[Reason]:
    """The same, as Reasons."""
    try:
        layout, groups, features = json.loads(stored or "")["reasons"]
        if layout != LAYOUT or not all(type(one) is int for one in (*groups, *features)):
            return []
        found = [
            Reason(GROUP_NAMES[GROUPS[group]], GROUPS[group], share / HUNDREDTHS, True)
            for group, share in zip(groups[::2], groups[1::2], strict=True)
            if group >= 0
        ]
        own = names_in_message(b"", subject.encode("utf-8", "replace"), []) if subject else {}
        for group, column, share in zip(features[::3], features[1::3], features[2::3], strict=True):
            if not (0 <= group < len(GROUPS) and 0 <= column < N_BUCKETS):
                return []
            text = name_of(group, column, own) or unnamed(group)
            found.append(Reason(text, GROUPS[group], share / HUNDREDTHS))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
        return []  # of another program, or damaged
    return found


def unnamed(group: int) -> str:
    """What a feature without a name is called."""
    if GROUPS[group] == "text":
        return "a word of the text"
    return f"a detail of {GROUP_NAMES[GROUPS[group]]}"


def name_of(group: int, column: int, own: Names | None = None) -> str:
    """What a column of a group stands for; `own` from names_in_message. Empty when that is not
    known."""
    if own and (group, column) in own:
        return own[group, column]
    return "" if column < N_TEXT_BUCKETS else fact_names().get((group, column), "")


def groups_of(ends: np.ndarray, n: int) -> np.ndarray:
    """Group of each of the n features of a row."""
    return np.searchsorted(ends, np.arange(n), side="right")


TEXT, URLS = GROUPS.index("text"), GROUPS.index("urls")


def names_in_message(
    text: bytes, subject: bytes, links: list[bytes], forms: Sequence[bytes] = (b"",) * 5
) -> Names:
    """Names of the columns of a message's own words, links and forms, by hashing them again.

    `forms`: sender's name, local-part, left side of the Message-ID, Date and Content-Type.
    """
    own: Names = {}
    for column, start, stop in word_columns(subject, True):
        own.setdefault((TEXT, column), f"subject: {_shown(subject[start:stop])}")
    times: Counter[tuple[int, int]] = Counter()
    for column, start, stop in word_columns(text):
        # A word comes as itself, then as what it begins with and what it ends with.
        word, here = _shown(text[start:stop]), (start, stop)
        said = (word, f"{word[:4]}...", f"...{word[-3:]}")[min(times[here], 2)]
        times[here] += 1
        own.setdefault((TEXT, column), f"text: {said}")
    for link in links:
        match = re.match(
            rb"[^:]*://(?:[^/?#]*@)?([^/?#:]+)[^/?#]*([^?#]*)[^?]*[?]?(.*)", link, re.S
        )
        if match is None:
            continue
        host, path, query = match.groups()
        own.setdefault((URLS, site_column(host)), f"link to {_shown(host)}")
        label = form_column(35, 1, host.split(b".")[0], 6)
        own.setdefault((URLS, label), f"the form of a link's host, {_shown(host)}")
        for word in re.findall(rb"[A-Za-z]{3,}", path):
            own.setdefault((URLS, url_word_column(word)), f"word of a link: {_shown(word)}")
        for key in re.findall(rb"(?:^|&)([^=&]{1,20})=", query):
            column = word_column(33, -1, re.sub(rb"[0-9]+", b"9", key))
            own.setdefault((URLS, column), f"a parameter of a link: {_shown(key)}")
    for key, said, raw in form_names(*forms):
        own.setdefault(key, f"{said} {_shown(raw)}")
    return own


def _shown(raw: bytes) -> str:
    text = " ".join(raw.decode("utf-8", "replace").split())
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def summary(verdict: Any, row: int, limit: int = 3) -> str:
    """One line on the verdict of a message of a batch: the groups that speak for it, and the
    strongest facts that have a name; no text of the message."""
    sign = 1.0 if verdict.category[row] >= 2 else -1.0
    groups = verdict.reasons.groups[row] * sign
    order = np.argsort(-groups, kind="stable")[:limit]
    parts = [
        f"{GROUP_NAMES[GROUPS[group]]} {groups[group] * sign:+.1f}"
        for group in order.tolist()
        if groups[group] > 0.05
    ]
    made = verdict.reasons
    for column, group, share in zip(
        made.columns[row].tolist(), made.of[row].tolist(), made.shares[row].tolist(), strict=True
    ):
        name = name_of(group, column) if column >= 0 and share * sign > 0 else ""
        if name:
            parts.append(f"{name} ({share:+.2f})")
    return "; ".join(parts)[:300]
