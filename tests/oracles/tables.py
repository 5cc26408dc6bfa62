"""The value of a table, read by the standard library."""

import hashlib
import struct

HEAD = struct.Struct("<4sHH8sQQ8sII")


def read(value: bytes, kind: bytes, layout: int):
    """(count, payload, does the checksum agree), or None when it is no table of that kind."""
    if len(value) < HEAD.size:
        return None
    magic, its_layout, _, its_kind, count, size, checksum, _, _ = HEAD.unpack_from(value)
    if magic != b"ATFT" or its_kind != kind.ljust(8, b"\0") or its_layout != layout:
        return None
    payload = value[HEAD.size : HEAD.size + size]
    if len(payload) != size or count > size:
        return None
    return count, payload, hashlib.blake2b(payload, digest_size=8).digest() == checksum


def digest(data: bytes, size: int) -> bytes:
    return hashlib.blake2b(data, digest_size=size).digest()
