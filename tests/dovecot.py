"""The server of the tests, and mail for it."""

from __future__ import annotations

import pytest

from atlas_fast.bench.dovecot import DOVECOT, PASSWORD, USER, Dovecot

__all__ = ["PASSWORD", "USER", "Dovecot", "mail", "mails", "needs_dovecot"]

needs_dovecot = pytest.mark.skipif(
    DOVECOT is None, reason="no dovecot: apt-get install dovecot-imapd"
)


def mail(number: int, *, go: bool = False, size: int = 400) -> bytes:
    """A message; with `go` it has the field that the tests' filter looks for."""
    mark = b"X-Test: take-me\r\n" if go else b""
    text = b"line %d of the text\r\n" % number
    return (
        b"From: Ann <ann%d@example.org>\r\nTo: bob@example.org\r\nSubject: message %d\r\n"
        b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\nMessage-ID: <%d.test@example.org>\r\n%s\r\n%s"
        % (number % 7, number, number, mark, text * max(1, size // len(text)))
    )


def mails(n: int, every: int = 3) -> list[bytes]:
    """n messages of different sizes; each `every`th is to go."""
    return [mail(i, go=i % every == 0, size=100 + (i * 37) % 3000) for i in range(n)]
