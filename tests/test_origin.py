"""Origins: the kernel against its oracle, chains written by the sender, and the ranges of IANA."""

import ipaddress
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import origin as oracle

from atlas_fast import limits
from atlas_fast._kernels.origin import origin_batch
from atlas_fast.errors import UsageError
from atlas_fast.headers import parse_headers, parse_many
from atlas_fast.origin import SPECIAL_RANGES, OriginColumns, Reason, Trusted, origin

VECTORS = json.loads((Path(__file__).parent / "vectors" / "origin.json").read_text())
RELAYS = ["41.203.64.0/24", "10.9.0.0/16", "2a00:5::/32"]
NAMES = ["relays.test", "mx.elm.test"]


def message(received, web=None):
    fields = [f"Received: {body}\n" for body in received]
    if web is not None:
        fields.append(f"X-Originating-IP: {web}\n")
    return "".join(fields).encode() + b"Subject: a\n\n"


def plain(found):
    return found.ip, found.hop, found.border, found.reason.name


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors(vector):
    relays, names = vector.get("relays", []), vector.get("names", [])
    web = vector.get("web")
    raw = message(vector["received"], web)
    want = (
        ipaddress.ip_address(vector["ip"]) if vector["ip"] else None,
        vector["hop"], vector["border"], vector["reason"],
    )  # fmt: skip
    assert plain(origin(raw, Trusted(relays, names))) == want
    bodies = [body.encode() for body in vector["received"]]
    web = None if web is None else web.encode()
    assert oracle.walk(bodies, web, SPECIAL_RANGES, relays, names) == want


ADDRESSES = [
    "10.0.0.1", "10.9.1.1", "41.203.64.10", "77.88.8.9", "8.8.4.4", "127.0.0.1", "100.64.0.1",
    "224.0.0.1", "192.0.0.9", "192.0.0.1", "256.1.1.1", "01.2.3.4", "198.51.100.1", "2a00::1",
    "2a00:5::1", "::1", "::", "fe80::1", "fd00::1", "::ffff:8.8.8.8", "::ffff:10.0.0.1",
    "64:ff9b::808:808", "64:ff9b:1::1", "2002:808:808::1", "2002:a00:1::", "2001::1", "2001:1::1",
    "4000::1", "::1.2.3.4", "2001:db8::1", "255.255.255.255", "", "host.test",
]  # fmt: skip
SHAPES = [
    "from a.test ([{}]) by b.test", "from a.test ({}) by b.relays.test", "from [{}] by b",
    "from [10.0.0.1] (x [{}]) by mx.elm.test", "from u (HELO [{}]) ({}) by b.test",
    "from [{}] (helo=[10.0.0.2]) by b.test", "by b.test with LMTP", "from a ([IPv6:{}]) by b",
    "from {} by b.test with POP3 (fetchmail)", "from a by b.relays.test with IMAP", "from a by b",
    "from a ([{}])\r\n\tby b.relays.test. with ESMTP; Mon, 1 Jan 2001 00:00:00 +0000", "(qmail 1)",
    "", "from (", "from a [{}] (b ({})) by c by mx.elm.test",
]  # fmt: skip
hops = st.builds(
    lambda shape, a, b: shape.replace("{}", a, 1).replace("{}", b),
    st.sampled_from(SHAPES), st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES),
)  # fmt: skip
webs = st.one_of(st.none(), st.sampled_from(ADDRESSES), st.just("[8.8.8.8]"), st.just("a, 1::2 "))


@given(st.lists(hops, max_size=6), webs, st.booleans())
def test_chains_agree(received, web, with_trusted):
    relays, names = (RELAYS, NAMES) if with_trusted else ([], [])
    found = origin(message(received, web), Trusted(relays, names))
    raw = parse_headers(message(received, web))
    bodies, webs = raw.get_all_raw("Received"), raw.get_raw("X-Originating-IP")
    assert plain(found) == oracle.walk(bodies, webs, SPECIAL_RANGES, relays, names)
    assert found.text


@given(st.lists(st.binary(max_size=60), max_size=4), st.lists(hops, max_size=4))
def test_damaged_chains_agree(noise, received):
    parts = [b"Received: " + piece.replace(b"\n", b" ").replace(b"\r", b" ") for piece in noise]
    raw = b"\n".join([*parts, message(received)])
    head = parse_headers(raw)
    want = oracle.walk(
        head.get_all_raw("Received"), head.get_raw("X-Originating-IP"), SPECIAL_RANGES
    )
    assert plain(origin(head)) == want


def test_every_reason_is_drawn():
    seen = set()

    @given(st.lists(hops, max_size=6), webs)
    def draw(received, web):
        seen.add(origin(message(received, web)).reason)

    draw()
    assert seen >= set(Reason) - {Reason.TOO_MANY_HOPS}


