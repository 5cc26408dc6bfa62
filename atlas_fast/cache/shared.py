"""The level that processes share: an LMDB file that may be lost at any time.

    folder/1/               the layout's number
      data.mdb, lock.mdb    LMDB: a database a kind, and `meta` with the secret of keys and seals
      users                 flock: shared by all who have it open; alone to check and to replace
      writer                flock: held while one writes; nobody waits for it
      whole                 what the file was when its last user left; gone while it is used

Who comes alone compares the file with `whole`. It is the same: use it. It differs: somebody else
changed it, throw it away. There is no `whole`: the last user was killed, so carry over what is
whole (salvage.py, a process of its own, as LMDB can fault on damaged pages). So LMDB never opens
here what it did not write itself.

A process that is forked opens for itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import lmdb
import numpy as np

from atlas_fast import limits
from atlas_fast.cache.salvage import KEY_BYTES, MAX_DBS, META, SECRET, SECRET_BYTES
from atlas_fast.errors import CacheError

__all__ = ["Pending", "SharedLevel", "cache_file", "cache_folder"]

LAYOUT = "1"
"""Raised when the form of entries changes: other versions keep their own folder."""

FIRST_BYTES = 4 << 20
"""Map size of a new file; it doubles up to limits.CACHE_BYTES."""

WAIT_SECONDS = 10.0
"""How long an open waits for another process that checks the file."""

SALVAGE_SECONDS = 60.0

Pending = list[tuple[str, np.ndarray, np.ndarray]]
"""(kind, keys uint64 (n, 2), sealed rows uint8 (n, size))."""


def cache_folder() -> Path:
    """ATLAS_FAST_CACHE, or `atlas_fast/cache` in the user's cache folder."""
    named = os.environ.get("ATLAS_FAST_CACHE")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache or os.path.expanduser("~/.cache")) / "atlas_fast" / "cache"


def cache_file() -> Path:
    """The file of this layout in `cache_folder()`, whether it is there or not."""
    return cache_folder() / LAYOUT / "data.mdb"


