"""A password that no repr, pickle, log line or traceback shows."""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any, NoReturn

__all__ = ["Secret"]


class Secret:
    """Holds a password; what leaves it are memoryviews, whose repr is an address.

    Values that are needed on the way stay out of local variables, so that a traceback printed with
    its locals does not have them either.
    """

    __slots__ = ("_raw",)

    def __init__(self, text: str):
        try:
            self._raw = memoryview(text.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:  # its text and frame would have the password
            self._raw = memoryview(text.encode("utf-8", "replace"))

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Secret) and self._raw == other._raw

    __hash__ = None  # type: ignore[assignment]

    def view(self) -> memoryview:
        """The password and a line end."""
        return memoryview(self._raw.tobytes() + b"\r\n")

    def line(self, user: str, before: bytes) -> memoryview:
        """`before`, the SASL PLAIN answer in base64 (RFC 4616), a line end."""
        return memoryview(
            before
            + b2a_base64(b"\0" + user.encode() + b"\0" + self._raw.tobytes(), newline=False)
            + b"\r\n"
        )
