"""A client over a connection that the caller made with `imaplib`, or something of its shape.

An `imaplib.IMAP4` is taken at its socket: commands and answers pass it by while we work, and it is
told which folder is selected. Any other object with `uid`, `select` and `list` is asked through
them, and its answers are read as if they had come from the wire.
"""

from __future__ import annotations

import imaplib
import re
from typing import Any

from atlas_fast import limits
from atlas_fast.errors import ImapError
from atlas_fast.sources.imap.client import Client
from atlas_fast.sources.imap.wire import Lost, Wire

__all__ = ["adopt"]


def adopt(mail: Any, seconds: float = limits.IMAP_SECONDS) -> Client:
    """A client for a connection that is logged in. Raises ImapError when it is of no use."""
    stream: Any
    if isinstance(mail, imaplib.IMAP4) and getattr(mail, "sock", None) is not None:
        try:
            stream = _Socket(mail)
        except (imaplib.IMAP4.error, OSError) as error:
            raise Lost(f"imaplib connection: lost: {type(error).__name__}") from None
    elif all(hasattr(mail, name) for name in ("uid", "select")):
        stream = _Calls(mail)
    else:
        raise ImapError(f"{type(mail).__name__}: not a connection like imaplib's")
    client = Client(Wire(stream, "imaplib connection", seconds), tag="ATLAS", owned=False)
    client.capabilities = _capabilities(mail)
    if isinstance(stream, _Socket):
        client.on_select = stream.selected
        client.ask_capabilities()
    return client


def _capabilities(mail: Any) -> frozenset[str]:
    known = getattr(mail, "capabilities", ())
    if not isinstance(known, tuple | list | set | frozenset):
        return frozenset()
    return frozenset(str(word).upper() for word in known)


class _Socket:
    """Socket of an imaplib connection. What imaplib had read ahead comes first."""

    def __init__(self, mail: imaplib.IMAP4):
        self._mail = mail
        self._timeout = mail.sock.gettimeout()
        self._ahead = bytearray(_read_ahead(mail))

    def recv_into(self, buffer: memoryview, /) -> int:
        if self._ahead:
            size = min(len(buffer), len(self._ahead))
            buffer[:size] = self._ahead[:size]
            del self._ahead[:size]
            return size
        return self._mail.sock.recv_into(buffer)

    def sendall(self, data: memoryview, /) -> None:
        self._mail.sock.sendall(data)

    def settimeout(self, seconds: float | None, /) -> None:
        self._mail.sock.settimeout(seconds)

    def selected(self, folder: str | None) -> None:
        """imaplib refuses commands that its state does not allow."""
        self._mail.state = "AUTH" if folder is None else "SELECTED"

    def close(self) -> None:
        """The connection is the caller's: it stays open, with its own time-out."""
        self._mail.sock.settimeout(self._timeout)


def _read_ahead(mail: imaplib.IMAP4) -> bytes:
    """Bytes in imaplib's buffer; there are none after a command but what a server volunteers."""
    mail.noop()
    chunks = getattr(mail, "_readbuf", None)
    if isinstance(chunks, list):  # Python 3.14
        ahead = b"".join(chunks)
        chunks.clear()
        return ahead
    file: Any = getattr(mail, "_file", None) or getattr(mail, "file", None)
    peek = getattr(file, "peek", None)
    if peek is None:
        return b""
    timeout = mail.sock.gettimeout()
    mail.sock.settimeout(0)  # peek reads when the buffer is empty; now it finds nothing instead
    try:
        return file.read1(len(peek())) if peek() else b""
    except (BlockingIOError, imaplib.IMAP4.error, OSError):
        return b""
    finally:
        mail.sock.settimeout(timeout)


_LINE = re.compile(rb"(\S+) (UID )?(\S+) ?(.*?)\r\n\Z", re.DOTALL)


