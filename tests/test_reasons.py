"""Reasons: names of features, and explanations of messages."""

import json
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atlas_fast._kernels.facts import fact_column, site_column, url_word_column
from atlas_fast._kernels.features import N_TEXT_BUCKETS
from atlas_fast._kernels.score import contributions_batch
from atlas_fast._kernels.wording import word_columns
from atlas_fast.classify import reasons
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
    named = [reasons.name_of(column, own) for column in there]
    assert "text: cheap viagra" in named and "subject: FREE viagra" in named
    assert "word of a link: remove" in named and "a link to a bare address: yes" in named
    assert sum(map(bool, named)) > 0.8 * len(named)


@given(st.binary(max_size=60), st.booleans())
def test_columns_lie_in_the_text(raw, subject):
    for column, start, stop in word_columns(raw, subject):
        assert 0 <= column < N_TEXT_BUCKETS and 0 <= start < stop <= len(raw)


def test_contributions_add_up():
    messages = [raw for _, raw in generate(60, 3)]
    rows = of_messages(messages, np.ones(60, np.int8), [""] * 60)
    model = load_model()
    groups = np.empty(rows.ends.shape, np.float32)
    top, share = np.empty((60, 4), np.int32), np.empty((60, 4), np.float32)
    contributions_batch(
        rows.indptr, rows.indices, rows.data, rows.ends, model.weights, groups, top, share
    )
    assert np.allclose(groups.sum(axis=1) + model.bias, model.logits(rows), atol=1e-4)
    for i in range(60):
        lo, hi = rows.indptr[i : i + 2]
        parts = model.weights[rows.indices[lo:hi]] * rows.data[lo:hi]
        want = np.sort(np.abs(parts))[::-1][:4]
        assert np.allclose(np.abs(share[i]), want)


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


def test_reasons_are_made_once_and_only_when_asked_for():
    rows = of_messages([RAW, b""], np.ones(2, np.int8), [""] * 2)
    batch = SimpleNamespace(features=rows, flags=np.zeros(2, np.uint32))
    decide.run(batch, load_model())
    verdict = batch.verdict
    assert "reasons" not in vars(verdict)
    made = decide.reasons(load_model(), rows)
    for name in ("groups", "columns", "shares"):
        assert (getattr(verdict.reasons, name) == getattr(made, name)).all()
    assert verdict.reasons is verdict.reasons
    assert made.groups[0].any() and not made.groups[1].any()
    assert (made.columns[1] == -1).all()
