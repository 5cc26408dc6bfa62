"""What holds for every batch kernel: batches may be split, reordered, mapped and overlap; misuse by
the caller raises before an output is promised."""

import importlib
import mmap
import pkgutil
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import messages as any_message

from atlas_fast import _kernels
from atlas_fast._kernels import mboxscan, mime, score
from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.learn import train_linear
from atlas_fast._kernels.messages import Messages
from atlas_fast.headers import HeaderColumns, parse_many
from atlas_fast.mime import MimeColumns
from atlas_fast.sources.synthetic import generate
from atlas_fast.stages.features import extract

batches = st.lists(any_message, min_size=1, max_size=5)


def rows_of(messages: Messages) -> list:
    """What the kernels make of each message, one item a message, without places in an arena."""
    head = HeaderColumns(messages)
    parts = MimeColumns(head)
    rows = extract(head, parts)
    whole = parts.text.tolist()
    strings = bytes(parts.strings)
    out = []
    for i in range(len(messages)):
        fields = head.fields[head.field_indptr[i] : head.field_indptr[i + 1]]
        tree = parts.parts[parts.part_indptr[i] : parts.part_indptr[i + 1]]
        names = [strings[a:b] for a, b in zip(tree["name_start"], tree["name_stop"], strict=True)]
        tree = tree.copy()
        tree["name_start"] = tree["name_stop"] = 0
        own = slice(rows.indptr[i], rows.indptr[i + 1])
        to = slice(head.to_indptr[i], head.to_indptr[i + 1])
        out.append(
            (
                int(head.flags[i]), int(head.body[i]), int(head.date[i]), int(head.zone[i]),
                int(head.n_fields[i]), int(head.n_received[i]), head.first[i].tobytes(),
                fields.tobytes(), head.subject[i], head.from_name[i], head.from_address[i],
                head.from_domain[i], head.message_id[i], head.reply_to[i], head.return_path[i],
                head.to_name[to], head.to_address[to], tree.tobytes(), names, whole[i],
                parts.links_of(i), int(parts.n_hidden[i]), rows.indices[own].tobytes(),
                rows.data[own].tobytes(),
            )
        )  # fmt: skip
    return out


def spans(raws):
    ends = np.cumsum([0, *map(len, raws)]).astype(np.int64)
    return np.frombuffer(b"".join(raws), np.uint8), ends[:-1], ends[1:]


@settings(max_examples=40)
@given(batches)
def test_a_batch_is_its_messages(raws):
    together = rows_of(Messages.of_bytes(raws))
    assert together == [rows_of(Messages.of_bytes([raw]))[0] for raw in raws]
    assert together == rows_of(Messages.of_spans(*spans(raws)))


@settings(max_examples=40)
@given(batches)
def test_order_does_not_matter(raws):
    raw, starts, stops = spans(raws)
    backward = Messages.of_spans(raw, starts[::-1].copy(), stops[::-1].copy())
    assert rows_of(backward) == rows_of(Messages.of_bytes(raws))[::-1]


@settings(max_examples=40)
@given(st.binary(max_size=60), any_message, st.binary(max_size=60))
def test_what_lies_around_does_not_matter(before, raw, behind):
    """Also: messages may overlap, and lie in memory that cannot be written."""
    whole = np.frombuffer(before + raw + behind, np.uint8)
    assert not whole.flags.writeable
    start, stop = len(before), len(before) + len(raw)
    three = Messages.of_spans(
        whole, np.array([0, start, start], np.int64), np.array([len(whole), stop, stop], np.int64)
    )
    alone = rows_of(Messages.of_bytes([raw]))[0]
    assert rows_of(three)[1:] == [alone, alone]


def test_mapped_memory(tmp_path):
    raw = b"Subject: a\n\nb\n"
    path = tmp_path / "mail"
    path.write_bytes(raw * 3)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        view = np.frombuffer(memory, np.uint8)
        ends = np.arange(4, dtype=np.int64) * len(raw)
        rows = rows_of(Messages.of_spans(view, ends[:-1], ends[1:]))
        del view
    assert rows == rows_of(Messages.of_bytes([raw] * 3))


@pytest.mark.parametrize(
    ("starts", "stops"),
    [([-1], [1]), ([2], [1]), ([0], [5]), ([0, 0], [1]), ([1 << 62], [1 << 62])],
)
def test_spans_that_do_not_fit(starts, stops):
    with pytest.raises(ValueError):
        Messages.of_spans(b"abcd", np.array(starts, np.int64), np.array(stops, np.int64))


def test_messages_need_bytes():
    with pytest.raises(TypeError, match="message 1 is str"):
        Messages.of_bytes([b"", ""])


