"""What users say of mail to come: keywords, protected patterns, flags, trusted senders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FLAGS", "KEYWORDS", "PATTERNS", "TRUSTED", "UserRules", "texts"]

KEYWORDS = (
    "SELECT term FROM filter_terms WHERE is_active = TRUE AND created_by = 'user' "
    "AND COALESCE(category, '') IN ('', 'User Keyword') ORDER BY id"
)
"""Terms with a category of spam are words of it for the keyword processor; they decide nothing."""
PATTERNS = "SELECT pattern_type, pattern_value FROM protected_patterns ORDER BY id"
TRUSTED = "SELECT domain FROM domains WHERE is_whitelisted = TRUE"
FLAGS = (
    "SELECT f.folder_name, f.email_uid, f.flag_type FROM email_flags f "
    "JOIN accounts a ON a.id = f.account_id WHERE f.is_active = TRUE AND a.email_address = ?"
)


def texts(rows: Iterable[Any]) -> list[tuple[str, ...]]:
    """The rows that are texts throughout: a value of another type, which a database of another
    program may have, is no rule."""
    return [one for one in map(tuple, rows) if all(isinstance(value, str) for value in one)]


@dataclass(slots=True)
class UserRules:
    """One moment of a store's rules: `keywords` in their order, `protected_subjects`, `protected`
    senders and domains, the `whitelist`, and `flags` by source and place."""

    keywords: list[str] = field(default_factory=list)
    protected_subjects: list[str] = field(default_factory=list)
    protected: set[str] = field(default_factory=set)
    whitelist: set[str] = field(default_factory=set)
    flags: dict[str, dict[str, str]] = field(default_factory=dict)

    def protect(self, patterns: Iterable[Any]) -> None:
        """Take up the rows of PATTERNS."""
        for kind, value in texts(patterns):
            if kind == "subject_keyword":
                self.protected_subjects.append(value)
            elif kind in ("sender", "domain"):
                self.protected.add(value)
