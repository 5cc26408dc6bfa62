"""Servers that do not keep to the protocol: a clear error, in bounded time and memory."""

import contextlib
import socket
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imaprig import rows

from atlas_fast import limits, triage
from atlas_fast.errors import ImapError
from atlas_fast.flags import Flag
from atlas_fast.sources.imap.client import Client
from atlas_fast.sources.imap.connect import Server
from atlas_fast.sources.imap.fetch import Reader
from atlas_fast.sources.imap.folder import ImapFolder
from atlas_fast.sources.imap.grammar import parse_numbers, parse_set, tokens, uid_sets
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.names import decode_name, encode_name, quoted
from atlas_fast.sources.imap.secret import Secret
from atlas_fast.sources.imap.wire import Lost, Wire
from atlas_fast.store.schema import MESSAGES

PASSWORD = "correct-horse-battery"


class Scripted:
    """A server that answers each command with what the script says; bytes, or a generator."""

    def __init__(self, answers, greeting=b"* OK hi\r\n"):
        self.answers = {
            b"CAPABILITY": b"* CAPABILITY IMAP4rev1 ESEARCH UIDPLUS\r\n{tag} OK\r\n",
            b"LOGIN": b"+ go\r\n",
            b"EXAMINE": b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n{tag} OK [READ-ONLY] x\r\n",
            b"UID SEARCH": b"* ESEARCH (TAG \"x\") UID ALL 1:3\r\n{tag} OK\r\n",
        } | answers  # fmt: skip
        self.greeting = greeting
        self.commands = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()
        self._sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _serve(self):
        while True:
            try:
                made, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(made)
            thread = threading.Thread(target=self._one, args=(made,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _one(self, made):
        with made, made.makefile("rb") as lines, contextlib.suppress(OSError):
            self._say(made, self.greeting, b"*")
            logging_in = 0
            tag = b"*"
            for line in lines:
                self.commands.append(line)
                if logging_in:
                    logging_in -= 1
                    made.sendall(b"+ go\r\n" if logging_in else tag + b" OK in\r\n")
                    continue
                tag, _, rest = line.strip().partition(b" ")
                if rest.startswith(b"LOGIN"):
                    logging_in = 2
                known = [name for name in self.answers if rest.startswith(name)]
                if known:
                    self._say(made, self.answers[max(known, key=len)], tag)

    @staticmethod
    def _say(made, answer, tag):
        pieces = [answer] if isinstance(answer, bytes) else answer()
        for piece in pieces:
            made.sendall(piece.replace(b"{tag}", tag))

    def mailbox(self, seconds=2.0):
        server = Server("127.0.0.1", "ann", self.port, "none", seconds=seconds)
        return Mailbox(
            lambda: server.connect(Secret(PASSWORD)), "ann", "127.0.0.1", retries=1,
            sleep=lambda _: None,
        )  # fmt: skip


def read(answers, seconds=2.0, greeting=b"* OK hi\r\n", headers_only=False, cut=None):
    """What a run over the scripted server gives: (places, bytes) of messages, the source. `cut`
    gets the places of those that have more."""
    with Scripted(answers, greeting) as server, server.mailbox(seconds) as box:
        source = ImapFolder(box, "INBOX")
        source.headers_only = headers_only
        got = []
        for b in source.batches(100, 1 << 24):
            got += zip(b.places, b, strict=True)
            if cut is not None:
                cut += [b.places[i] for i in np.flatnonzero(b.flags & np.uint32(Flag.MSG_CUT))]
        return got, source


def fetch(*pieces):
    return {b"UID FETCH": b"".join(pieces) + b"{tag} OK done\r\n"}


ONE = b"From: a@b\r\n\r\nx"
GOOD = b"".join(
    b"* %d FETCH (UID %d BODY[]<0> {%d}\r\n%s)\r\n" % (i, i, len(ONE), ONE) for i in (1, 2, 3)
)


def test_an_honest_server():
    got, source = read(fetch(GOOD))
    assert got == [(str(i), ONE) for i in (1, 2, 3)] and not source.problems


def endless(start, piece):
    def say():
        yield start
        while True:
            yield piece

    return {b"UID FETCH": say}


MIB = b"x" * (1 << 20)

HOSTILE = {
    "endless literal": endless(b"* 1 FETCH (UID 1 BODY[]<0> {99999999999}\r\n", MIB),
    "endless line": endless(b"* 1 FETCH (UID 1 ", MIB),
    "endless untagged lines": endless(b"", b"* 5 EXISTS\r\n" * 10_000),
    "endless lines of another kind": endless(b"", b"* X\r\n" * 10_000),
    "a million untagged lines": {
        b"UID FETCH": b"* 1 RECENT\r\n" * 1_000_000 + b"{tag} OK\r\n"
    },
    "bodies without end": endless(b"", GOOD * 100),
    "literal larger than asked": fetch(b"* 1 FETCH (UID 1 BODY[]<0> {70000}\r\n", b"x" * 70_000, b")\r\n"),
    "literal shorter than said": {b"UID FETCH": b"* 1 FETCH (UID 1 BODY[]<0> {50}\r\nabc)\r\n{tag} OK\r\n"},
    "literal longer than said": fetch(b"* 1 FETCH (UID 1 BODY[]<0> {3}\r\nabcdef)\r\n"),
    "NUL in a response": fetch(b"* 1 FETCH (UID 1 \0 BODY[]<0> {3}\r\nabc)\r\n"),
    "nested too deep": fetch(b"* 1 FETCH (UID 1 X " + b"(" * 5_000 + b"\r\n"),
    "many literals": fetch(b"* 1 FETCH (UID 1 X " + b"{1}\r\na " * 1_000 + b")\r\n"),
    "not closed": fetch(b"* 1 FETCH (UID 1 BODY[]<0> {3}\r\nabc\r\n"),
    "another tag": {b"UID FETCH": b"B99 OK done\r\n"},
    "BAD": {b"UID FETCH": b"{tag} BAD what\r\n"},
    "BYE": {b"UID FETCH": b"* BYE overloaded\r\n"},
    "closes": {b"UID FETCH": b"* BYE\r\n"},
    "rubbish": {b"UID FETCH": bytes(range(256)) * 100 + b"\r\n"},
    "a set of all UIDs": {b"UID SEARCH": b"* ESEARCH (TAG \"x\") UID ALL 1:4294967295\r\n{tag} OK\r\n"},
    "not a set": {b"UID SEARCH": b"* ESEARCH (TAG \"x\") UID ALL 1:3:5\r\n{tag} OK\r\n"},
    "numbers too large": {b"UID SEARCH": b"* SEARCH 99999999999999999999\r\n{tag} OK\r\n"},
    "no UIDVALIDITY": {b"EXAMINE": b"* 3 EXISTS\r\n{tag} OK\r\n"},
    "UIDVALIDITY zero": {b"EXAMINE": b"* OK [UIDVALIDITY 0] x\r\n{tag} OK\r\n"},
    "no such folder": {b"EXAMINE": b"{tag} NO [NONEXISTENT] no\r\n"},
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_ends_in_a_clear_error(name):
    tracemalloc.start()
    begin = time.monotonic()
    try:
        with pytest.raises(ImapError) as caught:
            read(HOSTILE[name], seconds=1.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert text.startswith(("127.0.0.1:", "INBOX", "folder")) and len(text) < 400
    assert text.isprintable() and PASSWORD not in text
    assert time.monotonic() - begin < 60
    assert peak < 160 << 20


def test_a_slow_drip():
    """A byte now and then is not enough to keep a command waiting for ever."""

    def drip():
        yield b"* 1 FETCH (UID 1 BODY[]<0> {60000}\r\n"
        while True:
            time.sleep(0.05)
            yield b"x"

    begin = time.monotonic()
    with pytest.raises(ImapError, match=r"slow|no answer"):
        read({b"UID FETCH": drip}, seconds=0.5)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    "greeting",
    [b"", b"* BYE go away\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 5000, b"* OK"],
)
def test_no_greeting(greeting):
    with pytest.raises(ImapError):
        read({}, seconds=0.5, greeting=greeting)


def test_other_forms_of_the_same_answer():
    """Order of items, attributes behind the literal, quoted bodies, answers not asked for."""
    got, source = read(
        fetch(
            b"* 9 FETCH (FLAGS (\\Seen) UID 3 BODY[]<0> {3}\r\nabc)\r\n",
            b"* 2 EXPUNGE\r\n* 4 FETCH (FLAGS (\\Deleted))\r\n",
            b'* 1 FETCH (BODY[]<0> "de\\"f" UID 1 FLAGS ())\r\n',
            b"* 5 FETCH (UID 77 BODY[]<0> {3}\r\nzzz)\r\n",
            b"* 1 fetch (uid 2 body[]<0> {3}\r\nghi x 5)\r\n",
            b"* OK {5}\r\n* 1 FETCH (UID 1 BODY[]<0> {3}\r\nyyy)\r\n",
        )
    )
    assert sorted(got) == [("1", b'de"f'), ("2", b"ghi"), ("3", b"abc")]
    assert source.problems == []


def test_what_is_left_out_is_asked_for_once_more_and_reported():
    with Scripted(
        {
            b"UID FETCH 1:3 (UID BODY": GOOD[: len(GOOD) // 3] + b"{tag} OK\r\n",
            b"UID SEARCH RETURN (ALL) UID 2:3": b"* ESEARCH UID ALL 2\r\n{tag} OK\r\n",
            b"UID FETCH 3 (UID FLAGS": b"{tag} OK\r\n",
            b"UID FETCH 2 (UID BODY": b"{tag} NO [SERVERBUG] broken\r\n",
            b"UID SEARCH RETURN (ALL) UID 2": b"* ESEARCH UID ALL 2\r\n{tag} OK\r\n",
        }
    ) as server, server.mailbox() as box:  # fmt: skip
        source = ImapFolder(box, "INBOX")
        places = [place for batch in source.batches(100, 1 << 24) for place in batch.places]
    assert places == ["1"] and source.vanished == 1
    assert len(source.problems) == 1 and "broken" in source.problems[0]


def test_a_long_header_section_is_fetched_again():
    long = b"X: " + b"y" * 90_000 + b"\r\n\r\nbody"
    first = long[: limits.IMAP_BODY_BYTES + 1]
    got, _ = read(
        {
            b"UID FETCH 1:3": b"* 1 FETCH (UID 1 BODY[]<0> {%d}\r\n%s)\r\n" % (len(first), first)
            + GOOD[len(GOOD) // 3 :] + b"{tag} OK\r\n",
            b"UID FETCH 1 ": b"* 1 FETCH (UID 1 BODY[]<0> {%d}\r\n%s)\r\n{tag} OK\r\n" % (len(long), long),
        }
    )  # fmt: skip
    assert dict(got)["1"] == long and len(got) == 3


def test_other_forms_of_header_sections():
    """Sizes before and behind; a server that sends the body all the same."""
    head, cut = b"From: a@b\r\n\r\n", []
    got, source = read(
        fetch(
            b"* 1 FETCH (UID 1 RFC822.SIZE 99 BODY[HEADER]<0> {%d}\r\n%s)\r\n" % (len(head), head),
            b"* 2 FETCH (BODY[HEADER]<0> {%d}\r\n%s RFC822.SIZE 9 UID 2)\r\n" % (len(head), head),
            b"* 3 FETCH (RFC822.SIZE {2}\r\n99 UID 3 BODY[]<0> {%d}\r\n%s)\r\n" % (len(ONE), ONE),
        ),
        headers_only=True,
        cut=cut,
    )
    assert sorted(got) == [("1", head), ("2", head), ("3", ONE)] and not source.problems
    assert sorted(cut) == ["1", "3"]


def test_header_sections_without_sizes(tmp_path):
    """A server without RFC822.SIZE: whether there is a body is unknown, and no message is said to
    be cut; one whose body comes all the same is."""
    head = b"From: a@b\r\nSubject: s\r\n\r\n"
    section = b"BODY[HEADER]<0> {%d}\r\n%s" % (len(head), head)
    answers = fetch(
        b"* 1 FETCH (UID 1 %s)\r\n" % section,
        b"* 2 FETCH (UID 2 RFC822.SIZE NIL %s)\r\n" % section,
        b"* 3 FETCH (%s UID 3 RFC822.SIZE many)\r\n" % section,
        b"* 4 FETCH (UID 4 BODY[]<0> {%d}\r\n%s)\r\n" % (len(head) + 1, head + b"x"),
    ) | {b"UID SEARCH": b'* ESEARCH (TAG "x") UID ALL 1:4\r\n{tag} OK\r\n'}
    cut = []
    got, source = read(answers, headers_only=True, cut=cut)
    assert sorted(got) == [*((uid, head) for uid in "123"), ("4", head + b"x")]
    assert not source.problems and not cut
    with Scripted(answers) as server, server.mailbox() as box:
        report = triage(ImapFolder(box, "INBOX"), tmp_path / "x.db", headers_only=True)
    assert (report.messages, report.stored, report.errors) == (4, 4, 0)
    found = rows(tmp_path / "x.db", f"SELECT uid, subject, flags FROM {MESSAGES} ORDER BY uid")
    assert found == [*((uid, "s", 0) for uid in "123"), ("4", "s", int(Flag.MSG_CUT))]


# -- grammar ---------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_tokens_are_total(raw):
    with contextlib.suppress(ValueError):
        assert isinstance(tokens(raw), list)


@given(st.binary(max_size=100))
def test_sets_are_total(raw):
    for parse in (parse_set, parse_numbers):
        with contextlib.suppress(ValueError):
            assert parse(raw, 1000).dtype == np.uint32


@given(st.lists(st.integers(1, 60), unique=True), st.integers(1, 20))
def test_sets_come_back(uids, most):
    back = []
    for text, number in uid_sets(uids, most):
        found = parse_set(text, 100).tolist()
        assert len(found) == number <= most
        back += found
    assert sorted(back) == sorted(uids)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1))
def test_sets_as_a_plain_reading_has_them(pairs):
    plain, parts = [], []
    for a, b in pairs:
        parts.append(b"%d:%d" % (a, b) if a != b else b"%d" % a)
        plain += range(min(a, b), max(a, b) + 1)
    assert parse_set(b",".join(parts), 10_000).tolist() == plain


@given(st.text(st.characters(codec=None)))
def test_names_come_back(name):
    raw = encode_name(name)
    assert raw.isascii() and all(0x20 <= byte < 0x7F for byte in raw)
    assert decode_name(raw) == name
    assert quoted(raw)[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\") == raw


@given(st.binary())
def test_any_bytes_are_a_name(raw):
    assert isinstance(decode_name(raw), str)


def test_names_of_the_standard():
    assert encode_name("~peter/mail/台北/日本語") == b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert decode_name(b"Entw&APw-rfe &- more") == "Entwürfe & more"
    assert decode_name(b"&Jjo!") == "&Jjo!" and decode_name("ü".encode()) == "ü"


def test_a_name_cannot_carry_a_command():
    client = Client(Wire(NoStream(), "none"))
    assert client.name('a"\r\nA1 DELETE INBOX\0') == b'"a\\"&AA0ACg-A1 DELETE INBOX&AAA-"'


class NoStream:
    def settimeout(self, seconds, /):
        return

    def close(self):
        return


@given(st.lists(st.binary(max_size=40), max_size=20), st.binary(max_size=400))
def test_the_reader_is_total(pieces, rest):
    """Any bytes after a FETCH: blocks or an error, never something else."""
    data = b"".join(pieces) + GOOD + rest
    with contextlib.suppress(ImapError):
        for block in reader_of(data, [7, 100_000]):
            for start, stop in zip(block.starts, block.stops, strict=True):
                assert 0 <= start <= stop <= len(block.raw)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
def test_the_reader_does_not_care_how_bytes_come(step):
    blocks = list(reader_of(GOOD + b"A1 OK done\r\n", [step]))
    assert [bytes(b.raw[i:j]) for b in blocks for i, j in zip(b.starts, b.stops, strict=True)] == [
        ONE
    ] * 3


def reader_of(data, steps):
    class Pieces(NoStream):
        at, turn = 0, 0

        def recv_into(self, buffer, /):
            step = steps[self.turn % len(steps)]
            self.turn += 1
            piece = data[self.at : self.at + min(step, len(buffer))]
            buffer[: len(piece)] = piece
            self.at += len(piece)
            return len(piece)

        def sendall(self, view, /):
            return

    client = Client(Wire(Pieces(), "pieces"))
    return Reader(client, np.array([1, 2, 3], np.uint32), 1000, 100, 1 << 16)


def test_lost_is_what_may_be_tried_again():
    with pytest.raises(Lost):
        list(reader_of(GOOD, [100]))
