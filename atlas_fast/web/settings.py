"""How the web interface is served: the table `[web]` of the settings file, and the command line."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from atlas_fast.errors import SettingsError, UsageError
from atlas_fast.settings import section

__all__ = ["WebSettings", "checked", "from_settings", "is_loopback", "of_file"]

ARGON2 = "$argon2id$"


@dataclass(frozen=True, slots=True)
class WebSettings:
    """`host`, `port`: where it listens. `login`: the argon2id hash of the password or token, empty
    for none. `names`: host names that it may be called by, besides addresses and `localhost`.
    `https`: whether browsers reach it by https, so that cookies never go without. `sources`:
    whether a message's page may read the message where the run found it. `seconds`: how long a
    login lasts. `reads`, `writes`, `logins`: requests a second, changes a second, and attempts to
    log in a minute, that one address may make.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    login: str = ""
    names: tuple[str, ...] = ()
    https: bool = False
    sources: bool = True
    seconds: int = 12 * 3600
    reads: int = 5_000
    writes: int = 50
    logins: int = 10


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address or name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def of_file() -> WebSettings:
    """What the settings file says. Raises SettingsError."""
    return from_settings(section("web"))


def from_settings(table: Mapping[str, Any]) -> WebSettings:
    """The table `[web]`. Raises SettingsError for what cannot be one."""
    known = {field.name: field.type for field in fields(WebSettings)}
    values: dict[str, Any] = {}
    for name, value in table.items():
        kind = known.get(name)
        if kind is None:
            raise SettingsError(f"web: no setting is called {name}; there are {', '.join(known)}")
        if str(kind).startswith("tuple"):
            good = isinstance(value, list) and all(isinstance(one, str) for one in value)
            value = tuple(value) if good else value
        else:
            good = type(value).__name__ == kind
        if not good:
            raise SettingsError(f"web: {name} is not {_WORDS[str(kind)]}")
        if kind == "int" and not 0 < value <= 1 << 31:
            raise SettingsError(f"web: {name} must be above 0")
        values[name] = value
    return WebSettings(**values)


_WORDS = {"str": "a text", "int": "a number", "bool": "true or false"} | {
    "tuple[str, ...]": "a list of texts"
}


def checked(settings: WebSettings, **given: Any) -> WebSettings:
    """With what the command line says, None being nothing.

    Raises UsageError for an address that others reach when there is no login, and for a login that
    is not a hash.
    """
    found = replace(settings, **{name: value for name, value in given.items() if value is not None})
    if found.login and not found.login.startswith(ARGON2):
        raise UsageError("web: login must be the hash that `atlas-fast serve --hash` prints")
    if not found.login and not is_loopback(found.host):
        raise UsageError(
            f"{found.host} can be reached by others: set a login first (`atlas-fast serve --hash`)"
        )
    if not 0 <= found.port < 1 << 16:
        raise UsageError(f"--port {found.port}: is not a port")
    return found
