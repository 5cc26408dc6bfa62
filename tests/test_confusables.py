"""Punycode, scripts, skeletons, and brands that are not themselves."""

import numpy as np
import pytest
from domaindata import column, confusables_data, table_of
from guard import before_guard, behind_guard
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import confusables as oracle

from atlas_fast import limits
from atlas_fast._kernels import confusables
from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.namesets import NameSet
from atlas_fast.errors import ReferenceDataError
from atlas_fast.reference.tables import confusables as table

BRANDS = ["paypal", "apple", "google", "amazon", "icloud", "wellsfargo"]


def by_skeleton() -> dict[str, str]:
    return {oracle.skeleton(brand, confusables_data()[2]): brand for brand in BRANDS}


def call(data, offsets, suffixes):
    n = len(offsets) - 1
    spelled, made = Bytes(), Bytes()
    ends = np.zeros((2, n + 1), np.int64)
    scripts, flags = np.zeros(n, np.uint64), np.zeros(n, np.uint32)
    brand = np.zeros(n, np.int32)
    unicode_data = confusables_data()[0]
    confusables.look_batch(
        unicode_data, NameSet(b.encode() for b in BRANDS),
        NameSet(s.encode() for s in by_skeleton()),
        data, offsets, np.array(suffixes, np.int32), spelled, ends[0], made, ends[1],
        scripts, flags, brand,
    )  # fmt: skip
    out, names = [], list(by_skeleton().values())
    for i in range(n):
        texts = [
            bytes(arena)[a:b].decode()
            for arena, (a, b) in zip((spelled, made), ends[:, i : i + 2], strict=True)
        ]
        bits = {name for name, bit in confusables.FLAGS.items() if int(flags[i]) & bit}
        which = {
            name for bit, name in enumerate(unicode_data.scripts) if int(scripts[i]) >> bit & 1
        }
        out.append((*texts, which, bits, names[brand[i]] if brand[i] >= 0 else None))
    return out


def look(names, suffixes):
    return call(*column([name.encode() for name in names]), suffixes)


def agree(names, suffixes):
    """Scripts that are rare in names are one, `Other`."""
    _, ranges, prototypes = confusables_data()
    own = {*confusables_data()[0].scripts, "Common", "Inherited"}
    ranges = [(first, last, name if name in own else "Other") for first, last, name in ranges]
    for name, suffix, found in zip(names, suffixes, look(names, suffixes), strict=True):
        expected = oracle.look(name, suffix, ranges, prototypes, BRANDS, by_skeleton())
        assert found == expected, (name, suffix)


def test_two_rare_scripts_are_one():
    agree(["xn--1nb11a", "\u07c0\u072b", "a\u072b"], [-1, -1, -1])


FORMS = (  # of each brand: letters that are taken for others
    str.maketrans("aeopc", "\u0430\u0435\u043e\u0440\u0441"),  # Cyrillic
    str.maketrans("ol", "01"),
    str.maketrans("aog", "\u03b1\u03bf\u0261"),
    str.maketrans("al", "\u00e1\u013a"),
)
labels = st.one_of(
    st.sampled_from(BRANDS),
    st.builds(str.translate, st.sampled_from(BRANDS), st.sampled_from(FORMS)),
    st.builds(
        lambda brand, form: "xn--" + brand.translate(form).encode("punycode").decode(),
        st.sampled_from(BRANDS), st.sampled_from(FORMS),
    ),
    st.sampled_from(["日本", "テスト", "ひら", "한국", "ㄅ", "com", "xn--wgv71a", "xn--", "xn--a-", "пример",
                     "a\u200bb", "\u0430", "xn--99999999", "x" * 63, "x" * 64, "é" * 64, "\ufe0f"]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8).map(str.lower),
    st.text("abcxn-0189", max_size=12).map(lambda text: "xn--" + text),
)  # fmt: skip
names = st.builds(
    lambda parts, dot: dot.join(parts), st.lists(labels, min_size=1, max_size=4),
    st.sampled_from([".", ".", "。", "\uff0e", "｡"]),
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.tuples(names, st.integers(-1, 12)), min_size=1, max_size=4))
def test_names(batch):
    agree([name for name, _ in batch], [suffix for _, suffix in batch])


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_any_bytes(batch):
    """The kernel is promised UTF-8; other bytes are U+FFFD each."""
    for found in call(*column(batch), [-1] * len(batch)):
        assert len(found) == 5


@settings(max_examples=500)
@given(st.one_of(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=59),
    st.text(st.characters(min_codepoint=128, exclude_categories=("Cs",)), max_size=20).map(
        lambda text: text.encode("punycode").decode()
    ),
    st.text(max_size=8),
))  # fmt: skip
def test_punycode(text):
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > 59:
        return
    expected = oracle.decode_label(text) if text else None
    for guard in (bytes, before_guard, behind_guard):
        assert confusables.decode_label(guard(raw)) == expected, text


def test_overlong_labels_are_not_decoded():
    assert confusables.MAX_LABEL == limits.MAX_LABEL_BYTES
    assert confusables.decode_label(b"a" * 60) is None
    name = "xn--" + "a" * 10_000 + ".com"
    ((spelled, skeleton, _, flags, _),) = look([name], [-1])
    assert spelled == name and flags == {"PUNYCODE", "BAD_PUNYCODE", "LONG_LABEL"}
    assert skeleton.startswith(name[:-3])


