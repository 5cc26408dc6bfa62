"""The Parquet store: rows, exactly once, whole files only, upkeep."""

import io
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from atlas_fast.cli import main
from atlas_fast.errors import StoreError, UsageError
from atlas_fast.export import FORMATS, Wanted, export
from atlas_fast.pipeline import triage
from atlas_fast.store import SqliteStore, migrate, open_database, open_reader, open_store
from atlas_fast.store.base import ErrorRow, Mark
from atlas_fast.store.reading import COLUMNS
from atlas_fast.store.rows import row_block
from store.fake import FakeBatch

pq = pytest.importorskip("pyarrow.parquet")

from atlas_fast.store.parquet import ParquetStore  # noqa: E402

OLD, NEW = "2025-01-01 00:00:00", "2026-01-01 00:00:00"
WRITTEN = {"id", "session_id", "timestamp", "created_at"}
DEFAULTS = {"user_validated": 0, "user_protected": 0, "reviewed": 0}
"""What SQL fills in where the engine says nothing; Parquet has null there."""
HOSTILE = [
    "\x00\x01\x1f\x7f", "\ud800", "\x80\x9f", "\u202e=1+1", "\t\r\n", "", "x" * 1_000_000, "é\U0001f600",
]  # fmt: skip


def block(run, first, n, when=NEW):
    rows = [{"place": i, "spam": i % 2 * 0.9} for i in range(first, first + n)]
    return row_block(FakeBatch(rows), run.session_id, when)


