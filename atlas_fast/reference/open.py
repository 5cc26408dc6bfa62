"""Opening the reference data: one Reference for each folder and process, and its tables."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atlas_fast._kernels.tables import Table
from atlas_fast.errors import ReferenceDamaged, ReferenceDataError
from atlas_fast.reference.check import check_file, identity, remember, was_verified
from atlas_fast.reference.layout import (
    DATA_FILE,
    MANIFEST_FILE,
    Manifest,
    digest_of,
    pointer_path,
    read_pointer,
)
from atlas_fast.reference.paths import reference_folder
from atlas_fast.reference.tables import table_modules

__all__ = ["Reference", "open_existing", "open_reference"]

log = logging.getLogger("atlas_fast.reference")

ATTEMPTS = 5
"""How often a generation that vanished between pointer and open is looked for again."""


class _Mapping:
    """What keeps the pages of a generation mapped, and the generation from being removed."""

    __slots__ = ("__weakref__", "environment", "handle", "transaction")

    def __init__(self, environment: Any, transaction: Any, handle: int):
        self.environment = environment
        self.transaction = transaction
        self.handle = handle

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.handle)  # as the interpreter ends, `os` may be gone before this


class Reference:
    """One generation, open; from `open_reference`.

    `generation` names it, `manifest` (None when it is in memory only) says what it was made from.
    """

    def __init__(
        self,
        generation: str,
        manifest: Manifest | None,
        tables: dict[bytes, Table],
        absent: dict[str, str],
    ):
        self.generation = generation
        self.manifest = manifest
        self.absent = absent
        self._tables = tables

    def __repr__(self) -> str:
        where = "in memory" if self.manifest is None else "mapped"
        return f"<Reference {self.generation}, {where}>"

    def __contains__(self, kind: object) -> bool:
        return kind in self._tables

    def table(self, kind: bytes) -> Table:
        """The table of that kind; the same object every time. ReferenceDataError without one."""
        table = self._tables.get(kind)
        if table is None:
            name = kind.decode("ascii", "replace")
            why = self.absent.get(name, "unknown table")
            raise ReferenceDataError(f"reference data: no table {name}: {why}")
        return table


_registry: dict[str, tuple[tuple[int, ...] | None, Reference]] = {}
_mappings: weakref.WeakValueDictionary[str, _Mapping] = weakref.WeakValueDictionary()
"""By identity of the file: LMDB opens a file once a process, and a table may still hold it."""
_lock = threading.RLock()


def _after_fork() -> None:
    """A child goes on with what its parent mapped: no lock is held, LMDB is not asked again."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def open_reference(folder: Path | None = None) -> Reference:
    """The current generation; built first when there is none, or when a source has changed.

    Where nothing can be written and no generation is there, the tables are made in memory. Raises
    ReferenceDataError when a source cannot be read and there is no generation to fall back to.
    """
    folder = reference_folder() if folder is None else folder
    pointer = pointer_path(folder)
    key = os.path.join(os.path.realpath(folder), pointer.name)
    stamp = _stamp(pointer)
    known = _registry.get(key)
    if known is not None and known[0] == stamp:
        return known[1]
    with _lock:
        known = _registry.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        if known is not None and stamp is None:
            return known[1]  # the pointer is gone; what is mapped is still right
        reference = _current(folder, pointer)
        _registry[key] = (_stamp(pointer), reference)
        return reference


def open_existing(folder: Path | None = None) -> Reference | None:
    """The generation that is there, whatever has become of its sources; None where there is none
    or it is damaged. Nothing is built."""
    folder = reference_folder() if folder is None else folder
    pointer = pointer_path(folder)
    key = os.path.join(os.path.realpath(folder), pointer.name)
    with _lock:
        stamp, known = _stamp(pointer), _registry.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            return _follow(folder, pointer)
        except (OSError, ReferenceDamaged):
            return None


