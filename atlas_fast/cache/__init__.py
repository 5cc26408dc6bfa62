"""Computed knowledge, kept at two levels: in the process, and in a file shared by all processes.

    cache = open_cache()                                  # the same object every time
    domains = cache.kind("domain", dtype, made_from)      # of that dtype, and their source
    values = domains.find(keys, compute, asked)           # one a key; `compute` makes the rest

docs/cache.md says what is kept where, for how long, how a hit is counted, and what every fault
does. Losing the cache costs time, never an answer.
"""

from atlas_fast.cache.levels import KINDS, Cache, CachedKind, Kind, open_cache, open_cache_file
from atlas_fast.cache.shared import SharedLevel, cache_file, cache_folder

__all__ = [
    "KINDS",
    "Cache",
    "CachedKind",
    "Kind",
    "SharedLevel",
    "cache_file",
    "cache_folder",
    "open_cache",
    "open_cache_file",
]
