"""Batch: the unit of work, some thousand messages and the columns that stages fill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.headers import header_ends
from atlas_fast._kernels.keys import KEY_BYTES, keys_batch
from atlas_fast._kernels.messages import Messages
from atlas_fast._kernels.storedtext import DIGITS, decimal_texts
from atlas_fast.flags import Flag
from atlas_fast.quoting import unquote

if TYPE_CHECKING:
    import pyarrow

    from atlas_fast.headers import HeaderColumns
    from atlas_fast.mime import MimeColumns


class Numbers(Sequence[str]):
    """Places that are numbers from 0, `values` int64 (n,); a text is made when it is asked for."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray):
        self.values = np.ascontiguousarray(values, np.int64)

    def __repr__(self) -> str:
        return f"Numbers({self.values!r})"

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Numbers: ...
    def __getitem__(self, at: int | slice) -> str | Numbers:
        return Numbers(self.values[at]) if isinstance(at, slice) else str(int(self.values[at]))

    def __iter__(self) -> Iterator[str]:
        return map(str, self.values.tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def texts(self) -> tuple[np.ndarray, np.ndarray]:
        """All of them as one run of digits, and the n + 1 offsets."""
        n = len(self.values)
        out, offsets = np.empty(DIGITS * n, np.uint8), np.empty(n + 1, np.int64)
        return out[: decimal_texts(self.values, out, offsets)].copy(), offsets


class Batch:
    """Messages of one source, in its order.

    Message i is raw[starts[i]:stops[i]]: `raw` uint8, perhaps a view of a memory map, `starts` and
    `stops` int64 (n,). `places` says where each stands in the source (a path relative to it, or a
    byte offset); `mark` is where the source goes on behind this batch. `keys` uint8 (n, 24) are
    stable: the same message at the same place of the same source has the same key in every run.
    `flags` uint32 (n,) are the bits of `atlas_fast.flags.Flag`. `quoting`: `>From ` lines of an
    mbox are still quoted in raw. The stages fill `headers`, `mime`, `enrichment`, `features` and
    `verdict`. Raises ValueError when the lengths differ.
    """

    __slots__ = (
        "_keys", "enrichment", "features", "flags", "headers", "mark", "mime", "places",
        "quoting", "raw", "source", "starts", "stops", "verdict",
    )  # fmt: skip

    def __init__(
        self,
        raw: np.ndarray,
        starts: np.ndarray,
        stops: np.ndarray,
        *,
        source: str,
        places: Sequence[str],
        mark: str = "",
        keys: np.ndarray | None = None,
        quoting: bool = False,
    ):
        if not len(starts) == len(stops) == len(places):
            raise ValueError("starts, stops and places need the same length")
        if keys is not None and keys.shape != (len(starts), KEY_BYTES):
            raise ValueError(f"keys need the shape ({len(starts)}, {KEY_BYTES})")
        self.raw = raw
        self.starts = starts
        self.stops = stops
        self.source = source
        self.places = places
        self.mark = mark
        self.quoting = quoting
        self.flags = np.zeros(len(starts), np.uint32)
        self.headers: HeaderColumns | None = None
        self.mime: MimeColumns | None = None
        self.enrichment: Any = None
        self.features: Any = None
        self.verdict: Any = None
        self._keys = keys

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def nbytes(self) -> int:
        """Bytes of all messages."""
        return int(self.stops.sum() - self.starts.sum())

    @property
    def keys(self) -> np.ndarray:
        """uint8 (n, 24): see `message_keys`; computed when first asked."""
        if self._keys is None:
            self._keys = message_keys(self)
        return self._keys

    def take(self, indices: np.ndarray) -> Batch:
        """The messages of these indices as a batch of their own, as the source gave them: without
        columns, and with no flags but the source's."""
        part = Batch(
            self.raw,
            self.starts[indices],
            self.stops[indices],
            source=self.source,
            places=(
                Numbers(self.places.values[indices])
                if isinstance(self.places, Numbers)
                else [self.places[i] for i in indices.tolist()]
            ),
            mark=self.mark,
            keys=self.keys[indices],
            quoting=self.quoting,
        )
        part.flags[:] = self.flags[indices] & np.uint32(Flag.MSG_CUT)
        return part

    def leave_bodies(self) -> None:
        """Make each message end where its body starts, or at limits.MAX_HEADER_BYTES; one that had
        more gets Flag.MSG_CUT. Bodies are not touched. Before the stages, and before `keys`."""
        ends = np.empty(len(self), np.int64)
        header_ends(
            Messages.of_spans(self.raw, self.starts, self.stops), limits.MAX_HEADER_BYTES, ends
        )
        ends += self.starts
        self.flags[ends < self.stops] |= np.uint32(Flag.MSG_CUT)
        self.stops = ends

    def message(self, index: int) -> bytes:
        """Message `index` as it was sent: a copy, mbox quoting undone."""
        raw = bytes(self.raw[self.starts[index] : self.stops[index]])
        return unquote(raw) if self.quoting else raw

    def to_arrow(self) -> pyarrow.RecordBatch:
        """One row a message: key, place, sender, subject, date, flags, verdict (docs/export.md).

        Texts and numbers share the memory of the batch; what a stage has not filled is null.
        Needs the `arrow` extra: raises ImportError without it.
        """
        from atlas_fast._arrow import batch_record

        return batch_record(self)

    def __iter__(self) -> Iterator[bytes]:
        return map(self.message, range(len(self)))


def message_keys(batch: Batch) -> np.ndarray:
    """uint8 (n, KEY_BYTES): eight bytes that order, then BLAKE2b-128 over (source, NUL, place, NUL,
    content); see _kernels/keys.pyx.

    An index of keys grows at one end, where one of digests alone would touch a page each.
    """
    keys = np.empty((len(batch), KEY_BYTES), np.uint8)
    places, offsets = _joined(batch.places)
    messages = Messages.of_spans(batch.raw, batch.starts, batch.stops)
    keys_batch(messages, _encoded(batch.source), places, offsets, keys)
    return keys


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _joined(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """All texts as one run of bytes, and the n + 1 offsets."""
    if isinstance(texts, Numbers):
        return texts.texts()
    joined: list[str] | list[bytes] = list(texts)
    whole = "".join(texts)
    if not whole.isascii():
        joined = [_encoded(text) for text in texts]
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, joined), np.int64, len(texts)), out=offsets[1:])
    return np.frombuffer(_encoded(whole), np.uint8), offsets
