"""Every message once: again, after a change, interrupted, by two runs at once."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import pytest

from atlas_fast.batch import Batch
from atlas_fast.pipeline import Interrupted, Pipeline, scan, triage
from atlas_fast.sources import base, open_source
from atlas_fast.sources.synthetic import generate
from atlas_fast.store import SqliteStore, schema

MAIL = [raw for _, raw in generate(60, 9)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "atlas.db"


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled at once."""
    monkeypatch.setattr(base, "SETTLED_NS", -(10**12))


def keys(path):
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f"SELECT message_key FROM {schema.MESSAGES}").fetchall()
    assert len(set(found)) == len(found)
    return sorted(found)


def sound(path):
    with SqliteStore(path) as store:
        assert store.check() == []


def mbox(path, messages):
    path.write_bytes(b"".join(b"From a@b Thu Jan  1 00:00:00 2026\n" + m + b"\n" for m in messages))
    return path


def folder(path, messages):
    path.mkdir(exist_ok=True)
    for number, raw in enumerate(messages):
        (path / f"{number:04}.eml").write_bytes(raw)
    return path


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("form", ["mbox", "eml", "synthetic", "file"])
def test_again_adds_nothing(tmp_path, path, form, workers, settled):
    source = {
        "mbox": lambda: mbox(tmp_path / "a.mbox", MAIL),
        "eml": lambda: folder(tmp_path / "mail", MAIL),
        "synthetic": lambda: "synthetic:60,9",
        "file": lambda: folder(tmp_path / "mail", MAIL[:1]) / "0000.eml",
    }[form]()
    first = triage(str(source), path, workers)
    before = keys(path)
    for resume in (True, False, True):
        again = triage(str(source), path, workers, resume=resume)
        assert (again.messages, again.stored) == (first.messages, 0)
        assert again.known == (first.messages if resume else 0)
        assert keys(path) == before
    sound(path)


def test_a_source_that_has_not_changed_is_not_read(tmp_path, path, settled, monkeypatch):
    source = open_source(str(mbox(tmp_path / "a.mbox", MAIL)))
    triage(source, path)
    read = []
    real = source.batches
    source.batches = lambda *a, **k: (read.append(len(b)) or b for b in real(*a, **k))
    assert triage(source, path).known == 60
    assert read == []


def test_appended_mbox(tmp_path, path):
    box = mbox(tmp_path / "a.mbox", MAIL[:40])
    triage(str(box), path)
    before = set(keys(path))
    mbox(box, MAIL)
    report = triage(str(box), path)
    assert (report.messages, report.known, report.stored) == (60, 40, 20)
    assert before < set(keys(path))
    sound(path)


