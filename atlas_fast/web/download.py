"""The messages that a filter has, as a CSV file that a spreadsheet may open."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

from atlas_fast.errors import StoreError
from atlas_fast.export.lines import CsvWriter
from atlas_fast.limits import MAX_WEB_CSV, MAX_WEB_CSV_SECONDS, VIEW_PAGE
from atlas_fast.store.views import Filter, MessageRow, Page, StoreReader, messages

__all__ = ["csv_lines"]


def csv_lines(reader: StoreReader, wanted: Filter) -> Iterator[bytes]:
    """Pieces of the file, a page of rows each, the newest first, up to MAX_WEB_CSV rows.

    The first page is read at once. Raises StoreError, later too: what was sent by then is no whole
    file, and its connection ends in the middle.
    """
    return _pieces(reader, wanted, messages(reader, wanted, limit=VIEW_PAGE, count=False))


def _pieces(reader: StoreReader, wanted: Filter, page: Page) -> Iterator[bytes]:
    sink, left = io.BytesIO(), MAX_WEB_CSV
    writer = CsvWriter(sink, MessageRow._fields)
    spent = 0.0  # on finding rows: a slow reader is no reason to stop
    while True:
        if page.rows:
            writer.write(page.rows[:left])
            left -= len(page.rows)
        yield sink.getvalue()
        sink.seek(0)
        sink.truncate()
        if page.next is None or left <= 0:
            return
        if spent > MAX_WEB_CSV_SECONDS:
            raise StoreError(f"{reader.name}: the rows were not found in time")
        began = time.monotonic()
        page = messages(reader, wanted, page.next, min(left, VIEW_PAGE), count=False)
        spent += time.monotonic() - began
