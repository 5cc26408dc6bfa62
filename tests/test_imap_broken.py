"""Connections that break anywhere, servers that restart, folders that change meanwhile."""

import json
import os
import random
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from breakable import Breakable
from dovecot import PASSWORD, Dovecot, mail, mails, needs_dovecot
from imaprig import TAKE, deleted_uids, mail_run, mailbox, rows, stages, states

import atlas_fast
from atlas_fast.errors import ImapError
from atlas_fast.mailrun import FolderReport
from atlas_fast.pipeline import Pipeline
from atlas_fast.sources.imap.credentials import PASSWORD_VARIABLE
from atlas_fast.sources.imap.folder import ImapFolder
from atlas_fast.stages import parse
from atlas_fast.store import open_store
from atlas_fast.store.journal import Journal

pytestmark = needs_dovecot

N = 200
GO = {i + 1 for i in range(N) if i % 3 == 0}
SEED = 20260105
CUTS = 50


@pytest.fixture(scope="module")
def server():
    made = Dovecot()
    made.fill("small", mails(N))
    made.flag("small", "1:50", "\\Seen")
    made.flag("small", "2,5,8", "\\Flagged \\Deleted")
    yield made
    made.close()


@pytest.fixture
def folder(server):
    server.copy("small", "work")
    yield "work"
    server.drop("work")


def without(snapshot, uids):
    return {uid: what for uid, what in snapshot.items() if uid not in uids}


@pytest.fixture(scope="module")
def sizes(server, tmp_path_factory):
    """Bytes of a whole run, and of its reading alone, through a proxy."""
    server.copy("small", "measured")
    with Breakable(server.port) as proxy:
        mail_run(proxy.port, "measured", tmp_path_factory.mktemp("m") / "x.db", preview=True)
        reading, before = proxy.total, proxy.total
        mail_run(proxy.port, "measured", tmp_path_factory.mktemp("m") / "x.db")
        whole = proxy.total - before
    server.drop("measured")
    return reading, whole


def points(first, last, n):
    return sorted(random.Random(SEED).sample(range(first, last), n))


def check(server, folder, before, store):
    """Exactly the chosen are gone, all others are as they were, and the store says so once."""
    assert server.snapshot(folder) == without(before, GO)
    assert deleted_uids(store, folder) == GO
    kept = rows(store, "SELECT uid FROM processed_emails_bulletproof WHERE action = 'PRESERVED'")
    assert sorted(int(uid) for (uid,) in kept) == sorted(set(before) - GO)
    assert set(states(store)) == {"deleted"}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["standard", "icloud"])
def test_cut_anywhere_and_connected_again(server, sizes, tmp_path, strategy):
    """50 cuts while reading, 50 while deleting; the run goes on by itself."""
    reading, whole = sizes
    cuts = points(600, reading - 200, CUTS) + points(reading - 200, whole, CUTS)
    seen = 0
    for number, at in enumerate(cuts):
        name = f"cut{number}"
        server.copy("small", name)
        before, store = server.snapshot(name), tmp_path / f"{number}.db"
        with Breakable(server.port) as proxy:
            proxy.cut_at = at
            report = mail_run(proxy.port, name, store, strategy=strategy)
            seen += proxy.cuts
        assert report.messages == N, at
        check(server, name, before, store)
        server.drop(name)
    assert seen >= 2 * CUTS - 10  # near the end of a run there may be nothing left to cut


@pytest.mark.slow
@pytest.mark.parametrize("quarantine", [None, "Held"], ids=["delete", "move"])
def test_cut_anywhere_and_run_again(server, sizes, tmp_path, quarantine):
    """The run ends with the connection; the next one finishes what it had decided."""
    reading, whole = sizes
    cuts = points(600, reading - 200, CUTS) + points(reading - 200, whole, CUTS)
    broken = 0
    for number, at in enumerate(cuts):
        name = f"cut{number}"
        server.copy("small", name)
        before, store = server.snapshot(name), tmp_path / f"{number}.db"
        with Breakable(server.port) as proxy:
            proxy.cut_at = at
            try:
                mail_run(proxy.port, name, store, retries=0, quarantine=quarantine)
            except ImapError:
                broken += 1
            proxy.cut_at = None  # a run may need fewer bytes than the one that was measured
            gone = set(before) - set(server.snapshot(name))
            assert gone <= GO, at
            mail_run(proxy.port, name, store, retries=0, quarantine=quarantine)
        assert server.snapshot(name) == without(before, GO), at
        assert deleted_uids(store, name) == GO
        assert set(states(store)) == {"deleted" if quarantine is None else "moved"}
        server.drop(name)
        if quarantine is not None:
            held = sorted(digest for _, digest in server.snapshot("Held").values())
            assert held == sorted(before[uid][1] for uid in GO), at
            server.drop("Held")
    assert broken >= 2 * CUTS - 10


