"""The trace of a run: what was measured, in a form that trace viewers read."""

import json
import threading

import pytest

from atlas_fast.cli import main
from atlas_fast.errors import AtlasFastError
from atlas_fast.observe import trace as module
from atlas_fast.observe.counters import StageClock
from atlas_fast.observe.trace import Trace


def test_a_clock_hands_its_stretches_on():
    trace = Trace()
    clock = StageClock(trace)
    with clock.measure("parse"):
        pass
    with pytest.raises(KeyError), clock.measure("store"):
        raise KeyError
    events = trace.to_dict()["traceEvents"]
    assert [one["name"] for one in events] == ["thread_name", "parse", "store"]
    assert sum(one["dur"] for one in events[1:]) <= 1e6 * sum(clock.seconds.values()) + 0.2


def test_threads_are_told_apart_and_named():
    trace = Trace()
    for name in ("a", "b"):
        thread = threading.Thread(target=trace.add, args=("parse", 0.0, 1.0), name=name)
        thread.start()
        thread.join()
    found = trace.to_dict()["traceEvents"]
    names = {one["tid"]: one["args"]["name"] for one in found if one["ph"] == "M"}
    assert {names[one["tid"]] for one in found if one["ph"] == "X"} == set(names.values())


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_EVENTS", 3)
    trace = Trace()
    for _ in range(5):
        trace.add("parse", 0.0, 1.0)
    made = trace.to_dict()
    assert sum(one["ph"] == "X" for one in made["traceEvents"]) == 3
    assert made["otherData"] == {"dropped": 2}


def test_the_command_writes_one(tmp_path, capsys):
    target = tmp_path / "trace.json"
    arguments = ["run", "synthetic:300", "--store", str(tmp_path / "a.db"), "--workers", "2"]
    assert main([*arguments, "--profile", str(target), "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    events = [one for one in json.loads(target.read_bytes())["traceEvents"] if one["ph"] == "X"]
    assert {one["name"] for one in events} == set(stages)
    assert all(one["dur"] >= 0 and one["tid"] for one in events)


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(AtlasFastError, match="cannot be written"):
        Trace().write(tmp_path / "no" / "trace.json")
