"""Batches as Arrow record batches: values, shared memory, hostile mail."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import messages

from atlas_fast.batch import Batch
from atlas_fast.pipeline import Pipeline, scan
from atlas_fast.records import ACTIONS, CATEGORIES
from atlas_fast.stages import parse

pa = pytest.importorskip("pyarrow")


def batch_of(raws, places=None, source="mbox:/x"):
    stops = np.cumsum([len(raw) for raw in raws]).astype(np.int64)
    return Batch(
        np.frombuffer(b"".join(raws) or b"\0", np.uint8),
        stops - np.array([len(raw) for raw in raws], np.int64),
        stops,
        source=source,
        places=places or [str(i) for i in range(len(raws))],
    )


def test_a_row_is_the_message():
    for batch in scan("synthetic:2500,4"):
        record = batch.to_arrow()
        record.validate(full=True)
        rows, headers = record.to_pylist(), batch.headers
        assert len(rows) == len(batch) > 0
        for i in (0, len(batch) // 2, len(batch) - 1):
            one, head = rows[i], headers.row(i)
            assert one["message_key"] == batch.keys[i].tobytes()
            assert (one["source"], one["place"]) == (batch.source, batch.places[i])
            assert one["size"] == len(batch.message(i))
            assert one["subject"] == headers.subject[i]
            assert one["from_address"] == headers.from_address[i]
            assert one["date"].timestamp() == headers.date[i]
            assert one["to"] == [person.address for person in head.to]
            assert one["flags"] == batch.flags[i]
            assert one["spam_probability"] == batch.verdict.probability[i]
            assert one["category"] == CATEGORIES[batch.verdict.category[i]]
            assert one["action"] == ACTIONS[batch.verdict.action[i]]


def test_texts_and_numbers_share_memory():
    batch = next(scan("synthetic:500,4"))
    record = batch.to_arrow()
    for name in ("subject", "from_address", "from_name", "from_domain", "message_id"):
        _, offsets, data = record[name].buffers()
        assert data.address == getattr(batch.headers, name).data.ctypes.data
        assert offsets.address == getattr(batch.headers, name).offsets.ctypes.data
    for name, array in (
        ("message_key", batch.keys), ("flags", batch.flags),
        ("spam_probability", batch.verdict.probability), ("n_fields", batch.headers.n_fields),
    ):  # fmt: skip
        assert record[name].buffers()[1].address == array.ctypes.data, name


def test_the_record_keeps_the_memory_alive():
    record = next(scan("synthetic:200,4")).to_arrow()
    before = record.to_pylist()
    junk = [np.full(1 << 16, 7, np.uint8) for _ in range(64)]
    assert len(junk) == 64 and record.to_pylist() == before


def test_what_no_stage_filled_is_null():
    record = batch_of([b"From: a@b.example\n\n", b""]).to_arrow()
    record.validate(full=True)
    filled = {"message_key", "source", "place", "size", "flags"}
    for field in record.schema:
        assert record[field.name].null_count == (0 if field.name in filled else 2), field.name


def test_absent_dates_and_zones_are_null():
    batch = batch_of([
        b"Date: Mon, 5 Jan 2026 10:00:00 +0100\n\n", b"Date: soon\n\n", b"\n",
        b"Date: Mon, 5 Jan 2026 10:00:00 -0000\n\n",
    ])  # fmt: skip
    parse.run(batch)
    record = batch.to_arrow()
    assert record["date"].null_count == 2
    assert record["zone"].to_pylist() == [60, None, None, None]


def test_one_table_of_many_batches():
    pipeline = Pipeline(max_messages=300)
    records = [
        one.to_arrow() for one in scan(["synthetic:700,1", "synthetic:400,2"], pipeline=pipeline)
    ]
    table = pa.Table.from_batches(records).unify_dictionaries()
    assert table.num_rows == 1100
    assert table["source"].value_counts().to_pylist() == [
        {"values": "synthetic:1", "counts": 700}, {"values": "synthetic:2", "counts": 400},
    ]  # fmt: skip


@given(
    st.lists(st.one_of(messages, st.binary(max_size=300)), max_size=6),
    st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\udc80\udcff\0")), max_size=8),
)
def test_hostile_mail_is_valid_arrow(raws, place):
    batch = batch_of(raws, [place] * len(raws), source=place)
    parse.run(batch)
    record = batch.to_arrow()
    record.validate(full=True)
    assert record["subject"].to_pylist() == list(batch.headers.subject)
    assert set(record["place"].to_pylist()) <= {
        "".join("\ufffd" if 0xD800 <= ord(one) < 0xE000 else one for one in place)
    }


def test_a_subject_of_a_megabyte():
    raw = b"Subject: " + b"=?utf-8?q?=00=E2=80=AEx?= " * 40_000 + b"\n\n"
    batch = batch_of([raw])
    parse.run(batch)
    record = batch.to_arrow()
    record.validate(full=True)
    assert record["subject"][0].as_py() == batch.headers.subject[0]
    assert "\0" in record["subject"][0].as_py()
