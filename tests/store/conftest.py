"""A PostgreSQL server for the tests that ask for one."""

import itertools

import pytest

from atlas_fast.bench.server import Server, find_programs

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server():
    pytest.importorskip("psycopg")
    if find_programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql)")
    with Server(("fsync = off", "deadlock_timeout = 100ms")) as running:
        yield running


@pytest.fixture
def url(server):
    """An empty database of its own for each test."""
    return server.database(f"test_{next(numbers)}")
