"""The way of a message over a small map of the world, as SVG with plain attributes.

The map is the plate carree: a degree is a unit, longitude to the right, latitude up. There are no
shores on it: the cities of the IANA time zone database (package tzdata), as dots, show the land. A
country stands at that of its cities which is nearest to the others.
"""

from __future__ import annotations

import functools
import importlib.resources
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["GRID", "Stop", "WorldMap", "land", "map_of", "places"]

GRID = "".join(f"M{x} 0V180" for x in range(0, 361, 30)) + "".join(
    f"M0 {y}H360" for y in range(0, 181, 30)
)
"""Meridians and parallels, each 30 degrees."""

_LINE = re.compile(r"([A-Z]{2})\t([+-])(\d\d)(\d\d)\d*([+-])(\d\d\d)(\d\d)\d*\t")


@dataclass(frozen=True, slots=True)
class Stop:
    """A country on the way, where it is drawn, and its hops by number."""

    code: str
    x: float
    y: float
    hops: list[int]


@dataclass(frozen=True, slots=True)
class WorldMap:
    """`stops` once each, in the order in which the message came; `way`: points of a line through
    them; `told`: the same in words."""

    stops: list[Stop]
    way: str
    told: str


@functools.cache
def _zones() -> list[tuple[str, float, float]]:
    """(country code, x, y) of all zones; none where the package is absent."""
    try:
        where = importlib.resources.files("tzdata").joinpath("zoneinfo", "zone.tab")
        text = where.read_text("utf-8")
    except (ImportError, OSError):
        return []
    made = []
    for found in map(_LINE.match, text.splitlines()):
        if found is None:
            continue
        code, north, d, m, east, degrees, minutes = found.groups()
        y = (int(d) + int(m) / 60) * (1 if north == "+" else -1)
        x = (int(degrees) + int(minutes) / 60) * (1 if east == "+" else -1)
        made.append((code, round(180 + x, 1), round(90 - y, 1)))
    return made


@functools.cache
def places() -> dict[str, tuple[float, float]]:
    """Where each country is drawn, by its code."""
    cities: dict[str, list[tuple[float, float]]] = {}
    for code, x, y in _zones():
        cities.setdefault(code, []).append((x, y))
    return {
        code: min(some, key=lambda one: sum(math.dist(one, other) for other in some))
        for code, some in cities.items()
    }


@functools.cache
def land() -> Markup:
    """The dots of all zones, as the commands of one path, which a page prints whole."""
    return Markup("".join(f"M{x:g} {y:g}h0" for _, x, y in _zones()))


def map_of(countries: Sequence[str | None]) -> WorldMap | None:
    """The way over the countries of the hops, the newest first as in the message; None where none
    of them can be drawn."""
    there, stops = places(), dict[str, Stop]()
    way: list[str] = []
    for hop, code in reversed(list(enumerate(countries))):
        if code is None or code not in there:
            continue
        if not way or way[-1] != code:
            way.append(code)
        stops.setdefault(code, Stop(code, *there[code], [])).hops.append(hop)
    if not way:
        return None
    line = " ".join(f"{there[code][0]:g},{there[code][1]:g}" for code in way)
    return WorldMap(list(stops.values()), line, ", then ".join(way))
