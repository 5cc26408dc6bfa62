"""The load report: its routes are those that there are, and every one gives its answer."""

import random
import re

import webrig

from atlas_fast.bench.web import Load, measure, routes


def test_each_route_is_asked_and_answers(tmp_path):
    load = measure(tmp_path / "a.db", 1_500, seconds=2.0, readers=3, write=False)
    assert load.errors == {}, load.first_errors
    assert set(load.times) == {route.name for route in routes(load.messages, 30)}
    assert load.rows()[-1][0] == "all" and load.rows()[-1][1] == load.requests
    assert load.server_seconds > 0 and load.to_dict()["routes"]


def test_every_page_and_every_reading_route_is_among_them(tmp_path):
    app = webrig.create_app(tmp_path / "a.db")
    there = set()
    for path, methods in app.openapi()["paths"].items():
        if "get" in methods:
            there.add(path)
    there |= {"/", "/performance", "/messages", "/messages/{number}", "/analytics", "/validation",
              "/runs", "/runs/{number}", "/accounts", "/settings"}  # fmt: skip
    # A page that is not in the document; one that lasts; one of no run; one of the local account.
    there -= {"/api/live/{run}/events", "/api/live/{run}",
              "/api/single-account/{account_id}/all-emails"}  # fmt: skip
    rng = random.Random(1)
    asked = {route.path(rng).partition("?")[0] for route in routes(1_000, 30)}
    for path in there:
        pattern = re.sub(r"\{[^}]*\}", "[^?]+", path)
        assert any(re.fullmatch(pattern, one) for one in asked), path


def test_percentiles():
    load = Load(times={"/": [float(n) for n in range(1, 101)], "/b": [5.0]}, errors={"/b": 1})
    assert load.rows() == [
        ("/", 100, 51.0, 100.0, 100.0, 0), ("/b", 1, 5.0, 5.0, 5.0, 1),
        ("all", 101, 50.0, 99.0, 100.0, 1),
    ]  # fmt: skip
