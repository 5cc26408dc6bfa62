"""Folding of look-alikes, and the words of features and lexicon."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import folding as oracle

from atlas_fast._kernels.folding import fold_text, tokens_of

ODD = st.text(
    st.one_of(
        st.sampled_from("aZ019_ $.\u200b\u00ad\u0301аеοι©\u00a0’“\u3000Ａ９ⓐ𝐚𝟘\U0001f130éßſ\ufeff"),
        st.characters(max_codepoint=0x600), st.characters(),
    )
).map(lambda text: text.encode("utf-8", "surrogatepass"))  # fmt: skip


@given(st.one_of(ODD, st.binary(max_size=60)))
@example("v1аgrа".encode())
@example(b"a\xe2\x80\x8bb\xe2\x80")
@example(b"\xe2\x80\x8b")
@example(b"abcdefgh1")
@example(b"abcdefghijklmnop")
def test_folding_agrees(raw):
    assert fold_text(raw) == oracle.fold_text(raw)
    assert tokens_of(raw) == oracle.tokens_of(raw)


def test_every_place_in_a_step():
    """A word of each kind at every byte of two blocks, and at the end of what may be read."""
    words = ["a", "Abcdefgh", "abcdefghijklmnop", "abcdefghijklmnopq", "x" * 70, "v1a", "2024",
             "vі", "\u200b", "z\u0301", "!", "$$%!", "_"]  # fmt: skip
    for word in map(str.encode, words):
        for lead in (b".", b"x", "ab! é 7 ".encode()):
            for tail in (b"", b"z", b" y" * 9):
                for at in range(140):
                    raw = (lead * 140)[:at] + word + tail
                    assert tokens_of(raw) == oracle.tokens_of(raw)


def test_folding_agrees_on_corpus(corpus):
    for _, _, raw in corpus[::60]:
        assert tokens_of(raw) == oracle.tokens_of(raw)


@pytest.mark.parametrize(
    "odd", ["VIAGRA", "v1agra", "vіаgrа", "vi\u200bagra", "víàgrã", "ｖｉａｇｒａ", "𝐯𝐢𝐚𝐠𝐫𝐚", "v\u00adiagra", "ⓥⓘⓐⓖⓡⓐ"]
)  # fmt: skip
def test_disguises_are_one_word(odd):
    assert [token[0] for token in tokens_of(odd.encode())] == [tokens_of(b"viagra")[0][0]]


def test_numbers_are_no_words():
    assert tokens_of(b"15")[0][0] != tokens_of(b"is")[0][0]
