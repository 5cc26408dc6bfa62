"""A logged-in client: over TLS with certificate checks, unless loopback is asked to do without."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass

from atlas_fast import limits
from atlas_fast.errors import ImapError, UsageError
from atlas_fast.sources.imap.client import Client
from atlas_fast.sources.imap.secret import Secret
from atlas_fast.sources.imap.wire import Lost, Wire, reason

__all__ = ["TLS_MODES", "Server"]

TLS_MODES = ("tls", "starttls", "none")


@dataclass(frozen=True, slots=True)
class Server:
    """Where an account is, and how to reach it. `ca`: a file of certificates to trust in place of
    the system's. `plain`: without TLS also where the host is not loopback.

    Raises UsageError for a connection without TLS that was not forced.
    """

    host: str
    user: str
    port: int = 993
    tls: str = "tls"
    ca: str | None = None
    seconds: float = limits.IMAP_SECONDS
    plain: bool = False

    def __post_init__(self) -> None:
        if self.tls not in TLS_MODES:
            raise UsageError(f"{self.tls}: not one of {', '.join(TLS_MODES)}")
        if not self.host or not self.user:
            raise UsageError("an IMAP server needs a host and a user")
        if self.tls == "none" and not self.plain and not is_loopback(self.host):
            raise UsageError(
                f"{self.host}: a password is not sent without TLS but to this machine itself"
            )

    @property
    def name(self) -> str:
        """`host:port`, for messages."""
        return f"{self.host}:{self.port}"

    def connect(self, password: Secret) -> Client:
        """A client, logged in. Raises ImapError; the text never has the password."""
        wire = Wire(self._socket(), self.name, self.seconds)
        client = Client(wire)
        try:
            if self.tls == "tls":
                wire.stream = self._wrap(wire.stream)  # type: ignore[arg-type]
            client.greet()
            if self.tls == "starttls":
                self._start_tls(client)
            client.login(self.user, password)
        except BaseException:
            wire.close()
            raise
        return client

    def _socket(self) -> socket.socket:
        try:
            made = socket.create_connection((self.host, self.port), timeout=self.seconds)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        except OSError as error:
            raise Lost(f"{self.name}: cannot connect: {reason(error)}") from None

    def _wrap(self, plain: socket.socket) -> ssl.SSLSocket:
        """TLS 1.2 or newer, host name and chain checked."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            plain.settimeout(self.seconds)
            return context.wrap_socket(plain, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            raise ImapError(f"{self.name}: certificate refused: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise ImapError(f"{self.name}: TLS failed: {error.reason or reason(error)}") from None
        except OSError as error:
            raise Lost(f"{self.name}: TLS failed: {reason(error)}") from None

    def _start_tls(self, client: Client) -> None:
        wire = client.wire
        client.command(b"STARTTLS")
        if wire.start != wire.stop:  # words that were sent in the clear, to be read as encrypted
            raise ImapError(f"{self.name}: bytes behind the answer to STARTTLS")
        wire.stream = self._wrap(wire.stream)  # type: ignore[arg-type]
        client.capabilities = frozenset()


def is_loopback(host: str) -> bool:
    """Does the name mean this machine? A name is not looked up: only `localhost` counts."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
