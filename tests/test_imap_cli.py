"""The command `imap`, TLS, and the password that is nowhere to be seen."""

import io
import json
import logging
import sqlite3
import sys
import traceback
import types
from contextlib import closing

import pytest
from breakable import Breakable
from dovecot import PASSWORD, USER, Dovecot, mails, needs_dovecot

from atlas_fast.cli import main
from atlas_fast.errors import ImapError, UsageError
from atlas_fast.sources.imap import credentials
from atlas_fast.sources.imap.connect import Server, is_loopback
from atlas_fast.sources.imap.secret import Secret

N = 60
GO = {i + 1 for i in range(N) if i % 3 == 0}
FILTER = ["--filter", "x-test: take-me"]


@pytest.fixture(scope="module")
def server():
    made = Dovecot()
    made.fill("small", mails(N))
    made.fill('"Spam &- more/&ZeVnLIqe-\\" q"', mails(3))
    yield made
    made.close()


@pytest.fixture
def at(server, tmp_path, monkeypatch):
    """Arguments that lead to the server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(credentials.PASSWORD_VARIABLE, PASSWORD)
    server.copy("small", "work")
    yield [USER, "--host", "127.0.0.1", "--port", str(server.port), "--no-tls"]
    server.drop("work")


def said(capsys):
    return json.loads(capsys.readouterr().out)


@needs_dovecot
def test_folders(at, capsys):
    assert main(["imap", "folders", *at, "--json"]) == 0
    found = {entry["name"]: entry["messages"] for entry in said(capsys)["folders"]}
    assert found["work"] == N and found['Spam & more/日本語" q'] == 3
    assert main(["imap", "folders", *at]) == 0
    assert '日本語" q' in capsys.readouterr().out


@needs_dovecot
def test_preview_run_restore(server, at, capsys):
    before = server.snapshot("work")
    assert main(["imap", "preview", *at, "work", *FILTER, "--json"]) == 0
    (report,) = said(capsys)["folders"]
    assert report["chosen"] >= len(GO) and report["removed"] == 0
    assert server.snapshot("work") == before
    arguments = ["imap", "run", *at, "work", *FILTER, "--yes", "--quarantine", "Held", "--json"]
    assert main(arguments) == 0
    (report,) = said(capsys)["folders"]
    assert report["outcomes"] == {"moved": report["chosen"]}
    assert not GO & set(server.snapshot("work"))
    assert main(["imap", "restore", *at, "--folder", "work", "--json"]) == 0
    assert said(capsys) == {"restored": report["chosen"], "problems": []}
    after = server.snapshot("work")
    assert sorted(d for _, d in after.values()) == sorted(d for _, d in before.values())
    server.drop("Held")


@needs_dovecot
def test_what_was_known_is_said(at, capsys, tmp_path):
    """Rows that are new, and messages that had theirs; in the run's own report too."""

    def numbers(*what):
        assert main(["imap", *what, *at, "work", *FILTER, "--json"]) == 0
        (report,) = said(capsys)["folders"]
        with closing(sqlite3.connect(tmp_path / "atlas.db")) as connection:
            (kept,) = connection.execute(
                "SELECT report FROM run_reports WHERE session_id = ?", (report["session_id"],)
            ).fetchone()
        told = json.loads(kept)
        found = report["messages"], report["known"], report["stored"]
        assert (told["messages"], told["known"], told["stored"]) == found
        assert told["looked"] == report["messages"]
        return (*found, report["chosen"])

    *first, chosen = numbers("preview")
    assert first == [N, 0, N] and chosen >= len(GO)
    assert numbers("preview") == (N, N, 0, chosen)
    assert numbers("run", "--yes") == (N, N - chosen, chosen, chosen)
    assert numbers("run", "--yes", "--headers-only") == (N - chosen, N - chosen, 0, 0)
    assert main(["imap", "preview", *at, "work"]) == 0
    assert f"0 new rows, {N - chosen} were there already" in capsys.readouterr().out


