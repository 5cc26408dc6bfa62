"""How much of the machine others had while something was measured (Linux)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Others"]


@dataclass(frozen=True, slots=True)
class Spell:
    """One measured call: wall and processor seconds of it, and the share of the machine that other
    processes had meanwhile."""

    wall: float
    cpu: float
    others: float


class Others:
    """Calls by name. The first of each is its warming up and does not count."""

    def __init__(self) -> None:
        self._spells: dict[str, list[Spell]] = {}

    @contextmanager
    def watch(self, name: str) -> Iterator[None]:
        """Measure the `with` body."""
        wall, cpu, busy = time.perf_counter(), time.process_time(), _busy()
        yield
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        theirs = max(0.0, _busy() - busy - cpu)
        share = theirs / (wall * (os.cpu_count() or 1))
        self._spells.setdefault(name, []).append(Spell(wall, cpu, share))

    def of(self, name: str) -> list[Spell]:
        """Of each round."""
        return self._spells[name][1:]


def _busy() -> float:
    """Processor seconds that all programs have used since the start; 0 where nobody tells."""
    try:
        with open("/proc/stat") as file:
            numbers = [int(number) for number in file.readline().split()[1:]]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = numbers[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
