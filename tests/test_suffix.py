"""Public suffixes: the list's own cases, the oracle over every rule and over generated names."""

import json
from pathlib import Path

import numpy as np
import pytest
from domaindata import column, psl, psl_text, suffix_rules, table_of
from guard import before_guard, behind_guard
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.suffix import Rules

from atlas_fast._kernels import suffix
from atlas_fast.errors import ReferenceDataError
from atlas_fast.reference.sources import file_source
from atlas_fast.reference.tables import suffix as table

VECTORS = json.loads((Path(__file__).parent / "vectors" / "suffix.json").read_text("utf-8"))
BITS = {name: getattr(suffix, name) for name in ("PRIVATE", "UNKNOWN", "ADDRESS", "EMPTY")}
LIST = """
// ===BEGIN ICANN DOMAINS===
com
uk
co.uk
*.ck
!www.ck
jp
*.kobe.jp
!city.kobe.jp
no
våler.østfold.no
公司.cn
cn
ελ
// ===END ICANN DOMAINS===
// ===BEGIN PRIVATE DOMAINS===
blog.com
*.host.com
!free.host.com
deep.a.b.host.com
b.blog.com
// ===END PRIVATE DOMAINS===
"""
SMALL = suffix_rules(LIST), Rules(LIST)


def answers(rules, names, private):
    data, offsets = column(names)
    return rows(rules, data, offsets, private)


def rows(rules, data, offsets, private):
    n = len(offsets) - 1
    out = [np.full(n, -7, np.int32) for _ in range(3)]
    flags = np.zeros(n, np.uint8)
    suffix.suffix_batch(rules, data, offsets, private, *out, flags)
    named = [{name for name, bit in BITS.items() if int(f) & bit} for f in flags]
    return list(zip(*(a.tolist() for a in out), named, strict=True))


def agree(pair, names, step=1):
    """With the private section; and without it for every `step`-th name."""
    for private, some in ((True, names), (False, names[::step])):
        kernel = answers(pair[0], some, private)
        for name, found in zip(some, kernel, strict=True):
            assert found == pair[1].find(name, private), (name, private)


def test_the_cases_of_the_list():
    assert len(VECTORS) > 75
    rules = psl()[0]
    names = [name for name, _ in VECTORS if name is not None]
    found = suffix.suffix_texts(rules, names, True, True)
    assert found == [expected for name, expected in VECTORS if name is not None]


def test_every_rule_and_its_surroundings():
    names = []
    for number, rule in enumerate(psl()[1].rules):
        text = ".".join(rule).removeprefix("!").replace("*", "wild")
        ascii_text = ".".join(_a_label(label) for label in text.split("."))
        more = [text, f"b.a.{text}.", f".{text}", f"a..{text}", f"x{text}", f"A.{text.upper()}"]
        names += [f"a.{text}", f"b.{ascii_text}", more[number % len(more)]]
    assert len(names) > 30_000
    agree(psl(), [name.encode() for name in names], step=5)


def _a_label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode()


labels = st.sampled_from(
    ["com", "COM", "uk", "co", "ck", "www", "jp", "kobe", "city", "no", "våler", "VÅLER", "østfold",
     "xn--vler-qoa", "xn--stfold-9xa", "公司", "xn--55qx5d", "cn", "ελ", "ΕΛ", "blog", "b", "host",
     "free", "deep", "a", "", "1", "255", "[1", "4]", "é", "x" * 63, "x" * 300, "xn--", "*", "!www"]
)  # fmt: skip
names = st.lists(labels, max_size=8).flatmap(
    lambda parts: st.lists(
        st.sampled_from([".", ".", ".", "。", "\uff0e", "｡"]),
        min_size=len(parts),
        max_size=len(parts),
    ).map(lambda dots: "".join(p + d for p, d in zip(parts, dots, strict=True)))
)
ends = st.sampled_from(
    ["", "", ".", "blog.com", "b.blog.com", "x.host.com", "free.host.com", "deep.a.b.host.com",
     "city.kobe.jp", "kobe.jp", "xn--vler-qoa.østfold.no"]
)  # fmt: skip
some = st.builds(lambda text, end: (text[:-1] if end == "" else text) + end, names, ends).map(
    str.encode
)


@settings(max_examples=300)
@given(st.lists(some, min_size=1, max_size=20))
def test_names_of_labels(batch):
    agree(SMALL, batch)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=10))
def test_any_bytes(batch):
    agree(SMALL, batch)
    agree(SMALL, [raw + b".co.uk" for raw in batch])


def test_the_strategy_draws_each_class():
    seen = set()

    @settings(max_examples=500, database=None, derandomize=True)
    @given(some)
    def draw(name):
        registrable, start, _, flags = SMALL[1].find(name)
        seen.update(flags)
        seen.add("registrable" if registrable >= 0 else "none")
        seen.add("suffix of two" if b"." in name[max(start, 0) :].rstrip(b".") else "short")

    draw()
    assert {*BITS, "registrable", "none", "suffix of two"} <= seen


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", None), (".", None), ("com", None), ("example.com.", "example.com"),
        ("Example.COM", "example.com"), ("a..com", None), ("..example.com", None),
        ("192.0.2.1", None), ("[IPv6:2001:db8::1]", None), ("::ffff:192.0.2.1", None),
        ("256.1.1.1", None), ("a.b.c.kobe.jp", "b.c.kobe.jp"), ("www.食狮。公司\uff0ecn", "食狮。公司\uff0ecn"),
        (b"www.example.co.uk", "example.co.uk"), ("\ud800.com", "\ud800.com"),
        ("a." * 5000 + "example.com", "example.com"), ("x" * 10_000 + ".com", "x" * 10_000 + ".com"),
        (b"\xff.a.com", "a.com"),
    ],
)  # fmt: skip
def test_examples(name, expected):
    assert suffix.suffix_texts(psl()[0], [name], True, True) == [expected]


