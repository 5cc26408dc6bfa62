"""What the pages say and do, over a small store of real shape."""

import csv
import io
import json
import re
import sqlite3
import time
from contextlib import closing
from importlib import import_module

import pytest
from webrig import SPAM, Visitor, fill, mail, rows

from atlas_fast import triage
from atlas_fast.errors import UsageError
from atlas_fast.observe.live import LiveFile, live_folder
from atlas_fast.store import SqliteStore
from atlas_fast.store.views import Filter, StoreReader
from atlas_fast.web import download
from atlas_fast.web.charts import Chart, Series
from atlas_fast.web.escape import confidence, number, percent, seconds, shown, size
from atlas_fast.web.pages.performance import figures_of
from atlas_fast.web.render import PLACES, query
from atlas_fast.web.settings import WebSettings

PATHS = [path for _, path in PLACES]
LISTS = import_module("atlas_fast.store.views.messages")  # the package has a function of this name


@pytest.fixture
def store(tmp_path):
    return fill(tmp_path, [mail(n) for n in range(60)] + [SPAM])


@pytest.fixture
def visitor(store):
    return Visitor(store)


@pytest.mark.parametrize("path", PATHS)
def test_there_is_no_store_yet(tmp_path, path):
    """And a page makes none."""
    visitor = Visitor(tmp_path / "none.db")
    answer = visitor.get(path)
    assert answer.status_code == 200
    assert "There is no store yet" in answer.text and "atlas-fast run" in answer.text
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_file(tmp_path, path):
    (tmp_path / "empty.db").touch()
    answer = Visitor(tmp_path / "empty.db").get(path)
    assert answer.status_code == 200 and "The store is empty" in answer.text


