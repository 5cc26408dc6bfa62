"""Scores, training and the model."""

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import learn as learn_oracle
from oracles import score as score_oracle

from atlas_fast._kernels.learn import train_linear
from atlas_fast._kernels.score import score_batch
from atlas_fast.classify import evaluate, kinds, labels, model, train
from atlas_fast.classify.report import html_report
from atlas_fast.cli import main
from atlas_fast.errors import ModelError, SourceError, UsageError
from atlas_fast.records import CATEGORIES
from atlas_fast.sources.synthetic import generate
from atlas_fast.stages.explain import explain


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.floats(-2, 2, width=32)), max_size=5), max_size=5
    ),
    st.floats(-3, 3),
)
def test_scores_agree(rows, bias):
    indptr = np.cumsum([0] + [len(row) for row in rows]).astype(np.int64)
    indices = np.array([i for row in rows for i, _ in row], np.int32)
    data = np.array([v for row in rows for _, v in row], np.float32)
    weights = np.linspace(-1, 1, 10).astype(np.float32)
    out = np.empty(len(rows))
    score_batch(indptr, indices, data, weights, bias, out)
    for i, row in enumerate(rows):
        want = score_oracle.logit([i for i, _ in row], [v for _, v in row], weights, bias)
        assert out[i] == pytest.approx(want, abs=1e-9)


def test_score_refuses_what_does_not_fit():
    one = np.ones(1, np.float32)
    for indptr, index in (([0, 2], 0), ([0, 1], 5), ([0, 1], -1), ([1, 0], 0)):
        with pytest.raises(ValueError, match="row 0"):
            score_batch(
                np.array(indptr, np.int64), np.array([index], np.int32), one, one, 0.0, np.empty(1)
            )


def small_problem():
    draw = np.random.default_rng(5)
    rows = (draw.random((60, 12)) < 0.4).astype(np.float32)
    y = np.where(rows[:, 0] + rows[:, 1] + 0.3 * draw.random(60) > 0.9, 1, -1).astype(np.int8)
    indptr = np.concatenate([[0], np.cumsum((rows > 0).sum(axis=1))]).astype(np.int64)
    return rows, y, indptr, np.nonzero(rows)[1].astype(np.int32), rows[rows > 0]


def test_training_finds_the_minimum():
    rows, y, indptr, indices, data = small_problem()
    weights = np.zeros(12)
    bias, _ = train_linear(indptr, indices, data, y, 2.0, 2.0, 2000, 1e-8, 3, weights)
    best = learn_oracle.objective(rows, y, weights, bias, 2.0)
    draw = np.random.default_rng(6)
    for _ in range(300):
        step = draw.normal(size=13) * 1e-3
        assert learn_oracle.objective(rows, y, weights + step[:12], bias + step[12], 2.0) >= best


def test_training_is_reproducible_to_the_bit():
    _, y, indptr, indices, data = small_problem()
    made = []
    for seed in (1, 1, 2):
        weights = np.zeros(12)
        bias, _ = train_linear(indptr, indices, data, y, 2.0, 2.0, 3, 0.0, seed, weights)
        made.append((weights.tobytes(), bias))
    assert made[0] == made[1] != made[2]


