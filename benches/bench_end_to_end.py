"""Files to durable rows, one worker, and the baseline on a sample."""

import pytest

from atlas_fast import SqliteStore, triage
from atlas_fast.bench.baseline import Baseline, geo_available


@pytest.mark.parametrize("form", ["folder", "mbox"])
@pytest.mark.benchmark(group="end to end")
def bench_triage(benchmark, mail, form):
    source = str(mail.folder if form == "folder" else mail.mbox)

    def fresh():
        return (source, mail.fresh("triage.db")), {}

    report = benchmark.pedantic(triage, setup=fresh, rounds=5, warmup_rounds=1)
    assert report.messages == report.stored == len(mail.paths)
    with SqliteStore(mail.scratch / "triage.db") as store:
        assert store.count_messages() == len(mail.paths)
    benchmark.extra_info.update(
        checked=True, messages=report.messages, includes="reading, all stages, rows committed"
    )


@pytest.mark.benchmark(group="end to end")
def bench_baseline(benchmark, mail):
    if not geo_available():
        pytest.skip("geoip2fast is not installed: the baseline would lack its geography")
    sample = mail.paths[:: max(1, len(mail.paths) // 20)]
    baseline = Baseline(mail.scratch / "baseline.db")
    baseline.prepare()
    done = benchmark.pedantic(baseline.run, args=(sample,), rounds=3, warmup_rounds=1)
    assert done == len(sample)
    benchmark.extra_info.update(checked=True, messages=done, includes="a commit a message")
