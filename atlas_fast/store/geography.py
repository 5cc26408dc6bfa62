"""Origin and geography of a batch as the original's columns; objects for distinct values only."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from atlas_fast._kernels.sqltable import NONE
from atlas_fast._kernels.storedtext import ipv4_texts
from atlas_fast.countries import COUNTRY_NAMES
from atlas_fast.store.columns import Column, Integers, Reals, Same, Texts, distinct

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

METHODS = (NO_ORIGIN, FOUND, NO_COUNTRY, NO_LOOKUP)

NO_COUNTRY_RISK, NO_LOOKUP_RISK = 0.40, 0.35
"""Stored risks where there is an address without a country; the original's."""


def geography(batch: Batch) -> dict[str, Column]:
    """The COLUMNS of a batch, n values each; empty when origins were not looked for."""
    enrichment = getattr(batch, "enrichment", None)
    if enrichment is None:
        return {}
    n, origin, geo = len(batch), enrichment.origin, enrichment.geo
    there = np.flatnonzero(origin.family)
    ip = _addresses(n, there, origin.address)
    method, risk = np.zeros(n, np.int32), np.zeros(n)
    code: Column = Same(None, n)
    name: Column = Same(None, n)
    asn: Column = Same(None, n)
    if geo is None:
        method[there], risk[there] = METHODS.index(NO_LOOKUP), NO_LOOKUP_RISK
    else:
        known = there[geo["country"][there] != b""]
        method[there], risk[there] = METHODS.index(NO_COUNTRY), NO_COUNTRY_RISK
        method[known] = METHODS.index(FOUND)
        risk[known] = np.round(geo["risk"][known].astype(np.float64), 6)
        codes = np.ascontiguousarray(geo["country"][known])
        code = _spread(n, known, codes, _code)
        name = Texts.of([COUNTRY_NAMES.get(one, one) for one in code.entries], code.codes)
        numbers = geo["asn"].astype(np.int64)
        asn = Integers(np.where(numbers == 0, NONE, numbers))
    values = (ip, code, name, Reals(risk), Texts.of(METHODS, method), asn)
    return dict(zip(COLUMNS, values, strict=True))


def _spread(n: int, rows: np.ndarray, values: np.ndarray, make: Callable[[bytes], str]) -> Texts:
    """NULL everywhere but at `rows`, where `values` (an item of fixed width each) stand, made to a
    text once for each distinct one."""
    codes = np.full(n, -1, np.int32)
    raw = values.view(np.uint8).ravel()
    width = len(raw) // max(len(rows), 1)
    starts = np.arange(len(rows)) * width
    ids, firsts = distinct(raw, starts, starts + width)
    codes[rows] = ids
    made = [make(raw[at * width : (at + 1) * width].tobytes()) for at in firsts.tolist()]
    return Texts.of(made, codes)


def _addresses(n: int, rows: np.ndarray, addresses: np.ndarray) -> Texts:
    """The addresses, uint8 (n, 16), of `rows` as texts; an IPv4-mapped one is IPv4."""
    out, offsets = np.empty(16 * n, np.uint8), np.empty(n + 1, np.int64)
    data = out[: ipv4_texts(addresses, out, offsets)]
    codes = np.full(n, -1, np.int32)
    codes[rows] = rows
    longer = rows[offsets[rows] == offsets[rows + 1]]
    if len(longer):
        more = _spread(n, longer, addresses[longer], partial(socket.inet_ntop, socket.AF_INET6))
        assert more.codes is not None
        codes[longer] = more.codes[longer] + n
        offsets = np.concatenate([offsets, more.offsets[1:] + offsets[-1]])
        data = np.concatenate([data, more.data])
    return Texts(data.copy(), offsets, codes)


def _code(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("ascii", "replace")
