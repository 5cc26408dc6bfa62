"""The pipeline: order, counts, stages that fail, Ctrl-C; real sources and planted stages."""

import importlib.util
import json
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest

import atlas_fast
from atlas_fast import Interrupted, Pipeline, SourceError, UsageError, scan, triage
from atlas_fast.batch import Batch
from atlas_fast.classify import reasons
from atlas_fast.observe.counters import StageClock
from atlas_fast.store import schema


class Memory:
    """A source over bytes objects."""

    def __init__(self, messages, name="memory:test", per_batch=None, problems=()):
        self.identity = name
        self.messages = messages
        self.per_batch = per_batch
        self.problems = list(problems)
        self.n_batches = 0

    def estimate(self):
        return sum(map(len, self.messages))

    def batches(self, max_messages, max_bytes, after=""):
        step = self.per_batch or max_messages
        for first in range(0, len(self.messages), step):
            some = self.messages[first : first + step]
            stops = np.cumsum([len(one) for one in some]).astype(np.int64)
            starts = np.concatenate([np.zeros(1, np.int64), stops[:-1]])
            raw = np.frombuffer(b"".join(some), np.uint8)
            places = [str(number) for number in range(first, first + len(some))]
            self.n_batches += 1
            yield Batch(raw, starts, stops, source=self.identity, places=places)


def mail(number, text="hello"):
    return b"From: p%d@example.org\nSubject: %s %d\n\nbody\n" % (number, text.encode(), number)


MAILS = [mail(number) for number in range(95)]


def rows(path, columns="uid, sender_email, subject, category, action, flags, message_key"):
    connection = sqlite3.connect(path)
    found = connection.execute(f"SELECT {columns} FROM {schema.MESSAGES} ORDER BY id").fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("workers", [1, 3])
def test_every_message_is_one_row_in_order(tmp_path, workers):
    source = Memory(MAILS, per_batch=10)
    report = triage(source, tmp_path / "a.db", workers)
    assert (report.messages, report.stored, report.errors) == (95, 95, 0)
    assert report.bytes == sum(map(len, MAILS))
    assert sum(report.categories.values()) == 95
    assert set(report.stages) == {
        "source", "keys", "parse", "origin", "geo", "domains", "auth", "cache", "features",
        "decide", "policy", "rows", "store",
    }  # fmt: skip
    stored = rows(tmp_path / "a.db")
    assert [row[0] for row in stored] == [str(number) for number in range(95)]
    assert stored[7][1:3] == ("p7@example.org", "hello 7")


def test_workers_and_batch_sizes_do_not_change_the_rows(tmp_path):
    answers = []
    for number, (workers, size) in enumerate([(1, 95), (1, 1), (2, 7), (4, 1)]):
        path = tmp_path / f"{number}.db"
        triage(Memory(MAILS, per_batch=size), path, workers)
        answers.append(rows(path))
    assert answers[0] == answers[1] == answers[2] == answers[3]


def test_again_adds_nothing(tmp_path):
    path = tmp_path / "a.db"
    triage(Memory(MAILS), path)
    before = rows(path)
    report = triage(Memory(MAILS), path)
    assert (report.messages, report.stored) == (95, 0)
    assert rows(path) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_stage_costs_one_message_its_columns_and_nothing_else(tmp_path, workers):
    def fragile(batch):
        for start, stop in zip(batch.starts, batch.stops, strict=True):
            if b"Subject: bomb" in bytes(batch.raw[start:stop]):
                raise RuntimeError("boom")

    pipeline = Pipeline(workers=workers)
    pipeline.stages.append(("fragile", fragile))
    messages = [mail(number, "bomb" if number in (0, 13, 14, 94) else "hi") for number in range(95)]
    report = triage(Memory(messages, per_batch=40), tmp_path / "a.db", pipeline=pipeline)
    assert (report.messages, report.stored, report.errors) == (95, 95, 4)
    assert report.categories["Unknown"] == 4
    assert report.problems[0] == "0: RuntimeError: boom"
    stored = rows(tmp_path / "a.db", "uid, subject, category")
    assert [row[0] for row in stored] == [str(number) for number in range(95)]
    assert stored[13] == ("13", "No Subject", "Unknown")
    assert stored[15][1] == "hi 15" and stored[15][2] != "Unknown"
    connection = sqlite3.connect(tmp_path / "a.db")
    found = connection.execute("SELECT error_type, error_message, stack_trace FROM error_reports")
    reports = found.fetchall()
    connection.close()
    assert len(reports) == 4
    assert reports[0][:2] == ("RuntimeError", "boom") and "fragile" in reports[0][2]


