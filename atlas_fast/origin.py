"""Where messages entered: the first outside address that the receiver's side saw.

`origin` takes one message, `OriginColumns` the header columns of many. docs/origin.md says what of
a Received chain can be believed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.origin import RANGE_CODES, REASONS, origin_batch
from atlas_fast.errors import UsageError
from atlas_fast.headers import HeaderColumns, Headers, parse_many

__all__ = ["SPECIAL_RANGES", "Origin", "OriginColumns", "Reason", "Trusted", "origin"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LOCAL, SPECIAL = "local", "special"

SPECIAL_RANGES = (
    # IANA IPv4 special-purpose address registry. "local": globally reachable is False there.
    ("0.0.0.0/8", LOCAL),  # this network: RFC 791
    ("10.0.0.0/8", LOCAL),  # private use: RFC 1918
    ("100.64.0.0/10", LOCAL),  # shared address space: RFC 6598
    ("127.0.0.0/8", LOCAL),  # loopback: RFC 1122
    ("169.254.0.0/16", LOCAL),  # link local: RFC 3927
    ("172.16.0.0/12", LOCAL),  # private use: RFC 1918
    ("192.0.0.0/24", LOCAL),  # IETF protocol assignments: RFC 6890; its parts:
    ("192.0.0.9/32", SPECIAL),  # port control protocol anycast: RFC 7723
    ("192.0.0.10/32", SPECIAL),  # traversal using relays anycast: RFC 8155
    ("192.0.2.0/24", LOCAL),  # documentation: RFC 5737
    ("192.31.196.0/24", SPECIAL),  # AS112: RFC 7535
    ("192.52.193.0/24", SPECIAL),  # automatic multicast tunnelling: RFC 7450
    ("192.88.99.0/24", SPECIAL),  # 6to4 relay anycast, deprecated: RFC 7526
    ("192.168.0.0/16", LOCAL),  # private use: RFC 1918
    ("192.175.48.0/24", SPECIAL),  # AS112 direct delegation: RFC 7534
    ("198.18.0.0/15", LOCAL),  # benchmarking: RFC 2544
    ("198.51.100.0/24", LOCAL),  # documentation: RFC 5737
    ("203.0.113.0/24", LOCAL),  # documentation: RFC 5737
    ("224.0.0.0/4", SPECIAL),  # multicast, no source of anything: RFC 5771
    ("240.0.0.0/4", SPECIAL),  # reserved, and limited broadcast: RFC 1112, RFC 8190
    # IANA IPv6 address space registry: what is no global unicast (RFC 4291), as one for each side.
    ("::/3", SPECIAL),
    ("4000::/2", SPECIAL),
    ("8000::/1", SPECIAL),
    # IANA IPv6 special-purpose address registry. The mapped block is IPv4, above.
    ("::/128", LOCAL),  # unspecified: RFC 4291
    ("::1/128", LOCAL),  # loopback: RFC 4291
    ("64:ff9b:1::/48", LOCAL),  # local-use translation: RFC 8215
    ("100::/64", LOCAL),  # discard only: RFC 6666
    ("100:0:0:1::/64", LOCAL),  # dummy prefix: RFC 9780
    ("2001::/23", LOCAL),  # IETF protocol assignments: RFC 2928; its parts:
    ("2001::/32", SPECIAL),  # Teredo: RFC 4380
    ("2001:1::1/128", SPECIAL),  # port control protocol anycast: RFC 7723
    ("2001:1::2/128", SPECIAL),  # traversal using relays anycast: RFC 8155
    ("2001:1::3/128", SPECIAL),  # service registration anycast: RFC 9665
    ("2001:2::/48", LOCAL),  # benchmarking: RFC 5180
    ("2001:3::/32", SPECIAL),  # automatic multicast tunnelling: RFC 7450
    ("2001:4:112::/48", SPECIAL),  # AS112: RFC 7535
    ("2001:10::/28", SPECIAL),  # ORCHID, deprecated: RFC 4843
    ("2001:20::/28", SPECIAL),  # ORCHIDv2: RFC 7343
    ("2001:30::/28", SPECIAL),  # drone remote identification: RFC 9374
    ("2001:db8::/32", LOCAL),  # documentation: RFC 3849
    ("2620:4f:8000::/48", SPECIAL),  # AS112 direct delegation: RFC 7534
    ("3fff::/20", LOCAL),  # documentation: RFC 9637
    ("5f00::/16", LOCAL),  # segment routing identifiers: RFC 9602
    ("fc00::/7", LOCAL),  # unique local: RFC 4193
    ("fe80::/10", LOCAL),  # link local: RFC 4291
    ("fec0::/10", LOCAL),  # site local, deprecated: RFC 3879
)  # fmt: skip
"""(prefix, "local" or "special"). The translation prefix 64:ff9b::/96 (RFC 6052) and 6to4's
2002::/16 (RFC 3056) are read as the IPv4 address inside, by the kernel."""

_CAPS = (limits.MAX_HOPS, limits.MAX_FIELD_BYTES)


class Reason(IntEnum):
    """Why the origin of a message is what it is."""

    NO_RECEIVED = 0
    FIRST_EXTERNAL = 1
    SENDERS_WORD = 2
    ONLY_LOCAL = 3
    NO_ADDRESS = 4
    TOO_MANY_HOPS = 5
    ORIGINATING_IP = 6

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS = {
    Reason.NO_RECEIVED: "no Received field",
    Reason.FIRST_EXTERNAL: "first external hop",
    Reason.SENDERS_WORD: "external hop beyond what the receiver saw: the sender's word",
    Reason.ONLY_LOCAL: "only private, special-purpose or trusted addresses",
    Reason.NO_ADDRESS: "no address in the chain",
    Reason.TOO_MANY_HOPS: f"no external hop among the first {limits.MAX_HOPS}",
    Reason.ORIGINATING_IP: "no external hop; X-Originating-IP says so",
}
if tuple(reason.name for reason in Reason) != REASONS:
    raise AssertionError("reasons of the kernel differ")


class Trusted:
    """Relays on the receiver's side, compiled for the kernel.

    `relays`: addresses and prefixes; `names`: host names, each also for the names below it, as they
    stand behind `by` in what the relay writes. A name is weaker: anyone can write it
    (docs/origin.md). Raises UsageError for what is neither, and above limits.MAX_TRUSTED.
    """

    def __init__(self, relays: Iterable[str] = (), names: Iterable[str] = ()):
        networks = [_network(text) for text in relays]
        hosts = sorted({_host(name) for name in names})
        if max(len(networks), len(hosts)) > limits.MAX_TRUSTED:
            raise UsageError(f"more than {limits.MAX_TRUSTED} trusted relays")
        self.starts, self.codes = _compile(networks)
        self.names = b"".join(hosts)
        self.name_ends = np.cumsum([0, *map(len, hosts)]).astype(np.int64)

    def for_kernel(self) -> tuple[np.ndarray, np.ndarray, bytes, np.ndarray]:
        return self.starts, self.codes, self.names, self.name_ends


def _network(text: str) -> Network:
    try:
        if "%" in text:
            raise ValueError("a scope id")
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(f"trusted relay {text!r} is no address or prefix: {error}") from None


def _host(name: str) -> bytes:
    host = name.strip().strip(".").lower().encode("ascii", "replace")
    if not host or any(c <= 32 or c in b"?@/()[];" for c in host):
        raise UsageError(f"trusted name {name!r} is no host name")
    return host


def _sixteen(network: Network) -> tuple[int, int]:
    """First and last address as numbers of 128 bits, IPv4 as mapped."""
    first, last = int(network.network_address), int(network.broadcast_address)
    base = 0xFFFF << 32 if network.version == 4 else 0
    return base + first, base + last


def _compile(trusted: list[Network]) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes, nested or not, as disjoint ranges: where each starts, and its code."""
    given = [(*_sixteen(ipaddress.ip_network(text)), RANGE_CODES[kind], 0)
             for text, kind in SPECIAL_RANGES]  # fmt: skip
    mapped = 0xFFFF << 32
    given.append((mapped, mapped + 0xFFFFFFFF, RANGE_CODES["global"], 0))
    given += [(*_sixteen(network), RANGE_CODES["trusted"], 1) for network in trusted]
    edges = sorted({0, *(edge for lo, hi, *_ in given for edge in (lo, hi + 1))} - {1 << 128})
    given.sort(key=lambda one: (one[3], one[0] - one[1]))  # the narrowest last, trusted behind all
    codes = np.zeros(len(edges), np.uint8)
    at = {edge: number for number, edge in enumerate(edges)}
    for lo, hi, code, _ in given:
        codes[at[lo] : at.get(hi + 1, len(edges))] = code
    packed = b"".join(edge.to_bytes(16, "big") for edge in edges)
    return np.frombuffer(packed, np.uint8).reshape(-1, 16).copy(), codes


