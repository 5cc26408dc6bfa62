"""Every migration up and down on a database of the original: seconds, size, and is it the same.

    PYTHONPATH=.:tests python benches/migrate.py [MESSAGES [FILE]]

The digest is over every row of every table and the text of each definition; what Alembic and the
steps keep for themselves, and the times of version rows, are left out.
"""

import hashlib
import os
import sqlite3
import sys
import tempfile
import time

from store import original

from atlas_fast.store import SqliteStore, migrate

OWN = {b"alembic_version", b"first_state", b"schema_version"}


def digest(path):
    with sqlite3.connect(path) as connection:
        connection.text_factory = bytes
        found = hashlib.blake2b(digest_size=8)
        query = "SELECT type, name, tbl_name, sql FROM sqlite_master"
        master = sorted(connection.execute(query), key=repr)
        found.update(repr(master).encode())
        for kind, name, _, _ in master:
            if kind == b"table" and name not in OWN:
                for row in connection.execute(f'SELECT * FROM "{name.decode()}" ORDER BY 1'):
                    found.update(repr(row).encode())
    connection.close()
    return found.hexdigest()


def step(path, what, move, wanted=None):
    began = time.perf_counter()
    move()
    seconds = time.perf_counter() - began
    found = digest(path)
    same = "" if wanted is None else "equal" if found == wanted else "DIFFERENT"
    size = os.path.getsize(path) >> 20
    print(f"{what:20} {seconds:7.1f} s  {size:6} MiB  {found} {same}", flush=True)
    return found


def main(path, messages):
    states = [step(path, "made", lambda: original.make(path, "5", messages))]
    revisions = [one.revision for one in migrate.history()]
    for name in revisions:
        move = lambda name=name: migrate.upgrade(path, name, keep=False)  # noqa: E731
        states.append(step(path, f"up to {name}", move))
    began = time.perf_counter()
    with SqliteStore(path) as store:
        print(f"check: {store.check()}, {time.perf_counter() - began:.1f} s")
    for name in (*reversed(revisions[:-1]), "base"):
        states.pop()
        move = lambda name=name: migrate.downgrade(path, name, keep=False)  # noqa: E731
        step(path, f"down to {name}", move, states[-1])
    step(path, "all up, with backup", lambda: migrate.upgrade(path))
    step(path, "all down", lambda: migrate.downgrade(path, "base", keep=False), states[0])


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        main(sys.argv[2] if len(sys.argv) > 2 else os.path.join(folder, "mail_filter.db"), count)
