"""Batches and header columns as Arrow data; needs the `arrow` extra."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from atlas_fast._kernels.dates import NO_ZONE
from atlas_fast._kernels.headers import NO_DATE, TEXT_COLUMNS
from atlas_fast._kernels.words import decode_words
from atlas_fast.batch import KEY_BYTES
from atlas_fast.records import ACTIONS, CATEGORIES

if TYPE_CHECKING:
    from atlas_fast.batch import Batch
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


BATCH_TEXTS = ("from_address", "from_name", "from_domain", "subject", "message_id")
"""Text columns of a batch record, over the memory of the header kernel."""

BATCH_SCHEMA = pa.schema(
    [
        pa.field("message_key", pa.binary(KEY_BYTES), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("place", pa.large_string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        *(pa.field(name, pa.large_string()) for name in BATCH_TEXTS),
        pa.field("to", pa.large_list(pa.large_string())),
        pa.field("date", pa.timestamp("s", tz="UTC")),
        pa.field("zone", pa.int32()),
        pa.field("n_fields", pa.int32()),
        pa.field("n_received", pa.int32()),
        pa.field("flags", pa.uint32(), nullable=False),
        pa.field("spam_probability", pa.float32()),
        pa.field("category", pa.dictionary(pa.int8(), pa.string())),
        pa.field("action", pa.dictionary(pa.int8(), pa.string())),
    ]
)
"""What `Batch.to_arrow` gives; the columns are explained in docs/export.md."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def batch_record(batch: Batch) -> pa.RecordBatch:
    """One row a message, by BATCH_SCHEMA. Numbers, keys and texts share the batch's memory.

    What a stage has not filled is null.
    """
    n = len(batch)
    texts = [_SURROGATE.sub("\ufffd", place) for place in batch.places]
    source = pa.array([_SURROGATE.sub("\ufffd", batch.source)])
    indices = pa.array(np.zeros(n, np.int32))
    keys = pa.py_buffer(np.ascontiguousarray(batch.keys))
    columns: dict[str, pa.Array] = {
        "message_key": pa.Array.from_buffers(pa.binary(KEY_BYTES), n, [None, keys]),
        "source": pa.DictionaryArray.from_arrays(indices, source),
        "place": pa.array(texts, pa.large_string()),
        "size": pa.array(batch.stops - batch.starts),
        "flags": pa.array(batch.flags),
    }
    headers = batch.headers
    if headers is not None:
        columns |= {name: getattr(headers, name).to_arrow() for name in BATCH_TEXTS}
        columns |= {
            "to": pa.LargeListArray.from_arrays(
                pa.array(headers.to_indptr), headers.to_address.to_arrow()
            ),
            "date": pa.array(headers.date, mask=headers.date == NO_DATE).view(
                pa.timestamp("s", tz="UTC")
            ),
            "zone": pa.array(
                headers.zone, mask=(headers.zone == NO_ZONE) | (headers.date == NO_DATE)
            ),
            "n_fields": pa.array(headers.n_fields),
            "n_received": pa.array(headers.n_received),
        }
    if batch.verdict is not None:
        columns |= {
            "spam_probability": pa.array(batch.verdict.probability),
            "category": _named(batch.verdict.category, CATEGORIES),
            "action": _named(batch.verdict.action, ACTIONS),
        }
    arrays = [
        columns[field.name] if field.name in columns else pa.nulls(n, field.type)
        for field in BATCH_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=BATCH_SCHEMA)


def _named(codes: np.ndarray, names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.view(np.int8)), pa.array(names))


def _column(name: str) -> str:
    return name.lower().replace("-", "_")


def _bodies(columns: HeaderColumns, owner: np.ndarray, spans: np.ndarray) -> list[str]:
    """Decoded bodies of the spans of the messages `owner`; absent ones as empty text."""
    out = []
    for index, (start, stop) in zip(owner.tolist(), spans.tolist(), strict=True):
        body = columns.messages.message(index)[start:stop] if start >= 0 else b""
        out.append(decode_words(body)[0].decode())
    return out
