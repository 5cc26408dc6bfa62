"""Names of files, the pointer, and the manifest of a generation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from atlas_fast._kernels.tables import digest
from atlas_fast.errors import ReferenceDamaged
from atlas_fast.reference.sources import Source
from atlas_fast.reference.tables import table_modules

__all__ = [
    "DATA_FILE",
    "LOCK_FILE",
    "MANIFEST_FILE",
    "Manifest",
    "TableEntry",
    "digest_of",
    "layout_name",
    "named_path",
    "pointer_path",
    "read_pointer",
    "verified_path",
]

FORMAT = 2
"""Of folder, pointer and manifest; raised when they change."""

DATA_FILE = "data.mdb"
MANIFEST_FILE = "manifest.json"
LOCK_FILE = "lock"
POINTER = "CURRENT-"


def digest_of(data: bytes) -> str:
    """BLAKE2b-128 in hex."""
    return digest(data, 16).hex()


@cache
def layout_name() -> str:
    """Eight hex digits that follow from the names and layouts of all tables."""
    known = sorted((kind.decode(), module.LAYOUT) for kind, module in table_modules().items())
    return digest_of(repr((FORMAT, known)).encode())[:8]


def pointer_path(folder: Path) -> Path:
    """The pointer of this version's layout."""
    return folder / (POINTER + layout_name())


def verified_path(folder: Path, generation: str) -> Path:
    """Where the identity of a generation's file is noted once its checksums were compared."""
    return folder / "verified" / generation


def named_path(folder: Path) -> Path:
    """Which files the user named for the last build; holds for all layouts."""
    return folder / "named.json"


def read_pointer(path: Path) -> tuple[str, str]:
    """(generation, digest of its manifest). FileNotFoundError, or ReferenceDamaged."""
    text = path.read_bytes()[:200].decode("ascii", "replace")
    generation, _, digest = text.rstrip("\n").partition(" ")
    plain = generation.replace("-", "").isalnum() and len(digest) == 32 and digest.isalnum()
    if not plain:
        raise ReferenceDamaged(f"{path}: is no pointer to a generation")
    return generation, digest


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One table: its value is `length` bytes at `offset` of the file, `size` of them payload."""

    layout: int
    count: int
    size: int
    checksum: str
    offset: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation is; `structure` is the digest of the file's bytes outside the payloads."""

    generation: str
    layout: str
    version: str
    built: str
    size: int
    structure: str
    tables: dict[str, TableEntry]
    sources: dict[str, list[Source]]
    absent: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """With a digest of itself: a builder that finds it without a pointer can tell damage."""
        raw = asdict(self)
        raw["digest"] = digest_of(orjson.dumps(raw))
        return orjson.dumps(raw, option=orjson.OPT_INDENT_2)

    @staticmethod
    def of_json(text: bytes) -> Manifest:
        """ReferenceDamaged when it is not the JSON of a manifest, or not as it was written."""
        try:
            raw: dict[str, Any] = orjson.loads(text)
            if raw.pop("digest") != digest_of(orjson.dumps(raw)):
                raise ValueError("digest is wrong")
            raw["tables"] = {name: TableEntry(**entry) for name, entry in raw["tables"].items()}
            raw["sources"] = {
                name: [Source(**source) for source in sources]
                for name, sources in raw["sources"].items()
            }
            return Manifest(**raw)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ReferenceDamaged(f"manifest of the reference data: {error}") from error

    def stale(self) -> bool:
        """Whether a source has changed since."""
        return any(source.changed() for sources in self.sources.values() for source in sources)
