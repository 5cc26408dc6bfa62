"""Answers about domains in the original's table `domain_validation_cache`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from atlas_fast.compat.models.database import db

__all__ = ["DomainValidationCache", "domain_cache", "print_cache_statistics"]

_TABLE = (
    """CREATE TABLE IF NOT EXISTS domain_validation_cache (
    domain TEXT PRIMARY KEY,
    validation_result TEXT NOT NULL,
    validation_reason TEXT,
    is_suspicious BOOLEAN,
    provider_hint TEXT,
    cached_timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    whois_age_days INTEGER,
    whois_creation_date TIMESTAMP,
    access_count INTEGER DEFAULT 1,
    last_accessed TIMESTAMP DEFAULT CURRENT_TIMESTAMP
)""",
    "CREATE INDEX IF NOT EXISTS idx_domain_cache_timestamp "
    "ON domain_validation_cache(cached_timestamp)",
    "CREATE INDEX IF NOT EXISTS idx_domain_cache_access "
    "ON domain_validation_cache(last_accessed, access_count)",
)
_KEPT = (
    "validation_result", "validation_reason", "is_suspicious", "provider_hint", "whois_age_days",
    "whois_creation_date", "cached_timestamp", "access_count",
)  # fmt: skip


class DomainValidationCache:
    """Answers that stay true for some hours; the table is made with the first that is stored.

    Times are UTC on both sides of every comparison.
    """

    def __init__(self, cache_duration_hours: int = 24):
        self.cache_duration_hours = cache_duration_hours
        self._made = False

    def get_cached_validation(self, domain: str) -> dict[str, Any] | None:
        """The answer about a domain, or None; counts the access."""
        if not self._is_there():
            return None
        rows = db.execute_query(
            f"SELECT {', '.join(_KEPT)} FROM domain_validation_cache "
            "WHERE domain = ? AND cached_timestamp > datetime('now', ?)",
            (domain.lower(), self._age()),
        )
        if not rows:
            return None
        db.execute_update(
            "UPDATE domain_validation_cache SET access_count = access_count + 1, "
            "last_accessed = CURRENT_TIMESTAMP WHERE domain = ?",
            (domain.lower(),),
        )
        found = {name: rows[0][name] for name in _KEPT}
        return found | {"is_suspicious": bool(found["is_suspicious"]), "cache_hit": True}

    def cache_validation_result(
        self,
        domain: str,
        validation_result: str,
        validation_reason: str,
        is_suspicious: bool,
        provider_hint: str | None = None,
        whois_age_days: int | None = None,
        whois_creation_date: datetime | None = None,
    ) -> None:
        """Store an answer in place of an older one."""
        if not self._made:
            for statement in _TABLE:
                db.execute_update(statement)
            self._made = True
        date = None if whois_creation_date is None else whois_creation_date.isoformat(" ")
        db.execute_update(
            "INSERT OR REPLACE INTO domain_validation_cache (domain, validation_result, "
            "validation_reason, is_suspicious, provider_hint, whois_age_days, whois_creation_date) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (domain.lower(), validation_result, validation_reason, bool(is_suspicious),
             provider_hint, whois_age_days, date),
        )  # fmt: skip

    def cleanup_expired_cache(self) -> int:
        """Remove what is no longer true; how many rows."""
        return self._delete("WHERE cached_timestamp <= datetime('now', ?)", (self._age(),))

    def clear_cache(self) -> int:
        """Remove everything; how many rows."""
        return self._delete("", ())

    def get_cache_statistics(self) -> dict[str, Any]:
        """Counts of rows and accesses."""
        stats: dict[str, Any] = {
            "total_entries": 0, "by_validation_result": {}, "average_access_count": 0.0,
            "max_access_count": 0, "total_cache_hits": 0, "recent_hits_1h": 0,
            "cache_duration_hours": self.cache_duration_hours,
        }  # fmt: skip
        if not self._is_there():
            return stats
        ((n, mean, most, total, recent),) = db.execute_query(
            "SELECT COUNT(*), AVG(access_count), MAX(access_count), SUM(access_count), "
            "SUM(last_accessed > datetime('now', '-1 hour')) FROM domain_validation_cache"
        )
        if n:
            stats |= {
                "total_entries": n, "average_access_count": round(mean, 2),
                "max_access_count": most, "total_cache_hits": total, "recent_hits_1h": recent,
            }  # fmt: skip
        stats["by_validation_result"] = {
            row[0]: row[1]
            for row in db.execute_query(
                "SELECT validation_result, COUNT(*) FROM domain_validation_cache "
                "GROUP BY validation_result"
            )
        }
        return stats

    def get_most_accessed_domains(self, limit: int = 10) -> list[dict[str, Any]]:
        """The domains that were asked for most."""
        if not self._is_there():
            return []
        names = ("domain", "validation_result", "access_count", "last_accessed")
        rows = db.execute_query(
            f"SELECT {', '.join(names)} FROM domain_validation_cache "
            "ORDER BY access_count DESC, domain LIMIT ?",
            (limit,),
        )
        return [{name: row[name] for name in names} for row in rows]

    def _age(self) -> str:
        return f"-{self.cache_duration_hours} hours"

    def _is_there(self) -> bool:
        """Is there a table to ask? Asking makes no database."""
        if not self._made and Path(db.db_path).is_file():
            self._made = bool(
                db.execute_query(
                    "SELECT 1 FROM sqlite_master WHERE name = 'domain_validation_cache'"
                )
            )
        return self._made

    def _delete(self, where: str, values: tuple[Any, ...]) -> int:
        if not self._is_there():
            return 0
        return int(db.execute_update(f"DELETE FROM domain_validation_cache {where}", values))


domain_cache = DomainValidationCache()


def print_cache_statistics() -> None:
    """The counts, a line each."""
    for name, value in domain_cache.get_cache_statistics().items():
        print(f"{name}: {value}")
