"""An MMDB file of given ranges, so that the readers of such files can be measured on the same data.

One tree of 128 bits with IPv4 at ::/96 and an alias of it at ::ffff:0:0/96, records of 32 bits. The
data of a network is {"country": {"iso_code"}, "autonomous_system_number",
"autonomous_system_organization"}, as far as it is known.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atlas_fast.reference.geodata.ranges import Family, GeoData

__all__ = ["write"]

MARK = b"\xab\xcd\xefMaxMind.com"
STRING, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 5, 6, 7, 9, 11
EPOCH = 1_700_000_000


def write(path: Path, data: GeoData) -> None:
    """Write the file; networks without a record are left out."""
    section, places = _section(data)
    node = _alias(_tree(_one(data)))
    count = len(node)
    leaf = node < 0
    record = np.where(leaf, -node - 1, 0)  # 0: no data, else 1 + number of the record
    value = np.where(record > 0, count + 16 + places[np.maximum(record - 1, 0)], count)
    tree = np.where(leaf, value, node).astype(">u4").tobytes()
    about = _map(
        [
            ("node_count", _number(UINT32, count)),
            ("record_size", _number(UINT16, 32)),
            ("ip_version", _number(UINT16, 6)),
            ("database_type", _text("atlas_fast bench")),
            ("languages", _control(ARRAY, 1) + _text("en")),
            ("binary_format_major_version", _number(UINT16, 2)),
            ("binary_format_minor_version", _number(UINT16, 0)),
            ("build_epoch", _number(UINT64, EPOCH)),
            ("description", _map([("en", _text("ranges of a benchmark"))])),
        ]
    )
    path.write_bytes(tree + bytes(16) + section + MARK + about)


def _one(data: GeoData) -> Family:
    """Both families as one: IPv4 takes the place of ::/96."""
    wide = (data.ipv6.hi > 0) | (data.ipv6.lo >> np.uint64(32) > 0)
    hi, lo, record = data.ipv6.hi[wide], data.ipv6.lo[wide], data.ipv6.record[wide]
    behind = int(np.flatnonzero(wide)[0]) - 1 if wide.any() else len(wide) - 1
    edge = np.uint64(1 << 32)
    if not (len(hi) and hi[0] == 0 and lo[0] == edge):
        hi, lo = np.insert(hi, 0, 0), np.insert(lo, 0, edge)
        record = np.insert(record, 0, data.ipv6.record[behind])
    return Family(
        np.concatenate([data.ipv4.hi, hi]),
        np.concatenate([data.ipv4.lo, lo]),
        np.concatenate([data.ipv4.record, record]),
    ).joined()


def _key(hi: np.ndarray, lo: np.ndarray) -> np.ndarray:
    """Addresses as bytes that sort as they do."""
    return np.stack([hi, lo], axis=1).astype(">u8").view("S16").reshape(-1)


def _tree(family: Family) -> np.ndarray:
    """Node i is (left, right); a number below 0 is a leaf: -1 for none, else -2 - record.

    Level by level: a prefix that one range holds becomes a leaf, any other a node.
    """
    starts = _key(family.hi, family.lo)
    hi, lo = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    levels, n_before = [], 1
    for depth in range(128):
        bit = np.uint64(1) << np.uint64(63 - depth % 64)
        ones = np.uint64(0xFFFFFFFFFFFFFFFF)
        below = np.uint64(int(bit) - 1)
        children = []
        for side in (0, 1):
            child_hi = hi | bit if side and depth < 64 else hi
            child_lo = lo | bit if side and depth >= 64 else lo
            end_hi = child_hi | below if depth < 64 else child_hi
            end_lo = child_lo | (ones if depth < 64 else below)
            first = np.searchsorted(starts, _key(child_hi, child_lo), side="right") - 1
            last = np.searchsorted(starts, _key(end_hi, end_lo), side="right") - 1
            children.append((child_hi, child_lo, first, first != last))
        inner = np.stack([children[0][3], children[1][3]], axis=1)
        first = np.stack([children[0][2], children[1][2]], axis=1)
        level = -2 - family.record[first]
        level[inner] = n_before + np.arange(int(inner.sum()))
        levels.append(level)
        flat = inner.reshape(-1)
        hi = np.stack([children[0][0], children[1][0]], axis=1).reshape(-1)[flat]
        lo = np.stack([children[0][1], children[1][1]], axis=1).reshape(-1)[flat]
        n_before += len(hi)
        if not len(hi):
            break
    return np.concatenate(levels)


def _alias(node: np.ndarray) -> np.ndarray:
    """Let ::ffff:0:0/96 lead where ::/96 does, if that is a subtree."""
    target = 0
    for _ in range(96):
        target = int(node[target, 0])
        if target < 0:
            return node
    rows = node.tolist()
    place = 0
    for bit in range(95):
        side = int(bit >= 80)
        inner = rows[place][side]
        if inner < 0:
            rows[place][side] = len(rows)
            rows.append([inner, inner])
            inner = len(rows) - 1
        place = inner
    rows[place][1] = target
    return np.array(rows, np.int64)


def _section(data: GeoData) -> tuple[bytes, np.ndarray]:
    """The data section, and where in it each record is."""
    out, places, names = bytearray(), [], {}
    for text in (
        "country",
        "iso_code",
        "autonomous_system_number",
        "autonomous_system_organization",
    ):
        names[text] = len(out)
        out += _text(text)

    def pooled(text: str) -> bytes:
        if text not in names:
            names[text] = len(out)
            out.extend(_text(text))
        return _pointer(names[text])

    rows = zip(data.country.tolist(), data.asn.tolist(), data.organisation.tolist(), strict=True)
    for country, asn, organisation in rows:
        pairs = []
        if country:
            code = pooled(country.to_bytes(2, "little").decode())
            inner = _control(MAP, 1) + _pointer(names["iso_code"]) + code
            pairs.append(_pointer(names["country"]) + inner)
        if asn:
            pairs.append(_pointer(names["autonomous_system_number"]) + _number(UINT32, asn))
        if data.organisations[organisation]:
            name = pooled(data.organisations[organisation])
            pairs.append(_pointer(names["autonomous_system_organization"]) + name)
        places.append(len(out))
        out += _control(MAP, len(pairs)) + b"".join(pairs)
    return bytes(out), np.array(places or [0], np.int64)


def _control(kind: int, size: int) -> bytes:
    extended = b"" if kind < 8 else bytes([kind - 7])
    top = kind << 5 if kind < 8 else 0
    if size < 29:
        return bytes([top | size]) + extended
    if size < 285:
        return bytes([top | 29]) + extended + bytes([size - 29])
    return bytes([top | 30]) + extended + (size - 285).to_bytes(2, "big")


def _text(text: str) -> bytes:
    raw = text.encode()[:60_000]
    return _control(STRING, len(raw)) + raw


def _number(kind: int, value: int) -> bytes:
    raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return _control(kind, len(raw)) + raw


def _pointer(at: int) -> bytes:
    return b"\x38" + at.to_bytes(4, "big")


def _map(pairs: list[tuple[str, bytes]]) -> bytes:
    return _control(MAP, len(pairs)) + b"".join(_text(key) + value for key, value in pairs)
