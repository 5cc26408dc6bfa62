"""Geography of addresses: country, AS number, organisation, and a risk score by country.

    lookup("8.8.8.8")                   a GeoRecord
    lookup_many(addresses)              an array of GEO_DTYPE, one entry an address
    open_geo()                          the same as methods, over the current reference data

An address is text (str, or bytes in ASCII), an object of `ipaddress`, or an integer; many of them
come as a list, an array of uint32 (IPv4), or an array of uint8 with 16 columns (IPv6). Text is read
strictly: four decimal octets without leading zeros, or RFC 4291 section 2.2. An IPv4-mapped IPv6
address counts as the IPv4 address that is in it.

The functions pick up newer reference data within a minute; `open_geo` does at once. Settings, table
`geo.risk`: a number from 0 to 1 for a country's code, or for `default`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

import numpy as np

from atlas_fast import settings
from atlas_fast._kernels.geo import (
    NO_ADDRESS,
    UNKNOWN,
    GeoTable,
    gather,
    kept_record,
    locate,
    locate_ipv4,
    locate_ipv6,
    locate_items,
    locate_text,
    organisation_name,
    record,
)
from atlas_fast._kernels.tables import digest
from atlas_fast.countries import COUNTRY_NAMES, COUNTRY_RISK, DEFAULT_RISK
from atlas_fast.errors import ReferenceDamaged, SettingsError
from atlas_fast.records import GeoRecord
from atlas_fast.reference.open import Reference, open_reference

__all__ = [
    "GEO_DTYPE",
    "NO_ADDRESS",
    "NO_ADDRESS_RISK",
    "UNKNOWN",
    "Geo",
    "lookup",
    "lookup_many",
    "open_geo",
    "risk_table",
]

GEO_DTYPE = np.dtype(
    [
        ("record", np.int32),
        ("country", "S2"),
        ("asn", np.uint32),
        ("organisation", np.int32),
        ("risk", np.float32),
    ]
)
"""One address: `record` is UNKNOWN or NO_ADDRESS where there is none; then the country is empty,
`asn` and `organisation` are 0. Geo.organisations has the names of organisations."""

NO_ADDRESS_RISK = 0.40
"""Of text that is no address."""

REFRESH_SECONDS = 60.0
KEPT = 20_000
"""Records that are kept as Python objects at most."""

Many = Sequence[Any] | Iterable[Any] | np.ndarray


def risk_table() -> tuple[Mapping[str, float], float]:
    """(risk by country code, risk of the others) with what the settings file overrides.

    Raises SettingsError for what is no code or no number from 0 to 1.
    """
    geo = settings.section("geo")
    risk = geo.get("risk", {})
    for key in geo:
        if key != "risk":
            raise SettingsError(f"{settings.settings_file()}: geo.{key} is not known")
    if not isinstance(risk, dict):
        raise SettingsError(f"{settings.settings_file()}: geo.risk is not a table")
    table, default = dict(COUNTRY_RISK), DEFAULT_RISK
    for code, value in risk.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
        if not number:
            raise SettingsError(
                f"{settings.settings_file()}: geo.risk.{code} is no number from 0 to 1"
            )
        if code == "default":
            default = float(value)
        elif len(code) == 2 and code.isascii() and code.isalpha() and code.isupper():
            table[code] = float(value)
        else:
            raise SettingsError(
                f"{settings.settings_file()}: geo.risk.{code} is no country code (two capitals)"
            )
    return table, default


class Geo:
    """Lookups over one generation of the reference data.

    Raises ReferenceDataError when it has no geography, SettingsError when the settings are wrong.
    """

    def __init__(self, reference: Reference):
        self.reference = reference
        try:
            self.table = GeoTable(reference.table(b"geo"))
        except ValueError as error:
            raise ReferenceDamaged(f"table geo: {error}") from None
        self._risk, self._default = risk_table()
        self._by_code = np.full(1 << 16, self._default, np.float32)
        for code, risk in self._risk.items():
            self._by_code[int.from_bytes(code.encode(), "little")] = risk
        self.risks = digest(self._by_code.tobytes())
        """Tells one table of risks from another."""
        self._kept: dict[int, tuple[Any, ...]] = {}

    def lookup(self, ip: Any) -> GeoRecord:
        """What is known of one address. Raises ValueError when it is none."""
        found = kept_record(self.table, ip, self._kept, GeoRecord)
        if found is not None:
            return found
        number = locate(self.table, ip)
        rest = self._kept.get(number)
        if rest is None:
            if number == NO_ADDRESS:
                raise ValueError(f"{ip!r} is no address")
            rest = self._record(number)
        if type(ip) is not str:
            ip = _text(ip)
        return tuple.__new__(GeoRecord, (ip, *rest))

    def _record(self, number: int) -> tuple[Any, ...]:
        """The fields of a record behind `ip`."""
        country, asn, organisation = record(self.table, number)
        code = country.to_bytes(2, "little").decode("ascii", "replace") if country else None
        rest = (
            code,
            None if code is None else COUNTRY_NAMES.get(code, code),
            asn or None,
            organisation_name(self.table, organisation) or None,
            self._default if code is None else self._risk.get(code, self._default),
        )
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[number] = rest
        return rest

    def locate_many(self, ips: Many) -> np.ndarray:
        """Record numbers, int32: UNKNOWN where the table has none, NO_ADDRESS for no address."""
        if isinstance(ips, np.ndarray) and ips.dtype != object:
            return self._locate_array(ips)
        items = ips if type(ips) is list else list(ips)
        ids = np.empty(len(items), np.int32)
        locate_items(self.table, items, ids)
        return ids

    def _locate_array(self, ips: np.ndarray) -> np.ndarray:
        ids = np.empty(len(ips), np.int32)
        if ips.ndim == 2 and ips.shape[1] == 16 and ips.dtype == np.uint8:
            locate_ipv6(self.table, np.ascontiguousarray(ips), ids)
        elif ips.ndim == 1 and ips.dtype.kind in "iu":
            whole = np.ascontiguousarray(ips, np.uint32)
            locate_ipv4(self.table, whole, ids)
            if ips.dtype != np.uint32:
                ids[(ips < 0) | (ips > 0xFFFFFFFF)] = NO_ADDRESS
        elif ips.ndim == 1 and ips.dtype.kind in "SU":
            return self.locate_many(ips.tolist())
        else:
            raise TypeError("addresses as an array are uint32, or uint8 with 16 columns, or text")
        return ids

    def locate_text(self, data: Any, offsets: np.ndarray) -> np.ndarray:
        """The same for texts: address i is data[offsets[i]:offsets[i + 1]]."""
        ids = np.empty(len(offsets) - 1, np.int32)
        locate_text(self.table, data, offsets, ids)
        return ids

    def lookup_many(self, ips: Many) -> np.ndarray:
        """An array of GEO_DTYPE, one entry an address."""
        return self.records(self.locate_many(ips))

    def records(self, ids: np.ndarray) -> np.ndarray:
        """What stands behind record numbers, as an array of GEO_DTYPE."""
        country, asn, organisation = self.columns(ids)
        out = np.empty(len(ids), GEO_DTYPE)
        out["record"] = ids
        out["country"] = country.view("S2")
        out["asn"] = asn
        out["organisation"] = organisation
        out["risk"] = self._by_code[country]
        out["risk"][ids == NO_ADDRESS] = NO_ADDRESS_RISK
        return out

    def organisations(self, numbers: Iterable[int]) -> list[str]:
        """Names of organisations by their numbers."""
        return [organisation_name(self.table, number) for number in numbers]

    def risk_of(self, countries: np.ndarray) -> np.ndarray:
        """float32: risks of countries as `columns` gives them."""
        return self._by_code[countries]

    def columns(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of record numbers: countries (two letters as a uint16, 0 where unknown), AS numbers, and
        numbers of organisations."""
        country = np.empty(len(ids), "<u2")
        asn = np.empty(len(ids), np.uint32)
        organisation = np.empty(len(ids), np.int32)
        gather(self.table, ids, country, asn, organisation)
        return country, asn, organisation


def _text(ip: Any) -> str:
    if isinstance(ip, bytes):
        return ip.decode("ascii", "replace")
    if isinstance(ip, int):
        import ipaddress

        return str(ipaddress.ip_address(ip))
    return str(ip)


_current: Geo | None = None
_next_look = 0.0
_lock = threading.Lock()


def open_geo() -> Geo:
    """Geography of the current generation; the same object until there is a newer one."""
    global _current, _next_look
    reference = open_reference()
    with _lock:
        if _current is None or _current.reference is not reference:
            _current = Geo(reference)
        _next_look = monotonic() + REFRESH_SECONDS
        return _current


def lookup(ip: Any) -> GeoRecord:
    """What is known of one address. Raises ValueError when it is none."""
    geo = _current
    if geo is None or monotonic() > _next_look:
        geo = open_geo()
    return kept_record(geo.table, ip, geo._kept, GeoRecord) or geo.lookup(ip)


def lookup_many(ips: Many) -> np.ndarray:
    """An array of GEO_DTYPE, one entry an address; text that is none has record NO_ADDRESS."""
    return open_geo().lookup_many(ips)
