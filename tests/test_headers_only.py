"""Bodies left aside: what is judged, what is stored, and that they are not read."""

import ctypes
import mailbox
import mmap
import os
import random
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from atlas_fast import UsageError, limits, scan, triage
from atlas_fast.errors import AtlasFastError
from atlas_fast.flags import Flag
from atlas_fast.pipeline import Pipeline
from atlas_fast.sources import open_source
from atlas_fast.sources.base import HEAD
from atlas_fast.store import schema

FROM = b"From a@b.example Mon Jan  1 00:00:00 2024\n"
BODY = 1 << 18


def mail(number, body, line=b""):
    return b"From: p%d@example.org\nSubject: offer %d\n%s\n%s\n" % (number, number, line, body)


def rows(path):
    connection = sqlite3.connect(path)
    found = connection.execute(
        f"SELECT uid, sender_email, subject, category, flags FROM {schema.MESSAGES} ORDER BY id"
    ).fetchall()
    connection.close()
    return found


def with_lengths(path, n=30):
    random.seed(7)
    with open(path, "wb") as file:
        for number in range(n):
            body = random.randbytes(BODY // 2).hex().encode()
            message = mail(number, body, b"Content-Length: %d\n" % (len(body) + 1))
            file.write(FROM + message + b"\n")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_rows_are_those_of_the_header_sections(tmp_path, corpus, workers):
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    cut.mkdir()
    whole.mkdir()
    for number, (_, _, raw) in enumerate(corpus[:200]):
        (whole / f"{number:04}.eml").write_bytes(raw)
        (batch,) = open_source(f"eml:{whole / f'{number:04}.eml'}").batches(1, 1 << 20)
        batch.leave_bodies()
        (cut / f"{number:04}.eml").write_bytes(batch.message(0))
    triage(str(cut), tmp_path / "a.db", workers)
    triage(str(whole), tmp_path / "b.db", workers, headers_only=True)
    shorter, headers_only = rows(tmp_path / "a.db"), rows(tmp_path / "b.db")
    assert [row[:4] for row in shorter] == [row[:4] for row in headers_only]
    assert sum(bool(row[4] & Flag.MSG_CUT) for row in headers_only) > 150


def test_all_sources_agree(tmp_path):
    mails = [mail(i, b"x" * (i * 997)) for i in range(50)]
    box = mailbox.mbox(tmp_path / "box")
    there = mailbox.Maildir(tmp_path / "dir")
    (tmp_path / "eml").mkdir()
    for number, raw in enumerate(mails):
        box.add(raw)
        there.add(raw)
        (tmp_path / "eml" / f"{number}.eml").write_bytes(raw)
    box.close()
    found = []
    for name in ("box", "dir", "eml"):
        batches = scan(str(tmp_path / name), headers_only=True)
        found.append({raw for batch in batches for raw in batch})
    assert found[0] == found[1] == found[2] == {mail(i, b"")[:-1] for i in range(50)}


def test_bodies_of_files_are_not_read(tmp_path):
    for number in range(40):
        (tmp_path / f"{number}.eml").write_bytes(mail(number, b"x" * BODY))
    with open("/proc/self/io") as io:
        before = int(io.readline().split()[1])
    (batch,) = open_source(str(tmp_path)).batches(1000, 1 << 30)
    with open("/proc/self/io") as io:
        whole = int(io.readline().split()[1]) - before
    source = open_source(str(tmp_path))
    source.headers_only = True
    (cut,) = source.batches(1000, 1 << 30)
    with open("/proc/self/io") as io:
        some = int(io.readline().split()[1]) - before - whole
    assert whole > 40 * BODY and some < 41 * HEAD
    assert cut.flags.tolist() == [int(Flag.MSG_CUT)] * 40
    for one in (batch, cut):
        one.leave_bodies()
    assert list(batch) == list(cut)


@pytest.mark.parametrize("size", [HEAD - 50, HEAD, HEAD + 1, 3 * HEAD, limits.MAX_HEADER_BYTES + 9])
def test_long_header_sections_are_read_to_their_end(tmp_path, size):
    long = b"X: " + b"x" * (size - 30)
    (tmp_path / "a.eml").write_bytes(long + b"\nSubject: s\n\nbody")
    (batch,) = scan(str(tmp_path / "a.eml"), headers_only=True)
    want = long + b"\nSubject: s\n\n"
    assert batch.message(0) == want[: limits.MAX_HEADER_BYTES]
    assert batch.flags[0] & Flag.MSG_CUT


def resident(path):
    """bool of each page of a file: is it in the page cache?"""
    size = os.path.getsize(path)
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE) as mapped:
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        at = ctypes.c_char.from_buffer(mapped)
        done = libc.mincore(ctypes.c_void_p(ctypes.addressof(at)), ctypes.c_size_t(size), pages)
        del at
    assert done == 0
    return np.frombuffer(pages, np.uint8) & 1 > 0


