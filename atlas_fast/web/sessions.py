"""Sessions without a table: a cookie that carries its own proof, and the tokens bound to it.

A cookie is `id.kind.expiry.proof`; the key of the proofs is made when the server starts, so that a
restart ends all sessions. Log-outs are remembered until the cookie would have ended anyhow.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from atlas_fast import limits

__all__ = ["Login", "Session", "Sessions"]

OPEN, KNOWN = "open", "known"
"""Kinds: of a browser that has not logged in, and of one that has."""


@dataclass(frozen=True, slots=True)
class Session:
    """`form` is the token that forms of this session carry."""

    id: str
    kind: str
    expiry: int
    form: str

    @property
    def known(self) -> bool:
        return self.kind == KNOWN


class Sessions:
    def __init__(self, seconds: int, clock: Callable[[], float] = time.time):
        self.seconds, self.clock = seconds, clock
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, int] = {}
        self._lock = threading.Lock()

    def make(self, kind: str = OPEN) -> tuple[Session, str]:
        """A new session and its cookie."""
        name, expiry = secrets.token_urlsafe(18), int(self.clock()) + self.seconds
        return self._session(name, kind, expiry), self._cookie(name, kind, expiry)

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie, None for one that is not ours or has ended."""
        parts = cookie.split(".")
        if len(parts) != 4 or len(cookie) > 200 or not parts[2].isdecimal():
            return None
        name, kind, expiry = parts[0], parts[1], int(parts[2])
        if not hmac.compare_digest(self._cookie(name, kind, expiry).encode(), cookie.encode()):
            return None
        if expiry <= self.clock() or name in self._ended:
            return None
        return self._session(name, kind, expiry)

    def end(self, session: Session) -> None:
        """Log out: the cookie is refused from now on."""
        now = self.clock()
        with self._lock:
            if len(self._ended) >= limits.MAX_WEB_SESSIONS:
                self._ended = {name: end for name, end in self._ended.items() if end > now}
            if len(self._ended) >= limits.MAX_WEB_SESSIONS:  # all of them fresh: nobody stays in
                self._key, self._ended = secrets.token_bytes(32), {}
            self._ended[session.id] = session.expiry

    def _session(self, name: str, kind: str, expiry: int) -> Session:
        return Session(name, kind, expiry, self._proof("form", name, kind))

    def _cookie(self, name: str, kind: str, expiry: int) -> str:
        return f"{name}.{kind}.{expiry}.{self._proof('session', name, kind, str(expiry))}"

    def _proof(self, *parts: str) -> str:
        return hmac.digest(self._key, "\0".join(parts).encode(), "sha256").hex()


class Login:
    """The password or token that opens the door, kept as its argon2id hash only.

    One verification at a time, as each takes 64 MiB; a secret that was right once is known by a
    keyed digest, so that a bearer token does not cost an argon2 for each request.
    """

    def __init__(self, hashed: str):
        self.hashed = hashed
        self._key = secrets.token_bytes(32)
        self._good = b""
        self._lock = threading.Lock()

    def known(self, secret: str) -> bool:
        """Whether the secret was right before; costs nothing."""
        return bool(self._good) and hmac.compare_digest(self._digest(secret), self._good)

    def right(self, secret: str) -> bool:
        """Whether it is the secret; a wrong one takes as long as the right one."""
        from argon2 import PasswordHasher
        from argon2.exceptions import Argon2Error, InvalidHashError

        if not self.hashed or len(secret) > limits.MAX_WEB_SECRET:
            return False
        with self._lock:
            try:
                PasswordHasher().verify(self.hashed, secret)
            except (Argon2Error, InvalidHashError):
                return False
        self._good = self._digest(secret)
        return True

    def _digest(self, secret: str) -> bytes:
        return hmac.new(self._key, secret.encode("utf-8", "replace"), hashlib.sha256).digest()


def hash_of(secret: str) -> str:
    """The hash that stands in the settings."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash(secret)
