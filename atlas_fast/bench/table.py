"""Comparisons as text and as JSON."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from atlas_fast._version import __version__, build_info
from atlas_fast.bench.paired import Paired

__all__ = ["Table", "rows", "to_dict"]

HEAD = ("comparison", "contestant", "per second", "us each", "ratio", "quartiles")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of its own beside the comparisons."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def rows(done: Sequence[Paired]) -> list[tuple[str, ...]]:
    """Table rows in the order of `HEAD`; the ratio is ours to that peer's rate."""
    out: list[tuple[str, ...]] = []
    for paired in done:
        ratios = {ratio.peer: ratio for ratio in paired.ratios}
        for number, one in enumerate(paired.measured):
            ratio = ratios.get(one.name)
            out.append(
                (
                    paired.group if number == 0 else "",
                    one.name,
                    f"{one.items_per_second:,.0f}",
                    f"{one.seconds_per_item * 1e6:,.2f}",
                    "1" if ratio is None else f"{ratio.median:,.2f}",
                    "" if ratio is None else f"{ratio.low:,.2f} .. {ratio.high:,.2f}",
                )
            )
    return out


def to_dict(
    done: Sequence[Paired],
    absent: Sequence[str],
    figures: Sequence[tuple[str, str, str]] = (),
    tables: Sequence[Table] = (),
) -> dict[str, Any]:
    """Everything that was measured, and on what."""
    return {
        "version": __version__,
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "build": build_info(),
        "comparisons": [paired.to_dict() for paired in done],
        "figures": [list(one) for one in figures],
        "tables": [asdict(one) for one in tables],
        "absent": list(absent),
    }
