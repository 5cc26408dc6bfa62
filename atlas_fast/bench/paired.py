"""Paired timing: every contestant runs once a round, in one process, in alternating order.

Times on a shared machine drift by tens of percent within minutes, so a ratio of two separate
measurements says little. Here a ratio is taken within each round, where both sides saw the same
machine, and the median over the rounds is reported with its quartiles.

The garbage collector is frozen and off while the clock runs. A contestant whose call is shorter
than `min_seconds` is repeated within its turn, the same number of times in every round.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any

__all__ = ["Contestant", "Measured", "Paired", "Ratio", "compare"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One side of a comparison.

    `call` does the whole job once and returns its answer; `items` is how many messages (or rows)
    that is, so that a slow peer may run on a sample; `includes` says in words what is timed.
    `prepare` runs before each call, outside the clock.
    """

    name: str
    call: Callable[[], Any]
    items: int
    includes: str = ""
    prepare: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What one contestant needed: `seconds` per call, one a round."""

    name: str
    items: int
    includes: str
    seconds: tuple[float, ...]

    @property
    def seconds_per_item(self) -> float:
        return median(self.seconds) / self.items

    @property
    def items_per_second(self) -> float:
        return 1.0 / self.seconds_per_item


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times the first contestant's rate is that of `peer`: median, quartiles, extremes."""

    peer: str
    median: float
    low: float
    high: float
    smallest: float
    largest: float


@dataclass(frozen=True, slots=True)
class Paired:
    """A finished comparison. `checked` tells whether answers were compared before the timing."""

    group: str
    rounds: int
    checked: bool
    measured: tuple[Measured, ...]
    ratios: tuple[Ratio, ...]
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; rates are added to each measurement."""
        plain = asdict(self)
        for row, one in zip(plain["measured"], self.measured, strict=True):
            row["items_per_second"] = one.items_per_second
        return plain


def compare(
    group: str,
    contestants: Sequence[Contestant],
    *,
    rounds: int = 7,
    min_seconds: float = 0.02,
    check: Callable[[dict[str, Any]], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    notes: Sequence[str] = (),
) -> Paired:
    """Time the contestants against the first of them.

    Each is called once before the clock starts; `check` gets those answers by name and raises when
    they are not what they must be, so that no time is taken of a wrong answer. `clock` is the wall
    clock; time.process_time suits code that neither waits nor starts threads.
    Raises ValueError when there are fewer than three rounds or no contestant.
    """
    if rounds < 3 or not contestants:
        raise ValueError("a comparison needs a contestant and three rounds")
    answers, repeats = {}, {}
    for one in contestants:
        took, answers[one.name] = _timed(one, 1, clock)
        repeats[one.name] = max(1, round(min_seconds / max(took, 1e-9)))
    if check is not None:
        check(answers)
    del answers
    times: dict[str, list[float]] = {one.name: [] for one in contestants}
    with _quiet():
        for number in range(rounds):
            for one in contestants if number % 2 == 0 else reversed(contestants):
                times[one.name].append(_timed(one, repeats[one.name], clock)[0])
    measured = tuple(
        Measured(one.name, one.items, one.includes, tuple(times[one.name])) for one in contestants
    )
    ratios = tuple(_ratio(measured[0], peer) for peer in measured[1:])
    return Paired(group, rounds, check is not None, measured, ratios, tuple(notes))


def _timed(one: Contestant, repeats: int, clock: Callable[[], float]) -> tuple[float, Any]:
    """Seconds of one call, averaged over `repeats`, and the last answer."""
    spent, answer = 0.0, None
    for _ in range(repeats):
        answer = None  # release the old answer outside the clock
        if one.prepare is not None:
            one.prepare()
        start = clock()
        answer = one.call()
        spent += clock() - start
    return spent / repeats, answer


def _ratio(ours: Measured, peer: Measured) -> Ratio:
    each = sorted(
        (theirs / peer.items) / max(mine / ours.items, 1e-12)
        for mine, theirs in zip(ours.seconds, peer.seconds, strict=True)
    )
    low, middle, high = quantiles(each, n=4, method="inclusive")
    return Ratio(peer.name, middle, low, high, each[0], each[-1])


@contextmanager
def _quiet() -> Iterator[None]:
    """Collect once, then keep the collector out of the timed part."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
