"""Where a message came from, over `atlas_fast.origin` and `atlas_fast.geo`."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from atlas_fast.countries import COUNTRY_RISK
from atlas_fast.errors import ReferenceDataError
from atlas_fast.geo import lookup, risk_table
from atlas_fast.headers import parse_headers
from atlas_fast.origin import SPECIAL_RANGES, origin

__all__ = ["CACHE_ENABLED", "GeographicData", "GeographicIntelligenceProcessor"]

CACHE_ENABLED = True
"""The original's flag. A look-up is faster than a cache would be: none is used."""

log = logging.getLogger(__name__)

_LEVELS = (
    (0.80, "very_high", "Known major spam/phishing source"),
    (0.60, "high", "Significant suspicious activity"),
    (0.40, "medium", "Moderate risk profile"),
    (0.20, "low", "Generally trustworthy"),
    (0.00, "very_low", "Established secure infrastructure"),
)

_SPECIAL = tuple(ipaddress.ip_network(text) for text, _ in SPECIAL_RANGES)


@dataclass
class GeographicData:
    """`detection_method` says how it was found, or why not."""

    sender_ip: str | None = None
    sender_country_code: str | None = None
    sender_country_name: str | None = None
    geographic_risk_score: float = 0.0
    detection_method: str = "IP_HEADER_ANALYSIS"


class GeographicIntelligenceProcessor:
    """`geoip`: the look-up, address to record."""

    COUNTRY_RISK_SCORES: ClassVar[dict[str, float]] = dict(COUNTRY_RISK)

    def __init__(self, logger: Any = None):
        self.logger = log if logger is None else logger
        self.geoip = lookup

    def extract_ip_from_headers(self, headers: str) -> str | None:
        """The address from which the message entered, or None."""
        if not isinstance(headers, str | bytes) or not headers:
            return None
        raw = headers.encode("utf-8", "surrogatepass") if isinstance(headers, str) else headers
        found = origin(parse_headers(raw)).ip
        return None if found is None else str(found)

    def get_geographic_data(self, ip_address: str) -> GeographicData:
        """What is known of an address; empty and private ones have the defaults."""
        if not ip_address or not _is_public(ip_address):
            return GeographicData()
        try:
            found = lookup(ip_address)
        except ReferenceDataError:
            return GeographicData(ip_address, None, None, 0.35, "GEOIP_LOOKUP_ERROR")
        if found.country_code is None:
            return GeographicData(ip_address, None, None, 0.40, "IP_EXTRACTED_COUNTRY_UNKNOWN")
        return GeographicData(
            ip_address, found.country_code, found.country_name, found.risk, "GEOIP2FAST_LOOKUP"
        )

    def process_email_geographic_intelligence(
        self, headers: str, sender_email: str | None = None
    ) -> GeographicData:
        """Origin and country of one message."""
        ip = self.extract_ip_from_headers(headers)
        if ip is None:
            return GeographicData(detection_method="NO_EXTERNAL_IP_FOUND")
        return self.get_geographic_data(ip)

    def get_risk_assessment(self, country_code: str) -> dict[str, Any]:
        """Level, score and reason of a country by its code."""
        if not country_code:
            return {"risk_level": "unknown", "score": 0.30, "reason": "Country unknown"}
        table, default = risk_table()
        score = table.get(country_code.upper(), default)
        level, reason = next((level, why) for least, level, why in _LEVELS if score >= least)
        return {
            "risk_level": level, "score": score, "reason": reason, "country_code": country_code,
        }  # fmt: skip


def _is_public(text: str) -> bool:
    """Is it an address that mail can come from?"""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return not any(ip.version == network.version and ip in network for network in _SPECIAL)