def test_too_many_cuts_end_the_run(server, folder, tmp_path):
    waits = []
    with Breakable(server.port, lambda data, down: b"") as proxy, pytest.raises(ImapError):
        proxy.cut_at = 0
        box = mailbox(proxy.port, retries=3, seconds=0.3, sleep=waits.append)
        mail_run(proxy.port, folder, tmp_path / "x.db", box=box)
    assert len(waits) == 3 and sum(waits) < 10


def test_the_server_restarts_while_reading(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    small = Pipeline(stages(restart_once(server)), max_messages=20)
    report = mail_run(server.port, folder, store, pipeline=small)
    assert report.messages == N
    check(server, folder, before, store)


def restart_once(server):
    done = []

    def stage(batch):
        if not done:
            done.append(True)
            server.restart()
        parse.run(batch)

    return stage


def test_the_server_restarts_before_the_removal(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    mail_run(server.port, folder, store, confirm=lambda report: server.restart() or True)
    check(server, folder, before, store)


def die(*args, **kwargs):
    raise KeyboardInterrupt


def test_killed_between_decision_and_command(server, folder, tmp_path, monkeypatch):
    """The process dies after the journal is written; nothing was sent yet."""
    before, store = server.snapshot(folder), tmp_path / "x.db"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Journal, "sent", die)
        mail_run(server.port, folder, store)
    assert server.snapshot(folder) == before and states(store) == {"decided": len(GO)}
    again = mail_run(server.port, folder, store)
    assert again.finished == {"deleted": len(GO)} and again.chosen == 0
    check(server, folder, before, store)


def test_killed_between_command_and_outcome(server, folder, tmp_path, monkeypatch):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Journal, "outcome", die)
        mail_run(server.port, folder, store)
    assert server.snapshot(folder) == without(before, GO) and states(store) == {"sent": len(GO)}
    assert deleted_uids(store, folder) == set()
    again = mail_run(server.port, folder, store)
    assert again.finished == {"deleted": len(GO)}
    check(server, folder, before, store)


def test_a_preview_leaves_what_is_open_alone(server, folder, tmp_path, monkeypatch):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(Journal, "sent", lambda self, uids: 1 / 0)
        mail_run(server.port, folder, store)
    mail_run(server.port, folder, store, preview=True)
    assert server.snapshot(folder) == before and states(store) == {"decided": len(GO)}


def test_uidvalidity_changed_between_decision_and_removal(server, tmp_path):
    """The folder is made anew: its UIDs are other messages now, and none of them goes."""
    server.copy("small", "anew")
    store = tmp_path / "x.db"

    def rebuild(report):
        server.drop("anew")
        server.copy("small", "anew")
        return True

    report = mail_run(server.port, "anew", store, confirm=rebuild)
    assert report.outcomes == {"void": len(GO)} and report.removed == 0
    assert len(server.snapshot("anew")) == N
    before = server.snapshot("anew")
    again = mail_run(server.port, "anew", store)  # decided anew, for the new UIDs
    assert again.outcomes == {"deleted": len(GO)}
    assert server.snapshot("anew") == without(before, GO)
    server.drop("anew")


def test_uidvalidity_changed_while_reading(server, tmp_path):
    large = [mail(i, size=60_000) for i in range(400)]  # more than is read ahead
    server.fill("large", large)
    server.copy("large", "anew")
    done = []

    def stage(batch):
        parse.run(batch)
        if not done:
            done.append(True)
            server.drop("anew")
            server.copy("large", "anew")
            proxy.drop_all()

    with Breakable(server.port) as proxy, mailbox(proxy.port) as box:
        source = ImapFolder(box, "anew")
        read = [batch for batch in scan_small(source, stage)]
    marks = {batch.mark.split(":")[0] for batch in read}
    assert len(marks) == 2 and source.problems
    new = [b for b in read if b.mark.startswith(f"{source.uidvalidity}:")]
    assert sorted(int(p) for b in new for p in b.places) == list(range(1, 401))
    keys = np.concatenate([batch.keys for batch in read])
    assert len(np.unique(keys, axis=0)) == len(keys)
    server.drop("anew")
    server.drop("large")


def scan_small(source, stage):
    for batch in source.batches(20, 1 << 15):
        stage(batch)
        yield batch