@pytest.mark.parametrize(
    ("name", "brand", "flags"),
    [
        ("paypal.com", None, set()),
        ("paypa1.com", "paypal", {"BRAND_LOOKALIKE"}),
        ("p\u0430yp\u0430l.com", "paypal", {"BRAND_LOOKALIKE", "MIXED_SCRIPTS"}),
        ("\u0430\u0440\u0440l\u0435.com", "apple", {"BRAND_LOOKALIKE", "MIXED_SCRIPTS"}),
        ("\u0430\u0440\u0440\u04cf\u0435.com", "apple", {"BRAND_LOOKALIKE", "ALL_CONFUSABLE"}),
        ("xn--80ak6aa92e.com", "apple", {"PUNYCODE", "BRAND_LOOKALIKE", "ALL_CONFUSABLE"}),
        ("\u00e1mazon.com", "amazon", {"BRAND_LOOKALIKE"}),
        ("müller.de", None, set()),
        ("日本テスト.jp", None, set()),
        ("한국漢.kr", None, set()),
        ("日本한.jp", None, set()),
        ("ひ한.jp", None, {"MIXED_SCRIPTS"}),
        ("goo\u200bgle.com", "google", {"BRAND_LOOKALIKE", "INVISIBLE"}),
    ],
)
def test_examples(name, brand, flags):
    ((_, _, _, found, which),) = look([name], [-1])
    assert (which, found) == (brand, flags)


def test_labels_of_the_suffix_are_no_brands():
    assert look(["paypa1.com"], [0])[0][4] is None
    assert look(["a.paypa1"], [2])[0][4] is None
    assert look(["paypa1.g00gle"], [7])[0][4] == "paypal"


def test_guard_pages():
    whole = "p\u0430ypal.xn--80ak6aa92e。g00gle\u200b.com".encode()
    for stop in range(len(whole) + 1):
        raw = whole[:stop]
        ends = np.array([0, stop], np.int64)
        expected = call(raw, ends, [-1])
        assert call(before_guard(raw), ends, [-1]) == expected
        assert call(behind_guard(raw), ends, [-1]) == expected


@pytest.mark.parametrize(
    ("offsets", "suffixes"),
    [([0, 4], [0]), ([2, 1], [0]), ([-1, 1], [0]), ([0, 1], [0, 0]), ([], [])],
)
def test_arguments_that_do_not_fit(offsets, suffixes):
    with pytest.raises(ValueError):
        call(np.zeros(3, np.uint8), np.array(offsets, np.int64), suffixes)


def test_damaged_tables():
    _, ranges, prototypes = confusables_data()
    count, made = table.payload(ranges[:50], dict(list(prototypes.items())[:20]))
    n_ranges = int.from_bytes(made[:4], "little")
    script, place = bytearray(made), bytearray(made)
    script[68:72] = b"\xff\0\0\0"
    place[64 + 8 * n_ranges + 4 : 64 + 8 * n_ranges + 8] = b"\xff" * 4
    for bad in (b"", made[:63], made[:-1], made + b"\n", b"\xff" + made[1:], bytes(script),
                bytes(place)):  # fmt: skip
        with pytest.raises(ValueError):
            confusables.Confusables(table_of(table, min(count, len(bad)), bad))


CONFUSABLES_TXT = """\ufeff# confusables.txt
# Date: 2031-02-03, 01:05:35 GMT
# Version: 21.0.0
#
0430 ;\t0061 ;\tMA\t# ( to a )
006D ;\t0072 006E ;\tMA\t#
"""
SCRIPTS_TXT = """# Scripts-21.0.0.txt
# Date: 2031-02-03, 01:05:35 GMT
0061..007A    ; Latin # L&
0430          ; Cyrillic # L&
"""


def test_where_the_data_comes_from(tmp_path):
    found = table.sources({})
    assert {source.kind for source in found} == {"confusables.json", "categories.json"}
    files = [tmp_path / "confusables.txt", tmp_path / "Scripts.txt"]
    files[0].write_text(CONFUSABLES_TXT, "utf-8")
    files[1].write_text(SCRIPTS_TXT, "utf-8")
    found = table.sources({"unicode": files})
    assert [(s.kind, s.version, s.date) for s in found] == [
        ("confusables", "21.0.0", "2031-02-03"), ("scripts", "21.0.0", "2031-02-03"),
    ]  # fmt: skip
    count, made = table.compile(found)
    data = confusables.Confusables(table_of(table, count, made))
    assert data.scripts[2] == "Latin" and count > 1000
    one = table.sources({"unicode": files[:1]})
    assert [source.kind for source in one] == ["confusables", "categories.json"]
    files[0].write_text("anything else")
    with pytest.raises(ReferenceDataError, match="neither"):
        table.sources({"unicode": files})
    files[0].write_text(CONFUSABLES_TXT + "x;y\n", "utf-8")
    with pytest.raises(ReferenceDataError, match=r"confusables\.txt"):
        table.compile(table.sources({"unicode": files}))


def test_direction_of_pairs():
    pairs = {
        "a": [{"c": "\u0430"}, {"c": "\u03b1"}], "\u0430": [{"c": "a"}], "\u03b1": [{"c": "a"}],
        "rn": [{"c": "m"}], "m": [{"c": "rn"}], "\u0586": [{"c": "\u0585"}],
        "\u0585": [{"c": "\u0586"}],
    }  # fmt: skip
    assert table.directed(pairs) == {
        "\u0430": "a", "\u03b1": "a", "m": "rn", "\u0586": "\u0585",
    }  # fmt: skip


def test_the_strategy_draws_each_class():
    _, ranges, prototypes = confusables_data()
    seen = set()

    @settings(max_examples=500, database=None, derandomize=True)
    @given(names)
    def draw(name):
        *_, flags, _ = oracle.look(name, -1, ranges, prototypes, BRANDS, by_skeleton())
        seen.update(flags)

    draw()
    assert seen == set(confusables.FLAGS)