def test_platt_and_threshold():
    draw = np.random.default_rng(1)
    logits = draw.normal(size=4000) * 2
    y = np.where(draw.random(4000) < 1 / (1 + np.exp(-(1.5 * logits - 0.5))), 1, -1)
    slope, offset = train.platt(logits, y)
    assert slope == pytest.approx(1.5, abs=0.15) and offset == pytest.approx(-0.5, abs=0.15)
    threshold = train.pick_threshold(np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 1, -1, -1]))
    assert 0.2 < threshold < 0.8
    # A hundred in a thousand above 0.9, all spam: the labels would go lower, the sum does not.
    chance = np.concatenate([np.full(100, 0.99), np.full(50, 0.6), np.full(1000, 0.01)])
    y = np.concatenate([np.ones(150, np.int8), -np.ones(1000, np.int8)])
    assert 0.3 < train.pick_threshold(chance, y) < 0.8


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Labelled folders of generated mail."""
    root = tmp_path_factory.mktemp("labelled")
    for name in ("ham-1", "spam-1"):
        (root / name).mkdir()
    for number, (kind, raw) in enumerate(generate(400, 21)):
        bad = kind in ("spam", "scam", "phish")
        (root / ("spam-1" if bad else "ham-1") / f"{number:04}.eml").write_bytes(raw)
    return root


def test_what_cannot_be_read_is_counted_and_named(folders, tmp_path, capsys):
    folders = shutil.copytree(folders, tmp_path / "mail")
    lost = [folders / "ham-1" / "lost.eml", folders / "spam-1" / "gone.eml"]
    for path in lost:
        path.symlink_to(tmp_path / "nowhere")
    said = [f"{path.parent}: {path.name}: not a regular file" for path in lost]
    assert list(labels.read_labelled([folders]).problems) == said
    found = evaluate.train_and_test([folders], [folders])
    assert found["problems"] == said * 2 and found["n"] == 400
    assert main(["train", str(folders), "--out", str(tmp_path / "m.npz")]) == 0
    err = capsys.readouterr().err
    assert all(line in err for line in said)
    model_file = str(tmp_path / "m.npz")
    arguments = ["evaluate", "--model", model_file, "--test", str(folders), "--json"]
    assert main(arguments) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["problems"] == said and out.err.count("not a regular file") == 2
    for path in folders.glob("*/*.eml"):
        path.unlink()
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"402 could not be read: .*not a regular file"):
        labels.read_labelled([folders])


def test_model_round_trip(folders, tmp_path):
    made = train.train([folders], tmp_path / "a.npz")
    assert made[0] + made[1] == 400
    train.train([folders], tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = model.load_model(tmp_path / "a.npz")
    data = labels.read_labelled([folders])
    spam = loaded.probabilities(data) >= loaded.threshold
    assert (spam == (data.labels > 0)).mean() > 0.97
    fresh = train.fit(data)
    assert (fresh.probabilities(data) == loaded.probabilities(data)).all()


def test_evaluate_on_generated_mail(folders):
    found = evaluate.cross_validate([folders])
    assert found["n"] == 400 and found["f1"] > 0.95
    split = evaluate.train_and_test([folders], [folders / "ham-1", folders / "spam-1"])
    assert split["false_positives"] + split["false_negatives"] < 10


def test_two_models_are_compared(folders, tmp_path):
    one = train.fit(labels.read_labelled([folders]))
    other = replace(one, threshold=0.0)  # calls everything spam
    found = evaluate.compare(one, other, [folders])
    assert found["only_second_right"] == 0 < found["only_first_right"]
    assert found["p_value"] < 0.001 and evaluate.sign_test(3, 3) == 1.0
    assert evaluate.sign_test(0, 5) == pytest.approx(2 / 32)
    page = html_report("a <b>", list(zip(("one", "<two>"), found["models"], strict=True)), "n & m")
    assert "<b>" not in page and "&lt;two&gt;" in page and page.count("<svg") == 3
    assert "http" not in page and "<script" not in page


def test_five_categories_are_counted():
    category = np.array([0, 0, 1, 2, 3, 3, 2, 4], np.uint8)
    kinds = np.array([0, 1, 1, 2, 2, 3, -1, -1], np.int8)
    found = evaluate.kind_scores(category, kinds)
    assert found["labelled"] == 6 and found["accuracy"] == pytest.approx(4 / 6)
    want = np.zeros((5, 5), int)
    for is_, called in ((0, 0), (1, 0), (1, 1), (2, 2), (2, 3), (3, 3)):
        want[is_, called] += 1
    assert found["confusion"] == want.tolist()
    assert found["classes"]["Legitimate"] == {"precision": 0.5, "recall": 1.0, "n": 1}
    assert found["classes"]["Commercial Spam"] == {"precision": 1.0, "recall": 0.5, "n": 2}
    assert found["classes"]["Dangerous"] == {"precision": None, "recall": None, "n": 0}
    assert evaluate.kind_scores(category, np.full(8, -1, np.int8))["accuracy"] is None


def test_kinds_by_the_name_of_a_folder(tmp_path, capsys):
    """What nobody labelled has no row; folders can say it."""
    for kind, raw in generate(300, 22):
        place = {"marketing": "ham-marketing", "scam": "spam-scams", "phish": "spam-dangerous"}
        bad = kind in ("spam", "scam", "phish")
        folder = tmp_path / "all" / place.get(kind, "spam" if bad else "ham")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{len(list(folder.iterdir())):04}.eml").write_bytes(raw)
    data = labels.read_labelled([tmp_path / "all"])
    assert set(data.kinds.tolist()) == {-1, 1, 3, 4}
    assert (data.labels[data.kinds == 1] < 0).all() and (data.labels[data.kinds > 1] > 0).all()
    found = evaluate.test_model(train.fit(data), [tmp_path / "all"])
    classes = found["kinds"]["classes"]
    assert min(classes[name]["recall"] for name in ("Scams", "Dangerous")) > 0.8
    assert classes["Legitimate Marketing"]["n"] == int((data.kinds == 1).sum())
    page = html_report("x", [("one", found)])
    assert "Five categories" in page and "labelled once, by one reader" in page
    assert main(["evaluate", str(tmp_path / "all")]) == 0
    out = capsys.readouterr().out
    assert "called spam" in out and "five categories" in out and "stays unmeasured" in out
    assert main(["evaluate", str(tmp_path / "all"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["kinds"]["confusion"]) == 5


def test_curves_agree_with_a_plain_count():
    draw = np.random.default_rng(2)
    is_spam = draw.random(300) < 0.4
    chance = np.round(np.where(is_spam, 0.7, 0.3) + draw.normal(size=300) * 0.2, 2).clip(0, 1)
    made = evaluate.curves(chance, is_spam)
    for fall_out, recall in made["roc"][1:]:
        found = any(
            (chance[is_spam] >= limit).mean() == pytest.approx(recall)
            and (chance[~is_spam] >= limit).mean() == pytest.approx(fall_out)
            for limit in np.unique(chance)
        )
        assert found
    assert made["roc"][-1] == [1.0, 1.0]
    assert sum(size for _, _, size in made["calibration"]) == 300


def test_five_probabilities(folders):
    shipped = model.load_model()
    data = labels.read_labelled([folders])
    chance = shipped.probabilities(data)
    five, category, codes = shipped.categories(chance, data)
    assert np.allclose(five.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(five[:, 2:].sum(axis=1), chance, atol=1e-5)
    assert ((category >= 2) == (chance >= shipped.threshold)).all()
    for one, code in zip(category.tolist(), codes.tolist(), strict=True):
        assert (code == kinds.NO_SUBCATEGORY) == (one == 0)
        assert one == 0 or kinds.SUBCATEGORIES[code][0] == CATEGORIES[one]


def test_labels_refuse_what_makes_no_sense(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        labels.read_labelled([tmp_path / "absent"])
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="no folder named"):
        labels.read_labelled([tmp_path / "other"])
    (tmp_path / "ham").mkdir()
    with pytest.raises(UsageError, match="both ham and spam"):
        labels.read_labelled([tmp_path / "ham"])


def test_damaged_models_are_refused(folders, tmp_path):
    path = tmp_path / "model.npz"
    train.train([folders], path)
    whole = path.read_bytes()
    for damaged in (
        b"",
        b"no zip",
        whole[: len(whole) // 2],
        whole[:200] + b"\0" * 50 + whole[250:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(ModelError):
            model.load_model(path)
    with np.load(io.BytesIO(whole)) as parts:
        kept = dict(parts)
    head = json.loads(bytes(kept["head"])) | {"layout": 999}
    kept["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    np.savez(path, **kept)
    with pytest.raises(ModelError, match="layout 999"):
        model.load_model(path)


def test_shipped_model_is_what_training_makes(corpus_dir):
    """The bars of the model, by five folds over the corpus; and that its file is current."""
    data = labels.read_labelled([corpus_dir])
    shipped = model.load_model()
    assert shipped.about["ham"] == 4150 and shipped.about["spam"] == 1896
    fresh = train.fit(data)
    assert (fresh.weights == shipped.weights).all() and fresh.threshold == shipped.threshold
    found = evaluate.cross_validate([corpus_dir])
    assert found["f1"] >= 0.990
    assert found["false_positive_rate"] <= 0.003
    assert found["recall_at_fpr_0_001"] >= 0.96
    assert found["expected_calibration_error"] <= 0.02


@pytest.mark.parametrize("raw", [b"", b"\n", b"\r\n\r\n", b" \n\t\n"])
def test_an_empty_message_is_legitimate(raw):
    """It has no features, and so no evidence; one field or word is some."""
    found = explain(raw)
    assert (found.category, found.subcategory) == ("Legitimate", "")
    assert 0 < found.probability < found.threshold
    assert not any(found.groups.values()) and not found.reasons
    assert any(explain(raw + b"\nhello\n").groups.values())
    assert any(explain(b"Subject: x\n" + raw).groups.values())


def test_the_prior_stays_below_the_threshold():
    shipped = model.load_model()
    assert 0 < replace(shipped, about={"ham": 1, "spam": 99}).prior < shipped.threshold
    assert replace(shipped, about={}).prior == 0
    assert replace(shipped, about={"ham": 9, "spam": 1}).prior == 0.1