@needs_dovecot
def test_a_folder_with_an_odd_name(at, capsys):
    assert main(["imap", "preview", *at, 'Spam & more/日本語" q', "--json"]) == 0
    (report,) = said(capsys)["folders"]
    assert report["messages"] == 3 and report["folder"] == 'Spam & more/日本語" q'


@needs_dovecot
def test_run_asks(server, at, capsys, monkeypatch):
    before = server.snapshot("work")
    arguments = ["imap", "run", *at, "work", *FILTER]
    assert main(arguments) == 2  # no terminal, no --yes
    assert "--yes" in capsys.readouterr().err

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    assert main(arguments) == 0
    assert "not confirmed" in capsys.readouterr().out and server.snapshot("work") == before
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    assert main(arguments) == 0
    assert not GO & set(server.snapshot("work"))


@needs_dovecot
def test_one_folder_that_is_not_there(at, capsys):
    assert main(["imap", "preview", *at, "nowhere", "work", "--json"]) == 1
    out = capsys.readouterr()
    first, second = json.loads(out.out)["folders"]
    assert first["errors"] == 1 and second["messages"] == N and "nowhere" in out.err


# -- TLS -------------------------------------------------------------------------------------


@needs_dovecot
@pytest.mark.parametrize("how", [[], ["--starttls"]], ids=["tls", "starttls"])
def test_tls_checks_certificates(server, at, capsys, how):
    if server.ca is None:
        pytest.skip("no openssl to make a certificate with")
    port = server.port if how else server.tls_port
    to = [USER, "--host", "localhost", "--port", str(port), *how]
    assert main(["imap", "folders", *to]) == 1
    assert "certificate refused" in capsys.readouterr().err
    assert main(["imap", "folders", *to, "--ca", str(server.ca)]) == 0
    other = [USER, "--host", "127.0.0.1", *to[3:], "--ca", str(server.ca)]  # not the name it has
    assert main(["imap", "folders", *other]) == 1
    assert "certificate refused" in capsys.readouterr().err


@needs_dovecot
def test_words_before_the_encryption_are_not_read_as_encrypted(server):
    """A response that a man in the middle adds behind the answer to STARTTLS."""

    def edit(data, from_server):
        if from_server and b"Begin TLS" in data:
            return data + b"* CAPABILITY IMAP4rev1 EVIL\r\n"
        return data

    with Breakable(server.port, edit) as proxy, pytest.raises(ImapError, match="STARTTLS"):
        Server("localhost", USER, proxy.port, "starttls", ca=str(server.ca)).connect(Secret("x"))


def test_no_password_without_tls_but_to_this_machine():
    for host in (
        "imap.example.org",
        "localhost.example.org",
        "10.0.0.1",
        "::2",
        "127.evil.example",
    ):
        with pytest.raises(UsageError, match="without TLS"):
            Server(host, "ann", 143, "none")
        assert Server(host, "ann", 143, "none", plain=True).tls == "none"
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost.")))


# -- the password ----------------------------------------------------------------------------


def test_a_secret_does_not_show():
    secret = Secret(PASSWORD)
    shown = [repr(secret), str(secret), f"{secret!r:>40}", repr(secret.view()), repr([secret])]
    shown.append(repr(secret.line("ann", b"A1 ")))
    assert PASSWORD not in "".join(shown)
    assert bytes(secret.view()) == PASSWORD.encode() + b"\r\n"
    assert len(Secret("p\udc80\ud800")) == 3  # no error, whose text would have it
    with pytest.raises(TypeError):
        __import__("pickle").dumps(secret)


def hidden_forms():
    import base64

    plain = f"\0{USER}\0{PASSWORD}".encode()
    return [
        PASSWORD,
        base64.b64encode(plain).decode(),
        base64.b64encode(PASSWORD.encode()).decode(),
    ]


def assert_hidden(text):
    for form in hidden_forms():
        assert form not in text and form[4:-4] not in text


