"""Sides by key, one classifier a message, the state of a rollout in a store, from the command."""

import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_fast import Pipeline, decision, triage
from atlas_fast.classify import rollout
from atlas_fast.classify.model import load_model
from atlas_fast.classify.rollout import SAMPLE, State, chosen
from atlas_fast.cli import main
from atlas_fast.errors import ModelError, UsageError
from atlas_fast.sources import open_source
from atlas_fast.stages import decide, features, parse
from atlas_fast.stages.judge import Judge
from atlas_fast.store import open_store
from atlas_fast.store.trials import ab_report, recommendation, wilson

MESSAGES = 600
TESTS = os.path.dirname(os.path.abspath(__file__))


def keys_of(n):
    """Digests of numbers behind eight bytes that are not random, as message keys are."""
    digests = b"".join(
        bytes(2) + i.to_bytes(6, "big") + blake2b(i.to_bytes(8, "big"), digest_size=16).digest()
        for i in range(n)
    )
    return np.frombuffer(digests, np.uint8).reshape(n, 24)


ELSEWHERE = """
from hashlib import blake2b
from test_rollout import chosen, keys_of
new = chosen(keys_of(1_000_000), 10)
print(int(new.sum()), blake2b(new.tobytes()).hexdigest())
"""


def test_a_million_keys_the_same_in_every_process():
    new = chosen(keys_of(1_000_000), 10)
    assert abs(new.mean() - 0.10) < 0.001
    mine = f"{int(new.sum())} {blake2b(new.tobytes()).hexdigest()}"
    for seed in ("0", "77"):
        paths = os.pathsep.join([TESTS, *sys.path])
        other = subprocess.run(
            [sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths},
        )  # fmt: skip
        assert other.stdout.strip() == mine


def test_sides_grow_and_the_sample_is_independent():
    keys = keys_of(200_000)
    before = np.zeros(len(keys), bool)
    for percent in (0, 0.01, 1, 10, 33.3, 50, 99.99, 100):
        now = chosen(keys, percent)
        assert not (before & ~now).any()
        assert abs(now.mean() - percent / 100) < 0.004
        before = now
    assert before.all() and not chosen(keys, 0).any()
    sample, new = chosen(keys, 20, SAMPLE), chosen(keys, 20)
    assert abs((sample & new).mean() - 0.04) < 0.003
    assert not chosen(keys[:0], 50).size


def test_the_side_is_that_of_plain_arithmetic():
    keys = keys_of(500)
    whole = (1 << 64) - 1
    for key, found in zip(keys, chosen(keys, 37.5), strict=True):
        a, b = (int.from_bytes(bytes(key[i : i + 8]), "little") for i in (8, 16))
        x = a ^ ((b + 0x9E3779B97F4A7C15) & whole)
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & whole
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & whole
        assert found == ((x ^ (x >> 31)) < int(0.375 * 2**64))


@pytest.fixture(scope="module")
def candidate(tmp_path_factory):
    """A model that is sterner than the shipped one."""
    path = tmp_path_factory.mktemp("models") / "stern.npz"
    model = load_model()
    replace(model, bias=model.bias + 1.0, threshold=0.2).save(path)
    return path


def batches(n, seed=1):
    for batch in open_source(f"synthetic:{n},{seed}").batches(250, 1 << 30):
        parse.run(batch)
        features.run(batch)
        yield batch


def test_each_message_has_the_verdict_of_its_classifier(candidate):
    old, new = load_model(), load_model(candidate)
    judge = Judge(old, new, 30.0, 20.0)
    seen = 0
    for batch in batches(MESSAGES):
        judge.decide(batch)
        trial, verdict = batch.verdict.trial, batch.verdict
        sides = chosen(batch.keys, 30)
        assert (trial.new == sides).all()
        for side, model in enumerate((old, new)):
            alone = decide.judge(batch.features, model, decide.no_mail(batch))
            mine = sides == bool(side)
            for name in ("probability", "category", "action", "probabilities", "subcategory"):
                assert (getattr(verdict, name)[mine] == getattr(alone, name)[mine]).all()
            for name in ("groups", "columns", "shares"):
                column = getattr(verdict.reasons, name)
                assert (column[mine] == getattr(alone.reasons, name)[mine]).all()
            assert (trial.category[side] == alone.category[trial.both]).all()
        assert (trial.both == np.flatnonzero(chosen(batch.keys, 20, SAMPLE))).all()
        assert sum(trial.scored) == len(batch) + len(trial.both)
        seen += len(trial.both)
    assert seen > 50


