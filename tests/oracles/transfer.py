"""Transfer encodings, plainly."""

import base64
import re

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BLANK = b" \t\r\n"
B64_BAD, B64_TRUNCATED, QP_BAD = 1 << 13, 1 << 14, 1 << 15


def decode_base64(raw: bytes):
    """(bytes, flags). Padding ends the data unless the next line is base64 throughout."""
    out, flags = b"", 0
    while raw:
        piece, pad, raw = raw.partition(b"=")
        clean = bytes(c for c in piece if c in ALPHABET)
        if any(c not in ALPHABET and c not in BLANK for c in piece):
            flags |= B64_BAD
        left = len(clean) % 4
        if left == 1 or (left and not pad):
            flags |= B64_TRUNCATED
        if left == 1:
            clean = clean[:-1]
        out += base64.b64decode(clean + b"=" * (-len(clean) % 4))
        if pad and left > 1:
            raw = raw.lstrip(b"=" + BLANK)
            if not re.match(rb"[A-Za-z0-9+/=]*[ \t\r]*(\n|\Z)", raw):
                return out, flags | B64_BAD
    return out, flags


def decode_quoted_printable(raw: bytes):
    """(bytes, flags)."""
    out, flags = [], 0
    for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", raw):
        body, end = line, b""
        if line.endswith(b"\n"):
            body, end = line[:-1], b"\n"
        cr = body.endswith(b"\r")
        if cr:
            body = body[:-1]
        if end:
            body = body.rstrip(b" \t")
        soft = False
        pos = 0
        while pos < len(body):
            if body[pos : pos + 1] != b"=":
                out.append(body[pos : pos + 1])
                pos += 1
            elif pos + 1 == len(body):
                soft = True
                pos += 1
            elif re.match(rb"=[0-9A-Fa-f]{2}", body[pos:]):
                out.append(bytes([int(body[pos + 1 : pos + 3], 16)]))
                pos += 3
            else:
                flags |= QP_BAD
                out.append(b"=")
                pos += 1
        if end and not soft:
            out.append(b"\r\n" if cr else b"\n")
    return b"".join(out), flags
