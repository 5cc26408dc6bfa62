"""What state a run is in: it ended, is going on, or was cut short."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atlas_fast.store.views import RunRow
from atlas_fast.web.site import Site

__all__ = ["State", "states_of"]


@dataclass(frozen=True, slots=True)
class State:
    """`word` for people, `tone` its colour, `live`: it is going on."""

    word: str
    tone: str
    live: bool = False


ENDED, CUT = State("ended", "good"), State("interrupted", "warn")
ON = {"running": State("going on", "info", True), "stalled": State("waiting", "warn", True)}


def states_of(site: Site, runs: Iterable[RunRow]) -> dict[int, State]:
    """By the run's number. A run without an end is going on while its process says so."""
    runs = list(runs)
    if all(run.ended is not None for run in runs):
        return {run.id: ENDED for run in runs}
    said = {one.run: one.state for one in site.live()}
    return {
        run.id: ENDED if run.ended is not None else ON.get(said.get(run.id, ""), CUT)
        for run in runs
    }
