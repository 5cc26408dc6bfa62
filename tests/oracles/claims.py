"""Claims as bytes: everything that a verdict depends on, lengths before texts."""

import struct


def claims(sender: bytes, dmarc: int, source: int, evidence: list[tuple[int, int, int, bytes]]):
    """`evidence`: (kind, result, source, domain) of each piece."""
    out = bytes([dmarc, source])
    if evidence:
        out += struct.pack("<I", len(sender)) + sender
    for kind, result, of, domain in evidence:
        out += bytes([kind, result, of]) + struct.pack("<I", len(domain)) + domain
    return out
