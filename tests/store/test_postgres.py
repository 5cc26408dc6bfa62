"""The PostgreSQL store against a real server: rows, exactly once, lost servers, hidden passwords."""

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from atlas_fast.bench.server import Server
from atlas_fast.cli import main
from atlas_fast.errors import StoreError, UsageError
from atlas_fast.export import Wanted, export
from atlas_fast.pipeline import triage
from atlas_fast.store import SqliteStore, open_reader, open_store, schema
from atlas_fast.store.base import ErrorRow, Mark
from atlas_fast.store.reading import COLUMNS
from atlas_fast.store.rows import row_block
from store.fake import FakeBatch

psycopg = pytest.importorskip("psycopg")

from atlas_fast.store.postgres import PostgresStore  # noqa: E402
from atlas_fast.store.server import Dsn, Passing, Ping  # noqa: E402

OLD, NEW = "2025-01-01 00:00:00", "2026-01-01 00:00:00"
WRITTEN = {"id", "session_id", "timestamp", "created_at"}
OLDEST = {  # columns of the first schema
    "folder_name", "uid", "sender_email", "sender_domain", "subject", "action", "category", "reason",
}  # fmt: skip
HOSTILE = [
    "'; DROP TABLE processed_emails_bulletproof; --", '"; --', "\\N", "\\.", "\t\n\r\\t", "\x00", "\x00\x01\x1f\x7f",
    "\ud800", "\x80\x9f", "\u202e=1+1", "%s %(a)s ?", "é\U0001f600", "x" * 1_000_000, "", "$$ {} \\",
]  # fmt: skip


def block(run, first, n, when=NEW, source="mbox:/mail/inbox"):
    rows = [
        {"place": i, "spam": i % 2 * 0.9, "domain": f"d{i % 50}.example"}
        for i in range(first, first + n)
    ]
    return row_block(FakeBatch(rows, source), run.session_id, when)


def content(where):
    """Message rows without what depends on when and by which run, in the order of their keys."""
    kept = [i for i, name in enumerate(COLUMNS) if name not in WRITTEN]
    reader = open_reader(where)
    try:
        rows = [tuple(row[i] for i in kept) for chunk in reader.rows(Wanted()) for row in chunk]
    finally:
        reader.close()
    key = [name for name in COLUMNS if name not in WRITTEN].index("message_key")
    return sorted(rows, key=lambda row: row[key] or b"")


def summaries(store):
    tables = [name for name in schema.TABLES if name.startswith("summary_")]
    return [sorted(store._execute(f"SELECT * FROM {name}").fetchall()) for name in tables]


@pytest.fixture
def store(url):
    with PostgresStore(url) as made:
        yield made


def test_the_rows_are_those_of_sqlite(url, tmp_path):
    report = triage("synthetic:3000,5", url, workers=2)
    triage("synthetic:3000,5", tmp_path / "a.db")
    assert report.stored == 3000
    assert content(url) == content(tmp_path / "a.db")
    with PostgresStore(url) as ours, SqliteStore(tmp_path / "a.db") as theirs:
        assert ours.check() == []
        assert [ours.count_messages(), ours.recent(5)] == [3000, theirs.recent(5)]
        assert [run["deleted"] for run in ours.runs()] == [run["deleted"] for run in theirs.runs()]


def test_again_adds_nothing(url):
    assert triage("synthetic:2000,5", url).stored == 2000
    assert triage("synthetic:2000,5", url).stored == 0
    assert triage("synthetic:2000,5", url, resume=False).stored == 0
    assert triage("synthetic:2500,5", url, resume=False).stored == 500
    with PostgresStore(url) as store:
        assert (store.count_messages(), store.check()) == (2500, [])


def test_hostile_text_is_stored_as_in_sqlite(url, tmp_path):
    rows = [
        {"place": text, "subject": text, "name": text, "address": text, "domain": text}
        for text in HOSTILE
    ]
    batch = FakeBatch(rows, "mbox:/" + "".join(HOSTILE[:4]))
    mark = Mark(batch.source, "9", "x", 3)
    for where in (url, tmp_path / "a.db"):
        store = open_store(where)
        run = store.begin_run(HOSTILE)
        made = row_block(batch, run.session_id, NEW)
        errors = [ErrorRow("\u2400p", "K", "%s ?", "trace '\"")]
        assert store.write(run, [made], errors, [mark]) == len(HOSTILE)
        assert store.check() == []
        assert store.mark(batch.source) == mark
        assert store.known([bytes(key) for key in batch.keys]) == {bytes(key) for key in batch.keys}
        store.close()
    assert content(url) == content(tmp_path / "a.db")


