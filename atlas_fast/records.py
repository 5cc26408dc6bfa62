"""What the one-item faces give: small frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox (RFC 5322, 3.4): display-name, addr-spec, and the group that it stood in."""

    name: str
    address: str
    group: str | None = None

    @property
    def domain(self) -> str:
        """What follows the last `@`, lower-cased; empty when there is none."""
        return self.address.rpartition("@")[2].lower() if "@" in self.address else ""


@dataclass(frozen=True, slots=True)
class Received:
    """One hop (RFC 5321, 4.4). Absent clauses are None; addresses are checked text."""

    from_: str | None
    from_ip: str | None
    by: str | None
    by_ip: str | None
    with_: str | None
    id: str | None
    for_: str | None
    helo: str | None
    date: datetime | None


class GeoRecord(NamedTuple):
    """What is known of an address. What is not known is None; `risk` then is the default's."""

    ip: str
    country_code: str | None
    country_name: str | None
    asn: int | None
    organisation: str | None
    risk: float
