"""A database of another program, with values that are of no type of their columns: each page and
each answer shows them as text, or leaves the place empty."""

import csv
import io
import json
import logging
import shutil
import sqlite3
import time
from contextlib import closing, suppress

import pytest
from store import original
from webrig import HOST, TestClient, create_app

from atlas_fast.cli import main
from atlas_fast.store import SqliteStore, migrate, schema
from atlas_fast.store.views.fitting import fitted
from atlas_fast.web import legacy, live, metrics
from atlas_fast.web.pages import ROUTERS
from atlas_fast.web.settings import WebSettings

pytest.importorskip("alembic", reason="adopting a database needs the extra db")

ODD = [
    None, b"\xff\x00by", 7, -7, 1 << 40, (1 << 63) - 1, -1 << 63, 1.5e300, float("inf"),
    float("-inf"), "", "text", " 12x", "9" * 400, "NaN", "\0", "<b>", "2026-13-45 99:99:99",
    "[1,", "[1]", '[{"a": 1}]', '{"a": 1}', '"x"',
    '{"messages": "x", "seconds": [], "stages": [1], "caches": 3, "series": 7, "categories": 4}',
    '{"messages": 1e999, "seconds": -1, "stages": {"a": "b"}, "caches": {"domain": {"asked": []}}, '
    '"series": [1, ["a", null]], "threshold": "x", "candidate": []}',
]  # fmt: skip
OURS = frozenset(("schema_version", "alembic_version", "first_state", "pruned_keys"))
"""Tables that say what the store is."""

UNIQUE = ("email_address", "domain", "setting_name", "config_key", "old_category", "source")