def test_some_rows_are_known(store):
    """The tally is then read back from the new rows, and equals that of the columns."""
    one, two = store.begin_run(["a"]), store.begin_run(["b"])
    assert store.write(one, [block(one, 0, 100), block(one, 50, 100)]) == 150
    assert store.write(two, [block(two, 100, 100), block(two, 140, 10)]) == 50
    assert (store.totals(one).stored, store.totals(two).stored) == (150, 50)
    assert store.check() == []


def test_deleted_pruned_recounted(store):
    one = store.begin_run(["a"])
    store.write(one, [block(one, 0, 40)])
    before = summaries(store)
    two = store.begin_run(["b"])
    store.write(two, [block(two, 40, 25, OLD)], [ErrorRow("1", "E", "t", "t")], [Mark("s", "1")])
    assert store.delete_run(two.session_id).messages == 25
    assert summaries(store) == before and store.check() == []
    with pytest.raises(StoreError, match="no run"):
        store.delete_run(two.session_id)
    store.write(one, [block(one, 40, 25, OLD)])
    assert store.prune("2025-06-01 00:00:00").messages == 25
    keys = [bytes(key) for key in FakeBatch([{"place": 41}, {"place": 999}]).keys]
    assert store.known(keys) == {keys[0]}
    assert summaries(store) == before and store.check() == []
    store._execute("UPDATE summary_hours SET n = n + 1")
    assert {finding.kind for finding in store.check()} == {"summary"}
    store.recount()
    assert store.check() == []
    assert store.size() > 0
    store.vacuum()


def test_check_finds_what_is_wrong(store):
    run = store.begin_run(["a"])
    store.write(run, [block(run, 0, 10)], [], [Mark("s", "1")])
    store._execute("SET session_replication_role = replica")  # references are not looked at
    store._execute(f"UPDATE {schema.MESSAGES} SET session_id = 77 WHERE id = 3")
    store._execute("UPDATE sessions SET total_deleted = 9")
    kinds = {finding.kind for finding in store.check()}
    assert kinds == {"orphan", "summary", "total"}
    store._execute(f"DROP INDEX idx_{schema.MESSAGES}_key")
    store._execute(f"INSERT INTO {schema.MESSAGES} (sender_email, subject, action, message_key) "
                   f"SELECT 'x', 'y', 'DELETED', message_key FROM {schema.MESSAGES} WHERE id = 4")  # fmt: skip
    assert [finding.kind for finding in store.check()] == ["integrity"]


@pytest.mark.parametrize("outer", ["commits", "rolls back"])
def test_inside_a_transaction(store, url, outer):
    run = store.begin_run(["a"])
    store.write(run, [block(run, 0, 10)])
    before = content(url)
    try:
        with store.transaction():
            assert store.write(run, [block(run, 10, 10)]) == 10
            with pytest.raises(ZeroDivisionError), store.transaction():
                store.write(run, [block(run, 20, 10)])
                raise ZeroDivisionError
            assert content(url) == before
            if outer == "rolls back":
                raise KeyError
    except KeyError:
        pass
    assert len(content(url)) == (20 if outer == "commits" else 10)
    assert store.check() == []


def test_two_runs_at_once(url):
    """Each message once, whichever run it came with; both end well."""
    reports = []

    def run():
        reports.append(triage("synthetic:6000,5", url, resume=False))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sum(report.stored for report in reports) == 6000
    with PostgresStore(url) as store:
        assert (store.count_messages(), store.check()) == (6000, [])


