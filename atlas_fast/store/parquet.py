"""A folder of Parquet files as a store; needs the `arrow` extra.

    DIR.parquet/
        part-00000001.parquet   rows of one group of batches, all of one run
        _atlas_fast.json        makes the folder ours, and says its layout
        _runs/00000001.json     sources and times of a run
        _marks.json             how far each source is done
        _pruned/00000001.keys   keys of pruned messages
        _lock                   held by the one program that writes

Whatever has a name that starts with `_` or `.` is passed over by readers of such folders. A file is
written aside, synced and renamed, so a part is there whole or not at all. A part carries what goes
with its rows: run, error reports, counts. Marks follow the parts; when a run is killed in between,
the next one reads some messages again whose keys are known. Those keys, 24 bytes a message, are in
memory while the store is open to be written.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from atlas_fast.batch import KEY_BYTES
from atlas_fast.errors import StoreError
from atlas_fast.store.base import ErrorRow, Finding, Mark, Removed, Run, Totals
from atlas_fast.store.folder import (
    HEAD,
    LAYOUT,
    check_folder,
    lock,
    number_of,
    part_files,
    put,
    read_json,
    remove_asides,
    sync,
)
from atlas_fast.store.reading import COLUMNS, READ_ROWS, Row, Wanted
from atlas_fast.store.rows import RowBlock, clean

__all__ = ["ARROW_TYPES", "ParquetReader", "ParquetStore"]

BUSY_SECONDS = 60.0
"""How long a second writer waits for the first."""

ARROW_TYPES = {int: pa.int64(), float: pa.float64(), str: pa.large_string(), bytes: pa.binary()}
SCHEMA = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in COLUMNS.items()])
META = b"atlas_fast"
"""Name of a part's own entry in its metadata, JSON: run, first id, errors."""


@dataclass(slots=True)
class _Group:
    """Rows of one transaction before they are a file."""

    run: int | None = None
    tables: list[pa.Table] = field(default_factory=list)
    errors: list[ErrorRow] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)


