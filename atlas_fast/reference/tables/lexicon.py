"""Table `lexicon`: the automaton over the terms of the shipped file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from atlas_fast._version import __version__
from atlas_fast.reference.sources import Named, Source, file_source

NAME = b"lexicon"
LAYOUT = 2


def sources(named: Named) -> list[Source]:
    path = files("atlas_fast").joinpath("data", "lexicon.txt")
    return [file_source(str(path), "atlas_fast lexicon", __version__, "that of atlas_fast")]


def compile(sources: Sequence[Source]) -> tuple[int, bytes]:
    from atlas_fast.classify.lexicon import compile_terms, read_terms

    terms = read_terms(Path(sources[0].path).read_text("utf-8"))
    return len(terms.texts), compile_terms(terms.texts, terms.category, len(terms.categories))
