"""Kinds of mail, plainly: logits, probabilities, category and subcategory of one message."""

import math
import struct

STEPS = (0, 1, 2, 2, 3, 3, 3, 3, 4)


def logits(terms, bulk, weights):
    found = []
    for row in weights:
        total = row[0]
        for count, weight in zip(terms, row[1:-1], strict=True):
            if count:
                total += STEPS[min(count, 8)] * weight
        found.append(total + row[-1] if bulk else total)
    return found


def _float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _side(values, whole):
    most = max(values)
    each = [math.exp(value - most) for value in values]
    total = 0.0
    for one in each:
        total += one
    return [_float32(one / total * whole) for one in each]


def choose(found, of_spam, threshold, terms, subcategories, none):
    """`subcategories`: (column, owner, fallback) each."""
    five = _side(found[:2], 1 - of_spam) + _side(found[2:], of_spam)
    side = range(2, 5) if of_spam >= threshold else range(2)
    category = max(side, key=lambda kind: (five[kind], -kind))
    mine = [
        (2 * terms[column] + fallback, -number)
        for number, (column, owner, fallback) in enumerate(subcategories)
        if owner == category
    ]
    return five, category, -max(mine)[1] if category and mine else none