class ParquetStore:
    """A store in a folder, made when it is not there; one program writes at a time.

    `write=False`: to ask it only, and while another program writes. Raises StoreError when the
    folder cannot be made or written, holds something else, or is being written by another program
    for more than BUSY_SECONDS.
    """

    commit_rows = 20_000
    """Rows of a file at most, unless a batch has more."""

    def __init__(
        self, path: str | Path, *, make: bool = True, write: bool = True,
        busy_seconds: float = BUSY_SECONDS,
    ):  # fmt: skip
        self.path = Path(path)
        self.name = str(self.path)
        self._group: _Group | None = None
        self._lock = -1
        with self._errors():
            if make and not self.path.exists():
                self.path.mkdir()
            check_folder(self.path, make)
            if not write:
                return
            self._lock = lock(self.path / "_lock", busy_seconds)
            try:
                self._open()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> ParquetStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self) -> None:
        if not (self.path / HEAD).exists():
            for name in ("_runs", "_pruned"):
                (self.path / name).mkdir(exist_ok=True)
            put(self.path / HEAD, orjson.dumps({"layout": LAYOUT}))
        remove_asides(self.path)
        keys = [_pruned(path) for path in sorted((self.path / "_pruned").glob("*.keys"))]
        self._next_id, self._next_part = 1, 1
        for path in part_files(self.path):
            with pq.ParquetFile(path) as part:
                meta = _meta(part, path)
                self._next_id = max(self._next_id, meta["first_id"] + part.metadata.num_rows)
                keys.append(_keys_of(part.read(["message_key"])["message_key"]))
            self._next_part = number_of(path) + 1
        self._old = np.unique(np.concatenate(keys)) if keys else np.zeros(0, f"S{KEY_BYTES}")
        self._new: set[bytes] = set()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StoreError(f"{self.name}: {reason}") from error

    # Writing

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside becomes one part, or none; may be nested."""
        if self._group is not None:
            yield
            return
        self._group = _Group()
        try:
            yield
            with self._errors():
                self._commit(self._group)
        finally:
            self._group = None

    def begin_run(self, sources: Sequence[str]) -> Run:
        """Give the run its number and its file."""
        with self._errors():
            number = max([0, *map(number_of, (self.path / "_runs").glob("*.json"))]) + 1
            record = {"run": number, "sources": list(map(clean, sources)), "start_time": _utc_now()}
            put(self._run_file(number), orjson.dumps(record))
        return Run(number)

    def finish_run(self, run: Run, report: str | None = None, *, ended: bool = True) -> None:
        """Note the end time, and what the run says of itself; one without an end was killed."""
        with self._errors():
            path = self._run_file(run.session_id)
            record = read_json(path)
            if ended:
                record["end_time"] = _utc_now()
            if report is not None:
                record["report"] = orjson.loads(report)
            put(path, orjson.dumps(record))

    def write(
        self,
        run: Run,
        blocks: Iterable[RowBlock],
        errors: Sequence[ErrorRow] = (),
        marks: Sequence[Mark] = (),
    ) -> int:
        """Rows, error reports and marks; returns how many rows are new."""
        with self.transaction(), self._errors():
            group = self._group
            assert group is not None
            if group.run not in (None, run.session_id):
                raise StoreError(f"{self.name}: a transaction has rows of one run only")
            group.run = run.session_id
            group.errors += errors
            group.marks += marks
            return sum(self._add(group, block) for block in blocks)

    def _add(self, group: _Group, block: RowBlock) -> int:
        """Queue the rows of a block whose keys are new."""
        columns = {
            name: list(values) for name, values in zip(block.names, block.columns, strict=True)
        }
        keys = columns["message_key"]
        known = self.known(keys)
        fresh = []
        for i, key in enumerate(keys):
            if key not in known and key not in group.keys:
                group.keys.add(key)
                fresh.append(i)
        if not fresh:
            return 0
        arrays = []
        for one in SCHEMA:
            values = columns.get(one.name)
            if values is None:
                arrays.append(pa.nulls(block.n, one.type))
            else:
                arrays.append(pa.array(values, one.type))
        table = pa.table(arrays, SCHEMA)
        group.tables.append(table if len(fresh) == block.n else table.take(pa.array(fresh)))
        return len(fresh)

    def _commit(self, group: _Group) -> None:
        if group.tables or group.errors:
            rows = pa.concat_tables([SCHEMA.empty_table(), *group.tables])
            ids = pa.array(np.arange(self._next_id, self._next_id + len(rows)))
            rows = rows.set_column(0, SCHEMA.field("id"), ids)
            meta = {
                "run": group.run, "first_id": self._next_id,
                "errors": [asdict(error) for error in group.errors],
            }  # fmt: skip
            _put_part(self._part_file(self._next_part), rows, meta)
            self._next_id += len(rows)
            self._next_part += 1
            self._new |= group.keys
        if group.marks:
            marks = self._marks() | {clean(mark.source): _plain(mark) for mark in group.marks}
            put(self.path / "_marks.json", orjson.dumps(marks))

    # Reading

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those of the keys that are stored, or were pruned."""
        asked = np.array(keys, f"S{KEY_BYTES}")
        found = {key for key in keys if key in self._new}
        if len(self._old) and len(asked):
            at = np.searchsorted(self._old, asked)
            at[at == len(self._old)] = 0
            found.update(keys[i] for i in np.flatnonzero(self._old[at] == asked).tolist())
        return found

    def mark(self, source: str) -> Mark | None:
        """How far a source is done, or None when this store knows nothing of it."""
        with self._errors():
            found = self._marks().get(clean(source))
        return Mark(source, **found) if found else None

    def _marks(self) -> dict[str, dict[str, Any]]:
        path = self.path / "_marks.json"
        return read_json(path) if path.exists() else {}

    def totals(self, run: Run) -> Totals:
        """What the run has added and what of it is there, counted in its parts."""
        actions: Counter[str] = Counter()
        categories: Counter[str] = Counter()
        with self._errors():
            for path in self._parts_of(run.session_id):
                table = pq.read_table(path, columns=["action", "category"])
                actions.update(table["action"].to_pylist())
                categories.update(table["category"].to_pylist())
        return Totals(actions["DELETED"], actions["PRESERVED"], dict(categories))

    def count_messages(self) -> int:
        """Rows of all parts."""
        with self._errors():
            return sum(pq.read_metadata(path).num_rows for path in part_files(self.path))

    def recent(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest message rows, newest first."""
        names = ["sender_email", "subject", "action", "category_v2", "category_confidence_v2"]
        found: list[dict[str, Any]] = []
        with self._errors():
            for path in reversed(part_files(self.path)):
                table = pq.read_table(path, columns=names)
                found += reversed(table.slice(max(0, len(table) - limit)).to_pylist())
                if len(found) >= limit:
                    break
        return found[:limit]

    def runs(self, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs, newest first; counts are those of the rows that are there."""
        found = []
        with self._errors():
            numbers = sorted(map(number_of, (self.path / "_runs").glob("*.json")), reverse=True)
            for number in numbers[:limit]:
                record = read_json(self._run_file(number))
                totals = self.totals(Run(number))
                found.append(
                    {
                        "id": number,
                        "start_time": record["start_time"],
                        "end_time": record.get("end_time"),
                        "sources": json.dumps(record["sources"]),
                        "deleted": totals.deleted,
                        "preserved": totals.preserved,
                    }
                )
        return found

    # Upkeep

    def recount(self) -> None:
        """Nothing is to be done: there are no summaries."""

    def delete_run(self, session_id: int) -> Removed:
        """A run with its parts, and the marks of its sources. Marks go first and the run's file
        last: killed in between, the command is given again."""
        path = self._run_file(session_id)
        if not path.exists():
            raise StoreError(f"{self.name}: there is no run {session_id}")
        with self._errors():
            parts = self._parts_of(session_id)
            sources: set[str] = set()
            removed = 0
            for part in parts:
                sources.update(
                    pq.read_table(part, columns=["folder_name"])["folder_name"].to_pylist()
                )
                removed += pq.read_metadata(part).num_rows
            marks = {name: mark for name, mark in self._marks().items() if name not in sources}
            put(self.path / "_marks.json", orjson.dumps(marks))
            for part in parts:
                part.unlink()
            path.unlink()
            sync(self.path)
            self._open()
        return Removed(removed, 1)

    def prune(self, before: str) -> Removed:
        """Rows older than the local time `before`; their keys stay known, and are on disk before a
        part is written without them."""
        removed = 0
        with self._errors():
            for path in part_files(self.path):
                with pq.ParquetFile(path) as part:
                    rows, meta = part.read(), _meta(part, path)
                old = pc.less(rows["timestamp"], before)
                number = pc.sum(old).as_py() or 0
                if not number:
                    continue
                removed += number
                keys = _keys_of(rows.filter(old)["message_key"]).tobytes()
                there = [*map(number_of, (self.path / "_pruned").glob("*.keys"))]
                put(self.path / "_pruned" / f"{max([0, *there]) + 1:08d}.keys", keys)
                rest = rows.filter(pc.invert(old))
                if len(rest) or meta["errors"]:
                    _put_part(path, rest, meta)
                else:
                    path.unlink()
            sync(self.path)
        return Removed(removed)

    def check(self) -> list[Finding]:
        """What is wrong: parts that cannot be read or are none of ours, messages that are there
        twice, rows without their run. All parts are read."""
        found, keys = [], []
        runs = {number_of(path) for path in (self.path / "_runs").glob("*.json")}
        for path in part_files(self.path):
            try:
                with pq.ParquetFile(path, page_checksum_verification=True) as part:
                    meta, rows = _meta(part, path), part.read()
                rows.validate(full=True)
            except (OSError, pa.ArrowException, StoreError) as error:
                found.append(Finding("integrity", f"{path.name}: {error}"))
                continue
            if rows.schema.remove_metadata() != SCHEMA:
                found.append(Finding("integrity", f"{path.name}: has other columns"))
                continue
            if meta["run"] not in runs:
                found.append(Finding("orphan", f"{path.name}: its run {meta['run']} is not there"))
            if set(rows["session_id"].unique().to_pylist()) - {meta["run"]}:
                found.append(Finding("orphan", f"{path.name}: has rows of another run"))
            keys.append(_keys_of(rows["message_key"]))
        whole = np.concatenate(keys) if keys else np.zeros(0, f"S{KEY_BYTES}")
        twice = len(whole) - len(np.unique(whole))
        if twice:
            found.append(Finding("integrity", f"{twice} message(s) are stored twice"))
        return found

    def vacuum(self) -> None:
        """Remove files that a killed program left aside."""
        with self._errors():
            remove_asides(self.path)

    def size(self) -> int:
        """Bytes of the folder's files."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    def close(self) -> None:
        """Let the next writer in; may be called twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _run_file(self, run: int) -> Path:
        return self.path / "_runs" / f"{run:08d}.json"

    def _part_file(self, number: int) -> Path:
        return self.path / f"part-{number:08d}.parquet"

    def _parts_of(self, run: int) -> list[Path]:
        found = []
        for path in part_files(self.path):
            with pq.ParquetFile(path) as part:
                if _meta(part, path)["run"] == run:
                    found.append(path)
        return found


class ParquetReader:
    """A folder opened to read its rows: those of the parts that are there when reading starts."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        check_folder(self.path, False)

    def runs(self) -> list[int]:
        return sorted(map(number_of, (self.path / "_runs").glob("*.json")))

    def categories(self) -> set[str]:
        found: set[str | None] = set()
        for rows in self._tables(["category_v2", "category"]):
            for column in rows.columns:
                found.update(column.unique().to_pylist())
        return {name for name in found if name is not None}

    def rows(self, wanted: Wanted) -> Iterator[Sequence[Row]]:
        for rows in self._tables():
            kept = _wanted(rows, wanted)
            if len(kept):
                yield list(zip(*(one.to_pylist() for one in kept.columns), strict=True))

    def _tables(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """All rows, some thousand at a time."""
        try:
            opened = [
                pq.ParquetFile(path, page_checksum_verification=True)
                for path in part_files(self.path)
            ]
            try:
                for part in opened:
                    for batch in part.iter_batches(READ_ROWS, columns=columns):
                        yield pa.table(batch)
            finally:
                for part in opened:
                    part.close()
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Nothing is open between two calls."""


def _wanted(rows: pa.Table, wanted: Wanted) -> pa.Table:
    """The rows that the filters let through."""
    if wanted.run is not None:
        rows = rows.filter(pc.equal(rows["session_id"], wanted.run))
    if wanted.category is not None:
        new, old = (pc.equal(rows[name], wanted.category) for name in ("category_v2", "category"))
        rows = rows.filter(pc.or_kleene(new, old))
    if wanted.since is not None:
        rows = rows.filter(pc.greater_equal(rows["timestamp"], wanted.since))
    return rows


def _meta(part: pq.ParquetFile, path: Path) -> dict[str, Any]:
    found = (part.schema_arrow.metadata or {}).get(META)
    if found is None:
        raise StoreError(f"{path}: is no part of this store")
    meta: dict[str, Any] = orjson.loads(found)
    return meta


def _keys_of(column: pa.ChunkedArray) -> np.ndarray:
    """Keys as bytes of a fixed size, which compare as wholes."""
    return np.array(column.to_pylist(), f"S{KEY_BYTES}")


def _pruned(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes(), f"S{KEY_BYTES}")


def _plain(mark: Mark) -> dict[str, Any]:
    return {"mark": mark.mark, "state": mark.state, "messages": mark.messages}


def _put_part(path: Path, rows: pa.Table, meta: dict[str, Any]) -> None:
    sink = pa.BufferOutputStream()
    marked = rows.replace_schema_metadata({META: json.dumps(meta)})
    pq.write_table(marked, sink, compression="zstd", write_page_checksum=True)
    put(path, sink.getvalue())


def _utc_now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
