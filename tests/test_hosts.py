"""Names of hosts and domains against patterns of the standard library."""

from itertools import pairwise
from urllib.parse import urlsplit

import numpy as np
import pytest
from guard import before_guard, behind_guard
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import hosts as oracle

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.hosts import hosts_batch
from atlas_fast.headers import parse_many
from atlas_fast.mime import MimeColumns

CAP = 255
pieces = st.sampled_from([
    b"http", b"https:", b"://", b"//", b":", b"/", b"?", b"#", b"\\", b"@", b"[", b"]", b"::1",
    b".", b"a", b"Example.ORG", b"user:pw", b"80", b"<", b">", b"mailto:", b"\xc3\xa9", b"\xff", b" ",
])  # fmt: skip
texts = st.lists(
    st.one_of(st.lists(pieces, max_size=10).map(b"".join), st.binary(max_size=30)), max_size=8
)


def column(items):
    ends = np.cumsum([0, *map(len, items)]).astype(np.int64)
    return np.frombuffer(b"".join(items), np.uint8), ends[:-1].copy(), ends[1:].copy()


def names(data, starts, stops, urls, cap=CAP):
    out, offsets = Bytes(), np.empty(len(starts) + 1, np.int64)
    hosts_batch(data, starts, stops, urls, cap, out, offsets)
    raw = bytes(out)
    return [raw[a:b] for a, b in pairwise(offsets)]


@given(texts, st.booleans())
def test_the_patterns(items, urls):
    rule = oracle.host if urls else oracle.domain
    assert names(*column(items), urls) == [rule(item) for item in items]


@settings(max_examples=40)
@given(texts, st.booleans())
def test_it_reads_inside_only(items, urls):
    data, starts, stops = column(items)
    if len(data):
        for guard in (before_guard, behind_guard):
            view = np.frombuffer(guard(data.tobytes()), np.uint8)
            assert names(view, starts, stops, urls) == names(data, starts, stops, urls)


@pytest.mark.parametrize(
    "url, expected",
    [
        ("http://Example.org/a", "example.org"), ("//a.example", "a.example"),
        ("https://u:p@b.example:8080?c", "b.example"), ("http://[2001:DB8::1]:80/", "2001:db8::1"),
        ("http://a.example\\@b.example/", "a.example"), ("http://a@b@c.example#x", "c.example"),
        ("mailto:a@b.example", ""), ("a.example/x", ""), ("http:", ""), ("http://", ""),
        ("http://a.example./", "a.example"), ("cid:part1", ""), ("", ""),
    ],
)  # fmt: skip
def test_examples(url, expected):
    assert names(*column([url.encode()]), True) == [expected.encode()]


@given(st.from_regex(r"https?://[a-z0-9.-]{1,20}(:[0-9]{1,4})?(/[a-z]*)?", fullmatch=True))
def test_urllib_says_the_same_of_plain_urls(url):
    expected = (urlsplit(url).hostname or "").removesuffix(".")
    assert names(*column([url.encode()]), True) == [expected.encode()]


def test_names_that_are_too_long_are_absent():
    long = b"a" * 10_000
    assert names(*column([b"http://" + long, b"http://b"]), True) == [b"", b"b"]
    assert names(*column([b"x@" + long, b"x@b"]), False) == [b"", b"b"]


def test_real_links(corpus):
    parts = MimeColumns(parse_many([raw for *_, raw in corpus[:800]]))
    urls = [item[0].encode() for i in range(len(parts)) for item in parts.links_of(i)]
    starts, stops = (np.ascontiguousarray(parts.links[name]) for name in ("url_start", "url_stop"))
    found = names(parts.strings, starts, stops, True)
    assert found == [name if len(name := oracle.host(url)) <= CAP else b"" for url in urls]
    assert sum(map(bool, found)) > 500


def test_misuse():
    one = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="n entries"):
        hosts_batch(b"", one, one, True, CAP, Bytes(), one)
    with pytest.raises(ValueError, match="does not fit"):
        hosts_batch(b"a", one, one + 2, True, CAP, Bytes(), np.zeros(2, np.int64))
    out = Bytes()
    view = memoryview(out)
    with pytest.raises(BufferError):
        hosts_batch(b"a", one, one, True, CAP, out, np.zeros(2, np.int64))
    view.release()
