"""Header fields: one-header functions, and columns over many messages.

`parse_many` reads a sequence of messages into `HeaderColumns` without an object per message;
the other functions take one field body, or one message, as bytes and never fail: damage gives
the best answer. RFC 5322 with its obsolete forms, RFC 2047, 2231 and 6532.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels import addresses, dates, msgids, received
from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.headers import (
    FIELD_NAMES,
    NO_DATE,
    TEXT_COLUMNS,
    headers_batch,
    identify_field,
)
from atlas_fast._kernels.messages import Messages
from atlas_fast._kernels.words import decode_words
from atlas_fast.records import Address, Received

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "FIELD_NAMES",
    "FieldSpan",
    "HeaderColumns",
    "Headers",
    "TextColumn",
    "decode_header",
    "parse_address_list",
    "parse_date",
    "parse_headers",
    "parse_many",
    "parse_message_ids",
    "parse_received",
]

FIELD_DTYPE = np.dtype(
    [
        ("start", np.int32),
        ("stop", np.int32),
        ("name_gap", np.uint16),
        ("name_size", np.uint8),
        ("id", np.int8),
    ]
)
"""One header field: the body is message[start:stop], the name starts name_gap bytes before it and
is name_size bytes long (255: look for the colon), id is its position in FIELD_NAMES or -1."""

FIELD_ID = {name.lower(): number for number, name in enumerate(FIELD_NAMES)}
"""Position in FIELD_NAMES by lower-cased field name."""

NO_ZONE = dates.NO_ZONE
"""`zone` of a date-time that states none (`-0000`, or nothing): UTC, local time unknown."""

_CAPS = (
    limits.MAX_MESSAGE_BYTES,
    limits.MAX_FIELDS,
    limits.MAX_FIELD_BYTES,
    limits.MAX_ADDRESSES,
)


def decode_header(raw: bytes) -> str:
    """Text of an unstructured field body: unfolded, encoded-words decoded (RFC 2047).

    Adjacent encoded-words of one charset are decoded together, so that a character split between
    them survives. Bytes that are neither ASCII nor UTF-8 (RFC 6532) become U+FFFD.
    """
    return decode_words(raw)[0].decode()


def parse_address_list(raw: bytes) -> list[Address]:
    """Mailboxes of an address-list (RFC 5322, 3.4); groups are flattened, their name is kept."""
    return [Address(*item) for item in addresses.parse_addresses(raw)]


def parse_date(raw: bytes) -> datetime | None:
    """A date-time (RFC 5322, 3.3 and 4.3), or None. Naive where no zone is stated (`-0000`)."""
    found = dates.parse_date_text(raw)
    return None if found is None else _datetime(*found)


def parse_message_ids(raw: bytes) -> list[str]:
    """The msg-ids of a Message-ID, In-Reply-To or References body (RFC 5322, 3.6.4)."""
    return [decode_header(item) for item in msgids.parse_ids(raw)]


def parse_received(raw: bytes) -> Received:
    """The clauses of a Received field (RFC 5321, 4.4; RFC 5322, 3.6.7)."""
    *spans, date = received.parse_received_text(raw)
    from_, from_ip, by, by_ip, with_, id_, for_, helo = (
        None if span is None else decode_header(raw[slice(*span)]) for span in spans
    )
    when = None if date is None else _datetime(*date)
    return Received(from_, from_ip, by, by_ip, with_, id_, for_, helo, when)


def parse_headers(raw: bytes) -> Headers:
    """The header section of one message."""
    return parse_many([raw]).row(0)


def parse_many(messages: Sequence[bytes]) -> HeaderColumns:
    """Header columns of many messages; no Python object is made for a message.

    Raises TypeError when an item is not bytes.
    """
    return HeaderColumns(Messages.of_bytes(messages))


def _datetime(epoch: int, zone: int) -> datetime:
    moment = datetime(1970, 1, 1) + timedelta(seconds=epoch)
    if zone == NO_ZONE:
        return moment
    offset = timezone(timedelta(minutes=zone))
    return moment.replace(tzinfo=timezone.utc).astimezone(offset)  # noqa: UP017


class TextColumn(Sequence[str]):
    """UTF-8 texts as one `data` array (uint8) and `offsets` (int64, n + 1)."""

    __slots__ = ("_owner", "data", "offsets")

    def __init__(self, data: Bytes | np.ndarray, offsets: np.ndarray):
        self._owner = data
        self.data = np.frombuffer(data, np.uint8) if isinstance(data, Bytes) else data
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return bytes(self.data[self.offsets[index] : self.offsets[index + 1]]).decode()

    def tolist(self) -> list[str]:
        """All texts; faster than one after the other."""
        whole = bytes(self.data)
        ends = self.offsets.tolist()
        if whole.isascii():
            text = whole.decode("ascii")
            return [text[a:b] for a, b in pairwise(ends)]
        return [whole[a:b].decode() for a, b in pairwise(ends)]

    def to_arrow(self) -> pyarrow.Array:
        """A large_string array over the same memory."""
        import pyarrow as pa

        buffers = [None, pa.py_buffer(np.ascontiguousarray(self.offsets)), pa.py_buffer(self.data)]
        return pa.Array.from_buffers(pa.large_string(), len(self), buffers)


class HeaderColumns:
    """Columns over the header sections of n messages.

    `flags` uint32 (n,): damage bits (`atlas_fast.flags.Flag`); `body` int32 (n,): where the body
    starts; `n_fields`, `n_received` int32 (n,); `date` int64 (n,): seconds since the epoch, or
    NO_DATE; `zone` int32 (n,): minutes east of UTC, or NO_ZONE; `fields`: FIELD_DTYPE of every
    field of every message, those of message i at field_indptr[i]:field_indptr[i + 1]; `first`
    int16 (n, len(FIELD_NAMES)): number within the message of the first field of that name, or -1.
    Text columns: subject, from_name, from_address, from_domain (lower case), message_id (with its
    angle brackets), reply_to, return_path. Addresses of To: `to_name`, `to_address`, those of
    message i at to_indptr[i]:to_indptr[i + 1]. All positions are relative to the message.
    """

    def __init__(self, messages: Messages, flags: np.ndarray | None = None):
        n = len(messages)
        self.messages = messages
        self.flags = np.zeros(n, np.uint32) if flags is None else flags
        self.first = np.empty((n, len(FIELD_NAMES)), np.int16)
        self.body = np.empty(n, np.int32)
        self.n_fields = np.empty(n, np.int32)
        self.n_received = np.empty(n, np.int32)
        self.date = np.empty(n, np.int64)
        self.zone = np.empty(n, np.int32)
        self.field_indptr = np.empty(n + 1, np.int64)
        self.to_indptr = np.empty(n + 1, np.int64)
        self._fields = Bytes()
        self._to = Bytes(), Bytes(), Bytes()
        self._texts = [Bytes() for _ in TEXT_COLUMNS]
        self._offsets = np.empty((len(TEXT_COLUMNS), n + 1), np.int64)
        headers_batch(
            messages, _CAPS, self.first, self.body, self.n_fields, self.n_received, self.date,
            self.zone, self._fields, self.field_indptr, self._texts, self._offsets, *self._to,
            self.to_indptr, self.flags,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.body)

    def __iter__(self) -> Iterator[Headers]:
        return map(self.row, range(len(self)))

    @cached_property
    def fields(self) -> np.ndarray:
        return np.frombuffer(self._fields, FIELD_DTYPE)

    def _text(self, name: str) -> TextColumn:
        number = TEXT_COLUMNS.index(name)
        return TextColumn(self._texts[number], self._offsets[number])

    @cached_property
    def subject(self) -> TextColumn:
        return self._text("subject")

    @cached_property
    def from_name(self) -> TextColumn:
        return self._text("from_name")

    @cached_property
    def from_address(self) -> TextColumn:
        return self._text("from_address")

    @cached_property
    def from_domain(self) -> TextColumn:
        return self._text("from_domain")

    @cached_property
    def message_id(self) -> TextColumn:
        return self._text("message_id")

    @cached_property
    def reply_to(self) -> TextColumn:
        return self._text("reply_to")

    @cached_property
    def return_path(self) -> TextColumn:
        return self._text("return_path")

    @cached_property
    def _to_offsets(self) -> np.ndarray:
        ends = np.frombuffer(self._to[2], np.int64).reshape(-1, 2)
        offsets = np.zeros((2, len(ends) + 1), np.int64)
        offsets[:, 1:] = ends.T
        return offsets

    @cached_property
    def to_name(self) -> TextColumn:
        return TextColumn(self._to[0], self._to_offsets[0])

    @cached_property
    def to_address(self) -> TextColumn:
        return TextColumn(self._to[1], self._to_offsets[1])

    def has(self, name: str) -> np.ndarray:
        """bool (n,): does the message have a field of this name (one of FIELD_NAMES)?"""
        return self.first[:, FIELD_ID[name.lower()]] >= 0

    def span(self, name: str) -> np.ndarray:
        """int32 (n, 2): start and stop of the first body of this field, -1 where there is none."""
        first = self.first[:, FIELD_ID[name.lower()]]
        out = np.full((len(self), 2), -1, np.int32)
        rows = np.flatnonzero(first >= 0)
        found = self.fields[self.field_indptr[rows] + first[rows]]
        out[rows, 0] = found["start"]
        out[rows, 1] = found["stop"]
        return out

    def spans(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """All bodies of a repeated field: indptr int64 (n + 1,) and spans int32 (m, 2)."""
        at = np.flatnonzero(self.fields["id"] == FIELD_ID[name.lower()])
        indptr = np.searchsorted(at, self.field_indptr).astype(np.int64)
        found = self.fields[at]
        return indptr, np.stack([found["start"], found["stop"]], axis=1)

    def for_fields(self) -> tuple[Messages, np.ndarray, Bytes, np.ndarray]:
        """What kernels that read single fields take of these columns, in their order."""
        return self.messages, self.first, self._fields, self.field_indptr

    def for_features(self) -> tuple[Any, ...]:
        """What the feature kernel reads of these columns, in its order."""
        return (
            self.messages, self.first, self._fields, self.field_indptr, self._texts,
            self._offsets, self.to_indptr,
        )  # fmt: skip

    def row(self, index: int) -> Headers:
        """The header section of message `index`, decoded on demand."""
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Headers(self, index)

    def to_arrow(self) -> pyarrow.Table:
        """A table of the named columns; repeated fields and To become lists."""
        from atlas_fast._arrow import header_table

        return header_table(self)


@dataclass(frozen=True, slots=True)
class FieldSpan:
    """One field as it stands in the message: its name, and its body with folding."""

    name: str
    body: bytes


class Headers:
    """One message of a HeaderColumns: a view that decodes when asked."""

    __slots__ = ("_columns", "_index", "_raw")

    def __init__(self, columns: HeaderColumns, index: int):
        self._columns = columns
        self._index = index
        self._raw: bytes = columns.messages.message(index)

    @property
    def raw(self) -> bytes:
        """The message as it stands."""
        return self._raw

    @property
    def fields(self) -> list[FieldSpan]:
        """All fields in their order, undecoded."""
        columns, out = self._columns, []
        lo, hi = columns.field_indptr[self._index : self._index + 2]
        for field in columns.fields[lo:hi]:
            name_start = int(field["start"]) - int(field["name_gap"])
            name_stop = name_start + int(field["name_size"])
            if field["name_size"] == 255 or field["name_gap"] == 65535:
                name_start, name_stop = self._long_name(int(field["start"]))
            name = self._raw[name_start:name_stop].decode("ascii", "replace")
            out.append(FieldSpan(name, self._raw[field["start"] : field["stop"]]))
        return out

    def _long_name(self, start: int) -> tuple[int, int]:
        """Bounds of a name too long for its record: from the line start to the colon."""
        colon = self._raw.rfind(b":", 0, start)
        line = max(self._raw.rfind(b"\n", 0, colon), self._raw.rfind(b"\r", 0, colon)) + 1
        return line, line + len(self._raw[line:colon].rstrip(b" \t"))

    def get_raw(self, name: str) -> bytes | None:
        """Body of the first field of this name (any name, any case), or None."""
        return next(iter(self.get_all_raw(name)), None)

    def get_all_raw(self, name: str) -> list[bytes]:
        """Bodies of all fields of this name, in their order."""
        wanted = name.lower()
        return [field.body for field in self.fields if field.name.lower() == wanted]

    def get(self, name: str) -> str | None:
        """Text of the first field of this name, unfolded and decoded, or None."""
        body = self.get_raw(name)
        return None if body is None else decode_header(body)

    @property
    def subject(self) -> str:
        return self._columns.subject[self._index]

    @property
    def from_(self) -> list[Address]:
        body = self.get_raw("From")
        return [] if body is None else parse_address_list(body)

    @property
    def to(self) -> list[Address]:
        body = self.get_raw("To")
        return [] if body is None else parse_address_list(body)

    @property
    def date(self) -> datetime | None:
        epoch = int(self._columns.date[self._index])
        return None if epoch == NO_DATE else _datetime(epoch, int(self._columns.zone[self._index]))

    @property
    def message_id(self) -> str:
        return self._columns.message_id[self._index]

    @property
    def received(self) -> list[Received]:
        """The trace, newest hop first."""
        return [parse_received(body) for body in self.get_all_raw("Received")]

    @property
    def flags(self) -> int:
        return int(self._columns.flags[self._index])

    @property
    def body_start(self) -> int:
        return int(self._columns.body[self._index])

    def as_dict(self) -> dict[str, Any]:
        """Decoded texts by lower-cased field name; repeated fields as lists."""
        out: dict[str, Any] = {}
        for field in self.fields:
            text = decode_header(field.body)
            key = field.name.lower()
            if key not in out:
                out[key] = text
            elif isinstance(out[key], list):
                out[key].append(text)
            else:
                out[key] = [out[key], text]
        return out


def field_number(name: str) -> int:
    """Position of a field name in FIELD_NAMES, or -1."""
    return identify_field(name.encode("ascii", "replace"))