def content(where):
    reader = open_reader(where)
    try:
        rows = [
            {n: v for n, v in zip(COLUMNS, row, strict=True) if n not in WRITTEN}
            for chunk in reader.rows(Wanted())
            for row in chunk
        ]
    finally:
        reader.close()
    for row in rows:
        row.update({name: 0 for name in DEFAULTS if row[name] is None})
    return sorted(rows, key=lambda row: row["message_key"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mail.parquet"


@pytest.fixture
def store(path):
    with ParquetStore(path) as made:
        yield made


def test_the_rows_are_those_of_sqlite(path, tmp_path):
    report = triage("synthetic:3000,5", path, workers=2)
    triage("synthetic:3000,5", tmp_path / "a.db")
    assert report.stored == 3000
    assert content(path) == content(tmp_path / "a.db")
    assert pq.read_table(path).num_rows == 3000  # as others read such a folder
    with ParquetStore(path) as ours, SqliteStore(tmp_path / "a.db") as theirs:
        assert ours.check() == []
        assert ours.recent(5) == theirs.recent(5)
        (one,), (other,) = ours.runs(), theirs.runs()
        assert {**one, "start_time": 0, "end_time": 0} == {**other, "start_time": 0, "end_time": 0}
        assert one["end_time"] is not None


def test_again_adds_nothing(path):
    assert triage("synthetic:2000,5", path).stored == 2000
    files = sorted(os.listdir(path))
    assert triage("synthetic:2000,5", path).stored == 0
    assert triage("synthetic:2000,5", path, resume=False).stored == 0
    assert sorted(os.listdir(path)) == files
    assert triage("synthetic:2500,5", path, resume=False).stored == 500
    with ParquetStore(path) as store:
        assert (store.count_messages(), store.check()) == (2500, [])
    assert pq.read_table(path)["id"].to_pylist() == [*range(1, 2501)]


def test_hostile_text_is_stored_as_in_sqlite(path, tmp_path):
    rows = [
        dict.fromkeys(("place", "subject", "name", "address", "domain"), one) for one in HOSTILE
    ]
    batch = FakeBatch(rows, "mbox:/\x00\ud800")
    for where in (path, tmp_path / "a.db"):
        store = open_store(where)
        run = store.begin_run(HOSTILE)
        mark = Mark("mbox:/\x00\ud800", "9", "x", 3)
        errors = [ErrorRow("1", "K", "\u2400 '\"", "trace")]
        made = row_block(batch, run.session_id, NEW)
        assert store.write(run, [made], errors, [mark]) == len(HOSTILE)
        assert store.mark(mark.source) == mark
        assert store.known([bytes(key) for key in batch.keys]) == {bytes(key) for key in batch.keys}
        store.close()
    assert content(path) == content(tmp_path / "a.db")


def test_known_keys_in_a_batch_and_across(store):
    one, two = store.begin_run(["a"]), store.begin_run(["b"])
    assert store.write(one, [block(one, 0, 100), block(one, 50, 100)]) == 150
    assert store.write(two, [block(two, 100, 100)]) == 50
    assert (store.totals(one).stored, store.totals(two).stored) == (150, 50)
    with store.transaction():
        assert store.write(two, [block(two, 200, 10)]) == 10
        assert store.write(two, [block(two, 205, 10)]) == 5
    assert store.count_messages() == 215 and store.check() == []


def test_a_transaction_that_fails_leaves_no_file(store, path):
    run = store.begin_run(["a"])
    before = sorted(path.rglob("*"))
    with pytest.raises(KeyError), store.transaction():
        store.write(run, [block(run, 0, 10)], marks=[Mark("s", "1")])
        raise KeyError
    assert sorted(path.rglob("*")) == before and store.mark("s") is None
    assert store.write(run, [block(run, 0, 10)]) == 10


def test_deleted_and_pruned(store, path):
    one = store.begin_run(["a"])
    store.write(one, [block(one, 0, 40)])
    two = store.begin_run(["b"])
    mark = Mark("mbox:/mail/inbox", "1")
    store.write(two, [block(two, 40, 25, OLD)], [ErrorRow("1", "E", "t", "t")], [mark])
    assert store.delete_run(two.session_id).messages == 25
    assert store.mark(mark.source) is None and store.count_messages() == 40
    with pytest.raises(StoreError, match="no run"):
        store.delete_run(two.session_id)
    assert store.write(one, [block(one, 40, 25, OLD), block(one, 65, 5)]) == 30
    assert store.prune("2025-06-01 00:00:00").messages == 25
    assert (store.count_messages(), store.check()) == (45, [])
    assert store.write(one, [block(one, 40, 25, OLD)]) == 0
    store.close()
    with ParquetStore(path) as again:
        assert again.write(one, [block(one, 40, 25, OLD)]) == 0


def test_two_writers(store, path):
    with pytest.raises(StoreError, match="locked by another program"):
        ParquetStore(path, busy_seconds=0.2)
    run = store.begin_run(["a"])
    store.write(run, [block(run, 0, 10)])
    assert len(content(path)) == 10  # readers do not wait
    store.close()
    store.close()
    with ParquetStore(path, busy_seconds=0.2) as other:
        assert other.count_messages() == 10


def test_check_finds_what_is_wrong(store, path):
    run = store.begin_run(["a"])
    for first in range(0, 50, 10):
        store.write(run, [block(run, first, 10)])
    parts = sorted(path.glob("part-*"))
    parts[1].write_bytes(parts[0].read_bytes())  # its messages twice
    data = bytearray(parts[2].read_bytes())
    data[200:202] = bytes([data[200] ^ 1, data[201]])
    parts[2].write_bytes(data)
    parts[3].write_bytes(parts[3].read_bytes()[:-9])
    pq.write_table(pq.read_table(parts[4]).replace_schema_metadata(None), parts[4])
    texts = [finding.text for finding in store.check()]
    assert len(texts) == 4 and "10 message(s) are stored twice" in texts
    assert all(any(part.name in text for text in texts) for part in parts[2:])
    (path / "_runs" / "00000001.json").unlink()
    assert "orphan" in {finding.kind for finding in store.check()}


def test_what_is_not_ours_is_refused(tmp_path):
    other = tmp_path / "other.parquet"
    other.mkdir()
    (other / "data.parquet").write_bytes(b"x")
    (tmp_path / "file.parquet").write_bytes(b"PAR1")
    for where in (other, tmp_path / "file.parquet", tmp_path / "no" / "deep.parquet"):
        for attempt in (open_store, open_reader):
            with pytest.raises(StoreError):
                attempt(where)
    assert os.listdir(other) == ["data.parquet"] and not (tmp_path / "no").exists()
    with pytest.raises(StoreError, match="no such store"):
        open_store(tmp_path / "none.parquet", make=False)
    made = tmp_path / "newer.parquet"
    ParquetStore(made).close()
    (made / "_atlas_fast.json").write_text('{"layout": 9}')
    with pytest.raises(StoreError, match="layout 9"):
        open_store(made)
    (made / "_atlas_fast.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        open_store(made)


def test_a_full_disk_leaves_whole_files(path, monkeypatch):
    from atlas_fast.store import folder

    with ParquetStore(path) as store:
        run = store.begin_run(["a"])
        store.write(run, [block(run, 0, 10)])
        monkeypatch.setattr(
            folder.os,
            "fsync",
            lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        with pytest.raises(StoreError, match="No space left"):
            store.write(run, [block(run, 10, 10)])
        monkeypatch.undo()
        assert store.write(run, [block(run, 10, 10)]) == 10
        assert (store.count_messages(), store.check()) == (20, [])


def test_a_folder_is_not_made_where_a_database_is_needed(path):
    with pytest.raises(UsageError, match="journal"):
        open_database(path)
    assert not path.exists()


def test_each_format_from_a_folder(path, tmp_path):
    triage("synthetic:1200,5", path)
    triage("synthetic:1200,5", tmp_path / "a.db")
    for format in FORMATS:
        assert export(path, io.BytesIO(), format) == 1200
    wanted = Wanted(run=1, category="Not Spam", since="2025-12-31")
    counts = {export(store, io.BytesIO(), "csv", wanted) for store in (path, tmp_path / "a.db")}
    assert len(counts) == 1 and counts != {0}
    for wrong in (Wanted(run=2), Wanted(category="Nope")):
        with pytest.raises(UsageError, match=r"there are (1|Business.*Unknown|.*Not Spam)"):
            export(path, io.BytesIO(), "csv", wrong)


def test_the_command_looks_after_a_folder(path, capsys):
    assert main(["db", "check", "--store", str(path)]) == 1 and not path.exists()
    assert main(["run", "synthetic:50,1", "--store", str(path)]) == 0
    (path / ".part-00000009.parquet.tmp").write_bytes(b"x")
    for arguments in (["vacuum"], ["check"], ["runs"], ["recount"], ["prune", "--older-than", "1d"],
                      ["delete-run", "1"]):  # fmt: skip
        assert main(["db", *arguments, "--store", str(path)]) == 0, arguments
    assert not list(path.glob(".*"))
    for arguments in (["current"], ["upgrade"], ["downgrade", "base"], ["backup"]):
        assert main(["db", *arguments, "--store", str(path)]) == 2, arguments
    assert "Parquet" in capsys.readouterr().err
    with pytest.raises(UsageError):
        migrate.current(path)


SMALL_COMMITS = """
import sys
from atlas_fast.pipeline import Pipeline, triage
from atlas_fast.store.parquet import ParquetStore
ParquetStore.commit_rows = 100
triage("synthetic:4000,3", sys.argv[1], pipeline=Pipeline(max_messages=100))
"""


def test_killed_runs_leave_whole_files_and_are_resumed(tmp_path):
    """Killed when some of forty files are there, at a random moment of the next one."""
    chance = random.Random(7)
    calm = tmp_path / "calm.parquet"
    triage("synthetic:4000,3", calm)
    wanted = content(calm)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    middle = 0
    for number in range(6):
        path = tmp_path / f"{number}.parquet"
        child = subprocess.Popen([sys.executable, "-P", "-c", SMALL_COMMITS, str(path)], env=env)
        enough = chance.randint(1, 36)
        deadline = time.monotonic() + 60
        while len(list(path.glob("part-*"))) < enough and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        child.wait()
        there = sum(pq.read_metadata(part).num_rows for part in path.glob("part-*"))
        middle += 0 < there < 4000
        assert triage("synthetic:4000,3", path).stored == 4000 - there
        assert content(path) == wanted
        with ParquetStore(path) as store:
            assert store.check() == []
    assert middle, "no kill came while rows were written"


def test_it_is_no_database(tmp_path):
    with pytest.raises(UsageError, match="no journal"):
        open_database(tmp_path / "a.parquet")