class _Calls:
    """Commands by the methods of an imaplib-like object; answers as bytes of the wire."""

    def __init__(self, mail: Any):
        self._mail = mail
        self._answer = bytearray()

    def recv_into(self, buffer: memoryview, /) -> int:
        size = min(len(buffer), len(self._answer))
        buffer[:size] = self._answer[:size]
        del self._answer[:size]
        return size

    def settimeout(self, seconds: float | None, /) -> None:
        return

    def close(self) -> None:
        return

    def sendall(self, data: memoryview, /) -> None:
        found = _LINE.match(bytes(data))
        if not found:
            raise OSError("a command that cannot be passed on")
        tag, uid, verb, rest = found[1], found[2], found[3].decode(), found[4].decode()
        try:
            status, lines = self._call(bool(uid), verb.upper(), rest)
        except Exception as error:  # the object's own errors: imaplib's, a mock's, anything
            raise OSError(f"{verb}: {type(error).__name__}") from None
        self._answer += lines
        self._answer += b"%s %s done\r\n" % (tag, status)

    def _call(self, uid: bool, verb: str, rest: str) -> tuple[bytes, bytes]:
        if uid:
            status, data = self._mail.uid(verb, *_arguments(verb, rest))
            if verb in ("FETCH", "STORE"):
                return _status(status), _lines(b"* ", data, b" FETCH")
            prefix = b"* SEARCH "
        elif verb in ("SELECT", "EXAMINE"):
            return self._select(rest, verb == "EXAMINE")
        elif verb == "EXPUNGE":
            status, data = self._mail.expunge()
            return _status(status), b"".join(b"* %s EXPUNGE\r\n" % one for one in data if one)
        elif verb == "NOOP":
            return b"OK", b""
        elif verb == "LIST":
            status, data = self._mail.list()
            prefix = b"* LIST "
        else:
            return b"NO", b""
        return _status(status), _lines(prefix, data)

    def _select(self, name: str, read_only: bool) -> tuple[bytes, bytes]:
        status, data = self._mail.select(name, read_only)
        if _status(status) != b"OK":
            return _status(status), b""
        lines = b"* %s EXISTS\r\n" % (data[0] if data and data[0] else b"0")
        validity = None
        if hasattr(self._mail, "response"):
            answer = self._mail.response("UIDVALIDITY")
            validity = answer[1][0] if isinstance(answer, tuple) and answer[1] else None
        if not isinstance(validity, bytes) or not validity.isdigit():
            validity = b"1"  # an object that knows of none: its UIDs are taken as lasting
        lines += b"* OK [UIDVALIDITY %s]\r\n* OK [PERMANENTFLAGS (\\Deleted \\*)]\r\n" % validity
        return b"OK", lines


def _status(status: Any) -> bytes:
    text = status.encode() if isinstance(status, str) else bytes(status)
    return text.upper() if text.upper() in (b"OK", b"NO", b"BAD") else b"BAD"


def _lines(prefix: bytes, data: Any, name: bytes = b"") -> bytes:
    """Responses as imaplib gives them, in the form of the wire: `name` goes behind the number."""
    out = bytearray()
    is_open = False
    for item in data or ():
        if item is None:
            continue
        text = bytes(item[0] if isinstance(item, tuple) else item)
        if not is_open:
            number, _, rest = text.partition(b" ")
            text = prefix + (number + name + b" " + rest if name else text)
        out += text
        is_open = isinstance(item, tuple)
        if is_open:
            head = re.sub(rb"\{\d+\}\Z", b"", bytes(out[-30:]))
            out[-30:] = head + b"{%d}\r\n" % len(item[1]) + bytes(item[1])
        else:
            out += b"\r\n"
    return bytes(out)


def _arguments(verb: str, rest: str) -> list[str]:
    """Arguments as a caller of imaplib passes them: set, item, value."""
    if verb == "SEARCH":
        return [None, rest]  # type: ignore[list-item]
    return rest.split(" ", 2 if verb == "STORE" else 1)
