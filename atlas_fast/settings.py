"""What the user sets: a TOML file, one table a subject.

The file is the one that ATLAS_FAST_SETTINGS names, or `atlas_fast/settings.toml` in the user's
configuration folder. What it does not say comes from the environment, then from the defaults; each
subject reads its own table with `section` and says what may stand in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atlas_fast.errors import SettingsError
from atlas_fast.files import read_file

__all__ = ["section", "settings_file"]

MAX_BYTES = 1 << 20
"""Of a settings file."""

_known: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}


def settings_file() -> Path:
    """Where the settings are read from, whether it is there or not."""
    named = os.environ.get("ATLAS_FAST_SETTINGS")
    if named:
        return Path(named)
    config = os.environ.get("XDG_CONFIG_HOME")
    return Path(config or os.path.expanduser("~/.config")) / "atlas_fast" / "settings.toml"


def section(name: str) -> Mapping[str, Any]:
    """The table of one subject, empty when the file does not have it.

    Raises SettingsError when the file is not TOML, when a named file is missing, or when the
    subject is not a table.
    """
    found = _read(settings_file()).get(name, {})
    if not isinstance(found, dict):
        raise SettingsError(f"{settings_file()}: {name} is not a table")
    return found


def _read(path: Path) -> dict[str, Any]:
    """The file, read again only when it has changed."""
    try:
        state = path.stat()
        stamp = (state.st_mtime_ns, state.st_size)
        known = _known.get(str(path))
        if known is not None and known[0] == stamp:
            return known[1]
        raw = read_file(path, MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        if os.environ.get("ATLAS_FAST_SETTINGS"):
            raise SettingsError(f"{path}: is not there (ATLAS_FAST_SETTINGS names it)") from None
        return {}
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    import tomllib

    try:
        found = tomllib.loads(raw.decode("utf-8"))
    except ValueError as error:  # of TOML as of UTF-8
        raise SettingsError(f"{path}: {error}") from error
    _known[str(path)] = (stamp, found)
    return found