def _stamp(pointer: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(pointer)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _current(folder: Path, pointer: Path) -> Reference:
    old = None
    try:
        old = _follow(folder, pointer)
        if old.manifest is None or not old.manifest.stale():
            return old
    except OSError:
        pass  # none is there, or it cannot be read
    except ReferenceDamaged as error:
        log.warning("%s; building it again", error)
    try:
        _build(folder)
        return _follow(folder, pointer)
    except (OSError, ReferenceDataError) as error:
        if old is not None:
            log.warning("reference data stays at generation %s: %s", old.generation, error)
            return old
        if isinstance(error, ReferenceDataError):
            raise
        log.warning("reference data is made in memory: %s cannot be written (%s)", folder, error)
        return _in_memory(folder)


def _follow(folder: Path, pointer: Path) -> Reference:
    """Open what the pointer names. A generation may be removed on the way: then it has moved on."""
    for attempt in range(ATTEMPTS):
        generation, digest = read_pointer(pointer)
        try:
            return _open(folder, generation, digest)
        except FileNotFoundError:
            if attempt == ATTEMPTS - 1:
                raise ReferenceDamaged(f"{pointer}: names {generation}, which is gone") from None
    raise AssertionError("unreachable")


def _open(folder: Path, generation: str, digest: str) -> Reference:
    place = folder / generation
    handle = os.open(place / MANIFEST_FILE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        text = os.pread(handle, os.fstat(handle).st_size, 0)
        if digest_of(text) != digest:
            raise ReferenceDamaged(f"{place / MANIFEST_FILE}: is not the one that was written")
        manifest = Manifest.of_json(text)
        data = os.open(place / DATA_FILE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            file = identity(data)
            known = was_verified(folder, generation, file)
            check_file(data, manifest, payloads=not known)
        finally:
            os.close(data)
        if not known:
            remember(folder, generation, file)
        mapping = _mappings.get(file)
        if mapping is None:
            environment, transaction = _map(place / DATA_FILE)
            mapping = _mappings[file] = _Mapping(environment, transaction, os.dup(handle))
    finally:
        os.close(handle)
    return Reference(generation, manifest, _tables(manifest, mapping), manifest.absent)


def _map(path: Path) -> tuple[Any, Any]:
    import lmdb

    try:
        environment = lmdb.open(
            str(path), subdir=False, readonly=True, lock=False, lib_version=0, readahead=True
        )
        return environment, environment.begin(buffers=True)
    except lmdb.Error as error:
        raise ReferenceDamaged(f"{path}: {error}") from None


def _tables(manifest: Manifest, mapping: _Mapping) -> dict[bytes, Table]:
    """All of them now: LMDB must not be asked in a child of a fork."""
    out = {}
    for name, entry in manifest.tables.items():
        kind = name.encode()
        damaged = f"reference data {manifest.generation}: table {name}"
        value = mapping.transaction.get(kind)
        if value is None or len(value) != entry.length:
            raise ReferenceDamaged(f"{damaged} is lost")
        try:
            table = Table.of_value(value, mapping, kind, table_modules()[kind].LAYOUT)
        except ValueError as error:
            raise ReferenceDamaged(f"{damaged}: {error}") from None
        table.leave()  # the binding of LMDB reads a byte of each page of what it gives
        if (table.count, table.size) != (entry.count, entry.size):
            raise ReferenceDamaged(f"{damaged}: count is not the manifest's")
        out[kind] = table
    return out


def _build(folder: Path) -> None:
    from atlas_fast.reference.build import build

    with _Progress() as say:
        build(folder, say=say)


def _in_memory(folder: Path) -> Reference:
    from atlas_fast.reference.build import compile_tables, gather, named_before, value_of

    with _Progress() as say:
        gathered = gather(named_before(folder))
        tables = {}
        for kind, layout, count, payload, sources in compile_tables(gathered, say):
            value = value_of(kind, layout, count, payload, sources)
            tables[kind] = Table.of_copy(value, kind, layout)
    return Reference(gathered.generation, None, tables, gathered.absent)


class _Progress:
    """A line on stderr that says what is built, and goes when it is done; on a terminal only."""

    def __enter__(self) -> Any:
        self.shown = False
        return self.say

    def say(self, text: str) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            self.shown = True
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def __exit__(self, *error: object) -> None:
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
