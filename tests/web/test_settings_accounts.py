"""What the pages Settings and Accounts do."""

import sqlite3
import time
from contextlib import closing

import pytest
from dovecot import PASSWORD, USER, Dovecot, needs_dovecot
from webrig import SPAM, Visitor, fill, mail, rows

from atlas_fast import decision, preferences, triage
from atlas_fast.errors import UsageError
from atlas_fast.preferences import Preferences
from atlas_fast.store import SqliteStore
from atlas_fast.web.jobs import Job, Jobs


@pytest.fixture
def store(tmp_path):
    return fill(tmp_path, [mail(n) for n in range(5)] + [SPAM])


@pytest.fixture
def visitor(store):
    return Visitor(store)


def test_settings(visitor, store):
    visitor.get("/settings")
    for name, data in (
        ("keywords", {"value": "lottery"}), ("whitelist", {"value": "@Example.ORG"}),
        ("protected", {"kind": "domain", "value": "bank.example"}), ("threshold", {"value": "70"}),
        ("relays", {"value": "192.0.2.0/24\n\nmx.example.org\n"}),
    ):  # fmt: skip
        assert visitor.post(f"/settings/{name}", data).headers["location"] == "/settings?done=saved"
    with closing(SqliteStore(store)) as opened:
        kept = preferences.read(opened)
    assert kept == Preferences(
        ["lottery"], ["example.org"], [("domain", "bank.example")], 0.7,
        ["192.0.2.0/24", "mx.example.org"], 0.0, 1.0,
    )  # fmt: skip
    page = visitor.get("/settings").text
    for said in ("lottery", "example.org", "bank.example", "70.0 %", "192.0.2.0/24"):
        assert said in page
    exported = visitor.client.get("/settings/export")
    assert "attachment" in exported.headers["content-disposition"]
    assert preferences.from_dict(exported.json()) == kept
    for name, data in (
        ("keywords", {"value": "lottery"}), ("whitelist", {"value": "example.org"}),
        ("protected", {"kind": "domain", "value": "bank.example"}),
    ):  # fmt: skip
        answer = visitor.post(f"/settings/{name}", data | {"do": "remove"})
        assert answer.headers["location"] == "/settings?done=removed"
    visitor.post("/settings/threshold", {"value": ""})
    with closing(SqliteStore(store)) as opened:
        assert preferences.read(opened) == Preferences(
            trusted_relays=["192.0.2.0/24", "mx.example.org"], percent=0.0, sample=1.0
        )
    files = {"file": ("x.json", exported.content, "application/json")}
    answer = visitor.post("/settings/import", files=files)
    assert answer.headers["location"] == "/settings?done=imported&n=3"
    with closing(SqliteStore(store)) as opened:
        assert preferences.read(opened) == kept


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("keywords", {"value": " "}), ("keywords", {"value": "x" * 300}),
        ("protected", {"kind": "nonsense", "value": "x"}), ("threshold", {"value": "x"}),
        ("threshold", {"value": "0"}), ("threshold", {"value": "101"}),
        ("threshold", {"value": "nan"}), ("relays", {"value": "300.1.1.1/99"}),
        ("rollout", {"percent": "5", "sample": "1"}), ("rollout", {"do": "promote"}),
        ("nonsense", {"value": "x"}),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(visitor, store, name, data):
    visitor.get("/settings")
    assert visitor.post(f"/settings/{name}", data).status_code == 400
    with closing(SqliteStore(store)) as opened:
        assert preferences.read(opened) == Preferences(percent=0.0, sample=1.0)


