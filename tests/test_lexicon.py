"""The lexicon: file, automaton, and what it finds."""

from shutil import copytree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import lexicon as oracle

from atlas_fast._kernels.lexicon import KIND, LAYOUT, Lexicon, lexicon_batch, lexicon_find
from atlas_fast._kernels.tables import Table, pack
from atlas_fast.classify import lexicon as face
from atlas_fast.classify.lexicon import lexicon as lexicon_of_the_shipped_file
from atlas_fast.errors import ModelError
from atlas_fast.headers import parse_many
from atlas_fast.mime import MimeColumns
from atlas_fast.reference import layout, tables
from atlas_fast.reference.build import build
from atlas_fast.sources.synthetic import generate
from atlas_fast.stages import features

PARTS = ["a", "b", "ab", "aa", "viagra", "v", "i", "1", "2024", "é", "x" * 9, "y" * 17]
TERMS = st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map(" ".join), min_size=1,
                 max_size=12)  # fmt: skip
TEXTS = st.lists(
    st.sampled_from([*PARTS, " ", ".", "\n", "  ", "V", "\u200b", "а", "v.i.a.g.r.a", "v i a g r a", "\xff"]),
    max_size=40,
).map(lambda parts: "".join(f"{part} " if len(part) > 1 else part for part in parts).encode())  # fmt: skip


def made(terms, category=None, categories=3):
    category = (
        [number % categories for number in range(len(terms))] if category is None else category
    )
    payload = face.compile_terms(terms, category, categories)
    return Lexicon(Table.of_copy(pack(KIND, LAYOUT, len(terms), payload), KIND, LAYOUT))


@given(TERMS, st.one_of(TEXTS, st.binary(max_size=60)))
@example(["a b", "b a", "a b a b"], b"a b a b a b a")
@example(["v i a", "via"], b"v.i.a x v i  a")
@example(["a"], b"")
def test_terms_agree(terms, raw):
    lexicon = made(terms)
    assert sorted(lexicon_find(lexicon, raw)) == oracle.find(terms, raw)