@pytest.mark.parametrize("workers", [1, 2])
def test_counters_prove_one_classifier_a_message(tmp_path, candidate, monkeypatch, workers):
    """The report's counters, and a count of every row that a model was really given."""
    given_rows = []
    real = decide.judge
    monkeypatch.setattr(
        decide, "judge", lambda rows, *a: given_rows.append(len(rows)) or real(rows, *a)
    )
    path = tmp_path / "a.db"
    with open_store(path) as store:
        decision.set_rollout(store, 25, candidate=candidate, sample=10)
    report = triage(f"synthetic:{MESSAGES},2", path, workers)
    counts = report.classifiers
    assert counts["old"] + counts["new"] == MESSAGES
    assert counts["scored_old"] + counts["scored_new"] == MESSAGES + counts["both"]
    assert sum(given_rows) == MESSAGES + counts["both"]
    assert counts["both"] < MESSAGES / 5
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT selected_classifier, categories_match, old_category = new_category, email_uid, "
        "processing_time_old > 0, processing_time_new > 0 FROM ab_testing_results"
    ).fetchall()
    connection.close()
    assert len(rows) == counts["both"]
    assert all(row[1] == row[2] and row[4] and row[5] for row in rows)
    assert {row[0] for row in rows} == {"old", "new"}
    with open_store(path) as store:
        found = decision.status(store)["metrics"]
        assert store.check() == []
    assert found["total_classifications"] == MESSAGES
    assert found["new_classifier_uses"] == counts["new"]
    assert found["total_comparisons"] == counts["both"]
    low, high = found["category_match_rate_interval"]
    assert low <= found["category_match_rate"] <= high
    again = triage(f"synthetic:{MESSAGES},2", path, workers)
    assert again.classifiers == {}  # all are known


def test_without_a_rollout_nothing_of_it_runs(tmp_path, candidate):
    report = triage(f"synthetic:{MESSAGES},2", tmp_path / "a.db")
    assert report.classifiers == {}
    with open_store(tmp_path / "b.db") as store:
        decision.set_rollout(store, 50, candidate=candidate)
    pipeline = Pipeline(model=candidate)
    report = triage(f"synthetic:{MESSAGES},2", tmp_path / "b.db", pipeline=pipeline)
    assert report.classifiers == {}  # a model that was asked for judges alone


def test_promoted_and_given_up(tmp_path, candidate):
    path = tmp_path / "a.db"
    source = f"synthetic:{MESSAGES},2"
    shipped = triage(source).categories
    stern = triage(source, model=candidate).categories
    assert shipped != stern
    with open_store(path) as store:
        with pytest.raises(UsageError, match="no candidate"):
            decision.set_rollout(store, 10)
        with pytest.raises(UsageError, match="no candidate"):
            decision.promote(store)
        with pytest.raises(UsageError, match="nothing to take back"):
            decision.rollback(store)
        decision.set_rollout(store, 10, candidate=candidate)
        assert decision.set_rollout(store, 20).percent == 20
        assert decision.rollback(store).candidate is None
        decision.set_rollout(store, 10, candidate=candidate)
        assert decision.promote(store).current.path == str(candidate.resolve())
    assert triage(source, path).categories == stern
    with open_store(path) as store:
        assert decision.rollback(store).current is None
        did = [line["did"] for line in decision.state_of(store).history]
    assert did == ["set", "set", "rollback", "set", "promote", "rollback"]
    assert triage(source, tmp_path / "b.db").categories == shipped


def test_a_model_that_changed_is_not_used(tmp_path):
    path, model = tmp_path / "a.db", tmp_path / "m.npz"
    load_model().save(model)
    with open_store(path) as store:
        decision.set_rollout(store, 10, candidate=model)
        replace(load_model(), threshold=0.1).save(model)
        with pytest.raises(ModelError, match="has changed"):
            decision.promote(store)
        assert decision.state_of(store).candidate is not None
    with pytest.raises(ModelError, match="rollback"):
        triage("synthetic:5", path)
    model.unlink()
    with pytest.raises(ModelError, match="rollback"):
        triage("synthetic:5", path)
    with open_store(path) as store, pytest.raises(ModelError):
        decision.set_rollout(store, 10, candidate=tmp_path / "absent.npz")


CHANGER = """
import sys
from atlas_fast import decision
from atlas_fast.store import open_store
with open_store(sys.argv[1]) as store:
    for percent in range(15):
        decision.set_rollout(store, percent, candidate=sys.argv[2] if percent == 0 else None)
"""


def test_changes_of_several_processes_follow_each_other(tmp_path, candidate):
    path = tmp_path / "a.db"
    open_store(path).close()
    children = [
        subprocess.Popen([sys.executable, "-c", CHANGER, str(path), str(candidate)])
        for _ in range(3)
    ]
    assert [child.wait(120) for child in children] == [0, 0, 0]
    with open_store(path) as store:
        assert len(decision.state_of(store).history) == 45


