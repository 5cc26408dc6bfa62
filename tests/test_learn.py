"""Corrections into a model on top of one that stays: what they change, how far, and the way back."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from atlas_fast import decision, learn, limits, triage
from atlas_fast.classify.evaluate import cross_validate
from atlas_fast.classify.labels import read_labelled
from atlas_fast.classify.lessons import (
    MARGIN,
    MAX_SHIFT,
    Lesson,
    Lessons,
    content_digest,
    read_lessons,
    with_lessons,
)
from atlas_fast.classify.model import load_model
from atlas_fast.cli import main
from atlas_fast.errors import ModelError, UsageError
from atlas_fast.sources import open_source
from atlas_fast.stages import features, parse
from atlas_fast.store import open_store, schema

N = 60


@pytest.fixture
def mail(tmp_path):
    """A folder of generated messages, run into a store."""
    folder = tmp_path / "mail"
    folder.mkdir()
    (batch,) = open_source(f"synthetic:{N},9").batches(N, 1 << 30)
    for i, raw in enumerate(batch):
        (folder / f"{i:03}.eml").write_bytes(raw)
    triage(str(folder), tmp_path / "a.db")
    return folder


def rows_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            f"SELECT uid, category_v2, category_confidence_v2 FROM {schema.MESSAGES} ORDER BY uid"
        ).fetchall()


def correct(path, uid, kind="incorrect", user=None, original="Commercial Spam", **more):
    values = {"email_uid": uid, "original_classification": original, "feedback_type": kind,
              "user_classification": user, **more}  # fmt: skip
    with sqlite3.connect(path) as connection:
        connection.execute(
            f"INSERT INTO user_feedback ({', '.join(values)}) "
            f"VALUES ({', '.join('?' * len(values))})",
            list(values.values()),
        )
    connection.close()


def rows(batch):
    parse.run(batch)
    features.run(batch)
    return batch.features


def all_rows(folder):
    (batch,) = open_source(str(folder)).batches(N, 1 << 30)
    return rows(batch)


def calibrated(model, of):
    return model.slope * model.logits(of) + model.offset


def least_sure(path, spam):
    kinds = ("Commercial Spam", "Scams", "Dangerous")
    there = [row for row in rows_of(path) if (row[1] in kinds) == spam]
    return min(there, key=lambda row: row[2])[0]


SHIPPED = blake2b(files("atlas_fast").joinpath("data", "model.npz").read_bytes()).digest()


def test_a_correction_turns_a_doubtful_verdict_and_can_be_undone(mail, tmp_path):
    path = tmp_path / "a.db"
    uid = least_sure(path, spam=True)
    at = int(uid[:3])
    of = all_rows(mail)
    before = load_model()
    correct(path, uid, "false_positive")
    with open_store(path) as store:
        done = learn.learn(store)
        assert done.lessons == done.total == 1 and not done.skipped
        after = decision.model_of(decision.state_of(store).current)
        change = calibrated(after, of) - calibrated(before, of)
        assert -MAX_SHIFT - 1e-3 <= change[at] < 0
        assert done.turned + done.open_ == 1
        assert learn.learn(store).model is None  # the feedback is used
        assert learn.undo(store).current is None
        with pytest.raises(UsageError):
            learn.undo(store)
    assert Path(done.model).is_file()
    assert (load_model(done.model).weights == after.weights).all()
    assert (load_model().weights == before.weights).all()
    raw = files("atlas_fast").joinpath("data", "model.npz").read_bytes()
    assert blake2b(raw).digest() == SHIPPED
    assert after.about["lessons"] and "lessons" not in load_model().about


@pytest.mark.parametrize("form", ["eml", "mbox"])
def test_a_message_that_was_seen_without_its_body_is_learned_by_its_header_section(
    mail, tmp_path, form
):
    if form == "mbox":
        source = tmp_path / "all.mbox"
        source.write_bytes(b"".join(
            b"From a@b.example Mon Jan  5 10:00:00 2026\n" + one.read_bytes().rstrip(b"\n") + b"\n\n"
            for one in sorted(mail.iterdir())
        ))  # fmt: skip
    else:
        source = mail
    path = tmp_path / "headers.db"
    triage(str(source), path, headers_only=True)
    uid = rows_of(path)[7][0]
    correct(path, uid)
    with open_store(path) as store:
        done = learn.learn(store)
        assert done.lessons == 1 and not done.skipped
    (lesson,) = read_lessons(Path(done.model).read_bytes(), "x").lessons
    (batch,) = (b for b in open_source(str(source)).batches(N, 1 << 30) if uid in b.places)
    batch.leave_bodies()
    of, at = rows(batch), list(batch.places).index(uid)
    assert (lesson.indices == of.indices[of.indptr[at] : of.indptr[at + 1]]).all()


def test_no_single_correction_moves_anything_far(mail):
    """Over every message as the lesson, with the label that it has not."""
    of, model = all_rows(mail), load_model()
    now = calibrated(model, of)
    sizes = np.add.reduceat(of.data.astype(float) ** 2, of.indptr[:-1]) ** 0.5
    for i in range(0, len(of), 5):
        a, b = of.indptr[i], of.indptr[i + 1]
        label = -1 if now[i] > 0 else 1
        lesson = Lesson("k", "c", label, "", "", of.indices[a:b].copy(), of.data[a:b].copy())
        moved = calibrated(with_lessons(model, Lessons((lesson,), None)), of) - now
        assert 0 < label * moved[i] <= MAX_SHIFT + 1e-3
        assert (np.abs(moved) <= MAX_SHIFT * sizes / sizes[i] + 1e-3).all()


def test_several_turn_what_one_does_not_and_a_right_one_changes_nothing(mail):
    of, model = all_rows(mail), load_model()
    now = calibrated(model, of)
    sure = int(np.argmax(now))
    a, b = of.indptr[sure], of.indptr[sure + 1]

    def lessons(n, label):
        return Lessons(
            tuple(
                Lesson(str(i), "c", label, "", "", of.indices[a:b].copy(), of.data[a:b].copy())
                for i in range(n)
            ), None,
        )  # fmt: skip

    def after(n, label):
        return calibrated(with_lessons(model, lessons(n, label)), of)[sure]

    level = np.log(model.threshold / (1 - model.threshold))
    assert after(1, -1) > level
    needed = int(np.ceil((now[sure] - level + MARGIN) / MAX_SHIFT))
    assert abs(after(needed, -1) - (level - MARGIN)) < 1e-3  # and goes no further than it must
    assert abs(after(needed + 5, -1) - (level - MARGIN)) < 1e-3
    assert (with_lessons(model, lessons(3, 1)).weights == model.weights).all()


def test_feedback_that_cannot_be_used_is_told_and_kept(mail, tmp_path):
    path = tmp_path / "a.db"
    (mail / "003.eml").write_bytes(b"Subject: another\n\n")
    (mail / "004.eml").unlink()
    for uid in ("000.eml", "003.eml", "004.eml", "nowhere"):
        correct(path, uid, "false_positive")
    correct(path, "001.eml", user="Banana")
    correct(path, "001.eml", "whatever")
    with open_store(path) as store:
        done = learn.learn(store)
        assert done.lessons == 1 and len(done.skipped) == 5
        left = store.ask("SELECT email_uid FROM user_feedback WHERE processed = FALSE ORDER BY id")
    assert [uid for (uid,) in left] == ["003.eml", "004.eml", "nowhere", "001.eml", "001.eml"]


def test_the_last_word_on_a_message_counts(mail, tmp_path):
    path = tmp_path / "a.db"
    correct(path, "000.eml", "false_positive", timestamp="2026-01-01 00:00:00")
    correct(path, "000.eml", user="Scams", timestamp="2026-01-02 00:00:00")
    with open_store(path) as store:
        done = learn.learn(store)
        correct(path, "000.eml", "false_positive")
        correct(path, "internal_2", "false_positive")
        later = learn.learn(store)
        assert store.ask("SELECT COUNT(*) FROM user_feedback WHERE processed = FALSE") == [(0,)]
    (lesson,) = read_lessons(Path(done.model).read_bytes(), "m").lessons
    assert lesson.label == 1 and lesson.category == "Scams"
    labels = [one.label for one in read_lessons(Path(later.model).read_bytes(), "m").lessons]
    assert labels == [-1, -1] and later.total == 2


def test_a_source_that_moved(mail, tmp_path):
    path = tmp_path / "a.db"
    correct(path, "000.eml", "false_positive")
    mail.rename(tmp_path / "moved")
    with open_store(path) as store:
        assert learn.learn(store).model is None
        done = learn.learn(store, [str(tmp_path / "moved")])
    assert done.lessons == 1


@pytest.mark.parametrize(
    ("kind", "original", "user", "label"),
    [
        ("false_positive", "Phishing", None, -1), ("incorrect", "Phishing", None, -1),
        ("incorrect", "Not Spam", None, 1), ("correct", "Phishing", None, 1),
        ("correct", "Promotional Email", None, -1), ("incorrect", "Scams", "Legitimate", -1),
        ("incorrect", "Not Spam", "Dangerous", 1), ("incorrect", "Scams", "Legal & Scam", 1),
        ("incorrect", "Scams", "Banana", 0), ("other", "Scams", None, 0), ("correct", "?", None, 0),
    ],
)  # fmt: skip
def test_what_feedback_says(kind, original, user, label):
    assert learn.wanted_label(kind, original, user) == label


def test_corrected_messages_are_left_out_of_evaluations(tmp_path, capsys):
    (batch,) = open_source("synthetic:120,4").batches(120, 1 << 30)
    model = load_model()
    spam = model.probabilities(rows(batch)) >= model.threshold
    for name in ("ham", "spam"):
        (tmp_path / "set" / name).mkdir(parents=True)
    for i, raw in enumerate(batch):
        (tmp_path / "set" / ("spam" if spam[i] else "ham") / f"{i:03}.eml").write_bytes(raw)
    path = tmp_path / "a.db"
    triage(str(tmp_path / "set" / "spam"), path)
    uid = rows_of(path)[0][0]
    correct(path, uid, "false_positive")
    with open_store(path) as store:
        made = learn.learn(store).model
    without = load_model(made).about["lesson_contents"]
    assert without == [content_digest((tmp_path / "set" / "spam" / uid).read_bytes())]
    folders = [tmp_path / "set"]
    whole, rest = read_labelled(folders), read_labelled(folders, frozenset(without))
    assert rest.skipped == 1 and len(rest) == len(whole) - 1
    assert set(whole.names) - set(rest.names) == {uid}
    assert cross_validate(folders, 2, without=frozenset(without))["skipped"] == 1
    assert main(["evaluate", str(folders[0]), "--folds", "2", "--without", made]) == 0
    assert re.search("left out, as users corrected them +1", capsys.readouterr().out)
    assert main(["evaluate", "--model", made, "--test", str(folders[0])]) == 0
    assert re.search("left out, as users corrected them +1", capsys.readouterr().out)


def test_another_model_below_gets_its_change_anew(mail, tmp_path):
    of, model = all_rows(mail), load_model()
    a, b = of.indptr[0], of.indptr[1]
    lesson = Lesson("k", "c", 1, "", "", of.indices[a:b].copy(), of.data[a:b].copy())
    base = tmp_path / "base.npz"
    model.save(base)
    made = Lessons((lesson,), str(base)).fitted(model)
    made.save(tmp_path / "l.npz")
    first = load_model(tmp_path / "l.npz")
    replace(model, bias=model.bias - 2).save(base)
    second = load_model(tmp_path / "l.npz")
    assert second.bias == model.bias - 2
    assert calibrated(second, of)[0] > calibrated(load_model(base), of)[0]
    assert first.about["lessons"] == second.about["lessons"] == ["k"]
    with pytest.raises(ModelError, match="cannot be written"):
        made.save(tmp_path / "l.npz")  # nothing is overwritten


def test_models_on_top_of_each_other_in_a_circle_are_refused(tmp_path):
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    Lessons((), str(other)).save(one)
    Lessons((), str(one)).save(other)
    for path in (one, other):
        with pytest.raises(ModelError, match="on top of itself"):
            load_model(path)


def test_damaged_files_are_refused(mail, tmp_path):
    path = tmp_path / "a.db"
    correct(path, least_sure(path, spam=True), "false_positive")
    with open_store(path) as store:
        made = learn.learn(store).model
    raw = Path(made).read_bytes()
    bad = tmp_path / "bad.npz"
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(60):
        hurt = bytearray(raw)
        for at in rng.integers(0, len(raw), 3):
            hurt[at] ^= int(rng.integers(1, 256))
        bad.write_bytes(hurt[: rng.integers(1, len(raw))] if rng.random() < 0.3 else hurt)
        try:
            load_model(bad)
        except ModelError:
            refused += 1
    assert refused > 30
    with np.load(made) as parts:
        whole = dict(parts)
    for name, value in (
        ("indices", whole["indices"] + (1 << 30)), ("indices", -1 - whole["indices"]),
        ("columns", whole["columns"] + (1 << 30)), ("change", whole["change"] * np.nan),
        ("indptr", whole["indptr"][::-1]), ("data", whole["data"][1:]),
    ):  # fmt: skip
        np.savez(bad, **whole | {name: value})
        with pytest.raises(ModelError, match="damaged"):
            load_model(bad)


def test_lessons_have_a_cap(monkeypatch):
    monkeypatch.setattr(limits, "MAX_LESSONS", 3)
    none = np.empty(0, np.int32)
    made = Lessons((), None).add(
        [Lesson(str(i % 5), "c", 1, "", "", none, none.astype("f4")) for i in range(7)]
    )
    assert [one.key for one in made.lessons] == ["4", "0", "1"]


LEARNER = """
import sys
from atlas_fast.cli import main
sys.exit(main(["learn", "--store", sys.argv[1], "--again"]))
"""


def test_two_processes_learn_and_one_state_comes_of_it(mail, tmp_path):
    path = tmp_path / "a.db"
    correct(path, "000.eml", "false_positive")
    children = [
        subprocess.Popen([sys.executable, "-c", LEARNER, str(path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    codes = [(child.communicate(timeout=120), child.returncode)[1] for child in children]
    assert 0 in codes and set(codes) <= {0, 1}
    with open_store(path) as store:
        state = decision.state_of(store)
        assert len(state.before) == codes.count(0)
        decision.model_of(state.current)
    there = os.listdir(f"{path}.models")
    assert len(there) == codes.count(0) and not [name for name in there if "new" in name]


def test_the_command(mail, tmp_path, capsys):
    path = str(tmp_path / "a.db")
    correct(path, "000.eml", "false_positive")

    def run(*arguments):
        code = main(["learn", "--store", path, *arguments])
        captured = capsys.readouterr()
        return code, captured.out

    assert "learned from 1 corrections (1 in all)" in run()[1]
    assert run() == (0, "nothing to learn: the model stays\n")
    assert json.loads(run("--history", "--json")[1])["history"][0]["did"] == "learn"
    report = triage(f"synthetic:{N},9", path)
    assert report.messages == N  # a run takes the learned model
    assert run("--undo")[0] == 0
    assert run("--undo")[0] == 2
    assert run("--undo", "--again")[0] == 2
    assert json.loads(run("--again", "--json")[1])["lessons"] == 1


@pytest.mark.parametrize(
    ("kind", "original", "user", "number"),
    [
        ("incorrect", "Commercial Spam", "Scams", 3),
        ("incorrect", "Business Opportunity Spam", "Payment Scam", 3),
        ("incorrect", "Scams", "Dangerous", 4),
        ("incorrect", "Not Spam", "Promotional Email", 1),
        ("correct", "Phishing", None, 4),
        ("incorrect", "Scams", None, -1),
        ("false_positive", "Scams", None, -1),
        ("false_positive", "Scams", "Legitimate Marketing", 1),
        ("false_positive", "Scams", "Dangerous", -1),  # it contradicts itself
        ("incorrect", "Scams", "Marketing Spam", -1),
    ],
)
def test_which_kind_feedback_says(kind, original, user, number):
    assert learn.wanted_kind(kind, original, user) == number


def lessons_of(of, rows, kind, times=1):
    return Lessons(
        tuple(
            Lesson(
                f"{i}-{n}", "c", 1 if kind > 1 else -1, "", "",
                of.indices[of.indptr[i] : of.indptr[i + 1]].copy(),
                of.data[of.indptr[i] : of.indptr[i + 1]].copy(), kind, of.terms[i], bool(of.bulk[i]),
            )
            for i in rows for n in range(times)
        ), None,
    )  # fmt: skip


def test_corrections_of_kinds_move_kinds_alone_and_not_far(mail):
    """Over messages as the lesson: two kinds come MARGIN apart or move by MAX_SHIFT, and the
    probability of spam stays."""
    of, model = all_rows(mail), load_model()
    before = model.kinds.logits(of)
    sizes = np.add.reduceat(of.data.astype(float) ** 2, of.indptr[:-1]) ** 0.5
    for i in range(0, len(of), 4):
        for kind in (1, 3):
            side = (0, 1) if kind < 2 else (2, 3, 4)
            changed = with_lessons(model, lessons_of(of, [i], kind))
            # A lesson on the wrong side moves the probability of spam too; the kinds do not.
            assert (
                model.probabilities(of) == replace(model, kinds=changed.kinds).probabilities(of)
            ).all()
            moved = changed.kinds.logits(of) - before
            rest = [one for one in range(5) if one not in side]
            assert not moved[:, rest].any()
            for other in side:
                if other == kind:
                    continue
                shift = moved[:, kind] - moved[:, other]
                apart = before[i, kind] - before[i, other]
                least = min(max(MARGIN - apart, 0), MAX_SHIFT)
                assert least - 1e-3 <= shift[i] <= MAX_SHIFT * 1.5 + 1e-3
                assert (np.abs(shift) <= MAX_SHIFT * 1.5 * sizes / sizes[i] + 1e-3).all()


def test_scams_and_not_commercial_spam(mail, tmp_path):
    """What users said of a kind is learned, kept over files, and undone."""
    path, of, model = tmp_path / "a.db", all_rows(mail), load_model()
    there = [row for row in rows_of(path) if row[1] == "Commercial Spam"]
    assert len(there) > 3
    for uid, _, _ in there:
        correct(path, uid, user="Scams")
    with open_store(path) as store:
        done = learn.learn(store)
        assert done.lessons == len(there) == done.turned + done.open_  # one may be too sure to turn
        assert done.open_ <= 2
        after = decision.model_of(decision.state_of(store).current)
        found = load_model(done.model)
        assert (found.kinds.change == after.kinds.change).all()
        probability = after.probabilities(of)
        _, category, _ = after.categories(probability, of)
        turned = [uid for uid, _, _ in there if category[int(uid[:3])] == 3]
        assert len(turned) == done.turned
        assert (after.weights == model.weights).all()  # they were spam before
        with pytest.raises(ModelError, match="as its lessons"):
            after.save(tmp_path / "b.npz")
        assert len(after.about["lesson_contents"]) == len(there)  # so evaluations leave them out
        assert learn.undo(store).current is None
    assert load_model().kinds.change is None
    # A run with the corrected model stores the corrected kinds.
    triage(str(mail), tmp_path / "c.db", model=done.model)
    stored = {uid: kind for uid, kind, _ in rows_of(tmp_path / "c.db")}
    assert all(stored[uid] == "Scams" for uid in turned)


def test_kinds_below_keep_their_corrections(mail, tmp_path):
    """Lessons on top of lessons: what the lower ones changed stays changed."""
    of, model = all_rows(mail), load_model()
    lower = lessons_of(of, [0], 3).fitted(model)
    lower.save(tmp_path / "lower.npz")
    made = lessons_of(of, [1], 4)
    upper = Lessons(made.lessons, str(tmp_path / "lower.npz")).fitted(
        load_model(tmp_path / "lower.npz")
    )
    upper.save(tmp_path / "upper.npz")
    both = load_model(tmp_path / "upper.npz").kinds.logits(of)
    below = load_model(tmp_path / "lower.npz").kinds.logits(of)
    assert both[1, 4] - both[1, 2] > below[1, 4] - below[1, 2] - 1e-6
    assert (
        abs((both[0] - below[0]).sum()) < 1e-3
    )  # a step up for one kind is a step down for another
    assert not (below == model.kinds.logits(of)).all()


def test_lessons_of_the_older_form_are_named(tmp_path, mail):
    of = all_rows(mail)
    lessons_of(of, [0], 3).fitted(load_model()).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as parts:
        kept = dict(parts)
    head = json.loads(bytes(kept["head"])) | {"format": "atlas_fast lessons 1"}
    kept["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    np.savez(tmp_path / "b.npz", **kept)
    with pytest.raises(ModelError, match="learn --again"):
        load_model(tmp_path / "b.npz")
