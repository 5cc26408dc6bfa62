"""A store with mail, and the application over it, for the tests of the web interface."""

from __future__ import annotations

import mailbox
import re
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import httpx
import pytest

for _name in ("fastapi", "uvicorn", "jinja2", "argon2", "multipart", "plotly"):
    pytest.importorskip(_name, reason=f"{_name} is not installed (the extra web)")

with warnings.catch_warnings():  # newer versions name another package for the same client
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

from atlas_fast import triage  # noqa: E402
from atlas_fast.web.app import create_app  # noqa: E402
from atlas_fast.web.settings import WebSettings  # noqa: E402

HOST = "http://localhost"

SPAM = b"""Received: from x (x [41.0.0.1]) by mx.example.org; Mon, 5 Jan 2026 10:00:00 +0000
From: "Dr. Best" <best@cheap-meds.test>
To: you@example.com
Subject: FREE VIAGRA 80% OFF!!! Act now, risk free money
Content-Type: text/html

<html><a href="http://cheap-meds.test/buy">CLICK HERE</a> to order viagra cialis online pharmacy.
Limited time offer, 100% free, no prescription, you have won $1,000,000</html>
"""


def fill(where: Path, messages: list[bytes]) -> Path:
    """A store beside an mbox with these messages."""
    box = mailbox.mbox(str(where / "in.mbox"))
    for raw in messages:
        box.add(raw)
    box.close()
    store = where / "atlas.db"
    triage(str(where / "in.mbox"), store=store)
    return store


def mail(number: int = 0, subject: str = "lunch", sender: str = "Ann <ann@example.org>") -> bytes:
    return (
        "Received: from mail.example.net (mail.example.net [81.2.69.160]) by mx.example.org "
        f"with ESMTP id {number}; Mon, 5 Jan 2026 10:00:00 +0000\n"
        f"From: {sender}\nTo: bob@example.com\nSubject: {subject} {number}\n"
        f"Message-ID: <{number}@example.org>\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n\n"
        f"Shall we meet at http://cafe.example/{number} at noon?\n"
    ).encode()


def rows(store, query, *values):
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(query, values).fetchall()


class Visitor:
    """A browser without a screen: keeps cookies, names the page that it comes from."""

    def __init__(self, store: Path, settings: WebSettings | None = None):
        self.app = create_app(store, settings)
        self.client = TestClient(
            self.app, base_url=HOST, follow_redirects=False, raise_server_exceptions=False,
            headers={"accept": "text/html"},
        )  # fmt: skip
        self.text = ""

    def get(self, path: str, **more) -> httpx.Response:
        answer = self.client.get(path, **more)
        self.text = answer.text
        return answer

    @property
    def token(self) -> str:
        """Of the forms of the page that was read last."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.text)
        assert found, "the page has no form"
        return found[1]

    def post(self, path: str, data: dict | None = None, **more) -> httpx.Response:
        headers = {"origin": HOST} | more.pop("headers", {})
        return self.client.post(path, data={"csrf": self.token} | (data or {}), headers=headers,
                                **more)  # fmt: skip
