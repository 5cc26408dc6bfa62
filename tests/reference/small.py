"""A reference with two small tables made from a text file, in this process or in a child.

`install(source, ...)` puts them in the place of the real ones; `undo()` takes them away. A compile
appends a line to `source.log`, and waits for `delay` seconds.
"""

import os
import sys
import time
import types
from pathlib import Path

from atlas_fast.reference import layout, tables
from atlas_fast.reference.sources import file_source

REAL = tables.NAMES


def payload_of(text: bytes) -> bytes:
    return text * (20_000 // max(1, len(text)) + 1)


def module(kind: bytes, number: int, source: Path, delay: float):
    made = types.ModuleType(f"atlas_fast.reference.tables.{kind.decode()}")
    made.NAME, made.LAYOUT = kind, number

    def sources(named):
        chosen = [Path(path) for path in named.get("small", [source])]
        return [file_source(p, "words", "1", "CC0-1.0", "2026-01-02") for p in chosen if p.exists()]

    def compile(found):
        with open(f"{source}.log", "a") as log:
            print(kind.decode(), os.getpid(), file=log)
        time.sleep(delay)
        text = Path(found[0].path).read_bytes()
        return len(text), payload_of(text + kind)

    made.sources, made.compile = sources, compile
    return made


def install(source, number: int = 1, delay: float = 0.0, kinds=(b"one", b"two")):
    for kind in kinds:
        name = f"atlas_fast.reference.tables.{kind.decode()}"
        sys.modules[name] = module(kind, number, Path(source), delay)
    tables.NAMES = tuple(kind.decode() for kind in kinds)
    tables.table_modules.cache_clear()
    layout.layout_name.cache_clear()


def undo():
    for name in tables.NAMES:
        if name not in REAL:
            sys.modules.pop(f"atlas_fast.reference.tables.{name}", None)
    tables.NAMES = REAL
    tables.table_modules.cache_clear()
    layout.layout_name.cache_clear()


def right(reference, source, kinds=(b"one", b"two")) -> bool:
    """Whether each table has what its source says."""
    from atlas_fast._kernels.tables import digest

    text = Path(source).read_bytes()
    return all(
        reference.table(kind).checksum() == digest(payload_of(text + kind)) for kind in kinds
    )
