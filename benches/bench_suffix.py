"""Registrable domains against the peers, given the same rules: see atlas_fast/bench/domains.py."""

import pytest

from atlas_fast._kernels import suffix
from atlas_fast.bench.domains import check_suffixes, host_names, suffix_contestants

PEERS = ("atlas_fast, column", "atlas_fast, list of str", "tldextract", "pydomainextractor")


@pytest.fixture(scope="module")
def sides(mail):
    names = host_names([path.read_bytes() for path in mail.paths])
    rows, absent = suffix_contestants(names)
    check_suffixes(names, {one.name: one.call() for one in rows})
    return {one.name: one for one in rows}, absent


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.benchmark(group="registrable domain")
def bench_registrable(benchmark, sides, peer):
    found, absent = sides
    if peer in absent:
        pytest.skip(f"{peer} is not installed")
    benchmark(found[peer].call)
    benchmark.extra_info.update(checked=True, names=found[peer].items, layout=suffix.LAYOUT)