def test_terms_across_the_border_of_what_is_read_at_once():
    """Tokens are read 256 at a time; a term may stand on both sides of that."""
    terms = ["viagra", "money back", "free money now", "work from a home", "back money back"]
    lexicon = made(terms)
    written = [b"viagra", b"v.i.a.g.r.a", b"v i a g r a", b"Money back", b"money! $$ back", b"free % money !!! now",
               b"w0rk from a home", b"work\nfrom a\nhome", b"free money back money back money now"]  # fmt: skip
    for filler in (b"ww ", b"w ", b"! ", b"w1 ! "):
        tokens = len(filler.split())
        for size in range(246, 258):
            for term in written:
                raw = filler * (size // tokens) + b"ww " * (size % tokens) + term
                for tail in (b"", b" x", b"s", b" " + term):
                    found = sorted(lexicon_find(lexicon, raw + tail))
                    assert found == oracle.find(terms, raw + tail)


def test_shipped_terms_agree_on_corpus(corpus):
    known, lexicon = face.terms(), face.lexicon()
    assert len(known.texts) > 2_000 and lexicon.n_terms == len(known.texts)
    messages = [raw for _, _, raw in corpus[::150]]
    mime = MimeColumns(parse_many(messages))
    counts = np.zeros((len(messages), lexicon.n_categories), np.uint8)
    lexicon_batch(lexicon, mime.for_features()[0], mime.text_offsets, counts)
    found = 0
    for row, text in enumerate(mime.text.tolist()):
        want = oracle.find(known.texts, text.encode()[:3000])
        assert sorted(lexicon_find(lexicon, text.encode()[:3000])) == want
        found += len(want)
        whole = np.zeros(lexicon.n_categories, np.int64)
        for _, _, term in lexicon_find(lexicon, text.encode()):
            whole[known.category[term]] += 1
        assert (np.minimum(whole, 255) == counts[row]).all()
    assert found > 50


def test_disguised_terms_are_found():
    text = "Buy V1agra, v.i.a.g.r.a, vіаgrа, via\u200bgra; M0NEY BACK  GUARANTEE"
    found = [term for _, term in face.find(text)]
    assert found.count("viagra") == 4 and "money back guarantee" in found
    assert "viagra" not in [term for _, term in face.find("viagrand advice")]


def test_a_damaged_table_is_refused():
    payload = bytearray(face.compile_terms(["a b", "c"], [0, 1], 2))

    def opened(raw, count=2):
        return Lexicon(Table.of_copy(pack(KIND, LAYOUT, count, bytes(raw)), KIND, LAYOUT))

    opened(payload)
    for cut in (0, 63, 64, len(payload) - 1):
        with pytest.raises(ValueError, match=r"short|fit"):
            opened(payload[:cut], 0)
    refused = 0
    for at in range(len(payload)):
        damaged = bytearray(payload)
        damaged[at] ^= 0xFF
        try:
            lexicon = opened(damaged)
        except ValueError:
            refused += 1
        else:
            lexicon_find(lexicon, b"a b c a b a c")
    assert refused > 50


def test_shapes_are_checked():
    lexicon = made(["a"])
    for offsets, shape in (([0, 9], (1, 3)), ([0, 0], (1, 2)), ([0, 0], (2, 3)), ([-1, 0], (1, 3))):
        with pytest.raises(ValueError, match="fit"):
            lexicon_batch(lexicon, b"", np.array(offsets, np.int64), np.zeros(shape, np.uint8))


@pytest.mark.parametrize("text", ["", "# only this\n", "term\n", "[a]\n[a]\nx\n", "[a\nx\n", "[a]\n...\n",
                                  "[a]\n" + "w " * 17 + "\n"])  # fmt: skip
def test_files_that_are_none_are_refused(text):
    with pytest.raises(ModelError, match="lexicon"):
        face.read_terms(text)


def test_lines_stand_for_their_combinations():
    known = face.read_terms("# x\n[A / b]\nbuy|get it now\n\n[C]\nbuy it now\n")
    assert known.categories == ["A / b", "C"]
    assert known.texts == ["buy it now", "get it now"] and known.category == [0, 0]


def only_lexicon(patch):
    """The other tables take seconds to build."""
    patch.setattr(tables, "NAMES", ("lexicon",))
    tables.table_modules.cache_clear()
    layout.layout_name.cache_clear()


def every_table():
    tables.table_modules.cache_clear()
    layout.layout_name.cache_clear()
    features.current_lexicon.cache_clear()


@pytest.fixture(scope="module")
def generation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        only_lexicon(patch)
        build(folder)
    every_table()
    return folder


@pytest.fixture
def reference(tmp_path, monkeypatch):
    """A folder for reference data, and a process that has not looked for the automaton yet."""
    folder = tmp_path / "reference"
    folder.mkdir()
    monkeypatch.setenv("ATLAS_FAST_REFERENCE", str(folder))
    only_lexicon(monkeypatch)
    features.current_lexicon.cache_clear()
    yield folder
    monkeypatch.undo()
    every_table()


def compiled(monkeypatch):
    """How often the automaton was made anew, and what is taken."""
    made = []
    monkeypatch.setattr(
        features, "lexicon", lambda: made.append(1) or lexicon_of_the_shipped_file()
    )  # fmt: skip
    features.current_lexicon.cache_clear()
    return features.current_lexicon(), len(made)


def test_without_reference_data_the_automaton_is_made(reference, monkeypatch):
    assert compiled(monkeypatch)[1] == 1
    assert not list(reference.iterdir())  # and nothing is built for it


def test_the_automaton_of_the_reference_data_is_taken(reference, generation, monkeypatch):
    copytree(generation, reference, dirs_exist_ok=True)
    taken, times = compiled(monkeypatch)
    assert times == 0
    own, text = lexicon_of_the_shipped_file(), b"Buy V1agra n0w, work from home"
    assert (taken.n_states, taken.n_terms) == (own.n_states, own.n_terms)
    assert lexicon_find(taken, text) == lexicon_find(own, text) != []
    messages = [raw for _, raw in generate(30, 9)]
    head = parse_many(messages)
    rows = features.extract(head, MimeColumns(head))
    monkeypatch.setattr(features, "current_lexicon", lexicon_of_the_shipped_file)
    again = features.extract(head, MimeColumns(head))
    assert (rows.indices == again.indices).all() and (rows.terms == again.terms).all()


@pytest.mark.parametrize(
    "what", ["other terms", "damaged payload", "no pointer", "damaged pointer"]
)
def test_reference_data_that_is_not_current(reference, generation, monkeypatch, what):
    """Of another version's terms, or damaged: the automaton is made, and nothing is built."""
    copytree(generation, reference, dirs_exist_ok=True)
    pointer = next(reference.glob("CURRENT-*"))
    if what == "other terms":
        monkeypatch.setattr(features, "terms_digest", lambda: "0" * 32)
    elif what == "damaged payload":
        data = next(reference.glob("*/data.mdb"))
        raw = bytearray(data.read_bytes())
        at = raw.index(b"ATFT" + LAYOUT.to_bytes(2, "little") + b"\0\0lexicon\0") + 70_000
        raw[at] ^= 255
        for one in (reference / "verified").glob("*"):  # as if it had been compared before
            one.unlink()
        data.write_bytes(raw)
    elif what == "no pointer":
        pointer.unlink()
    else:
        pointer.write_text("?")
    before = sorted(path.name for path in reference.iterdir())
    taken, times = compiled(monkeypatch)
    assert times == 1 and taken.n_terms == lexicon_of_the_shipped_file().n_terms
    assert sorted(path.name for path in reference.iterdir()) == before
