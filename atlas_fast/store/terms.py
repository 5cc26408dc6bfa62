"""The user's own words and senders: keywords that make mail unwanted, patterns that protect it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_fast.store.rules import KEYWORDS, PATTERNS, TRUSTED, texts

if TYPE_CHECKING:
    from atlas_fast.store.sql import SqlStore

__all__ = ["KINDS", "add_keyword", "keywords", "patterns", "protect", "remove_keyword", "unprotect",
           "whitelist"]  # fmt: skip

KINDS = ("sender", "domain", "subject_keyword")
"""What a pattern is compared with."""


def keywords(store: SqlStore) -> list[str]:
    """In the order in which they are tried."""
    return [term for (term,) in texts(store.ask(KEYWORDS))]


def add_keyword(store: SqlStore, term: str) -> None:
    """Once; one that was removed comes back at the end."""
    with store.transaction():
        if not store.ask(
            "SELECT 1 FROM filter_terms WHERE term = ? AND is_active = TRUE "
            "AND created_by = 'user'",
            (term,),
        ):
            store._execute(
                "INSERT INTO filter_terms (term, created_by) VALUES (?, 'user')", (term,)
            )


def remove_keyword(store: SqlStore, term: str) -> None:
    """The row stays and is not active any more."""
    with store.transaction():
        store._execute(
            "UPDATE filter_terms SET is_active = FALSE WHERE term = ? AND created_by = 'user'",
            (term,),
        )


def patterns(store: SqlStore) -> list[tuple[str, str]]:
    """(kind, value) of what protects mail."""
    return [(kind, value) for kind, value in texts(store.ask(PATTERNS))]


def protect(store: SqlStore, kind: str, value: str) -> None:
    """Mail that the pattern fits is kept."""
    with store.transaction():
        if (kind, value) not in patterns(store):
            store._execute(
                "INSERT INTO protected_patterns (pattern_type, pattern_value, confidence_score) "
                "VALUES (?, ?, 1.0)",
                (kind, value),
            )


def unprotect(store: SqlStore, kind: str, value: str) -> None:
    with store.transaction():
        store._execute(
            "DELETE FROM protected_patterns WHERE pattern_type = ? AND pattern_value = ?",
            (kind, value),
        )


def whitelist(store: SqlStore) -> list[str]:
    """Senders and domains that are trusted, by name."""
    return sorted(name for (name,) in texts(store.ask(TRUSTED)))
