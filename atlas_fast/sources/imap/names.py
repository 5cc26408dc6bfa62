"""Mailbox names on the wire: modified UTF-7 (RFC 3501, 5.1.3), quoted strings."""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

__all__ = ["decode_name", "encode_name", "quoted"]


def encode_name(name: str) -> bytes:
    """Modified UTF-7: printable ASCII as it is, `&` as `&-`, the rest as UTF-16 in base64.

    Lone surrogates are encoded as they stand, so that any string comes back.
    """
    out, other = bytearray(), ""
    for character in (*name, ""):
        if character and not " " <= character <= "~":
            other += character
            continue
        if other:
            packed = b2a_base64(other.encode("utf-16-be", "surrogatepass"), newline=False)
            out += b"&" + packed.rstrip(b"=").replace(b"/", b",") + b"-"
            other = ""
        out += b"&-" if character == "&" else character.encode("ascii")
    return bytes(out)


def decode_name(raw: bytes) -> str:
    """The text of a name in modified UTF-7; one that is not valid is read as UTF-8, or Latin-1."""
    out, at = [], 0
    try:
        while (start := raw.find(b"&", at)) >= 0:
            out.append(raw[at:start].decode("ascii"))
            stop = raw.index(b"-", start)
            packed = raw[start + 1 : stop].replace(b",", b"/")
            if b"/" in raw[start + 1 : stop]:
                raise ValueError("a slash in modified base64")
            if packed:
                text = a2b_base64(packed + b"=" * (-len(packed) % 4), strict_mode=True)
                out.append(text.decode("utf-16-be", "surrogatepass"))
            else:
                out.append("&")
            at = stop + 1
        out.append(raw[at:].decode("ascii"))
    except (ValueError, Error):
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    return "".join(out)


def quoted(raw: bytes) -> bytes:
    """A quoted string. Raises ValueError for bytes that cannot stand in one."""
    if any(byte in raw for byte in (0, 10, 13)) or not raw.isascii():
        raise ValueError("not a quoted string: NUL, line ends and 8-bit bytes need a literal")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