def test_a_change_in_the_middle_is_seen(tmp_path, path, settled):
    box = mbox(tmp_path / "a.mbox", MAIL)
    triage(str(box), path)
    raw = box.read_bytes()
    at = raw.index(b"Subject: ", len(raw) // 2)
    box.write_bytes(raw[: at + 9] + b"X" + raw[at + 10 :])  # the size stays
    report = triage(str(box), path)
    assert (report.known, report.stored) == (59, 1)
    sound(path)


def test_changed_and_new_files(tmp_path, path):
    mail = folder(tmp_path / "mail", MAIL[:50])
    triage(str(mail), path)
    (mail / "0007.eml").write_bytes(MAIL[55])
    (mail / "0000a.eml").write_bytes(MAIL[56])  # sorts before the mark
    report = triage(str(mail), path)
    assert (report.known, report.stored) == (49, 2)


def test_a_file_that_changed_just_now_proves_nothing(tmp_path, path):
    """Its time may be that of a later change, too."""
    box = mbox(tmp_path / "a.mbox", MAIL)
    assert open_source(str(box)).state() == ""
    os.utime(box, (1, 1))  # the time of modification alone is not enough
    assert open_source(str(box)).state() == ""


def test_same_message_twice_in_a_mailbox_is_two_messages(tmp_path, path):
    box = mbox(tmp_path / "a.mbox", [MAIL[0]] * 30)
    assert triage(str(box), path).stored == 30
    assert triage(str(box), path).stored == 0


def test_duplicate_key_inside_a_batch(path):
    """A source that gives the same place twice: one row."""
    one = next(iter(open_source("synthetic:20,9").batches(20, 1 << 20)))
    twice = Batch(
        one.raw, one.starts.repeat(2), one.stops.repeat(2), source=one.source,
        places=[place for place in one.places for _ in (0, 1)],
    )  # fmt: skip

    class Source:
        identity = one.source
        problems = ()

        def batches(self, *_):
            yield twice

    report = triage(Source(), path)
    assert (report.messages, report.stored) == (40, 20)
    sound(path)


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_runs_go_on_at_the_mark(path, workers):
    done = [0]

    def stop(messages, nbytes):
        done[0] += 1
        if done[0] == 3:
            raise KeyboardInterrupt

    pipeline = Pipeline(workers=workers, max_messages=500)
    with pytest.raises(Interrupted) as caught:
        triage("synthetic:4000,3", path, progress=stop, pipeline=pipeline)
    stored = caught.value.report.stored
    assert 1000 <= stored < 4000
    sound(path)
    rest = triage("synthetic:4000,3", path)
    assert rest.known == stored and rest.stored == 4000 - stored
    assert len(keys(path)) == 4000
    sound(path)


def test_a_growing_synthetic_source(path):
    triage("synthetic:500,4", path)
    report = triage("synthetic:800,4", path)
    assert (report.known, report.stored) == (500, 300)


def test_several_sources_in_one_run(tmp_path, path, settled):
    box, mail = mbox(tmp_path / "a.mbox", MAIL[:30]), folder(tmp_path / "m", MAIL[30:])
    sources = [str(box), str(mail), "synthetic:100,2", str(box)]
    assert triage(sources, path, 2).stored == 160
    again = triage(sources, path, 2)
    assert (again.stored, again.known) == (0, 190)
    sound(path)


def test_two_runs_at_once_into_one_store(path, tmp_path):
    def start(source):
        code = "import sys; from atlas_fast.pipeline import triage; triage(*sys.argv[1:3])"
        return subprocess.Popen([sys.executable, "-c", code, source, str(path)])

    sources = ("synthetic:4000,1", "synthetic:4000,1", "synthetic:5000,2")
    children = [start(source) for source in sources]
    assert [child.wait(timeout=120) for child in children] == [0, 0, 0]
    assert len(keys(path)) == 9000
    sound(path)


def test_sigterm_keeps_what_was_done(path):
    child = subprocess.Popen(
        [sys.executable, "-m", "atlas_fast", "run", "synthetic:500000,3", "--store", str(path),
         "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.2)
        with suppress(sqlite3.OperationalError):  # not there yet, or not made yet
            if keys(path):
                break
    child.terminate()
    out, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert "interrupted" in errors and '"interrupted": true' in out
    sound(path)
    assert len(keys(path)) > 0


def test_a_pipeline_forgets_the_store(path):
    """The same pipeline may be used without one afterwards."""
    pipeline = Pipeline()
    for _ in range(2):
        triage("synthetic:50,3", path, pipeline=pipeline)
    assert sum(map(len, scan("synthetic:50,3", pipeline=pipeline))) == 50


def test_without_a_store_nothing_is_asked():
    assert triage("synthetic:10").known == 0


def test_many_open_a_new_file_at_once(tmp_path):
    """Each turns the journal to WAL; SQLite refuses all but one, and does not wait by itself."""
    code = "import sys; from atlas_fast.store import SqliteStore; SqliteStore(sys.argv[1]).close()"
    for number in range(3):
        path = str(tmp_path / f"{number}.db")
        runs = [
            subprocess.Popen([sys.executable, "-c", code, path], stderr=subprocess.PIPE)
            for _ in range(6)
        ]
        said = [run.communicate()[1] for run in runs]
        assert [run.returncode for run in runs] == [0] * 6, said
