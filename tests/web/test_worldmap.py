"""The map of a message's path."""

import re
from xml.etree import ElementTree

import pytest
from webrig import SPAM, Visitor, fill

from atlas_fast.countries import COUNTRY_NAMES
from atlas_fast.web import worldmap
from atlas_fast.web.worldmap import land, map_of, places


def test_countries_stand_where_they_are():
    there = places()
    assert len(there) > 230 and set(there) - set(COUNTRY_NAMES) <= {"AX", "BL", "MF", "SX", "XK"}
    for code, (west, east, south, north) in {
        "DE": (5, 16, 47, 56), "US": (-125, -66, 24, 50), "ZA": (16, 33, -35, -22),
        "NZ": (166, 179, -48, -34), "BR": (-74, -34, -34, 6), "JP": (129, 146, 30, 46),
    }.items():  # fmt: skip
        x, y = there[code]
        assert west <= x - 180 <= east and south <= 90 - y <= north, code
    assert all(0 <= x <= 360 and 0 <= y <= 180 for x, y in there.values())
    assert land().count("M") > 300 and re.fullmatch(r"(M[\d.]+ [\d.]+h0)+", land())


def test_the_way_goes_from_the_oldest_hop_to_the_newest():
    found = map_of(["DE", None, "US", "US", "DE", "ZA"])
    assert [(stop.code, stop.hops) for stop in found.stops] == [
        ("ZA", [5]), ("DE", [4, 0]), ("US", [3, 2]),
    ]  # fmt: skip
    assert found.told == "ZA, then DE, then US, then DE"
    x, y = places()["ZA"]
    assert found.way.split()[0] == f"{x:g},{y:g}" and len(found.way.split()) == 4


@pytest.mark.parametrize("countries", [[], [None, None], ["??", None]])
def test_there_is_none_where_nothing_is_known(countries):
    assert map_of(countries) is None


def test_without_the_package_there_is_none(monkeypatch):
    def absent(_):
        raise ModuleNotFoundError("tzdata")

    monkeypatch.setattr(worldmap.importlib.resources, "files", absent)
    for kept in (worldmap._zones, places, land):
        kept.cache_clear()
    try:
        assert map_of(["DE"]) is None and land() == ""
    finally:
        for kept in (worldmap._zones, places, land):
            kept.cache_clear()


def test_a_page_has_the_map_and_the_same_in_its_table(tmp_path):
    page = Visitor(fill(tmp_path, [SPAM])).get("/messages/1").text
    (drawn,) = re.findall(r'<svg class="world".*?</svg>', page, re.DOTALL)
    tree = ElementTree.fromstring(drawn)
    country = tree.attrib["aria-label"].rpartition(" ")[2]
    assert country in COUNTRY_NAMES and f"<td>{country}</td>" in page
    assert land() in drawn  # not cut
    assert [one.text for one in tree.iter("text")] == [f"{country} 0"]
