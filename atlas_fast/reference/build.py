"""Making a generation: built aside, compacted, synced, renamed; then the pointer is replaced."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson

from atlas_fast._kernels.tables import HEADER_BYTES, pack
from atlas_fast._version import __version__
from atlas_fast.errors import ReferenceDamaged, ReferenceDataError
from atlas_fast.reference.check import check_file, identity, remember, structure_digest
from atlas_fast.reference.layout import (
    DATA_FILE,
    LOCK_FILE,
    MANIFEST_FILE,
    Manifest,
    TableEntry,
    digest_of,
    layout_name,
    named_path,
    pointer_path,
    read_pointer,
)
from atlas_fast.reference.paths import reference_folder
from atlas_fast.reference.sources import Named, Source
from atlas_fast.reference.tables import table_modules

__all__ = ["Say", "build", "compile_tables", "gather", "named_before", "value_of"]

log = logging.getLogger("atlas_fast.reference")

Say = Callable[[str], None]
"""Takes a few words on what is being done."""

ASIDE = "tmp-"
"""Prefix of folders that are being made or thrown away."""


@dataclass(slots=True)
class Gathered:
    """The sources of every table that can be made, and why the others cannot."""

    sources: dict[bytes, list[Source]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def generation(self) -> str:
        parts = [layout_name()]
        for kind, sources in sorted(self.sources.items()):
            parts += [kind.hex(), *(f"{s.name} {s.version} {s.kind} {s.digest}" for s in sources)]
        digest = digest_of("\n".join(parts).encode())
        return f"{layout_name()}-{digest[:16]}"


def gather(named: Named) -> Gathered:
    """Ask each table's module for its sources. A named file that cannot be read is an error."""
    out = Gathered()
    for kind, module in table_modules().items():
        found = module.sources(named)
        if found:
            out.sources[kind] = found
        else:
            out.absent[kind.decode()] = "no source is installed or named"
    return out


def compile_tables(
    gathered: Gathered, say: Say
) -> Iterator[tuple[bytes, int, int, bytes, list[Source]]]:
    """(kind, layout, count, payload, sources) of each table."""
    modules = table_modules()
    for kind, sources in gathered.sources.items():
        say(f"building the reference data: {kind.decode()}")
        module = modules[kind]
        count, payload = module.compile(sources)
        yield kind, module.LAYOUT, count, payload, sources


def value_of(kind: bytes, layout: int, count: int, payload: bytes, sources: list[Source]) -> bytes:
    """The value of a table: header and payload."""
    newest = max(source.epoch for source in sources)
    digest = hashlib.blake2b("".join(s.digest for s in sources).encode(), digest_size=4).digest()
    return pack(kind, layout, count, payload, newest, digest)


def build(
    folder: Path | None = None,
    *,
    named: Named | None = None,
    say: Say = lambda text: None,
) -> str:
    """Make the generation of the sources as they are now and point to it; returns its name.

    One that is there already and whole is used. While another process builds, this one waits.
    `named` are the files that the user names, and they are remembered for later builds; None takes
    those of the last build. Raises ReferenceDataError when a source cannot be read, OSError when
    the folder cannot be written.
    """
    folder = reference_folder() if folder is None else folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_builder(folder, say):
        _sweep(folder)
        gathered = gather(named_before(folder) if named is None else named)
        generation = _whole_one(folder, gathered.generation)
        if generation is None:
            generation = _free_name(folder, gathered.generation)
            _make(folder, generation, gathered, say)
        _point(folder, generation)
        if named is not None:
            _remember_named(folder, named)
        _remove_old(folder)
    return generation


