"""Rows as lines of text: CSV that a spreadsheet may open, JSON lines for programs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, Protocol

import orjson

from atlas_fast.export.cells import cell
from atlas_fast.store.reading import COLUMNS, Row

__all__ = ["CsvWriter", "JsonLinesWriter", "RowWriter"]


class RowWriter(Protocol):
    """Writes rows of reading.COLUMNS into a file; `close` ends the format, not the file, and
    writes nothing where that is not `whole`."""

    def __init__(self, sink: BinaryIO): ...

    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self, whole: bool) -> None: ...


class CsvWriter:
    """RFC 4180 in UTF-8: a header line, texts in quotes, lines that end in CR LF, cells by
    cells.py. Rows of other `columns` than those of a store may be written, too."""

    def __init__(self, sink: BinaryIO, columns: Iterable[str] = COLUMNS):
        self._sink = sink
        self._put([list(columns)])

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        self._put(zip(*map(_cells, zip(*rows, strict=True)), strict=True))

    def _put(self, rows: Iterable[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
        self._sink.write(text.getvalue().encode())

    def close(self, whole: bool) -> None:
        """Nothing is left to write."""


def _cells(values: Sequence[Any]) -> list[Any]:
    """A column's cells; of equal texts, of which most columns have many, one is looked at."""
    safe = {one: cell(one) for one in set(values) if isinstance(one, str | bytes)}
    return [safe.get(one, one) for one in values]


_HIDDEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""DEL and C1, direction and zero-width characters, line and paragraph separators: valid in JSON,
and a trap for whoever prints the line or splits at line ends."""


class JsonLinesWriter:
    """One object a line, UTF-8, keys in the order of the columns; bytes in hexadecimal.

    C0 controls are escaped by JSON itself; those of _HIDDEN are written as escapes too, so that a
    line is safe to print, and a JSON parser gives back the stored text.
    """

    def __init__(self, sink: BinaryIO):
        self._sink = sink

    def write(self, rows: Sequence[Row]) -> None:
        self._sink.write(b"".join(map(_line, rows)))

    def close(self, whole: bool) -> None:
        """Nothing is left to write."""


def _line(row: Row) -> bytes:
    line = orjson.dumps(
        dict(zip(COLUMNS, row, strict=True)),
        default=bytes.hex,
        option=orjson.OPT_APPEND_NEWLINE,
    )
    if line.isascii() and b"\x7f" not in line:
        return line
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()
