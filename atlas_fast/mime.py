"""MIME parts: the tree of one message, and text, parts and links of many.

`parse_mime` gives the part tree of one message; `MimeColumns` the columns of a batch. RFC 2045,
2046, 2047, 2183, 2231; damage gives the best answer and a bit in `flags`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.charsets import charset_number, decode_charset
from atlas_fast._kernels.mime import DISPOSITION_NAMES, ENCODING_NAMES, MEDIA_NAMES, mime_batch
from atlas_fast._kernels.params import parameter_text, parse_parameters
from atlas_fast._kernels.transfer import decode_transfer
from atlas_fast.headers import HeaderColumns, TextColumn, parse_headers, parse_many

__all__ = ["MEDIA_NAMES", "MimeColumns", "Part", "parse_mime"]

PART_DTYPE = np.dtype(
    [
        ("parent", np.int32),
        ("depth", np.int32),
        ("header", np.int32),
        ("body", np.int32),
        ("stop", np.int32),
        ("type_start", np.int32),
        ("type_stop", np.int32),
        ("charset", np.int32),
        ("name_start", np.int64),
        ("name_stop", np.int64),
        ("media", np.uint8),
        ("encoding", np.uint8),
        ("disposition", np.uint8),
        ("has_charset", np.uint8),
        ("n_children", np.int32),
    ]
)
"""One part. Positions are relative to the message, those of the name are in `strings`; media,
encoding and disposition number MEDIA_NAMES, ENCODING_NAMES and DISPOSITION_NAMES."""

LINK_DTYPE = np.dtype(
    [
        ("url_start", np.int64),
        ("url_stop", np.int64),
        ("text_start", np.int64),
        ("text_stop", np.int64),
        ("kind", np.int32),
        ("part", np.int32),
    ]
)
"""One link: its target in `strings`, its visible text in `text`; kind 0 href, 1 image, 2 form,
3 a URL in plain text, 4 frame; part is the number of the part within its message."""

_CAPS = (
    limits.MAX_MESSAGE_BYTES,
    limits.MAX_DEPTH,
    limits.MAX_PARTS,
    limits.MAX_TEXT_BYTES,
    limits.MAX_LINKS,
)


class MimeColumns:
    """Columns over the bodies of n messages.

    `text`: UTF-8 text of the text/plain and text/html parts of each message, one after the other;
    `parts`: PART_DTYPE, those of message i at part_indptr[i]:part_indptr[i + 1], in the order of
    the message; `links`: LINK_DTYPE with link_indptr; `n_hidden` int32 (n,): elements that a style
    hides. Damage bits are or-ed into `flags`, which by default is that of `headers`.
    """

    def __init__(self, headers: HeaderColumns, flags: np.ndarray | None = None):
        n = len(headers)
        self.headers = headers
        self.flags = headers.flags if flags is None else flags
        self.text_offsets = np.empty(n + 1, np.int64)
        self.part_indptr = np.empty(n + 1, np.int64)
        self.link_indptr = np.empty(n + 1, np.int64)
        self.n_hidden = np.empty(n, np.int32)
        self._text, self._parts, self._links, self._strings = (Bytes() for _ in range(4))
        mime_batch(
            headers.messages, headers.body, headers.span("Content-Type"),
            headers.span("Content-Transfer-Encoding"), headers.span("Content-Disposition"), _CAPS,
            self._text, self.text_offsets, self._parts, self.part_indptr, self._links,
            self.link_indptr, self._strings, self.n_hidden, self.flags,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.n_hidden)

    @cached_property
    def text(self) -> TextColumn:
        return TextColumn(self._text, self.text_offsets)

    @cached_property
    def parts(self) -> np.ndarray:
        return np.frombuffer(self._parts, PART_DTYPE)

    @cached_property
    def links(self) -> np.ndarray:
        return np.frombuffer(self._links, LINK_DTYPE)

    @cached_property
    def strings(self) -> np.ndarray:
        """uint8: targets of links and filenames."""
        return np.frombuffer(self._strings, np.uint8)

    def for_features(self) -> tuple[Any, ...]:
        """What the feature kernel reads of these columns, in its order."""
        return (
            self._text, self.text_offsets, self._parts, self.part_indptr, self._links,
            self.link_indptr, self._strings, self.n_hidden,
        )  # fmt: skip

    def links_of(self, index: int) -> list[tuple[str, str, int]]:
        """(target, visible text, kind) of the links of one message."""
        lo, hi = self.link_indptr[index : index + 2]
        return [
            (
                bytes(self.strings[link["url_start"] : link["url_stop"]]).decode(),
                bytes(self.text.data[link["text_start"] : link["text_stop"]]).decode(),
                int(link["kind"]),
            )
            for link in self.links[lo:hi]
        ]


@dataclass(frozen=True, slots=True)
class Part:
    """A part: what its header section states, its body as it stands, and its children."""

    content_type: str
    encoding: str
    charset: str | None
    disposition: str
    filename: str | None
    body: bytes
    header: bytes
    children: list[Part] = field(default_factory=list)

    def payload(self) -> bytes:
        """The body without its transfer encoding; as it stands where that is unknown."""
        if self.encoding in ("base64", "quoted-printable"):
            return decode_transfer(self.body, self.encoding == "base64")[0]
        return self.body

    def text(self) -> str:
        """The payload in its charset; where none is known, UTF-8 or else windows-1252."""
        raw = self.payload()
        number = charset_number((self.charset or "").encode("ascii", "replace"))
        if number <= 1:
            number = 0 if _is_utf8(raw) else 2
        return decode_charset(number, raw)[0].decode()

    def walk(self) -> Iterator[Part]:
        """This part and all below it, depth first."""
        stack = [self]
        while stack:
            part = stack.pop()
            yield part
            stack += reversed(part.children)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def parse_mime(raw: bytes) -> Part:
    """The part tree of one message; the root is the message itself."""
    columns = MimeColumns(parse_many([raw]))
    made: list[Part] = []
    for record in columns.parts:
        part = _part(raw, record)
        if record["parent"] >= 0:
            made[record["parent"]].children.append(part)
        made.append(part)
    return made[0]


def _part(raw: bytes, record: np.void) -> Part:
    header = raw[record["header"] : record["body"]]
    head = parse_headers(header)
    content_type = head.get_raw("Content-Type") or b""
    disposition = head.get_raw("Content-Disposition") or b""
    stated = record["type_start"] >= 0
    kind = raw[record["type_start"] : record["type_stop"]] if stated else b"text/plain"
    if not stated and MEDIA_NAMES[record["media"]] == "message/*":
        kind = b"message/rfc822"
    name = parameter_text(disposition, b"filename")
    if name is None:
        name = parameter_text(content_type, b"name")
    charset = next(
        (v for n, v in parse_parameters(content_type)[1] if n.lower() == b"charset"), None
    )
    return Part(
        content_type=kind.decode("ascii", "replace").lower(),
        encoding=ENCODING_NAMES[record["encoding"]],
        charset=None if charset is None else charset.decode("ascii", "replace").lower(),
        disposition=DISPOSITION_NAMES[record["disposition"]],
        filename=None if name is None else name.decode(),
        body=raw[record["body"] : record["stop"]],
        header=header,
    )


def parse_texts(messages: Sequence[bytes]) -> MimeColumns:
    """The columns of many messages, header columns at `.headers`."""
    return MimeColumns(parse_many(messages))
