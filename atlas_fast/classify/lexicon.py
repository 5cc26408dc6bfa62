"""The lexicon: terms by category in a readable file, compiled to an automaton over words.

The file is `atlas_fast/data/lexicon.txt`; its head says how it is written. docs/lexicon.md says
what the categories are for.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.lexicon import (
    KIND,
    LAYOUT,
    TERM_WORDS,
    Lexicon,
    joined,
    joined_bit,
    lexicon_find,
    transition_key,
    words_of,
)
from atlas_fast._kernels.tables import Table, digest, pack
from atlas_fast.errors import ModelError

__all__ = ["Terms", "compile_terms", "find", "lexicon", "read_terms", "terms", "terms_digest"]

SLOT = np.dtype([("key", np.uint64), ("state", np.uint32), ("unused", np.uint32)])
FILTER_BITS, PAIR_BITS = 1 << 15, 1 << 16


@dataclass(frozen=True)
class Terms:
    """`categories` in the order of the file; `texts` of the terms and `category` of each, a
    position in categories. A term that stands in two categories belongs to the first."""

    categories: list[str]
    texts: list[str]
    category: list[int]


def read_terms(text: str) -> Terms:
    """Read a lexicon file. ModelError, naming the line, when it is none."""
    categories: list[str] = []
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            if not line.endswith("]") or line[1:-1] in categories:
                raise ModelError(f"lexicon, line {number}: not a new category: {line[:60]}")
            categories.append(line[1:-1])
            continue
        if not categories:
            raise ModelError(f"lexicon, line {number}: a term without a category")
        for term in expand(line):
            words = words_of(term.encode())
            if not 0 < len(words) <= TERM_WORDS:
                raise ModelError(f"lexicon, line {number}: 1 to {TERM_WORDS} words: {term[:60]}")
            found.setdefault(term, len(categories) - 1)
            if len(found) > limits.LEXICON_TERMS:
                raise ModelError(f"lexicon, line {number}: more than {limits.LEXICON_TERMS} terms")
    if not found:
        raise ModelError("lexicon: no term")
    return Terms(categories, list(found), list(found.values()))


def expand(line: str) -> Iterator[str]:
    """The terms that a line stands for: each choice among the alternatives."""
    return map(" ".join, itertools.product(*(part.split("|") for part in line.split())))


def compile_terms(texts: Sequence[str], category: Sequence[int], n_categories: int) -> bytes:
    """Payload of a table of kind `lexicon`: layout in the head of _kernels/lexicon.pyx.

    Of terms with the same folded words the first counts.
    """
    states: list[dict[int, int]] = [{}]  # a trie: word to state
    ends = [0]
    starts, alone = np.zeros((2, FILTER_BITS), np.uint8)
    pairs, twos, threes = np.zeros((3, PAIR_BITS), np.uint8)
    sizes = np.zeros(len(texts), np.uint8)
    for number, text in enumerate(texts):
        state = 0
        words = words_of(text.encode())
        sizes[number] = len(words)
        starts[words[0][1]] = 1
        if len(words) == 1:
            alone[words[0][1]] = 1
        else:
            (first, _), (second, _) = words[:2]
            pairs[joined_bit(first, second)] = 1
            if len(words) == 2:
                twos[joined_bit(first, second)] = 1
            else:
                threes[joined_bit(joined(first, second), words[2][0])] = 1
        for word, _ in words:
            onward = states[state].get(word)
            if onward is None:
                onward = states[state][word] = len(states)
                states.append({})
                ends.append(0)
            state = onward
        ends[state] = ends[state] or number + 1
    order, fail, link = _breadth_first(states, ends)
    place = np.empty(len(states), np.int64)  # states in order of depth, so that chains go down
    place[order] = np.arange(len(states))
    n_slots = 1 << max(len(states) * 3 // 2, 2).bit_length()
    slots = np.zeros(n_slots, SLOT)
    for state, leads in enumerate(states):
        for word, target in leads.items():
            key = transition_key(int(place[state]), word)
            at = key >> 32 & (n_slots - 1)
            while slots["key"][at]:
                at = (at + 1) & (n_slots - 1)
            slots[at] = key, place[target], 0
    head = np.zeros(16, "<u4")
    head[:4] = len(states), len(texts), n_slots, n_categories
    records = np.zeros((len(states), 4), "<u4")
    records[:, :3] = np.stack([place[fail][order], np.array(ends)[order], place[link][order]], 1)
    return b"".join(
        [
            head.tobytes(),
            slots.tobytes(),
            records.tobytes(),
            np.asarray(category, np.uint8).tobytes(),
            sizes.tobytes(),
            *(
                np.packbits(bits, bitorder="little").tobytes()
                for bits in (starts, alone, pairs, twos, threes)
            ),
        ]
    )


def _breadth_first(
    states: list[dict[int, int]], ends: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States by depth; for each the state of its longest proper suffix, and the next below it
    where a term ends."""
    fail, link, order = [0] * len(states), [0] * len(states), [0]
    queue = deque(states[0].values())
    while queue:
        state = queue.popleft()
        order.append(state)
        for word, target in states[state].items():
            at = fail[state]
            while at and word not in states[at]:
                at = fail[at]
            fail[target] = states[at].get(word, 0)
            queue.append(target)
        link[state] = fail[state] if ends[fail[state]] else link[fail[state]]
    return np.array(order), np.array(fail), np.array(link)


@lru_cache(maxsize=1)
def terms() -> Terms:
    """The terms of the shipped file."""
    return read_terms(_file().decode())


def terms_digest() -> str:
    """BLAKE2b-128 of the shipped file in hex, as reference data names what it was made from."""
    return digest(_file(), 16).hex()


def _file() -> bytes:
    return files("atlas_fast").joinpath("data", "lexicon.txt").read_bytes()


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The automaton of the shipped file, made in memory once."""
    found = terms()
    payload = compile_terms(found.texts, found.category, len(found.categories))
    return Lexicon(Table.of_copy(pack(KIND, LAYOUT, len(found.texts), payload), KIND, LAYOUT))


def find(text: str) -> list[tuple[str, str]]:
    """(category, term) of each occurrence in a text, in their order."""
    known = terms()
    return [
        (known.categories[known.category[term]], known.texts[term])
        for _, _, term in lexicon_find(lexicon(), text.encode("utf-8", "replace"))
    ]