def test_runs_that_deadlock_both_end(url):
    """Two writers take the same keys the other way round: one is told to try again, and does."""
    stores = [PostgresStore(url) for _ in range(2)]
    barrier = threading.Barrier(2)
    added = []

    def write(store, order):
        run = store.begin_run(["a"])
        source = "synthetic:x"
        first, second = (block(run, at, 200, source=source) for at in order)
        plain = store._copy
        tried = []

        def copy(names, blocks):
            cursor = plain(names, blocks)
            if not tried:
                tried.append(1)
                barrier.wait(30)
            return cursor

        store._copy = copy
        first.names = (*first.names,)  # two statements, as the names are in another order
        turn = [*range(1, len(second.names)), 0]
        second.names = tuple(second.names[i] for i in turn)
        second.columns = [second.columns[i] for i in turn]
        added.append(store.write(run, [first, second]))

    threads = [
        threading.Thread(target=write, args=(store, order))
        for store, order in zip(stores, [(0, 200), (200, 0)], strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(added) == [0, 400]
    assert stores[0].count_messages() == 400 and stores[0].check() == []
    for store in stores:
        store.close()


def test_a_lost_server_is_waited_for(server, url):
    """Killed with all its processes between two writes, and in the middle of one."""
    with PostgresStore(url) as store:
        run = store.begin_run(["a"])
        store.write(run, [block(run, 0, 10)])
        keys = [bytes(key) for key in FakeBatch([{"place": 3}]).keys]
        assert store.known(keys) == {*keys}
        server.kill()
        later = threading.Timer(0.5, server.start)
        later.start()
        assert store.write(run, [block(run, 10, 10)], [ErrorRow("1", "E", "t", "t")]) == 10
        later.join()
        assert store.known(keys) == {*keys}
        plain, lost = store._add_up, []

        def add_up(*arguments):
            plain(*arguments)
            if not lost:
                lost.append(1)
                server.kill()
                server.start()

        store._add_up = add_up
        assert store.write(run, [block(run, 20, 10)], [ErrorRow("2", "E", "t", "t")]) == 10
        assert lost and store.count_messages() == 30 and store.check() == []
        assert store.totals(run).stored == 30
        store.finish_run(run)


def test_a_commit_whose_answer_was_lost(store):
    """The rows and the report are there; the second attempt adds neither again."""
    run = store.begin_run(["a"])
    plain, lost = store._guard, []

    def guard(step):
        answer = plain(step)
        if not lost and store._depth == 1 and store._connection.info.transaction_status == 0:
            lost.append(1)
            raise Passing("the answer was lost")
        return answer

    store._guard = guard
    errors = [ErrorRow("1", "E", "t", "t"), ErrorRow("2", "E", "t", "t")]
    store.write(run, [block(run, 0, 10)], errors, [Mark("s", "1")])
    assert lost and store.totals(run).stored == store.count_messages() == 10
    assert store._execute("SELECT COUNT(*) FROM error_reports").fetchall() == [(2,)]
    assert store.check() == []


def test_a_server_that_stays_away_is_an_error(server, url):
    with PostgresStore(url, retry_seconds=0.3) as store:
        run = store.begin_run(["a"])
        server.stop()
        try:
            with pytest.raises(StoreError, match=r"given up after 0\.3 s") as caught:
                store.write(run, [block(run, 0, 10)])
            assert "\n" not in str(caught.value)
            with pytest.raises(StoreError):
                open_store(url)
        finally:
            server.start()
        assert store.write(run, [block(run, 0, 10)]) == 10


def promote(server):
    server._run("pg_ctl", "promote", "-D", server.data)


@pytest.fixture
def pings(monkeypatch):
    """What servers say before anybody logs in; one answer a run that does not wait."""
    said, ping = [], Dsn.ping
    monkeypatch.setattr(Dsn, "ping", lambda dsn: said.append(ping(dsn)) or said[-1])
    return said


def test_a_run_waits_for_a_server_that_is_being_started(pings, monkeypatch):
    """One that does not answer yet, and one that says so; other openings fail at once."""
    with Server(("fsync = off", "hot_standby = off")) as server:
        where = server.database("late")
        assert triage("synthetic:20,1", where).stored == 20 and pings == [Ping.OK]
        server.stop()
        later = threading.Timer(0.4, server.start)
        later.start()
        assert triage("synthetic:30,1", where).stored == 10
        later.join()
        assert pings[1] == Ping.NO_RESPONSE and pings[-1] == Ping.OK
        server.stop()
        (server.data / "standby.signal").touch()  # in recovery until it is promoted
        starting = threading.Thread(target=server.start)
        starting.start()
        while Dsn(where).ping() != Ping.REJECT:
            time.sleep(0.01)
        pings.clear()
        for ask in (open_store, open_reader):
            with pytest.raises(StoreError, match="FATAL"):
                ask(where)
        assert main(["db", "check", "--store", where]) == 1 and not pings
        monkeypatch.setattr("atlas_fast.store.postgres.REACH_SECONDS", 0.1)  # it does answer
        with pytest.raises(StoreError, match="FATAL"):
            PostgresStore(where, wait=True, retry_seconds=0.3)
        assert len(pings) > 2 and {*pings} == {Ping.REJECT}
        later = threading.Timer(0.5, server._run, ("pg_ctl", "promote", "-D", server.data))
        later.start()
        assert triage("synthetic:40,1", where).stored == 10
        later.join()
        starting.join()


def test_a_run_does_not_wait_for_what_waiting_does_not_mend(server, url, pings, monkeypatch):
    """Nor long for a server that does not answer."""
    for wrong in (
        server.over_tcp(url.partition("?")[0].rpartition("/")[2], "wrong"),
        url.replace("/test_", "/no_test_"), url.replace("atlas@", "nobody@"),
    ):  # fmt: skip
        with pytest.raises(StoreError, match="FATAL"):
            triage("synthetic:3,1", wrong)
    assert pings == [Ping.OK] * 3
    monkeypatch.setattr("atlas_fast.store.postgres.REACH_SECONDS", 0.01)
    with pytest.raises(StoreError, match="refused"):
        triage("synthetic:3,1", "postgresql://127.0.0.1:1/x")


def test_a_locked_table_is_waited_for_and_then_an_error(url, monkeypatch):
    from atlas_fast.store import server as place

    session = [s.replace("'60s'", "'200ms'") for s in place.SESSION]
    assert session != list(place.SESSION)
    monkeypatch.setattr(place, "SESSION", session)
    with PostgresStore(url) as store, psycopg.connect(url) as other:
        run = store.begin_run(["a"])
        other.execute(f"LOCK TABLE {schema.MESSAGES}")
        with pytest.raises(StoreError, match="locked by another program"):
            store.write(run, [block(run, 0, 10)])
        other.rollback()
        assert store.write(run, [block(run, 0, 10)]) == 10


def test_the_command_looks_after_a_store(url, capsys, tmp_path):
    assert main(["db", "check", "--store", url]) == 1  # nothing is made by looking
    assert main(["run", "synthetic:50,1", "--store", url]) == 0
    for arguments in (["check"], ["vacuum"], ["runs"], ["recount"], ["prune", "--older-than", "1d"],
                      ["downgrade", "0003"], ["current"], ["upgrade"], ["delete-run", "1"]):  # fmt: skip
        assert main(["db", *arguments, "--store", url]) == 0, arguments
    assert main(["db", "backup", "--store", url]) == 2
    assert "pg_dump" in capsys.readouterr().err


def test_what_is_not_ours_is_refused(url, server):
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE accounts (x INTEGER)")
        connection.execute("CREATE TABLE another (x INTEGER)")
    with pytest.raises(StoreError, match="is not a store"):
        open_store(url)
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE accounts")
    open_store(url).close()  # tables with other names are no matter
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="upgrade atlas_fast"):
        open_store(url)
    with pytest.raises(UsageError, match="not a known store"):
        open_store("mysql://a:geheim@b/c")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match="needs UTF8"):
        open_store(url.replace(url.partition("?")[0].rpartition("/")[2], "latin"))