EMPTY = {
    "/": "Nothing has been stored yet", "/performance": "No run has left figures yet",
    "/messages": "Nothing has been stored yet", "/analytics": "Nothing to show yet",
    "/validation": "Nothing is waiting", "/runs": "No run yet", "/accounts": "No account yet",
    "/settings": "None.",
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_store_without_mail(tmp_path, path):
    SqliteStore(tmp_path / "new.db").close()
    answer = Visitor(tmp_path / "new.db").get(path)
    assert answer.status_code == 200 and EMPTY[path] in answer.text


def test_what_is_no_store(tmp_path):
    (tmp_path / "x.db").write_bytes(b"this is a text, not a database " * 100)
    answer = Visitor(tmp_path / "x.db").get("/")
    assert answer.status_code == 503 and "does not work now" in answer.text
    with pytest.raises(UsageError, match="SQLite"):
        Visitor("postgresql://x/y")


def test_the_store_comes_while_the_server_is_up(tmp_path):
    visitor = Visitor(tmp_path / "atlas.db")
    assert "There is no store yet" in visitor.get("/").text
    fill(tmp_path, [mail()])
    assert "Newest messages" in visitor.get("/").text


def test_overview(visitor):
    page = visitor.get("/").text
    for said in (
        "61",
        "Categories a day",
        "Last runs",
        "Newest messages",
        "lunch 59",
        "ended",
        "Not Spam",
    ):
        assert said in page
    assert visitor.get("/?days=7").text.count('aria-current="true"') == 1
    assert visitor.get("/?days=nonsense").status_code == 200


def test_list_goes_from_page_to_page(visitor):
    seen, path = [], "/messages"
    while path:
        page = visitor.get(path).text
        seen += re.findall(r'href="/messages/(\d+)"', page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else None
    assert [int(one) for one in seen] == list(range(61, 0, -1))


def test_filters(visitor):
    def found(**asked):
        return len(re.findall(r'href="/messages/\d+"', visitor.get("/messages", params=asked).text))

    assert found(action="DELETED") == 1 == found(domain="cheap-meds.test")
    assert found(text="viagra") == 1 == found(sender="best@cheap-meds.test")
    assert found(text="nothing of the kind") == 0
    assert found(run="1") == 50 and found(run="2") == 0
    assert found(since="2000-01-01") == 50 and found(until="2000-01-01") == 0
    assert found(judged="1") == 0 and found(flag="DELETE") == 0
    page = visitor.get("/messages", params={"since": "yesterday"}).text
    assert "a date as" in page
    assert "No message fits" in visitor.get("/messages?domain=x.example").text


def test_what_was_asked_stays_in_the_form(visitor):
    page = visitor.get("/messages", params={"text": "lunch", "action": "PRESERVED"}).text
    assert 'value="lunch"' in page and '<option value="PRESERVED" selected>' in page


def test_one_message(visitor):
    page = visitor.get("/messages/61").text
    for said in (
        "FREE VIAGRA", "best@cheap-meds.test", "Path", "41.0.0.1", "where it entered", "SPF",
        "http://cheap-meds.test/buy", "CLICK HERE", "Commercial Spam", "Why", "Read again", "/messages/60",
    ):  # fmt: skip
        assert said in page
    for path in (
        "/messages/0",
        "/messages/62",
        "/messages/-1",
        "/messages/x",
        f"/messages/{9**30}",
    ):
        assert visitor.get(path).status_code == 404


def test_a_message_that_is_gone(visitor, store):
    (store.parent / "in.mbox").unlink()
    page = visitor.get("/messages/61").text
    assert "is not where the run found it" in page and "FREE VIAGRA" in page
    assert "Why" in page and "Read again" not in page


def test_a_message_that_is_another_one_now(visitor, store):
    """At its place stands something else: it is not shown as if it were the message."""
    box = store.parent / "in.mbox"
    box.write_bytes(box.read_bytes().replace(b"CLICK HERE", b"SECRET XXX"))
    page = visitor.get("/messages/61").text
    assert "SECRET" not in page and "has changed" in page


@pytest.mark.parametrize("form", ["mbox", "eml"])
def test_a_message_whose_body_was_left_aside(tmp_path, form):
    if form == "mbox":
        fill(tmp_path, [SPAM, mail()])
        source = tmp_path / "in.mbox"
    else:
        source = tmp_path / "mail"
        source.mkdir()
        for i, raw in enumerate((SPAM, mail())):
            (source / f"{i}.eml").write_bytes(raw)
    triage(str(source), tmp_path / "headers.db", headers_only=True)
    page = Visitor(tmp_path / "headers.db").get("/messages/1").text
    assert "header section only" in page and "has changed" not in page
    assert "41.0.0.1" in page and "pharmacy" not in page
    triage(str(source), tmp_path / "whole.db")
    page = Visitor(tmp_path / "whole.db").get("/messages/1").text
    assert "header section only" not in page and "cheap-meds.test/buy" in page


def test_sources_may_be_switched_off(store):
    page = Visitor(store, WebSettings(sources=False)).get("/messages/61").text
    assert "switched off" in page and "CLICK HERE" not in page


def test_correcting_a_verdict(visitor, store):
    visitor.get("/messages/61")
    answer = visitor.post("/messages/61", {"do": "false_positive", "comment": "I asked for it"})
    assert answer.headers["location"] == "/messages/61?done=judged&n=1"
    page = visitor.get(answer.headers["location"]).text
    assert "Noted for 1" in page and "I asked for it" in page and "Not Spam" in page
    found = rows(
        store, "SELECT feedback_type, user_comments, user_classification FROM user_feedback"
    )
    assert found == [("false_positive", "I asked for it", "Not Spam")]
    visitor.post("/messages/60", {"do": "wrong", "category": "Scams"})
    assert rows(store, "SELECT category, user_validated FROM processed_emails_bulletproof WHERE id=60") == [
        ("Payment Scam", 1)
    ]  # fmt: skip
    assert visitor.post("/messages/60", {"do": "nonsense"}).status_code == 400
    assert visitor.post("/messages/60", {"do": "wrong", "category": "Nonsense"}).status_code == 400


def test_many_at_once(visitor, store):
    visitor.get("/messages?action=PRESERVED")
    chosen = {"do": "delete", "id": ["1", "2", "3", "99", "x"], "back": "action=PRESERVED"}
    answer = visitor.post("/messages/mark", chosen)
    assert answer.headers["location"] == "/messages?action=PRESERVED&done=deletion&n=3"
    assert "3 messages are flagged" in visitor.get(answer.headers["location"]).text
    assert rows(store, "SELECT COUNT(*), MIN(flag_type) FROM email_flags") == [(3, "DELETE")]
    assert visitor.get("/messages?flag=DELETE").text.count("to delete</span>") == 3
    for do, state in (("protect", "PROTECT"), ("research", "RESEARCH")):
        visitor.post("/messages/mark", {"do": do, "id": ["1", "2"]})
        assert rows(
            store, "SELECT COUNT(*) FROM email_flags WHERE flag_type=? AND is_active", state
        ) == [(2,)]
    visitor.post("/messages/mark", {"do": "unflag", "id": ["1", "2", "3"]})
    assert rows(store, "SELECT COUNT(*) FROM email_flags WHERE is_active") == [(0,)]
    assert (
        visitor.post("/messages/mark", {"do": "right"}).headers["location"].endswith("done=nothing")
    )


def test_of_many_some_cannot_be_done(visitor, store):
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE processed_emails_bulletproof SET uid = NULL WHERE id IN (2, 3)")
    visitor.get("/messages")
    answer = visitor.post("/messages/mark", {"do": "protect", "id": ["1", "2", "3"]})
    assert answer.status_code == 409 and "Not all of it was done" in answer.text
    assert "1 messages were done, 2 were not" in answer.text
    assert "The first of these, 2: this row does not say where its message is." in answer.text
    assert rows(store, "SELECT SUM(user_protected) FROM processed_emails_bulletproof") == [(1,)]


def test_a_page_says_how_far_it_looked(visitor, store, monkeypatch):
    visitor.get("/messages/1")
    assert visitor.post("/messages/1", {"do": "research"}).status_code == 303
    monkeypatch.setattr(LISTS, "WINDOW", 10)
    monkeypatch.setattr(LISTS, "VIEW_LOOKED_AT", 20)
    page = visitor.get("/messages?flag=RESEARCH").text
    assert "No message fits so far" in page and "down to number 42" in page
    pages = 0
    while '/messages/1"' not in page:
        older = re.search(r'href="([^"]+)" rel="next"', page)
        assert older and pages < 5
        page, pages = visitor.get(older[1].replace("&amp;", "&")).text, pages + 1
    assert "No message fits" not in page and pages == 3
    page = visitor.get("/messages?flag=DELETE&after=10").text
    assert "No message fits<" in page and 'rel="next"' not in page


def test_coming_back_leads_nowhere_else(visitor):
    visitor.get("/messages")
    for back in ("//evil.example", "https://evil.example/?x", "\r\nset-cookie: x=y", "a=b&" * 300):
        answer = visitor.post("/messages/mark", {"do": "right", "id": "1", "back": back})
        assert answer.status_code in (303, 400)
        if answer.status_code == 303:
            assert answer.headers["location"].startswith("/messages?")
            assert "x=y" not in str(answer.headers.get("set-cookie"))


def test_validation(visitor, store):
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute(
            "UPDATE processed_emails_bulletproof SET confidence_score = 55 WHERE id < 15"
        )
    page = Visitor(store).get("/validation").text
    assert page.count("data-case") == 10 and 'data-key="r"' in page
    visitor.get("/validation")
    answer = visitor.post("/messages/14", {"do": "right", "quiet": "1"})
    assert answer.status_code == 204
    page = visitor.get("/validation").text
    assert "/messages/14" not in page and "/messages/13" in page


def test_analytics(visitor):
    page = visitor.get("/analytics?country=ZA").text
    for said in ("Countries", "Networks", "cheap-meds.test", "By hour of the day", "ZA"):
        assert said in page


def test_runs(visitor, store):
    assert "/runs/1" in visitor.get("/runs").text
    page = visitor.get("/runs/1").text
    for said in ("Run 1", "ended", "in.mbox", "Not Spam", "Stages", "features"):
        assert said in page
    assert visitor.get("/runs/2").status_code == 404


def test_a_run_that_was_cut_short(visitor, store):
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE sessions SET end_time = NULL")
    for path in ("/", "/runs", "/runs/1"):
        assert "interrupted" in visitor.get(path).text
    assert "its process was stopped in the middle" in visitor.get("/runs/1").text


def report(**more):
    return {"messages": 1_000, "stored": 900, "seconds": 2.0, "stages": {"parse": 0.5, "store": 1.5},
            "caches": {"domain": {"asked": 10, "interned": 2, "l1_hits": 6, "hit_rate": 0.75}},
            "workers": 2, "memory": 1 << 20} | more  # fmt: skip


def test_a_run_that_is_on(visitor, store):
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE sessions SET end_time = NULL")
    live = LiveFile(live_folder(store), 1)
    live._next = 0
    live.tick(lambda: report(grouped=321))
    try:
        page = visitor.get("/performance").text
        assert '<span data-f="grouped">321</span>' in page
        assert "A run is going on." in page and 'data-run="1"' in page and "1,000" in page
        assert "going on" in visitor.get("/runs").text
    finally:
        live.close()
    time.sleep(0.5)
    assert "No run is going on." in visitor.get("/performance").text


def test_a_run_whose_process_was_killed(visitor, store):
    live = LiveFile(live_folder(store), 1)
    live._next = 0
    live.tick(report)
    path = live_folder(store) / "1.json"
    said = json.loads(path.read_text()) | {"pid": 1 << 22, "at": time.time() - 5}
    path.write_text(json.dumps(said))
    page = visitor.get("/performance").text
    assert "was stopped in the middle: its process is gone" in page and "data-run" not in page


def test_figures_of_a_report():
    made = figures_of(report())
    assert (made.rate, made.rows, made.workers_used, made.slowest) == (500, 450, 1.0, "store")
    assert made.stages[0].bound == 2_000 and made.stages[0].micros == 500
    assert made.caches[0].levels == [("memory", 6), ("file", 0), ("computed", 0)]
    again = figures_of({"messages": 10, "known": 8, "looked": 10, "stored": 2, "seconds": 2.0})
    assert (again.rate, again.rows) == (5, 1)  # a mailbox: what is known is looked at all the same
    for broken in ({}, {"stages": 5, "messages": "x", "caches": [1]}, {"seconds": float("nan")},
                   {"stages": {"a": None}}, {"messages": True}, {"messages": 10**400}):  # fmt: skip
        figures_of(broken)


# -- pieces


def test_figures_without_javascript():
    chart = Chart("x", "x", "day", ["a", "b"], [Series("k", [3, 0], "good"), Series("d", [1, 2])])
    assert chart.peak == 4 and not chart.empty and len(chart.bars()) == 3
    assert sum(bar.height for bar in chart.bars() if bar.x < 360) == chart.height
    assert Chart("x", "x", "day", [], [Series("k", [])]).bars() == []
    assert Chart("x", "x", "day", ["a"], [Series("k", [0])]).empty
    line = Chart("x", "x", "run", ["a"], [Series("k", [3]), Series("d", [None])], kind="line")
    assert line.peak == 3 and len(line.bars()) == 1


def test_words_of_numbers():
    assert (number(1234.5), number(None), percent(0.5), confidence(97.0)) == (
        "1,234",
        "\u2013",
        "50.0 %",
        "97 %",
    )
    assert (confidence(0.97), seconds(0.0123), seconds(90), seconds(4000)) == (
        "97 %",
        "12.3 ms",
        "90.0 s",
        "1 h 06 min",
    )
    assert (size(999), size(1_500), size(2e9), size(None)) == (
        "999 B",
        "1.5 kB",
        "2.0 GB",
        "\u2013",
    )
    assert query("/x", a="b&c", d=None, e="") == "/x?a=b%26c"


def test_text_is_made_visible():
    assert shown("a\u202eb\x00") == "a\\u{202e}b\\u{0}"
    assert shown("x" * 5_000).endswith("5,000 characters in all)") and shown(5) == 5


def test_static_files_may_be_kept(visitor):
    page = visitor.get("/").text
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        answer = visitor.client.get(path)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"], path
        assert visitor.client.get(path, headers={"accept-encoding": ""}).content == answer.content
    assert visitor.client.get("/static/0000/app.css").status_code == 404
    assert visitor.client.get("/static/0000/plotly.js").status_code == 404


def test_the_messages_as_a_file(visitor, monkeypatch):
    def table(path):
        answer = visitor.client.get(path)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        head, *found = csv.reader(io.StringIO(answer.content.decode(), newline=""))
        return [dict(zip(head, one, strict=True)) for one in found]

    assert "/messages.csv" in visitor.get("/messages").text
    found = table("/messages.csv")
    assert [int(one["id"]) for one in found] == list(range(61, 0, -1))  # more than a page
    assert found[-1]["subject"] == "lunch 0" and found[-1]["sender_email"] == "ann@example.org"
    page = visitor.get("/messages?action=DELETED&text=viagra").text
    assert 'href="/messages.csv?text=viagra&amp;action=DELETED"' in page
    assert [one["sender_domain"] for one in table("/messages.csv?text=viagra")] == [
        "cheap-meds.test"
    ]
    assert table("/messages.csv?text=nothing") == []
    monkeypatch.setattr(download, "MAX_WEB_CSV", 55)
    assert [int(one["id"]) for one in table("/messages.csv")] == list(range(61, 6, -1))


def test_a_file_of_messages_holds_no_formula(tmp_path):
    subject = '=HYPERLINK("http://evil.example","x")'
    store = fill(tmp_path, [mail(subject=subject, sender='"@SUM(A1)" <a@b.example>')])
    text = Visitor(store).client.get("/messages.csv").text
    (_, one) = csv.reader(io.StringIO(text, newline=""))
    assert "'=HYPERLINK" in text and "'@SUM(A1)" in one
    assert not [cell for cell in one if cell.startswith(("=", "@", "+", "-"))]


def test_a_slow_reader_gets_the_whole_file(tmp_path, monkeypatch):
    """Only the finding of rows has a limit of time."""
    store = fill(tmp_path, [mail(n) for n in range(120)])
    monkeypatch.setattr(download, "MAX_WEB_CSV_SECONDS", 0.4)
    pieces = []
    for piece in download.csv_lines(StoreReader(store), Filter()):
        pieces.append(piece)
        time.sleep(0.3)
    assert len(pieces) > 2 and b"".join(pieces).count(b"\r\n") == 121


def test_a_file_that_cannot_be_made(visitor, tmp_path, monkeypatch):
    assert visitor.client.get("/messages.csv?run=x").status_code == 400
    answer = Visitor(tmp_path / "none.db").client.get("/messages.csv")
    assert "There is no store yet" in answer.text
    monkeypatch.setattr(download, "MAX_WEB_CSV_SECONDS", -1)
    app = visitor.client
    app._transport.raise_server_exceptions = True
    with pytest.raises(RuntimeError, match="already started"):  # it breaks off in the middle
        app.get("/messages.csv")
