"""What a user sets in a store, as one value: read, changed, written out and read in again.

Keywords, whitelist and protected patterns are rows that runs have read all along (docs/policy.md);
threshold and trusted relays are a setting of the store that a run takes up at its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from atlas_fast import decision, limits
from atlas_fast.decision import TUNING
from atlas_fast.errors import UsageError
from atlas_fast.origin import Trusted
from atlas_fast.store import domains, terms

if TYPE_CHECKING:
    from atlas_fast.store.sqlite import SqliteStore

__all__ = ["Preferences", "from_dict", "read", "set_relays", "set_threshold", "write"]

FORMAT = "atlas_fast preferences 1"
MAX_TERM = 255
ABOUT = "threshold and trusted relays, taken up by each run at its start"
LOWEST, HIGHEST = 0.01, 0.999


@dataclass(frozen=True, slots=True)
class Preferences:
    """`keywords` in their order; `whitelist`: addresses and domains; `protected`: (kind, value),
    the kind one of `store.terms.KINDS`; `threshold`: the probability from which on a message is
    spam, None for the model's own; `trusted_relays`: addresses, prefixes and names; `percent` and
    `sample` of a rollout, None where a rollout is not to be touched."""

    keywords: list[str] = field(default_factory=list)
    whitelist: list[str] = field(default_factory=list)
    protected: list[tuple[str, str]] = field(default_factory=list)
    threshold: float | None = None
    trusted_relays: list[str] = field(default_factory=list)
    percent: float | None = None
    sample: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"format": FORMAT, **asdict(self)}

    def __len__(self) -> int:
        return len(self.keywords) + len(self.whitelist) + len(self.protected)


def term(text: Any) -> str:
    """A keyword, name or value that may be kept. Raises UsageError."""
    if not isinstance(text, str) or not text.strip():
        raise UsageError("an empty text cannot be kept")
    text = text.strip()
    if len(text) > MAX_TERM or "\0" in text:
        raise UsageError(f"a text may have {MAX_TERM} characters at most")
    return text


def from_dict(given: Any) -> Preferences:
    """What `to_dict` gave. Raises UsageError for anything else."""
    if not isinstance(given, Mapping) or given.get("format") != FORMAT:
        raise UsageError(f"this is no export of preferences ({FORMAT})")
    unknown = set(given) - {"format", *Preferences.__slots__}
    if unknown:
        raise UsageError(f"unknown preference: {sorted(unknown)[0]!r}")
    protected = []
    for one in _list(given, "protected", limits.MAX_POLICY_NAMES):
        if not isinstance(one, list | tuple) or len(one) != 2 or one[0] not in terms.KINDS:
            raise UsageError(f"protected: pairs of one of {', '.join(terms.KINDS)} and a text")
        protected.append((str(one[0]), term(one[1])))
    return Preferences(
        keywords=[term(one) for one in _list(given, "keywords", limits.MAX_POLICY_TEXTS)],
        whitelist=[term(one).lower() for one in _list(given, "whitelist", limits.MAX_POLICY_NAMES)],
        protected=protected,
        threshold=_threshold(given.get("threshold")),
        trusted_relays=_relays(_list(given, "trusted_relays", limits.MAX_TRUSTED)),
        percent=_percent(given, "percent"),
        sample=_percent(given, "sample"),
    )


def _list(given: Mapping[str, Any], name: str, most: int) -> list[Any]:
    value = given.get(name, [])
    if not isinstance(value, list) or len(value) > most:
        raise UsageError(f"{name}: a list of at most {most:,} is needed")
    return value


def _number(value: Any, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"{name}: a number from {low:g} to {high:g} is needed")
    return float(value)


def _threshold(value: Any) -> float | None:
    return None if value is None else _number(value, "threshold", LOWEST, HIGHEST)


def _percent(given: Mapping[str, Any], name: str) -> float | None:
    value = given.get(name)
    return None if value is None else _number(value, name, 0, 100)


def _relays(texts: Iterable[Any]) -> list[str]:
    """Each once, in order, and all of them such as a run can use."""
    found = list(dict.fromkeys(term(one) for one in texts))
    Trusted(*decision.relays_of(found))
    return found


def read(store: SqliteStore) -> Preferences:
    """What there is now; no lock is taken, so that a run that writes is not waited for."""
    tuning, state = decision.tuning_of(store), decision.state_of(store)
    return Preferences(
        terms.keywords(store), terms.whitelist(store), terms.patterns(store),
        tuning["threshold"], tuning["trusted_relays"], state.percent, state.sample,
    )  # fmt: skip


def set_threshold(store: SqliteStore, value: float | None) -> None:
    """From which probability on a message is spam; None for the model's own. Raises UsageError."""
    _tune(store, threshold=_threshold(value))


def set_relays(store: SqliteStore, relays: Iterable[str]) -> None:
    """The receiver's own relays. Raises UsageError for what is none."""
    _tune(store, trusted_relays=_relays(relays))


def _tune(store: SqliteStore, **values: Any) -> None:
    store.change_setting(TUNING, lambda given: {**decision.tuning_from(given), **values}, ABOUT)


def write(store: SqliteStore, wanted: Preferences) -> int:
    """Add what is not there yet, set threshold, relays and, where they are given and a candidate
    is there, the rollout's percentages; all in one transaction. How many entries came in."""
    with store.transaction() as connection:
        there = read(store)
        new = replace(
            wanted,
            keywords=[one for one in dict.fromkeys(wanted.keywords) if one not in there.keywords],
            whitelist=sorted(set(wanted.whitelist) - set(there.whitelist)),
            protected=[one for one in dict.fromkeys(wanted.protected)
                       if one not in there.protected],
        )  # fmt: skip
        if len(there.keywords) + len(new.keywords) > limits.MAX_POLICY_TEXTS:
            raise UsageError(f"{limits.MAX_POLICY_TEXTS:,} keywords are the most")
        for one in new.keywords:
            terms.add_keyword(store, one)
        for one in new.whitelist:
            domains.trust(connection, one, "imported")
        for kind, value in new.protected:
            terms.protect(store, kind, value)
        set_threshold(store, wanted.threshold)
        set_relays(store, wanted.trusted_relays)
        if wanted.percent is not None and decision.state_of(store).candidate is not None:
            decision.set_rollout(store, wanted.percent, sample=wanted.sample)
    return len(new)
