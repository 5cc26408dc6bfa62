"""Commands of IMAP4rev1 (RFC 3501) and the extensions that are of use here.

ESEARCH (4731), UIDPLUS (4315), MOVE (6851), LITERAL+ and SASL-IR where the server has them.
One `Client` belongs to one thread at a time. What the server says goes into errors cleaned and
cut; what it says about a login does not, as it might repeat the password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from atlas_fast import limits
from atlas_fast.errors import ImapError
from atlas_fast.sources.imap.grammar import parse_numbers, parse_set, tokens, uid_sets
from atlas_fast.sources.imap.names import decode_name, encode_name, quoted
from atlas_fast.sources.imap.secret import Secret
from atlas_fast.sources.imap.wire import Lost, Refused, Wire

__all__ = ["Client", "Folder", "Moved", "Selected"]

Untagged = Callable[[bytes], None]

_TAGGED = re.compile(rb"([A-Za-z0-9.]+) (OK|NO|BAD)\b ?(?:\[([^\]\r\n]*)\])?", re.IGNORECASE)
_STATUS = re.compile(rb"\* (OK|NO|BAD|BYE|PREAUTH)\b ?(?:\[([^\]\r\n]*)\])?", re.IGNORECASE)
_COPYUID = re.compile(rb"COPYUID (\d{1,10}) ([\d:,]+) ([\d:,]+)\Z", re.IGNORECASE)
LOGIN_CODES = frozenset(
    (
        "authenticationfailed",
        "authorizationfailed",
        "expired",
        "privacyrequired",
        "unavailable",
        "contactadmin",
        "limit",
        "alert",
    )
)
"""Response codes of a refused login that are repeated in the error."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox of a LIST answer; `raw` is its name on the wire."""

    name: str
    raw: bytes
    flags: frozenset[str]

    @property
    def selectable(self) -> bool:
        return not self.flags & {"\\noselect", "\\nonexistent"}


@dataclass(slots=True)
class Selected:
    """A selected mailbox. `permanent`: flags that can be set for good, lower case."""

    name: str
    exists: int = 0
    uidvalidity: int = 0
    read_only: bool = True
    permanent: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Moved:
    """Where messages went: UIDVALIDITY of the target folder, new UIDs by old ones."""

    uidvalidity: int
    uids: dict[int, int]


