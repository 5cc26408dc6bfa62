"""What a run did: the answer of `triage`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """Counts and timings of a run.

    `messages` of the sources, `known` those among them that the store had and that were not looked
    at again, `stored` rows that are new in the store, `errors`: messages that could not be
    parsed (they are stored all the same) and places that could not be read. `categories` counts
    messages by category, `flags` by damage flag. `stages` are wall seconds; with several workers
    they overlap. `problems` are the first error texts, at most `MAX_PROBLEMS`;
    `notes` are lines on what a run had to do without. `caches`: by kind, how many values were asked
    for and which level had them (docs/cache.md). `rules`: messages by the rule of the policy that
    decided them. `classifiers`, in a rollout: messages by the classifier that decided (`old`,
    `new`), those that `both` judged, and rows that each was given to score (`scored_old`,
    `scored_new`).
    """

    sources: list[str] = field(default_factory=list)
    store: str | None = None
    workers: int = 1
    messages: int = 0
    stored: int = 0
    known: int = 0
    errors: int = 0
    bytes: int = 0
    seconds: float = 0.0
    categories: dict[str, int] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    caches: dict[str, dict[str, int | float]] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    classifiers: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def looked(self) -> int:
        """Messages that were looked at."""
        return self.messages - self.known

    @property
    def messages_per_second(self) -> float:
        """Messages that were looked at, a second."""
        return self.looked / self.seconds if self.seconds > 0 else 0.0

    @property
    def slowest_stage(self) -> str | None:
        """The stage with the most seconds, or None before any ran."""
        return max(self.stages, key=self.stages.__getitem__, default=None)

    def add(self, other: Report, source: str) -> None:
        """Add the counts and problems of another, which come from `source`; its times, notes and
        names are not looked at."""
        self.messages += other.messages
        self.known += other.known
        self.errors += other.errors
        self.bytes += other.bytes
        for mine, theirs in (
            (self.categories, other.categories),
            (self.flags, other.flags),
            (self.rules, other.rules),
            (self.classifiers, other.classifiers),
        ):
            for name, number in theirs.items():
                mine[name] = mine.get(name, 0) + number
        for text in other.problems:
            self.problem(text, source)

    def problem(self, text: str, source: str) -> None:
        """Keep an error text, while there is room; of several sources it says which."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{source}: {text}" if len(self.sources) > 1 else text)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `atlas-fast run --json` prints them."""
        return {
            "messages": self.messages,
            "stored": self.stored,
            "known": self.known,
            "looked": self.looked,
            "errors": self.errors,
            "seconds": round(self.seconds, 6),
            "messages_per_second": round(self.messages_per_second, 3),
            "categories": dict(self.categories),
            "stages": {stage: round(seconds, 6) for stage, seconds in self.stages.items()},
            "bytes": self.bytes,
            "workers": self.workers,
            "sources": list(self.sources),
            "store": self.store,
            "flags": dict(self.flags),
            "problems": list(self.problems),
            "notes": list(self.notes),
            "caches": {kind: dict(counts) for kind, counts in self.caches.items()},
            "rules": dict(self.rules),
            "classifiers": dict(self.classifiers),
            "interrupted": self.interrupted,
        }


MAX_PROBLEMS = 20
"""Error texts that a report keeps; all of them are counted."""
