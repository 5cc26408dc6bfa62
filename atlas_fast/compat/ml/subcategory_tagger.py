"""`SubcategoryTagger`: which kind of a category a message is, by the terms of the lexicon."""

from __future__ import annotations

import json
from typing import Any

from atlas_fast.classify.kinds import SUBCATEGORIES
from atlas_fast.classify.lexicon import terms
from atlas_fast.compat import engine
from atlas_fast.errors import UsageError

__all__ = ["SubcategoryTagger"]


class SubcategoryTagger:
    """`db_path` is kept, and not read: the terms are those of the engine."""

    def __init__(self, db_path: str | None = None):
        self.db_path = db_path

    def tag_email(
        self, category: str, subject: str, sender: str = "", body: str = "", domain: str = ""
    ) -> dict[str, Any]:
        """Keys subcategory, confidence, matched_patterns, raw_score, all_scores. The subcategory
        with most terms, the first of them where several have; `domain` is not used."""
        mine = [name for owner, name in SUBCATEGORIES if owner == category]
        if not mine:
            return _tag("Unknown", 0.0, {})
        found = engine.classify(sender, subject, "", body).terms
        scores = {name: found.get(f"{category} / {name}", 0) for name in mine}
        best = max(mine, key=lambda name: scores[name])
        if not scores[best]:
            return _tag(f"General {category}", 0.3, {})
        return _tag(best, scores[best] / sum(scores.values()), scores)

    def get_subcategory_stats(self, category: str | None = None) -> dict[str, dict[str, int]]:
        """How many terms each subcategory has, by category; of one category where it is given."""
        return {
            owner: {name: len(found) for name, found in names.items()}
            for owner, names in _patterns().items()
            if category in (None, owner)
        }

    def update_pattern_effectiveness(
        self, category: str, subcategory: str, pattern_value: str, effectiveness: float
    ) -> None:
        """Raises UsageError: a term of the lexicon is there or not, and weighs nothing itself."""
        raise UsageError("terms of the lexicon have no effectiveness of their own")

    def export_patterns(self, output_file: str | None = None) -> str:
        """The terms by category and subcategory as JSON text; also written to a file."""
        text = json.dumps(_patterns(), indent=2, ensure_ascii=False)
        if output_file is not None:
            with open(output_file, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        return text


def _patterns() -> dict[str, dict[str, list[str]]]:
    known = terms()
    made: dict[str, dict[str, list[str]]] = {}
    for text, number in zip(known.texts, known.category, strict=True):
        owner, slash, name = known.categories[number].partition(" / ")
        if slash:
            made.setdefault(owner, {}).setdefault(name, []).append(text)
    return made


def _tag(name: str, confidence: float, scores: dict[str, int]) -> dict[str, Any]:
    return {
        "subcategory": name,
        "confidence": confidence,
        "matched_patterns": [f"{part}: {count}" for part, count in scores.items() if count],
        "raw_score": max(scores.values(), default=0),
        "all_scores": scores,
    }
