"""MMDB files (GeoLite2, DB-IP and others): the tree is walked level by level over arrays, and the
record of each distinct data pointer is read by the `maxminddb` package."""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast.errors import ReferenceDataError, extra
from atlas_fast.reference.geodata.ranges import (
    ALIAS_6TO4,
    ALIAS_COMPATIBLE,
    ALIAS_TEREDO,
    Family,
    GeoData,
)
from atlas_fast.reference.sources import Source, file_source

__all__ = ["fields", "find", "read"]


def _open(path: str | Path) -> Any:
    try:
        import maxminddb
    except ImportError:
        raise ReferenceDataError(
            f"{path}: reading MMDB files needs maxminddb: {extra('mmdb')}"
        ) from None
    try:
        return maxminddb.open_database(os.fspath(path))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise ReferenceDataError(f"{path}: {error}") from error


def find(path: Path) -> Source:
    """A named file. Raises ReferenceDataError when it is no MMDB file."""
    with _open(path) as reader:
        about = reader.metadata()
    date = datetime.fromtimestamp(about.build_epoch, UTC).date().isoformat()
    kind = str(about.database_type)
    return file_source(path, kind, date, _licence(kind), date, "mmdb")


def _licence(kind: str) -> str:
    """By the type that the file states: as far as it is known."""
    for word, licence in (
        ("GeoLite2", "GeoLite2 End User License Agreement"),
        ("DBIP", "CC-BY-4.0"),
        ("ipinfo", "CC-BY-SA-4.0"),
    ):
        if word.lower() in kind.lower():
            return licence
    return "that of the named file"


def fields(record: Any) -> tuple[str, int, str]:
    """(country code, AS number, organisation) of a record, in the forms that are in use."""
    if not isinstance(record, dict):
        return "", 0, ""
    country = record.get("country")
    if isinstance(country, dict):
        country = country.get("iso_code")
    if country is None:
        country = record.get("country_code")
    if country is None and isinstance(record.get("registered_country"), dict):
        country = record["registered_country"].get("iso_code")
    asn = record.get("autonomous_system_number", record.get("asn", 0))
    if isinstance(asn, str):
        asn = asn.upper().removeprefix("AS")
        asn = int(asn) if asn.isdecimal() and asn.isascii() else 0
    name = record.get("autonomous_system_organization", record.get("as_name", ""))
    text = country if isinstance(country, str) else ""
    code = text.upper() if len(text) == 2 and text.isascii() and text.isalpha() else ""
    number = asn if isinstance(asn, int) and 0 <= asn < 1 << 32 else 0
    return code, number, name if isinstance(name, str) else ""


def read(path: str) -> GeoData:
    """All networks of the file. Raises ReferenceDataError when it is damaged."""
    import maxminddb

    with _open(path) as reader:
        about = reader.metadata()
        left, right = _tree(path, about.node_count, about.record_size)
        if about.ip_version == 4:
            ipv4, ipv6, aliases = _walk(path, left, right, 0, 32), Family.empty(), 0
        else:
            ipv4, ipv6, aliases = _both(path, left, right)
        pointers = np.unique(np.concatenate([ipv4.record, ipv6.record]))
        pointers = pointers[pointers >= 0]
        try:
            rows = _records(reader, pointers, ipv4, ipv6)
        except (ValueError, RecursionError, maxminddb.InvalidDatabaseError) as error:
            raise ReferenceDataError(f"{path}: {error}") from error
    for family in (ipv4, ipv6):
        place = np.searchsorted(pointers, family.record)
        family.record = np.where(family.record < 0, -1, place)
    names: dict[str, int] = {"": 0}
    organisation = [names.setdefault(row[2], len(names)) for row in rows]
    letters = [int.from_bytes(row[0].encode("ascii"), "little") for row in rows]
    return GeoData(
        ipv4, ipv6, np.array(letters, np.uint16), np.array([row[1] for row in rows], np.uint32),
        np.array(organisation, np.int64), list(names), any(letters),
        any(row[1] for row in rows), aliases,
    )  # fmt: skip


