"""Bytes to and from an IMAP server: bounded, and never waited for without a limit.

`Wire` owns the receive buffer. Responses lie in it as they came; whoever takes message bodies out
of it takes the whole buffer over (`renew`) and copies nothing. The errors here tell a caller what
to do: `Lost` may be tried again on a new connection, the others may not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Protocol

from atlas_fast import limits
from atlas_fast.errors import ImapError

FRESH = 1 << 18
"""Bytes of a new receive buffer."""

LITERAL = re.compile(rb"\{(\d{1,20})\+?\}\r?\n\Z")
STATUS = re.compile(rb"(?:\*|[A-Za-z0-9.]+) (?:OK|NO|BAD|BYE|PREAUTH)\b|\+", re.IGNORECASE)


class Lost(ImapError):
    """The connection is gone; a new one may go on from here."""


class Refused(ImapError):
    """The server answered NO, or BAD; `code` is its response code, lower case."""

    def __init__(self, text: str, code: str = "", *, bad: bool = False):
        super().__init__(text)
        self.code, self.bad = code, bad


class Stream(Protocol):
    """What a wire needs of a socket."""

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def sendall(self, data: memoryview, /) -> None: ...

    def settimeout(self, seconds: float | None, /) -> None: ...

    def close(self) -> None: ...


class Wire:
    """A stream with its receive buffer: `raw[start:stop]` is what came and was not used yet.

    `seconds`: how long one command may wait for the server in all; each
    limits.IMAP_SLOWEST bytes that arrive add a second, so that a slow line is not an error and a
    server that drips is.
    """

    def __init__(
        self,
        stream: Stream,
        name: str,
        seconds: float = limits.IMAP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.stream = stream
        self.name = name
        self.seconds = seconds
        self._clock = clock
        self.fresh = FRESH
        self.raw = bytearray(FRESH)
        self.start = self.stop = 0
        self.waited = 0.0
        self.received = 0
        self.idle = 0.0
        self.broken = False

    def begin(self) -> None:
        """A command starts: its waiting time and bytes are counted from here."""
        self.waited, self.received = 0.0, 0

    def send(self, data: bytes | memoryview) -> None:
        """Send all of it. Tracebacks show no bytes of it: callers pass what may be a password."""
        view = memoryview(data)
        try:
            self.stream.settimeout(self.seconds)
            self.stream.sendall(view)
        except OSError as error:
            self.broken = True
            raise Lost(f"{self.name}: connection lost: {reason(error)}") from None

    def fill(self) -> None:
        """Read what is there, at least one byte; the buffer is full or grows by the caller."""
        left = self.seconds + self.received / limits.IMAP_SLOWEST - self.waited
        if left <= 0:
            self.broken = True
            raise ImapError(
                f"{self.name}: the server is too slow: {self.received} bytes in "
                f"{self.waited:.0f} seconds"
            )
        before = self._clock()
        try:
            self.stream.settimeout(left)
            got = self.stream.recv_into(memoryview(self.raw)[self.stop :])
        except TimeoutError:
            self.broken = True
            raise Lost(f"{self.name}: no answer for {left:.0f} seconds") from None
        except OSError as error:
            self.broken = True
            raise Lost(f"{self.name}: connection lost: {reason(error)}") from None
        spent = self._clock() - before
        self.waited += spent
        self.idle += spent
        if got == 0:
            self.broken = True
            raise Lost(f"{self.name}: the server closed the connection")
        self.stop += got
        self.received += got

    def room(self, size: int) -> None:
        """Make the buffer hold `size` bytes from `start` on."""
        if self.start + size > len(self.raw):
            self.renew(size)

    def renew(self, size: int = 0) -> None:
        """Go on in a new buffer, of `fresh` bytes or more, with what was not used."""
        old, rest = self.raw, self.stop - self.start
        self.raw = bytearray(max(size, self.fresh, rest + FRESH // 4))
        memoryview(self.raw)[:rest] = memoryview(old)[self.start : self.stop]
        self.start, self.stop = 0, rest

    def line_end(self, at: int, cap: int) -> int:
        """Offset from `start` behind the LF of the line at `at`; reads until it is there."""
        looked = at
        while True:
            found = self.raw.find(b"\n", self.start + looked, self.stop)
            if found >= 0:
                return found + 1 - self.start
            looked = self.stop - self.start
            if looked - at > cap:
                self.broken = True
                raise ImapError(f"{self.name}: a line of more than {cap} bytes")
            if self.stop == len(self.raw):
                self.renew(2 * looked)
            self.fill()

    def have(self, size: int) -> None:
        """Read until `size` bytes lie behind `start`."""
        self.room(size)
        while self.stop - self.start < size:
            self.fill()

    def frame(self, most: int = limits.IMAP_LITERAL_BYTES) -> tuple[int, int]:
        """One response: its length from `start`, and how many literals of at most `most` it has.

        Nothing is used up. Status responses end at their line, whatever their text looks like.
        """
        at, literals = 0, 0
        while True:
            end = self.line_end(at, limits.IMAP_LINE_BYTES)
            if not literals and STATUS.match(self.raw, self.start, self.start + end):
                return end, literals
            found = LITERAL.search(
                self.raw, max(self.start + at, self.start + end - 26), self.start + end
            )
            if found is None:
                return end, literals
            size = int(found[1])
            if size > most:
                self.broken = True
                raise ImapError(f"{self.name}: a literal of {size} bytes where none is due")
            if literals >= limits.IMAP_LITERALS:
                self.broken = True
                raise ImapError(f"{self.name}: a response of too many literals")
            literals += 1
            at = end + size
            self.have(at)

    def close(self) -> None:
        """Close the stream, whatever its state."""
        self.broken = True
        try:
            self.stream.close()
        except OSError:
            return


def reason(error: OSError) -> str:
    """Words of an OSError, without the data of the call that raised it."""
    return error.strerror or type(error).__name__
