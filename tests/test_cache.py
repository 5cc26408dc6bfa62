"""The cache: levels, expiry, what values were made from, and every fault of its file."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import lmdb
import numpy as np
import pytest

from atlas_fast import limits
from atlas_fast.cache import KINDS, Cache, levels, open_cache, shared
from atlas_fast.errors import CacheError

DTYPE = np.dtype([("a", "<u8"), ("b", "<i4")])


def column(texts):
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), ends[:-1].copy(), ends[1:].copy()


class User:
    """One process's view of a cache: asks for numbers, whose values are three times them."""

    def __init__(self, folder, made_from=b"one", kind="domain", factor=3, **options):
        self.cache = Cache(folder, **options)
        self.made_from, self.name, self.factor = made_from, kind, factor
        self.made = 0

    def ask(self, numbers, flush=True):
        kind = self.cache.kind(self.name, DTYPE, self.made_from)
        numbers = np.asarray(numbers, np.uint64)
        keys = kind.keys(*column([b"%d" % number for number in numbers.tolist()]))

        def compute(missing):
            self.made += len(missing)
            out = np.zeros(len(missing), DTYPE)
            out["a"], out["b"] = numbers[missing] * np.uint64(self.factor), 7
            return out

        found = kind.find(keys, compute)
        assert (found["a"] == numbers * np.uint64(self.factor)).all() and (found["b"] == 7).all()
        if flush:
            self.cache.flush()
        return self.cache.counters()[self.name]

    def close(self):
        self.cache.close()
        return self.cache.notes


def test_levels_in_their_order(tmp_path):
    user = User(tmp_path)
    first = user.ask(range(100))
    assert (first["computed"], first["l1_hits"], first["l2_hits"]) == (100, 0, 0)
    again = user.ask(range(150))
    assert (again["computed"], again["l1_hits"], again["asked"]) == (150, 100, 250)
    assert again["l2_entries"] == 150 and again["l2_bytes"] > 0 and again["l1_entries"] == 150
    assert user.close() == []
    other = User(tmp_path)
    there = other.ask(range(150))
    assert (there["l2_hits"], there["computed"]) == (150, 0)
    assert other.ask(range(150))["l1_hits"] == 150
    assert other.made == 0
    assert other.close() == []


def test_interning_is_counted_apart(tmp_path):
    cache = Cache(tmp_path)
    kind = cache.kind("domain", DTYPE, b"")
    keys = kind.keys(*column([b"a", b"b"]))
    for _ in range(2):
        kind.find(keys, lambda missing: np.zeros(len(missing), DTYPE), asked=50)
    counts = cache.counters()["domain"]
    assert counts["asked"] == 100 and counts["interned"] == 96
    assert counts["l1_hits"] == 2 and counts["computed"] == 2
    cache.close()


@pytest.mark.parametrize("kind", KINDS)
def test_entries_live_as_long_as_their_kind_says(tmp_path, monkeypatch, kind):
    now = [1_000_000.5]
    monkeypatch.setattr(levels.time, "time", lambda: now[0])
    user = User(tmp_path, kind=kind)
    user.ask(range(10))
    now[0] += KINDS[kind].seconds - 1
    assert user.ask(range(10))["computed"] == 10
    now[0] += 1
    counts = user.ask(range(10))
    assert counts["computed"] == 20 and counts["l1_expirations"] == 10
    if KINDS[kind].shared:
        assert counts["l2_expired"] == 10
    user.close()


def test_the_times_to_live_are_the_originals():
    assert {name: kind.seconds for name, kind in KINDS.items()} == {
        "domain": 86_400, "geographic": 604_800, "authentication": 3_600,
    }  # fmt: skip


def test_an_entry_from_the_file_keeps_its_end(tmp_path, monkeypatch):
    now = [1_000_000]
    monkeypatch.setattr(levels.time, "time", lambda: now[0])
    user = User(tmp_path)
    user.ask([1])
    user.close()
    now[0] += 86_399
    other = User(tmp_path)
    assert other.ask([1])["l2_hits"] == 1
    now[0] += 1
    assert other.ask([1])["computed"] == 1  # not a day from when it was read
    other.close()


