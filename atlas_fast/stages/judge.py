"""The decision of a run: a model, or two in a rollout, and the policy above them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from atlas_fast.batch import Batch
from atlas_fast.classify.kinds import subcategory_name
from atlas_fast.classify.model import Model
from atlas_fast.classify.policy import Policy
from atlas_fast.classify.rollout import SAMPLE, Trial, chosen
from atlas_fast.stages import decide, policy
from atlas_fast.stages.decide import Reasons, Verdicts

__all__ = ["Judge"]


@dataclass
class Judge:
    """`model` judges, but for the `percent` of messages that belong to the `candidate`; `sample`
    percent are judged by both. Stages of a run; it is not changed while one lasts."""

    model: Model
    candidate: Model | None = None
    percent: float = 0.0
    sample: float = 0.0
    policy: Policy = field(default_factory=Policy)

    def decide(self, batch: Batch) -> None:
        """Fill `batch.verdict`; with a candidate its `trial` too."""
        if self.candidate is None or not (self.percent or self.sample):
            decide.run(batch, self.model)
            return
        blank = decide.no_mail(batch)
        new = chosen(batch.keys, self.percent)
        both = np.flatnonzero(chosen(batch.keys, self.sample, SAMPLE))
        models = (self.model, self.candidate)
        made, parts, scored, took = [], [], [], []
        for side, model in enumerate(models):
            mine = np.flatnonzero(new == bool(side))
            extra = both[new[both] != bool(side)]  # of the sample, what the other one decides
            rows = np.concatenate([mine, extra])
            begin = time.perf_counter_ns()
            verdicts = decide.judge(batch.features.take(rows), model, blank[rows])
            took.append(time.perf_counter_ns() - begin)
            scored.append(len(rows))
            made.append((rows, verdicts))
            parts.append((mine, _head(verdicts, len(mine))))
        category, confidence = np.empty((2, len(both)), np.uint8), np.empty((2, len(both)), "f4")
        subcategory: list[str] = []
        for side, (rows, verdicts) in enumerate(made):
            place = np.empty(len(batch), np.int64)
            place[rows] = np.arange(len(rows))
            at = place[both]
            category[side] = verdicts.category[at]
            spam = verdicts.probability[at]
            confidence[side] = np.where(verdicts.action[at] == decide.DELETE, spam, 1 - spam)
            if side:
                subcategory = [subcategory_name(int(code)) for code in verdicts.subcategory[at]]
        trial = Trial(
            new, both, category, confidence, subcategory,
            (scored[0], scored[1]), (took[0], took[1]),
        )  # fmt: skip
        batch.verdict = replace(_joined(parts, len(batch)), trial=trial)

    def rule(self, batch: Batch) -> None:
        """Apply the policy."""
        policy.run(batch, self.policy)


def _arrays(of: Any) -> list[str]:
    return [one.name for one in fields(of) if isinstance(getattr(of, one.name), np.ndarray)]


def _head(verdicts: Verdicts, n: int) -> Verdicts:
    """The first n."""

    def head(of: Any) -> dict[str, Any]:
        return {name: getattr(of, name)[:n] for name in _arrays(of)}

    reasons = verdicts.reasons
    assert reasons is not None
    return replace(verdicts, **head(verdicts), reasons=replace(reasons, **head(reasons)))


def _joined(parts: list[tuple[np.ndarray, Verdicts]], n: int) -> Verdicts:
    """Verdicts of n messages from those of their parts, each with its rows."""

    def column(pick: Any) -> np.ndarray:
        first = pick(parts[0][1])
        out = np.empty((n, *first.shape[1:]), first.dtype)
        for rows, verdicts in parts:
            out[rows] = pick(verdicts)
        return out

    whole = parts[0][1]
    reasons = Reasons(
        *(column(lambda v, name=one.name: getattr(v.reasons, name)) for one in fields(Reasons))
    )
    columns: dict[str, Any] = {
        name: column(lambda v, name=name: getattr(v, name)) for name in _arrays(whole)
    }
    return replace(whole, **columns, reasons=reasons)
