"""Batches as the stages leave them, without the stages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass
class Texts:
    data: np.ndarray
    offsets: np.ndarray


@dataclass
class Headers:
    from_address: Texts
    from_name: Texts
    from_domain: Texts
    subject: Texts


@dataclass
class Verdict:
    probability: np.ndarray
    category: np.ndarray
    action: np.ndarray


class FakeBatch:
    """The part of a batch that the store reads."""

    def __init__(self, messages, source="mbox:/mail/inbox"):
        self.source = source
        self.places = [str(message["place"]) for message in messages]
        self.flags = np.array([message.get("flags", 0) for message in messages], np.uint32)
        digests = [
            hashlib.blake2b((source + place).encode(errors="replace"), digest_size=16).digest()
            for place in self.places
        ]
        self.keys = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
        self.headers = Headers(
            texts([message.get("address", "a@example.org") for message in messages]),
            texts([message.get("name", "") for message in messages]),
            texts([message.get("domain", "example.org") for message in messages]),
            texts([message.get("subject", "hello") for message in messages]),
        )
        spam = np.array([message.get("spam", 0.0) for message in messages], np.float32)
        self.verdict = Verdict(
            spam, np.where(spam > 0.5, 2, 0).astype(np.uint8), (spam > 0.5).astype(np.uint8)
        )

    def __len__(self):
        return len(self.places)


def texts(values):
    encoded = [value.encode("utf-8", "surrogatepass") for value in values]
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value) for value in encoded], out=offsets[1:])
    return Texts(np.frombuffer(b"".join(encoded), np.uint8), offsets)
