"""Rows of a batch: stored form of texts, verdict columns, order of columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_fast.store import SqliteStore
from atlas_fast.store.base import Run
from atlas_fast.store.rows import OLD_CATEGORIES, clean, row_block, stored
from atlas_fast.store.summaries import tally_of_blocks
from store.fake import FakeBatch, texts

hostile = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from("\x00\t\n\r\x1b\x7f\x80\x9f\xa0\u202e\u2028\U0001f600'\""),
    ),
    max_size=30,
)


def rows(batch):
    block = row_block(batch, 7, "2026-01-02 03:04:05", "linear 1")
    return [dict(zip(block.names, row, strict=True)) for row in block]


@given(st.lists(hostile, max_size=12), st.integers(1, 40))
def test_stored_texts_are_the_cleaned_texts(values, cap):
    assert stored(texts(values), cap).tolist() == [clean(value)[:cap] for value in values]


@given(hostile)
def test_clean_leaves_no_control_and_is_stable(value):
    stored = clean(value)
    assert len(stored) == len(value)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in stored)
    assert clean(stored) == stored


def test_stored_form_is_the_documented_one():
    stored = clean("a\x00b\tc\nd\x7f\x85\ud800e\u202e")
    assert stored == "a\u2400b c\u240ad\u2421\ufffd\ufffde\u202e"


def test_texts_of_a_slice_of_a_longer_arena():
    column = texts(["ab", "ç€", "d"])
    column.offsets = column.offsets[1:]
    assert stored(column, 10).tolist() == ["ç€", "d"]


def test_absent_texts_and_caps():
    batch = FakeBatch(
        [
            {"place": 0, "address": "", "subject": "", "name": "n" * 600, "domain": ""},
            {"place": 9, "subject": "é" * 2000, "address": "x" * 501},
        ]
    )
    first, second = rows(batch)
    assert (first["sender_email"], first["subject"]) == ("Unknown", "No Subject")
    assert first["sender_name"] == "n" * 500
    assert second["subject"] == "é" * 1000
    assert second["sender_email"] == "x" * 500


def test_verdict_columns():
    batch = FakeBatch([{"place": 0, "spam": 0.9731}, {"place": 5, "spam": 0.01, "flags": 1 << 31}])
    spam, ham = rows(batch)
    assert spam["action"] == "DELETED"
    assert spam["reason"] == (
        "Hybrid Classifier: Business Opportunity Spam (97.3% confidence) [AUTO_DETECTED] [PREVIEW]"
    )
    assert spam["category"] == "Business Opportunity Spam"
    assert spam["category_v2"] == "Commercial Spam"
    assert (spam["confidence_score"], spam["category_confidence_v2"]) == (97.3, 0.973)
    assert ham["action"] == "PRESERVED"
    assert ham["reason"] == "Not flagged by spam detection (category: Not Spam)"
    assert (ham["category"], ham["confidence_score"]) == ("Not Spam", 99.0)
    assert ham["flags"] == 1 << 31
    assert (ham["uid"], ham["folder_name"], ham["session_id"]) == ("5", "mbox:/mail/inbox", 7)
    assert isinstance(ham["message_key"], bytes) and len(ham["message_key"]) == 16
    assert ham["timestamp"] == ham["created_at"] == "2026-01-02 03:04:05"


@pytest.mark.parametrize("spam", [float("nan"), float("inf"), -1.0, 2.0])
def test_probability_that_is_none_does_not_lose_the_row(spam):
    (row,) = rows(FakeBatch([{"place": 0, "spam": spam}]))
    assert row["confidence_score"] is None
    assert row["action"] in ("PRESERVED", "DELETED")


def test_batch_without_columns_still_gives_rows():
    batch = FakeBatch([{"place": "bad\x00name\udce9"}, {"place": 2}])
    batch.headers = batch.verdict = None
    first, second = rows(batch)
    assert first["uid"] == "bad\u2400name\ufffd"
    assert (first["action"], first["category"], first["confidence_score"]) == (
        "PRESERVED", "Unknown", None,
    )  # fmt: skip
    assert first["reason"].startswith("Not classified")
    assert second["subject"] == "No Subject"


def test_counts_are_those_of_the_rows():
    batch = FakeBatch([{"place": i, "spam": (i % 3 == 0) * 0.9} for i in range(10)])
    block = row_block(batch, 1, "now", "m")
    assert tally_of_blocks([block]).by_category() == {
        ("DELETED", OLD_CATEGORIES["Commercial Spam"]): 4,
        ("PRESERVED", OLD_CATEGORIES["Legitimate"]): 6,
    }
    assert tally_of_blocks([block]).stored == 10


def test_empty_batch_gives_no_row():
    batch = FakeBatch([{"place": 0}])
    batch.places, batch.keys, batch.flags = [], batch.keys[:0], batch.flags[:0]
    batch.headers = batch.verdict = None
    block = row_block(batch, 1, "now", "m")
    assert list(block) == [] and tally_of_blocks([block]).stored == 0


def test_values_are_plain_python():
    (row,) = rows(FakeBatch([{"place": 0}]))
    assert {type(value) for value in row.values()} <= {str, int, float, bytes, type(None)}
    assert not any(isinstance(value, np.generic) for value in row.values())


def test_a_part_of_a_block_has_its_rows_and_its_counts(tmp_path):
    batch = FakeBatch(
        [{"place": i, "spam": (i % 3 == 0) * 0.9, "domain": f"d{i % 2}"} for i in range(10)]
    )
    block = row_block(batch, 1, "now", "m")
    goes = block.deleted()
    assert np.flatnonzero(goes).tolist() == [0, 3, 6, 9]
    whole = list(block)
    for mask in (goes, ~goes, goes & False):
        part = block.take(np.flatnonzero(mask))
        columns = block.values(np.flatnonzero(mask))
        assert list(zip(*columns.values(), strict=True)) == list(part)
        assert list(part) == [row for row, there in zip(whole, mask, strict=True) if there]
        assert part.n == tally_of_blocks([part]).stored == int(mask.sum())
        with SqliteStore(tmp_path / f"{part.n}.db") as store:
            store.begin_run([])
            store.write(Run(1), [part])
            assert store.check() == []