@pytest.mark.parametrize(
    "given",
    ["x", "[]", "{}", '{"format": "other"}', '{"format": "atlas_fast preferences 1", "x": 1}',
     '{"format": "atlas_fast preferences 1", "keywords": "x"}',
     '{"format": "atlas_fast preferences 1", "keywords": [1]}',
     '{"format": "atlas_fast preferences 1", "threshold": "1"}',
     '{"format": "atlas_fast preferences 1", "threshold": true}',
     '{"format": "atlas_fast preferences 1", "protected": [["x", "y"]]}',
     '{"format": "atlas_fast preferences 1", "trusted_relays": ["a b"]}'],
)  # fmt: skip
def test_imports_that_make_no_sense(visitor, store, given):
    visitor.get("/settings")
    assert visitor.post("/settings/import", {"text": given}).status_code == 400
    with closing(SqliteStore(store)) as opened:
        assert preferences.read(opened) == Preferences(percent=0.0, sample=1.0)


def test_rollout(visitor, store):
    from atlas_fast.classify.model import load_model

    model = store.parent / "candidate.npz"
    load_model().save(model)
    with closing(SqliteStore(store)) as opened:
        decision.set_rollout(opened, 10, candidate=model)
    assert "candidate.npz" in visitor.get("/settings").text
    visitor.post("/settings/rollout", {"percent": "25", "sample": "5"})
    with closing(SqliteStore(store)) as opened:
        assert decision.state_of(opened).percent == 25
    visitor.post("/settings/rollout", {"do": "promote"})
    with closing(SqliteStore(store)) as opened:
        assert decision.state_of(opened).candidate is None


def test_a_run_follows_threshold_and_relays(tmp_path):
    """What the page sets is what the next run does."""
    store = fill(tmp_path, [SPAM])
    assert rows(store, "SELECT action, sender_ip FROM processed_emails_bulletproof") == [
        ("DELETED", "41.0.0.1")
    ]
    two = tmp_path / "two"
    two.mkdir()
    with closing(SqliteStore(two / "atlas.db")) as opened:
        preferences.set_relays(opened, ["41.0.0.1"])
        preferences.set_threshold(opened, 0.999)
    raw = SPAM.replace(b"FREE VIAGRA 80% OFF!!! Act now, risk free money", b"lunch").split(b"\n\n")[
        0
    ]
    second = b"Received: from y (y [81.2.69.160]) by x; Mon, 5 Jan 2026 09:00:00 +0000"
    (two / "a.eml").write_bytes(raw.replace(b"\nFrom:", b"\n" + second + b"\nFrom:") + b"\n\nhi\n")
    triage(str(two / "a.eml"), store=two / "atlas.db")
    found = rows(two / "atlas.db", "SELECT sender_ip FROM processed_emails_bulletproof")
    assert found == [("81.2.69.160",)]
    judge = decision.make_judge()
    with closing(SqliteStore(two / "atlas.db")) as opened:
        decision.use_store(judge, opened, models=True)
        assert judge.model.threshold == 0.999
        preferences.set_threshold(opened, None)
        decision.use_store(judge, opened, models=True)
        assert judge.model.threshold < 0.999


# -- accounts


@pytest.fixture
def account(store):
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute(
            "INSERT INTO accounts (id, email_address, provider, host, port, encrypted_password, "
            "target_folders) VALUES (7, 'ann@example.org', 'generic', '127.0.0.1', 0, '', '[\"Junk\"]')"
        )
    return store


def wait_for(visitor, path, word):
    for _ in range(600):
        page = visitor.get(path).text
        if word in page:
            return page
        time.sleep(0.05)
    raise AssertionError(f"{word} did not appear")


def test_accounts(account, monkeypatch):
    from atlas_fast.accounts import connect
    from atlas_fast.web.pages import accounts

    def once(*arguments, **how):
        box = connect(*arguments, **how)
        box._retries = 0
        return box

    monkeypatch.setattr(accounts, "connect", once)
    monkeypatch.setenv("ATLAS_FAST_IMAP_PASSWORD", "x")
    visitor = Visitor(account)
    page = visitor.get("/accounts").text
    assert "ann@example.org" in page and "/accounts/1" not in page  # files are no account
    page = visitor.get("/accounts/7").text
    assert "Junk" in page and 'type="password"' not in page
    for path in ("/accounts/1", "/accounts/8", "/accounts/x"):
        assert visitor.get(path).status_code == 404
    visitor.get("/accounts/7")
    data = {"folders": "INBOX", "tls": "none", "port": "1"}  # where nobody listens
    answer = visitor.post("/accounts/7/run", data | {"do": "preview"})
    assert answer.headers["location"] == "/accounts/7?done=started"
    assert "127.0.0.1" in wait_for(visitor, "/accounts/7", "with 1 errors")


