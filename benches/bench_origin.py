"""Origins of messages; that both doors agree is checked first."""

import pytest

from atlas_fast._kernels import origin
from atlas_fast.bench import auth as peers


@pytest.fixture(scope="module")
def sides(mail):
    found, _ = peers.verdict_contestants([path.read_bytes() for path in mail.paths[:2000]])
    peers.check_origins({one.name: one.call() for one in found})
    assert len(origin.REASONS) == 7
    return found


@pytest.mark.parametrize(
    "which", [0, 1, 2], ids=["origin and verdict", "origin", "patterns by line"]
)
@pytest.mark.benchmark(group="origin and verdict of messages")
def bench_origin(benchmark, sides, which):
    benchmark(sides[which].call)
    benchmark.extra_info.update(messages=sides[which].items, includes=sides[which].includes)
