"""Authentication-Results, Received-SPF and tag lists: the kernel against its oracle."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import authres as oracle

from atlas_fast import auth, limits
from atlas_fast._kernels import authres
from atlas_fast.headers import parse_headers

VECTORS = json.loads((Path(__file__).parent / "vectors" / "authres.json").read_text())
PARTS = [
    "mx.kelp.example", " ", "\r\n\t", ";", "; ", "1", "/", "=", ".", "spf=pass", "dkim=fail ",
    "dmarc", "none", "; none", "smtp.mailfrom=a@tide.example", "header.d=tide.example", "reason=",
    '"a \\" b"', '"', "\\", "(", ")", "(c)", "(n (e) \\) s)", '"l"@d', "@", "header", "i",
    "; spf=softfail ", "; dkim/1 = pass", "x-y_z", "é", "\0", "client-ip=192.0.2.1;", ":", "arc=",
]  # fmt: skip
some = st.lists(st.sampled_from(PARTS), max_size=14).map(lambda parts: "".join(parts).encode())
cfws = st.sampled_from(["", " ", "\r\n ", " (c) ", "((a)b)", '(")'])
methods = st.sampled_from(["spf", "dkim", "dmarc", "arc", "iprev", "x-none", "DKIM"])
words = st.sampled_from(
    ["pass", "fail", "none", "SoftFail", "hardfail", "temperror", "x", "policy"]
)
values = st.sampled_from(
    ["tide.example", "@a.example", '"q; r"', '"l; m"@b.example', "a=b", "1.2.3.4"]
)
properties = st.builds(
    "{0}{4}.{4}{1}{4}={4}{2} {3}".format,
    st.sampled_from(["smtp", "header", "policy"]), st.sampled_from(["mailfrom", "d", "i", "x-y"]),
    values, st.sampled_from(["", 'reason="why; (not)"', "reason=x", "junk", '"junk"']), cfws,
)  # fmt: skip
statements = st.builds(
    lambda method, version, space, word, props: f";{space}{method}{version}{space}={space}{word} "
    + " ".join(props),
    methods, st.sampled_from(["", "/1", " / 2 "]), cfws, words, st.lists(properties, max_size=3),
)  # fmt: skip
sound = st.builds(
    lambda id_, version, space, parts: (space + id_ + " " + version + "".join(parts)).encode(),
    st.sampled_from(["mx.kelp.example", '"quoted; id"', "a"]), st.sampled_from(["", "1", "1 (c)"]),
    cfws, st.lists(statements, max_size=4),
)  # fmt: skip


@st.composite
def damaged(draw):
    raw = bytearray(draw(sound))
    at = draw(st.integers(0, len(raw)))
    raw[at : at + draw(st.integers(0, 3))] = draw(
        st.sampled_from([b"", b'"', b"(", b";", b"\\", b"\xff"])
    )
    return bytes(raw)


bodies = st.one_of(some, sound, damaged(), st.binary(max_size=40))


@settings(max_examples=600)
@given(bodies)
@example(b'"" a')
@example(b'a; b=c d="x"@')
@example(b'a; b=c d="\\')
def test_results_agree(raw):
    assert authres.parse_results(raw, 5, 3) == oracle.results(raw, 5, 3)


@settings(max_examples=300)
@given(bodies)
def test_received_spf_agrees(raw):
    assert authres.parse_spf(raw, 5) == oracle.spf(raw, 5)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([*PARTS, "v=1", "d=", "b=QQ==", "bh"]), max_size=12)
    .map("".join)
    .map(str.encode)
)
def test_tags_agree(raw):
    assert authres.parse_tags(raw, 5) == oracle.tags(raw, 5)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["raw"][:40])
def test_vectors(vector):
    found = auth.parse_authentication_results(vector["raw"].encode())
    assert found.authserv_id == (vector["id"] or "")
    assert found.version == vector.get("version")
    assert found.none == vector.get("none", False)
    assert [
        [
            r.method,
            r.version,
            r.word,
            r.reason,
            [[p.ptype or None, p.name, p.value] for p in r.properties],
        ]
        for r in found.results
    ] == vector["results"]


def test_the_strategy_draws_sound_fields():
    seen = set()

    @given(sound)
    def draw(raw):
        *_, found = authres.parse_results(raw, 64, 32)
        seen.update(statement[3] for statement in found)
        seen.update("reason" for statement in found if statement[4])
        seen.update("version" for statement in found if statement[1])

    draw()
    assert seen >= {0, 1, 2, 3, 5, 6, 8, "reason", "version"}


def test_real_mail(corpus):
    n = 0
    for _, _, raw in corpus:
        head = parse_headers(raw)
        for name in (
            "Authentication-Results",
            "Received-SPF",
            "DKIM-Signature",
            "Received",
            "Subject",
        ):
            for body in head.get_all_raw(name)[:2]:
                n += 1
                assert authres.parse_results(body, 64, 32) == oracle.results(body, 64, 32)
                assert authres.parse_tags(body, 64) == oracle.tags(body, 64)
                assert authres.parse_spf(body, 64) == oracle.spf(body, 64)
    assert n > len(corpus)


def test_received_spf():
    found = auth.parse_received_spf(
        b"pass (mx.kelp.example: domain of rosa@tide.example) receiver=mx.kelp.example;\r\n"
        b' client-ip=192.0.2.1; envelope-from="rosa@tide.example"; helo=foo.tide.example'
    )
    assert (found.result, found.receiver, found.client_ip) == (
        auth.Result.PASS,
        "mx.kelp.example",
        "192.0.2.1",
    )
    assert (found.envelope_from, found.helo, found.identity) == (
        "rosa@tide.example",
        "foo.tide.example",
        "",
    )
    old = auth.parse_received_spf(b"Unknown (x) envelope-from=<a@b.example>;")
    assert (old.result, old.word, old.envelope_from) == (
        auth.Result.PERMERROR,
        "unknown",
        "a@b.example",
    )
    assert auth.parse_received_spf(b"").result == auth.Result.NONE


def test_dkim_signature():
    found = auth.parse_dkim_signature(
        b"v=1; a=rsa-sha256; c=relaxed/simple; d=Tide.Example; s=m1;\r\n\th=From : To:\r\n Subject;"
        b" i=@mail.tide.example; t=1; x=99; l=10; bh=Q Q=\r\n =; b=Zm\r\n 9v; d=other.example"
    )
    assert (found.domain, found.selector, found.algorithm) == ("tide.example", "m1", "rsa-sha256")
    assert found.headers == ("from", "to", "subject")
    assert (found.identity, found.timestamp, found.expiration, found.length) == (
        "@mail.tide.example",
        1,
        99,
        10,
    )
    assert (found.body_hash, found.signature) == ("QQ==", "Zm9v")
    assert found.problems == ("tag d stands twice",)
    empty = auth.parse_dkim_signature(b"")
    assert empty.domain == "" and "tag d is missing" in empty.problems
    assert auth.parse_dkim_signature(b"t=1e9; l=-1; x=" + b"9" * 5000).timestamp is None


def test_caps():
    many = b"mx; " + b"; ".join([b"dkim=pass"] * (limits.MAX_AUTH_METHODS + 1))
    found = auth.parse_authentication_results(many)
    assert len(found.results) == limits.MAX_AUTH_METHODS and found.cut
    props = b"mx; dkim=pass " + b"header.d=a " * (limits.MAX_AUTH_PROPERTIES + 1)
    found = auth.parse_authentication_results(props)
    assert len(found.results[0].properties) == limits.MAX_AUTH_PROPERTIES and found.cut
    tags = b";".join(b"a%d=b" % i for i in range(limits.MAX_TAGS + 5))
    assert len(auth.parse_dkim_signature(tags).tags) == limits.MAX_TAGS


@pytest.mark.parametrize(
    "unit", [b"(", b")", b'"', b"\\", b"; a=b ", b"a.", b"=", b"( ", b'"a" ', b"a/"]
)
def test_megabytes_of_one_thing_end(unit):
    raw = b"mx;" + unit * (1_000_000 // len(unit))
    authres.parse_results(raw, 64, 32)
    authres.parse_spf(raw, 64)
    authres.parse_tags(raw, 64)


def test_caps_that_do_not_fit():
    with pytest.raises(ValueError):
        authres.parse_results(b"", 5, 65)
    with pytest.raises(ValueError):
        authres.parse_results(b"", -1, 5)
