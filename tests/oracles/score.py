"""Logits, plainly."""

import math


def logit(indices, data, weights, bias):
    return math.fsum(
        [bias, *(float(weights[i]) * float(v) for i, v in zip(indices, data, strict=True))]
    )