@needs_dovecot
def test_preview_and_process(store, monkeypatch):
    """Over IMAP: a preview changes nothing there, a run moves what is to go."""
    monkeypatch.setenv("ATLAS_FAST_IMAP_PASSWORD", PASSWORD)
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute(
            "INSERT INTO accounts (id, email_address, provider, host, port, encrypted_password) "
            "VALUES (7, ?, 'generic', '127.0.0.1', 0, '')", (USER,),
        )  # fmt: skip
    server = Dovecot()
    try:
        server.fill("work", [mail(1), SPAM, mail(2)])
        before = server.snapshot("work")
        visitor = Visitor(store)
        visitor.get("/accounts/7")
        data = {"folders": "work", "tls": "none", "port": str(server.port)}
        visitor.post("/accounts/7/run", data | {"do": "preview"})
        page = wait_for(visitor, "/accounts/7", "Done.")
        assert "Would go" in page and server.snapshot("work") == before
        more = {"do": "process", "sure": "yes", "quarantine": "Held"}
        visitor.post("/accounts/7/run", data | more)
        page = wait_for(visitor, "/accounts/7", "Chosen")
        page = wait_for(visitor, "/accounts/7", "Done.")
        assert "<dt>moved</dt><dd>1</dd>" in page
        assert len(server.snapshot("work")) == len(before) - 1
    finally:
        server.close()


def test_a_run_that_removes_needs_to_be_sure(account, monkeypatch):
    monkeypatch.setenv("ATLAS_FAST_IMAP_PASSWORD", "x")
    visitor = Visitor(account)
    visitor.get("/accounts/7")
    data = {"folders": "INBOX", "tls": "none", "port": "1"}
    assert visitor.post("/accounts/7/run", data | {"do": "process"}).status_code == 400
    for wrong in ({"folders": ""}, {"tls": "x"}, {"folders": "\n".join("x" * 60)}):
        assert visitor.post("/accounts/7/run", data | wrong).status_code == 400
    monkeypatch.delenv("ATLAS_FAST_IMAP_PASSWORD")
    monkeypatch.setattr("atlas_fast.sources.imap.credentials._from_keyring", lambda _: None)
    answer = visitor.post("/accounts/7/run", data | {"do": "preview"})
    assert answer.status_code == 400 and "no password" in answer.text


def test_the_server_of_an_account_is_the_stores(account, monkeypatch):
    """A form cannot send the password anywhere else."""
    from atlas_fast.web.pages import accounts

    asked = {}

    def connect(address, **how):
        asked.update(how, address=address)
        raise UsageError("enough")

    monkeypatch.setattr(accounts, "connect", connect)
    visitor = Visitor(account)
    visitor.get("/accounts/7")
    data = {"folders": "INBOX", "tls": "tls", "host": "evil.example", "address": "x@y"}
    visitor.post("/accounts/7/run", data)
    assert (asked["address"], asked["host"]) == ("ann@example.org", "127.0.0.1")


def test_one_job_an_account():
    import threading

    jobs, go = Jobs(), threading.Event()
    first = Job("a", ["x"], True)
    assert jobs.start(first, lambda job: [{"errors": int(not go.wait(10))}])
    assert not jobs.start(Job("a", ["x"], True), lambda job: [])
    assert jobs.start(Job("b", ["x"], True), lambda job: [])
    assert jobs.of("a") is first
    go.set()
    for _ in range(100):
        if not jobs.running:
            break
        time.sleep(0.02)
    assert (
        first.state == "done"
        and first.errors == 0
        and jobs.start(Job("a", ["x"], True), lambda job: [])
    )
