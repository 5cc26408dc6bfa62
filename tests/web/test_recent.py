"""Answers that are given again: to whom, for how long, and what ends them."""

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest
from webrig import SPAM, Visitor, fill, mail

from atlas_fast import limits
from atlas_fast.store.views import reader
from atlas_fast.web import recent
from atlas_fast.web.recent import AGAIN_SECONDS, Recent
from atlas_fast.web.sessions import Session
from atlas_fast.web.settings import WebSettings


class App:
    """Counts, and answers with its count; `parts` of a body, and what the answer says of itself."""

    def __init__(self):
        self.asked, self.status, self.headers, self.parts = 0, 200, [], None
        self.passing, self.token, self.fails = False, b"", False

    async def __call__(self, scope, receive, send):
        self.asked += 1
        if self.fails:
            raise ZeroDivisionError
        if self.passing:
            scope["state"]["passing"] = True
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        parts = self.parts or [b"answer %d %s" % (self.asked, self.token)]
        for n, part in enumerate(parts):
            await send(
                {"type": "http.response.body", "body": part, "more_body": n + 1 < len(parts)}
            )


class Rig:
    def __init__(self):
        self.app, self.now, self.changes = App(), 0.0, 0
        self.recent = Recent(self.app, lambda: self.changes, lambda: self.now)

    def ask(self, path="/", query=b"", method="GET", host="a", session=None):
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query,
            "state": {"host": host, "session": session},
        }  # fmt: skip
        sent = []

        async def send(message):
            sent.append(message)

        asyncio.run(self.recent(scope, None, send))
        assert sent[0]["type"] == "http.response.start"
        return b"".join(one["body"] for one in sent[1:])

    def again(self, **more):
        """Is the second answer the first one?"""
        return self.ask(**more) == self.ask(**more)


@pytest.fixture
def rig():
    return Rig()


def test_an_address_is_answered_once_in_a_while(rig):
    assert rig.again() and rig.app.asked == 1
    rig.now = AGAIN_SECONDS - 0.01
    assert rig.again() and rig.app.asked == 1
    rig.now = AGAIN_SECONDS
    assert rig.ask() == b"answer 2 "


def session(token, kind="open"):
    return Session("x", kind, 1, token)


def test_other_addresses_names_and_kinds_of_sessions_have_their_own(rig):
    ask = [
        {}, {"path": "/x"}, {"query": b"a=1"}, {"host": "b"}, {"session": session("t")},
        {"session": session("t", "known")},
    ]  # fmt: skip
    assert len({rig.ask(**one) for one in ask}) == len(ask) == rig.app.asked
    assert len({rig.ask(**one) for one in ask}) == len(ask) == rig.app.asked


def test_each_session_has_its_own_token(rig):
    rig.app.token = b"0123456789"
    assert rig.ask(session=session("0123456789")) == b"answer 1 0123456789"
    assert rig.ask(session=session("9876543210")) == b"answer 1 9876543210"
    assert rig.app.asked == 1


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_a_change_ends_all(rig, method):
    rig.ask()
    rig.ask(method=method)
    assert rig.ask() == b"answer 3 "
    rig.changes += 1
    assert rig.ask() == b"answer 4 "


def test_what_was_made_while_something_changed_is_not_kept(rig):
    async def changed(scope, receive, send):
        rig.changes += 1
        await App.__call__(rig.app, scope, receive, send)

    rig.recent.app = changed
    assert not rig.again()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", 404), ("status", 503), ("headers", [(b"set-cookie", b"a=b")]),
        ("passing", True), ("parts", [b"a", b"b"]), ("parts", [b"a", b""]),
        ("parts", [b"x" * (limits.MAX_WEB_RECENT_ANSWER + 1)]),
    ],
)  # fmt: skip
def test_what_is_never_kept(rig, name, value):
    setattr(rig.app, name, value)
    rig.ask()
    rig.ask()
    assert rig.app.asked == 2 and not rig.recent._answers


def test_files_are_not_kept(rig):
    assert not rig.again(path="/static/x/app.css")


def test_nothing_is_more_than_half_a_second_behind():
    """What a page is made of may be kept, too."""
    assert AGAIN_SECONDS + reader.FRESH_SECONDS <= 0.5


def test_it_is_bounded(rig, monkeypatch):
    monkeypatch.setattr(recent, "MAX_WEB_RECENT", 20_000)
    rig.app.parts = [b"x" * 100]
    for n in range(50):
        rig.now += 0.001
        rig.ask(query=b"%04d" % n * 200)  # addresses take room, too
        kept = rig.recent._answers
        assert sum(len(one.body) + len(key[1]) for key, one in kept.items()) <= 20_000
        assert rig.recent._bytes == sum(recent._size(key, one) for key, one in kept.items())
    assert len(rig.recent._answers) == 10
    rig.app.parts = [b"x" * 40_000_000]
    rig.ask(query=b"large")
    assert len(rig.recent._answers) == 10  # what is not kept takes nobody's place
    rig.app.parts = [b"x" * 100]
    rig.now += AGAIN_SECONDS
    rig.ask()
    assert len(rig.recent._answers) == 1  # old ones go without being asked for


@pytest.fixture
def store(tmp_path):
    return fill(tmp_path, [mail(n) for n in range(5)] + [SPAM])


def test_a_page_after_a_change_of_ours_is_new(store):
    visitor = Visitor(store)
    assert "to delete" not in visitor.get("/messages").text.split("<tbody>")[1]
    visitor.post("/messages/mark", {"id": "1", "do": "delete"})
    assert "to delete" in visitor.get("/messages").text.split("<tbody>")[1]
    assert visitor.client.get("/api/emails/deletion-flagged").json()["total_count"] == 1
    visitor.post("/messages/mark", {"id": "1", "do": "unflag"})
    assert visitor.client.get("/api/emails/deletion-flagged").json()["total_count"] == 0


def test_another_visitor_gets_the_page_with_a_token_of_his_own(store):
    one = Visitor(store)
    other = Visitor.__new__(Visitor)
    other.__dict__ |= one.__dict__
    other.client = type(one.client)(
        one.app, base_url="http://localhost", follow_redirects=False,
        raise_server_exceptions=False, headers={"accept": "text/html"},
    )  # fmt: skip
    one.get("/messages")
    one.get("/messages")  # from now on it has its cookie
    mine = one.token
    other.get("/messages")
    other.get("/messages")
    assert other.token != mine
    assert one.post("/messages/mark", {"id": "1", "do": "right"}).status_code == 303
    assert other.post("/messages/mark", {"id": "1", "do": "right"}).status_code == 303


def test_what_another_program_wrote_is_seen_after_half_a_second(store):
    visitor = Visitor(store)
    assert "lunch 3" in visitor.get("/messages").text
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE processed_emails_bulletproof SET subject = 'dinner'")
        connection.commit()
    time.sleep(0.5)
    assert "dinner" in visitor.get("/messages").text


def test_who_is_not_logged_in_gets_nothing_of_it(store):
    from atlas_fast.web.sessions import hash_of

    secret = "a long enough secret"
    visitor = Visitor(store, WebSettings(login=hash_of(secret)))
    bearer = {"authorization": f"Bearer {secret}"}
    assert visitor.client.get("/api/emails/flagged", headers=bearer).status_code == 200
    assert visitor.client.get("/api/emails/flagged").status_code in (303, 401)


def test_a_change_that_fails_ends_what_is_kept(rig):
    """It may have changed something before it failed."""
    first = rig.ask()
    rig.app.fails = True
    with pytest.raises(ZeroDivisionError):
        rig.ask(method="POST")
    rig.app.fails = False
    assert rig.ask() != first
