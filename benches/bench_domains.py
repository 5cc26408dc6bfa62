"""The original's rules, and Unicode's view, over the distinct domains of the mail."""

import pytest

from atlas_fast._kernels import confusables, domains, namesets
from atlas_fast.bench.domains import host_names, rule_contestants


@pytest.mark.parametrize("what", ["rules", "looks"])
@pytest.mark.benchmark(group="domain rules")
def bench_rules(benchmark, mail, what):
    names = host_names([path.read_bytes() for path in mail.paths])
    one = next(one for one in rule_contestants(names) if one.name.endswith(what))
    benchmark(one.call)
    flags = len(confusables.FLAGS) if what == "looks" else len(domains.REASONS)
    benchmark.extra_info.update(checked=False, names=one.items, bits=flags)


@pytest.mark.benchmark(group="name sets, 10,000 look-ups of which half are found")
def bench_name_sets(benchmark):
    names = [b"name%d" % number for number in range(1000)]
    asked = [b"name%d" % number for number in range(2000)] * 5
    found = namesets.NameSet(names)
    assert [found.position(name) for name in asked[:1001]] == [*range(1000), -1]
    benchmark(lambda: [found.position(name) for name in asked])
