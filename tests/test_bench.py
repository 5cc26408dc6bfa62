"""The paired runner, the baseline and the command that joins them."""

import contextlib
import gc
import itertools
import json
import sqlite3
from importlib.util import find_spec

import pytest

from atlas_fast.bench import runs, scale
from atlas_fast.bench.baseline import TERMS, Baseline
from atlas_fast.bench.material import material
from atlas_fast.bench.paired import Contestant, compare
from atlas_fast.bench.server import find_programs
from atlas_fast.cli import main
from atlas_fast.errors import UsageError

SPAM = (
    b"Received: from a.example ([8.8.8.8]) by b.example; Mon, 5 Jan 2026 10:00:00 +0000\n"
    b"Authentication-Results: b.example; spf=fail; dkim=pass\n"
    b"From: =?utf-8?q?Jos=C3=A9?= <j@a.example>\nSubject: =?utf-8?b?Y2FzaW5v?= jackpot\n\nplay\n"
)
HAM = b"From: Ann <ann@example.org>\nSubject: minutes\n\nhello\n"


class Clock:
    """A clock that contestants move themselves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_ratio_is_of_rates_per_item():
    clock = Clock()

    def takes(seconds):
        def call():
            clock.now += seconds

        return call

    ours = Contestant("ours", takes(1.0), 100)
    peer = Contestant("peer", takes(2.0), 10)
    done = compare("g", [ours, peer], rounds=3, clock=clock)
    assert done.ratios[0].median == pytest.approx(20.0)
    assert done.measured[0].items_per_second == pytest.approx(100.0)
    assert done.to_dict()["ratios"][0]["peer"] == "peer"


def test_rounds_alternate_and_gc_is_off_while_timed():
    calls = []
    contestants = [
        Contestant(name, lambda name=name: calls.append((name, gc.isenabled())), 1)
        for name in ("a", "b")
    ]
    clock = itertools.count(0, 1).__next__  # each look at the clock is a second later
    compare("g", contestants, rounds=4, clock=clock)
    assert [name for name, _ in calls] == ["a", "b"] + ["a", "b", "b", "a"] * 2
    assert not any(enabled for _, enabled in calls[2:])
    assert gc.isenabled()


def test_median_and_quartiles_come_from_rounds():
    clock, peer_seconds = Clock(), iter([9.0, 1.0, 2.0, 3.0, 4.0, 5.0])

    def ours():
        clock.now += 1.0

    def peer():
        clock.now += next(peer_seconds)

    done = compare("g", [Contestant("o", ours, 1), Contestant("p", peer, 1)], rounds=5, clock=clock)
    ratio = done.ratios[0]
    assert (ratio.smallest, ratio.low, ratio.median, ratio.high, ratio.largest) == (1, 2, 3, 4, 5)


def test_no_time_without_the_right_answer():
    timed = []

    def check(answers):
        assert answers["a"] == answers["b"]

    contestants = [
        Contestant("a", lambda: timed.append(1) or 1, 1),
        Contestant("b", lambda: timed.append(2) or 2, 1),
    ]
    with pytest.raises(AssertionError):
        compare("g", contestants, check=check)
    assert len(timed) == 2
    assert gc.isenabled()


def test_prepare_runs_outside_the_clock():
    clock = Clock()

    def slow_preparation():
        clock.now += 100.0

    def call():
        clock.now += 1.0

    done = compare("g", [Contestant("a", call, 1, prepare=slow_preparation)], rounds=3, clock=clock)
    assert done.measured[0].seconds == (1.0, 1.0, 1.0)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="rounds"):
        compare("g", [Contestant("a", int, 1)], rounds=2)
    with pytest.raises(ValueError, match="contestant"):
        compare("g", [])


def test_baseline_reads_decides_and_commits_each_message(tmp_path):
    (tmp_path / "spam.eml").write_bytes(SPAM)
    (tmp_path / "ham.eml").write_bytes(HAM)
    (tmp_path / "odd.eml").write_bytes(b"\xff\x00 no mail")
    baseline = Baseline(tmp_path / "base.db", geo_builds=0)
    baseline.prepare()
    seen = []
    for name in ("spam", "ham", "odd"):
        baseline.run([tmp_path / f"{name}.eml"])
        connection = sqlite3.connect(tmp_path / "base.db")
        seen = connection.execute(
            "SELECT uid, sender_email, subject, action, category FROM processed_emails_bulletproof"
        ).fetchall()
        connection.close()
    assert seen == [
        ("spam.eml", "Jos\u00e9 <j@a.example>", "casino jackpot", "DELETED", "Gambling Spam"),
        ("ham.eml", "Ann <ann@example.org>", "minutes", "PRESERVED", "Not Spam"),
        ("odd.eml", "", "", "PRESERVED", "Not Spam"),
    ]


def test_baseline_does_the_originals_look_ups(tmp_path):
    assert sum(map(len, TERMS.values())) == 36
    opened = []

    class Counted(Baseline):
        __slots__ = ()

        def _connect(self):
            opened.append(1)
            return super()._connect()

    baseline = Counted(tmp_path / "base.db", geo_builds=0)
    baseline.prepare()
    baseline.process("1", HAM)
    assert len(opened) == 36


def test_baseline_geography(tmp_path):
    pytest.importorskip("geoip2fast")
    baseline = Baseline(tmp_path / "base.db")
    baseline.prepare()
    baseline.process("1", SPAM)
    connection = sqlite3.connect(tmp_path / "base.db")
    found = connection.execute(
        "SELECT sender_ip, sender_country_code, detection_method FROM processed_emails_bulletproof"
    ).fetchall()
    connection.close()
    assert found == [("8.8.8.8", "US", "GEOIP2FAST_LOOKUP")]


def test_command_measures_and_writes_json(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runs, "BASELINE_MESSAGES", 2)
    target = tmp_path / "bench.json"
    arguments = ["bench", "store", "end-to-end", "--messages", "60", "--rounds", "3"]
    assert main([*arguments, "--json", str(target)]) == 0
    found = json.loads(target.read_bytes())
    groups = {one["group"]: one for one in found["comparisons"]}
    assert set(groups) == {"store rows", "end to end, .eml folder", "end to end, mbox"}
    for one in groups.values():
        assert one["checked"] and one["rounds"] == 3
        assert all(len(side["seconds"]) == 3 and side["includes"] for side in one["measured"])
        assert all(0 < ratio["low"] <= ratio["median"] <= ratio["high"] for ratio in one["ratios"])
    out = capsys.readouterr().out
    assert "baseline" in out and "bare executemany" in out


def test_material_without_mail_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no"), material(tmp_path, 1):
        pass


def test_the_comparison_with_postgresql(capsys, tmp_path):
    out = tmp_path / "figures.json"
    arguments = ["bench", "postgres", "--messages", "60", "--rounds", "3", "--json", str(out)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    if find_programs() is None or find_spec("psycopg") is None:
        assert "not installed: " in shown
        return
    names = [one["name"] for one in json.loads(out.read_text())["comparisons"][0]["measured"]]
    assert names == ["atlas_fast", "bare COPY", "executemany", "commit a row"]


def test_scale_tells_rates_efficiency_and_bounds(tmp_path, capsys, monkeypatch):
    @contextlib.contextmanager
    def nobody(paths, scratch):
        yield [], ["filters"]

    monkeypatch.setattr(scale, "BASELINE_MESSAGES", 2)
    monkeypatch.setattr(scale, "peers", nobody)
    target = tmp_path / "bench.json"
    arguments = ["bench", "scale", "--messages", "40", "--scale", "130", "--rounds", "3"]
    assert main([*arguments, "--json", str(target)]) == 0
    found = json.loads(target.read_bytes())
    assert [one["group"] for one in found["comparisons"]] == [
        "scale, whole run", "scale, stages", "scale, kernels alone",
    ]  # fmt: skip
    assert found["comparisons"][0]["measured"][0]["items"] == 130
    (table,) = found["tables"]
    named = {row[0]: row for row in table["rows"]}
    assert {"source", "keys", "parse", "features", "rows", "store", "all"} <= set(named)
    assert all(float(row[1]) > 0 for row in named.values() if row[0] != "cache")
    assert "parallel efficiency, writer included" in capsys.readouterr().out
