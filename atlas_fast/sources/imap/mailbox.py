"""An account's connection, made again when it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable

from atlas_fast import limits
from atlas_fast.sources.imap.client import Client
from atlas_fast.sources.imap.connect import Server
from atlas_fast.sources.imap.secret import Secret
from atlas_fast.sources.imap.wire import Lost

__all__ = ["Mailbox"]


class Mailbox:
    """Gives the client to work with. Used by one thread at a time.

    `account` is the address that rows and keys name. A connection of the caller's (`of_client`)
    cannot be made again: its loss is final.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        account: str,
        host: str,
        *,
        retries: int = limits.IMAP_RETRIES,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.account, self.host = account, host
        self._connect, self._retries, self._sleep = connect, retries, sleep
        self._client: Client | None = None
        self._failures = 0
        self._was_there = False
        self.waited = 0.0
        """Seconds that closed connections waited for the server."""

    @classmethod
    def of_server(cls, server: Server, password: Secret, account: str | None = None) -> Mailbox:
        return cls(lambda: server.connect(password), account or server.user, server.host)

    @classmethod
    def of_client(cls, client: Client, account: str, host: str = "") -> Mailbox:
        made = cls(lambda: client, account, host, retries=0)
        made._client = client
        return made

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def client(self) -> Client:
        """The client, connected. A server that was there is tried again when it is not."""
        while self._client is None or self._client.wire.broken:
            self.drop()
            try:
                self._client = self._connect()
                if self._client.wire.broken:
                    raise Lost(f"{self._client.wire.name}: the connection is gone")
                self._was_there = True
            except Lost as error:
                if not self._was_there:
                    raise
                self.lost(error)
        return self._client

    def lost(self, error: Lost) -> None:
        """A connection was lost: wait a little, or raise it when that brought nothing too often."""
        self.drop()
        if self._failures >= self._retries:
            raise error
        self._sleep(min(8.0, 0.1 * 4**self._failures) if self._failures else 0.0)
        self._failures += 1

    def progress(self) -> None:
        """Something was done: failures count from nothing again."""
        self._failures = 0

    def drop(self) -> None:
        """Close the connection, whatever it is in the middle of."""
        client, self._client = self._client, None
        if client is not None:
            self.waited += client.wire.idle
            client.wire.idle = 0.0
            client.wire.close()

    @property
    def idle(self) -> float:
        """Seconds spent waiting for the server so far."""
        return self.waited + (0.0 if self._client is None else self._client.wire.idle)

    def close(self) -> None:
        """End the session and close; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            self.waited += client.wire.idle
            client.close()
