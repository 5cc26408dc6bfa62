"""Caches of one process by name. The engine has its own (`atlas_fast.cache`); these are for the
callers' values."""

from __future__ import annotations

import copy
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = [
    "CacheEntry", "LRUCache", "MultiLevelCache", "cached", "clear_cache", "get_auth_cache",
    "get_cache_stats", "get_classification_cache", "get_domain_cache", "get_geographic_cache",
    "set_auth_cache", "set_classification_cache", "set_domain_cache", "set_geographic_cache",
    "warm_domain_cache", "warm_geographic_cache",
]  # fmt: skip

P = ParamSpec("P")
T = TypeVar("T")

DOMAIN_SECONDS, GEOGRAPHIC_SECONDS = 86_400, 604_800


class CacheEntry:
    """A value, when it was stored, and how often it was asked for."""

    def __init__(self, value: Any, ttl_seconds: int = 3600):
        self.value = value
        self.ttl_seconds = ttl_seconds
        self.created_at = self.last_accessed = time.time()
        self.access_count = 0

    def is_expired(self) -> bool:
        return time.time() - self.created_at > self.ttl_seconds

    def access(self) -> Any:
        """The value, counted."""
        self.access_count += 1
        self.last_accessed = time.time()
        return self.value


class LRUCache:
    """At most `max_size` values, the least recently used go first; threads may share it."""

    def __init__(self, max_size: int = 10000, default_ttl: int = 3600):
        self.max_size = max_size
        self.default_ttl = default_ttl
        self._lock = threading.RLock()
        self.clear()

    def get(self, key: str) -> Any:
        """The stored object, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.is_expired():
                del self._entries[key]
                self._expirations += 1
                entry = None
            if entry is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return entry.access()

    def set(self, key: str, value: Any, ttl: int | None = None) -> None:
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = CacheEntry(value, self.default_ttl if ttl is None else ttl)
            while len(self._entries) > self.max_size:
                self._entries.popitem(last=False)
                self._evictions += 1

    def clear(self) -> None:
        """Forget values and counters."""
        with self._lock:
            self._entries: OrderedDict[str, CacheEntry] = OrderedDict()
            self._hits = self._misses = self._evictions = self._expirations = 0

    def get_stats(self) -> dict[str, Any]:
        """An expired entry counts as expiration and as miss; `hit_rate` is 0 to 1."""
        with self._lock:
            asked = self._hits + self._misses
            return {
                "size": len(self._entries), "max_size": self.max_size, "hits": self._hits,
                "misses": self._misses, "hit_rate": self._hits / asked if asked else 0,
                "evictions": self._evictions, "expirations": self._expirations,
            }  # fmt: skip


class MultiLevelCache:
    """Five caches by name, each with its own key, size and time to live."""

    def __init__(self) -> None:
        self.caches = {
            "classification": LRUCache(50_000, 7_200),
            "domain": LRUCache(20_000, DOMAIN_SECONDS),
            "geographic": LRUCache(10_000, GEOGRAPHIC_SECONDS),
            "authentication": LRUCache(5_000, 3_600),
            "general": LRUCache(10_000, 3_600),
        }
        self.key_generators: dict[str, Callable[..., str]] = {
            "classification": _classification_key,
            "domain": lambda domain="", **_: f"domain:{domain.lower()}",
            "geographic": lambda ip="", **_: f"geo:{ip}",
            "authentication": lambda domain="", sender="", **_: (
                f"auth:{domain.lower()}:{sender.lower()}"
            ),
            "general": lambda key="", **_: str(key),
        }

    def get(self, cache_type: str, **key_params: Any) -> Any:
        """A copy of the value, or None; None too for an unknown cache."""
        if cache_type not in self.caches:
            return None
        found = self.caches[cache_type].get(self.key_generators[cache_type](**key_params))
        return copy.deepcopy(found)

    def set(self, cache_type: str, value: Any, ttl: int | None = None, **key_params: Any) -> None:
        """Keep a copy of the value; nothing for an unknown cache."""
        if cache_type in self.caches:
            key = self.key_generators[cache_type](**key_params)
            self.caches[cache_type].set(key, copy.deepcopy(value), ttl)

    def get_all_stats(self) -> dict[str, dict[str, Any]]:
        return {name: cache.get_stats() for name, cache in self.caches.items()}

    def clear_cache(self, cache_type: str | None = None) -> None:
        """Empty one cache, or all."""
        for name, cache in self.caches.items():
            if cache_type in (None, name):
                cache.clear()


def _classification_key(sender: str = "", subject: str = "", **_: Any) -> str:
    """NUL stands in neither, so that no two pairs share a key."""
    text = f"{sender}\0{subject}".lower().encode("utf-8", "surrogatepass")
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


_caches = MultiLevelCache()


def cached(cache_type: str, ttl: int | None = None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorator: keep results by function and arguments; None is never kept. KeyError, when it is
    called, for an unknown cache."""

    def decorate(func: Callable[P, T]) -> Callable[P, T]:
        @wraps(func)
        def kept(*args: P.args, **kwargs: P.kwargs) -> T:
            cache = _caches.caches[cache_type]
            text = repr((func.__module__, func.__qualname__, args, sorted(kwargs.items())))
            key = hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
            found: T | None = cache.get(key)
            if found is None:
                found = func(*args, **kwargs)
                if found is not None:
                    cache.set(key, found, ttl)
            return found

        return kept

    return decorate


def get_cache_stats() -> dict[str, dict[str, Any]]:
    return _caches.get_all_stats()


def clear_cache(cache_type: str | None = None) -> None:
    _caches.clear_cache(cache_type)


def get_classification_cache(sender: str, subject: str) -> Any:
    return _caches.get("classification", sender=sender, subject=subject)


def set_classification_cache(
    sender: str, subject: str, result: Mapping[str, Any], ttl: int | None = None
) -> None:
    _caches.set("classification", result, ttl, sender=sender, subject=subject)


def get_domain_cache(domain: str) -> Any:
    return _caches.get("domain", domain=domain)


def set_domain_cache(domain: str, result: Mapping[str, Any], ttl: int | None = None) -> None:
    _caches.set("domain", result, ttl, domain=domain)


def get_geographic_cache(ip: str) -> Any:
    return _caches.get("geographic", ip=ip)


def set_geographic_cache(ip: str, result: Mapping[str, Any], ttl: int | None = None) -> None:
    _caches.set("geographic", result, ttl, ip=ip)


def get_auth_cache(sender: str, domain: str) -> Any:
    return _caches.get("authentication", sender=sender, domain=domain)


def set_auth_cache(
    sender: str, domain: str, result: Mapping[str, Any], ttl: int | None = None
) -> None:
    _caches.set("authentication", result, ttl, sender=sender, domain=domain)


def warm_domain_cache(domains: list[dict[str, Any]]) -> None:
    """Keep dictionaries that have a `domain`."""
    for item in domains:
        if "domain" in item:
            set_domain_cache(item["domain"], item, DOMAIN_SECONDS)


def warm_geographic_cache(ip_data: list[dict[str, Any]]) -> None:
    """Keep dictionaries that have an `ip`."""
    for item in ip_data:
        if "ip" in item:
            set_geographic_cache(item["ip"], item, GEOGRAPHIC_SECONDS)
