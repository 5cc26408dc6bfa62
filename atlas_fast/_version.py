"""The version, and how the kernels were built."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def build_info() -> dict[str, Any]:
    """Build mode, compiler and optimisation of the compiled modules that are in use."""
    from atlas_fast._kernels.buffers import build_info as compiled

    return compiled()
