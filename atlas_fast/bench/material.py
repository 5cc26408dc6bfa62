"""Mail to measure on."""

from __future__ import annotations

import mailbox
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from atlas_fast.bench.table import Table
from atlas_fast.errors import UsageError

__all__ = ["Material", "material"]

SCALE = 200_000
"""Messages of the large mbox."""


@dataclass(slots=True)
class Material:
    """Mail to measure on: the same messages as files of one folder tree and as one mbox; `scale`:
    messages of the large mbox that the suite of that name makes. `absent`, `figures` and `tables`
    are for the reader beside the comparisons."""

    folder: Path
    paths: list[Path]
    mbox: Path
    scratch: Path
    scale: int = SCALE
    absent: list[str] = field(default_factory=list)
    figures: list[tuple[str, str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def fresh(self, name: str) -> Path:
        """A path in the scratch folder where no store is yet."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            (self.scratch / (name + suffix)).unlink(missing_ok=True)
        return self.scratch / name


@contextmanager
def material(corpus: Path | None, messages: int, scale: int = SCALE) -> Iterator[Material]:
    """Mail from a folder of .eml files, or generated; gone when the context ends."""
    with tempfile.TemporaryDirectory(prefix="atlas-fast-bench-") as name:
        scratch = Path(name)
        folder = corpus
        if folder is None:
            folder = scratch / "generated"
            _generate(folder, messages)
        paths = sorted(folder.rglob("*.eml"))
        if not paths:
            raise UsageError(f"{folder}: holds no .eml file to measure on")
        mbox = scratch / "all.mbox"
        _write_mbox(mbox, paths)
        yield Material(folder, paths, mbox, scratch, scale)


def _generate(folder: Path, messages: int) -> None:
    from atlas_fast.sources import open_source

    folder.mkdir()
    number = 0
    for batch in open_source(f"synthetic:{messages},1").batches(2_000, 32 << 20):
        raw = memoryview(batch.raw)
        for start, stop in zip(batch.starts.tolist(), batch.stops.tolist(), strict=True):
            (folder / f"{number:07d}.eml").write_bytes(raw[start:stop])
            number += 1


def _write_mbox(target: Path, paths: Sequence[Path]) -> None:
    """One mbox of all messages, quoted by the standard library (mboxo)."""
    box = mailbox.mbox(target, create=True)
    try:
        for path in paths:
            raw = path.read_bytes()
            if raw.startswith(b"From "):  # an envelope line that the corpus kept
                raw = raw.partition(b"\n")[2]
            box.add(raw)
    finally:
        box.close()