def test_another_client_deletes_while_we_read(server, folder, tmp_path):
    """Some of the chosen, some of the others: both are simply gone."""
    before, store = server.snapshot(folder), tmp_path / "x.db"
    done = []

    def stage(batch):
        if not done:
            done.append(True)
            with server.client() as other:
                other.select(folder)
                other.uid("store", "1,2,100,101,199,200", "+FLAGS", "(\\Deleted)")
                other.uid("expunge", "1,2,100,101,199,200")
        parse.run(batch)

    report = mail_run(server.port, folder, store, pipeline=Pipeline(stages(stage), max_messages=20))
    assert server.snapshot(folder) == without(before, GO | {1, 2, 100, 101, 199, 200})
    assert report.messages + report.vanished == N
    assert report.outcomes.get("failed", 0) == 0


def test_another_client_deletes_before_we_do(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"

    def confirm(report):
        with server.client() as other:
            other.select(folder)
            other.uid("store", "1,4,2", "+FLAGS", "(\\Deleted)")
            other.uid("expunge", "1,4,2")
        return True

    report = mail_run(server.port, folder, store, confirm=confirm)
    assert report.outcomes == {"deleted": len(GO) - 2, "gone": 2}
    assert server.snapshot(folder) == without(before, GO | {2})
    gone = rows(
        store,
        "SELECT uid FROM processed_emails_bulletproof WHERE reason LIKE '%[Already Deleted]'",
    )
    assert {uid for (uid,) in gone} == {"1", "4"}


def test_two_runs_at_once(server, folder, tmp_path):
    """Two processes with stores of their own decide the same: each message goes once."""
    before = server.snapshot(folder)
    reports = [FolderReport(folder), FolderReport(folder)]
    threads = [
        threading.Thread(
            target=mail_run, args=(server.port, folder, tmp_path / f"{n}.db"),
            kwargs={"report": reports[n], "filters": TAKE},
        )
        for n in range(2)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.snapshot(folder) == without(before, GO)
    assert all(report.outcomes.get("failed", 0) == 0 for report in reports)


def test_memory_does_not_grow_with_the_folder(server):
    """Batches are dropped as they come: a folder of 18 MB needs a few buffers of one."""
    server.fill("wide", [mail(i, size=60_000) for i in range(300)])
    with mailbox(server.port) as box:
        tracemalloc.start()
        try:
            n = sum(len(batch) for batch in ImapFolder(box, "wide").batches(50, 1 << 20))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert n == 300 and peak < 10 << 20
    server.drop("wide")


@pytest.mark.slow
def test_killed_at_any_moment(server, tmp_path):
    """kill -9, again and again, while the command runs; the last run is let be."""
    user = "ann@icloud.com"  # one command a message: there is time to be killed in
    server.fill("small", mails(N), user)
    server.copy("small", "work", user)
    before, store = server.snapshot("work", user), tmp_path / "x.db"
    environment = os.environ | {
        PASSWORD_VARIABLE: PASSWORD,
        "PYTHONPATH": str(Path(atlas_fast.__file__).parents[1]),
    }
    slow = Breakable(server.port, lambda data, down: time.sleep(0.004) or data)
    to = ["--host", "127.0.0.1", "--port", str(slow.port), "--no-tls", "--store", str(store)]
    choose = ["--filter", "x-test: take-me", "--json"]
    start = [sys.executable, "-P", "-m", "atlas_fast", "imap"]

    def command(*words):
        return subprocess.Popen(
            [*start, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    with command("preview", user, "small", *to, *choose) as preview:
        (report,) = json.loads(preview.communicate()[0])["folders"]
    named = rows(
        store,
        "SELECT uid FROM processed_emails_bulletproof WHERE folder_name = 'small' AND "
        "reason LIKE '%[PREVIEW]'",
    )
    chosen = {int(uid) for (uid,) in named}
    assert chosen >= GO and len(chosen) == report["chosen"]
    lots, killed, halfway = random.Random(SEED), 0, 0
    while (gone := set(before) - set(server.snapshot("work", user))) != chosen:
        assert gone <= chosen
        halfway += bool(gone)
        with command("run", user, "work", *to, *choose, "--yes") as child:
            time.sleep(lots.uniform(0.2, 1.2))
            child.kill()
            child.communicate()
            killed += child.returncode == -9
    with command("run", user, "work", *to, *choose, "--yes") as last:
        assert last.communicate()[0] and last.returncode == 0
    slow.close()
    assert killed and halfway
    assert server.snapshot("work", user) == without(before, chosen)
    assert deleted_uids(store, "work") == chosen
    with open_store(store) as opened:
        assert opened.check() == []
