"""Encoded-words: vectors on both implementations, then agreement on generated and real mail."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import words as oracle

from atlas_fast._kernels import words as kernel

VECTORS = json.loads((Path(__file__).parent / "vectors" / "words.json").read_text())
CHARSETS = [
    "utf-8", "UTF-8", "us-ascii", "iso-8859-1", "ISO-8859-15", "windows-1251", "koi8-r", "gb2312",
    "big5", "shift_jis", "iso-2022-jp", "euc-kr", "utf-8*en", "nobody-knows",
]  # fmt: skip


def decode(raw: bytes) -> str:
    return kernel.decode_words(raw)[0].decode()


@pytest.fixture(params=[decode, oracle.decode], ids=["kernel", "oracle"])
def implementation(request):
    return request.param


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["raw"][:40] or "empty")
def test_vector(implementation, vector):
    assert implementation(vector["raw"].encode()) == vector["text"]


@st.composite
def encoded_word(draw):
    charset = draw(st.sampled_from(CHARSETS))
    if draw(st.booleans()):
        text = draw(st.text("ABab01+/=!\r\n ", max_size=16))
        return f"=?{charset}?{draw(st.sampled_from('bB'))}?{text}?="
    text = draw(st.text("ab_=0C3A9\r\n ?", max_size=12))
    return f"=?{charset}?{draw(st.sampled_from('qQ'))}?{text}?="


FIELD = st.lists(
    st.one_of(
        encoded_word(),
        st.sampled_from([" ", "\t", "\r\n ", "\n\t", "\r", "=", "=?", "?=", "=?utf-8?q?"]),
        st.sampled_from(["é", "x"]),
        st.text(max_size=5),
    ),
    max_size=8,
).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))


@given(FIELD)
@example(b"=?iso-2022-jp?B?GyRC?= =?iso-2022-jp?B?RnxLXBsoQg==?=")
def test_agrees_on_fields(raw):
    assert decode(raw) == oracle.decode(raw)


@given(st.binary(max_size=60))
def test_agrees_on_any_bytes(raw):
    assert decode(raw) == oracle.decode(raw)


def test_strategy_draws_every_class():
    seen = set()

    @settings(max_examples=500, derandomize=True)
    @given(FIELD)
    def look(raw):
        seen.update(
            name
            for name, wanted in {
                "word": b"?=" in raw and b"=?" in raw,
                "folded": b"\n" in raw,
                "8-bit": not raw.isascii(),
                "adjacent": b"?= =?" in raw or b"?==?" in raw or b"?=\t=?" in raw,
                "empty": not raw,
                "plain": b"=" not in raw and len(raw) > 1,
            }.items()
            if wanted
        )

    look()
    assert seen == {"word", "folded", "8-bit", "adjacent", "empty", "plain"}


def test_hostile_text_is_linear():
    for unit in (b"=?", b"=?utf-8?q?", b"=?utf-8?q?a?= ", b"?=", b"=?utf-8?b?AAAA", b"\r\n "):
        raw = unit * (4_000_000 // len(unit))
        text, _ = kernel.decode_words(raw)
        assert len(text) <= 3 * len(raw)
