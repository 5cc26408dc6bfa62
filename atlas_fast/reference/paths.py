"""Where the reference data lies."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["reference_folder"]


def reference_folder() -> Path:
    """ATLAS_FAST_REFERENCE, or `atlas_fast/reference` in the user's cache folder."""
    named = os.environ.get("ATLAS_FAST_REFERENCE")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache or os.path.expanduser("~/.cache")) / "atlas_fast" / "reference"
