"""Where a password comes from: the environment, or the system's keyring. Never a file of ours."""

from __future__ import annotations

import os

from atlas_fast.errors import UsageError, extra
from atlas_fast.sources.imap.secret import Secret

__all__ = ["PASSWORD_VARIABLE", "SERVICE", "find_password", "keep_password"]

PASSWORD_VARIABLE = "ATLAS_FAST_IMAP_PASSWORD"
SERVICE = "atlas_fast"
"""Name of the service in the keyring; the user name is the account's address."""


def find_password(account: str) -> Secret:
    """The password of an account. Raises UsageError that says how to give one."""
    if os.environ.get(PASSWORD_VARIABLE):
        return Secret(os.environ[PASSWORD_VARIABLE])
    found = _from_keyring(account)
    if found is None:
        raise UsageError(
            f"no password for {account}: set {PASSWORD_VARIABLE}, or store one with "
            f"`keyring set {SERVICE} {account}` ({extra('imap')})"
        )
    return found


def keep_password(account: str, password: str) -> None:
    """Put the password of an account into the system's keyring. Raises UsageError where there is
    none."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise UsageError(f"a keyring is needed: {extra('imap')}") from None
    try:
        keyring.set_password(SERVICE, account, password)
    except keyring.errors.KeyringError as error:
        raise UsageError(f"the keyring does not take it: {type(error).__name__}") from None


def _from_keyring(account: str) -> Secret | None:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        return _secret(keyring.get_password(SERVICE, account))
    except keyring.errors.KeyringError as error:
        raise UsageError(f"the keyring cannot be read: {type(error).__name__}") from None


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)
