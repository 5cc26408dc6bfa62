"""Rows of a store into a file for others: Parquet, CSV, JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from atlas_fast.errors import UsageError, extra
from atlas_fast.export.lines import CsvWriter, JsonLinesWriter, RowWriter
from atlas_fast.files import whole_file
from atlas_fast.store import open_reader
from atlas_fast.store.reading import Reader, Wanted
from atlas_fast.store.rows import CATEGORIES, OLD_CATEGORIES, UNKNOWN

__all__ = ["FORMATS", "Wanted", "export"]

FORMATS = ("parquet", "csv", "jsonl")
NAMES = {*CATEGORIES, *OLD_CATEGORIES.values(), UNKNOWN}
"""Categories of the engine: that no row has one of them is an answer."""

SHOWN_RUNS, SHOWN_NAMES = 20, 40


def export(
    store: str | Path,
    out: str | Path | BinaryIO,
    format: str,
    wanted: Wanted | None = None,
) -> int:
    """Write the wanted rows of a store to `out`, some thousand at a time; returns how many.

    `out` is the path of a file, `-` for standard output, or something with `write`. A file is
    written aside and takes its name when it is whole and on disk. The rows are those of one moment
    of the store, by id. Raises UsageError for a run or category that is not there, and for a format
    that is not known or needs a package that is absent; StoreError when the store cannot be read.
    """
    wanted = wanted or Wanted()
    with closing(open_reader(store)) as reader:
        _check(reader, wanted)
        with _opened(out) as sink:
            writer = _writer(format, sink)
            number, whole = 0, False
            try:
                for rows in reader.rows(wanted):
                    writer.write(rows)
                    number += len(rows)
                whole = True
            finally:
                writer.close(whole)
    return number


def _check(reader: Reader, wanted: Wanted) -> None:
    """UsageError for a run that is not there, and for a category that neither the engine nor the
    store has: an empty file would hide a slip of the pen."""
    if wanted.run is not None:
        runs = reader.runs()
        if wanted.run not in runs:
            numbers = ", ".join(map(str, runs[-SHOWN_RUNS:])) or "none"
            more = f" and {len(runs) - SHOWN_RUNS:,} older ones" if len(runs) > SHOWN_RUNS else ""
            raise UsageError(f"run {wanted.run}: is not in this store; there are {numbers}{more}")
    if wanted.category is not None and wanted.category not in NAMES:
        there = reader.categories()
        if wanted.category not in there:
            names = ", ".join(sorted(there)[:SHOWN_NAMES]) or "none"
            raise UsageError(f"category {wanted.category}: no row has it; there are {names}")


def _writer(format: str, sink: BinaryIO) -> RowWriter:
    if format == "csv":
        return CsvWriter(sink)
    if format == "jsonl":
        return JsonLinesWriter(sink)
    if format != "parquet":
        raise UsageError(f"format {format!r}: one of {', '.join(FORMATS)} is needed")
    try:
        from atlas_fast.export.columnar import ParquetRows
    except ImportError as error:
        raise UsageError(f"Parquet needs pyarrow: {extra('arrow')}") from error
    return ParquetRows(sink)


@contextmanager
def _opened(out: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(out, str | Path):
        yield out
    elif str(out) == "-":
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from error
    else:
        with whole_file(out) as sink:
            yield sink