def opened(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("PRAGMA ignore_check_constraints=ON")
    return closing(connection)


def tables(connection):
    """(name, columns) of what holds rows."""
    for (table,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall():
        if table not in OURS:
            found = connection.execute(f"SELECT name, type FROM pragma_table_info('{table}')")
            yield table, found.fetchall()


def spread(connection, only=None):
    """For each column, and each odd value that it takes, one row more with that value in it."""
    uid, folder = connection.execute(f"SELECT uid, folder_name FROM {schema.MESSAGES}").fetchone()
    named = {
        "email_uid": uid, "uid": uid, "folder_name": folder, "flag_type": "PROTECT", "report": "{}",
        "feedback_type": "incorrect", "test_id": time.strftime("%Y%m%d"), "classifier": "old",
    }  # fmt: skip
    for table, columns in tables(connection):
        if only and table not in only:
            continue
        one = connection.execute(f"SELECT * FROM {table} ORDER BY 1 LIMIT 1").fetchone() or [
            named.get(name, "x" if "T" in kind and "TIME" not in kind and "INT" not in kind else 1)
            for name, kind in columns
        ]
        for at, (name, _) in enumerate(columns):
            for number, value in enumerate(ODD if name != "id" else ()):
                row = dict(zip((name for name, _ in columns), one, strict=True))
                row |= {key: f"{at}-{number}" for key in UNIQUE if key in row}
                row |= {"message_key": f"{at}-{number}".encode()} if "message_key" in row else {}
                row |= {"category": f"{at}-{number}"} if table == "spam_categories" else {}
                row |= {"uid": 1000 * at + number} if table == "imap_journal" else {}
                row |= {"id": None} if "id" in row else {}
                row[name] = value
                for how in ("?", "CAST(? AS TEXT)") if isinstance(value, bytes) else ("?",):
                    marks = [how if key == name else "?" for key in row]
                    with suppress(sqlite3.IntegrityError):  # a key that is the row's number
                        connection.execute(
                            f"INSERT OR IGNORE INTO {table} VALUES ({', '.join(marks)})",
                            [*row.values()],
                        )


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Adopted as it was, and written to afterwards."""
    path = tmp_path_factory.mktemp("foreign") / "a.db"
    original.make(path, "6 with categories")
    with opened(path) as connection:
        spread(connection)
        connection.commit()
    migrate.upgrade(path)
    with opened(path) as connection:
        spread(connection, only=schema.TABLES)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def ids(path, table, most=None):
    with opened(path) as connection:
        return [number for (number,) in connection.execute(f"SELECT id FROM {table}")][:most]


def questions(path, most=None):
    """(route, address) for each route that reads, and for each row that has a page."""
    plain = [
        "/", "/performance", "/messages", "/messages.csv", "/analytics", "/validation", "/runs",
        "/accounts", "/settings", "/settings/export", "/api/feedback/stats", "/api/user-stats",
        "/api/last-import/info", "/api/emails/flagged", "/api/emails/deletion-flagged",
        "/api/emails/research-flagged", "/api/accounts", "/api/all-accounts/emails",
        "/api/config/export", "/api/live", "/metrics",
    ]  # fmt: skip
    yield from ((address, address) for address in plain)
    for route, asked in {
        "/": ("days=7", "days=30"),
        "/messages": (
            "text=a", "sender=x", "domain=x", "category=Phishing", "category=Legitimate",
            "action=DELETED", "run=1", "since=2020-01-01", "until=2030-01-01", "band=0", "band=1",
            "uncertain=1", "judged=1", "judged=0", "flag=PROTECT", "flag=DELETE", "country=GB",
        ),
        "/messages.csv": ("run=1", "category=Phishing"), "/analytics": ("country=GB",),
        "/validation": ("category=Phishing",), "/runs": ("before=50", "before=150"),
        "/api/all-accounts/emails": ("session_ids=1,2,3",),
    }.items():  # fmt: skip
        yield from ((route, f"{route}?{one}") for one in asked)
    yield from (
        (f"/api/{name}/{{country_code}}", f"/api/{name}/GB")
        for name in ("country-classifications", "country-subcategories")
    )
    for kind in ("all", "Phishing", "Legitimate", "7", "%3Cb%3E"):
        yield "/api/validation/emails/{category}", f"/api/validation/emails/{kind}"
        yield "/api/category-subcategories/{category}", f"/api/category-subcategories/{kind}"
    for number in ids(path, "sessions", most):
        yield "/runs/{number}", f"/runs/{number}"
    for number in ids(path, "accounts", most):
        yield "/accounts/{number}", f"/accounts/{number}"
        by = "/api/single-account/{account_id}"
        yield f"{by}/all-emails", f"/api/single-account/{number}/all-emails"
        yield f"{by}/emails/{{session_id}}", f"/api/single-account/{number}/emails/1"
        for name in ("flag-status", "flag-status-detailed"):
            route = f"/api/emails/{name}/{{account_id}}/{{folder_name:folder}}/{{email_uid}}"
            yield route, f"/api/emails/{name}/{number}/INBOX/1"
    messages = ids(path, schema.MESSAGES, most)
    yield from (("/messages/{number}", f"/messages/{number}") for number in messages)
    for number in messages[::25]:
        yield "/messages", f"/messages?after={number + 1}"


def answers(path, most=None):
    """(route, address, answer); an exception that an answer hides is raised."""
    hidden = []

    class Kept(logging.Handler):
        def emit(self, record):
            hidden.append(record.exc_info[1])

    from atlas_fast.web.security import log

    kept = Kept()
    log.addHandler(kept)
    try:
        app = create_app(path, WebSettings(reads=1_000_000, writes=1_000_000))
        with TestClient(app, base_url=HOST, headers={"accept": "text/html"}) as client:
            for route, address in questions(path, most):
                answer = client.get(address, follow_redirects=False)
                if hidden:
                    raise AssertionError(address) from hidden[0]
                yield route, address, answer
    finally:
        log.removeHandler(kept)


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def test_every_route_answers(foreign):
    seen, said = set(), {}
    for route, address, answer in answers(foreign):
        assert answer.status_code == 200, (address, answer.status_code, answer.text[:300])
        seen.add(route)
        said[address] = answer.text
        if "json" in answer.headers["content-type"]:
            json.loads(answer.text, parse_constant=no_constant)
    routes = {
        route.path
        for router in (*ROUTERS, *legacy.ROUTERS, live.router, metrics.router)
        for route in router.routes
        if "GET" in route.methods
    }
    assert routes - seen == {"/login", "/api/live/{run}", "/api/live/{run}/events"}
    lists = "".join(text for address, text in said.items() if address.startswith("/messages?after"))
    for shown in ("<bdi>7</bdi>", "\ufffd\\u{0}by", "9" * 80, "&lt;b&gt;", "2026-13-45 99:99:99"):
        assert shown in lists, shown
    rows = list(csv.reader(io.StringIO(said["/messages.csv"])))
    assert len(rows) > 100 and len({len(row) for row in rows}) == 1


THROUGHOUT = [*ODD[:4], (1 << 63) - 1, float("inf"), "", "text", ODD[-1]]


@pytest.mark.parametrize("value", THROUGHOUT, ids=range(len(THROUGHOUT)))
def test_every_route_answers_where_all_values_are(foreign, tmp_path, value):
    path = tmp_path / "a.db"
    shutil.copy(foreign, path)
    with opened(path) as connection:
        for table, columns in tables(connection):
            if ("id", "INTEGER") in columns:
                connection.execute(
                    f"DELETE FROM {table} WHERE id > (SELECT MIN(id) + 3 FROM {table})"
                )
            for name, _ in columns:
                if name != "id" and not name.endswith("_id"):
                    connection.execute(f"UPDATE OR IGNORE {table} SET {name} = ?", (value,))
        connection.commit()
    for _, address, answer in answers(path, most=3):
        assert answer.status_code == 200 or (
            answer.status_code == 404 and address.startswith("/accounts/")
        ), (address, answer.text[:300])


def test_the_command_line_reads_it_too(foreign, tmp_path, capsys):
    path = tmp_path / "a.db"
    shutil.copy(foreign, path)
    with SqliteStore(path) as store:
        store.recount()  # and no sum is more than an integer holds
        kinds = {finding.kind for finding in store.check()}
    assert kinds == {"integrity"}  # constraints that the values break
    for line in (
        "db check", "db runs", "db current", f"export --out {tmp_path / 'a.csv'}",
        f"export --out {tmp_path / 'a.jsonl'}", "rollout status", "learn --history",
        "run synthetic:5,1",
    ):  # fmt: skip
        code = main([*line.split(), "--store", str(path)])
        assert code == (line == "db check"), (line, capsys.readouterr().err)
    heard = capsys.readouterr()
    assert "decode" not in heard.err + heard.out and "overflow" not in heard.err + heard.out


def test_values_that_fit_are_left_alone():
    rows = [(1, "a", 0.5, None), (2, None, 1, "b")]
    assert fitted(["id", "subject", "confidence_score", "sender_name"], rows) is rows
    found = fitted(
        ["id", "subject", "confidence_score", "deleted", "SUM(n)", "message_key", "other"],
        [
            (1.0, b"a\xff", "x", "y", float("inf"), "z", b"o"),
            (1e300, 7, float("inf"), 3, 2, b"k", 1),
        ],
    )
    assert found == [(1, "a\ufffd", None, 0, 0, None, "o"), (None, "7", None, 3, 2, b"k", 1)]