def test_the_export_is_that_of_sqlite(url, tmp_path):
    triage("synthetic:1200,5", url)
    triage("synthetic:1200,5", tmp_path / "a.db")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute(
            f"UPDATE {schema.MESSAGES} SET timestamp = ?, created_at = ?", (NEW, NEW)
        )
    connection.close()
    with psycopg.connect(url) as connection:
        connection.execute(
            f"UPDATE {schema.MESSAGES} SET timestamp = %s, created_at = %s", (NEW, NEW)
        )
    for format in ("csv", "jsonl"):
        ours, theirs = io.BytesIO(), io.BytesIO()
        assert export(url, ours, format) == export(tmp_path / "a.db", theirs, format) == 1200
        assert ours.getvalue() == theirs.getvalue()
    wanted = Wanted(run=1, category="Not Spam", since="2025-12-31")
    assert (
        export(url, io.BytesIO(), "csv", wanted)
        == export(tmp_path / "a.db", io.BytesIO(), "csv", wanted)
        > 0
    )


def test_ctrl_c_commits_what_is_done(url):
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "atlas_fast", "run", "synthetic:40000,2", "--store", url, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with psycopg.connect(url) as connection:
            if (
                connection.execute("SELECT to_regclass('resume_marks')").fetchone()[0]
                and (connection.execute("SELECT COUNT(*) FROM resume_marks").fetchone()[0])
            ):
                break
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    report = json.loads(out)
    with PostgresStore(url) as store:
        assert 0 < report["stored"] == store.count_messages() < 40000
        assert store.check() == []


def test_rules_and_a_rollout(url, tmp_path):
    """The rules of users, the state of a rollout and its counts, as in SQLite."""
    from dataclasses import replace

    from atlas_fast import decision
    from atlas_fast.classify.model import load_model

    candidate = tmp_path / "m.npz"
    replace(load_model(), threshold=0.2).save(candidate)
    found = []
    for where in (tmp_path / "a.db", url):
        with open_store(where) as store:
            with store.transaction():
                store._execute("INSERT INTO filter_terms (term) VALUES (?)", ("er",))
                store._execute(
                    "INSERT INTO domains (domain, is_whitelisted) VALUES (?, TRUE)", ("a.example",)
                )
            decision.set_rollout(store, 30, candidate=candidate, sample=20)
        report = triage("synthetic:300,2", where)
        with open_store(where) as store:
            metrics = decision.status(store)["metrics"]
            decision.promote(store)
            state, rules = decision.state_of(store), store.rules()
            assert store.check() == []
        for name in list(metrics):
            if "time" in name:
                assert metrics.pop(name) > 0
        found.append((report.rules, report.classifiers, metrics, state.current, rules))
    assert found[0] == found[1]
    assert found[0][0]["USER_KEYWORD"] > 10 and found[0][2]["total_comparisons"] > 30
