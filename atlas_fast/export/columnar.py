"""Rows as one Parquet file; needs the `arrow` extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from atlas_fast.errors import StoreError
from atlas_fast.store.reading import COLUMNS, Row

__all__ = ["SCHEMA", "ParquetRows"]

TYPES = {int: pa.int64(), float: pa.float64(), str: pa.large_string(), bytes: pa.binary()}
SCHEMA = pa.schema([(name, TYPES[kind]) for name, kind in COLUMNS.items()])

GROUP_ROWS = 50_000
GROUP_BYTES = 64 << 20
"""A row group is written when it has this many rows or bytes: what is in memory at a time."""


class ParquetRows:
    """Row groups of about GROUP_ROWS, compressed by zstd."""

    def __init__(self, sink: BinaryIO):
        self._sink = _Counted(sink)
        self._file = pq.ParquetWriter(self._sink, SCHEMA, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def write(self, rows: Sequence[Row]) -> None:
        columns = zip(*rows, strict=True)
        arrays = [_array(field, values) for field, values in zip(SCHEMA, columns, strict=True)]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
        self._rows += len(rows)
        self._bytes += self._waiting[-1].nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._put()

    def _put(self) -> None:
        table = pa.Table.from_batches(self._waiting, SCHEMA)
        self._file.write_table(table, row_group_size=max(1, self._rows))
        self._waiting = []
        self._rows = self._bytes = 0

    def close(self, whole: bool) -> None:
        """Write what waits, and the footer."""
        if not whole:
            self._sink.silent = True  # the writer puts a footer, come what may
        elif self._waiting:
            self._put()
        self._file.close()


def _array(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    """SQLite lets a column hold any type, and other programs may have used that: text columns take
    everything as text; a number column that holds something else is an error."""
    try:
        return pa.array(values, field.type)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        if field.type != pa.large_string():
            raise StoreError(
                f"column {field.name} holds a value that is no {field.type}; "
                "csv and jsonl take any value"
            ) from error
    texts = [value.hex() if isinstance(value, bytes) else value for value in values]
    return pa.array([None if text is None else str(text) for text in texts], field.type)


class _Counted:
    """A pipe has no position; Parquet asks for one."""

    def __init__(self, sink: BinaryIO):
        self._sink = sink
        self._at = 0
        self.closed = False
        self.silent = False

    def write(self, data: Any) -> int:
        if not self.silent:
            self._sink.write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        if not self.silent:
            self._sink.flush()

    def close(self) -> None:
        """The owner of the sink closes it."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