def test_values_of_an_older_reference_are_no_answers(tmp_path):
    old = User(tmp_path, b"generation 1")
    old.ask(range(20))
    old.close()
    new = User(tmp_path, b"generation 2", factor=5)  # asserts its own answers
    counts = new.ask(range(20))
    assert counts["l2_stale"] == 20 and counts["computed"] == 20
    new.made_from, new.factor = b"generation 3", 9  # changes while it runs
    assert new.ask(range(20))["computed"] == 40
    new.close()


def test_another_version_is_another_source(tmp_path, monkeypatch):
    user = User(tmp_path)
    user.ask(range(5))
    user.close()
    monkeypatch.setattr(levels, "__version__", "0.0.other")
    other = User(tmp_path, factor=4)
    assert other.ask(range(5))["computed"] == 5
    other.close()


def test_a_folder_has_one_cache(tmp_path, monkeypatch):
    assert open_cache(tmp_path) is open_cache(tmp_path / "." / "")
    monkeypatch.setenv("ATLAS_FAST_CACHE", str(tmp_path))
    assert open_cache() is open_cache(tmp_path)
    monkeypatch.delenv("ATLAS_FAST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert shared.cache_folder() == Path("/xdg/atlas_fast/cache")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/a")
    assert shared.cache_folder() == Path("/home/a/.cache/atlas_fast/cache")


def test_clear(tmp_path):
    user, other = User(tmp_path), None
    user.ask(range(30))
    other = user.cache.kind("geographic", DTYPE, b"")
    keys = other.keys(*column([b"x", b"y"]))
    other.find(keys, lambda missing: np.zeros(len(missing), DTYPE))
    user.cache.flush()
    assert user.cache.clear("geographic") == 2
    assert user.ask(range(30))["computed"] == 30
    assert user.cache.clear() == 30
    assert user.ask(range(30))["computed"] == 60
    user.close()


def test_it_is_used_again_after_it_was_closed(tmp_path):
    user = User(tmp_path)
    user.ask(range(5))
    user.close()
    user.cache._kinds["domain"].memo.clear()
    assert user.ask(range(5))["l2_hits"] == 5
    user.close()
    user.close()


def test_many_threads(tmp_path):
    user = User(tmp_path)
    errors = []

    def work(seed):
        try:
            draw = np.random.default_rng(seed)
            for _ in range(40):
                user.ask(np.unique(draw.integers(0, 3000, 200)))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    counts = user.cache.counters()["domain"]
    assert counts["l1_hits"] + counts["l2_hits"] + counts["computed"] == counts["asked"]
    assert counts["l2_entries"] <= 3000
    assert user.close() == []


# Faults of the file


def filled(folder, n=2000):
    user = User(folder)
    user.ask(range(n))
    user.close()
    return folder / "1" / "data.mdb"


def test_it_grows_with_other_processes_looking_on(tmp_path):
    """A second process sees the file grow beyond its own map."""
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); "
        "from test_cache import User\n"
        "user = User(Path(sys.argv[1]))\n"
        "user.ask([1]); print('ready', flush=True); input()\n"
        "counts = user.ask(range(60_000, 60_100)); print(counts['l2_hits'], flush=True)\n"
        "print(user.close())"
    )
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", script, str(tmp_path), str(Path(__file__).parent)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    user = User(tmp_path)
    for start in range(0, 80_000, 20_000):
        user.ask(range(start, start + 20_000))
    assert user.cache.shared.size() > shared.FIRST_BYTES
    answer, _ = child.communicate("\n", timeout=60)
    assert answer == "100\n[]\n"
    assert user.close() == []


def test_a_full_file_is_emptied(tmp_path):
    user = User(tmp_path, max_bytes=shared.FIRST_BYTES)
    for start in range(0, 200_000, 20_000):
        user.ask(range(start, start + 20_000))
    counts = user.cache.counters()["domain"]
    assert counts["l2_evictions"] > 0
    assert counts["l2_entries"] + counts["l2_evictions"] == 200_000
    assert user.cache.shared.size() <= shared.FIRST_BYTES * 3 // 2
    assert user.close() == []


