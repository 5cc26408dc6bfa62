"""Levels, expiry and counters: memo in the process, then the shared file, then the computation."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels import memo
from atlas_fast._kernels.intern import hash_batch
from atlas_fast._kernels.tables import digest
from atlas_fast._version import __version__
from atlas_fast.cache.shared import Pending, SharedLevel, cache_file, cache_folder
from atlas_fast.errors import CacheError

__all__ = ["KINDS", "Cache", "CachedKind", "Kind", "open_cache", "open_cache_file"]

log = logging.getLogger("atlas_fast.cache")

Compute = Callable[[np.ndarray], np.ndarray]
"""Takes the positions of the keys that nobody knew, gives their values in that order."""

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of knowledge, how many seconds it stays true, and whether processes share it."""

    name: str
    seconds: int
    shared: bool = True


KINDS = {
    kind.name: kind
    for kind in (
        Kind("domain", DAY),
        Kind("geographic", 7 * DAY),
        Kind("authentication", 3_600),
    )
}
"""Times to live are those of the original's caches."""

SHARED_KINDS = tuple(kind.name for kind in KINDS.values() if kind.shared)

COUNTERS = ("asked", "interned", "l1_hits", "l2_hits", "computed", "l2_stale", "l2_expired")


@lru_cache(maxsize=16)
def _stamp(version: str, name: str, dtype: np.dtype, made_from: bytes) -> int:
    text = f"{version} {name} {dtype.descr} ".encode() + made_from
    return int.from_bytes(digest(text), "little")


