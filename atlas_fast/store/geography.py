"""Origin and geography of a batch as the original's columns; objects for distinct values only."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from atlas_fast.countries import COUNTRY_NAMES

if TYPE_CHECKING:
    from atlas_fast.batch import Batch

__all__ = ["COLUMNS", "geography"]

COLUMNS = (
    "sender_ip",
    "sender_country_code",
    "sender_country_name",
    "geographic_risk_score",
    "detection_method",
    "sender_asn",
)

FOUND = "GEOIP2FAST_LOOKUP"
NO_ORIGIN = "NO_EXTERNAL_IP_FOUND"
NO_COUNTRY = "IP_EXTRACTED_COUNTRY_UNKNOWN"
NO_LOOKUP = "GEOIP_LOOKUP_ERROR"
"""Values of `detection_method`, as the original writes them. NO_LOOKUP: no reference data."""

NO_COUNTRY_RISK, NO_LOOKUP_RISK = 0.40, 0.35
"""Stored risks where there is an address without a country; the original's."""


def geography(batch: Batch) -> dict[str, list[Any]]:
    """The COLUMNS of a batch, n values each; empty when origins were not looked for."""
    enrichment = getattr(batch, "enrichment", None)
    if enrichment is None:
        return {}
    n, origin, geo = len(batch), enrichment.origin, enrichment.geo
    there = np.flatnonzero(origin.family)
    ip = _spread(n, there, origin.address[there].view("V16").ravel(), _text)
    method, risk = np.full(n, NO_ORIGIN, object), np.zeros(n)
    if geo is None:
        method[there], risk[there] = NO_LOOKUP, NO_LOOKUP_RISK
        code: list[Any] = [None] * n
        name: list[Any] = [None] * n
        asn: list[Any] = [None] * n
    else:
        known = there[geo["country"][there] != b""]
        method[there], risk[there] = NO_COUNTRY, NO_COUNTRY_RISK
        method[known] = FOUND
        risk[known] = np.round(geo["risk"][known].astype(np.float64), 6)
        codes = geo["country"][known]
        code = _spread(n, known, codes, _code)
        name = _spread(n, known, codes, lambda raw: COUNTRY_NAMES.get(_code(raw), _code(raw)))
        numbers = geo["asn"].astype(object)
        numbers[geo["asn"] == 0] = None
        asn = numbers.tolist()
    values = (ip, code, name, risk.tolist(), method.tolist(), asn)
    return dict(zip(COLUMNS, values, strict=True))


def _spread(
    n: int, rows: np.ndarray, values: np.ndarray, make: Callable[[bytes], str]
) -> list[str | None]:
    """None everywhere but at `rows`, where an object made once for each distinct value stands."""
    out = np.full(n, None, object)
    raws = values.tolist()
    made = {raw: make(raw) for raw in set(raws)}
    out[rows] = list(map(made.__getitem__, raws))
    return out.tolist()


def _text(raw: bytes) -> str:
    """16 bytes of an address as text; an IPv4-mapped one is IPv4."""
    if raw[:12] == b"\0" * 10 + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)


def _code(raw: bytes) -> str:
    return raw.decode("ascii", "replace")