def test_what_is_no_mail_is_stored_and_counted(tmp_path):
    messages = [b"", b"\x00\xff" * 50, b"no header at all", *MAILS[:2]]
    report = triage(Memory(messages), tmp_path / "a.db")
    assert (report.messages, report.stored) == (5, 5)
    assert report.errors == report.flags["HDR_EMPTY"] >= 2


def test_places_that_a_source_could_not_read_are_errors():
    report = triage(Memory(MAILS[:3], problems=["x.eml: permission denied"]))
    assert (report.messages, report.errors) == (3, 1)
    assert report.problems == ["x.eml: permission denied"]


def test_several_sources_are_one_run(tmp_path):
    path = tmp_path / "a.db"
    report = triage([Memory(MAILS[:5], "memory:a"), Memory(MAILS[:5], "memory:b")], path)
    assert (report.messages, report.stored) == (10, 10)
    assert report.sources == ["memory:a", "memory:b"]
    assert rows(path, "DISTINCT session_id") == [(1,)]


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_what_is_committed_and_the_next_run_completes_it(tmp_path, workers):
    path, seen = tmp_path / "a.db", []

    def stop(messages, done):
        seen.append(messages)
        if len(seen) == 4:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(Interrupted) as stopped:
        triage(Memory(MAILS, per_batch=10), path, workers, progress=stop)
    report = stopped.value.report
    assert report.interrupted and report.messages == report.stored == 40
    assert len(rows(path)) == 40
    assert threading.active_count() == before
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT end_time FROM sessions").fetchall() == [(None,)]
    connection.close()
    assert triage(Memory(MAILS, per_batch=10), path, workers).stored == 55


def test_reading_does_not_run_ahead_of_a_slow_store():
    source, slow = Memory(MAILS, per_batch=1), threading.Event()
    pipeline = Pipeline([("slow", lambda batch: slow.wait(0.01) and None)], workers=2)
    taken = 0
    for done in pipeline.run(source, StageClock()):
        taken += sum(map(len, done.parts))
        assert source.n_batches - taken <= 2 * pipeline.workers
    assert taken == 95


def test_an_error_of_the_source_ends_the_run_and_leaves_no_thread(tmp_path):
    class Broken(Memory):
        def batches(self, max_messages, max_bytes, after=""):
            yield from super().batches(10, max_bytes)
            raise SourceError("disk gone")

    before = threading.active_count()
    for workers in (1, 2):
        path = tmp_path / f"{workers}.db"
        with pytest.raises(SourceError, match="disk gone"):
            triage(Broken(MAILS), path, workers)
        assert 0 < len(rows(path)) <= 95
    time.sleep(0.05)
    assert threading.active_count() == before


def test_scan_gives_columns_and_no_store():
    batches = list(scan(Memory(MAILS, per_batch=50)))
    assert [len(batch) for batch in batches] == [50, 45]
    assert batches[1].headers.subject.tolist()[0] == "hello 50"
    assert batches[0].verdict.probability.shape == (50,)


def test_misuse():
    with pytest.raises(UsageError, match="workers"):
        triage(Memory(MAILS), workers=0)
    with pytest.raises(UsageError, match="no source"):
        triage([])
    with pytest.raises(SourceError):
        triage("there/is/no/such/mailbox")


def test_no_store_is_made_for_a_source_that_is_not_there(tmp_path):
    with pytest.raises(SourceError):
        triage(str(tmp_path / "absent"), tmp_path / "a.db")
    assert list(tmp_path.iterdir()) == []


def test_clock_adds_up():
    clock, other = StageClock(), StageClock()
    clock.add("a", 1.0)
    other.add("a", 2.0)
    other.add("b", 4.0)
    clock.merge(other)
    assert clock.seconds == {"a": 3.0, "b": 4.0}
    assert list(clock.each("c", iter([1, None, 2]))) == [1, None, 2]
    assert clock.seconds["c"] >= 0


