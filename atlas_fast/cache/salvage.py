"""Carry what is whole from a cache whose last user was killed into a fresh file.

Runs as a process of its own, as LMDB may fault on pages that are damaged: then this process dies,
and nothing is carried over.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lmdb

from atlas_fast._kernels.memo import EXPIRED, GOOD, MAX_VALUE_BYTES, SEAL_BYTES, STALE, unseal_batch

META = b"meta"
SECRET = b"secret"
SECRET_BYTES = 16
KEY_BYTES = 16
MAX_DBS = 16
BLOCK = 4096
"""Entries that are carried at a time."""


def salvage(old: Path, new: Path, map_size: int) -> int:
    """Copy the secret and every entry whose checksum is right; the number of entries."""
    source = lmdb.open(
        str(old), readonly=True, lock=False, max_dbs=MAX_DBS, mode=0o600, lib_version=0
    )
    target = lmdb.open(str(new), map_size=map_size, max_dbs=MAX_DBS, mode=0o600, lib_version=0)
    carried = 0
    try:
        with source.begin() as reading:
            names = [bytes(name) for name, _ in reading.cursor()]
            meta = source.open_db(META, txn=reading, create=False)
            secret = reading.get(SECRET, db=meta)
            if secret is None or len(secret) != SECRET_BYTES:
                raise ValueError("the secret is lost")
            with target.begin(write=True) as writing:
                db = target.open_db(META, txn=writing)
                writing.put(SECRET, secret, db=db)
            for name in names:
                if name != META:
                    carried += _carry(source, reading, target, name, secret)
    finally:
        target.sync(True)
        target.close()
        source.close()
    return carried


def _carry(
    source: lmdb.Environment,
    reading: lmdb.Transaction,
    target: lmdb.Environment,
    name: bytes,
    secret: bytes,
) -> int:
    carried = 0
    block: list[tuple[bytes, bytes]] = []
    with target.begin(write=True) as writing:
        db = target.open_db(name, txn=writing)
        with reading.cursor(source.open_db(name, txn=reading, create=False)) as cursor:
            for item in cursor:
                block.append(item)
                if len(block) == BLOCK:
                    carried += _put_whole(writing, db, block, secret)
                    block = []
        return carried + _put_whole(writing, db, block, secret)


def _put_whole(
    writing: lmdb.Transaction, db: lmdb._Database, block: list[tuple[bytes, bytes]], secret: bytes
) -> int:
    """Put the entries whose checksum is right, all values of one size."""
    sizes = {len(value) for _, value in block}
    kept = 0
    for size in sizes:
        wide = size - SEAL_BYTES
        if not 1 <= wide <= MAX_VALUE_BYTES:
            continue
        some = [item for item in block if len(item[1]) == size and len(item[0]) == KEY_BYTES]
        n = len(some)
        if n == 0:
            continue
        rows = memoryview(b"".join(value for _, value in some)).cast("B", (n, size))
        keys = memoryview(b"".join(key for key, _ in some)).cast("B").cast("Q", (n, 2))
        state = bytearray(n)
        values = memoryview(bytearray(n * wide)).cast("B", (n, wide))
        expires = memoryview(bytearray(n * 8)).cast("q")
        words = memoryview(secret).cast("Q")
        unseal_batch(rows, keys, 0, 0, words, values, expires, state)
        for (key, value), one in zip(some, state, strict=True):
            if one in (GOOD, STALE, EXPIRED):
                writing.put(key, value, db=db)
                kept += 1
    return kept


def main(old: str, new: str, map_size: str) -> None:
    print(salvage(Path(old), Path(new), int(map_size)))


if __name__ == "__main__":
    main(*sys.argv[1:])
