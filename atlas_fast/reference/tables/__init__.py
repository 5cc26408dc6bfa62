"""One module a table; `NAMES` has them all. What a module must have: see atlas_fast.reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from atlas_fast.reference.sources import Named, Source

__all__ = ["NAMES", "TableModule", "table_modules"]

NAMES = ("geo", "suffix", "confusables", "lexicon")


class TableModule(Protocol):
    """The face of a module in this folder."""

    NAME: bytes
    LAYOUT: int

    def sources(self, named: Named) -> list[Source]: ...
    def compile(self, sources: Sequence[Source]) -> tuple[int, bytes]: ...


@cache
def table_modules() -> dict[bytes, TableModule]:
    """The modules by kind of their table."""
    modules = [cast(TableModule, import_module(f"{__name__}.{name}")) for name in NAMES]
    return {module.NAME: module for module in modules}
