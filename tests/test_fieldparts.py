"""Addresses, dates, message identifiers and Received fields: kernels against their oracles."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import addresses as address_oracle
from oracles import dates as date_oracle
from oracles import ip as ip_oracle
from oracles import msgids as msgid_oracle
from oracles import received as received_oracle

from atlas_fast import headers
from atlas_fast._kernels import addresses, dates, msgids, received

VECTORS = Path(__file__).parent / "vectors"


def vectors(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def some(*parts, size=10):
    """Field bodies made of these parts."""
    return st.lists(st.sampled_from(parts), max_size=size).map(lambda p: "".join(p).encode())


ADDRESSES = some(
    "a@b.example", "Ann", " ", "  ", '"Q, x"', '"a\\"b"', '""', "(c)", "(n (e) s)", "<", ">", ",",
    ";", ":", "@", "<x@y.example>", "<@r.example,@s.example:x@y.example>", "\r\n ", "\t", "é", "\\",
    '"', "(", ")", "=?utf-8?q?=C3=A9?=", "[192.0.2.1]", ".", "G:", "G: a@b.example;", '"odd local"@b.example',
)  # fmt: skip
DATES = some(
    "Mon, ", "1", "31", " ", "Jan", "February", "2024", "99", "102", "00:00:00", "23:59", "9.30",
    "+0100", "-0000", "+01:00", "GMT", "EST", "(c)", "(", "-", ",", "PM", "AM", "Z", "\r\n ", "60",
    "1-Feb-2003", "23:59:60", "GMT+0200", "25:00", "é",
)  # fmt: skip
CANONICAL_DATE = st.builds(
    "{}{} {} {} {:02}:{:02}:{:02} {}".format,
    st.sampled_from(["Mon, ", "", "Sun,  "]), st.integers(0, 32),
    st.sampled_from(["Jan", "feb", "MAR", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Foo"]),
    st.one_of(st.integers(1900, 2100), st.integers(0, 10000)),
    st.integers(0, 25), st.integers(0, 61), st.integers(0, 62),
    st.sampled_from(["+0000", "-0000", "+0100", "-0730", "+2400", "+9999", "GMT", "EDT", "", "+0100 (CET)", "+01001"]),
).map(str.encode)  # fmt: skip
RECEIVED = some(
    "from a ([192.0.2.1]) ", "from ", "by ", "with ", "id ", "for ", "via ", "FROM ", "host.example", " ", "[192.0.2.1]",
    "192.0.2.7", "(", ")", "(HELO me)", "(helo=me)", "(EHLO ", "([IPv6:2001:db8::1])",
    "(10.0.0.1)", ";", "; Mon, 1 Jan 2024 00:00:00 +0100", "<a@b.example>", "\r\n\t", "256.1.1.1",
    "::1", "\\", "ESMTP", "helo", "=",
)  # fmt: skip


@given(ADDRESSES)
@example(b'"" Angles " Puglisi" <a@b.example>')
def test_addresses_agree_on_fields(raw):
    assert addresses.parse_addresses(raw) == address_oracle.parse(raw)


@given(st.binary(max_size=50))
def test_addresses_agree_on_any_bytes(raw):
    assert addresses.parse_addresses(raw) == address_oracle.parse(raw)


@given(st.one_of(DATES, CANONICAL_DATE))
def test_dates_agree_on_fields(raw):
    assert dates.parse_date_text(raw) == date_oracle.parse(raw)


@given(st.binary(max_size=40))
def test_dates_agree_on_any_bytes(raw):
    assert dates.parse_date_text(raw) == date_oracle.parse(raw)


@given(st.one_of(some("<", ">", "a@b", " ", "\r\n ", "é"), st.binary(max_size=30)))
def test_msgids_agree(raw):
    assert msgids.parse_ids(raw) == msgid_oracle.parse(raw)


@given(st.one_of(RECEIVED, st.binary(max_size=60)))
def test_received_agrees(raw):
    assert received.parse_received_text(raw) == received_oracle.parse(raw)


IP_TEXT = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda ip: ip.exploded),
    st.lists(st.sampled_from(["1", "255", "256", "01", ".", ":", "::", "f", "abcd", "12345"]), max_size=16).map("".join),
)  # fmt: skip


@given(IP_TEXT)
@example("::ffff:192.0.2.1")
@example("1:2:3:4:5:6:7::")
@example("::2:3:4:5:6:7:8")
def test_ip_agrees(text):
    """Through the trace field, which shows an address only when it is one."""
    raw = f"from x ([{text}]) by y".encode()
    span = received.parse_received_text(raw)[1]
    is_address = ip_oracle.parse(text) is not None
    assert (span is not None and raw[slice(*span)].decode() == text) == is_address


def test_strategies_draw_what_they_must():
    seen = set()

    @settings(max_examples=500, derandomize=True)
    @given(ADDRESSES, st.one_of(DATES, CANONICAL_DATE), RECEIVED)
    def look(address, date, trace):
        found = addresses.parse_addresses(address)
        seen.update({"group"} if any(g for _, _, g in found) else ())
        seen.update({"many"} if len(found) > 1 else ())
        seen.update({"date"} if dates.parse_date_text(date) else {"no date"})
        seen.update({"ip"} if received.parse_received_text(trace)[1] else {"no ip"})

    look()
    assert seen == {"group", "many", "date", "no date", "ip", "no ip"}


def test_agree_on_corpus(corpus):
    columns = headers.parse_many([raw for _, _, raw in corpus[::3]])
    count = 0
    for head in columns:
        for field in head.fields:
            name = field.name.lower()
            if name in ("from", "to", "cc", "reply-to", "sender"):
                assert addresses.parse_addresses(field.body) == address_oracle.parse(field.body)
            elif name in ("date", "resent-date"):
                assert dates.parse_date_text(field.body) == date_oracle.parse(field.body)
            elif name in ("message-id", "references", "in-reply-to"):
                assert msgids.parse_ids(field.body) == msgid_oracle.parse(field.body)
            elif name == "received":
                want = received_oracle.parse(field.body)
                assert received.parse_received_text(field.body) == want
            else:
                continue
            count += 1
    assert count > 20_000


@pytest.mark.parametrize("vector", vectors("addresses"), ids=lambda v: v["raw"][:40] or "empty")
@pytest.mark.parametrize(
    "parse", [addresses.parse_addresses, address_oracle.parse], ids=["kernel", "oracle"]
)
def test_address_vector(parse, vector):
    assert [list(box) for box in parse(vector["raw"].encode())] == vector["mailboxes"]


@pytest.mark.parametrize("vector", vectors("dates"), ids=lambda v: v["raw"][:40] or "empty")
@pytest.mark.parametrize(
    "parse", [dates.parse_date_text, date_oracle.parse], ids=["kernel", "oracle"]
)
def test_date_vector(parse, vector):
    found = parse(vector["raw"].encode())
    assert (found is None) == (vector["date"] is None)
    if found is not None:
        moment = headers.parse_date(vector["raw"].encode())
        assert moment == datetime.fromisoformat(vector["date"])
        assert (moment.tzinfo is None) == (datetime.fromisoformat(vector["date"]).tzinfo is None)


@pytest.mark.parametrize("vector", vectors("received"), ids=lambda v: v["raw"][:40] or "empty")
def test_received_vector(vector):
    hop = headers.parse_received(vector["raw"].encode())
    for name in ("from_", "from_ip", "by", "by_ip", "with_", "id", "for_", "helo"):
        assert getattr(hop, name) == vector.get(name), name
    assert (hop.date and hop.date.isoformat()) == vector.get("date")


@pytest.mark.parametrize("unit", ["(", "<", ",", "@", '"', ":;", "\\", "a <", "(\\", '"\\', "<@a,"])
def test_hostile_fields_are_linear(unit):
    raw = (unit * (2_000_000 // len(unit))).encode()
    addresses.parse_addresses(raw, most=10)
    dates.parse_date_text(raw)
    received.parse_received_text(raw)
    msgids.parse_ids(raw[:200_000])
    columns = headers.parse_many([b"From: " + raw + b"\nTo: " + raw + b"\n\n"])
    assert columns.n_fields[0] == 2
