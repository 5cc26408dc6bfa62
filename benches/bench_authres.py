"""Authentication fields and verdicts; what is read is compared first."""

import pytest

from atlas_fast._kernels import authres, authverdict
from atlas_fast.auth import AuthColumns
from atlas_fast.bench import auth as peers
from atlas_fast.headers import parse_many


@pytest.mark.parametrize("which", [0, 1], ids=["atlas_fast", "authres"])
@pytest.mark.benchmark(group="Authentication-Results, one body at a time, from Python")
def bench_results(benchmark, which):
    sides, absent = peers.result_contestants(25)
    if which >= len(sides):
        pytest.skip(f"{', '.join(absent)} is not installed")
    peers.check_results({one.name: one.call() for one in sides})
    benchmark(sides[which].call)
    benchmark.extra_info.update(checked=True, bodies=sides[which].items)


@pytest.mark.benchmark(group="Authentication-Results, spans alone")
def bench_spans(benchmark):
    bodies = list(peers.RESULTS) * 25
    benchmark(lambda: [authres.parse_results(body, 64, 32) for body in bodies])


@pytest.mark.benchmark(group="verdicts of a batch")
def bench_verdicts(benchmark, mail):
    """Origin, evidence_batch and verdict_batch over real messages with results put on top."""
    raws = [
        b"Authentication-Results: " + peers.RESULTS[i % 4] + b"\n" + path.read_bytes()
        for i, path in enumerate(mail.paths[:2000])
    ]
    columns = parse_many(raws)
    said = AuthColumns(columns)
    assert (said.counted >= 0).mean() > 0.9 and "RESULTS" in authverdict.SOURCES
    benchmark(lambda: AuthColumns(columns))
    benchmark.extra_info.update(messages=len(raws))