class CachedKind:
    """Values of one kind; from `Cache.kind`. Any thread may use it."""

    def __init__(self, cache: Cache, kind: Kind, dtype: np.dtype, stamp: int):
        self.kind = kind
        self.dtype = dtype
        self.stamp = stamp
        self.counts = dict.fromkeys(COUNTERS, 0)
        self._cache = cache
        self._lock = threading.Lock()
        self.memo = memo.Memo(limits.MEMO_ENTRIES, dtype.itemsize)

    def keys(self, data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """uint64 (n, 2): the keys under which the values of byte strings are known."""
        out = np.empty((len(starts), 2), np.uint64)
        hash_batch(data, starts, stops, self._cache.secret, out)
        return out

    def find(self, keys: np.ndarray, compute: Compute, asked: int | None = None) -> np.ndarray:
        """The value of each key, dtype (n,).

        `keys` uint64 (n, 2), each one once. `asked`: how many messages asked for them, where equal
        ones were made one before; counted apart.
        """
        n, now = len(keys), int(time.time())
        values = np.zeros(n, self.dtype)
        raw = _bytes_of(values)
        found = np.empty(n, np.uint8)
        counts = {"asked": n if asked is None else asked}
        counts["interned"] = counts["asked"] - n
        counts["l1_hits"] = self.memo.get_batch(keys, now, raw, found)
        missing = np.flatnonzero(found == 0)
        if len(missing) and self.kind.shared:
            missing = self._from_shared(keys, missing, raw, now, counts)
        if len(missing):
            made = np.ascontiguousarray(compute(missing), self.dtype)
            values[missing] = made
            counts["computed"] = len(missing)
            self._keep(keys[missing], made, now)
        with self._lock:
            for name, number in counts.items():
                self.counts[name] += number
        return values

    def _from_shared(
        self,
        keys: np.ndarray,
        missing: np.ndarray,
        raw: np.ndarray,
        now: int,
        counts: dict[str, int],
    ) -> np.ndarray:
        """Fill `raw` from the shared file; what is still missing."""
        shared = self._cache.shared
        if shared is None:
            return missing
        rows, at = shared.get(self.kind.name, keys[missing], raw.shape[1] + memo.SEAL_BYTES)
        if not len(at):
            return missing
        at = missing[at]
        wanted = keys[at]
        some = np.empty((len(at), raw.shape[1]), np.uint8)
        expires, state = np.empty(len(at), np.int64), np.empty(len(at), np.uint8)
        memo.unseal_batch(rows, wanted, self.stamp, now, shared.secret, some, expires, state)
        good = state == memo.GOOD
        raw[at[good]] = some[good]
        self.memo.put_batch(wanted[good], expires[good], some[good], now)
        counts["l2_hits"] = int(good.sum())
        counts["l2_stale"] = int((state == memo.STALE).sum())
        counts["l2_expired"] = int((state == memo.EXPIRED).sum())
        if (state == memo.DAMAGED).any():
            self._cache.shared_is_damaged()
        left = np.ones(len(keys), bool)
        left[at[good]] = False
        return missing[left[missing]]

    def _keep(self, keys: np.ndarray, made: np.ndarray, now: int) -> None:
        raw = _bytes_of(made)
        expires = np.full(len(keys), now + self.kind.seconds, np.int64)
        self.memo.put_batch(keys, expires, raw, now)
        shared = self._cache.shared if self.kind.shared else None
        if shared is not None:
            rows = np.empty((len(keys), raw.shape[1] + memo.SEAL_BYTES), np.uint8)
            memo.seal_batch(keys, expires, raw, self.stamp, shared.secret, rows)
            self._cache.later(self.kind.name, keys, rows)

    def change(self, stamp: int) -> None:
        """What values are computed from has changed: none of the old ones is an answer any more."""
        if stamp != self.stamp:
            self.stamp = stamp
            self.memo.clear()


class Cache:
    """Both levels; from `open_cache`. The shared file is opened when it is first needed.

    `notes`: lines for people, each once.
    """

    def __init__(self, folder: Path | None, max_bytes: int = limits.CACHE_BYTES):
        self.folder = folder
        self.notes: list[str] = []
        self._max_bytes = max_bytes
        self._kinds: dict[str, CachedKind] = {}
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._pending: Pending = []
        self._shared: SharedLevel | None = None
        self._held: SharedLevel | None = None
        self._tried = self.folder is None
        self._secret = np.frombuffer(os.urandom(16), np.uint64)

    @property
    def shared(self) -> SharedLevel | None:
        """The shared level, or None where it cannot be had."""
        if self._tried:
            return self._shared
        with self._lock:
            if not self._tried and self.folder is not None:
                try:
                    self._shared = SharedLevel(self.folder, SHARED_KINDS, self._max_bytes)
                    self._secret = self._shared.secret
                except CacheError as error:
                    self.note(f"cache: kept in this process only: {error}")
                self._tried = True
            return self._shared

    @property
    def secret(self) -> np.ndarray:
        """uint64 (2,): what keys are hashed with."""
        if not self._tried:
            _ = self.shared
        return self._secret

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            log.info("%s", text)

    def kind(self, name: str, dtype: Any, made_from: bytes) -> CachedKind:
        """The cache of one of KINDS. `made_from` says what values are computed from, a reference
        and settings: when it changes, older values are no answers. KeyError."""
        dtype = np.dtype(dtype)
        stamp = _stamp(__version__, name, dtype, made_from)
        with self._lock:
            there = self._kinds.get(name)
            if there is None or there.dtype != dtype:
                there = self._kinds[name] = CachedKind(self, KINDS[name], dtype, stamp)
            there.change(stamp)
            return there

    def later(self, kind: str, keys: np.ndarray, rows: np.ndarray) -> None:
        """Remember entries for the next `flush`; while others write, at most some of them."""
        with self._lock:
            waiting = sum(len(one[1]) for one in self._pending)
            if waiting + len(rows) <= limits.CACHE_PENDING:
                self._pending.append((kind, keys, rows))

    def flush(self) -> None:
        """Write what waits, in one transaction; when another process writes, it waits on."""
        with self._lock:
            shared, pending = self._shared, self._pending
            if shared is None or not pending:
                return
            self._pending = []
            if not shared.put(pending):
                self._pending = pending
            for text in shared.notes:
                self.note(text)

    def shared_is_damaged(self) -> None:
        with self._lock:
            if self._shared is not None and not self._shared.off:
                self._shared._fail(CacheError("an entry is damaged"), damaged=True)
                for text in self._shared.notes:
                    self.note(text)

    def clear(self, kind: str | None = None) -> int:
        """Forget one kind, or all; how many entries the shared file had. CacheError."""
        with self._lock:
            for name, one in self._kinds.items():
                if kind in (None, name):
                    one.memo.clear()
            self._pending = [one for one in self._pending if kind not in (None, one[0])]
            shared = self.shared
            return 0 if shared is None else shared.clear(kind)

    def counters(self) -> dict[str, dict[str, int]]:
        """By kind: how many values were asked for, who had them, and the size of the levels."""
        with self._lock:
            shared = {} if self._shared is None else self._shared.stats()
            out = {}
            for name, one in self._kinds.items():
                inside = one.memo.counters()
                there = shared.get(name, {"entries": 0, "bytes": 0})
                out[name] = dict(one.counts) | {
                    "l1_evictions": inside["evictions"],
                    "l1_expirations": inside["expirations"],
                    "l1_entries": len(one.memo),
                    "l1_bytes": one.memo.bytes,
                    "l2_entries": there["entries"],
                    "l2_bytes": there["bytes"],
                    "l2_evictions": 0 if self._shared is None else self._shared.evicted,
                }
            return out

    def close(self) -> None:
        """Write what waits and leave the shared file; it is opened again when it is needed."""
        with self._lock:
            end = time.monotonic() + 1.0
            self.flush()
            while self._pending and self._shared is not None and time.monotonic() < end:
                time.sleep(0.01)
                self.flush()
            if self._shared is not None:
                self._shared.close()
            self._shared = None
            self._tried = self.folder is None
            self._pending = []

    def before_fork(self) -> None:
        self._lock.acquire()
        self._held = self._shared
        if self._held is not None:
            self._held.hold()

    def after_in_parent(self) -> None:
        if self._held is not None:
            self._held.release()
        self._lock.release()

    def after_in_child(self) -> None:
        """Locks may be held by threads that are not here; the file is the parent's."""
        shared = self._held
        self._reset()
        if shared is not None:
            shared.abandon()
        for one in self._kinds.values():
            one._lock = threading.Lock()
            one.memo = memo.Memo(limits.MEMO_ENTRIES, one.dtype.itemsize)


def _bytes_of(values: np.ndarray) -> np.ndarray:
    """uint8 (n, itemsize) over the same memory."""
    return values.view(np.uint8).reshape(len(values), values.dtype.itemsize)


_open: dict[str, Cache] = {}
_open_lock = threading.Lock()


def open_cache(folder: Path | None = None) -> Cache:
    """The cache of a folder (by default `cache_folder()`); the same object every time."""
    key = os.path.realpath(cache_folder() if folder is None else folder)
    with _open_lock:
        if key not in _open:
            _open[key] = Cache(Path(key))
        return _open[key]


def open_cache_file() -> SharedLevel | None:
    """The shared level of the default cache, None when there is none yet: a look makes none.
    CacheError when it cannot be had."""
    cache = open_cache()
    if not cache_file().exists():
        return None
    if cache.shared is None:
        raise CacheError(cache.notes[-1].removeprefix("cache: "))
    return cache.shared


def _close_all() -> None:
    for cache in _open.values():
        cache.close()


def _before_fork() -> None:
    _open_lock.acquire()
    for cache in _open.values():
        cache.before_fork()


def _after_in_parent() -> None:
    for cache in _open.values():
        cache.after_in_parent()
    _open_lock.release()


def _after_in_child() -> None:
    global _open_lock
    _open_lock = threading.Lock()
    for cache in _open.values():
        cache.after_in_child()


atexit.register(_close_all)
os.register_at_fork(
    before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
