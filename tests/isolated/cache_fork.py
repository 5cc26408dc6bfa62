"""A child that is forked while threads use the cache opens it for itself, and hangs on no lock."""

import os
import tempfile
import threading
import warnings
from pathlib import Path

import numpy as np

from atlas_fast.cache import open_cache

DTYPE = np.dtype([("a", "<u8")])
cache = open_cache(Path(tempfile.mkdtemp()))
done = threading.Event()


def look(start):
    numbers = np.arange(start, start + 200, dtype=np.uint64)
    keys = np.stack([numbers * np.uint64(0x9E3779B97F4A7C15), numbers], axis=1)

    def compute(missing):
        out = np.zeros(len(missing), DTYPE)
        out["a"] = keys[missing, 1] + 5
        return out

    found = cache.kind("domain", DTYPE, b"test").find(keys, compute)
    cache.flush()
    return bool((found["a"] == numbers + 5).all())


def keep_looking():
    start = 0
    while not done.is_set():
        assert look(start)
        start = (start + 200) % 20_000


assert look(0)
threads = [threading.Thread(target=keep_looking) for _ in range(2)]
for thread in threads:
    thread.start()
warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, which is the point
for _ in range(8):
    child = os.fork()
    if child == 0:
        good = look(0) and cache.counters()["domain"]["l2_hits"] > 0
        cache.close()
        os._exit(0 if good and look(100) else 1)
    if os.waitpid(child, 0)[1] != 0:
        done.set()
        raise SystemExit("the child failed")
done.set()
for thread in threads:
    thread.join()
assert look(0) and not cache.notes, cache.notes
cache.close()
print("sound")
