"""The original's rules, and Unicode's view, over the distinct domains of the mail."""

import pytest

from atlas_fast._kernels import confusables, domains, namesets
from atlas_fast.bench.domains import check_looks, host_names, look_contestants, rule_contestants


@pytest.mark.benchmark(group="domain rules")
def bench_rules(benchmark, mail):
    """Answers are compared with the oracle in tests/test_domains.py."""
    (one,) = rule_contestants(host_names([path.read_bytes() for path in mail.paths]))
    benchmark(one.call)
    benchmark.extra_info.update(names=one.items, reasons=len(domains.REASONS))


@pytest.mark.parametrize("side", [0, 1], ids=["atlas_fast", "confusable-homoglyphs"])
@pytest.mark.benchmark(group="looks of names")
def bench_looks(benchmark, mail, side):
    names = host_names([path.read_bytes() for path in mail.paths])
    sides = look_contestants(names)
    check_looks(names, {one.name: one.call() for one in sides})
    benchmark(sides[side].call)
    benchmark.extra_info.update(checked=True, names=sides[side].items, flags=len(confusables.FLAGS))


@pytest.mark.benchmark(group="name sets, 10,000 look-ups of which half are found")
def bench_name_sets(benchmark):
    names = [b"name%d" % number for number in range(1000)]
    asked = [b"name%d" % number for number in range(2000)] * 5
    found = namesets.NameSet(names)
    assert [found.position(name) for name in asked[:1001]] == [*range(1000), -1]
    benchmark(lambda: [found.position(name) for name in asked])