def named_before(folder: Path) -> Named:
    """The files that the user named for the last build; none, and a warning, when that cannot be
    read."""
    path = named_path(folder)
    try:
        found = orjson.loads(path.read_bytes())
        return {str(option): [Path(one) for one in paths] for option, paths in found.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is damaged"
        log.warning(
            "%s: %s; the reference data is made of the installed packages alone, until "
            "`atlas-fast reference build` names the files again", path, reason,
        )  # fmt: skip
        return {}


def _remember_named(folder: Path, named: Named) -> None:
    text = orjson.dumps(
        {option: [str(Path(path).absolute()) for path in paths] for option, paths in named.items()}
    )
    fresh = folder / f"{ASIDE}{uuid4().hex}.named"
    _write_synced(fresh, text)
    os.replace(fresh, named_path(folder))


@contextmanager
def _only_builder(folder: Path, say: Say) -> Iterator[None]:
    """Hold the lock of the folder; the system releases it when a builder dies."""
    lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process builds the reference data: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _whole_one(folder: Path, wanted: str) -> str | None:
    """A generation of these sources that is whole. A damaged one stays until nobody holds it."""
    for place in sorted(folder.glob(f"{wanted}*")):
        if _whole(place):
            return place.name
    return None


def _free_name(folder: Path, wanted: str) -> str:
    """A name that no generation has, or had in a process that may still hold it."""
    number, name = 1, wanted
    while (folder / name).exists():
        number += 1
        name = f"{wanted}-{number}"
    return name


def _whole(place: Path) -> bool:
    """Whether a generation is there, with every checksum as its manifest says."""
    try:
        text = (place / MANIFEST_FILE).read_bytes()
        manifest = Manifest.of_json(text)
        with open(place / DATA_FILE, "rb") as file:
            check_file(file.fileno(), manifest, payloads=True)
    except (FileNotFoundError, NotADirectoryError, ReferenceDamaged):
        return False
    return manifest.generation == place.name


def _make(folder: Path, generation: str, gathered: Gathered, say: Say) -> None:
    import lmdb

    aside = folder / (ASIDE + uuid4().hex)
    aside.mkdir()
    try:
        values = {}
        tables: dict[str, TableEntry] = {}
        for kind, layout, count, payload, sources in compile_tables(gathered, say):
            values[kind] = value_of(kind, layout, count, payload, sources)
            checksum = hashlib.blake2b(payload, digest_size=8).hexdigest()
            tables[kind.decode()] = TableEntry(layout, count, len(payload), checksum)
        say("building the reference data: writing")
        room = sum(map(len, values.values())) + (1 << 20)
        environment = lmdb.open(
            str(aside / "growing"), subdir=False, lock=False, map_size=2 * room, lib_version=0
        )
        try:
            page_size = environment.stat()["psize"]
            with environment.begin(write=True) as transaction:
                for kind, value in sorted(values.items()):
                    # Above half a page it lies on pages of its own, and so is aligned.
                    transaction.put(kind, value.ljust(page_size, b"\0"))
            environment.copy(str(aside / DATA_FILE), compact=True)
        finally:
            environment.close()
        for name in ("growing", "growing-lock"):
            (aside / name).unlink(missing_ok=True)
        manifest = _describe(aside / DATA_FILE, page_size, generation, tables, values, gathered)
        _write_synced(aside / MANIFEST_FILE, manifest.to_json())
        _sync(aside / DATA_FILE)
        _sync(aside)
        os.rename(aside, folder / generation)
        _sync(folder)
        with open(folder / generation / DATA_FILE, "rb") as file:
            remember(folder, generation, identity(file.fileno()))
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        _sweep(folder)


def _describe(
    path: Path,
    page_size: int,
    generation: str,
    tables: dict[str, TableEntry],
    values: dict[bytes, bytes],
    gathered: Gathered,
) -> Manifest:
    """Find each value in the finished file, and take the digest of what lies between them."""
    data = path.read_bytes()
    placed = {}
    for name, entry in tables.items():
        head = values[name.encode()][:HEADER_BYTES]
        for page in range(0, len(data), page_size):
            offset = page + 16  # behind the header of an overflow page
            if data.startswith(head, offset):
                break
        else:
            raise ReferenceDataError(f"table {name} does not lie on pages of its own")
        length = max(len(values[name.encode()]), page_size)
        placed[name] = TableEntry(
            entry.layout, entry.count, entry.size, entry.checksum, offset, length
        )
    manifest = Manifest(
        generation=generation,
        layout=layout_name(),
        version=__version__,
        built=datetime.now(UTC).isoformat(timespec="seconds"),
        size=len(data),
        structure="",
        tables=placed,
        sources={kind.decode(): sources for kind, sources in gathered.sources.items()},
        absent=gathered.absent,
    )
    with open(path, "rb") as file:
        return replace(manifest, structure=structure_digest(file.fileno(), manifest))


def _point(folder: Path, generation: str) -> None:
    """Replace the pointer, unless it points there already."""
    digest = digest_of((folder / generation / MANIFEST_FILE).read_bytes())
    pointer = pointer_path(folder)
    try:
        if read_pointer(pointer) == (generation, digest):
            return
    except (FileNotFoundError, ReferenceDamaged):
        pass
    fresh = folder / f"{ASIDE}{uuid4().hex}.pointer"
    _write_synced(fresh, f"{generation} {digest}\n".encode())
    os.replace(fresh, pointer)
    _sync(folder)


def _remove_old(folder: Path) -> None:
    """Generations that no pointer names and no process holds."""
    named = set()
    for pointer in folder.glob("CURRENT-*"):
        try:
            named.add(read_pointer(pointer)[0])
        except ReferenceDamaged:
            return  # it may be a newer form: then we cannot tell what it needs
        except FileNotFoundError:
            continue
    for manifest in folder.glob(f"*/{MANIFEST_FILE}"):
        place = manifest.parent
        if place.name in named or place.name.startswith(ASIDE):
            continue
        held = os.open(manifest, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            os.rename(place, folder / (ASIDE + uuid4().hex))
            (folder / "verified" / place.name).unlink(missing_ok=True)
        finally:
            os.close(held)
    _sweep(folder)


def _sweep(folder: Path) -> None:
    """What a killed builder left; only ever called by the one builder."""
    for left in folder.glob(ASIDE + "*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
