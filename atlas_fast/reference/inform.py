"""What is there, and whether it is whole: for `reference info` and `reference verify`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atlas_fast.errors import ReferenceDamaged, ReferenceDataError
from atlas_fast.reference.check import check_payload, identity, remember, structure_digest
from atlas_fast.reference.layout import (
    DATA_FILE,
    MANIFEST_FILE,
    Manifest,
    digest_of,
    pointer_path,
    read_pointer,
)

__all__ = ["Finding", "current_manifest", "verify"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of a generation: `error` is empty when it is what the manifest says."""

    part: str
    error: str


def current_manifest(folder: Path) -> Manifest:
    """The manifest of the generation that is used. Raises ReferenceDataError when there is none."""
    pointer = pointer_path(folder)
    try:
        generation, digest = read_pointer(pointer)
        text = (folder / generation / MANIFEST_FILE).read_bytes()
    except FileNotFoundError:
        raise ReferenceDataError(
            f"{folder}: no reference data is built for this version (atlas-fast reference build)"
        ) from None
    except OSError as error:
        raise ReferenceDataError(f"{folder}: {error.strerror or error}") from error
    if digest_of(text) != digest:
        raise ReferenceDamaged(f"{folder / generation}: its manifest is not the one written")
    return Manifest.of_json(text)


def verify(folder: Path) -> list[Finding]:
    """Compare size, pages, headers and each table's checksum, whatever was compared before.

    Raises ReferenceDataError when there is no generation or its manifest is damaged.
    """
    manifest = current_manifest(folder)
    place = folder / manifest.generation
    out = []
    try:
        with open(place / DATA_FILE, "rb") as file:
            handle = file.fileno()
            found = identity(handle)
            size = file.seek(0, 2)
            right = size == manifest.size
            out.append(Finding("size", "" if right else f"{size} bytes, not {manifest.size}"))
            same = structure_digest(handle, manifest) == manifest.structure
            out.append(Finding("pages and headers", "" if same else "damaged"))
            for name, entry in manifest.tables.items():
                try:
                    check_payload(handle, manifest.generation, name, entry)
                except ReferenceDamaged:
                    out.append(Finding(f"table {name}", "checksum is wrong"))
                else:
                    out.append(Finding(f"table {name}", ""))
    except OSError as error:
        raise ReferenceDataError(f"{place / DATA_FILE}: {error.strerror or error}") from error
    if not any(finding.error for finding in out):
        remember(folder, manifest.generation, found)
    return out
