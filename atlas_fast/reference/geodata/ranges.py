"""Ranges of both families with what is known of them, and several sources merged into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ALIAS_6TO4", "ALIAS_COMPATIBLE", "ALIAS_TEREDO", "Family", "GeoData", "merge"]

ALIAS_6TO4 = 1
ALIAS_TEREDO = 2
ALIAS_COMPATIBLE = 4
"""IPv6 prefixes in which a source answers for the IPv4 address that they embed: 2002::/16,
2001::/32, ::/96. The IPv4-mapped prefix ::ffff:0:0/96 is always read so."""


@dataclass(slots=True)
class Family:
    """Range i begins at (hi[i], lo[i]), ends where the next begins, and has record[i], -1 for none.

    The first begins at 0. IPv4 addresses are in `lo`.
    """

    hi: np.ndarray
    lo: np.ndarray
    record: np.ndarray

    @staticmethod
    def empty() -> Family:
        return Family(np.zeros(1, np.uint64), np.zeros(1, np.uint64), np.full(1, -1, np.int64))

    def joined(self) -> Family:
        """Neighbours with one record become one range."""
        keep = np.ones(len(self.record), bool)
        keep[1:] = self.record[1:] != self.record[:-1]
        return Family(self.hi[keep], self.lo[keep], self.record[keep])


@dataclass(slots=True)
class GeoData:
    """Ranges of both families, and records: country (two ASCII letters, little-endian, 0 for none),
    asn (0 for none), organisation (number in `organisations`, where 0 is the empty name)."""

    ipv4: Family
    ipv6: Family
    country: np.ndarray
    asn: np.ndarray
    organisation: np.ndarray
    organisations: list[str]
    has_country: bool = True
    has_asn: bool = True
    aliases: int = 0

    def normal(self) -> GeoData:
        """Each record once and only if used, none for one that says nothing; ranges joined."""
        first, inverse = _distinct(
            self.country.astype(np.uint64) << np.uint64(32) | self.asn.astype(np.uint64),
            self.organisation,
        )
        nothing = (self.country[first] == 0) & (self.asn[first] == 0)
        nothing &= self.organisation[first] == 0
        families = []
        for family in (self.ipv4, self.ipv6):
            record = np.where(family.record < 0, -1, inverse[np.maximum(family.record, 0)])
            record[nothing[record] & (record >= 0)] = -1
            families.append(Family(family.hi, family.lo, record).joined())
        order = np.unique(np.concatenate([family.record for family in families]))
        order = order[order >= 0]
        renumber = np.full(len(first) + 1, -1, np.int64)
        renumber[order] = np.arange(len(order))
        for family in families:
            family.record = renumber[family.record]
        chosen = first[order]
        organisation, organisations = _only_used(self.organisation[chosen], self.organisations)
        return GeoData(
            families[0], families[1], self.country[chosen], self.asn[chosen], organisation,
            organisations, self.has_country, self.has_asn, self.aliases,
        )  # fmt: skip


def _distinct(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of pairs: where each distinct one is first, and which of them each one is."""
    _, number = np.unique(a, return_inverse=True)
    pair = number.reshape(-1).astype(np.uint64) << np.uint64(32) | b.astype(np.uint64)
    _, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def _only_used(numbers: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    order = np.unique(np.concatenate([[0], numbers]))
    place = np.zeros(len(names), np.int64)
    place[order] = np.arange(len(order))
    return place[numbers], [names[i] for i in order.tolist()]


def merge(sources: Sequence[GeoData]) -> GeoData:
    """Country from the first source that has countries at all, AS number and organisation from the
    first that has those."""
    country = next((one for one in sources if one.has_country), None)
    asn = next((one for one in sources if one.has_asn), None)
    chosen = [one for one in (country, asn) if one is not None]
    if not chosen:
        raise ValueError("no source has countries or AS numbers")
    if len(chosen) == 1 or chosen[0] is chosen[1]:
        return chosen[0].normal()
    left, right = chosen
    families = []
    pairs: list[np.ndarray] = []
    n_pairs = 0
    for mine, theirs in ((left.ipv4, right.ipv4), (left.ipv6, right.ipv6)):
        hi, lo, a, b = _overlay(mine, theirs)
        mine_at, theirs_at = mine.record[a], theirs.record[b]
        first, inverse = _distinct(mine_at + 1, theirs_at + 1)
        families.append(Family(hi, lo, inverse + n_pairs))
        pairs.append(np.stack([mine_at[first], theirs_at[first]], axis=1))
        n_pairs += len(first)
    records = np.concatenate(pairs)
    return GeoData(
        families[0],
        families[1],
        _pick(left.country, records[:, 0]),
        _pick(right.asn, records[:, 1]),
        _pick(right.organisation, records[:, 1]),
        right.organisations,
        aliases=left.aliases & right.aliases,
    ).normal()


def _pick(column: np.ndarray, record: np.ndarray) -> np.ndarray:
    """column[record], 0 where the record is -1."""
    return np.append(column, column.dtype.type(0))[record]


def _overlay(left: Family, right: Family) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All starts of both, and for each the number of the range of either that holds it."""
    hi = np.concatenate([left.hi, right.hi])
    lo = np.concatenate([left.lo, right.lo])
    n = len(left.hi)
    order = np.lexsort((lo, hi))
    hi, lo = hi[order], lo[order]
    from_left = order < n
    a = np.maximum.accumulate(np.where(from_left, order, -1))
    b = np.maximum.accumulate(np.where(from_left, -1, order - n))
    last = np.ones(len(hi), bool)  # of the entries with one start: there both numbers are right
    last[:-1] = (hi[1:] != hi[:-1]) | (lo[1:] != lo[:-1])
    return hi[last], lo[last], a[last], b[last]
