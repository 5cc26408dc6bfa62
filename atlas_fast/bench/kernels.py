"""Each kernel over the same mail, beside a yardstick of the standard library.

The yardstick's rate says how fast the machine was while the kernels ran; a kernel's time divided by
it can be compared with that of another day (`regress.py`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from atlas_fast.bench.paired import Contestant

YARDSTICK = "yardstick"

Job = tuple[str, Callable[[], Any], int, str]


def contestants(messages: Sequence[bytes], mbox: np.ndarray, total: int) -> list[Contestant]:
    """The yardstick first, then a contestant for each kernel that a run spends its time in.

    `mbox` holds `total` messages.
    """
    joined = b"".join(messages)

    def yardstick() -> int:
        return zlib.crc32(joined) ^ blake2b(joined).digest()[0]

    sides = [
        Contestant(
            YARDSTICK,
            yardstick,
            len(messages),
            "CRC-32 and BLAKE2b of the same bytes, zlib and hashlib",
        )
    ]
    return sides + [Contestant(*job) for job in _jobs(messages, mbox, total)]


def _jobs(messages: Sequence[bytes], mbox: np.ndarray, total: int) -> list[Job]:
    from atlas_fast._kernels.mboxscan import scan_mbox
    from atlas_fast.batch import Batch, message_keys
    from atlas_fast.classify.model import load_model
    from atlas_fast.headers import parse_many
    from atlas_fast.mime import MimeColumns
    from atlas_fast.stages.features import extract

    n = len(messages)
    ends = np.cumsum([0, *map(len, messages)]).astype(np.int64)
    raw = np.frombuffer(b"".join(messages), np.uint8)
    batch = Batch(raw, ends[:-1], ends[1:], source="bench", places=[str(i) for i in range(n)])
    headers = parse_many(messages)
    parts = MimeColumns(headers)
    rows = extract(headers, parts)
    model = load_model()
    places, starts, stops = np.empty((3, total + 10), np.int64)
    return [
        (
            "mboxscan",
            lambda: scan_mbox(mbox, 0, 1 << 40, False, places, starts, stops),
            total,
            "bounds of all messages of the mbox",
        ),
        ("keys", lambda: message_keys(batch), n, "order and BLAKE2b of all bytes"),
        ("headers", lambda: parse_many(messages), n, "columns allocated and filled"),
        ("mime", lambda: MimeColumns(headers), n, "part tree, texts, links; columns allocated"),
        ("features", lambda: extract(headers, parts), n, "whole rows; columns allocated"),
        ("score", lambda: model.probabilities(rows), n, "logits and probabilities"),
    ]