def _records(reader: Any, pointers: np.ndarray, *families: Family) -> list[tuple[str, int, str]]:
    """The fields behind each data pointer, read through the first network that has it."""
    where: dict[int, Any] = {}
    for family, kind in zip(families, (ipaddress.IPv4Address, ipaddress.IPv6Address), strict=True):
        found, first = np.unique(family.record, return_index=True)
        for pointer, i in zip(found.tolist(), first.tolist(), strict=True):
            where.setdefault(pointer, kind(int(family.hi[i]) << 64 | int(family.lo[i])))
    return [fields(reader.get(where[pointer])) for pointer in pointers.tolist()]


def _tree(path: str, n: int, record_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Left and right record of each node."""
    size = record_size // 4
    if record_size not in (24, 28, 32) or n < 1 or os.path.getsize(path) < n * size:
        raise ReferenceDataError(f"{path}: its search tree is damaged")
    raw = np.fromfile(path, np.uint8, n * size).reshape(n, size).astype(np.uint32)
    half = size // 2
    if record_size == 28:
        left = raw[:, 3] >> 4 << 24 | raw[:, 0] << 16 | raw[:, 1] << 8 | raw[:, 2]
        right = (raw[:, 3] & 15) << 24 | raw[:, 4] << 16 | raw[:, 5] << 8 | raw[:, 6]
        return left, right
    left, right = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    for i in range(half):
        left, right = left << 8 | raw[:, i], right << 8 | raw[:, half + i]
    return left, right


def _both(path: str, left: np.ndarray, right: np.ndarray) -> tuple[Family, Family, int]:
    """IPv4 lies at ::/96; nodes elsewhere that lead to the same subtree are aliases."""
    node, depth = 0, 0
    while depth < 96 and node < len(left):
        node, depth = int(left[node]), depth + 1
    if node < len(left):
        ipv4 = _walk(path, left, right, node, 32)
        ipv6 = _walk(path, left, right, 0, 128, stop=node)
    else:
        value = node if node > len(left) else -1
        ipv4 = Family.empty()
        ipv4.record[0] = value
        return ipv4, _walk(path, left, right, 0, 128), 0
    aliases = ALIAS_COMPATIBLE
    for hi, mark in ((0x2002 << 48, ALIAS_6TO4), (0x20010000 << 32, ALIAS_TEREDO)):
        bits = 16 if mark == ALIAS_6TO4 else 32
        at = 0
        for i in range(bits):
            if at >= len(left):
                break
            at = int((right if hi >> (63 - i) & 1 else left)[at])
        if at == node:
            aliases |= mark
    return ipv4, ipv6, aliases


def _walk(
    path: str, left: np.ndarray, right: np.ndarray, root: int, bits: int, stop: int = -1
) -> Family:
    """The leaves below `root`, in order; the subtree at `stop` is left out, wherever it is met."""
    n = len(left)
    nodes = np.array([root], np.int64)
    hi, lo = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    out: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    total = 0
    for depth in range(bits):
        position = 128 - bits + depth  # of the bit in 128
        bit = np.uint64(1) << np.uint64(63 - position % 64)
        right_hi, right_lo = (hi | bit, lo) if position < 64 else (hi, lo | bit)
        nodes = np.concatenate([left[nodes], right[nodes]]).astype(np.int64)
        hi, lo = np.concatenate([hi, right_hi]), np.concatenate([lo, right_lo])
        inner = (nodes < n) & (nodes != stop)
        leaf = ~inner
        value = np.where(nodes > n, nodes, -1)
        out.append((hi[leaf], lo[leaf], value[leaf]))
        total += int(leaf.sum())
        nodes, hi, lo = nodes[inner], hi[inner], lo[inner]
        if total + len(nodes) > limits.MAX_RANGES:
            raise ReferenceDataError(f"{path}: has more than {limits.MAX_RANGES:,} networks")
    if len(nodes):
        raise ReferenceDataError(f"{path}: its search tree is deeper than an address")
    hi, lo, value = (np.concatenate(column) for column in zip(*out, strict=True))
    order = np.lexsort((lo, hi))
    return Family(hi[order], lo[order], value[order]).joined()
