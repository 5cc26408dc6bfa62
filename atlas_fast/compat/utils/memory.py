"""Memory of this process and of the machine, without a package for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["memory_now"]

_MB = 1 << 20


def memory_now() -> tuple[float, float, float]:
    """(this process, available, all) in MB; what the system does not tell is 0."""
    try:
        page = os.sysconf("SC_PAGE_SIZE") / _MB
        whole = page * os.sysconf("SC_PHYS_PAGES")
        available = page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _peak(), 0.0, 0.0
    try:
        return page * int(Path("/proc/self/statm").read_text().split()[1]), available, whole
    except OSError:
        return _peak(), available, whole


def _peak() -> float:
    """The most that the process had: where the present figure is not told."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (_MB if sys.platform == "darwin" else 1024)
