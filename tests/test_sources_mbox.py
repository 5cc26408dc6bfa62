"""The mbox source: variants with a known truth, resuming, hostile and changing files."""

import mailbox
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_fast import limits
from atlas_fast._kernels.mboxscan import looks_like_separator, scan_mbox
from atlas_fast.errors import SourceError
from atlas_fast.flags import Flag
from atlas_fast.quoting import unquote
from atlas_fast.sources import open_source
from atlas_fast.sources.mbox import Mbox

FROM = b"From a@b.example Mon Jan  1 00:00:00 2024\n"


def read(path, after="", n=1000):
    return [raw for batch in Mbox(str(path)).batches(n, 1 << 30, after) for raw in batch]


@pytest.mark.parametrize(
    "line",
    [
        b"From a@b.example Mon Jan  1 00:00:00 2024",
        b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
        b"From - Sun Feb 29 09:05:01 2004",
        b"From 1758492@xxx Mon Jan 01 00:00:00 +0000 2024",
        b"From user at example.com  Mon Jan  1 00:00:00 2024",
        b"From host!user Mon Jan 1 9:05 1990 remote from other",
    ],
)
def test_separators_in_use(line):
    assert looks_like_separator(line) and looks_like_separator(line + b"\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"From my point of view", b"From 2024 on, nothing changes", b"From here at 12:30", b"From ",
        b">From a@b.example Mon Jan  1 00:00:00 2024", b"From: a@b.example Mon Jan 1 00:00:00 2024",
        b"From a@b.example " + b"x" * 2000 + b" 00:00:00 2024", b"From a@b.example Mon\n00:00:00 2024",
        b"",
    ],
)  # fmt: skip
def test_text_is_no_separator(line):
    assert not looks_like_separator(line)
    raw = FROM + b"Subject: x\n\nbefore\n\n" + line + b"\nafter\n\n" + FROM + b"\n"
    places, starts, stops = np.zeros((3, 9), np.int64)
    assert scan_mbox(raw, 0, 1 << 30, False, places, starts, stops)[0] == 2


LINES = st.lists(
    st.sampled_from([b"text", b"", FROM[:-1], b">" + FROM[:-1], b"From here", b"\0", b"."]),
    max_size=6,
)


