"""The payload of the table `geo`, as _kernels.geo reads it.

    uint64[8]         ranges of IPv4, of IPv6, 1 when `lo6` is there, records, organisations,
                      bytes of their names, aliases, 0
    index4 uint32[65537]    first range of each /16, and the end; each /16 begins a range of its own
    low4   uint16[n4]       low half of the range's first address
    id4    int32[n4]        its record, -1 for none
    index6 uint32[131075]   the range that holds the first address of each bucket; the last range
    hi6    uint64[n6]       upper half of the range's first address
    lo6    uint64[n6]       lower half; left out when all are 0
    id6    int32[n6]
    country uint16[k], asn uint32[k], organisation uint32[k]
    names  uint32[m + 1]    offsets in `text`
    text   uint8[]          UTF-8

Each part begins on a multiple of 64 bytes. The buckets of IPv6: all below 2000::, each /20 of
2000::/3, all from 4000:: on, and the end of the address space.
"""

from __future__ import annotations

import numpy as np

from atlas_fast.reference.geodata.ranges import Family, GeoData

__all__ = ["encode"]

ALIGNMENT = 64


def encode(data: GeoData) -> tuple[int, bytes]:
    """(ranges of both families, payload)."""
    index4, low4, id4 = _ipv4(data.ipv4)
    index6, hi6, lo6, id6 = _ipv6(data.ipv6)
    names = [name.encode("utf-8", "replace") for name in data.organisations]
    offsets = np.zeros(len(names) + 1, np.int64)
    np.cumsum([len(name) for name in names], out=offsets[1:])
    text = np.frombuffer(b"".join(names), np.uint8)
    head = [
        len(low4), len(hi6), int(len(lo6) > 0), len(data.country), len(names), len(text),
        data.aliases, 0,
    ]  # fmt: skip
    parts = [
        np.array(head, "<u8"),
        index4.astype("<u4"), low4.astype("<u2"), id4.astype("<i4"),
        index6.astype("<u4"), hi6.astype("<u8"), lo6.astype("<u8"), id6.astype("<i4"),
        data.country.astype("<u2"), data.asn.astype("<u4"), data.organisation.astype("<u4"),
        offsets.astype("<u4"), text,
    ]  # fmt: skip
    out = bytearray()
    for part in parts:
        out += part.tobytes()
        out += bytes(-len(out) % ALIGNMENT)
    return len(low4) + len(hi6), bytes(out)


def _ipv4(family: Family) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    blocks = np.arange(1 << 16, dtype=np.uint64) << np.uint64(16)
    starts = np.union1d(family.lo, blocks)
    record = family.record[np.searchsorted(family.lo, starts, side="right") - 1]
    index = np.searchsorted(starts, np.append(blocks, np.uint64(1 << 32)))
    return index, starts & np.uint64(0xFFFF), record


def _ipv6(family: Family) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    blocks = np.arange(1 << 17, dtype=np.uint64) << np.uint64(44) | np.uint64(0x2000 << 48)
    firsts = np.concatenate([[np.uint64(0)], blocks, [np.uint64(0x4000 << 48)]])
    # The last range that begins at or before the first address of a bucket, which has a low half
    # of 0: of the ranges with the same upper half only one that has no low half counts.
    plain = family.lo == 0
    last = np.where(plain, np.arange(len(plain)), -1)
    at = np.searchsorted(family.hi, firsts, side="left")
    exact = (at < len(plain)) & (family.hi[np.minimum(at, len(plain) - 1)] == firsts)
    exact &= last[np.minimum(at, len(plain) - 1)] >= 0
    index = np.where(exact, at, at - 1)
    lo = family.lo if family.lo.any() else family.lo[:0]
    return np.append(index, len(plain) - 1), family.hi, lo, family.record
