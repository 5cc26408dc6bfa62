"""Is a generation what its manifest says? Nothing here maps the file, so nothing here can fault.

Every time it is opened: the size, and the digest of all bytes outside the payloads (the pages by
which LMDB finds the values, and the headers of the values), so that LMDB only ever follows pages
that are as they were written. The checksums of the payloads: once for each identity of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from atlas_fast._kernels.tables import HEADER_BYTES, digest
from atlas_fast.errors import ReferenceDamaged
from atlas_fast.reference.layout import Manifest, TableEntry, verified_path

__all__ = ["check_file", "identity", "remember", "structure_digest", "was_verified"]

BLOCK = 1 << 20


def identity(handle: int) -> str:
    """Device, inode, size, and times of the last change of content and of inode."""
    found = os.fstat(handle)
    return (
        f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}\n"
    )


def was_verified(folder: Path, generation: str, file: str) -> bool:
    """Whether the checksums of the file with this identity were compared before."""
    try:
        return verified_path(folder, generation).read_text() == file
    except (OSError, UnicodeDecodeError):
        return False


def remember(folder: Path, generation: str, file: str) -> None:
    """Note the identity of a file whose checksums are right; where that fails, it is not noted."""
    path = verified_path(folder, generation)
    try:
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(file)
        os.replace(fresh, path)
    except OSError:
        pass


def check_file(handle: int, manifest: Manifest, *, payloads: bool) -> None:
    """Raises ReferenceDamaged, naming the first part that is wrong."""
    size = os.fstat(handle).st_size
    if size != manifest.size:
        raise ReferenceDamaged(
            f"reference data {manifest.generation}: {size} bytes where {manifest.size} were written"
        )
    if structure_digest(handle, manifest) != manifest.structure:
        raise ReferenceDamaged(
            f"reference data {manifest.generation}: its pages or headers are damaged"
        )
    if payloads:
        for name, entry in manifest.tables.items():
            check_payload(handle, manifest.generation, name, entry)


def check_payload(handle: int, generation: str, name: str, entry: TableEntry) -> None:
    """Compare the checksum of one table. Raises ReferenceDamaged."""
    from hashlib import blake2b  # once for each file; it loads OpenSSL

    checksum = blake2b(digest_size=8)
    start = entry.offset + HEADER_BYTES
    for block in _read(handle, start, start + entry.size):
        checksum.update(block)
    if checksum.hexdigest() != entry.checksum:
        raise ReferenceDamaged(f"reference data {generation}: checksum of table {name} is wrong")


def structure_digest(handle: int, manifest: Manifest) -> str:
    """BLAKE2b-128 in hex of the file without the payloads."""
    parts: list[bytes] = []
    at = 0
    for entry in sorted(manifest.tables.values(), key=lambda entry: entry.offset):
        payload = entry.offset + HEADER_BYTES
        parts += _read(handle, at, payload)
        at = payload + entry.size
    parts += _read(handle, at, manifest.size)
    return digest(b"".join(parts), 16).hex()


def _read(handle: int, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        block = os.pread(handle, min(BLOCK, stop - start), start)
        if not block:
            return  # shorter than it was a moment ago: the digest will differ
        yield block
        start += len(block)
