"""What decides in a run: models and rollout as the store says, the policy of store and settings.

All of it is read once, before the first batch; a run does not see what changes meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_fast._kernels.tables import digest
from atlas_fast.classify import rollout
from atlas_fast.classify.model import Model, load_model
from atlas_fast.classify.policy import Policy, from_settings
from atlas_fast.classify.rollout import ModelFile, State
from atlas_fast.errors import ModelError
from atlas_fast.settings import section
from atlas_fast.stages.judge import Judge
from atlas_fast.stages.relays import relays_of
from atlas_fast.store import trials
from atlas_fast.store.rules import UserRules
from atlas_fast.store.trials import metrics, recommendation

if TYPE_CHECKING:
    from atlas_fast.stages.enrich import Enricher
    from atlas_fast.store.sql import SqlStore

__all__ = [
    "ab_report", "change", "local_now", "make_judge", "model_file", "model_of", "policy_of",
    "promote", "protection_of", "relays_of", "rollback", "set_rollout", "state_of", "status",
    "tuning_from", "tuning_of", "use_relays", "use_store",
]  # fmt: skip

SETTING = "atlas_fast classifier"
ABOUT = "models in use, rollout, and what led to them; changed by `atlas-fast rollout` and `learn`"


def make_judge(model: str | Path | None = None) -> Judge:
    """One model, and the policy of the settings file. Raises ModelError, SettingsError."""
    return Judge(load_model(model), policy=policy_of())


NO_POLICY = Policy(validate_domains=False, protect_business=False)


def use_store(judge: Judge, store: Any, *, models: bool, policy: bool = True) -> None:
    """Let the judge follow a store: its rules, unless the caller applies them itself, and with
    `models` its models and rollout."""
    judge.policy = policy_of(store) if policy else NO_POLICY
    if models and hasattr(store, "setting"):
        state = state_of(store)
        judge.model = model_of(state.current)
        judge.candidate = model_of(state.candidate) if state.running else None
        judge.percent, judge.sample = state.percent, state.sample
        threshold = tuning_of(store)["threshold"]
        if threshold is not None:
            judge.model = replace(judge.model, threshold=threshold)
            if judge.candidate is not None:
                judge.candidate = replace(judge.candidate, threshold=threshold)


TUNING = "atlas_fast tuning"


def tuning_from(given: Any) -> dict[str, Any]:
    """`threshold` (None: the model's own) and `trusted_relays`, as `preferences` keeps them; what
    something else has put there counts as nothing."""
    given = given if isinstance(given, dict) else {}
    threshold, relays = given.get("threshold"), given.get("trusted_relays")
    good = isinstance(threshold, float) and 0 < threshold < 1
    texts = relays if isinstance(relays, list) else []
    return {
        "threshold": threshold if good else None,
        "trusted_relays": [one for one in texts if isinstance(one, str)],
    }


def tuning_of(store: SqlStore) -> dict[str, Any]:
    """What the store says of threshold and relays."""
    return tuning_from(store.setting(TUNING))


def use_relays(enricher: Enricher, store: Any) -> None:
    """Let the enrichment trust the relays of a store beside its own."""
    if hasattr(store, "setting"):
        enricher.trust(tuning_of(store)["trusted_relays"])


def policy_of(store: Any = None) -> Policy:
    """The table `[policy]` of the settings, and the rules of a store. Raises SettingsError."""
    policy = from_settings(section("policy"))
    if store is None or not hasattr(store, "rules"):
        return policy
    found = store.rules()
    return policy.and_(
        Policy(
            tuple(found.keywords), tuple(found.protected_subjects), frozenset(found.protected),
            frozenset(found.whitelist), found.flags,
        )
    )  # fmt: skip


def protection_of(patterns: Iterable[Any]) -> Policy:
    """What the settings protect, and what rows of `store.rules.PATTERNS` do; no other rule. Raises
    SettingsError."""
    found = UserRules()
    found.protect(patterns)
    settings = from_settings(section("policy"))
    return replace(
        NO_POLICY,
        protected_subjects=(*settings.protected_subjects, *found.protected_subjects),
        protected=settings.protected | found.protected,
    )


def state_of(store: SqlStore) -> State:
    """Models and rollout. Raises ModelError when the setting is damaged."""
    return State.from_dict(store.setting(SETTING))


def change(store: SqlStore, do: Callable[[State, str], State]) -> State:
    """One step: `do` gets the state and the time, and what it returns is kept; all of it in one
    transaction, so that of two processes one waits for the other."""
    return State.from_dict(
        store.change_setting(
            SETTING, lambda given: do(State.from_dict(given), local_now()).to_dict(), ABOUT
        )
    )


def model_file(path: str | Path) -> ModelFile:
    """A model that is there and can be read. Raises ModelError."""
    full = Path(path).resolve()
    load_model(full)
    return ModelFile(str(full), _digest(full))


def model_of(file: ModelFile | None) -> Model:
    """The model; ModelError when the file is not what it was when it was named."""
    if file is None:
        return load_model()
    way = "`atlas-fast rollout rollback` or `atlas-fast learn --undo` goes back"
    if _digest(Path(file.path)) != file.digest:
        raise ModelError(f"{file.path}: has changed since it was chosen; {way}")
    return load_model(file.path)


def _digest(path: Path) -> str:
    try:
        return digest(path.read_bytes(), 16).hex()
    except OSError as error:
        raise ModelError(
            f"{path}: {error.strerror}; `atlas-fast rollout rollback` or `atlas-fast learn --undo` "
            "goes back to the model before it"
        ) from error


def set_rollout(
    store: SqlStore,
    percent: float,
    *,
    candidate: str | Path | None = None,
    sample: float | None = None,
) -> State:
    """Send `percent` of the messages to a candidate; `sample` percent are judged by both. Raises
    UsageError, ModelError."""
    file = None if candidate is None else model_file(candidate)
    return change(
        store,
        lambda state, at: rollout.set_percent(state, percent, at, candidate=file, sample=sample),
    )


def promote(store: SqlStore) -> State:
    """The candidate becomes the model of all messages. Raises UsageError, ModelError."""

    def do(state: State, at: str) -> State:
        if state.candidate is not None:
            model_of(state.candidate)
        return rollout.promote(state, at)

    return change(store, do)


def rollback(store: SqlStore) -> State:
    """Give up the candidate, or take back the last promotion. Raises UsageError."""
    return change(store, rollout.rollback)


def status(store: SqlStore, days: int = 7) -> dict[str, Any]:
    """State and metrics of the last `days` days, and what they recommend while one runs."""
    state = state_of(store)
    found, figures = state.to_dict(), metrics(store, _since(days), state.percent)
    return {
        **{name: found[name] for name in ("current", "candidate", "percent", "sample", "history")},
        "metrics": figures,
        "recommendation": (
            asdict(recommendation(figures, state.percent)) if state.running else None
        ),
    }


def ab_report(store: SqlStore, days: int = 7) -> dict[str, Any]:
    """Figures and recommendation of the rollout over the last `days` days, for JSON."""
    state = state_of(store)
    figures = metrics(store, _since(days), state.percent)
    return trials.ab_report(figures, state.percent, local_now())


def _since(days: int) -> str:
    return (datetime.now() - timedelta(days=max(days, 1) - 1)).strftime("%Y%m%d")


def local_now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
