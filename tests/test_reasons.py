"""Reasons: names of features, and explanations of messages."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from guard import before_guard, behind_guard
from hypothesis import given
from hypothesis import strategies as st
from oracles import facts as facts_oracle
from oracles import score as oracle
from oracles import wording as wording_oracle

from atlas_fast import limits
from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.facts import fact_column, site_column, url_word_column
from atlas_fast._kernels.features import GROUPS, LAYOUT, N_TEXT_BUCKETS
from atlas_fast._kernels.score import contributions_batch, reasons_text, score_batch
from atlas_fast._kernels.wording import word_columns
from atlas_fast.classify import factnames, reasons
from atlas_fast.classify.labels import of_messages
from atlas_fast.classify.model import load_model
from atlas_fast.cli import main
from atlas_fast.sources.synthetic import generate
from atlas_fast.stages import decide
from atlas_fast.stages.explain import explain

RAW = (
    b'From: "Win Team" <win7@best.test>\nSubject: FREE viagra now!!!\nTo: a@b.example\n'
    b"Content-Type: text/plain\n\nBuy cheap viagra today\nhttp://1.2.3.4/remove/list?id=3\n"
)


def columns_of(raw):
    return of_messages([raw], np.ones(1, np.int8), [""]).indices.tolist()


def test_words_and_links_have_the_columns_of_the_features():
    there = set(columns_of(RAW))
    text = b"Buy cheap viagra today\nhttp://1.2.3.4/remove/list?id=3\n"
    assert {column for column, _, _ in word_columns(b"Buy cheap viagra today")} <= there
    assert {column for column, _, _ in word_columns(b"FREE viagra now!!!", True)} <= there
    assert {site_column(b"1.2.3.4"), url_word_column(b"remove")} <= there
    assert fact_column(9, 2, 1) in there and fact_column(9, 2, 0) not in there
    own = reasons.names_in_message(
        text, b"FREE viagra now!!!", [b"http://1.2.3.4/remove/list?id=3"]
    )
    rows = of_messages([RAW], np.ones(1, np.int8), [""])
    groups = reasons.groups_of(rows.ends[0], len(rows.indices))
    named = [
        reasons.name_of(int(group), int(column), own)
        for group, column in zip(groups, rows.indices, strict=True)
    ]
    assert "text: cheap viagra" in named and "subject: FREE viagra" in named
    assert "word of a link: remove" in named and "a link to a bare address: yes" in named
    assert sum(map(bool, named)) > 0.8 * len(named)


@given(st.binary(max_size=60), st.booleans())
def test_columns_lie_in_the_text(raw, subject):
    for column, start, stop in word_columns(raw, subject):
        assert 0 <= column < N_TEXT_BUCKETS and 0 <= start < stop <= len(raw)


def made_of(indptr, indices, data, ends, weights, k, layout=3, largest=3):
    """(sums, (column, group, share) of the picked, stored text) of each row, by the kernels."""
    n = len(indptr) - 1
    groups, top = np.empty((n, ends.shape[1])), np.empty((n, k), np.int32)
    of, share = np.empty((n, k), np.uint8), np.empty((n, k), np.float32)
    logits, plain = np.empty((2, n))
    contributions_batch(
        indptr, indices, data, ends, weights, 0.25, logits, groups, top, of, share
    )  # fmt: skip
    score_batch(indptr, indices, data, weights, 0.25, plain)
    assert logits.tobytes() == plain.tobytes()
    text, offsets = Bytes(), np.empty(n + 1, np.int64)
    reasons_text(groups, top, of, share, layout, largest, text, offsets)
    found = []
    for i in range(n):
        rows = zip(top[i].tolist(), of[i].tolist(), share[i].tolist(), strict=True)
        picked = [one for one in rows if one[0] >= 0]
        told = bytes(text)[offsets[i] : offsets[i + 1]].decode()
        found.append((groups[i].tolist(), picked, told))
    return found


def expected(indptr, indices, data, ends, weights, k, layout=3, largest=3):
    found = []
    for i in range(len(indptr) - 1):
        own = slice(indptr[i], indptr[i + 1])
        row = (indices[own].tolist(), list(data[own]), ends[i].tolist(), list(weights))
        sums, best = oracle.contributions(*row, k)
        found.append((
            sums, [(c, g, float(s)) for c, g, s in best], oracle.text(sums, best, layout, largest)
        ))  # fmt: skip
    return found


@st.composite
def feature_rows(draw):
    n = draw(st.integers(0, 4))
    size, n_groups = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    lengths = [
        draw(st.sampled_from([0, 1, 3, 15, 16, 17, 40, 1023, 1024, 1025, 2100])) for _ in range(n)
    ]
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    steps = draw(st.sampled_from([1, 3, 1000]))  # few values: many are equal
    weights = np.round(seed.normal(size=size) * steps).astype(np.float32) / np.float32(steps)
    indices = seed.integers(0, size, sum(lengths)).astype(np.int32)
    data = (seed.integers(0, 4, sum(lengths)) / 8).astype(np.float32)
    ends = seed.integers(-3, max([*lengths, 4]) + 5, (n, n_groups)).astype(np.int32)
    if draw(st.booleans()):
        ends = np.sort(ends, axis=1)
    indptr = np.cumsum([0, *lengths]).astype(np.int64)
    return indptr, indices, data, ends, weights


@given(feature_rows(), st.integers(0, 16), st.integers(0, 6))
def test_reasons_agree_with_the_oracle(rows, k, largest):
    assert made_of(*rows, k, 3, largest) == expected(*rows, k, 3, largest)


def test_reasons_of_mail_agree_with_the_oracle():
    messages = [raw for _, raw in generate(60, 3)]
    rows = of_messages(messages, np.ones(60, np.int8), [""] * 60)
    model = load_model()
    columns = (rows.indptr, rows.indices, rows.data, rows.ends, model.weights)
    found = made_of(*columns, 5)
    assert found == expected(*columns, 5)
    logits = model.logits(rows)
    for (sums, _, _), logit in zip(found, logits, strict=True):
        assert abs(sum(sums) + model.bias - logit) < 1e-6  # products are float32


def test_shares_that_are_no_numbers():
    """A damaged model is refused; its numbers do no harm either."""
    weights = np.array([np.nan, np.inf, -3e38, 1e-45, 0], np.float32)
    indices, ones = np.arange(5, dtype=np.int32), np.ones(5, np.float32)
    ends = np.array([[3, 5]], np.int32)
    ((_, picked, told),) = made_of(np.array([0, 5]), indices, ones, ends, weights, 5)
    assert [column for column, _, _ in picked] == [0, 1, 2, 3]
    assert [abs(share) for share in json.loads(told)["reasons"][2][2::3]] == [1_000_000] * 3


def test_kernels_stay_inside():
    """Rows that end at a page without access."""
    rows = of_messages([RAW, b"", RAW[:90]], np.ones(3, np.int8), [""] * 3)
    weights = load_model().weights
    whole = (rows.indptr, rows.indices, rows.data, rows.ends, weights)
    for guard in (before_guard, behind_guard):
        kept = [
            np.frombuffer(guard(one.tobytes()), one.dtype).reshape(one.shape) for one in whole
        ]  # fmt: skip
        assert made_of(*kept, 5) == made_of(*whole, 5)


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, 6, 7, 8, 9, 10])
def test_shapes_that_do_not_fit(place):
    rows = of_messages([RAW], np.ones(1, np.int8), [""])
    arrays = [
        rows.indptr, rows.indices, rows.data, rows.ends, load_model().weights, 0.0, np.empty(1),
        np.empty(rows.ends.shape), np.empty((1, 5), np.int32), np.empty((1, 5), np.uint8),
        np.empty((1, 5), np.float32),
    ]  # fmt: skip
    contributions_batch(*arrays)
    arrays[place] = arrays[place][:0] if place != 4 else arrays[4][:10]
    with pytest.raises(ValueError):
        contributions_batch(*arrays)


def test_more_features_than_the_cap_are_refused():
    rows = of_messages([RAW], np.ones(1, np.int8), [""])
    given = (rows.indptr, rows.indices, rows.data, rows.ends, load_model().weights)
    assert len(made_of(*given, limits.REASON_FEATURES)[0][1]) == limits.REASON_FEATURES
    with pytest.raises(ValueError):
        made_of(*given, limits.REASON_FEATURES + 1)


def test_words_of_what_is_stored():
    rows = of_messages([RAW], np.ones(1, np.int8), [""])
    made = decide.reasons(load_model(), rows)[1]
    stored = made.stored().tolist()[0]
    found = reasons.read(stored, "FREE viagra now!!!")
    assert [one.whole for one in found] == [True] * 3 + [False] * decide.N_REASONS
    order = np.argsort(-np.abs(made.groups[0]), kind="stable")[:3]
    assert [one.group for one in found[:3]] == [GROUPS[group] for group in order]
    for one, share in zip(found[3:], made.shares[0], strict=True):
        assert abs(one.share - share) <= 0.005 + 1e-6
    said = reasons.words(stored, "FREE viagra now!!!")
    assert said[0] == f"words of text and subject ({found[0].share:+.2f})"
    assert len(said) == 3 + decide.N_REASONS and "viagra" not in stored
    assert reasons.words(json.dumps({"reasons": [LAYOUT, [], [0, 5, 12]]})) == [
        "a word of the text (+0.12)"
    ]
    column = next(c for c, a, b in word_columns(b"FREE now", True) if (a, b) == (0, 4))
    told = json.dumps({"reasons": [LAYOUT, [], [0, column, -12]]})
    assert reasons.words(told, "FREE now") == ["subject: FREE (-0.12)"]


@pytest.mark.parametrize(
    "stored",
    [
        None, "", "x", "{}", "[]", "3", "[" * 100_000, '{"reasons":3}', '{"reasons":[]}',
        '{"reasons":[3,[99,1],[]]}', '{"reasons":[3,[0],[]]}', '{"reasons":[3,[],[0,-5,1]]}',
        '{"reasons":[3,[],[0,99999999,1]]}', '{"reasons":[3,[],[-1,5,1]]}',
        '{"reasons":[3,["a",1],[]]}', '{"reasons":[3,[0,"a"],[]]}', '{"reasons":[999,[0,1],[]]}',
        '{"reasons":[3,[],[0,5,1,7]]}', '{"reasons":[3,[],[0,5.5,1]]}', '{"account_id": 1}',
        '{"reasons":[3,[0,true],[]]}', '{"reasons":[3,[0,1e400],[]]}',
    ],
)  # fmt: skip
def test_words_of_anything_else(stored):
    assert reasons.words(stored and stored.replace("[3,", f"[{LAYOUT},")) == []


def test_names_are_of_facts_that_can_be():
    """Each name is of one fact; a feature of another group does not get it."""
    names = factnames.fact_names()
    assert len(names) > 2000 and all(names.values())
    assert not any("{" in name or name.endswith(": ") for name in names.values())
    rows = of_messages([raw for _, raw in generate(200, 4)], np.ones(200, np.int8), [""] * 200)
    groups = np.concatenate([
        reasons.groups_of(rows.ends[i], int(rows.indptr[i + 1] - rows.indptr[i])) for i in range(200)
    ])  # fmt: skip
    form = rows.indices >= N_TEXT_BUCKETS
    named = [
        bool(reasons.name_of(int(group), int(column)))
        for group, column in zip(groups[form], rows.indices[form], strict=True)
    ]
    assert np.mean(named) > 0.8


def test_explain_names_what_spoke():
    found = explain(RAW)
    assert found.category == "Commercial Spam" and found.probability >= found.threshold
    assert found.subcategory == "Health & medical products"
    assert abs(sum(found.probabilities.values()) - 1) < 1e-5
    assert ("Commercial Spam / Health & medical products", "viagra") in found.terms
    sizes = [abs(reason.share) for reason in found.reasons]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == 12


@given(st.binary(max_size=200))
def test_any_bytes_are_explained(raw):
    assert 0 <= explain(raw).probability <= 1


def test_the_command(tmp_path, capsys):
    path = tmp_path / "a.eml"
    path.write_bytes(RAW.replace(b"cheap", "ch\u202eeap".encode()))
    assert main(["explain", str(path), "--limit", "400"]) == 0
    out = capsys.readouterr().out
    assert "Commercial Spam / Health & medical products" in out and "\u202e" not in out
    assert main(["explain", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["category"] == "Commercial Spam"
    assert main(["explain", str(tmp_path / "absent")]) == 1
    for limit in ("0", "-3"):
        with pytest.raises(SystemExit, match="2"):
            main(["explain", str(path), "--limit", limit])
        assert "from 1 to" in capsys.readouterr().err


@given(st.binary(max_size=30), st.integers(1, 40))
def test_forms_have_the_columns_of_the_features(raw, most):
    made = facts_oracle.shape(wording_oracle.take(wording_oracle.start(17), 1), raw, most)
    row = wording_oracle.Row(0)
    row.form()
    row.add(made)
    assert factnames.form_column(17, 1, raw, most) == row.indices[0]


def test_a_word_its_beginning_and_its_end_are_told_apart():
    text = b"Click here. Clicking it, click"
    own = reasons.names_in_message(text, b"", [])
    named = list(own.values())
    assert {"text: Click", "text: Clic...", "text: ...ick", "text: Clicking"} <= set(named)
    assert named.count("text: Click") == 1


def test_reasons_of_a_message_without_features():
    rows = of_messages([RAW, b""], np.ones(2, np.int8), [""] * 2)
    batch = SimpleNamespace(features=rows, flags=np.zeros(2, np.uint32))
    model = load_model()
    decide.run(batch, model)
    made = batch.verdict.reasons
    assert made.groups[0].any() and not made.groups[1].any()
    assert (made.columns[1] == -1).all()
    assert (batch.verdict.probability == model.probabilities(rows)).all()