class OriginColumns:
    """Origins of the messages of header columns.

    `address` uint8 (n, 16): IPv4 as IPv4-mapped IPv6, zero where there is none; `family` uint8
    (n,): 4, 6 or 0; `hop` int16 (n,): number of the Received field that names it, the newest is 0,
    -1 where it stands in none; `border` int16 (n,): the last Received field that was written on
    the receiver's side, or -1; `reason` uint8 (n,): a Reason.
    """

    def __init__(self, headers: HeaderColumns, trusted: Trusted | None = None):
        n = len(headers)
        self.address = np.empty((n, 16), np.uint8)
        self.family = np.empty(n, np.uint8)
        self.hop = np.empty(n, np.int16)
        self.border = np.empty(n, np.int16)
        self.reason = np.empty(n, np.uint8)
        origin_batch(
            *headers.for_fields(), *(trusted or _nobody()).for_kernel(), _CAPS, self.address,
            self.family, self.hop, self.border, self.reason,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.family)

    def row(self, index: int) -> Origin:
        """The origin of message `index`."""
        family, ip = int(self.family[index]), None
        raw = self.address[index].tobytes()
        if family:
            ip = ipaddress.ip_address(raw[12:] if family == 4 else raw)
        reason = Reason(int(self.reason[index]))
        return Origin(ip, int(self.hop[index]), int(self.border[index]), reason)


_default: list[Trusted] = []


def _nobody() -> Trusted:
    """No relays, compiled once."""
    if not _default:
        _default.append(Trusted())
    return _default[0]


@dataclass(frozen=True, slots=True)
class Origin:
    """The address that a message came from, or None; the Received fields are numbered from 0."""

    ip: Address | None
    hop: int
    border: int
    reason: Reason

    @property
    def text(self) -> str:
        """One line for people."""
        where = f"{self.ip} at hop {self.hop}: " if self.ip is not None else ""
        return where + self.reason.text


def origin(message: bytes | Headers, trusted: Trusted | None = None) -> Origin:
    """Where one message entered; bytes are a message or its header section."""
    raw = message.raw if isinstance(message, Headers) else message
    return OriginColumns(parse_many([raw]), trusted).row(0)
