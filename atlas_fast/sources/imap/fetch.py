"""Message starts by UID FETCH, in place: the bytes that come are the bytes of the batch.

One literal a message, `BODY.PEEK[]<0.N>`: header section and start of the body lie together, and
the server sets no \\Seen. Where bodies are left aside it is `BODY.PEEK[HEADER]<0.N>`, and
RFC822.SIZE tells which messages have one. The receive buffer becomes the batch; messages are spans
of it, between the server's words, and nothing is copied. A buffer that is full is a block that is
ready; the response that did not fit goes on in the next. Answers may come in any order, twice, or
not at all; what was not asked for is passed over.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from atlas_fast import limits
from atlas_fast.errors import ImapError
from atlas_fast.sources.imap.client import Client
from atlas_fast.sources.imap.grammar import tokens, uid_sets
from atlas_fast.sources.imap.wire import FRESH, Refused

__all__ = ["Block", "Reader"]

_OPEN = re.compile(
    rb"\* \d{1,10} FETCH \((?:UID (\d{1,10}) )?(?:RFC822\.SIZE (\d{1,19}) )?"
    rb"BODY\[(?:HEADER)?\]<0> \{(\d{1,12})\}\r\n"
)
"""How nearly every server begins; anything else is taken apart value by value."""
_CLOSE = re.compile(rb"(?: UID (\d{1,10}))?\)\r\n")
_FETCH = re.compile(rb"\* \d{1,10} FETCH \(", re.IGNORECASE)
BUFFER = 8 << 20
"""Bytes of a receive buffer, and so of a block, at most, beside the last response."""
SLACK = 64 << 10
"""Bytes of a response beside its literal, at most."""
BODIES = (
    b"BODY[]<0>", b"BODY[HEADER]<0>", b"BODY[]", b"RFC822", b"RFC822.HEADER", b"BODY[HEADER]",
)  # fmt: skip
"""Names under which a message is taken; the last three come from objects that only look like a
connection, and know no other."""
UNASKED = 100
"""A body that was not asked for counts as so many responses that were not."""


@dataclass(slots=True)
class Block:
    """Messages of one buffer, in the order in which they came. `cut`: positions of those that are
    longer than was asked for, `left` of those whose body was not asked for."""

    raw: bytearray
    starts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    uids: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.uids)

    def add(self, uid: int, start: int, size: int, most: int, whole: int) -> None:
        if size > most:
            self.cut.append(len(self.uids))
        elif whole > size:
            self.left.append(len(self.uids))
        self.starts.append(start)
        self.stops.append(start + min(size, most))
        self.uids.append(uid)


class Reader:
    """Iterates over blocks. Two commands are on their way, so that the server never waits for us.

    The first `most` bytes of each message of `uids`, from the selected folder; with
    `headers_only`, of its header section. `refused` has the
    text of a NO: what it was about is in no block, like a message that is gone. Ended early, the
    connection is in the middle of an answer: `drain` it, or close it.
    """

    AHEAD = 2

    def __init__(
        self, client: Client, uids: np.ndarray, most: int, max_messages: int, max_bytes: int,
        headers_only: bool = False,
    ):  # fmt: skip
        self.client, self.wire = client, client.wire
        self.most, self.max_messages, self.headers_only = most, max_messages, headers_only
        self.refused: str | None = None
        self._commands = uid_sets(uids, limits.IMAP_WINDOW)
        self._due: deque[bytes] = deque()
        self._wanted = set(uids.tolist())
        self._passed = 0
        self.wire.fresh = min(max_bytes, BUFFER) + most + SLACK
        self.wire.renew()
        self._block = Block(self.wire.raw)
        self._ready: deque[Block] = deque()

    def __iter__(self) -> Iterator[Block]:
        for _ in range(self.AHEAD):
            self._send()
        while self._due:
            if self._response():
                self._due.popleft()
                self._passed = 0
                self._send()
            while self._ready:
                yield self._ready.popleft()
        if self._block:
            yield self._block
        self._leave()

    @property
    def done(self) -> bool:
        """Is no answer due any more?"""
        return not self._due

    def drain(self) -> None:
        """Read the answers that are due and drop them, so that the connection is usable."""
        while self._due and not self.wire.broken:
            if self._response():
                self._due.popleft()
            self._ready.clear()
        self._leave()

    def _leave(self) -> None:
        self.wire.fresh = FRESH
        self.wire.renew()

    def _send(self) -> None:
        for text, _ in self._commands:
            tag = self.client.tag()
            item = b"RFC822.SIZE BODY.PEEK[HEADER]" if self.headers_only else b"BODY.PEEK[]"
            item += b"<0.%d>" % (self.most + 1)
            self.wire.begin()
            self.wire.send(b"%s UID FETCH %s (UID %s)\r\n" % (tag, text, item))
            self._due.append(tag)
            return

    def _response(self) -> bool:
        """Take one response in; True when it ends a command."""
        wire = self.wire
        found = _OPEN.match(wire.raw, wire.start, wire.stop)
        if found is None:
            wire.line_end(0, limits.IMAP_LINE_BYTES)
            found = _OPEN.match(wire.raw, wire.start, wire.stop)
        if found is None:
            return self._other()
        size = int(found[3])
        if size > self.most + 1:
            raise self._fault(f"{size} bytes of a message where {self.most + 1} were asked for")
        head = found.end() - wire.start
        uid = found[1]
        wire.have(head + size)
        end = wire.line_end(head + size, SLACK)
        start = wire.start + head
        close = _CLOSE.match(wire.raw, start + size, wire.start + end)
        if close is None or close.end() != wire.start + end:
            return self._other()
        self._add(uid or close[1], start, size, int(found[2] or 0))
        wire.start += end
        return False

    def _add(self, uid: bytes | None, start: int, size: int, whole: int) -> None:
        """A message at `start`, by a server that says it has `whole` bytes (0: it does not)."""
        number = int(uid) if uid else 0
        if number not in self._wanted:  # not asked for, or the second answer
            self._pass(UNASKED)
            return
        self._wanted.discard(number)
        if self._block.raw is not self.wire.raw or len(self._block) >= self.max_messages:
            self._turn()
        self._block.add(number, start, size, self.most, whole if self.headers_only else 0)

    def _turn(self) -> None:
        """The open block is done; the next may share its buffer."""
        if self._block:
            self._ready.append(self._block)
        self._block = Block(self.wire.raw)

    def _other(self) -> bool:
        """A response that is no plain answer: another form of FETCH, or something else."""
        wire = self.wire
        size, _ = wire.frame(self.most + 1)
        base = wire.start
        response = bytes(memoryview(wire.raw)[base : base + size])
        wire.start += size
        if _FETCH.match(response):
            try:
                self._take(tokens(response), base)
            except ValueError as error:
                raise self._fault(f"a response that cannot be read: {error}") from None
            return False
        if response.startswith(b"*"):
            self._pass(1)
            self.client.notice(response)
            return False
        try:
            self.client.tagged(response, self._due[0], b"FETCH")
        except Refused as error:
            if error.bad:
                raise
            self.refused = str(error)
        return True

    def _take(self, values: list, base: int) -> None:  # type: ignore[type-arg]
        """A FETCH response in values; its body is put down where the response lay."""
        items = values[3] if len(values) == 4 and isinstance(values[3], list) else []
        if len(items) % 2:
            raise ValueError("a name without a value")
        uid, body, whole = None, None, 0
        for name, value in zip(items[::2], items[1::2], strict=False):
            upper = name.upper() if isinstance(name, bytes) else b""
            if upper == b"UID" and isinstance(value, bytes) and value.isdigit():
                uid = value[:11]
            elif upper == b"RFC822.SIZE" and isinstance(value, bytes) and value.isdigit():
                whole = int(value[:19])
            elif upper in BODIES and isinstance(value, bytes):
                body = value
        if body is None:
            self._pass(1)
            return
        self.wire.raw[base : base + len(body)] = body
        self._add(uid, base, len(body), whole)

    def _pass(self, weight: int) -> None:
        """Count what was not asked for."""
        self._passed += weight
        if self._passed > limits.IMAP_LINES:
            raise self._fault(f"more than {limits.IMAP_LINES} responses to one command")

    def _fault(self, text: str) -> ImapError:
        self.wire.broken = True
        return ImapError(f"{self.wire.name}: {text}")
