"""Stage timings. A clock belongs to one thread; clocks are added up when their batch is done."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from atlas_fast.observe.trace import Trace

T = TypeVar("T")


class StageClock:
    """Seconds by stage, in the order in which stages were first met.

    `seconds` is wall time: with several workers the stages of different batches overlap, and their
    sum may exceed the run's. A `trace` gets every stretch that is measured.
    """

    __slots__ = ("seconds", "trace")

    def __init__(self, trace: Trace | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self.trace = trace

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of the `with` body, also when it raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.add(stage, spent)
            if self.trace is not None:
                self.trace.add(stage, start, spent)

    def each(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """The items; the time that the iterable takes to make them is added."""
        iterator = iter(items)
        while True:
            with self.measure(stage):
                item = next(iterator, self)
            if item is self:
                return
            yield item  # type: ignore[misc]

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def merge(self, other: StageClock) -> None:
        """Add another clock's times."""
        for stage, seconds in other.seconds.items():
            self.add(stage, seconds)
