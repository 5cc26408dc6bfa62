"""Runs into PostgreSQL are killed at random moments, the program or the server in turn.

kill_server.py [KILLS [MESSAGES [SEED]]]: the ordinary tests take a few, a bar takes 50 of 50,000
messages. Every second victim is the server with all its processes; it is started again, and the run
goes on by itself, or, every other time, is killed as well. What was killed is run again. After each,
rows, summaries and totals are those of a run that nobody disturbed, and `check` finds nothing.
Compared: every column but id, session_id and the times of writing.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg

from atlas_fast.bench.server import Server
from atlas_fast.sources import open_source
from atlas_fast.store import open_store, schema

KILLS, MESSAGES, SEED = (*map(int, sys.argv[1:]), *(4, 4_000, 11)[len(sys.argv) - 1 :])
WRITTEN = {"id", "session_id", "timestamp", "created_at"}
SUMMARIES = (
    "SELECT category, action, band, SUM(n) FROM summary_runs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT category, action, SUM(n), SUM(confidence_tenths) FROM summary_hours "
    "GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT domain, SUM(deleted), SUM(preserved) FROM summary_domains GROUP BY 1 ORDER BY 1",
    "SELECT SUM(total_deleted), SUM(total_preserved) FROM sessions",
)
ENV = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def write_mbox(path):
    with path.open("wb") as out:
        for batch in open_source(f"synthetic:{MESSAGES},{SEED}").batches(2_000, 32 << 20):
            for raw in batch:
                out.write(b"From a@b.example Mon Jan  5 10:00:00 2026\n")
                out.write(raw.replace(b"\nFrom ", b"\n>From ").rstrip(b"\n") + b"\n\n")


def start(source, url, workers):
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "atlas_fast", "run", str(source), "--store", url,
         "--workers", str(workers)],
        env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(child):
    _, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors.decode()


def content(url):
    with psycopg.connect(url) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
                "ORDER BY ordinal_position",
                (schema.MESSAGES,),
            )
        ]
        columns = ", ".join(name for name in names if name not in WRITTEN)
        query = f"SELECT {columns} FROM {schema.MESSAGES} ORDER BY message_key"
        found = [connection.execute(query).fetchall()]
        return found + [connection.execute(one).fetchall() for one in SUMMARIES]


def stored(url):
    """Rows that are there; 0 where the tables are not."""
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass(%s)", (schema.MESSAGES,)).fetchone() == (None,):
            return 0
        return connection.execute(f"SELECT COUNT(*) FROM {schema.MESSAGES}").fetchone()[0]


def drop(beside, name):
    with psycopg.connect(beside, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main():
    chance = random.Random(SEED)
    middle = alone = 0
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        source = Path(folder, "inbox")
        write_mbox(source)
        calm = server.database("calm")
        began = time.perf_counter()
        finish(start(source, calm, 1))
        lasts = time.perf_counter() - began
        wanted = content(calm)
        assert len(wanted[0]) == MESSAGES
        for number in range(KILLS):
            victim = ("client", "server")[number % 2]
            workers = 1 + number // 2 % 2
            url = server.database(f"kill_{number}")
            while True:  # until the run is still on when its moment comes
                child = start(source, url, workers)
                time.sleep(chance.uniform(0, lasts))
                if child.poll() is None:
                    break
                child.communicate()
                lasts *= 0.9
                drop(calm, f"kill_{number}")
                url = server.database(f"kill_{number}")
            both = victim == "server" and number % 4 == 3
            if victim == "server":
                server.kill()
            if victim == "client" or both:
                child.send_signal(signal.SIGKILL)
                child.communicate()
            if victim == "server":
                time.sleep(chance.uniform(0, 1))
                server.start()
            if victim == "client" or both:
                middle += 0 < stored(url) < MESSAGES
                finish(start(source, url, workers))
            else:
                _, errors = child.communicate(timeout=300)
                if child.returncode == 0:
                    alone += 1
                else:  # killed before the store was open: said in one line, and begun again
                    assert child.returncode == 1 and errors.count(b"\n") == 1, errors.decode()
                    finish(start(source, url, workers))
            assert content(url) == wanted, f"kill {number}: not what the calm run stored"
            with closing(open_store(url)) as store:
                findings = store.check()
            assert not findings, findings
            if len(sys.argv) > 1:
                print(f"{number + 1} kills; of those resumed, {middle} had some of the rows; "
                      f"{alone} went on alone", file=sys.stderr, flush=True)  # fmt: skip
            drop(calm, f"kill_{number}")
    print("sound", flush=True)


main()
