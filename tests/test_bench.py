"""The paired runner: order, ratios, checks."""

import gc
import itertools

import pytest

from atlas_fast.bench.paired import Contestant, compare


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