class SharedLevel:
    """One open cache file; used by any thread, one at a time.

    `secret` is the key of hashes and checksums, the same for all who use the file. `notes` has a
    line for each thing that a user may want to know. Raises CacheError when it cannot be had.
    """

    def __init__(self, folder: Path, kinds: Sequence[str], max_bytes: int = limits.CACHE_BYTES):
        self.folder = folder / LAYOUT
        self.kinds = tuple(kinds)
        self.max_bytes = max_bytes
        self.notes: list[str] = []
        self.evicted = 0
        self.off = ""
        self._lock = threading.Lock()
        self._dbs: dict[str, Any] = {}
        self._users = self._writer = -1
        self._env: Any = None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._users = _handle(self.folder / "users")
            self._writer = _handle(self.folder / "writer")
            self._enter()
        except OSError as error:
            self._release()
            raise CacheError(f"{self.folder}: {error.strerror or error}") from None
        except lmdb.Error as error:
            self._release()
            raise CacheError(f"{self.folder}: {error}") from None
        except BaseException:
            self._release()
            raise

    # Opening and leaving

    def _enter(self) -> None:
        """Join the users of the file; who is alone checks it first."""
        alone = self._alone_or_shared()
        data = self.folder / "data.mdb"
        whole = self.folder / "whole"
        if alone:
            if not data.exists():
                self._clear_files()
            elif whole.exists():
                if _read_text(whole) != _describe(data):
                    self._throw_away("was changed by somebody else")
            else:
                self._carry_over()
        try:
            self._open()
        except lmdb.Error as error:
            if not alone:
                raise
            self._throw_away(f"cannot be opened ({error})")
            self._open()
        whole.unlink(missing_ok=True)
        if alone:
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _alone_or_shared(self) -> bool:
        """Whether the lock was had alone. CacheError when another has it alone for too long."""
        end = time.monotonic() + WAIT_SECONDS
        while True:
            for how in (fcntl.LOCK_EX, fcntl.LOCK_SH):
                try:
                    fcntl.flock(self._users, how | fcntl.LOCK_NB)
                    return how == fcntl.LOCK_EX
                except BlockingIOError:
                    continue
            if time.monotonic() > end:
                raise CacheError(f"{self.folder}: another process is checking it")
            time.sleep(0.005)

    def _open(self) -> None:
        self._env = lmdb.open(
            str(self.folder), map_size=FIRST_BYTES, max_dbs=MAX_DBS, mode=0o600, sync=False,
            metasync=False, max_spare_txns=0, lib_version=0,
        )  # fmt: skip
        self._env.reader_check()
        if not self._may_write(WAIT_SECONDS):
            raise CacheError(f"{self.folder}: another process is writing")
        try:  # handles of databases outlive transactions that write only
            with self._begin(write=True) as transaction:
                names = (META.decode(), *self.kinds)
                self._dbs = {
                    name: self._env.open_db(name.encode(), txn=transaction) for name in names
                }
                meta = self._dbs[META.decode()]
                transaction.put(SECRET, os.urandom(SECRET_BYTES), db=meta, overwrite=False)
                found = transaction.get(SECRET, db=meta)
        finally:
            fcntl.flock(self._writer, fcntl.LOCK_UN)
        if len(found) != SECRET_BYTES:
            raise CacheError(f"{self.folder}: its secret is damaged")
        self.secret = np.frombuffer(found, np.uint64)

    def _carry_over(self) -> None:
        """The last user was killed: into a fresh file with what is whole."""
        if (self.folder / "damaged").exists():
            self._throw_away("was found damaged")
            return
        fresh = self.folder / f"tmp-{uuid4().hex}"
        fresh.mkdir()
        size = 2 * self.max_bytes
        call = (
            "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
            "from atlas_fast.cache.salvage import main; main(*sys.argv[2:])"
        )
        command = [sys.executable, "-c", call, json.dumps(sys.path)]
        try:
            subprocess.run(
                [*command, str(self.folder), str(fresh), str(size)],
                check=True, timeout=SALVAGE_SECONDS, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except (subprocess.SubprocessError, OSError):
            shutil.rmtree(fresh, ignore_errors=True)
            self._throw_away("is damaged")
            return
        self._clear_files(keep=fresh.name)
        os.replace(fresh / "data.mdb", self.folder / "data.mdb")
        shutil.rmtree(fresh, ignore_errors=True)

    def _throw_away(self, why: str) -> None:
        """Set the file aside, once: an older one that was set aside goes."""
        self.notes.append(
            f"cache: the file in {self.folder} {why}; it is set aside and built again"
        )
        data = self.folder / "data.mdb"
        if data.exists():
            os.replace(data, self.folder / "set-aside.mdb")
        self._clear_files()

    def _clear_files(self, keep: str = "") -> None:
        for name in ("data.mdb", "lock.mdb", "whole", "damaged"):
            (self.folder / name).unlink(missing_ok=True)
        for aside in self.folder.glob("tmp-*"):
            if aside.name != keep:
                shutil.rmtree(aside, ignore_errors=True)

    def close(self) -> None:
        """Leave. The last one writes down what the file is. May be called twice."""
        with self._lock:
            if self._env is None:
                return
            try:
                self._env.sync(True)
            except lmdb.Error:
                self.off = self.off or "cannot be synced"
            self._env.close()
            self._env = None
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not self.off and not (self.folder / "damaged").exists():
                    (self.folder / "whole").write_text(_describe(self.folder / "data.mdb"))
            except OSError:
                pass  # others have it open, or the disk is full: the next one looks
            self._release()

    def _release(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None
        for handle in (self._users, self._writer):
            if handle >= 0:
                os.close(handle)
        self._users = self._writer = -1

    def hold(self) -> None:
        """Before a fork: wait until no transaction is open."""
        self._lock.acquire()

    def release(self) -> None:
        """After it, in the parent."""
        self._lock.release()

    def abandon(self) -> None:
        """After it, in the child: close what came through, which ends no transaction (`hold`) and
        keeps no reader's slot (`max_spare_txns`), so that the parent's file is not touched."""
        self._lock = threading.Lock()
        self.off = "came through a fork"
        self._release()

    # Transactions

    def _begin(self, write: bool = False) -> Any:
        """A transaction; another process may have let the file grow."""
        try:
            return self._env.begin(write=write)
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)
        except lmdb.ReadersFullError:
            self._env.reader_check()
        return self._env.begin(write=write)

    def _fail(self, error: Exception, damaged: bool = False) -> None:
        """Go on without this level; one line says so."""
        self.off = str(error) or type(error).__name__
        self.notes.append(f"cache: the file in {self.folder} is not used any more: {self.off}")
        if damaged:
            self.mark_damaged()

    def mark_damaged(self) -> None:
        """Who comes alone next throws the file away."""
        with suppress(OSError):
            (self.folder / "damaged").touch()

    # Entries

    def get(self, kind: str, keys: np.ndarray, row_size: int) -> tuple[np.ndarray, np.ndarray]:
        """Sealed rows uint8 (m, row_size) of the keys that are there, and which keys those are."""
        none = np.empty((0, row_size), np.uint8), np.empty(0, np.int64)
        order = np.lexsort((keys[:, 1].byteswap(), keys[:, 0].byteswap()))
        raw = np.ascontiguousarray(keys[order]).tobytes()
        wanted = [raw[i : i + KEY_BYTES] for i in range(0, len(raw), KEY_BYTES)]
        with self._lock:
            if self.off or self._env is None:
                return none
            try:
                with self._begin() as transaction, transaction.cursor(self._dbs[kind]) as cursor:
                    found = cursor.getmulti(wanted)
            except lmdb.Error as error:
                self._fail(error, damaged=True)
                return none
        place = dict(zip(wanted, order.tolist(), strict=True))
        found = [item for item in found if len(item[1]) == row_size]
        rows = np.frombuffer(b"".join(value for _, value in found), np.uint8)
        at = np.array([place[key] for key, _ in found], np.int64)
        return rows.reshape(len(found), row_size), at

    def put(self, pending: Pending) -> bool:
        """Write entries in one transaction; False when another process writes just now."""
        if not pending:
            return True
        with self._lock:
            if self.off or self._env is None:
                return True
            if not self._may_write():
                return False
            try:
                self._put(pending)
            except (lmdb.Error, OSError) as error:
                self._fail(error)
            finally:
                fcntl.flock(self._writer, fcntl.LOCK_UN)
        return True

    def _put(self, pending: Pending) -> None:
        dropped = False
        if self._used() + 2 * sum(rows.size for *_, rows in pending) > self.max_bytes:
            self._drop_all()
        while True:
            try:
                with self._begin(write=True) as transaction:
                    for kind, keys, rows in pending:
                        _put_rows(transaction, self._dbs[kind], keys, rows)
                return
            except lmdb.MapFullError:
                if self._grow():
                    continue
                if dropped:
                    raise
                self._drop_all()
                dropped = True

    def _used(self) -> int:
        """Bytes of the pages that entries use; the file keeps free ones."""
        with self._begin() as transaction:
            return sum(_pages(transaction.stat(self._dbs[kind])) for kind in self.kinds)

    def _grow(self) -> bool:
        """Double the map, with no transaction open; False when it has its full size, which leaves
        room to drop entries."""
        self._env.reader_check()
        size, most = self._env.info()["map_size"], self.max_bytes + self.max_bytes // 2
        if size >= most:
            return False
        self._env.set_mapsize(min(2 * size, most))
        return True

    def _drop_all(self) -> None:
        """Make room by forgetting everything: what is computed again costs less than an order."""
        with self._begin(write=True) as transaction:
            for kind in self.kinds:
                self.evicted += transaction.stat(self._dbs[kind])["entries"]
                transaction.drop(self._dbs[kind], delete=False)
        with self._begin(write=True):
            pass  # so that the pages are free for the one that comes next

    def _may_write(self, seconds: float = 0.0) -> bool:
        """Take the lock of the writer, which is free again when its holder dies."""
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(self._writer, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
                time.sleep(0.005)

    def clear(self, kind: str | None = None) -> int:
        """Forget the entries of one kind, or of all; how many there were. CacheError."""
        with self._lock:
            if not self._may_write(WAIT_SECONDS):
                raise CacheError(f"{self.folder}: another process is writing")
            try:
                with self._begin(write=True) as transaction:
                    dbs = [self._dbs[name] for name in self.kinds if kind in (None, name)]
                    count = sum(transaction.stat(db)["entries"] for db in dbs)
                    for db in dbs:
                        transaction.drop(db, delete=False)
                return count
            except (lmdb.Error, OSError) as error:
                raise CacheError(f"{self.folder}: {error}") from None
            finally:
                fcntl.flock(self._writer, fcntl.LOCK_UN)

    def stats(self) -> dict[str, dict[str, int]]:
        """Entries and bytes of pages of each kind."""
        with self._lock:
            if self._env is None or self.off:
                return {}
            out = {}
            with self._begin() as transaction:
                for name in self.kinds:
                    one = transaction.stat(self._dbs[name])
                    out[name] = {"entries": one["entries"], "bytes": _pages(one)}
            return out

    def size(self) -> int:
        """Bytes of the file."""
        try:
            return (self.folder / "data.mdb").stat().st_size
        except OSError:
            return 0


def _pages(one: Any) -> int:
    return (one["branch_pages"] + one["leaf_pages"] + one["overflow_pages"]) * one["psize"]


def _put_rows(transaction: Any, db: Any, keys: np.ndarray, rows: np.ndarray) -> None:
    order = np.lexsort((keys[:, 1].byteswap(), keys[:, 0].byteswap()))
    raw, data = keys[order].tobytes(), rows[order].tobytes()
    size = rows.shape[1]
    items: Sequence[tuple[bytes, bytes]] = [
        (raw[i * KEY_BYTES : (i + 1) * KEY_BYTES], data[i * size : (i + 1) * size])
        for i in range(len(rows))
    ]
    with transaction.cursor(db) as cursor:
        cursor.putmulti(items)


def _handle(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _describe(path: Path) -> str:
    """Identity, size, times and checksum of a file."""
    found = path.stat()
    check = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            check = zlib.crc32(block, check)
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns} {check}\n"


def _read_text(path: Path) -> str:
    return path.read_bytes()[:200].decode("ascii", "replace")
