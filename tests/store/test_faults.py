"""Disk full, read-only files, other people's locks: a clear error or patient success."""

import os
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from nobody import as_nobody

from atlas_fast.errors import StoreError
from atlas_fast.pipeline import triage
from atlas_fast.store import SqliteStore, schema, sqlite
from atlas_fast.store.rows import row_block
from store.fake import FakeBatch


def block(run, first, n, **more):
    rows = [{"place": i, "spam": i % 2 * 0.9, **more} for i in range(first, first + n)]
    return row_block(FakeBatch(rows), run.session_id, "2026-01-01 00:00:00")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "atlas.db"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_disk_full(small_disk):
    """The group that does not fit is an error; what was committed stays and goes on elsewhere."""
    path = small_disk / "a.db"
    with SqliteStore(path) as store:
        run = store.begin_run([])
        store.write(run, [block(run, 0, 500)])
        with pytest.raises(StoreError, match=r"full|disk I/O"):
            for first in range(500, 100_000, 500):
                store.write(run, [block(run, first, 500)])
        stored = store.count_messages()
        assert stored >= 500 and store.totals(run).stored == stored
        assert store.check() == []
    with SqliteStore(path) as store:
        assert store.count_messages() == stored and store.check() == []


def test_disk_full_during_a_run(small_disk):
    path = small_disk / "a.db"
    with pytest.raises(StoreError, match=r"full|disk I/O"):
        triage("synthetic:60000,3", path)
    done = subprocess.run(
        [sys.executable, "-m", "atlas_fast", "run", "synthetic:60000,3", "--store", str(path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    triage("synthetic:20000,3", path)
    with SqliteStore(path) as store:
        assert store.count_messages() == 20_000 and store.check() == []


def test_disk_too_small_for_a_new_store(small_disk):
    (small_disk / "filler").write_bytes(b"x" * (2 << 20))
    with pytest.raises(StoreError, match=r"full|disk I/O"):
        SqliteStore(small_disk / "a.db")
    os.unlink(small_disk / "filler")
    with SqliteStore(small_disk / "a.db") as store:
        assert store.check() == []


def test_read_only_file(tmp_path, path):
    with SqliteStore(path) as store:
        store.begin_run([])
    before = path.read_bytes()
    path.chmod(0o444)
    done = as_nobody(
        tmp_path,
        "from atlas_fast.errors import StoreError\n"
        "from atlas_fast.store import SqliteStore\n"
        "try: SqliteStore(sys.argv[1]).begin_run([])\n"
        "except StoreError as error: print('StoreError', error)",
        path,
    )
    assert done.stdout.startswith("StoreError"), done.stderr
    assert "readonly" in done.stdout or "unable to open" in done.stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize("seconds", [0.5, pytest.param(30, marks=pytest.mark.slow)])
def test_a_lock_is_waited_for(path, seconds):
    with SqliteStore(path) as store:
        run = store.begin_run([])
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(seconds, other.execute, ["COMMIT"])
        timer.start()
        began = time.monotonic()
        assert store.write(run, [block(run, 0, 10)]) == 10
        assert time.monotonic() - began >= seconds * 0.9
        timer.join()
        other.close()
        assert store.check() == []
    assert sqlite.BUSY_SECONDS > 30


def test_readers_and_a_writer_do_not_wait_for_each_other(path):
    with SqliteStore(path) as store:
        run = store.begin_run([])
        store.write(run, [block(run, 0, 10)])
        reader = sqlite3.connect(path, timeout=0.1)
        rows = reader.execute(f"SELECT * FROM {schema.MESSAGES}")
        next(rows)
        assert store.write(run, [block(run, 10, 10)]) == 10
        with store.transaction():
            assert reader.execute("SELECT COUNT(*) FROM sessions").fetchone() == (1,)
        reader.close()


EVIL = (
    "'); DROP TABLE sessions; --", '"; DELETE FROM accounts; --', "%s %(x)s {x} ?1 :x @x $x",
    "\x00a\x00", "\ud800\udfff", "\u202e\u2066", "a" * (1 << 20), "é" * (1 << 20), "\r\n.\r\n",
    "--", "/*", "\x1b[2J", "NULL", "0x00", "😀" * 1000,
)  # fmt: skip


@pytest.mark.parametrize("evil", EVIL, ids=lambda text: ascii(text[:20]))
def test_hostile_content_in_every_field(path, evil):
    """What is stored is the documented form; nothing else changes."""
    from atlas_fast.store.base import ErrorRow, Mark
    from atlas_fast.store.rows import TEXT_CAPS, clean

    with SqliteStore(path) as store:
        run = store.begin_run([evil.encode("utf-8", "replace").decode()])
        batch = FakeBatch(
            [{"place": evil, "subject": evil, "address": evil, "name": evil, "domain": evil}],
            source=evil.encode("utf-8", "replace").decode(),
        )
        batch.source = evil
        error = ErrorRow(*map(clean, (evil, evil, evil, evil)))
        made = row_block(batch, run.session_id, "2026-01-01 00:00:00")
        assert store.write(run, [made], [error], [Mark(evil, evil, "", 1)]) == 1
        assert store.check() == []
        row = store._execute(
            f"SELECT folder_name, uid, sender_email, sender_name, sender_domain, subject "
            f"FROM {schema.MESSAGES}"
        ).fetchall()[0]
        text = clean(evil)
        sender, subject = text[: TEXT_CAPS["sender"]], text[: TEXT_CAPS["subject"]]
        place = clean(evil)[: TEXT_CAPS["uid"]]
        assert row == (clean(evil), place, sender, sender, text[: TEXT_CAPS["domain"]], subject)
        assert store.mark(evil).mark == clean(evil)
        assert len(store._execute("SELECT * FROM accounts").fetchall()) == 1
        store.delete_run(run.session_id)
        assert store.check() == [] and store.count_messages() == 0


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_goes_away_is_noticed(tmp_path, replaced):
    """SQLite itself goes on writing into the file without a name, and says nothing."""
    path = tmp_path / "a.db"

    def take_away(messages, size):
        path.unlink(missing_ok=True)
        if replaced:
            path.write_bytes(b"")

    with pytest.raises(StoreError, match="deleted or replaced while it was open"):
        triage("synthetic:3000,1", path, progress=take_away)
