"""A process is killed while it writes the cache, a hundred times: what is found later is right.

A value follows from its key, so a wrong or torn one shows. Every fifth time another process has the
cache open meanwhile, and goes on.
"""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from atlas_fast.cache import Cache

DTYPE = np.dtype([("a", "<u8"), ("b", "<u8")])
ROUNDS = 100
N = 300


def keys_of(start):
    numbers = np.arange(start, start + N, dtype=np.uint64)
    return np.stack([numbers * np.uint64(0x9E3779B97F4A7C15), numbers], axis=1)


def right(keys):
    out = np.zeros(len(keys), DTYPE)
    out["a"], out["b"] = keys[:, 1] * 3, ~keys[:, 0]
    return out


def look(cache, start):
    """Ask for values; they must be right, whoever made them."""
    keys = keys_of(start)
    found = cache.kind("domain", DTYPE, b"test").find(keys, lambda missing: right(keys[missing]))
    if not (found == right(keys)).all():
        os._exit(3)


def child(folder, seed, started):
    """Ask and write until killed."""
    cache, draw = Cache(folder), random.Random(seed)
    look(cache, 0)
    hits = cache.counters()["domain"]["l2_hits"]
    os.write(started, bytes([1 if hits else 0]))
    while True:
        look(cache, draw.randrange(40_000))
        cache.flush()


def fork(work, *given):
    pid = os.fork()
    if pid == 0:
        try:
            work(*given)
        finally:
            os._exit(2)
    return pid


def neighbour(folder, ready, go_on):
    cache = Cache(folder)
    look(cache, 0)
    os.write(ready, b"x")
    os.read(go_on, 1)
    look(cache, 100)
    cache.flush()
    cache.close()
    os._exit(0)


def main():
    folder, draw, warm = Path(tempfile.mkdtemp()), random.Random(7), 0
    for number in range(ROUNDS):
        other = None
        if number % 5 == 4:
            ready, ready_in = os.pipe()
            go_out, go_in = os.pipe()
            other = fork(neighbour, folder, ready_in, go_out)
            os.read(ready, 1)
        started, started_in = os.pipe()
        pid = fork(child, folder, number, started_in)
        os.close(started_in)
        answer = os.read(started, 1)
        if not answer:
            sys.exit(f"round {number}: the child ended with {os.waitpid(pid, 0)[1]}")
        warm += answer[0]
        time.sleep(draw.random() * 0.02)
        os.kill(pid, signal.SIGKILL)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL, "it ended before it was killed"
        os.close(started)
        if other is not None:
            os.write(go_in, b"x")
            assert os.waitpid(other, 0)[1] == 0, "the neighbour"
            for handle in (ready, ready_in, go_out, go_in):
                os.close(handle)
    assert warm >= ROUNDS - 2, f"kept after a kill in {warm} rounds only"
    cache = Cache(folder)
    look(cache, 0)
    assert not cache.notes, cache.notes
    cache.close()


main()
print("sound")
