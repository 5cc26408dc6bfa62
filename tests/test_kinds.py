"""Kinds of mail against the oracle, on generated numbers and on mail."""

import numpy as np
import pytest
from guard import before_guard, behind_guard
from hypothesis import given
from hypothesis import strategies as st
from oracles import kinds as oracle

from atlas_fast._kernels.kinds import KINDS, STEPS, kinds_choose, kinds_logits
from atlas_fast.classify.kinds import NO_SUBCATEGORY, _under
from atlas_fast.classify.labels import of_messages
from atlas_fast.classify.model import load_model
from atlas_fast.sources.synthetic import generate


def made_of(terms, bulk, weights, of_spam, threshold, under, place=lambda one: one):
    n = len(terms)
    logits = np.empty((n, KINDS))
    kinds_logits(place(terms), place(bulk), place(weights), logits)
    five, category, under_it = (
        np.empty((n, KINDS), np.float32), np.empty(n, np.uint8), np.empty(n, np.uint8)
    )  # fmt: skip
    kinds_choose(
        place(logits), place(of_spam), threshold, place(terms), *map(place, under), 255, five,
        category, under_it,
    )  # fmt: skip
    rows = zip(five.tolist(), category.tolist(), under_it.tolist(), strict=True)
    return logits.tolist(), list(rows)


def expected(terms, bulk, weights, of_spam, threshold, under):
    below = list(zip(*(one.tolist() for one in under), strict=True))
    logits = [
        oracle.logits(row, one, weights.tolist())
        for row, one in zip(terms.tolist(), bulk.tolist(), strict=True)
    ]
    limit = float(np.float32(threshold))
    rows = [
        oracle.choose(found, spam, limit, row, below, 255)
        for found, spam, row in zip(logits, of_spam.tolist(), terms.tolist(), strict=True)
    ]
    return logits, rows


@st.composite
def cases(draw):
    n, m = draw(st.integers(0, 5)), draw(st.integers(1, 30))
    s = draw(st.integers(0, 8))
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    terms = seed.choice(np.array([0, 0, 0, 1, 2, 3, 8, 9, 255], np.uint8), (n, m))
    weights = np.round(seed.normal(size=(KINDS, m + 2)) * draw(st.sampled_from([1, 300])), 2)
    of_spam = seed.choice(np.array([0, 0.25, 0.5, 0.7, 1], np.float32), n)
    under = (
        seed.integers(0, m, s).astype(np.int32), seed.integers(0, KINDS, s).astype(np.uint8),
        seed.integers(0, 2, s).astype(np.uint8),
    )  # fmt: skip
    bulk = seed.integers(0, 2, n).astype(np.uint8)
    return terms, bulk, weights, of_spam, draw(st.sampled_from([0.25, 0.6, 1.0])), under


@given(cases())
def test_kinds_agree_with_the_oracle(case):
    assert made_of(*case) == expected(*case)


def test_steps_are_those_of_the_oracle():
    assert STEPS == oracle.STEPS


def mail(n):
    return of_messages([raw for _, raw in generate(n, 5)], np.ones(n, np.int8), [""] * n)


def test_kinds_of_mail_agree_with_the_oracle():
    rows, model = mail(200), load_model()
    of_spam = model.probabilities(rows)
    weights = np.ascontiguousarray(np.hstack([model.kinds.ham, model.kinds.spam]).T)
    case = (rows.terms, rows.bulk.view(np.uint8), weights, of_spam, model.threshold, _under())
    found = made_of(*case)
    assert found == expected(*case)
    five, category, under = model.categories(of_spam, rows)
    assert [(list(a), b, c) for a, b, c in found[1]] == list(
        zip(five.tolist(), category.tolist(), under.tolist(), strict=True)
    )
    assert len(set(category.tolist())) > 3 and (under != NO_SUBCATEGORY).any()


def test_nothing_is_read_outside():
    rows, model = mail(5), load_model()
    weights = np.ascontiguousarray(np.hstack([model.kinds.ham, model.kinds.spam]).T)
    of_spam = model.probabilities(rows)
    case = (rows.terms, rows.bulk.view(np.uint8), weights, of_spam, model.threshold, _under())
    for guard in (before_guard, behind_guard):
        found = made_of(
            *case, lambda one, at=guard: np.frombuffer(at(one.tobytes()), one.dtype).reshape(one.shape)
        )  # fmt: skip
        assert found == made_of(*case)


@pytest.mark.parametrize("place", range(10))
def test_what_does_not_fit_is_refused(place):
    n, m, s = 2, 4, 3
    arrays = [
        np.zeros((n, KINDS)), np.zeros(n, np.float32), np.zeros((n, m), np.uint8),
        np.zeros(s, np.int32), np.zeros(s, np.uint8), np.zeros(s, np.uint8),
        np.zeros((n, KINDS), np.float32), np.zeros(n, np.uint8), np.zeros(n, np.uint8),
    ]  # fmt: skip
    if place < 9:
        arrays[place] = arrays[place][:1].copy()
    else:
        arrays[3][1] = m
    with pytest.raises(ValueError):
        kinds_choose(*arrays[:2], 0.5, *arrays[2:6], 255, *arrays[6:])


@pytest.mark.parametrize("place", range(4))
def test_logits_that_do_not_fit_are_refused(place):
    arrays = [
        np.zeros((2, 4), np.uint8), np.zeros(2, np.uint8), np.zeros((KINDS, 6)),
        np.zeros((2, KINDS)),
    ]  # fmt: skip
    kinds_logits(*arrays)
    arrays[place] = arrays[place][:1].copy()
    with pytest.raises(ValueError):
        kinds_logits(*arrays)