def forget(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if resident(path).any():
        pytest.skip("this file system keeps its pages")


def test_bodies_of_an_mbox_with_lengths_are_not_read(tmp_path):
    """The page cache tells: of a file that was in no page of it, only ends and headers are."""
    path = tmp_path / "box"
    with_lengths(path)
    forget(path)
    report = triage(str(path), tmp_path / "a.db", headers_only=True)
    assert report.messages == report.stored == 30
    there = resident(path)
    pages = BODY // mmap.PAGESIZE
    assert there[pages:].sum() <= 2 * 30  # behind the first, which tells what kind of file it is
    assert there[:pages].sum() < pages
    forget(path)
    triage(str(path), tmp_path / "b.db")
    assert resident(path).all()
    assert [row[:3] for row in rows(tmp_path / "a.db")] == [r[:3] for r in rows(tmp_path / "b.db")]


def test_the_other_way_needs_another_store(tmp_path):
    """As keys have the content that was read, each message would be there twice."""
    path, store = tmp_path / "box", tmp_path / "a.db"
    path.write_bytes((FROM + mail(1, b"x") + b"\n") * 3)
    triage(str(path), store, headers_only=True)
    for resume in (True, False):
        with pytest.raises(UsageError, match=r"by headers only; reading it with bodies needs"):
            triage(str(path), store, resume=resume)
    assert triage(str(path), store, headers_only=True).stored == 0
    with open(path, "ab") as file:
        file.write(FROM + mail(2, b"x") + b"\n")
    assert triage(str(path), store, headers_only=True).stored == 1
    triage(str(path), tmp_path / "b.db")
    with pytest.raises(UsageError, match="with bodies; reading it by headers only"):
        triage(str(path), tmp_path / "b.db", headers_only=True)
    assert len(rows(store)) == 4
    folder = Path(tmp_path / "folder")
    folder.mkdir()
    (folder / "a.eml").write_bytes(mail(1, b"x"))
    triage(str(folder), tmp_path / "c.db", headers_only=True)
    (folder / "b.eml").write_bytes(mail(2, b"x"))
    assert triage(str(folder), tmp_path / "c.db", headers_only=True).stored == 1


def test_a_source_and_a_pipeline_are_what_each_run_says(tmp_path):
    """Neither keeps what an earlier run wanted, nor what one that failed had begun."""
    (tmp_path / "a.eml").write_bytes(mail(1, b"x" * 100_000))
    source = open_source(str(tmp_path))
    sizes = [
        sum(batch.nbytes for batch in scan(source, headers_only=only))
        for only in (False, True, False)
    ]
    assert sizes[0] == sizes[2] > 100_000 > sizes[1]
    pipeline = Pipeline()
    with pytest.raises(AtlasFastError):
        triage(source, tmp_path / "absent" / "a.parquet" / "b.db", pipeline=pipeline)
    assert sum(map(len, scan(source, pipeline=pipeline))) == 1
