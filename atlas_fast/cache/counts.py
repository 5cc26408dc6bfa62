"""Counters of a kind as people read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["Since", "with_rates"]

STATES = ("l1_entries", "l1_bytes", "l2_entries", "l2_bytes")
"""What is the case; the other counters say what happened, and are taken by their difference."""


def with_rates(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int | float]:
    """Counters of the time between, and two rates.

    `hit_rate`: of the lookups, which are distinct values of their batch, the share that a level of
    the cache had. `known_rate`: of all values that messages asked for, the share that had not to be
    computed; equal ones of a batch are among them. Both are 0 where nothing was asked.
    """
    out: dict[str, int | float] = {
        name: number if name in STATES else number - before.get(name, 0)
        for name, number in after.items()
    }
    hits = out["l1_hits"] + out["l2_hits"]
    lookups = hits + out["computed"]
    out["hit_rate"] = round(hits / lookups, 6) if lookups else 0.0
    asked = out["asked"]
    out["known_rate"] = round(1 - out["computed"] / asked, 6) if asked else 0.0
    return out


class Since:
    """What the caches did since this was made; `counters` asks them, None where there are none."""

    def __init__(self, counters: Callable[[], Mapping[str, Mapping[str, int]]] | None):
        self._ask = counters
        self._before = {} if counters is None else counters()

    def now(self) -> dict[str, dict[str, int | float]]:
        """Counts and rates by kind."""
        if self._ask is None:
            return {}
        return {
            kind: with_rates(after, self._before.get(kind, {}))
            for kind, after in self._ask().items()
        }
