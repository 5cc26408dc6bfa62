"""Tables for the tests of domains, compiled once, in memory."""

from functools import lru_cache
from importlib.resources import files

import numpy as np
from oracles.suffix import Rules

from atlas_fast._kernels.confusables import Confusables
from atlas_fast._kernels.suffix import SuffixRules
from atlas_fast._kernels.tables import Table, pack
from atlas_fast.reference.tables import confusables as confusables_table
from atlas_fast.reference.tables import suffix as suffix_table


@lru_cache(maxsize=1)
def psl_text() -> str:
    return (files("publicsuffixlist") / "public_suffix_list.dat").read_text("utf-8")


def suffix_rules(text: str) -> SuffixRules:
    return SuffixRules(table_of(suffix_table, *suffix_table.payload(text)))


@lru_cache(maxsize=1)
def psl() -> tuple[SuffixRules, Rules]:
    """The kernel's rules and the oracle's, of the installed list."""
    return suffix_rules(psl_text()), Rules(psl_text())


def table_of(module, count: int, payload: bytes) -> Table:
    value = pack(module.NAME, module.LAYOUT, count, payload)
    return Table.of_copy(value, module.NAME, module.LAYOUT)


@lru_cache(maxsize=1)
def confusables_data() -> tuple[Confusables, list, dict]:
    """The kernel's data, and what it was compiled from: ranges and prototypes."""
    import orjson

    folder = files("confusable_homoglyphs")
    ranges = confusables_table.categories(orjson.loads((folder / "categories.json").read_bytes()))
    prototypes = confusables_table.directed(
        orjson.loads((folder / "confusables.json").read_bytes())
    )
    made = confusables_table.payload(ranges, prototypes)
    return Confusables(table_of(confusables_table, *made)), ranges, prototypes


def column(names: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """(data, offsets) of byte strings."""
    offsets = np.cumsum([0, *map(len, names)]).astype(np.int64)
    return np.frombuffer(b"".join(names), np.uint8), offsets
