"""What a run does not load, does not keep, and gives back."""

import mmap
import os
import re
import subprocess
import sys
import weakref
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import tables as oracle
from store.fake import FakeBatch

from atlas_fast._kernels.tables import Table, digest, pack
from atlas_fast.bench.memory import peaks
from atlas_fast.sources import synthetic
from atlas_fast.sources.synthetic import Synthetic, generate
from atlas_fast.store.base import Run
from atlas_fast.store.grouping import GroupedWrites
from atlas_fast.store.rows import row_block

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_run_loads_no_openssl_and_no_unneeded_codec(tmp_path):
    """Megabytes of each process: OpenSSL by hashlib, numpy.random, rich, all of Python's codecs.
    The first of two runs may build the reference data."""
    code = (
        "import sys; from atlas_fast.cli import main; code = main(sys.argv[1:])\n"
        "print(sorted({'_hashlib', 'numpy.random', 'rich', 'encodings.cp866'}"
        " & set(sys.modules)), code)"
    )
    run = ["run", "synthetic:50,3", "--workers", "2", "--store", str(tmp_path / "a.db")]
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *run], capture_output=True, text=True, check=True,
            env=os.environ,
        )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[] 0"


@given(st.binary(max_size=400), st.integers(1, 64))
def test_digest(data, size):
    assert digest(data, size) == oracle.digest(data, size)
    assert len(digest(data)) == 8


@pytest.mark.parametrize("size", [-1, 0, 65])
def test_a_digest_has_1_to_64_bytes(size):
    with pytest.raises(ValueError, match="64"):
        digest(b"", size)


def resident(path: Path) -> int:
    """KiB of a mapped file that the process has."""
    found, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.endswith(str(path))
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


@LINUX
def test_pages_of_a_table_are_left_and_come_back(tmp_path):
    path, payload = tmp_path / "table", np.random.default_rng(1).bytes(1 << 20)
    path.write_bytes(bytes(16) + pack(b"kind", 1, 1, payload))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)[16:]
        table = Table.of_value(view, mapped, b"kind", 1)
        checksum = table.checksum()
        assert resident(path) > 1000
        table.leave()
        assert resident(path) < 100
        assert table.checksum() == checksum == digest(payload)
        copy = table.copied()
        copy.leave()
        assert copy.checksum() == checksum
        del table, view


def read(source, **limits):
    """(messages, batches) of a source; batches follow each other without a gap."""
    messages, batches = (
        [],
        list(source.batches(**{"max_messages": 100, "max_bytes": 1 << 20} | limits)),
    )
    for one, next_one in pairwise(batches):
        assert int(next_one.places[0]) == int(one.mark) + 1
    for batch in batches:
        messages += batch
    return messages, batches


def test_generated_batches_keep_to_their_room(monkeypatch):
    expected = [raw for _, raw in generate(300, 5)]
    assert read(Synthetic(300, 5))[0] == expected
    messages, batches = read(Synthetic(300, 5), max_bytes=20_000)
    assert messages == expected
    assert all(batch.nbytes - len(batch.message(len(batch) - 1)) < 20_000 for batch in batches)
    monkeypatch.setattr(synthetic, "ROOM", 10_000)
    monkeypatch.setattr(synthetic, "LONGEST", max(map(len, expected)))
    messages, batches = read(Synthetic(300, 5), max_bytes=1 << 62)
    assert messages == expected
    assert max(batch.nbytes for batch in batches) <= 10_000 + max(map(len, expected))


def test_a_block_is_let_go_of_when_it_is_in():
    """While the rows of a commit go in, workers make others; only one block is held."""
    alive, held = [], []

    class Store:
        commit_rows = 1 << 30

        def write(self, run, blocks, errors=(), marks=()):
            for block in blocks:
                held.append(sum(one() is not None for one in alive))
                assert block.n == 2
            return 8

    writes = GroupedWrites(Store(), Run(1), lambda: 0.0)
    for number in range(4):
        block = row_block(FakeBatch([{"place": number}, {"place": -number}]), 1, "2026-01-02 03:04")
        alive.append(weakref.ref(block.columns[block.names.index("flags")].values))
        writes.write([block])
        del block
    writes.close()
    assert held == [4, 3, 2, 1]
    assert writes.stored == 8


def test_a_charset_is_made_by_threads_at_once():
    """In a process of its own, where no table is there yet."""
    code = (
        "import threading\n"
        "from atlas_fast._kernels.charsets import SINGLE_BYTE, charset_number, decode_charset\n"
        "raw, gate, wrong = bytes(range(256)), threading.Barrier(4), []\n"
        "def work():\n"
        "    gate.wait()\n"
        "    for codec in SINGLE_BYTE:\n"
        "        text = decode_charset(charset_number(codec.encode()), raw)[0].decode()\n"
        "        if text != raw.decode(codec, 'replace'):\n"
        "            wrong.append(codec)\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(wrong)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"


@LINUX
def test_peaks_are_told_beside_what_a_process_has_at_rest(tmp_path):
    mail = tmp_path / "1.eml"
    mail.write_bytes(b"From: a@example.org\n\n" + b"x" * 100_000)
    small, large, baseline = peaks([mail], tmp_path, [20, 3000], 400)
    assert small.rest == large.rest
    for one in (small, large, baseline):
        assert one.rest is not None and one.above == one.bytes - one.rest
        assert 5e6 < one.rest < one.bytes < 400e6
    assert large.above > small.above
    assert baseline.above > 400 * 100_000, "the messages are held"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".db"] == []
