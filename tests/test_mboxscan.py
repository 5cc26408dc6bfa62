"""The four kinds of mbox: against a plain reading, the standard library, and at size."""

import mailbox
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import mboxscan as oracle

from atlas_fast._kernels import mboxscan
from atlas_fast.quoting import unquote
from atlas_fast.sources.mbox import Mbox

FROM = b"From a@b.example Mon Jan  1 00:00:00 2024"


def scan(raw, trust=False, n=256, max_bytes=1 << 40):
    places, starts, stops = np.zeros((3, n), np.int64)
    found, after = mboxscan.scan_mbox(raw, 0, max_bytes, trust, places, starts, stops)
    rows = zip(
        places[:found].tolist(), starts[:found].tolist(), stops[:found].tolist(), strict=True
    )
    return list(rows), after


def read(path, n=300):
    return [raw for batch in Mbox(str(path)).batches(n, 1 << 22) for raw in batch]


LINES = st.sampled_from(
    [
        FROM, b"From x 12:00 2001", b"From  - Tue Sep  9:1 1999", b"From what I hear, at 9:30 no year", b"From",
        b"From ", b"From a 2001", b">From x 12:00 2001", b"from x 12:00 2001", b" From x 12:00 2001", b"Subject: s",
        b"Content-Length: 0", b"Content-Length: 5", b"content-length : 12", b"Content-Length: 31", b"Content-Length: x",
        b"Content-Length:", b" folded", b"", b"", b"text", b"\0", b"\r", b"12345",
    ]
)  # fmt: skip


def test_every_place_in_a_step():
    """A separator may stand at any byte of a vector, and in the rest behind the last one."""
    for end in (b"\n", b"\r\n"):
        for before in range(140):
            for behind in (b"", b"x", b"F" * 100 + end):
                raw = end.join([FROM, b"x" * before, b"", FROM, b"F", b"From"]) + end + behind
                assert scan(raw)[0] == oracle.scan(raw)


@st.composite
def boxes(draw):
    """Lines with LF or CRLF or both, sometimes cut or without a line end at the end."""
    ends = draw(st.sampled_from([[b"\n"], [b"\r\n"], [b"\n", b"\r\n"]]))
    raw = b"".join(
        line + draw(st.sampled_from(ends)) for line in draw(st.lists(LINES, max_size=16))
    )
    return raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw


@st.composite
def boxes_that_state_lengths(draw):
    """mboxcl2: lengths that are right, wrong by a little, or absent."""
    out = b""
    for body in draw(st.lists(st.lists(LINES, max_size=5).map(b"\n".join), max_size=5)):
        off = draw(st.sampled_from([0, 0, 0, 1, -1, 2, 7, 100]))
        out += FROM + b"\n"
        if draw(st.integers(0, 3)):
            out += b"Content-Length: %d\n" % max(0, len(body) + off)
        out += b"\n" + body + draw(st.sampled_from([b"\n", b"\n\n", b"", b"\r\n\r\n", b"\n\n\n"]))
    return out


@settings(max_examples=300)
@given(st.one_of(boxes(), boxes_that_state_lengths(), st.binary(max_size=60)))
@example(FROM + b"\n\nx\n\n" + FROM)
def test_scan_agrees(raw):
    assert scan(raw) == (oracle.scan(raw), len(raw))


@settings(max_examples=300)
@given(st.one_of(boxes_that_state_lengths(), boxes(), st.binary(max_size=60)))
@example(FROM + b"\nContent-Length: 0\n\n" + FROM + b"\n\nx")
@example(b"\n\n")
def test_scan_by_length_agrees(raw):
    assert scan(raw, True) == (oracle.scan_trusting(raw), len(raw))


@given(st.one_of(boxes_that_state_lengths(), boxes()), st.booleans())
def test_messages_are_in_order_and_nothing_but_separators_is_lost(raw, trust):
    rows, after = scan(raw, trust)
    assert after == len(raw)
    edge = 0
    for place, start, stop in rows:
        assert edge <= place <= start <= stop
        assert not raw[edge:place].strip(b"\r\n")
        assert start == place or mboxscan.looks_like_separator(raw[place:start])
        edge = stop
    assert not raw[edge:].strip(b"\r\n")


@given(boxes_that_state_lengths(), st.integers(1, 3), st.booleans())
def test_resuming_gives_the_same_messages(raw, n, trust):
    places, starts, stops = np.zeros((3, n), np.int64)
    pos, found = 0, []
    while pos < len(raw):
        k, pos = mboxscan.scan_mbox(raw, pos, 1 << 40, trust, places, starts, stops)
        found += zip(places[:k].tolist(), starts[:k].tolist(), stops[:k].tolist(), strict=True)
    assert found == scan(raw, trust)[0]