@given(st.lists(LINES, min_size=1, max_size=5), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_what_was_written_is_read(tmp_path_factory, bodies, eol, stated):
    """mboxrd, and mboxcl2 (nothing quoted), with both line ends: the messages that were put in."""
    messages, out = [], []
    for lines in bodies:
        body = b"".join(line + eol for line in lines)
        head = b"Subject: x" + eol
        if stated:
            head += b"Content-Length: %d" % len(body) + eol
            # What reads as quoted cannot be told from an author's own in mboxcl2.
            body = body.replace(b">", b"<")
        messages.append(head + eol + body)
        text = messages[-1]
        if not stated:
            text = b"".join(
                b">" + line if line.lstrip(b">").startswith(b"From ") else line
                for line in text.splitlines(keepends=True)
            )
        out.append(FROM[:-1] + eol + text + eol)
    path = tmp_path_factory.mktemp("mbox", numbered=True) / "box"
    path.write_bytes(b"".join(out))
    if stated and not bodies[0]:
        return  # the first message says 0: that may as well be a field nobody filled
    assert read(path, n=2) == messages


def test_corpus_packed_by_the_standard_library(corpus, tmp_path):
    """mboxo as `mailbox.mbox` writes it: its own reader and ours give the same bytes."""
    path = tmp_path / "box"
    box = mailbox.mbox(path)
    box.lock()
    for _, _, raw in corpus[::6]:
        box.add(raw)
    box.close()
    box = mailbox.mbox(path)
    want = [unquote(box.get_bytes(key)) for key in box.iterkeys()]
    box.close()
    found = read(path)
    assert len(found) == len(want) > 900
    # The standard library leaves the empty line of the last message in it.
    assert [raw.rstrip(b"\n") for raw in found] == [raw.rstrip(b"\n") for raw in want]
    assert sum(a == b for a, b in zip(found, want, strict=True)) >= len(want) - 1


def test_a_million_separators(tmp_path):
    path = tmp_path / "box"
    one = b"From a 1:11 2001\n\n"
    path.write_bytes(one * 1_000_000)
    begin = time.perf_counter()
    spans = [(b.starts, b.stops) for b in Mbox(str(path)).batches(100_000, 1 << 30)]
    assert time.perf_counter() - begin < 20
    starts, stops = (np.concatenate(column) for column in zip(*spans, strict=True))
    assert len(starts) == 1_000_000
    assert (starts == np.arange(1_000_000) * len(one) + len(one) - 1).all()
    assert (stops >= starts).all() and (stops - starts <= 1).all()


def test_stated_lengths_do_not_cost_more_than_bytes(tmp_path):
    """Messages that all say a length, right or wrong, are gone through once."""
    path = tmp_path / "box"
    first = b"From a 1:11 2001\nContent-Length: 2\n\nx\n\n"
    path.write_bytes(first + b"From a 1:11 2001\nContent-Length: 99999\n\nx\n\n" * 100_000)
    begin = time.perf_counter()
    assert sum(map(len, Mbox(str(path)).batches(5000, 1 << 30))) == 100_001
    assert time.perf_counter() - begin < 20


@pytest.mark.parametrize(
    ("raw", "messages"),
    [
        (FROM[:-1], [b""]),
        (FROM + b"Subject: x\n\ny", [b"Subject: x\n\ny"]),
        (FROM + b"a: b\n\nx\n\n" + FROM[:-1], [b"a: b\n\nx\n", b""]),
        (FROM + b"a: \0\n\n\0\0\n\n" + FROM + b"\0", [b"a: \0\n\n\0\0\n", b"\0"]),
        (b"\r\n\n" + FROM + b"a: b\n\nx\n", [b"a: b\n\nx\n"]),
        (b"no mail at all", [b"no mail at all"]),
        (b"\0" * 70_000, [b"\0" * 70_000]),
    ],
)
def test_odd_files(tmp_path, raw, messages):
    path = tmp_path / "box.mbox"
    path.write_bytes(raw)
    source = open_source(str(path))
    assert isinstance(source, Mbox)
    assert [one for batch in source.batches(1, 1) for one in batch] == messages


def test_every_mark_goes_on_where_it_should(tmp_path):
    path = tmp_path / "box"
    path.write_bytes(b"".join(FROM + b"Subject: %d\n\nx\n\n" % number for number in range(9)))
    whole = read(path)
    for size in (1, 2, 4, 9):
        done = 0
        for batch in Mbox(str(path)).batches(size, 1 << 30):
            done += len(batch)
            assert read(path, batch.mark) == whole[done:]


@pytest.mark.parametrize("blank", [b"", b"\n", b"\r\n", b"\n\n"])
def test_appended_mail_is_read_from_the_last_mark(tmp_path, blank):
    path = tmp_path / "box"
    path.write_bytes(FROM + b"Subject: 1\n\nx\n")
    *_, last = Mbox(str(path)).batches(9, 1 << 30)
    assert read(path, last.mark) == []
    with open(path, "ab") as file:
        file.write(blank + FROM + b"Subject: 2\n\ny\n\n")
    source = Mbox(str(path))
    assert [raw for batch in source.batches(9, 1 << 30, last.mark) for raw in batch] == [
        b"Subject: 2\n\ny\n"
    ]


@pytest.mark.parametrize("mark", ["1", "60", "x", "-1", "\u00b2", "9" * 6000, "10000"])
def test_a_mark_where_nothing_starts(tmp_path, mark):
    path = tmp_path / "box"
    path.write_bytes((FROM + b"Subject: x\n\nx\n\n") * 3)
    with pytest.raises(SourceError, match="the file has changed"):
        read(path, mark)


def test_appending_meanwhile_is_for_the_next_run(tmp_path):
    path = tmp_path / "box"
    one = FROM + b"Subject: x\n\nx\n\n"
    path.write_bytes(one * 4)
    batches = Mbox(str(path)).batches(1, 1 << 30)
    next(batches)
    with open(path, "ab") as file:
        file.write(one * 5)
    *_, last = batches
    assert last.mark == str(4 * len(one))
    assert len(read(path, last.mark)) == 5


def test_cutting_between_batches_is_an_error_not_a_fault(tmp_path):
    """In a process of its own, which a fault would end with a signal."""
    path = tmp_path / "box"
    path.write_bytes((FROM + b"Subject: x\n\n" + b"x" * 9000 + b"\n\n") * 50)
    script = (
        "import os, sys\n"
        "from atlas_fast.errors import SourceError\n"
        "from atlas_fast.sources.mbox import Mbox\n"
        "batches = Mbox(sys.argv[1]).batches(3, 1 << 30)\n"
        "next(batches)\n"
        "os.truncate(sys.argv[1], 5)\n"
        "try:\n"
        "    next(batches)\n"
        "except SourceError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", script, str(path)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().endswith("cut while it was read, at offset 27168")


def test_the_first_batch_does_not_read_the_file(tmp_path):
    """A sparse file of 64 GiB: only what the batch needs is touched."""
    path = tmp_path / "box"
    path.write_bytes((FROM + b"Subject: x\n\nx\n\n") * 10)
    try:
        os.truncate(path, 64 << 30)
    except OSError:
        pytest.skip("no sparse files here")
    batch = next(Mbox(str(path)).batches(5, 1 << 30))
    assert len(batch) == 5
    assert batch.message(4) == b"Subject: x\n\nx\n"


def test_pages_of_batches_that_are_gone_are_given_back(tmp_path):
    """Of a file of 64 MiB, no more is in the process than a batch or two."""

    def mapped():
        found = Path("/proc/self/smaps").read_text().split(str(path))
        return sum(int(re.search(r"Rss: +(\d+) kB", part)[1]) for part in found[1:])

    path = tmp_path / "box"
    path.write_bytes((FROM + b"Subject: x\n\n" + b"x" * 65_400 + b"\n\n") * 1024)
    sizes, n = [], 0
    for batch in Mbox(str(path)).batches(1000, 4 << 20):
        n += len(batch)
        assert batch.message(len(batch) - 1).startswith(b"Subject: x")
        sizes.append(mapped())
    assert n == 1024 and len(sizes) == 16
    assert max(sizes) < 12 << 10


def test_a_message_above_the_cap_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_MESSAGE_BYTES", 100)
    path = tmp_path / "box"
    path.write_bytes((FROM + b"Subject: x\n\n" + b"x" * 500 + b"\n\n") * 2 + FROM + b"A: b\n\n")
    (batch,) = Mbox(str(path)).batches(1000, 1 << 20)
    assert [len(raw) for raw in batch] == [100, 100, 5]
    assert batch.flags.tolist() == [Flag.MSG_CUT, Flag.MSG_CUT, 0]
