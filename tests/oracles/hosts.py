"""Names in URLs and addresses, with the standard library's patterns."""

import re

_URL = re.compile(rb"(?:[A-Za-z0-9+.-]*:)?//([^/?#\\]*)", re.DOTALL)


def host(url: bytes) -> bytes:
    match = _URL.match(url)
    if match is None:
        return b""
    name = match[1].rpartition(b"@")[2]
    if name[:1] == b"[":
        return _ended(name[1:].partition(b"]")[0])
    return _ended(name.partition(b":")[0])


def domain(address: bytes) -> bytes:
    _, at, name = address.rpartition(b"@")
    return _ended(name.partition(b">")[0]) if at else b""


def _ended(name: bytes) -> bytes:
    return name.removesuffix(b".").lower()
