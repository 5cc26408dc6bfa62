"""Real checks, offline: messages signed here, a name server on loopback."""

import base64
import subprocess
import sys
import time

import numpy as np
import pytest

dkim = pytest.importorskip("dkim")
pytest.importorskip("spf")
pytest.importorskip("dns")

from dnsserver import Server  # noqa: E402

from atlas_fast import limits, verify  # noqa: E402
from atlas_fast._kernels.messages import Messages  # noqa: E402
from atlas_fast.auth import Result  # noqa: E402
from atlas_fast.batch import Batch  # noqa: E402
from atlas_fast.headers import HeaderColumns  # noqa: E402
from atlas_fast.origin import Trusted  # noqa: E402

PEER = "41.203.64.10"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """(private key as PEM, public key as in a record), made by openssl."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    try:
        subprocess.run(
            ["openssl", "genrsa", "-traditional", "-out", str(path), "2048"],
            check=True, capture_output=True,
        )  # fmt: skip
        public = subprocess.run(
            ["openssl", "rsa", "-in", str(path), "-pubout", "-outform", "DER"],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl to make a key with")
    return path.read_bytes(), base64.b64encode(public).decode()


def text_record(text):
    return " ".join(f'"{text[i : i + 250]}"' for i in range(0, len(text), 250))


@pytest.fixture(scope="module")
def server(key):
    record = text_record(f"v=DKIM1; k=rsa; p={key[1]}")
    records = {
        ("m1._domainkey.tide.example", "TXT"): [record],
        ("m1._domainkey.mail.tide.example", "TXT"): [record],
        ("m1._domainkey.list.test", "TXT"): [record],
        ("bad._domainkey.tide.example", "TXT"): ['"v=DKIM1; k=rsa; p=!!"'],
        ("revoked._domainkey.tide.example", "TXT"): ['"v=DKIM1; p="'],
        ("_dmarc.tide.example", "TXT"): ['"v=DMARC1; p=reject; sp=quarantine"'],
        ("_dmarc.strict.example", "TXT"): ['"v=DMARC1; p=none; adkim=s; aspf=s"'],
        ("_dmarc.two.example", "TXT"): ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"'],
        ("_dmarc.odd.example", "TXT"): ['"v=DMARC1; p=maybe"'],
        ("tide.example", "TXT"): [f'"v=spf1 ip4:{PEER} -all"', '"other text"'],
        ("fail.example", "TXT"): ['"v=spf1 ip4:1.2.3.4 -all"'],
        ("soft.example", "TXT"): ['"v=spf1 ip4:1.2.3.4 ~all"'],
        ("neutral.example", "TXT"): ['"v=spf1 ?all"'],
        ("redirect.example", "TXT"): ['"v=spf1 redirect=tide.example"'],
        ("include.example", "TXT"): ['"v=spf1 include:tide.example -all"'],
        ("loop.example", "TXT"): ['"v=spf1 include:loop.example -all"'],
        ("loop2.example", "TXT"): ['"v=spf1 redirect=loop2.example"'],
        ("two.example", "TXT"): ['"v=spf1 -all"', '"v=spf1 +all"'],
        ("bad.example", "TXT"): ['"v=spf1 nonsense:x -all"'],
        ("void.example", "TXT"): ['"v=spf1 a:n1.example a:n2.example a:n3.example +all"'],
        ("a.example", "TXT"): ['"v=spf1 a -all"'],
        ("a.example", "A"): [PEER],
        ("mx.example", "TXT"): ['"v=spf1 mx -all"'],
        ("mx.example", "MX"): ["10 a.example."],
        ("six.example", "TXT"): ['"v=spf1 ip6:2a00:5::/32 -all"'],
        ("split.example", "TXT"): [f'"v=spf1 ip4:" "{PEER} -all"'],
        ("slow-include.example", "TXT"): ['"v=spf1 include:slow.example -all"'],
        ("helo.example", "TXT"): [f'"v=spf1 ip4:{PEER} -all"'],
    }
    names = ["slow.example", "m1._domainkey.slow.example", "_dmarc.slow.example"]
    with Server(records, silent=names) as running:
        yield running


BODY = b"Dear Rosa,\r\n\r\nthe tide tables.\r\n"
HEAD = b"From: Rosa <rosa@tide.example>\r\nTo: kelp@elm.test\r\nSubject: tides\r\n\r\n"


def sign(raw, key, domain=b"tide.example", selector=b"m1"):
    return dkim.sign(raw, selector, domain, key[0]) + raw


def trace(raw, envelope=b"rosa@tide.example", ip=PEER, helo=b"oak.test"):
    return (
        b"Return-Path: <" + envelope + b">\r\nReceived: from " + helo + b" (" + helo + b" ["
        + ip.encode() + b"]) by mx.elm.test\r\n" + raw
    )  # fmt: skip


def org(domain):
    return ".".join(domain.split(".")[-2:]) if "." in domain else None


def check(raw, server, cache=None, lifetime=0.3, organizational=org, **given):
    ends = np.array([0, len(raw)], np.int64)
    batch = Batch(np.frombuffer(raw, np.uint8), ends[:1], ends[1:], source="s", places=["0"])
    batch.headers = HeaderColumns(Messages.of_spans(batch.raw, batch.starts, batch.stops))
    cache = verify.DnsCache() if cache is None else cache
    columns = verify.run(
        batch, server.resolver(lifetime), cache, organizational=organizational, **given
    )
    row = columns.rows[0]
    assert [columns.spf[0], columns.dkim[0], columns.arc[0], columns.dmarc[0]] == [
        row.spf, row.dkim, row.arc, row.dmarc,
    ]  # fmt: skip
    return row


def test_a_good_message(key, server):
    row = check(trace(sign(HEAD + BODY, key)), server)
    assert (row.spf, row.dkim, row.arc, row.dmarc) == (
        Result.PASS,
        Result.PASS,
        Result.NONE,
        Result.PASS,
    )
    assert row.policy == "reject" and row.spf_domain == "tide.example"
    (only,) = row.signatures
    assert (only.domain, only.selector, only.result) == ("tide.example", "m1", Result.PASS)


def test_line_ends_do_not_matter(key, server):
    row = check(trace(sign(HEAD + BODY, key)).replace(b"\r\n", b"\n"), server)
    assert row.dkim is Result.PASS


@pytest.mark.parametrize(
    ("change", "result", "reason"),
    [
        (lambda raw: raw.replace(b"tide tables", b"free money"), Result.FAIL, "body hash"),
        (lambda raw: raw.replace(b"Subject: tides", b"Subject: money"), Result.FAIL, "does not fit"),
        (lambda raw: raw.replace(b"From: Rosa", b"From: a@b.test\r\nFrom: Rosa"), Result.FAIL, ""),
        (lambda raw: raw.replace(b"s=m1", b"s=none"), Result.PERMERROR, "no key"),
        (lambda raw: raw.replace(b"s=m1", b"s=bad"), Result.FAIL, ""),
        (lambda raw: raw.replace(b"s=m1", b"s=revoked"), Result.FAIL, ""),
        (lambda raw: raw.replace(b"=tide.example", b"=slow.example").replace(b"=@tide", b"=@slow"), Result.TEMPERROR, "no answer"),
        (lambda raw: raw.replace(b"a=rsa-sha256", b"a=rsa-md5"), Result.PERMERROR, "algorithm"),
        (lambda raw: raw.replace(b"v=1;", b""), Result.PERMERROR, "missing"),
        (lambda raw: raw.replace(b"bh=", b"bh=!"), Result.PERMERROR, "base64"),
        (lambda raw: raw.replace(b" h=", b" x=1; h="), Result.PERMERROR, "x="),
    ],
)  # fmt: skip
def test_broken_signatures(key, server, change, result, reason):
    raw = change(sign(HEAD + BODY, key))
    row = check(trace(raw), server)
    (only,) = row.signatures
    assert only.result is result, only
    assert reason in only.reason


def test_the_aligned_signature_stands(key, server):
    raw = sign(sign(HEAD + BODY, key), key, b"list.test")
    row = check(trace(raw, b"x@list.test"), server)
    assert [one.domain for one in row.signatures] == ["list.test", "tide.example"]
    assert (row.dkim, row.dmarc) == (Result.PASS, Result.PASS)
    only_list = check(trace(sign(HEAD + BODY, key, b"list.test"), b"x@list.test"), server)
    assert (only_list.dkim, only_list.dmarc) == (Result.PASS, Result.FAIL)


def test_relaxed_and_strict_alignment(key, server):
    raw = sign(HEAD + BODY, key, b"mail.tide.example")
    assert check(trace(raw, b"x@list.test"), server).dmarc is Result.PASS
    assert check(trace(raw, b"x@list.test"), server, organizational=None).dmarc is Result.FAIL


def test_the_number_of_signatures_is_capped(key, server):
    raw = HEAD + BODY
    for _ in range(limits.MAX_VERIFIED_SIGNATURES + 2):
        raw = sign(HEAD + BODY, key)[: -len(HEAD + BODY)] + raw
    assert len(check(trace(raw), server).signatures) == limits.MAX_VERIFIED_SIGNATURES


@pytest.mark.parametrize(
    ("domain", "result"),
    [
        ("tide.example", Result.PASS), ("fail.example", Result.FAIL),
        ("soft.example", Result.SOFTFAIL), ("neutral.example", Result.NEUTRAL),
        ("redirect.example", Result.PASS), ("include.example", Result.PASS),
        ("loop.example", Result.PERMERROR), ("loop2.example", Result.PERMERROR),
        ("two.example", Result.PERMERROR), ("bad.example", Result.PERMERROR),
        ("void.example", Result.PERMERROR), ("absent.example", Result.NONE),
        ("a.example", Result.PASS), ("mx.example", Result.PASS), ("split.example", Result.PASS),
        ("slow.example", Result.TEMPERROR), ("slow-include.example", Result.TEMPERROR),
        ("a" * 80 + ".example", Result.NONE), ("six.example", Result.FAIL),
    ],
)  # fmt: skip
def test_spf(server, domain, result):
    row = check(trace(HEAD + BODY, b"x@" + domain.encode()), server)
    assert (row.spf, row.spf_domain) == (result, domain)


def test_spf_over_ipv6(server):
    raw = trace(HEAD + BODY, b"x@six.example", ip="IPv6:2a00:5::7")
    assert check(raw, server).spf is Result.PASS


def test_spf_of_a_bounce_asks_for_helo(server):
    row = check(trace(HEAD + BODY, b"", helo=b"helo.example"), server)
    assert (row.spf, row.spf_domain) == (Result.PASS, "helo.example")


def test_spf_needs_a_peer_that_the_receiver_saw(server):
    assert check(trace(HEAD + BODY, ip="10.0.0.1"), server).spf is Result.NONE
    assert check(HEAD + BODY, server).spf is Result.NONE
    assert check(trace(HEAD + BODY), server, trusted=Trusted([PEER])).spf is Result.NONE


@pytest.mark.parametrize(
    ("sender", "dmarc", "policy"),
    [
        ("tide.example", Result.FAIL, "reject"), ("sub.tide.example", Result.FAIL, "quarantine"),
        ("two.example", Result.NONE, ""), ("odd.example", Result.PERMERROR, ""),
        ("absent.example", Result.NONE, ""), ("slow.example", Result.TEMPERROR, ""),
        ("strict.example", Result.FAIL, "none"),
    ],
)  # fmt: skip
def test_dmarc_policy(server, sender, dmarc, policy):
    raw = trace(HEAD.replace(b"tide.example", sender.encode()) + BODY, b"x@absent.example")
    row = check(raw, server)
    assert (row.dmarc, row.policy) == (dmarc, policy)


def arc_sign(raw, key, cv=None):
    field = b"Authentication-Results: list.test; arc=" + (cv or b"none") + b"; dkim=pass\r\n"
    lines = dkim.arc_sign(field + raw, b"m1", b"list.test", key[0], b"list.test")
    return b"".join(lines) + raw


def test_arc(key, server):
    once = arc_sign(sign(HEAD + BODY, key), key)
    assert check(trace(once), server).arc is Result.PASS
    twice = arc_sign(once, key, b"pass")
    assert check(trace(twice), server).arc is Result.PASS
    assert check(trace(twice.replace(b"tide tables", b"free money")), server).arc is Result.FAIL
    assert check(trace(once.replace(b"ARC-Seal: i=1", b"X-Seal: i=1")), server).arc is Result.FAIL
    assert (
        check(trace(once.replace(b"d=list.test", b"d=slow.example")), server).arc
        is Result.TEMPERROR
    )


def test_answers_are_cached(key, server):
    cache, raw = verify.DnsCache(), trace(sign(HEAD + BODY, key))
    first = check(raw, server, cache)
    asked = len(server.asked)
    assert check(raw, server, cache) == first
    assert len(server.asked) == asked
    later = check(raw, server, cache, clock=lambda: time.time() + limits.MAX_DNS_TTL)
    assert later == first and len(server.asked) > asked


def test_silence_is_not_cached(server):
    cache, raw = verify.DnsCache(), trace(HEAD + BODY, b"x@slow.example")
    check(raw, server, cache)
    assert ("slow.example", "TXT") not in cache


def test_the_cache_is_bounded():
    cache = verify.DnsCache(2)
    for name in "abc":
        cache[name, "TXT"] = verify.Answer(1.0, ())
        cache.get(("a", "TXT"))
    assert list(cache) == [("c", "TXT"), ("a", "TXT")] or len(cache) == 2
    assert ("a", "TXT") in cache and ("b", "TXT") not in cache
    del cache["a", "TXT"]
    assert len(cache) == 1


def test_time_and_questions_are_bounded(server, monkeypatch):
    monkeypatch.setattr(limits, "MAX_DNS_SECONDS", 1)
    hostile = b"".join(
        b"DKIM-Signature: v=1; a=rsa-sha256; d=slow.example; s=m1; h=from; bh=QQ==; b=QQ==\r\n"
        for _ in range(50)
    )
    start = time.monotonic()
    row = check(trace(hostile + HEAD + BODY), server, lifetime=0.5)
    assert time.monotonic() - start < 4
    assert {one.result for one in row.signatures} == {Result.TEMPERROR}
    monkeypatch.setattr(limits, "MAX_DNS_QUERIES", 0)
    assert check(trace(HEAD + BODY), server).spf is Result.TEMPERROR


@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: ", b"DKIM-Signature: v=1; l=-5; a=rsa-sha256; d=\xff.x; s=\xff; h=from; bh==; b=",
        b"DKIM-Signature: " + b"a=b;" * 5000, b"ARC-Seal: i=9999999999; cv=", b"ARC-Seal: i=\xff",
        b"Return-Path: <%{i}@" + b"a." * 3000 + b"example>", b"Return-Path: <\xff@\xfe>",
        b"From: a@" + b"b" * 10_000, b"From: a@..", b"no colon",
    ],
)  # fmt: skip
def test_hostile_fields(server, field):
    row = check(field + b"\r\n" + trace(HEAD + BODY), server)
    assert Result.PASS not in [one.result for one in row.signatures]


def test_a_batch_without_headers(server):
    ends = np.zeros(1, np.int64)
    batch = Batch(np.zeros(0, np.uint8), ends, ends, source="s", places=["0"])
    with pytest.raises(ValueError):
        verify.run(batch, server.resolver(), verify.DnsCache())


def test_the_module_is_light():
    """Only the checks import the extra."""
    code = "import sys, atlas_fast.verify; assert not {'dkim', 'spf', 'dns'} & set(sys.modules)"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