class Raises:
    """A stream that raises at its nth call, whatever that is."""

    def __init__(self, answers, at):
        self.left, self.answers = at, answers

    def _step(self):
        if self.left == 0:
            raise OSError(5, "Input/output error")
        self.left -= 1

    def settimeout(self, seconds, /):
        self._step()

    def sendall(self, view, /):
        self._step()

    def recv_into(self, buffer, /):
        self._step()
        piece = self.answers.pop(0) if self.answers else b""
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self):
        self._step()


LOGINS = {
    "plain": [b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] x\r\n", b"A1 OK\r\n"],
    "plain in two": [b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] x\r\n", b"+ \r\n", b"A1 OK\r\n"],
    "login": [b"* OK [CAPABILITY IMAP4rev1] x\r\n", b"+ \r\n", b"+ \r\n", b"A1 OK\r\n"],
    "refused": [
        b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] x\r\n",
        b"A1 NO [AUTHENTICATIONFAILED] wrong: correct-horse-battery\r\n",
    ],
    "told": [
        b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] x\r\n",
        b"* BYE no correct-horse-battery here\r\n",
    ],
}


@pytest.mark.parametrize("kind", LOGINS)
@pytest.mark.parametrize("at_call", range(0, 20))
def test_no_traceback_has_it(kind, at_call, caplog):
    """Raise at every step of a login: neither message, chain nor locals of any frame show it."""
    from atlas_fast.sources.imap.client import Client
    from atlas_fast.sources.imap.wire import Wire

    caplog.set_level(logging.DEBUG)
    client = Client(Wire(Raises(list(LOGINS[kind]), at_call), "example.org:993"))
    try:
        client.greet()
        client.login(USER, Secret(PASSWORD))
    except ImapError as error:
        whole = traceback.TracebackException.from_exception(error, capture_locals=True)
        text = "".join(whole.format())
        chained = error
        while (chained := chained.__context__ or chained.__cause__) is not None:
            one = traceback.TracebackException.from_exception(chained, capture_locals=True)
            text += "".join(one.format()) + repr(chained)
        assert_hidden(text)
    assert_hidden(caplog.text)


@needs_dovecot
def test_it_is_in_no_file_and_no_output(server, at, tmp_path, capfd, monkeypatch):
    assert main(["imap", "run", *at, "work", *FILTER, "--yes"]) == 0
    monkeypatch.setenv(credentials.PASSWORD_VARIABLE, PASSWORD + "-wrong")
    assert main(["imap", "run", *at, "work", "--yes"]) == 1
    out, err = capfd.readouterr()
    assert "login refused" in err
    assert_hidden(out + err)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
    with sqlite3.connect(tmp_path / "atlas.db") as connection:
        found = connection.execute("SELECT encrypted_password FROM accounts").fetchall()
    connection.close()
    assert set(found) <= {("",)}


def test_no_password_says_what_to_do(monkeypatch, capsys):
    monkeypatch.delenv(credentials.PASSWORD_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert main(["imap", "folders", "ann@gmail.com"]) == 2
    assert credentials.PASSWORD_VARIABLE in capsys.readouterr().err
    assert main(["imap", "folders", "ann@example.org"]) == 2
    assert "--host" in capsys.readouterr().err


def test_the_keyring(monkeypatch):
    monkeypatch.delenv(credentials.PASSWORD_VARIABLE, raising=False)
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})
    ring = types.ModuleType("keyring")
    ring.errors = errors
    ring.get_password = lambda service, user: {("atlas_fast", USER): PASSWORD}.get((service, user))
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert credentials.find_password(USER) == Secret(PASSWORD)
    with pytest.raises(UsageError, match="no password"):
        credentials.find_password("other@example.org")

    def locked(service, user):
        raise errors.KeyringError(PASSWORD)

    ring.get_password = locked
    with pytest.raises(UsageError) as caught:
        credentials.find_password(USER)
    assert_hidden(str(caught.value))
