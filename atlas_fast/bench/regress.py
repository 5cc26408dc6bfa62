"""Two runs of the measurements, compared: what became slower or faster beyond the noise.

Times of two days cannot be compared on a shared machine, ratios within a few rounds can. What others
do makes a call slower, never faster, so the smallest time of `BLOCK` neighbouring rounds stands for
them; a contestant's score there is its time divided by the geometric mean of the group's references
(the yardstick, or else the peers). The change is the ratio of the median scores. It counts when it
is above `FLOOR` and above `ERRORS` standard errors of the two medians, estimated from the quartiles.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from atlas_fast.bench.kernels import YARDSTICK
from atlas_fast.errors import UsageError

__all__ = ["Change", "changes", "read"]

FLOOR = 0.08
"""Changes below this share are never reported: code that did not change moves as much when it is
laid out elsewhere in memory."""

BLOCK = 5
"""Rounds that give one score, where there are enough of them for several."""

ERRORS = 4.0
"""Standard errors that a change must exceed."""

OURS = "atlas_fast"
"""Contestants whose name begins so are ours; in a group with a yardstick, all others are."""


@dataclass(frozen=True, slots=True)
class Change:
    """`change` 0.25: a quarter slower than before; `threshold`: what it had to exceed."""

    group: str
    name: str
    change: float
    threshold: float

    @property
    def verdict(self) -> str:
        if self.change > self.threshold:
            return "slower"
        return "faster" if 1 / (1 + self.change) - 1 > self.threshold else "same"


def read(path: Path) -> dict[str, Any]:
    """Figures that `bench --json` wrote. Raises UsageError when the file holds none."""
    try:
        found = json.loads(path.read_bytes())
        found["comparisons"][0:]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path}: no figures of `atlas-fast bench --json`") from error
    return dict(found)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """One entry for each of our contestants that both have, in the order of `after`."""
    old, out = _scores(before), []
    for key, new in _scores(after).items():
        if key not in old:
            continue
        was, now = median(old[key]), median(new)
        error = math.hypot(_error(old[key]) / was, _error(new) / now)
        out.append(Change(*key, now / was - 1, max(FLOOR, ERRORS * error)))
    return out


def _scores(figures: Mapping[str, Any]) -> dict[tuple[str, str], list[float]]:
    """Our scores, a block of rounds each, by group and name."""
    scores = {}
    for paired in figures["comparisons"]:
        sides = {one["name"]: _blocks(one["seconds"], one["items"]) for one in paired["measured"]}
        if YARDSTICK in sides:
            references = [YARDSTICK]
        else:
            references = [name for name in sides if not name.startswith(OURS)]
        if not references:
            continue
        for name, seconds in sides.items():
            if name not in references:
                scores[paired["group"], name] = [
                    one / _mean([sides[peer][number] for peer in references])
                    for number, one in enumerate(seconds)
                ]
    return scores


def _blocks(seconds: Sequence[float], items: int) -> list[float]:
    """Seconds an item: the smallest of each block, or all where there are only a few rounds."""
    size = BLOCK if len(seconds) >= 3 * BLOCK else 1
    return [min(seconds[at : at + size]) / items for at in range(0, len(seconds) - size + 1, size)]


def _mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _error(values: Sequence[float]) -> float:
    """Standard error of the median, from the quartiles (those of a normal distribution are 1.349
    standard deviations apart, and its median is 1.253 times less certain than its mean)."""
    low, _, high = quantiles(values, n=4, method="inclusive")
    return 1.253 * (high - low) / 1.349 / math.sqrt(len(values))
