"""The original's domain rules: worked examples, and the oracle over generated and real senders."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from domaindata import column, confusables_data, psl, suffix_rules
from guard import before_guard, behind_guard
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import domains as oracle
from oracles.namesets import position

from atlas_fast import domains as face
from atlas_fast import validation
from atlas_fast._kernels import domains as kernel
from atlas_fast._kernels import namesets
from atlas_fast._kernels.buffers import Bytes
from atlas_fast.headers import parse_many

VECTORS = json.loads((Path(__file__).parent / "vectors" / "domains.json").read_text("utf-8"))
KNOWN = {
    row[0]: (row[1].replace("-", ""), int(row[2].replace("-", "0")), row[3] == "yes")
    for row in map(str.split, face.list_lines("known_domains.txt"))
}
WORDS = set(face.list_lines("words.txt"))
AGES = (None, "SAFE", "QUARANTINE", "SUSPICIOUS")


@pytest.fixture(autouse=True)
def _tables(monkeypatch):
    """The installed lists, compiled in memory."""
    monkeypatch.setattr(face, "_rules", lambda: psl()[0])
    monkeypatch.setattr(face, "_unicode", lambda: confusables_data()[0])


def named(bits: int, names: dict[str, int]) -> set[str]:
    return {name for name, bit in names.items() if bits & bit}


def row_of(judged, i) -> dict:
    row = judged.rows[i]
    numbers = ("entropy", "size", "labels", "words", "random_parts", "reputation", "score")
    return {
        "domain": bytes(
            judged.names.data[judged.names.offsets[i] : judged.names.offsets[i + 1]]
        ).decode("utf-8", "surrogatepass"),
        "registered": judged.registered(i),
        **{name: row[name].item() for name in numbers},
        "provider": kernel.PROVIDERS[row["provider"]],
        "reasons": named(int(row["reasons"]), kernel.REASONS),
        "traits": named(int(row["traits"]), kernel.TRAITS),
    }


def agree(senders, domains=None, context=None):
    contexts = None
    if context is not None:
        contexts = np.full(len(senders), kernel.PROVIDERS.index(context), np.uint8)
    judged = face.judge_many(senders, domains, contexts)
    for i, sender in enumerate(senders):
        domain = None if domains is None else domains[i].lower()
        expected = oracle.judge(sender, domain, context, psl()[1], KNOWN, WORDS)
        assert row_of(judged, i) == expected, (sender, domain, context)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['call']} {v['sender'][:30]}")
def test_worked_examples(vector):
    if vector["call"] == "classify":
        found = face.verdict(vector["domain"], sender=vector["sender"], context=vector["context"])
        answer = [found.suspicious, found.confidence, list(found.reasons)]
    else:
        age = vector.get("age")
        lookup = None if age is None else lambda registered, provider: age
        answer = list(validation.validate(vector["sender"], lookup=lookup))
    assert answer == vector["expected"]


pieces = st.sampled_from(
    ["rosa", "tide", "kelp", "shop", "free-money", "zxcvbn", "qwerty", "a1b2c3d4", "12ab34", "ab12cd",
     "bcdfghjkl", "aaaaaaa", "x9k2m4p7q1z8", "securitynotice", "mail", "icloud", "apple", "2024",
     "12345", "é", "ü", "Σ", "ΑΣ", "İ", "ß", "食狮", "²", "٣", "_", "-", "Rosa", "QWE", "longlabel",
     "verylonglabelindeed", "e", "u", "k", "", " ", "'", "\x00", "x" * 21, "\u2003"]
)  # fmt: skip
ends = st.sampled_from(
    ["com", "org", "co.uk", "tk", "us", "ck", "gmail.com", "icloud.com", "outlook.com", "yahoo.fr",
     "amazon.com", "example", "photography", "xn--55qx5d.cn", "公司.cn", "1.2.3.4", "[::1]", "com.", "com..",
     "com:25", "com/x", "com#", "com?a", "github.io", "msn.com", "[1.2.3.4]", ""]
)  # fmt: skip
words = st.lists(pieces, max_size=4).flatmap(
    lambda parts: st.sampled_from(["", ".", "-", "", "//", "://"]).map(
        lambda glue: glue.join(parts)
    )
)
hosts = st.builds(lambda labels, end: ".".join([*labels, end]), st.lists(words, max_size=4), ends)
senders = st.one_of(
    st.builds("{}@{}".format, words, hosts),
    st.builds("{} <{}@{}>".format, words, words, hosts),
    st.builds("{}@<{}> ".format, words, hosts),
    st.builds("{}@{}@{}".format, words, hosts, words),
    hosts,
    st.text(st.characters(exclude_categories=()), max_size=30),
    st.text("abcxyz019.-_@<> \n/:[]", max_size=40),
)


@settings(max_examples=400)
@given(st.lists(senders, min_size=1, max_size=8))
def test_senders(batch):
    agree(batch)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(hosts, st.one_of(st.just(""), senders)), min_size=1, max_size=5),
    st.sampled_from(kernel.PROVIDERS),
)
def test_domains_with_context(batch, context):
    agree([sender for _, sender in batch], [host for host, _ in batch], context)


@settings(max_examples=300)
@given(senders, st.sampled_from([None, "icloud", "gmail", "outlook"]), st.sampled_from(AGES))
def test_triples(sender, account, age):
    lookup = None if age is None else lambda registered, provider: age

    def texts(row):
        judged = face.judge_many([sender])
        return face.reason_texts(judged.rows[0], row["provider"])

    expected = oracle.triple(sender, account, lookup, psl()[1], KNOWN, WORDS, texts)
    assert validation.validate(sender, account_provider=account, lookup=lookup) == expected


def test_the_strategy_draws_each_class():
    reasons, traits, triples = set(), set(), set()

    @settings(max_examples=1500, database=None, derandomize=True)
    @given(senders, st.sampled_from(kernel.PROVIDERS), st.sampled_from(AGES))
    def draw(sender, context, age):
        row = oracle.judge(sender, None, context, psl()[1], KNOWN, WORDS)
        reasons.update(row["reasons"])
        traits.update(row["traits"])
        lookup = None if age is None else lambda registered, provider: age
        answer = validation.validate(sender, lookup=lookup)[1]
        triples.add(answer.partition("(")[0][:31])

    draw()
    assert reasons == set(kernel.REASONS)
    assert traits == set(kernel.TRAITS)
    assert len(triples) >= 8, triples


def test_real_senders(corpus):
    head = parse_many([raw for _, _, raw in corpus])
    pairs = zip(head.from_name.tolist(), head.from_address.tolist(), strict=True)
    senders = sorted({f"{name} <{address}>" if name else address for name, address in pairs})
    assert len(senders) > 1000
    agree(senders[::2])


def test_hostile_senders_take_linear_time():
    wide = "".join(chr(0x4E00 + i) for i in range(20_000))
    agree([wide + "@" + wide, "a" * 60_000 + "@b", "@" * 60_000, "a@" + "." * 60_000])
    agree(["rosa@" + "a." * 5_000 + "example.com", "rosa@" + "x" * 10_000 + ".com"])


def arguments(senders=b"rosa@tide.com", offsets=(0, 13)):
    lists = face._lists()
    n = len(offsets) - 1
    return [
        psl()[0], lists.known, lists.providers, lists.reputations, lists.preserved, lists.words,
        senders, np.array(offsets, np.int64), None, None, None, np.full(n, 255, np.uint8), Bytes(),
        np.zeros(n + 1, np.int64), np.zeros(n * kernel.ROW_BYTES, np.uint8),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (2, np.zeros(3, np.uint8)), (7, np.array([0, 14])), (7, np.array([-1, 3])),
        (7, np.array([5, 3])), (7, np.array([0])), (8, np.zeros(2, np.int32)),
        (11, np.array([7], np.uint8)), (11, np.zeros(2, np.uint8)), (13, np.zeros(3, np.int64)),
        (14, np.zeros(47, np.uint8)), (1, namesets.NameSet([])),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(place, value):
    kernel.judge_batch(*arguments())
    bad = arguments()
    bad[place] = value
    with pytest.raises(ValueError):
        kernel.judge_batch(*bad)


def test_guard_pages():
    whole = "Ro\u0301sa <rosa@x9k2.食狮.公司.cn:25>\udcff".encode("utf-8", "surrogatepass")
    for stop, guard in product(range(len(whole) + 1), (before_guard, behind_guard)):
        raw = whole[:stop]
        expected = arguments(raw, (0, stop))
        found = arguments(guard(raw), (0, stop))
        for call in (expected, found):
            kernel.judge_batch(*call)
        assert bytes(found[12]) == bytes(expected[12])
        assert found[14].tobytes() == expected[14].tobytes()


@given(st.lists(st.binary(min_size=1, max_size=6), unique=True, max_size=60), st.binary(max_size=6))
def test_name_sets(names, other):
    made = namesets.NameSet(names)
    assert len(made) == made.count == len(names)
    assert made.longest == max(map(len, names), default=0)
    for name in [*names, other]:
        assert made.position(name) == position(names, name)
        assert made.position(before_guard(name)) == made.position(name)


@pytest.mark.parametrize("names", [[b""], [b"a", b"b", b"a"]])
def test_name_sets_that_are_none(names):
    with pytest.raises(ValueError):
        namesets.NameSet(names)


def test_verdicts():
    good, fake, bare, free = face.verdict_many(
        ["Mail.PayPal.com", "www.xn--pypl-53dc.com", "192.0.2.1", "b.a.github.io"]
    )
    assert (good.registrable, good.suffix, good.preserved) == ("paypal.com", "com", True)
    assert good.confusable_with is None and good.scripts == ("Latin",)
    assert fake.spelled == "www.p\u0430yp\u0430l.com" and fake.confusable_with == "paypal"
    assert fake.mixed_scripts and set(fake.scripts) == {"Latin", "Cyrillic"}
    assert bare.registrable is None and not bare.known_suffix
    assert free.private and free.registrable == "a.github.io"
    with_context = face.verdict("tide.org", context="gmail")
    assert with_context.reasons == ("Major email provider (gmail)",)
    assert "hard" in face.verdict("a.b.c.d.example.com").patterns


def test_columns_and_lists_agree():
    names = ["www.example.co.uk", "a.github.io", "1.2.3.4", "com", "x.食狮.公司.cn"]
    data, offsets = column([name.encode() for name in names])
    columns = face.registrable_many(face.TextColumn(data, offsets))
    texts = face.registrable_many(names)
    for name, start, stop, flags, text in zip(
        names, columns.registrable, columns.stop, columns.flags, texts, strict=True
    ):
        raw = name.encode()
        got = None if start < 0 or flags & 12 else raw[start:stop].decode()
        assert got == text == face.registrable(name)
    assert face.public_suffix("a.b.co.uk") == "co.uk"
    assert face.registrable("a.github.io", private=False) == "github.io"
    judged = face.judge_many(face.TextColumn(*column([b"Rosa@Tide.COM", b"x"])))
    assert judged.names.tolist() == ["tide.com", ""]


@given(st.lists(senders, max_size=6))
def test_a_column_of_senders_is_its_list(batch):
    plain = [text.encode("utf-8", "replace").decode() for text in batch]
    column_of = face.TextColumn(*column([text.encode() for text in plain]))
    one, other = face.judge_many(column_of), face.judge_many(plain)
    assert one.rows.tobytes() == other.rows.tobytes()
    assert one.names.tolist() == other.names.tolist()


def test_the_lists_are_the_documented_ones():
    assert len(WORDS) == 72 and min(map(len, WORDS)) >= 3
    assert sum(preserved for _, _, preserved in KNOWN.values()) == 35
    assert sum(bool(provider) for provider, _, _ in KNOWN.values()) == 14
    brands = face.list_lines("brands.txt")
    assert len(brands) == len(set(brands)) > 50


def test_names_are_split_as_by_the_original_s_library():
    """Except for an empty label right before a wildcard, or an IPv6 literal that is none."""
    tldextract = pytest.importorskip("tldextract")
    extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    rules = [".".join(rule) for rule, private in psl()[1].rules.items() if not private]
    extract._extractor = tldextract.tldextract._PublicSuffixListTLDExtractor(rules, [], [])

    @settings(max_examples=500)
    @given(hosts)
    def compare(host):
        text = host.lower()
        if ".ck" in text or "[" in text:
            return
        found = extract(text)
        assert oracle.split(text, psl()[1]) == (found.subdomain, found.domain, found.suffix)

    compare()


def test_tables_are_those_of_the_reference(monkeypatch):
    """And a newer generation is taken up."""
    from atlas_fast._kernels import confusables as confusables_kernel
    from atlas_fast._kernels import suffix as suffix_kernel

    monkeypatch.undo()

    class Reference:
        def __init__(self, rules):
            self.rules = rules

        def table(self, kind):
            tables = {
                suffix_kernel.KIND: self.rules.table,
                confusables_kernel.KIND: confusables_data()[0].table,
            }
            return tables[kind]

    current = [Reference(psl()[0])]
    monkeypatch.setattr(face, "open_reference", lambda: current[0])
    monkeypatch.setattr(face, "_held", {})
    now = [0.0]
    monkeypatch.setattr(face, "monotonic", lambda: now[0])
    name = "www.example.co.uk"
    assert face.registrable(name) == "example.co.uk"
    assert face.verdict("paypa1.com").confusable_with == "paypal"
    current[0] = Reference(suffix_rules("example.co.uk\n"))
    now[0] = 0.9
    assert face.registrable(name) == "example.co.uk"
    now[0] = 1.1
    assert face.registrable(name) == name
    assert psl()[0].count > 9000