def test_a_change_that_fails_leaves_the_state(tmp_path, candidate):
    with open_store(tmp_path / "a.db") as store:
        decision.set_rollout(store, 10, candidate=candidate)
        before = decision.state_of(store)
        with pytest.raises(ZeroDivisionError):
            decision.change(store, lambda state, at: 1 / 0)
        with pytest.raises(RuntimeError), store.transaction():
            decision.promote(store)
            raise RuntimeError
        assert decision.state_of(store) == before
        with store.transaction() as connection:
            connection.execute("UPDATE ml_settings SET setting_value = '{\"current\": 3}'")
        with pytest.raises(ModelError, match="damaged"):
            decision.state_of(store)


@given(st.lists(st.sampled_from(["set", "promote", "rollback", "learn", "undo"]), max_size=12))
def test_every_state_survives_its_stored_form(steps):
    state, file = State(), rollout.ModelFile("/m", "d")
    depth = 0
    for step in steps:
        do = {
            "set": lambda s: rollout.set_percent(s, 5, "t", candidate=file),
            "promote": lambda s: rollout.promote(s, "t"),
            "rollback": lambda s: rollout.rollback(s, "t"),
            "learn": lambda s: rollout.learned(s, file, "t", 1),
            "undo": lambda s: rollout.undo(s, "t"),
        }[step]
        try:
            state = do(state)
        except UsageError:
            continue
        depth = len(state.before)
        assert State.from_dict(json.loads(json.dumps(state.to_dict()))) == state
    while depth:  # whatever was done, there is a way back to the shipped model
        last = state.before[-1][0]
        state = replace(state, candidate=None)
        state = (rollout.rollback if last == "promote" else rollout.undo)(state, "t")
        depth -= 1
    assert state.current is None


@pytest.mark.parametrize("percent", [-1, 101, float("nan"), float("inf")])
def test_percentages(percent):
    with pytest.raises(UsageError, match="percentage"):
        rollout.set_percent(State(), percent, "t", candidate=rollout.ModelFile("/m", "d"))


def test_wilson():
    """Against the score test that the interval inverts: at its ends |z| is 1.96."""
    for hits, n in ((0, 10), (1, 10), (5, 10), (10, 10), (934, 1016), (1, 100_000)):
        low, high = wilson(hits, n)
        assert 0 <= low <= hits / n <= high <= 1
        for end in (low, high):
            if 0 < end < 1:
                z = (hits / n - end) / (end * (1 - end) / n) ** 0.5
                assert abs(abs(z) - 1.959963984540054) < 1e-6
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("compared", "rate", "percent", "action", "onward"),
    [
        (0, None, 10, "wait", None),
        (99, 100.0, 10, "wait", None),
        (100, 98.0, 10, "wait", None),
        (1000, 80.0, 10, "look", None),
        (1000, 98.0, 10, "increase", 25),
        (1000, 98.0, 0, "increase", 1),
        (1000, 98.0, 33, "increase", 50),
        (1000, 100.0, 100, "promote", None),
    ],
)
def test_recommendation(compared, rate, percent, action, onward):
    """Few messages decide nothing, as the interval is wide; disagreement stops the rollout."""
    figures = {"total_comparisons": compared, "agreement_rate": rate}
    found = recommendation(figures, percent)
    assert (found.action, found.percent) == (action, onward)
    report = json.loads(json.dumps(ab_report(figures, percent, "t")))
    assert report["recommendation"] == found.text and report["next"]["action"] == action
    assert report["rollout_percentage"] == percent and report["total_comparisons"] == compared


def test_the_command(tmp_path, candidate, capsys):
    path = str(tmp_path / "a.db")

    def run(*arguments):
        code = main(["rollout", *arguments, "--store", path])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert run("status")[0] == 1  # there is no store, and none is made
    open_store(path).close()
    assert run("set", "10")[0] == 2
    assert run("set", "10", "--candidate", str(candidate), "--sample", "50")[0] == 0
    assert main(["run", f"synthetic:{MESSAGES},2", "--store", path, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["classifiers"]["old"] + report["classifiers"]["new"] == MESSAGES
    code, out, _ = run("status")
    assert code == 0 and "same category" in out and "stern.npz" in out and "next" in out
    found = json.loads(run("status", "--json")[1])
    assert found["recommendation"]["action"] in ("wait", "look", "increase", "promote")
    assert found["percent"] == 10 and found["metrics"]["total_classifications"] == MESSAGES
    assert run("promote")[0] == 0 and run("rollback")[0] == 0
    assert run("rollback")[0] == 2
    with pytest.raises(SystemExit, match="2"):
        run("set", "200", "--candidate", str(candidate))
