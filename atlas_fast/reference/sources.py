"""What a table is made from: a file with version, licence and date."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from atlas_fast.errors import ReferenceDataError

__all__ = ["Named", "Source", "file_source", "installed_version", "package_spec"]

Named = Mapping[str, Sequence[Path]]
"""Files that the user named, by option: "mmdb", "psl", "unicode"."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file: `date` is ISO 8601, `digest` the BLAKE2b-128 of its bytes in hex."""

    name: str
    version: str
    licence: str
    date: str
    path: str
    size: int
    mtime_ns: int
    digest: str
    kind: str = ""

    def changed(self) -> bool:
        """Whether the file is there and differs from what was read. A file that is gone has not."""
        try:
            now = os.stat(self.path)
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) != (self.size, self.mtime_ns)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def epoch(self) -> int:
        """The date in seconds since 1970, 0 when it is not known."""
        try:
            return max(0, int(datetime.fromisoformat(self.date).replace(tzinfo=UTC).timestamp()))
        except ValueError:
            return 0


def file_source(
    path: str | Path, name: str, version: str, licence: str, date: str = "", kind: str = ""
) -> Source:
    """A Source of a file on disk; without a date, that of the file's last change is taken.

    `kind` tells the table's module how to read it. Raises ReferenceDataError when that fails.
    """
    from hashlib import blake2b  # when tables are built; it loads OpenSSL

    path = Path(path).absolute()
    digest = blake2b(digest_size=16)
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ReferenceDataError(f"{path}: {error.strerror or error}") from error
    if not date:
        date = datetime.fromtimestamp(found.st_mtime, UTC).date().isoformat()
    return Source(
        name, version, licence, date, str(path), found.st_size, found.st_mtime_ns,
        digest.hexdigest(), kind,
    )  # fmt: skip


def installed_version(package: str) -> str:
    """Version of an installed package."""
    from importlib import metadata  # as slow to import as all that opening needs

    return metadata.version(package)


def package_spec(package: str) -> ModuleSpec | None:
    """Where an installed package lies, None when there is none; it is not imported."""
    from importlib import util

    return util.find_spec(package)
