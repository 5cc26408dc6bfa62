"""Header columns as an Arrow table; needs the `arrow` extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from atlas_fast._kernels.headers import NO_DATE, TEXT_COLUMNS
from atlas_fast._kernels.words import decode_words

if TYPE_CHECKING:
    from atlas_fast.headers import HeaderColumns

SINGLE = ("Content-Type", "Received-SPF")
REPEATED = (
    "Received",
    "Authentication-Results",
    "DKIM-Signature",
    "List-Id",
    "List-Unsubscribe",
    "List-Post",
    "List-Help",
    "List-Subscribe",
    "List-Archive",
)


def header_table(columns: HeaderColumns) -> pa.Table:
    """Texts as large_string, `date` as a UTC timestamp (null where absent), lists for the rest."""
    table: dict[str, pa.Array] = {}
    for name in TEXT_COLUMNS:
        table[name] = getattr(columns, name).to_arrow()
    date = columns.date
    table["date"] = pa.array(date, mask=date == NO_DATE).cast(pa.timestamp("s", tz="UTC"))
    people = pa.StructArray.from_arrays(
        [columns.to_name.to_arrow(), columns.to_address.to_arrow()], ["name", "address"]
    )
    table["to"] = pa.LargeListArray.from_arrays(pa.array(columns.to_indptr), people)
    for name in SINGLE:
        present = columns.has(name)
        texts = _bodies(columns, np.arange(len(columns)), columns.span(name))
        there = [text if one else None for text, one in zip(texts, present, strict=True)]
        table[_column(name)] = pa.array(there, pa.large_string())
    for name in REPEATED:
        indptr, spans = columns.spans(name)
        owner = np.repeat(np.arange(len(columns)), np.diff(indptr))
        values = pa.array(_bodies(columns, owner, spans), pa.large_string())
        table[_column(name)] = pa.LargeListArray.from_arrays(pa.array(indptr), values)
    table["flags"] = pa.array(columns.flags)
    return pa.table(table)


def _column(name: str) -> str:
    return name.lower().replace("-", "_")


def _bodies(columns: HeaderColumns, owner: np.ndarray, spans: np.ndarray) -> list[str]:
    """Decoded bodies of the spans of the messages `owner`; absent ones as empty text."""
    out = []
    for index, (start, stop) in zip(owner.tolist(), spans.tolist(), strict=True):
        body = columns.messages.message(index)[start:stop] if start >= 0 else b""
        out.append(decode_words(body)[0].decode())
    return out
