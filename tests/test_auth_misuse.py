"""Arguments of the verdict kernel, and settings, that do not fit."""

import numpy as np
import pytest

from atlas_fast import limits
from atlas_fast._kernels import authverdict
from atlas_fast._kernels.buffers import Bytes
from atlas_fast.auth import Alignment, AuthSettings
from atlas_fast.errors import UsageError
from atlas_fast.headers import parse_many
from atlas_fast.origin import OriginColumns

MESSAGE = (
    b"Authentication-Results: mx.elm.test; spf=pass smtp.mailfrom=tide.example; dkim=fail header.d=tide.example\n"
    b"Received: from oak.test ([41.203.64.10]) by mx.elm.test\nFrom: rosa@tide.example\n\n"
)


def test_settings_that_make_no_sense():
    with pytest.raises(UsageError):
        AuthSettings([" "])
    with pytest.raises(UsageError):
        AuthSettings([f"a{i}" for i in range(limits.MAX_TRUSTED + 1)])


def evidence_arguments():
    head = parse_many([MESSAGE])
    one = [np.zeros(1, np.uint8) for _ in range(3)]
    return [
        *head.for_fields(), OriginColumns(head).border, b"", np.zeros(1, np.int64), True,
        (50, 64, 32, 64, 50, 255, 1000), Bytes(), np.zeros(2, np.int64), Bytes(),
        np.zeros((6, 1), np.uint8), *one, np.zeros(1, np.int32),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, np.zeros((1, 3), np.int16)), (3, np.array([0, 99])), (4, np.zeros(2, np.int16)),
        (5, b"abc"), (6, np.zeros(0, np.int64)), (6, np.array([0, 5, 0])),
        (8, (50, 64, 65, 64, 50, 255, 1000)), (8, (50, 64, 32, 64, 51, 255, 1000)),
        (10, np.zeros(1, np.int64)), (12, np.zeros((5, 1), np.uint8)),
        (13, np.zeros(0, np.uint8)), (16, np.zeros(0, np.int32)),
    ],
)  # fmt: skip
def test_evidence_arguments_that_do_not_fit(place, value):
    authverdict.evidence_batch(*evidence_arguments())
    arguments = evidence_arguments()
    arguments[place] = value
    with pytest.raises(ValueError):
        authverdict.evidence_batch(*arguments)


def verdict_arguments():
    given_ = evidence_arguments()
    authverdict.evidence_batch(*given_)
    return [
        b"tide.example", np.array([0, 12]), np.array([-1], np.int32), given_[9], given_[10],
        given_[11], np.array([0, 0], np.int32), given_[12], np.zeros((8, 1), np.uint8),
        np.zeros(1, np.float32),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, np.array([0, 13])), (1, np.array([0])), (2, np.zeros(2, np.int32)), (3, Bytes()),
        (4, np.array([0, 3])), (5, Bytes()), (6, np.array([0, 13], np.int32)),
        (6, np.zeros(1, np.int32)), (7, np.zeros((6, 2), np.uint8)), (8, np.zeros((7, 1), np.uint8)),
        (9, np.zeros(0, np.float32)),
    ],
)  # fmt: skip
def test_verdict_arguments_that_do_not_fit(place, value):
    authverdict.verdict_batch(*verdict_arguments())
    arguments = verdict_arguments()
    arguments[place] = value
    with pytest.raises(ValueError):
        authverdict.verdict_batch(*arguments)


def test_offsets_of_organizational_domains_may_be_anything():
    for value in (-7, 12, 1 << 30):
        arguments = verdict_arguments()
        arguments[2] = np.array([value], np.int32)
        authverdict.verdict_batch(*arguments)
        assert arguments[8][4, 0] == Alignment.STRICT
