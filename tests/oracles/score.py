"""Logits, what they are made of, and what is stored of that, plainly."""

import json
import math
import struct


def logit(indices, data, weights, bias):
    return math.fsum(
        [bias, *(float(weights[i]) * float(v) for i, v in zip(indices, data, strict=True))]
    )


def bits(value):
    """A float without its sign, as a number that orders as its size does."""
    return struct.unpack("<I", struct.pack("<f", value))[0] & 0x7FFFFFFF


def contributions(indices, data, ends, weights, k):
    """(sums of the groups, [(column, group, share), ...]) of one row; numbers are float32."""
    shares = [
        weights[i] * v for i, v in zip(indices, data, strict=True)
    ]  # float32 times float32 is float32 here: the caller gives numpy scalars
    sums, start, group_of = [], 0, []
    for number, end in enumerate(ends):
        stop = max(start, min(end, len(shares)))
        lanes = [0.0] * 8
        for at in range(start, stop):
            lanes[at % 8] += float(shares[at])
        a, b, c, d = (lanes[i] + lanes[i + 1] for i in range(0, 8, 2))
        sums.append((a + b) + (c + d))
        group_of += [number] * (stop - start)
        start = stop
    group_of += [len(ends) - 1] * (len(shares) - len(group_of))
    order = sorted(range(len(shares)), key=lambda at: (-bits(shares[at]), at))
    best = [at for at in order if bits(shares[at])][:k]
    return sums, [(indices[at], group_of[at], shares[at]) for at in best]


def hundredths(share):
    share = float(share) * 100
    if not -1e6 < share < 1e6:
        return 1_000_000 if share > 0 else -1_000_000
    return round(share)


def text(sums, best, layout, largest):
    """What is stored of one message."""
    order = sorted(range(len(sums)), key=lambda group: (-abs(hundredths(sums[group])), group))
    groups = [(group, hundredths(sums[group])) for group in order[:largest]]
    features = [(group, column, hundredths(share)) for column, group, share in best]
    return json.dumps(
        {
            "reasons": [
                layout,
                [number for one in groups if one[1] for number in one],
                [number for one in features if one[2] for number in one],
            ]
        },
        separators=(",", ":"),
    )
