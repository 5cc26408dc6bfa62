"""The lexicon kernel against Hyperscan, pyahocorasick and RE2, on the same 2,000 terms and texts.

Peers get texts and patterns ready made, whole words, case aside, any blanks between words. They do
not fold look-alikes, marks or digits; the kernel does, and finds at least what Hyperscan finds.
`sparse`: one term in some hundred words, as in ordinary mail; `dense`: nothing but terms.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from atlas_fast.bench.paired import Contestant

N_TERMS, N_TEXTS, TEXT_BYTES = 2_000, 300, 2_000


def chosen_terms() -> list[str]:
    """N_TERMS of the shipped lexicon, spread over it."""
    from atlas_fast.classify.lexicon import terms

    every = terms().texts
    return random.Random(1).sample(every, N_TERMS)


def dense_texts(texts: Sequence[str]) -> list[bytes]:
    """Texts of terms alone."""
    draw = random.Random(2)
    made = []
    for _ in range(N_TEXTS):
        words: list[str] = []
        while sum(map(len, words)) < TEXT_BYTES:
            words.append(texts[int(draw.random() * len(texts))])
        made.append(", ".join(words).encode())
    return made


def contestants(texts: Sequence[bytes]) -> tuple[list[Contestant], list[str]]:
    """The kernel first; then the peers that are installed, and the names of the others."""
    from atlas_fast._kernels.lexicon import KIND, LAYOUT, Lexicon, lexicon_batch
    from atlas_fast._kernels.tables import Table, pack
    from atlas_fast.classify.lexicon import compile_terms

    chosen = chosen_terms()
    payload = compile_terms(chosen, [0] * len(chosen), 1)
    lexicon = Lexicon(Table.of_copy(pack(KIND, LAYOUT, len(chosen), payload), KIND, LAYOUT))
    column = b"".join(texts)
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)

    def ours() -> np.ndarray:
        counts = np.zeros((len(texts), 1), np.uint8)
        lexicon_batch(lexicon, column, offsets, counts)
        return counts

    n = len(texts)
    rows = [Contestant("atlas_fast", ours, n, "terms counted, text by text")]
    absent = []
    for name, module, make in (
        ("hyperscan", "hyperscan", _hyperscan), ("pyahocorasick", "ahocorasick", _ahocorasick),
        ("RE2", "re2", _re2),
    ):  # fmt: skip
        if find_spec(module):
            rows.append(Contestant(name, make(chosen, texts), n, _INCLUDES[name]))
        else:
            absent.append(name)
    return rows, absent


_INCLUDES = {
    "hyperscan": "one scan a text with a callback that counts; \\b around each term",
    "pyahocorasick": "terms as parts of words, too; texts decoded and lowered beforehand",
    "RE2": "a set of all terms, which terms are there; \\b around each",
}


def _patterns(terms: Sequence[str]) -> list[str]:
    return [r"\b" + r"\s+".join(map(re.escape, term.split())) + r"\b" for term in terms]


def _hyperscan(terms: Sequence[str], texts: Sequence[bytes]) -> Any:
    import hyperscan

    database = hyperscan.Database()
    expressions = [pattern.encode() for pattern in _patterns(terms)]
    database.compile(
        expressions=expressions,
        ids=list(range(len(expressions))),
        elements=len(expressions),
        flags=[hyperscan.HS_FLAG_CASELESS] * len(expressions),
    )

    def call() -> np.ndarray:
        counts = np.zeros((len(texts), 1), np.int64)
        for row, text in enumerate(texts):
            found = [0]

            def count(*event: Any, found: list[int] = found) -> None:
                found[0] += 1

            database.scan(text, match_event_handler=count)
            counts[row] = found[0]
        return counts

    return call


def _ahocorasick(terms: Sequence[str], texts: Sequence[bytes]) -> Any:
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for number, term in enumerate(terms):
        automaton.add_word(term, number)
    automaton.make_automaton()
    lowered = [text.decode("utf-8", "replace").lower() for text in texts]

    def call() -> np.ndarray:
        return np.array([[sum(1 for _ in automaton.iter(text))] for text in lowered])

    return call


def _re2(terms: Sequence[str], texts: Sequence[bytes]) -> Any:
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = 1 << 30
    patterns = re2.Set.SearchSet(options)
    for pattern in _patterns(terms):
        patterns.Add(pattern)
    patterns.Compile()
    decoded = [text.decode("utf-8", "replace") for text in texts]

    def call() -> np.ndarray:
        return np.array([[len(patterns.Match(text) or ())] for text in decoded])

    return call