def mime_arguments():
    spans = np.full((1, 2), -1, np.int32)
    offsets = [np.zeros(2, np.int64) for _ in range(3)]
    return [
        Messages.of_bytes([b"a"]), np.zeros(1, np.int32), spans, spans, spans,
        (1 << 20, 8, 8, 100, 8), Bytes(), offsets[0], Bytes(), offsets[1], Bytes(), offsets[2],
        Bytes(), np.zeros(1, np.int32), np.zeros(1, np.uint32),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, np.zeros(2, np.int32)),
        (1, np.array([2], np.int32)),
        (1, np.array([-1], np.int32)),
        (2, np.zeros((1, 3), np.int32)),
        (5, (1 << 31, 8, 8, 100, 8)),
        (5, (1 << 20, 1 << 20, 8, 100, 8)),
        (5, (1 << 20, 8, 0, 100, 8)),
        (7, np.zeros(1, np.int64)),
        (14, np.zeros(0, np.uint32)),
    ],
)
def test_mime_arguments_that_do_not_fit(place, value):
    mime.mime_batch(*mime_arguments())
    arguments = mime_arguments()
    arguments[place] = value
    with pytest.raises(ValueError):
        mime.mime_batch(*arguments)


def test_spans_of_fields_that_do_not_fit_count_as_absent():
    for span in ([0, 5], [-2, 1], [1, 0], [1 << 30, 1 << 30]):
        arguments = mime_arguments()
        arguments[2] = np.array([span], np.int32)
        mime.mime_batch(*arguments)
        assert bytes(arguments[6]) == b"a\n"


def test_no_output_moves_while_somebody_looks():
    arguments = mime_arguments()
    mime.mime_batch(*arguments)
    view = memoryview(arguments[6])
    with pytest.raises(BufferError):
        mime.mime_batch(*arguments)
    assert bytes(view) == b"a\n"
    view.release()
    mime.mime_batch(*arguments)


def test_views_are_counted_right_by_threads_at_once():
    """Without a GIL too: a wrong count lets memory move below a view, or never again."""
    for _ in range(5):
        out, begin = mime_arguments()[6], Barrier(2)

        def look(out=out, begin=begin):
            begin.wait()
            for _ in range(50_000):
                memoryview(out).release()

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(look) for _ in range(2)]:
                done.result()
        out.clear()
        with memoryview(out), pytest.raises(BufferError):
            out.clear()


def rows_in_turn(one, other, rounds):
    """The memory of rows that ended is given to the next ones, and to nobody while they live."""

    def values(rows):
        return rows.indptr.tobytes(), rows.indices.tobytes(), rows.data.tobytes()

    want = values(extract(*one)), values(extract(*other))
    for _ in range(rounds):
        first = extract(*one)
        second = extract(*other)
        assert (values(first), values(second)) == want
        del second
        again = extract(*other)
        assert (values(first), values(again)) == want


def test_memory_that_is_kept_is_given_once():
    heads = [parse_many([raw for _, raw in generate(200, seed)]) for seed in (1, 2)]
    one, other = ((head, MimeColumns(head)) for head in heads)
    rows_in_turn(one, other, 3)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(rows_in_turn, *pair, 20) for pair in ((one, other), (other, one))]:
            done.result()


def linear():
    return [np.array([0, 2, 3]), np.array([0, 1, 2], np.int32), np.ones(3, np.float32)]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, np.array([0, 2, 4])),
        (0, np.array([0, -1, 3])),
        (0, np.array([3, 2, 3])),
        (1, np.array([0, 1, 3], np.int32)),
        (1, np.array([0, 1, -1], np.int32)),
        (2, np.ones(2, np.float32)),
    ],
)
def test_rows_that_do_not_fit(place, value):
    out, weights = np.zeros(2), np.ones(3, np.float32)
    score.score_batch(*linear(), weights, 0.5, out)
    assert out.tolist() == [2.5, 1.5]
    rows = linear()
    rows[place] = value
    with pytest.raises(ValueError):
        score.score_batch(*rows, weights, 0.5, out)
    with pytest.raises(ValueError):
        train_linear(*rows, np.array([1, -1], np.int8), 1, 1, 5, 1e-3, 1, np.zeros(3))


def test_scan_arguments_that_do_not_fit():
    out = np.zeros((3, 2), np.int64)
    for start in (-1, 5):
        with pytest.raises(ValueError):
            mboxscan.scan_mbox(b"abcd", start, 10, False, *out)
    with pytest.raises(ValueError):
        mboxscan.scan_mbox(b"abcd", 0, 10, False, out[0], out[1], out[2][:1])


def test_kernels_are_compiled():
    for module in pkgutil.iter_modules(_kernels.__path__):
        loaded = importlib.import_module(f"atlas_fast._kernels.{module.name}")
        assert loaded.__file__.endswith(".so"), loaded.__file__
