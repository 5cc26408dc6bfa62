"""Claims as bytes against the plain form; that they hold all that a verdict depends on is shown in
test_enrich.py, by verdicts with and without them."""

from itertools import pairwise

import numpy as np
import pytest
from guard import before_guard, behind_guard
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.claims import claims

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.claims import EVIDENCE_BYTES, claims_batch
from atlas_fast.auth import EVIDENCE_DTYPE

small = st.integers(0, 255)
domain = st.one_of(st.sampled_from([b"", b"a", b"a.example", b"b.example"]), st.binary(max_size=9))
message = st.tuples(
    domain, small, small, st.lists(st.tuples(small, small, small, domain), max_size=4)
)


def column(items):
    return b"".join(items), np.cumsum([0, *map(len, items)]).astype(np.int64)


def packed(messages, guard=bytes):
    senders, sender_ends = column([sender for sender, *_ in messages])
    pieces = [piece for *_, evidence in messages for piece in evidence]
    domains, ends = column([piece[3] for piece in pieces])
    rows = np.zeros(len(pieces), EVIDENCE_DTYPE)
    rows["start"], rows["stop"], rows["field"] = ends[:-1], ends[1:], np.arange(len(pieces)) * 7
    for i, name in enumerate(("kind", "result", "source")):
        rows[name] = [piece[i] for piece in pieces]
    indptr = np.cumsum([0, *(len(evidence) for *_, evidence in messages)]).astype(np.int64)
    dmarc = np.array([[one[1], one[2]] for one in messages], np.uint8).reshape(-1, 2).T.copy()
    out, offsets = Bytes(), np.empty(len(messages) + 1, np.int64)
    claims_batch(
        guard(senders), sender_ends, guard(rows.tobytes()), indptr, guard(domains), dmarc[0],
        dmarc[1], out, offsets,
    )  # fmt: skip
    raw = bytes(out)
    return [raw[a:b] for a, b in pairwise(offsets)]


@given(st.lists(message, max_size=6))
def test_the_plain_form(messages):
    assert packed(messages) == [claims(*one) for one in messages]


@settings(max_examples=40)
@given(st.lists(message, min_size=1, max_size=6))
def test_it_reads_inside_only(messages):
    for guard in (before_guard, behind_guard):
        assert packed(messages, lambda raw, g=guard: g(raw) if raw else raw) == packed(messages)


@given(message, message)
def test_different_claims_differ(one, other):
    bare = [(m[0] if m[3] else b"", *m[1:]) for m in (one, other)]
    assert (bare[0] == bare[1]) == (packed([one]) == packed([other]))


def test_misuse():
    ends, none = np.zeros(2, np.int64), np.zeros(1, np.uint8)
    with pytest.raises(ValueError, match="number of messages"):
        claims_batch(b"", ends[:1], b"", ends, b"", none, none, Bytes(), ends.copy())
    with pytest.raises(ValueError, match="number of messages"):
        claims_batch(b"", ends, b"x" * 15, ends, b"", none, none, Bytes(), ends.copy())
    with pytest.raises(ValueError, match="does not fit"):
        claims_batch(b"", ends, b"", np.array([0, 1]), b"", none, none, Bytes(), ends.copy())
    rows = np.zeros(1, EVIDENCE_DTYPE)
    rows["stop"] = 5
    with pytest.raises(ValueError, match="does not fit"):
        claims_batch(
            b"",
            ends,
            rows.view(np.uint8),
            np.array([0, 1]),
            b"abcd",
            none,
            none,
            Bytes(),
            ends.copy(),
        )
    assert EVIDENCE_DTYPE.itemsize == EVIDENCE_BYTES