def test_real_mail(corpus):
    raws = [raw for _, _, raw in corpus]
    head = parse_many(raws)
    columns = OriginColumns(head)
    for i in range(0, len(raws), 3):
        row = head.row(i)
        bodies, web = row.get_all_raw("Received"), row.get_raw("X-Originating-IP")
        assert plain(columns.row(i)) == oracle.walk(bodies, web, SPECIAL_RANGES), i
    assert np.count_nonzero(columns.reason == Reason.FIRST_EXTERNAL) > 0.8 * len(raws)


def test_thousands_of_hops():
    private = ["from a ([10.0.0.1]) by b"] * 5_000
    found = origin(message(private))
    assert (found.ip, found.reason) == (None, Reason.TOO_MANY_HOPS)
    assert found.border == limits.MAX_HOPS - 1
    at_the_cap = [*private[: limits.MAX_HOPS - 1], "from b ([8.8.8.8]) by c", *private]
    assert origin(message(at_the_cap)).hop == limits.MAX_HOPS - 1
    beyond = [*private[: limits.MAX_HOPS], "from b ([8.8.8.8]) by c"]
    assert origin(message(beyond)).reason == Reason.TOO_MANY_HOPS


def test_a_field_of_megabytes_is_read_up_to_its_cap():
    long = "from a (" + " " * limits.MAX_FIELD_BYTES + "[8.8.8.8]) by b"
    assert origin(message([long])).reason == Reason.NO_ADDRESS


def test_ten_thousand_characters_of_host():
    host = "a" * 10_000 + ".relays.test"
    chain = [f"from {host} ({host} [8.8.8.8]) by b.test", f"from x ([77.88.8.9]) by {host}"]
    assert str(origin(message(chain)).ip) == "8.8.8.8"
    assert str(origin(message(chain), Trusted(names=["relays.test"])).ip) == "77.88.8.9"


def test_the_ranges_are_those_of_the_standard_library():
    """Python has the same registries: what is local here is private or reserved there."""
    for text, kind in SPECIAL_RANGES:
        network = ipaddress.ip_network(text)
        if kind == "local" and network.version == 4:
            exempt = text in ("100.64.0.0/10", "192.0.0.0/24")  # not global there, nor private
            assert network.is_private or exempt, text
    for text in ("10.1.2.3", "8.8.8.8", "1.1.1.1", "172.32.0.1", "2a00::1", "2600::1", "fc00::"):
        address = ipaddress.ip_address(text)
        assert (oracle.judge(address, SPECIAL_RANGES, ()) == "global") == address.is_global, text


@pytest.mark.parametrize(
    "bad", ["10.0.0.1/8", "256.1.1.1", "host.test", "", "1.2.3.4/33", "::1%eth0"]
)
def test_relays_that_are_none(bad):
    with pytest.raises(UsageError):
        Trusted([bad])


@pytest.mark.parametrize("bad", ["", ".", "a b", "u@host", "é.test"])
def test_names_that_are_none(bad):
    with pytest.raises(UsageError):
        Trusted(names=[bad])


def test_too_many_relays():
    Trusted([f"41.0.{i >> 8}.{i & 255}" for i in range(limits.MAX_TRUSTED)])
    with pytest.raises(UsageError):
        Trusted([f"41.0.{i >> 8}.{i & 255}" for i in range(limits.MAX_TRUSTED + 1)])


def arguments():
    head = parse_many([b"Received: from a ([8.8.8.8]) by b\n\n"])
    outputs = np.zeros((1, 16), np.uint8), np.zeros(1, np.uint8), np.zeros(1, np.int16)
    return [
        *head.for_fields(), *Trusted().for_kernel(), (10, 1000), *outputs, np.zeros(1, np.int16),
        np.zeros(1, np.uint8),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, np.zeros((1, 3), np.int16)),
        (1, np.full((1, 41), 5, np.int16)),
        (3, np.array([0, 9])),
        (3, np.zeros(1, np.int64)),
        (4, np.zeros((0, 16), np.uint8)),
        (4, np.ones((1, 16), np.uint8)),
        (4, np.zeros((2, 16), np.uint8)),
        (5, np.zeros(1, np.uint8)),
        (7, np.array([0, 1])),
        (8, (0, 1000)),
        (9, np.zeros((2, 16), np.uint8)),
        (13, np.zeros(0, np.uint8)),
    ],
)
def test_arguments_that_do_not_fit(place, value):
    origin_batch(*arguments())
    given = arguments()
    given[place] = value
    with pytest.raises(ValueError):
        origin_batch(*given)


def test_a_batch_is_its_messages():
    raws = [message(vector["received"], vector.get("web")) for vector in VECTORS]
    columns = OriginColumns(parse_many(raws))
    assert [columns.row(i) for i in range(len(raws))] == [origin(raw) for raw in raws]
    assert len(OriginColumns(parse_many([]))) == 0
