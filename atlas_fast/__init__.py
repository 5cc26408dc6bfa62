"""Mail triage: raw messages in, a category, an action and a durable row for each out.

Names are loaded on first use; importing the package imports neither numpy nor a kernel.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from atlas_fast._version import __version__

if TYPE_CHECKING:
    from atlas_fast.batch import Batch
    from atlas_fast.errors import AtlasFastError, ModelError, SourceError, StoreError, UsageError
    from atlas_fast.observe.report import Report
    from atlas_fast.pipeline import Interrupted, Pipeline, scan, triage
    from atlas_fast.sources import open_source
    from atlas_fast.store import SqliteStore, open_store

_HOME = {
    "AtlasFastError": "errors",
    "Batch": "batch",
    "Interrupted": "pipeline",
    "ModelError": "errors",
    "Pipeline": "pipeline",
    "Report": "observe.report",
    "SourceError": "errors",
    "SqliteStore": "store",
    "StoreError": "errors",
    "UsageError": "errors",
    "open_source": "sources",
    "open_store": "store",
    "scan": "pipeline",
    "triage": "pipeline",
}

__all__ = [
    "AtlasFastError",
    "Batch",
    "Interrupted",
    "ModelError",
    "Pipeline",
    "Report",
    "SourceError",
    "SqliteStore",
    "StoreError",
    "UsageError",
    "__version__",
    "open_source",
    "open_store",
    "scan",
    "triage",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'atlas_fast' has no attribute {name!r}")
    value = getattr(import_module(f"atlas_fast.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
