"""The header kernel against its oracle, and the one-header faces."""

import email.policy
from email.parser import BytesHeaderParser

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import headers as oracle

from atlas_fast import headers, limits
from atlas_fast._kernels import headers as kernel
from atlas_fast._kernels.messages import Messages

ORACLE_FLAGS = oracle.NO_BLANK_LINE | oracle.BARE_CR | oracle.NUL | oracle.HIGH | oracle.EMPTY

LINE = st.one_of(
    st.sampled_from(headers.FIELD_NAMES).map(lambda name: name.encode() + b": x"),
    st.sampled_from(
        [
            b"", b" folded", b"\tfolded", b"no colon here", b": no name", b"X-Long-Name-" + b"n" * 300 + b": y",
            b"Subject :obs", b"From someone Mon Jan  1 00:00:00 2024", b">From quoted", b"A:", b"a:b:c",
            b"Su\xffbject: x", b"X: \xc3\xa9", b"X: \0", b"   ", b"SUBJECT:twice", b"Received: by a; now",
        ]
    ),
    st.binary(max_size=12),
)  # fmt: skip
MESSAGE = st.lists(
    st.tuples(LINE, st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r\n", b"\r", b""])),
    max_size=12,
).map(lambda parts: b"".join(line + end for line, end in parts))


def scan(columns, index):
    """What the oracle gives, read from the columns of message `index`."""
    lo, hi = columns.field_indptr[index : index + 2]
    fields = []
    for field in columns.fields[lo:hi]:
        name_start = int(field["start"]) - int(field["name_gap"])
        fields.append(
            (name_start, int(field["name_size"]), int(field["start"]), int(field["stop"]))
        )
    return fields, int(columns.body[index]), int(columns.flags[index]) & ORACLE_FLAGS


def check(messages):
    columns = headers.parse_many(messages)
    for index, raw in enumerate(messages):
        fields, body, flags = oracle.scan(raw)
        assert scan(columns, index) == (
            [(a, min(b - a, 255), c, d) for a, b, c, d in fields], body, flags
        )  # fmt: skip
        names = [raw[a:b].decode().lower() for a, b, _, _ in fields]
        for number, name in enumerate(headers.FIELD_NAMES):
            want = names.index(name.lower()) if name.lower() in names else -1
            assert columns.first[index, number] == want
        assert columns.n_fields[index] == len(fields)
        assert columns.n_received[index] == names.count("received")


@given(st.lists(MESSAGE, max_size=4))
@example([b"Subject: x\r\n\r\nbody", b"A: b\rC: d\r\rbody", b"", b"\n", b"\r\n", b"\r"])
@example([b" lost\nA: b\n\n", b"\0\r"])
@example([b"x" * 63 + b"\r\nSubject: a\n", b"X: " + b"y" * 60 + b"\r"])
@example([b"X: " + b"y" * 60 + b"\rz", b"X: " + b"y" * 60 + b"\r\nY: z"])
def test_agrees_on_messages(messages):
    check(messages)


@given(st.lists(st.binary(max_size=200), max_size=3))
def test_agrees_on_any_bytes(messages):
    check(messages)


@given(st.text("Aa:\r\n \t", max_size=200).map(str.encode))
def test_agrees_on_line_ends(raw):
    check([raw, raw])


def test_agrees_on_corpus(corpus):
    check([raw for _, _, raw in corpus])


def test_agrees_on_corpus_with_crlf(corpus):
    check([raw.replace(b"\n", b"\r\n") for _, _, raw in corpus[::7]])
    check([raw.replace(b"\n", b"\r") for _, _, raw in corpus[::49]])


def test_batch_equals_batches_of_one(corpus):
    messages = [raw for _, _, raw in corpus[::31]]
    whole = headers.parse_many(messages)
    for index, raw in enumerate(messages):
        one = headers.parse_many([raw])
        assert (one.first[0] == whole.first[index]).all()
        assert one.date[0] == whole.date[index]
        for name in kernel.TEXT_COLUMNS:
            assert getattr(one, name)[0] == getattr(whole, name)[index]


def test_spans_of_a_buffer_equal_bytes(corpus):
    messages = [raw for _, _, raw in corpus[:100]]
    raw = np.frombuffer(b"##".join(messages), np.uint8)
    starts = np.cumsum([0] + [len(m) + 2 for m in messages[:-1]]).astype(np.int64)
    stops = starts + [len(m) for m in messages]
    there = headers.HeaderColumns(Messages.of_spans(raw, starts, stops))
    here = headers.parse_many(messages)
    assert (there.fields == here.fields).all()
    assert there.subject.tolist() == here.subject.tolist()
    assert there.row(3).fields == here.row(3).fields


def test_misuse_raises():
    with pytest.raises(TypeError, match="message 1 is str"):
        headers.parse_many([b"", "text"])
    with pytest.raises(ValueError, match="message 0 do not fit"):
        Messages.of_spans(np.zeros(3, np.uint8), np.array([2]), np.array([4]))
    with pytest.raises(IndexError):
        headers.parse_many([b""]).row(1)


def test_identify_knows_every_name_in_any_case():
    for number, name in enumerate(headers.FIELD_NAMES):
        assert headers.field_number(name) == number
        assert headers.field_number(name.upper()) == number
        assert headers.field_number(name.lower()) == number
        assert headers.field_number(name + "x") == -1
        assert headers.field_number(name[:-1] + "?") == -1


def test_repeated_fields():
    raw = b"Received: a\nX: 1\nReceived: b\n c\nSubject: s\n\n"
    columns = headers.parse_many([b"", raw])
    indptr, spans = columns.spans("received")
    assert indptr.tolist() == [0, 0, 2]
    assert [raw[a:b] for a, b in spans] == [b"a", b"b\n c"]
    assert columns.span("Subject").tolist() == [[-1, -1], [raw.index(b"s\n\n"), raw.index(b"\n\n")]]
    assert columns.has("Subject").tolist() == [False, True]


def test_view_of_one_message():
    raw = (
        b"Received: from a (b [192.0.2.1]) by c with SMTP id 1; Mon, 1 Jan 2024 00:00:00 +0100\n"
        b"From: =?utf-8?q?Zo=C3=AB?= <zoe@Example.COM>\nTo: A <a@example.com>, b@example.org\n"
        b"Subject: =?utf-8?b?w6k=?=\n x\nDate: Mon, 1 Jan 2024 00:00:00 +0100\n"
        b"Message-ID: <1@example.com>\nX-Thing: 1\nx-thing: 2\n\nbody"
    )
    head = headers.parse_headers(raw)
    assert head.subject == "é x"
    assert [(a.name, a.address) for a in head.from_] == [("Zoë", "zoe@Example.COM")]
    assert [a.address for a in head.to] == ["a@example.com", "b@example.org"]
    assert head.date.isoformat() == "2024-01-01T00:00:00+01:00"
    assert head.message_id == "<1@example.com>"
    assert head.get_all_raw("X-THING") == [b"1", b"2"]
    assert head.get("x-thing") == "1"
    assert head.as_dict()["x-thing"] == ["1", "2"]
    assert head.received[0].from_ip == "192.0.2.1"
    assert raw[head.body_start :] == b"body"
    columns = headers.parse_many([raw])
    assert columns.from_domain[0] == "example.com"
    assert columns.to_address.tolist() == ["a@example.com", "b@example.org"]


def test_to_arrow(corpus):
    pytest.importorskip("pyarrow", reason="the arrow extra is not installed")
    messages = [raw for _, _, raw in corpus[:50]]
    columns = headers.parse_many(messages)
    table = columns.to_arrow()
    assert table.num_rows == 50
    assert table["subject"].to_pylist() == columns.subject.tolist()
    assert [len(hops) for hops in table["received"].to_pylist()] == columns.n_received.tolist()
    to = [[box["address"] for box in row] for row in table["to"].to_pylist()]
    assert to == [[box.address for box in head.to] for head in columns]
    assert sum(map(len, to)) > 40


def test_caps():
    many = b"X: y\n" * (limits.MAX_FIELDS + 5)
    columns = headers.parse_many([many, b"Subject: " + b"s" * (limits.MAX_FIELD_BYTES + 9)])
    assert columns.n_fields.tolist() == [limits.MAX_FIELDS, 1]
    assert columns.flags[0] & 2 and columns.flags[1] & 4
    assert len(columns.subject[1]) == limits.MAX_FIELD_BYTES


FIELDS = ("From", "To", "Subject", "Date", "Message-ID")


def standard(message, name):
    """The standard library's answer in the terms of this library."""
    value = message[name]
    if value is None:
        return None
    if name in ("From", "To"):
        return [(a.display_name, a.addr_spec.replace("<>", "")) for a in value.addresses]
    if name == "Date":
        return value.datetime
    return str(value).strip() if name == "Message-ID" else str(value)


def ours(head, name):
    if head.get_raw(name) is None:
        return None
    if name in ("From", "To"):
        return [(a.name, a.address) for a in (head.from_ if name == "From" else head.to)]
    if name == "Date":
        return head.date
    return head.message_id if name == "Message-ID" else head.subject


def test_agrees_with_the_standard_library(corpus):
    """At least 99.5 % of the fields; the classes of difference are in docs/agreement.md."""
    parser = BytesHeaderParser(policy=email.policy.default)
    same = dict.fromkeys(FIELDS, 0)
    count = dict.fromkeys(FIELDS, 0)
    columns = headers.parse_many([raw for _, _, raw in corpus])
    for head, (_, _, raw) in zip(columns, corpus, strict=True):
        message = parser.parsebytes(raw)
        for name in FIELDS:
            try:
                want = standard(message, name)
            except Exception as error:  # the standard library's own failure is a difference
                want = error
            found = ours(head, name)
            if want is None and found is None:
                continue
            count[name] += 1
            same[name] += want == found
    for name in FIELDS:
        assert same[name] >= 0.995 * count[name], (name, same[name], count[name])


@given(st.lists(MESSAGE, max_size=5), st.integers(0, 80))
@example([b"A: b\r\n\r\nbody", b"A: b\rC: d\r\rbody", b"", b"\n"], 7)
def test_header_ends_agree(messages, cap):
    for bound in (cap, 1 << 20):
        ends = np.full(len(messages), -1, np.int64)
        kernel.header_ends(Messages.of_bytes(messages), bound, ends)
        assert ends.tolist() == [oracle.scan(raw[:bound])[1] for raw in messages]


def test_header_ends_misuse():
    messages = Messages.of_bytes([b"a", b"b"])
    for cap, n in ((1, 1), (1, 3), (-1, 2)):
        with pytest.raises(ValueError, match="ends needs"):
            kernel.header_ends(messages, cap, np.empty(n, np.int64))