def test_sections():
    found = answers(psl()[0], [b"a.github.io", b"a.example.com"], True)
    assert [row[3] for row in found] == [{"PRIVATE"}, set()]
    assert suffix.suffix_texts(psl()[0], ["a.github.io"], False, True) == ["github.io"]
    assert suffix.suffix_texts(psl()[0], ["a.github.io"], True, False) == ["github.io"]


def test_texts_that_are_none():
    with pytest.raises(TypeError, match="name 1 is int"):
        suffix.suffix_texts(psl()[0], ["a", 1], True, True)


def test_guard_pages():
    name = "www.食狮.公司.cn..a.free.host.com.".encode()
    for stop in range(len(name) + 1):
        for start in (0, stop // 2):
            raw = name[start:stop]
            ends = np.array([0, len(raw)], np.int64)
            expected = answers(SMALL[0], [raw], True)
            assert rows(SMALL[0], before_guard(raw), ends, True) == expected
            assert rows(SMALL[0], behind_guard(raw), ends, True) == expected


@pytest.mark.parametrize("offsets", [[0, 4], [-1, 2], [2, 1], [0, 1 << 62], [1, 0]])
def test_offsets_that_do_not_fit(offsets):
    with pytest.raises(ValueError):
        rows(SMALL[0], np.zeros(3, np.uint8), np.array(offsets, np.int64), True)


def test_columns_that_do_not_fit():
    data, offsets = column([b"a"])
    three = [np.zeros(1, np.int32) for _ in range(3)]
    for out in (three, [*three[:2], np.zeros(2, np.int32)]):
        flags = np.zeros(2 if out is three else 1, np.uint8)
        with pytest.raises(ValueError):
            suffix.suffix_batch(SMALL[0], data, offsets, True, *out, flags)


@pytest.mark.parametrize(
    "list_of_rules", ["a.*.b", "a..b", ".a", "b.", "*", "!*.a", "a." * 130 + "b"]
)
def test_rules_that_make_no_sense(tmp_path, list_of_rules):
    with pytest.raises(ValueError):
        table.payload(list_of_rules)
    path = tmp_path / "list.dat"
    path.write_text(list_of_rules)
    with pytest.raises(ReferenceDataError, match=r"list\.dat"):
        table.compile([file_source(path, "list", "1", "")])


def test_damaged_tables():
    count, made = table.payload(LIST)
    slots, bits = (int.from_bytes(made[at : at + 4], "little") for at in (0, 12))
    full = bytearray(made)
    begin = 64 + bits
    full[begin : begin + 8 * slots] = b"\0\0\0\0\1\x81\0\0" * slots
    outside = bytearray(made)
    first = next(i for i in range(slots) if made[begin + 8 * i + 4])
    outside[begin + 8 * first : begin + 8 * first + 4] = b"\xff\xff\xff\0"
    for bad in (b"", made[:63], made[:-1], made + b"\0", b"\3" + made[1:], bytes(full),
                bytes(outside)):  # fmt: skip
        with pytest.raises(ValueError):
            suffix.SuffixRules(table_of(table, min(count, len(bad)), bad))


def test_where_the_list_comes_from(tmp_path):
    (source,) = table.sources({})
    assert source.name == "publicsuffixlist" and source.licence == "MPL-2.0"
    assert source.date[:2] == "20" and table.compile([source])[0] > 9000
    mine = tmp_path / "mine.dat"
    mine.write_text("// VERSION: 2031-02-03_04-05-06_UTC\nexample\n*.example\n")
    (source,) = table.sources({"psl": [mine]})
    assert (source.name, source.date) == ("mine.dat", "2031-02-03")
    assert table.compile([source])[0] == 2
    mine.write_text("// nothing\n")
    with pytest.raises(ReferenceDataError, match="holds no rule"):
        table.compile(table.sources({"psl": [mine]}))
    with pytest.raises(ReferenceDataError):
        table.sources({"psl": [tmp_path / "absent"]})


def test_peers_agree():
    """tldextract and pydomainextractor, given the same list."""
    tldextract = pytest.importorskip("tldextract")
    tries = {}
    for private in (True, False):
        extractor = tldextract.tldextract._PublicSuffixListTLDExtractor
        text = [
            [".".join(rule) for rule, is_private in psl()[1].rules.items() if is_private == section]
            for section in (False, True)
        ]
        tries[private] = extractor(*text, [], include_psl_private_domains=private)
    names = [f"a.b.{'.'.join(rule).lstrip('!*.')}" for rule in psl()[1].rules]
    for private in (True, False):
        ours = suffix.suffix_texts(psl()[0], names, private, True)
        for name, found in zip(names, ours, strict=True):
            parts = name.split(".")
            index = tries[private].suffix_index(parts)
            if index is None:
                assert found == ".".join(parts[-2:])  # the implied `*`
            elif not private or "*." + ".".join(parts[-2:]) not in psl_text():
                start = index[0][0] - 1
                assert found == ".".join(parts[start:]).lower(), name
