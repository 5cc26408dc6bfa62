"""Unstructured header text, plainly: RFC 2047 with joined words, RFC 6532 for the rest."""

import base64
import codecs
import re

WORD = re.compile(rb"=\?([^? \t\r\n]{1,39})\?([bBqQ])\?(.*?)\?=", re.DOTALL)
BLANK = re.compile(rb"[ \t\r\n]*\Z")
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
UTF8 = {"utf-8", "utf8", "us-ascii", "ascii", "u8"}


def codec_of(charset: bytes) -> str:
    """Python codec of a charset name without its language; UTF-8 for what nobody knows."""
    name = charset.split(b"*")[0].decode("ascii", "replace").lower()
    if name in UTF8:
        return "utf-8"
    try:
        codecs.lookup(name)
    except (LookupError, ValueError):
        return "utf-8?"  # unknown: read as UTF-8, but never joined with a real UTF-8 word
    return name


def payload_q(text: bytes) -> bytes:
    def one(match):
        if match[1]:
            return bytes([int(match[1], 16)])
        return b" " if match[0] == b"_" else b""

    return re.sub(rb"=([0-9A-Fa-f]{2})|_|[\r\n]", one, text)


def payload_b(text: bytes) -> bytes:
    out = b""
    for quantum in text.split(b"="):
        clean = bytes(c for c in quantum if c in ALPHABET)
        if len(clean) % 4 == 1:
            clean = clean[:-1]
        out += base64.b64decode(clean + b"=" * (-len(clean) % 4))
    return out


def plain(text: bytes) -> str:
    return "".join(part.decode("utf-8", "replace") for part in re.split(rb"[\r\n]", text))


def decode(raw: bytes) -> str:
    out, run, codec, last = [], b"", None, 0

    def flush():
        if codec is not None:
            out.append(run.decode(codec.rstrip("?"), "replace"))

    for match in WORD.finditer(raw):
        between = raw[last : match.start()]
        here = codec_of(match[1])
        adjacent = codec is not None and BLANK.match(between)
        if not adjacent or here != codec:
            flush()
            run = b""
            if not adjacent:
                out.append(plain(between))
        codec = here
        run += (payload_b if match[2] in b"bB" else payload_q)(match[3])
        last = match.end()
    flush()
    out.append(plain(raw[last:]))
    return "".join(out)
