"""Runs are killed at random moments and resumed: the store must be that of a run nobody killed.

kill.py [KILLS [MESSAGES [SEED]]]: the ordinary tests take a few, a bar takes 200 of 50,000 messages.
Compared, row for row: every column but id, session_id and the times of writing.
"""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from atlas_fast.store import SqliteStore, schema

KILLS, MESSAGES, SEED = (*map(int, sys.argv[1:]), *(4, 15_000, 11)[len(sys.argv) - 1 :])
SOURCE = f"synthetic:{MESSAGES},{SEED}"
WRITTEN = {"id", "session_id", "timestamp", "created_at"}
SUMMARIES = (
    "SELECT category, action, band, SUM(n) FROM summary_runs GROUP BY 1, 2, 3",
    "SELECT category, action, SUM(n), SUM(confidence_tenths) FROM summary_hours GROUP BY 1, 2",
    "SELECT domain, SUM(deleted), SUM(preserved) FROM summary_domains GROUP BY 1",
    "SELECT SUM(total_deleted), SUM(total_preserved) FROM sessions",
)
ENV = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def start(path, workers):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "atlas_fast", "run", SOURCE, "--store", str(path),
         "--workers", str(workers)],
        env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(path, workers=1):
    began = time.perf_counter()
    child = start(path, workers)
    _, errors = child.communicate()
    assert child.returncode == 0, errors.decode()
    return time.perf_counter() - began


def rows(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({schema.MESSAGES})")]
        columns = ", ".join(name for name in names if name not in WRITTEN)
        query = f"SELECT {columns} FROM {schema.MESSAGES} ORDER BY message_key"
        found = [connection.execute(query).fetchall()]
        found += [sorted(connection.execute(one).fetchall()) for one in SUMMARIES]
        return found


def main():
    chance = random.Random(SEED)
    middle = 0
    with tempfile.TemporaryDirectory() as folder:
        calm = Path(folder, "calm.db")
        lasts = finish(calm)
        wanted = rows(calm)
        assert len(wanted[0]) == MESSAGES
        for number in range(KILLS):
            path = Path(folder, f"{number}.db")
            workers = 1 + number % 2
            for _ in range(chance.choice((1, 1, 2))):
                child = start(path, workers)
                time.sleep(chance.uniform(0, lasts))
                child.send_signal(signal.SIGKILL)
                child.communicate()
                if path.exists() and path.stat().st_size:
                    with contextlib.closing(sqlite3.connect(path)) as connection:
                        if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                            count = f"SELECT COUNT(*) FROM {schema.MESSAGES}"
                            middle += 0 < connection.execute(count).fetchone()[0] < MESSAGES
            finish(path, workers)
            assert rows(path) == wanted, f"kill {number}: another store than that of the calm run"
            with SqliteStore(path) as store:
                assert store.check() == [], store.check()
            for leftover in Path(folder).glob(f"{number}.db*"):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            if len(sys.argv) > 1:
                print(f"{number + 1} kills, {middle} of them in the middle", file=sys.stderr)
    print("sound", flush=True)


main()
