"""Which classifier judges a message, and the state of a rollout.

The side is a function of the message key and the percentage alone: equal in every process and run,
and a message that is on the new side at 10 % is there at 20 %. The state is a value; who keeps it
changes it in one step (`decision`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from atlas_fast.errors import ModelError, UsageError

__all__ = ["ModelFile", "State", "Trial", "chosen", "promote", "rollback", "set_percent"]

DIGEST = slice(8, 24)
"""Where the digest stands in a message key."""

SIDE, SAMPLE = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03
"""What is mixed into a key for the two questions, so that their answers have nothing in common."""

DEFAULT_SAMPLE = 1.0
MAX_HISTORY = 200


@dataclass(frozen=True)
class Trial:
    """Of a batch in a rollout: `new` bool (n,), whom the candidate decided; `both` int64 (k,), the
    rows of the sample; `category` uint8 (2, k) and `confidence` float32 (2, k) of these by the
    current and by the candidate, `subcategory` by the candidate; `scored`: rows that each was
    given, and `nanoseconds` that it took."""

    new: np.ndarray
    both: np.ndarray
    category: np.ndarray
    confidence: np.ndarray
    subcategory: list[str]
    scored: tuple[int, int]
    nanoseconds: tuple[int, int]


def chosen(keys: np.ndarray, percent: float, mix: int = SIDE) -> np.ndarray:
    """bool (n,): the keys (uint8 (n, 24)) that belong to `percent` of all."""
    n = len(keys)
    limit = int(percent / 100 * 2.0**64)
    if limit >= 1 << 64:
        return np.ones(n, bool)
    words = np.ascontiguousarray(keys[:, DIGEST]).view("<u8").astype(np.uint64)
    x = words[:, 0] ^ (words[:, 1] + np.uint64(mix))
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x < np.uint64(limit)


@dataclass(frozen=True)
class ModelFile:
    """A model by path, and the digest of the file when it was named."""

    path: str
    digest: str


@dataclass(frozen=True)
class State:
    """`current` decides (None: the shipped model), but for the `percent` of messages that the
    `candidate` does; `sample` is the percentage that both judge. `before`: what led here, each
    (`promote` or `learn`, the model before it). `history`: what was done, the newest last."""

    current: ModelFile | None = None
    candidate: ModelFile | None = None
    percent: float = 0.0
    sample: float = DEFAULT_SAMPLE
    before: tuple[tuple[str, ModelFile | None], ...] = ()
    history: tuple[dict[str, Any], ...] = ()

    @property
    def running(self) -> bool:
        """Do two classifiers take part?"""
        return self.candidate is not None and (self.percent > 0 or self.sample > 0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "current": _plain(self.current),
            "candidate": _plain(self.candidate),
            "percent": self.percent,
            "sample": self.sample,
            "before": [[did, _plain(file)] for did, file in self.before],
            "history": list(self.history),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any] | None) -> State:
        """ModelError when it was not made by `to_dict`."""
        if given is None:
            return cls()
        try:
            return cls(
                _file(given["current"]),
                _file(given["candidate"]),
                percentage(float(given["percent"])),
                percentage(float(given["sample"])),
                tuple((str(did), _file(file)) for did, file in given["before"]),
                tuple(dict(one) for one in given["history"]),
            )
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise ModelError(f"the store's rollout setting is damaged: {error!r}") from error

    def noted(self, at: str, did: str, **more: Any) -> State:
        """With a line of history."""
        line = {"at": at, "did": did, "current": _plain(self.current), **more}
        return replace(self, history=(*self.history, line)[-MAX_HISTORY:])


def _plain(file: ModelFile | None) -> dict[str, str] | None:
    return None if file is None else {"path": file.path, "digest": file.digest}


def _file(given: Any) -> ModelFile | None:
    return None if given is None else ModelFile(str(given["path"]), str(given["digest"]))


def percentage(value: float) -> float:
    """The value, if it is one of 0 to 100; UsageError else."""
    if not (math.isfinite(value) and 0 <= value <= 100):
        raise UsageError(f"{value} is no percentage: 0 to 100")
    return value


def set_percent(
    state: State,
    percent: float,
    at: str,
    *,
    candidate: ModelFile | None = None,
    sample: float | None = None,
) -> State:
    """Send `percent` of the messages to the candidate. UsageError without one."""
    candidate = candidate or state.candidate
    if candidate is None:
        raise UsageError("there is no candidate: name a model with --candidate")
    made = replace(
        state,
        candidate=candidate,
        percent=percentage(percent),
        sample=state.sample if sample is None else percentage(sample),
    )
    return made.noted(at, "set", percent=percent, candidate=_plain(candidate))


def promote(state: State, at: str) -> State:
    """The candidate becomes the current model. UsageError without one."""
    if state.candidate is None:
        raise UsageError("there is no candidate to promote")
    made = replace(
        state, current=state.candidate, candidate=None, percent=0.0,
        before=(*state.before, ("promote", state.current)),
    )  # fmt: skip
    return made.noted(at, "promote")


def rollback(state: State, at: str) -> State:
    """Give up the candidate; where there is none, take back the last promotion."""
    if state.candidate is not None:
        return replace(state, candidate=None, percent=0.0).noted(at, "rollback")
    return _taken_back(state, "promote", "rollback", at)


def learned(state: State, file: ModelFile, at: str, lessons: int) -> State:
    """A model with lessons becomes the current one."""
    made = replace(state, current=file, before=(*state.before, ("learn", state.current)))
    return made.noted(at, "learn", lessons=lessons)


def undo(state: State, at: str) -> State:
    """Take back the last lessons."""
    return _taken_back(state, "learn", "undo", at)


def _taken_back(state: State, kind: str, did: str, at: str) -> State:
    ways = {"promote": "`atlas-fast rollout rollback`", "learn": "`atlas-fast learn --undo`"}
    if not state.before:
        raise UsageError("there is nothing to take back: the model is the shipped one")
    last, file = state.before[-1]
    if last != kind:
        raise UsageError(f"the last change was a {last}: {ways[last]} takes it back")
    return replace(state, current=file, before=state.before[:-1]).noted(at, did)