def test_a_reader_that_stands_still_costs_the_level_not_the_run(tmp_path):
    """Its snapshot keeps the dropped pages, so a full file stays full."""
    user = User(tmp_path, max_bytes=shared.FIRST_BYTES)
    user.ask(range(10))
    script = (
        "import lmdb, sys; e = lmdb.open(sys.argv[1], max_dbs=8, lib_version=0); t = e.begin(); "
        "t.get(b'x'); print('ready', flush=True); input(); t.abort(); e.close()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "1")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "ready\n"
    for start in range(0, 200_000, 20_000):
        user.ask(range(start, start + 20_000))
    child.communicate("\n", timeout=60)
    (note,) = user.close()
    assert "not used any more" in note and "MAP_FULL" in note
    assert User(tmp_path).ask(range(10))["asked"] == 10


def test_readers_that_died_are_forgotten(tmp_path):
    filled(tmp_path)
    script = (
        "import lmdb, os, sys; e = lmdb.open(sys.argv[1], lib_version=0); "
        "t = e.begin(); t.get(b'x'); print('ok', flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "1")],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.stdout == "ok\n"
    user = User(tmp_path)
    user.ask(range(2000))
    assert user.cache.shared._env.reader_check() == 0
    assert user.close() == []


@pytest.mark.parametrize("bite", [0, 1, 100, 4096, 8192, 12_288, 65_536])
def test_a_file_that_was_cut(tmp_path, bite):
    data = filled(tmp_path)
    os.truncate(data, bite)
    user = User(tmp_path)
    assert user.ask(range(2000))["computed"] == 2000
    assert len(user.cache.notes) == 1 and "set aside" in user.cache.notes[0]
    user.close()
    assert (tmp_path / "1" / "set-aside.mdb").stat().st_size == bite
    assert User(tmp_path).ask(range(2000))["l2_hits"] == 2000


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bits(tmp_path, seed):
    """With the times of the file as they were: the checksum tells."""
    data = filled(tmp_path)
    before = data.stat()
    raw = bytearray(data.read_bytes())
    draw = np.random.default_rng(seed)
    for at in draw.integers(0, len(raw), 1 + seed % 3).tolist():
        raw[at] ^= 1 << int(draw.integers(8))
    with open(data, "r+b") as file:
        file.write(raw)
    os.utime(data, ns=(before.st_atime_ns, before.st_mtime_ns))
    user = User(tmp_path)
    assert user.ask(range(2000))["computed"] == 2000
    assert len(user.cache.notes) == 1 and "changed by somebody else" in user.cache.notes[0]
    user.close()


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bits_after_a_kill(tmp_path, seed):
    """Nothing says what the file was: what is whole is carried over, the rest made again."""
    data = filled(tmp_path)
    (tmp_path / "1" / "whole").unlink()
    raw = bytearray(data.read_bytes())
    draw = np.random.default_rng(seed)
    n = 40 if seed % 2 else 1
    for at in draw.integers(0, len(raw), n).tolist():
        raw[at] ^= 1 << int(draw.integers(8))
    data.write_bytes(raw)
    user = User(tmp_path)
    counts = user.ask(range(2000))
    assert counts["l2_hits"] + counts["computed"] == 2000
    user.close()


def test_a_file_of_rubbish_after_a_kill(tmp_path):
    data = filled(tmp_path)
    (tmp_path / "1" / "whole").unlink()
    data.write_bytes(os.urandom(100_000))
    user = User(tmp_path)
    assert user.ask(range(10))["computed"] == 10
    assert "damaged" in user.cache.notes[0]
    user.close()


def test_a_damaged_entry_is_a_miss(tmp_path):
    """Found while it is in use: this level is left, the next user throws the file away."""
    filled(tmp_path)
    environment = lmdb.open(str(tmp_path / "1"), max_dbs=8, lib_version=0)
    with environment.begin(write=True) as transaction:
        db = environment.open_db(b"domain", txn=transaction)
        key, value = next(iter(transaction.cursor(db)))
        transaction.put(key, value[:20] + bytes([value[20] ^ 1]) + value[21:], db=db)
    environment.close()
    (tmp_path / "1" / "whole").write_text(shared._describe(tmp_path / "1" / "data.mdb"))
    user = User(tmp_path)
    counts = user.ask(range(2000))
    assert counts["l2_hits"] == 1999 and counts["computed"] == 1
    assert len(user.cache.notes) == 1 and "damaged" in user.cache.notes[0]
    user.close()
    other = User(tmp_path)
    assert other.ask(range(2000))["computed"] == 2000
    assert "set aside" in other.cache.notes[0]
    other.close()


def test_an_entry_of_another_size_is_none(tmp_path):
    user = User(tmp_path)
    user.ask(range(10))
    user.close()
    cache = Cache(tmp_path)
    kind = cache.kind("domain", "<u8", b"one")
    keys = kind.keys(*column([b"%d" % n for n in range(10)]))
    kind.find(keys, lambda missing: np.zeros(len(missing), np.uint64))
    assert cache.counters()["domain"]["computed"] == 10
    cache.close()


@pytest.mark.parametrize("where", ["file", "/proc/atlas_fast"])
def test_a_folder_that_cannot_be_made(tmp_path, where):
    if where == "file":
        (tmp_path / "file").touch()
        where = tmp_path / "file" / "below"
    user = User(Path(where))
    assert user.ask(range(10))["computed"] == 10
    assert user.ask(range(10))["l1_hits"] == 10
    assert len(user.close()) == 1 and user.cache.notes[0].startswith(
        "cache: kept in this process only"
    )
    with pytest.raises(CacheError):
        shared.SharedLevel(Path(where), ("domain",))


def test_a_file_system_that_is_read_only(tmp_path, monkeypatch):
    filled(tmp_path)
    real = os.open

    def refuse(path, flags, *more, **named):
        if str(path).startswith(str(tmp_path)) and flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
    user = User(tmp_path)
    assert user.ask(range(10))["computed"] == 10
    assert user.ask(range(10))["l1_hits"] == 10
    assert len(user.close()) == 1 and "Read-only file system" in user.cache.notes[0]


def test_a_folder_of_somebody_else(tmp_path):
    """Really without permission: by a child that is nobody."""
    filled(tmp_path)
    for path in (tmp_path / "1").iterdir():
        path.chmod(0o444)
    for path in (tmp_path / "1", *tmp_path.parents[:-1]):
        if path.stat().st_uid == os.getuid() and str(path).startswith(str(tmp_path.parents[1])):
            path.chmod(0o555 if path == tmp_path / "1" else 0o755)
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\nfrom test_cache import User\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "user = User(Path(sys.argv[1])); print(user.ask(range(10))['computed'], user.close())"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    (tmp_path / "1").chmod(0o755)
    assert "kept in this process only" in done.stdout, done.stderr
    assert done.stdout.startswith("10 [") and "Permission denied" in done.stdout


def test_a_full_disk_costs_the_level_not_the_run(tmp_path, monkeypatch):
    user = User(tmp_path)
    user.ask(range(10))

    def full(*_):
        raise lmdb.DiskError("No space left on device")

    monkeypatch.setattr(shared, "_put_rows", full)
    user.ask(range(20))
    assert user.ask(range(20))["l1_hits"] == 30
    assert len(user.cache.notes) == 1 and "not used any more" in user.cache.notes[0]
    user.close()


def test_nobody_waits_for_a_writer(tmp_path):
    """What could not be written waits for the next flush."""
    import fcntl

    user = User(tmp_path)
    user.ask([0])
    handle = os.open(tmp_path / "1" / "writer", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    begin = time.monotonic()
    assert user.ask(range(50))["l2_entries"] == 1
    assert time.monotonic() - begin < 5
    os.close(handle)
    assert user.ask([0])["l2_entries"] == 50
    assert user.close() == []


def test_what_waits_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "CACHE_PENDING", 25)
    user = User(tmp_path)
    for start in range(0, 50, 10):
        user.ask(range(start, start + 10), flush=False)
    user.cache.flush()
    assert user.cache.counters()["domain"]["l2_entries"] == 20
    user.close()


def test_a_file_that_another_checks_for_too_long(tmp_path, monkeypatch):
    import fcntl

    filled(tmp_path)
    monkeypatch.setattr(shared, "WAIT_SECONDS", 0.05)
    handle = os.open(tmp_path / "1" / "users", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    user = User(tmp_path)
    assert user.ask(range(5))["computed"] == 5
    assert "another process is checking it" in user.cache.notes[0]
    os.close(handle)


def test_the_last_one_writes_down_what_the_file_is(tmp_path):
    one = User(tmp_path)
    one.ask(range(5))
    whole = tmp_path / "1" / "whole"
    assert not whole.exists()
    one.close()
    assert whole.read_text() == shared._describe(tmp_path / "1" / "data.mdb")
    for path in (tmp_path / "1").iterdir():
        assert path.stat().st_mode & 0o077 == 0 or path.name == "whole"
