"""The stored form of a text, character by character; addresses by the standard library."""

import ipaddress


def characters(raw: bytes) -> list[int]:
    """Code points; a byte that begins no character of UTF-8 is U+FFFD, and so is a surrogate."""
    found, at = [], 0
    while at < len(raw):
        for size in (1, 2, 3, 4):
            try:
                (character,) = raw[at : at + size].decode("utf-8", "surrogatepass")
            except (UnicodeDecodeError, ValueError):
                continue
            found.append(0xFFFD if 0xD800 <= ord(character) < 0xE000 else ord(character))
            at += size
            break
        else:
            found.append(0xFFFD)
            at += 1
    return found


def stored(raw: bytes, cap: int, absent: bytes) -> bytes:
    if not raw:
        return absent
    text = ""
    for code in characters(raw)[:cap]:
        if code == 9:
            text += " "
        elif code < 32:
            text += chr(0x2400 + code)
        elif code == 127:
            text += "\u2421"
        elif 0x80 <= code < 0xA0:
            text += "\ufffd"
        else:
            text += chr(code)
    return text.encode()


def ipv4(address: bytes) -> bytes:
    """Dotted decimals of an IPv4-mapped address, nothing of another."""
    mapped = ipaddress.IPv6Address(address).ipv4_mapped
    return b"" if mapped is None else str(mapped).encode()