def packed(corpus, end=b"\n", quote=rb"(?m)^(>*From )", length=False):
    """(mbox, messages as they went in): the corpus, each with a last line end."""
    out, bodies = [], []
    for _, _, raw in corpus:
        raw = raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw
        raw = (raw if raw.endswith(b"\n") else raw + b"\n").replace(b"\r\n", b"\n")
        raw = re.sub(rb"(?mi)^(content-length|status):.*\n", b"", raw)
        raw = raw.replace(b"\n", end)
        bodies.append(raw)
        raw = re.sub(quote, rb">\1", raw) if quote else raw
        if length:
            head, blank, body = raw.partition(end * 2)
            raw = b"Content-Length: %d" % len(body) + end + head + blank + body
        out.append(FROM + end + raw + end)
    return b"".join(out), bodies


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_mboxrd_of_real_mail(corpus, tmp_path, end):
    """Byte for byte what went in, and what the standard library reads."""
    raw, bodies = packed(corpus, end)
    path = tmp_path / "rd"
    path.write_bytes(raw)
    found = read(path)
    assert found == bodies
    if end == b"\n":  # its writer and reader know LF only
        box = mailbox.mbox(str(path), create=False)
        assert [unquote(box.get_bytes(key)) for key in box.keys()] == found  # noqa: SIM118
        box.close()


def test_mboxo_of_real_mail(corpus, tmp_path):
    """Only `From ` is quoted: `>From ` of an author loses its mark, as in every reader."""
    raw, bodies = packed(corpus, quote=rb"(?m)^(From )")
    path = tmp_path / "o"
    path.write_bytes(raw)
    found = read(path)
    assert found == [unquote(re.sub(rb"(?m)^(From )", rb">\1", body)) for body in bodies]
    assert sum(a == b for a, b in zip(found, bodies, strict=True)) > 0.97 * len(bodies)


@pytest.mark.parametrize("quote", [rb"(?m)^(From )", None], ids=["cl", "cl2"])
def test_mboxcl_of_real_mail(corpus, tmp_path, quote):
    """Lengths lead past `From ` lines that nothing quotes."""
    some = [(a, b, raw + b"\n\n" + FROM + b"\nFrom me: more text\n") for a, b, raw in corpus[::4]]
    raw, bodies = packed(some, quote=quote, length=True)
    path = tmp_path / "cl"
    path.write_bytes(raw)
    batches = list(Mbox(str(path)).batches(1000, 1 << 22))
    found = [
        bytes(batch.raw[start:stop])
        for batch in batches
        for start, stop in zip(batch.starts, batch.stops, strict=True)
    ]
    assert len(found) == len(bodies)
    for got, body in zip(found, bodies, strict=True):
        body = re.sub(quote, rb">\1", body) if quote else body
        assert got.split(b"\n", 1)[1] == body


def test_no_line_end_at_the_end_and_nul(tmp_path):
    path = tmp_path / "box"
    path.write_bytes(FROM + b"\nSubject: a\n\n\0\0\n\n" + FROM + b"\n\nlast\0 line")
    assert read(path) == [b"Subject: a\n\n\0\0\n", b"\nlast\0 line"]


def test_from_lines_of_a_body(tmp_path):
    path = tmp_path / "box"
    body = b"Subject: a\n\nx\n\nFrom what I hear\n\nFrom Monday at 9:30 on\nFrom here 12:00 2001\n"
    path.write_bytes(FROM + b"\n" + body + b"\n" + FROM + b"\n\ny\n")
    assert read(path) == [body, b"\ny\n"]


SIZE = """
import sys, time
from atlas_fast.sources.mbox import Mbox
begin = time.perf_counter()
n = sum(len(batch) for batch in Mbox(sys.argv[1]).batches(2000, 1 << 25))
print(n, time.perf_counter() - begin)
"""


@pytest.mark.parametrize(
    ("unit", "n"),
    [
        (FROM + b"\n\n", 1_000_000),
        (FROM + b"\n", 1),
        (b"From \n\n", 1),
        (FROM + b"\nContent-Length: 99999999\n\n", 1_000_000),
        (FROM + b"\nContent-Length: 1\n\nx\n", 1_000_000),
    ],
    ids=["separators", "no empty lines", "short", "lengths too long", "lengths"],
)
def test_a_million_separators(tmp_path, unit, n):
    path = tmp_path / "box"
    path.write_bytes(unit * 1_000_000)
    done = subprocess.run(
        [sys.executable, "-P", "-c", SIZE, str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    count, seconds = done.stdout.split()
    print(count, seconds)
    assert int(count) == n
    assert float(seconds) < 20
