"""Stores that lie where nothing can be written: they are read, and nothing is made beside them."""

import os
import sqlite3
import subprocess
import sys
from functools import partial

import pytest
from nobody import ENV, as_nobody

from atlas_fast.cli import main
from atlas_fast.errors import StoreError
from atlas_fast.store import SqliteStore, open_store, schema
from atlas_fast.store.plain import PlainConnections
from atlas_fast.store.reading import ReadOnly, SqliteReader, Wanted
from atlas_fast.store.rows import row_block
from atlas_fast.store.views.reader import StoreReader
from store.fake import FakeBatch

ASKING = (
    "export --store {}",
    "db current --store {}",
    "db check --store {}",
    "db runs --store {}",
    "rollout status --store {}",
    "learn --history --store {}",
)
MAIN = "from atlas_fast.cli import main; sys.exit(main(sys.argv[1:]))"
VERBS = """
from atlas_fast.cli import main
for line in sys.argv[2:]:
    code = main(line.format(sys.argv[1]).split())
    assert code == 0, (code, line)
"""


def fill(store, n=30, first=0):
    run = store.begin_run(["mbox:/mail"])
    batch = FakeBatch([{"place": i, "spam": i % 2 * 0.9} for i in range(first, first + n)])
    assert store.write(run, [row_block(batch, run.session_id, "2026-03-04 05:06:07")]) == n
    store.finish_run(run)


@pytest.fixture(params=["a.db", "a.parquet"])
def path(tmp_path, request):
    (tmp_path / "there").mkdir(mode=0o755)
    where = tmp_path / "there" / request.param
    if request.param.endswith("parquet"):
        pytest.importorskip("pyarrow")
    store = open_store(where)
    fill(store)
    store.close()
    return where


def tree(folder):
    return sorted((p, p.stat().st_mtime_ns) for p in folder.rglob("*"))


def test_verbs_that_ask_work_in_a_folder_of_somebody_else(tmp_path, path):
    verbs = (
        ASKING
        if path.suffix == ".db"
        else [v for v in ASKING if v.split()[1] in ("check", "runs", "--store")]
    )
    (path if path.is_file() else path / "_lock").chmod(0o444)
    before = tree(tmp_path / "there")
    done = as_nobody(tmp_path, VERBS, path, *verbs)
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "there") == before
    assert done.stdout.count("message_key") == 30 and "sound" in done.stdout


def test_rows_that_only_the_log_has_are_not_left_out(tmp_path):
    """The writer was killed: its log is joined where that can be written, else it is said."""
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    path = there / "a.db"
    code = (
        "import os, sys\n"
        "from atlas_fast.store import SqliteStore\n"
        "store = SqliteStore(sys.argv[1]); store.begin_run([]); os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=ENV)
    assert (there / "a.db-wal").stat().st_size
    (there / "a.db-shm").unlink()
    done = as_nobody(
        tmp_path,
        "from atlas_fast.cli import main; sys.exit(main(sys.argv[1:]))",
        "db",
        "runs",
        "--store",
        path,
    )
    assert done.returncode == 1 and "a.db-wal" in done.stderr and done.stderr.count("\n") == 1
    with open_store(path, write=False) as store:
        assert len(store.runs()) == 1


def test_another_writer_is_seen_by_who_thought_there_was_none(tmp_path, monkeypatch):
    path = tmp_path / "a.db"
    SqliteStore(path).close()
    real = ReadOnly._connect

    def connect(self, how):
        if "immutable" not in how:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        return real(self, how)

    monkeypatch.setattr(ReadOnly, "_connect", connect)
    reader, view = SqliteReader(path), open_store(path, write=False)
    with SqliteStore(path) as store:
        fill(store)
    with pytest.raises(StoreError, match="wrote to it meanwhile"):
        list(reader.rows(Wanted()))
    with pytest.raises(StoreError, match="wrote to it meanwhile"):
        view.close()
    reader.close()


def test_a_look_takes_no_lock_away(tmp_path):
    """A process that opens and closes a file loses SQLite's locks on it; then the next program that
    comes and goes takes the log away, and what is written afterwards is lost."""
    path = tmp_path / "a.db"
    ask = f"import sqlite3; c = sqlite3.connect({str(path)!r}); " + (
        f"print(c.execute('SELECT COUNT(*) FROM {schema.MESSAGES}').fetchone()[0]); c.close()"
    )
    with SqliteStore(path) as store:
        for number in range(2):
            fill(store, first=30 * number)
            open_store(path, write=False).close()
            told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
            assert told.stdout == f"{30 * (number + 1)}\n", told.stderr
            assert path.with_name("a.db-wal").exists()


def test_a_view_changes_nothing_and_makes_nothing(tmp_path):
    path = tmp_path / "a.db"
    with pytest.raises(StoreError, match="no such file"):
        open_store(path, write=False)
    path.touch()
    with pytest.raises(StoreError, match="not a store"):
        open_store(path, write=False)
    assert path.stat().st_size == 0
    path.unlink()
    with SqliteStore(path) as store:
        fill(store)
    with open_store(path, write=False) as view:
        assert view.count_messages() == 30 and view.check() == []
        with pytest.raises(StoreError, match="readonly"):
            view.begin_run([])
        with SqliteStore(path) as store:  # a live one is followed
            fill(store, first=30)
        assert view.count_messages() == 60


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path, capsys):
    path = tmp_path / "a.db"
    SqliteStore(path).close()
    path.chmod(0)
    assert main(["export", "--store", str(path)]) == 1
    assert "Permission denied" in capsys.readouterr().err


def test_a_backup_of_what_cannot_be_written(tmp_path):
    there, mine = tmp_path / "there", tmp_path / "mine"
    there.mkdir(mode=0o755)
    mine.mkdir()
    mine.chmod(0o777)
    with SqliteStore(there / "a.db") as store:
        fill(store)
    done = as_nobody(tmp_path, MAIN, "db", "backup", mine / "copy.db", "--store", there / "a.db")
    assert done.returncode == 0, done.stderr
    connection = sqlite3.connect(mine / "copy.db")
    assert connection.execute(f"SELECT COUNT(*) FROM {schema.MESSAGES}").fetchone() == (30,)
    connection.close()


def test_what_is_no_store_is_not_kept_open(tmp_path, monkeypatch):
    """By no way in which a file is opened."""
    path, made, connect = tmp_path / "a.db", [], sqlite3.connect

    class Watched(sqlite3.Connection):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            made.append(self)

    open_store(path).close()
    lent = PlainConnections(path)
    path.write_bytes(b"this is a text, not a database " * 200)
    monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Watched))
    for ask in (
        lambda: StoreReader(path).ask("SELECT 1"), lambda: SqliteReader(path), lent.connect,
        lambda: SqliteStore(path),
    ):  # fmt: skip
        made.clear()
        with pytest.raises((StoreError, sqlite3.DatabaseError)):
            ask()
        assert made
        for connection in made:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                connection.execute("SELECT 1")