def test_import_is_light():
    code = (
        "import sys, atlas_fast; dir(atlas_fast); "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "('numpy', 'orjson', 'rich', 'sqlite3') or m.startswith('atlas_fast.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['atlas_fast._version']"


def test_public_names_exist():
    for name in atlas_fast.__all__:
        assert getattr(atlas_fast, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = atlas_fast.nothing
    assert importlib.util.find_spec("atlas_fast.__main__") is not None


@pytest.mark.parametrize("home", sorted(set(atlas_fast._HOME.values())))
def test_every_public_module_can_be_imported_first(home):
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", f"import atlas_fast.{home}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_reasons_are_stored(tmp_path):
    """Of every verdict, whatever the policy did; none where a stage failed."""
    source, store = "synthetic:40,3", tmp_path / "a.db"
    triage(source, store)
    batches = list(scan(source))
    told = [text for batch in batches for text in batch.verdict.reasons.stored().tolist()]
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute(
            "SELECT raw_data, subject FROM processed_emails_bulletproof ORDER BY id"
        ).fetchall()
    assert [text for text, _ in rows] == told and len(told) == 40
    for text, subject in rows:
        assert len(json.dumps(json.loads(text), separators=(",", ":"))) == len(text) < 200
        assert 4 <= len(reasons.words(text, subject)) <= 7


def test_without_order_a_slow_batch_holds_nothing_up():
    """The first batch waits until all others were given back; in order that would never end."""
    rest = threading.Event()

    def slow(batch):
        if batch.places[0] == "0":
            assert rest.wait(60)

    pipeline = Pipeline([("slow", slow)], workers=2, ordered=False)
    seen = []
    for done in pipeline.run(Memory(MAILS, per_batch=10), StageClock()):
        seen.append(done.parts[0].places[0])
        if len(seen) == 9:
            rest.set()
    assert seen[-1] == "0" and sorted(map(int, seen)) == list(range(0, 95, 10))


def test_few_batches_wait_for_a_worker():
    """However many may be ahead of the caller: those that are read hold their mail."""
    gate, read = threading.Event(), []

    class Counted(Memory):
        def batches(self, *given):
            for batch in super().batches(*given):
                read.append(batch.mark)
                yield batch

    pipeline = Pipeline([("slow", lambda batch: gate.wait(30))], workers=6, max_messages=5)
    made = []
    caller = threading.Thread(
        target=lambda: made.extend(pipeline.run(Counted(MAILS), StageClock()))
    )
    caller.start()
    deadline = time.monotonic() + 10
    while len(read) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(read) == 8
    gate.set()
    caller.join(30)
    assert len(made) == len(read) == 19


def test_a_store_needs_order(tmp_path):
    with pytest.raises(UsageError, match="in their order"):
        triage(Memory(MAILS), tmp_path / "a.db", pipeline=Pipeline(ordered=False))
    assert triage(Memory(MAILS), pipeline=Pipeline(ordered=False, workers=2)).messages == 95


@pytest.mark.parametrize("workers", [1, 2])
def test_one_huge_message_neither_stalls_nor_bloats(tmp_path, workers):
    """It stands alone in its batch, so that no other waits for its sake, and its bytes are not
    copied; the others are where they would be without it."""
    huge = mail(1) + b"0123456789abcdef" * (50 << 16) + b"\n"
    box = tmp_path / "box"
    with open(box, "wb") as file:
        for number in range(3_000):
            raw = huge if number == 1_500 else mail(number)
            file.write(b"From a@b.example Mon Jan  1 00:00:00 2024\n" + raw + b"\n")
    sizes = []
    pipeline = Pipeline(workers=workers)
    for done in pipeline.run(atlas_fast.open_source(str(box)), StageClock()):
        sizes += [(len(part), part.nbytes) for part in done.parts]
    assert [n for n, _ in sizes] == [1000, 500, 1, 1000, 499]
    assert sizes[2][1] == len(huge)
    assert max(size for n, size in sizes if n > 1) < 1 << 20
    report = triage(str(box), tmp_path / "a.db", workers)
    assert report.stored == 3_000 and report.errors == 0


def test_what_a_batch_left_behind_is_small(tmp_path):
    """Of a batch that waits to be stored there are rows and counts, no columns."""
    kept = []

    class Watched(Pipeline):
        def process(self, batch):
            done = super().process(batch)
            kept.append(done)
            return done

    triage(Memory(MAILS, per_batch=20), tmp_path / "a.db", pipeline=Watched())
    assert [len(done.parts) for done in kept] == [0] * 5
    assert sum(block.n for done in kept for block in done.blocks) == 95
    assert sum(done.counts.messages for done in kept) == 95
