"""The policy beside the scoring that it follows, and a rollout beside one model.

What decides is compared first: without rules nothing changes, in a rollout each message has the
verdict of its own model.
"""

from dataclasses import replace

import numpy as np
import pytest

from atlas_fast.cache import Cache
from atlas_fast.classify.model import load_model
from atlas_fast.classify.policy import Policy
from atlas_fast.classify.rollout import chosen
from atlas_fast.sources import open_source
from atlas_fast.stages import decide, features, parse, policy
from atlas_fast.stages.enrich import Enricher
from atlas_fast.stages.judge import Judge

MESSAGES = 2000
KEYWORDS = tuple(f"a phrase that nobody writes {i}" for i in range(100))
WORDS = ("with the shipped rules", "with 100 keywords", "with a whitelist of 10,000")
RULES = (
    Policy(),
    Policy(KEYWORDS),
    Policy(whitelist=frozenset(f"nobody{i}.example" for i in range(10_000))),
)


@pytest.fixture(scope="module")
def batch():
    (made,) = open_source(f"synthetic:{MESSAGES},1").batches(MESSAGES, 1 << 30)
    parse.run(made)
    for _, stage in Enricher(cache=Cache(None)).stages:
        stage(made)
    features.run(made)
    assert len(made.keys) == MESSAGES
    return made


@pytest.mark.benchmark(group="decision of 2,000 messages")
def bench_one_model(benchmark, batch):
    model = load_model()
    benchmark(lambda: decide.run(batch, model))


@pytest.mark.parametrize("which", range(3), ids=WORDS)
@pytest.mark.benchmark(group="decision of 2,000 messages")
def bench_policy(benchmark, batch, which):
    decide.run(batch, load_model())
    before = batch.verdict
    policy.run(batch, RULES[which])
    changed = np.count_nonzero(batch.verdict.action != before.action)
    assert changed == sum(one.rule == "DOMAIN" for one in batch.verdict.rulings.values())

    def again():
        batch.verdict = before
        policy.run(batch, RULES[which])

    benchmark(again)
    benchmark.extra_info.update(checked=True, messages=MESSAGES)


@pytest.mark.benchmark(group="decision of 2,000 messages")
def bench_rollout(benchmark, batch):
    old = load_model()
    judge = Judge(old, replace(old, bias=old.bias + 1), 10.0, 1.0)
    judge.decide(batch)
    mine = ~chosen(batch.keys, 10.0)
    alone = decide.judge(batch.features, old)
    assert (batch.verdict.probability[mine] == alone.probability[mine]).all()
    benchmark(lambda: judge.decide(batch))
    benchmark.extra_info.update(checked=True, messages=MESSAGES)
