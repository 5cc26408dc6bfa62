"""Message keys by hashlib."""

import re
from hashlib import blake2b


def message_key(source: bytes, place: bytes, content: bytes) -> bytes:
    number = re.search(rb"[0-9]{1,14}", place[place.rfind(b"/") + 1 :])
    order = int(number[0]) if number else 0
    near = blake2b(source, digest_size=2).digest()
    digest = blake2b(source + b"\0" + place + b"\0" + content, digest_size=16).digest()
    return near + order.to_bytes(6, "big") + digest