class Client:
    """A connection and what is known about it. Errors are ImapError and its kinds in `wire`.

    `owned`: the session is ours to end; `on_select` hears of the selected folder, or None.
    """

    def __init__(self, wire: Wire, tag: str = "A", *, owned: bool = True):
        self.wire = wire
        self.owned = owned
        self.on_select: Callable[[str | None], None] | None = None
        self.capabilities: frozenset[str] = frozenset()
        self.selected: Selected | None = None
        self._tag, self._number = tag, 0
        self._raw_names: dict[str, bytes] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- commands ----------------------------------------------------------------------------

    def tag(self) -> bytes:
        self._number += 1
        return b"%s%d" % (self._tag.encode(), self._number)

    def command(self, line: bytes, untagged: Untagged | None = None) -> str:
        """Send one command, hand its untagged responses on; returns the text of the OK's code.

        Raises Refused for NO and BAD.
        """
        tag = self.tag()
        self.wire.begin()
        self.wire.send(b"%s %s\r\n" % (tag, line))
        return self.finish(tag, line.split(b" ", 1)[0], untagged)

    def finish(self, tag: bytes, what: bytes, untagged: Untagged | None = None) -> str:
        """Read responses up to the tagged one."""
        count = 0
        while True:
            response = self._response()
            if not response.startswith(b"*"):
                return self.tagged(response, tag, what)
            count += 1
            if count > limits.IMAP_LINES:
                self.wire.broken = True
                raise self._error(f"more than {limits.IMAP_LINES} responses to one command")
            self.notice(response)
            if untagged is not None:
                try:
                    untagged(response)
                except ValueError as error:
                    self.wire.broken = True
                    raise self._error(f"a response that cannot be read: {error}") from None

    def _response(self) -> bytes:
        """The next response as bytes, taken out of the buffer."""
        wire = self.wire
        size, _ = wire.frame()
        response = bytes(memoryview(wire.raw)[wire.start : wire.start + size])
        wire.start += size
        if wire.start == wire.stop:
            wire.start = wire.stop = 0
        return response

    def tagged(self, response: bytes, tag: bytes, what: bytes) -> str:
        """The code of a tagged OK; Refused for NO and BAD, ImapError for another tag."""
        found = _TAGGED.match(response)
        if not found or found[1] != tag:
            self.wire.broken = True
            raise self._error("an answer to a command that was not sent")
        code = (found[3] or b"").decode("ascii", "replace")
        if found[2].upper() == b"OK":
            return code
        text = printable(response[found.end() :])
        kind = code.partition(" ")[0].lower()
        text = f"{self.wire.name}: {what.decode()} refused: {text or kind or 'NO'}"
        raise Refused(text, kind, bad=found[2].upper() == b"BAD")

    def notice(self, response: bytes) -> None:
        """What may come at any time: BYE, CAPABILITY, EXISTS."""
        head = response[:16].upper()
        if head.startswith(b"* BYE"):
            self.wire.broken = True
            raise self._lost(f"the server ended the session: {printable(response[5:])}")
        if head.startswith(b"* CAPABILITY"):
            self._capable(response[12:])
        elif self.selected is not None and response.rstrip().upper().endswith(b" EXISTS"):
            number = response.split()[1]
            if number.isdigit():
                self.selected.exists = int(number[:10])

    def _capable(self, text: bytes) -> None:
        words = text[: 1 << 14].decode("ascii", "replace").upper().split()
        self.capabilities = frozenset(words)

    def _error(self, text: str) -> ImapError:
        return ImapError(f"{self.wire.name}: {text}")

    def _lost(self, text: str) -> ImapError:
        return Lost(f"{self.wire.name}: {text}")

    # -- session -----------------------------------------------------------------------------

    def greet(self) -> None:
        """Read the greeting."""
        self.wire.begin()
        response = self._response()
        found = _STATUS.match(response)
        if not found or found[1].upper() not in (b"OK", b"PREAUTH"):
            self.wire.broken = True
            raise self._error("is no IMAP server, or refuses to serve")
        if found[2] and found[2].upper().startswith(b"CAPABILITY "):
            self._capable(found[2][11:])

    def ask_capabilities(self) -> None:
        self.command(b"CAPABILITY")

    def login(self, user: str, password: Secret) -> None:
        """AUTHENTICATE PLAIN where the server has it, else LOGIN.

        Its answers are in no error, and in no frame of one: they might repeat the password.
        """
        if not self.capabilities:
            self.ask_capabilities()
        failure = self._try_login(user, password)
        if failure is not None:
            raise failure
        self.ask_capabilities()

    def _try_login(self, user: str, password: Secret) -> ImapError | None:
        try:
            if "AUTH=PLAIN" in self.capabilities:
                self._plain(user, password)
            elif "LOGINDISABLED" in self.capabilities:
                return self._error("the server takes no password on this connection")
            else:
                self._login(user, password)
        except Refused as error:
            code = f" ({error.code})" if error.code in LOGIN_CODES else ""
            return Refused(f"{self.wire.name}: login refused{code}", error.code)
        except Lost:
            return self._lost("the connection was lost during the login")
        except ImapError:
            return self._error("the server does not keep to the protocol of a login")
        return None

    def _plain(self, user: str, password: Secret) -> None:
        tag = self.tag()
        self.wire.begin()
        start = b"%s AUTHENTICATE PLAIN" % tag
        if "SASL-IR" in self.capabilities:
            self.wire.send(password.line(user, start + b" "))
        else:
            self.wire.send(start + b"\r\n")
            self._go_ahead(tag, b"AUTHENTICATE")
            self.wire.send(password.line(user, b""))
        self.finish(tag, b"AUTHENTICATE")

    def _login(self, user: str, password: Secret) -> None:
        tag = self.tag()
        self.wire.begin()
        name = user.encode()
        self.wire.send(b"%s LOGIN {%d}\r\n" % (tag, len(name)))
        self._go_ahead(tag, b"LOGIN")
        self.wire.send(name + b" {%d}\r\n" % len(password))
        self._go_ahead(tag, b"LOGIN")
        self.wire.send(password.view())
        self.finish(tag, b"LOGIN")

    def _go_ahead(self, tag: bytes, what: bytes) -> None:
        """Wait for the `+` of a continuation."""
        for _ in range(limits.IMAP_LITERALS):
            response = self._response()
            if response.startswith(b"+"):
                return
            if not response.startswith(b"*"):
                self.tagged(response, tag, what)
                break
            self.notice(response)
        self.wire.broken = True
        raise self._error(f"{what.decode()}: no continuation where one is due")

    def noop(self) -> None:
        self.command(b"NOOP")

    def close(self) -> None:
        """End the session if it is ours and can still be ended, and let go; never raises."""
        if self.owned and not self.wire.broken:
            try:
                self.wire.begin()
                self.wire.send(self.tag() + b" LOGOUT\r\n")
            except ImapError:
                pass
        self.wire.close()

    # -- folders -----------------------------------------------------------------------------

    def folders(self) -> list[Folder]:
        """Every folder, as LIST names them."""
        found: list[Folder] = []

        def each(response: bytes) -> None:
            values = tokens(response)
            if len(values) < 5 or not isinstance(values[1], bytes) or values[1].upper() != b"LIST":
                return
            flags, raw = values[2], values[4]
            if not isinstance(flags, list) or not isinstance(raw, bytes):
                raise ValueError("a LIST response without flags or name")
            if len(found) >= limits.IMAP_FOLDERS:
                raise ValueError(f"more than {limits.IMAP_FOLDERS} folders")
            names = frozenset(f.decode("ascii", "replace").lower() for f in flags if f)  # type: ignore[union-attr]
            found.append(Folder(decode_name(raw), raw, names))

        self.command(b'LIST "" "*"', each)
        self._raw_names = {f.name: f.raw for f in found if encode_name(f.name) != f.raw}
        return found

    def name(self, folder: str) -> bytes:
        """A folder name as an argument."""
        raw = self._raw_names.get(folder) or encode_name(folder)
        try:
            return quoted(raw)
        except ValueError:
            raise self._error(f"a folder name that cannot be sent: {folder!r}") from None

    def count(self, folder: str) -> int:
        """Messages in a folder, by STATUS; the selected folder is not changed."""
        answer = [0]

        def each(response: bytes) -> None:
            values = tokens(response)
            if len(values) >= 4 and values[1] == b"STATUS" and isinstance(values[-1], list):
                pairs = values[-1]
                if len(pairs) == 2 and isinstance(pairs[1], bytes) and pairs[1].isdigit():
                    answer[0] = int(pairs[1][:12])

        self.command(b"STATUS %s (MESSAGES)" % self.name(folder), each)
        return answer[0]

    def create(self, folder: str) -> None:
        """Make a folder; one that is there already is no error."""
        try:
            self.command(b"CREATE %s" % self.name(folder))
        except Refused as error:
            if error.code == "alreadyexists":
                return
            if not any(found.name == folder for found in self.folders()):
                raise

    def select(self, folder: str, *, read_only: bool) -> Selected:
        """EXAMINE or SELECT. Raises Refused when there is no such folder."""
        now = Selected(folder)
        self.selected = now
        uidvalidity: list[int] = []

        def each(response: bytes) -> None:
            found = _STATUS.match(response)
            if not found or not found[2]:
                return
            word, _, rest = found[2].partition(b" ")
            word = word.upper()
            if word == b"UIDVALIDITY" and rest.isdigit():
                uidvalidity.append(int(rest[:12]))
            elif word == b"PERMANENTFLAGS":
                now.permanent = frozenset(
                    rest.strip(b"()").decode("ascii", "replace").lower().split()
                )

        verb = b"EXAMINE" if read_only else b"SELECT"
        try:
            code = self.command(b"%s %s" % (verb, self.name(folder)), each)
        except BaseException:
            self.selected = None
            raise
        finally:
            if self.on_select is not None:
                self.on_select(None if self.selected is None else folder)
        if not uidvalidity or not 0 < uidvalidity[-1] <= 0xFFFFFFFF:
            raise self._error(f"folder {folder!r}: the server gives no UIDVALIDITY")
        now.uidvalidity = uidvalidity[-1]
        now.read_only = read_only or "READ-ONLY" in code.upper()
        return now

    # -- messages ----------------------------------------------------------------------------

    def search(self, criteria: bytes, most: int = limits.IMAP_MESSAGES) -> np.ndarray:
        """UIDs that match, uint32, ascending."""
        found: list[np.ndarray] = []
        extended = "ESEARCH" in self.capabilities

        def each(response: bytes) -> None:
            if response[:9].upper() == b"* ESEARCH":
                values = tokens(response)
                for name, value in pairwise(values):
                    if isinstance(name, bytes) and name.upper() == b"ALL" and value is not None:
                        if not isinstance(value, bytes):
                            raise ValueError("a set that is a list")
                        found.append(parse_set(value, most))
            elif response[:8].upper() == b"* SEARCH":
                found.append(parse_numbers(response[8:], most))

        returning = b"RETURN (ALL) " if extended else b""
        self.command(b"UID SEARCH " + returning + criteria, each)
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.uint32)

    def present(self, uids: Sequence[int]) -> set[int]:
        """Those that are there: what SEARCH does not name, FETCH is asked for before it is gone."""
        wanted = {int(uid) for uid in uids}
        there: set[int] = set()
        for text, _ in uid_sets(sorted(wanted)):
            there.update(self.search(b"UID " + text).tolist())
        there &= wanted
        return there | set(self.flags(sorted(wanted - there)))

    def flags(self, uids: Sequence[int] | np.ndarray) -> dict[int, frozenset[str]]:
        """Flags, lower case, by UID of those messages that are still there."""
        wanted = {int(uid) for uid in uids}
        there: dict[int, frozenset[str]] = {}

        def each(response: bytes) -> None:
            values = tokens(response)
            if len(values) != 4 or not isinstance(values[3], list):
                return
            items = values[3]
            pairs = {
                name.upper(): value
                for name, value in zip(items[::2], items[1::2], strict=False)
                if isinstance(name, bytes)
            }
            uid, flags = pairs.get(b"UID"), pairs.get(b"FLAGS")
            if not isinstance(uid, bytes) or not uid.isdigit() or not isinstance(flags, list):
                return
            if int(uid) in wanted:
                names = (
                    f.decode("ascii", "replace").lower() for f in flags if isinstance(f, bytes)
                )
                there[int(uid)] = frozenset(names)

        for text, _ in uid_sets(uids):
            self.command(b"UID FETCH %s (UID FLAGS)" % text, each)
        return there

    def store(self, uids: bytes, flags: bytes, *, add: bool, parentheses: bool = True) -> None:
        """Set or take flags off a set of messages."""
        listed = b"(%s)" % flags if parentheses else flags
        self.command(b"UID STORE %s %sFLAGS.SILENT %s" % (uids, b"+" if add else b"-", listed))

    def move(self, uids: bytes, target: str) -> Moved | None:
        """Move, or copy where there is no MOVE, to another folder; None where UIDs are not told."""
        verb = b"MOVE" if "MOVE" in self.capabilities else b"COPY"
        told: list[Moved] = []

        def note(code: bytes) -> None:
            found = _COPYUID.match(code)
            if found:
                old, new = (parse_set(text, 1 << 20).tolist() for text in (found[2], found[3]))
                if len(old) == len(new):
                    told.append(Moved(int(found[1]), dict(zip(old, new, strict=True))))

        def each(response: bytes) -> None:
            found = _STATUS.match(response)
            if found and found[2]:
                note(found[2])

        note(self.command(b"UID %s %s %s" % (verb, uids, self.name(target)), each).encode())
        return told[-1] if told else None


def printable(raw: bytes, most: int = 200) -> str:
    """Words of a server for an error message: one line, printable, cut."""
    text = raw[: 4 * most].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text).strip()[:most]
