"""SipHash after its paper, on Python's integers."""

MASK = (1 << 64) - 1


def _rotl(x, b):
    return ((x << b) | (x >> (64 - b))) & MASK


def _round(v):
    v[0] = (v[0] + v[1]) & MASK
    v[1] = _rotl(v[1], 13) ^ v[0]
    v[0] = _rotl(v[0], 32)
    v[2] = (v[2] + v[3]) & MASK
    v[3] = _rotl(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & MASK
    v[3] = _rotl(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & MASK
    v[1] = _rotl(v[1], 17) ^ v[2]
    v[2] = _rotl(v[2], 32)


def siphash(key: tuple[int, int], data: bytes, c=2, d=4, wide=True) -> tuple[int, ...]:
    """One word, or two words when `wide`."""
    v = [key[0] ^ 0x736F6D6570736575, key[1] ^ 0x646F72616E646F6D,
         key[0] ^ 0x6C7967656E657261, key[1] ^ 0x7465646279746573]  # fmt: skip
    if wide:
        v[1] ^= 0xEE
    whole = len(data) // 8 * 8
    words = [data[i : i + 8] for i in range(0, whole, 8)]
    words.append(data[whole:].ljust(7, b"\0") + bytes([len(data) & 0xFF]))
    for word in words:
        m = int.from_bytes(word, "little")
        v[3] ^= m
        for _ in range(c):
            _round(v)
        v[0] ^= m
    v[2] ^= 0xEE if wide else 0xFF
    for _ in range(d):
        _round(v)
    first = v[0] ^ v[1] ^ v[2] ^ v[3]
    if not wide:
        return (first,)
    v[1] ^= 0xDD
    for _ in range(d):
        _round(v)
    return first, v[0] ^ v[1] ^ v[2] ^ v[3]
