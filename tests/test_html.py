"""HTML and the links of plain text: vectors, then the kernel against a plain reading of any bytes."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import htmltext as oracle

from atlas_fast._kernels import html as kernel

VECTORS = json.loads((Path(__file__).parent / "vectors" / "html.json").read_text())


@pytest.mark.parametrize("read", [kernel.html_text, oracle.read], ids=["kernel", "oracle"])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["html"][:40] or "empty")
def test_vector(read, vector):
    text, links, hidden = read(vector["html"].encode())
    assert text.decode() == vector["text"]
    found = [[target.decode(), shown.decode(), kind] for target, shown, kind in links]
    assert found == vector.get("links", [])
    assert hidden == vector.get("hidden", 0)


PIECES = [
    "<", ">", "/", "=", '"', "'", "!", "?", "-", "--", "<!--", "-->", "<p>", "</p>", "<b>", "</b>", "<a href=", "</a>",
    '<a href="', "<a x='", "<img src=", "<form action=", "<iframe src=u>", "<area href=u>", "<td>", "</th>", "<br/>",
    "<script>", "</script", "<style>", "</style>", "<title>", "<noframes>", "<abcdefghijklmnop>", " style=", "font-size:0",
    "display: none", "visibility:hidden", ".", "&amp;", "&", "&#", "&#x", "41", ";", "&nbsp;", "&Eacute", "&apos;", "&lt;p&gt;",
    "a", "£", "é", "€", "😀", "\u00a0", "\u00c2", " ", "\n", "\t", "\r", "\0", "\x7f", "http://a.example/", "ftp:", "://", "HTTPS",
    "),.", "xhttp",
]  # fmt: skip
DOCUMENT = st.lists(st.sampled_from(PIECES), max_size=25).map(lambda p: "".join(p).encode())


@st.composite
def damaged(draw):
    raw = bytearray(draw(DOCUMENT))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(raw)


@given(st.one_of(DOCUMENT, damaged(), st.binary(max_size=60)))
@example(b"<a href=x>\xc2\xa0<br>y")
@example(b"<a href=&#9;&#x20AC;>")
def test_html_agrees(raw):
    assert kernel.html_text(raw) == oracle.read(raw)


@given(st.one_of(DOCUMENT, damaged(), st.binary(max_size=60)))
@example(b"http://")
@example(b"xhttp://a.example/")
def test_plain_agrees(raw):
    assert kernel.html_text(raw, html=False) == oracle.read(raw, html=False)


def test_every_place_in_a_step():
    """What ends a run may stand at any byte of a vector, and in the rest behind the last one."""
    for what in (
        "<br>",
        "&lt;",
        "é",
        "\u00a0",
        "  ",
        " ",
        "\n",
        '<i a=">" STYLE=display:none>',
        "<a b='",
    ):
        for before in range(70):
            for behind in (0, 1, 20):
                raw = ("x" * before + what + "y" * behind).encode()
                assert kernel.html_text(raw) == oracle.read(raw)
    for size in range(70):
        for raw in (
            f"<a title='{'x' * size}' href=\"{'u' * size}&amp;v w\">z</a>",
            f"<p {'x' * size} style=font-size:0>", f"<{'n' * size}>", f"<{'n' * size} ", "< " * size,
        ):  # fmt: skip
            assert kernel.html_text(raw.encode()) == oracle.read(raw.encode())
        for before in range(17):  # the search for a style starts behind the name of the tag
            for style in ("style", "STYLE", "xstyle", "s", "stile"):
                raw = f"{'y' * before}<p {'x' * size} {style}=display:none>z".encode()
                assert kernel.html_text(raw) == oracle.read(raw)


def test_long_targets_are_cut_between_characters():
    for size in range(2040, 2056):
        url = b"a" * size + "€é😀€".encode() * 2
        raw = b'<a href="' + url + b'">x</a>'
        found = kernel.html_text(raw)
        assert found == oracle.read(raw)
        assert len(found[1][0][0]) <= 2048
        raw = b"http://" + url
        assert kernel.html_text(raw, html=False) == oracle.read(raw, html=False)


@given(st.lists(DOCUMENT, max_size=4).map(b" ".join), st.integers(0, 60))
def test_limit_cuts_the_text(raw, limit):
    whole = kernel.html_text(raw)[0]
    cut = kernel.html_text(raw, limit=limit)[0]
    cut.decode()
    assert whole.startswith(cut) and len(cut) <= limit + 4
    plain = kernel.html_text(raw, html=False, limit=limit)[0]
    plain.decode()
    assert len(plain) <= limit


def test_limit_cuts_one_long_run():
    for raw in (b"a" * 1000, "é".encode() * 500, "£".encode() * 500, b"x" + "😀".encode() * 250):
        text = kernel.html_text(raw, limit=101)[0]
        text.decode()
        assert 98 <= len(text) <= 102 and raw.startswith(text)


def test_agrees_on_real_mail(corpus):
    """Whole messages as documents: what follows `Content-Type: text/html`, encoded or not."""
    documents = [
        raw.partition(b"\n\n")[2][:40_000] for _, _, raw in corpus if b"<html" in raw.lower()
    ]
    assert len(documents) > 800
    for raw in documents[::8]:
        assert kernel.html_text(raw) == oracle.read(raw)
        assert kernel.html_text(raw, html=False) == oracle.read(raw, html=False)


@pytest.mark.parametrize(
    "unit",
    [b"<", b"</", b"<a", b"<!--", b"<!", b"&#", b"&a", b"<a href='", b"<a x=\"", b"<script>", b"<p", b"://",
     b"http://", b"<a href=x>", b"<p style='"],
)  # fmt: skip
def test_hostile_text_is_linear(unit):
    """Tens of millions of characters a second when linear; hours when not."""
    raw = unit * (2_000_000 // len(unit))
    text, _, _ = kernel.html_text(raw)
    assert len(text) <= len(raw)
    kernel.html_text(raw, html=False)
