"""Verdicts: the kernel against its oracle, forged results, alignment, and the original's answers."""

from email.message import Message

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import authverdict as oracle

from atlas_fast import limits
from atlas_fast.auth import (
    Alignment,
    AuthColumns,
    AuthSettings,
    Result,
    Signal,
    Source,
    authenticate,
    original_result,
)
from atlas_fast.headers import parse_headers, parse_many
from atlas_fast.origin import Trusted

SUFFIXES = {"example", "test", "com", "co.test", "hosted.kelp.example"}


def org(domain):
    """The organizational domain by a small list of public suffixes, plainly."""
    labels = domain.split(".")
    if "" in labels:
        return None
    for i in range(len(labels)):
        if ".".join(labels[i:]) in SUFFIXES:
            return ".".join(labels[i - 1 :]) if i else None
    return None


def registrable(domains):
    """The same as the column that AuthColumns takes."""
    found = []
    for domain in domains:
        known = org(domain.removesuffix("."))
        found.append(-1 if known is None else len(domain.removesuffix(".")) - len(known))
    return np.array(found, np.int32)


BORDER = "Received: from oak.test ([41.203.64.10]) by mx.elm.test with ESMTP\n"
RIGHT = "Authentication-Results: mx.elm.test; spf=pass smtp.mailfrom=tide.example; dkim=fail header.d=tide.example\n"
FORGED = "Authentication-Results: mx.elm.test; spf=pass smtp.mailfrom=bank.test; dkim=pass header.d=bank.test; dmarc=pass\n"
FROM = "From: rosa@tide.example\n\n"


def judge(text, **given_settings):
    return authenticate(text.encode(), AuthSettings(**given_settings), registrable)


FIELDS = [
    "Received: from oak.test ([41.203.64.10]) by mx.elm.test with ESMTP",
    "Received: from a ([10.0.0.1]) by in.elm.test", "Received: by elm.test with LMTP",
    "Received: from b (b [77.88.8.9]) by oak.test", "Return-Path: <rosa@tide.example>",
    "Return-Path: <>", "Subject: x", "From: rosa@tide.example", "From: r@post.tide.example.",
    "From: a@one.hosted.kelp.example", "From: none", "X-Other: y",
    "Received-SPF: pass (elm.test) receiver=mx.elm.test; envelope-from=\"rosa@tide.example\"",
    "Received-SPF: fail receiver=other.test; envelope-from=<a@b.test>; helo=tide.example",
    "Received-SPF: softfail identity=helo; helo=mail.tide.example; receiver=elm.test",
    "Received-SPF: (x)", "DKIM-Signature: v=1; a=rsa-sha256; d=Tide.Example; s=a; b=QQ==",
    "DKIM-Signature: d=two.hosted.kelp.example; s=a", "DKIM-Signature: s=a",
    "ARC-Seal: i=1; a=x; cv=none; b=a", "ARC-Message-Signature: i=1; d=a; b=b",
    "ARC-Authentication-Results: i=1; elm.test; spf=pass", "ARC-Seal: i=2; cv=pass",
    "ARC-Message-Signature: i=2", "ARC-Authentication-Results: i=2; none",
    "ARC-Seal: i=51; cv=pass", "ARC-Seal: i=1; cv=fail", "ARC-Seal: cv=none",
]  # fmt: skip
IDS = [
    "mx.elm.test",
    "elm.test",
    "MX.Elm.Test",
    "other.test",
    "test",
    "",
    "mx.elm.test 1",
    "elm.test 2",
]
STATEMENTS = [
    "spf=pass smtp.mailfrom=rosa@tide.example", "spf=fail smtp.mailfrom=tide.example",
    "spf=softfail", "spf=pass smtp.helo=tide.example", "spf=pass smtp.mailfrom=\"a@b\"@tide.example",
    "dkim=pass header.d=tide.example", "dkim=pass header.i=@post.tide.example", "dkim=fail",
    "dkim=pass header.d=other.test", "dkim=pass header.d=two.hosted.kelp.example", "dkim/2=pass",
    "dmarc=pass", "dmarc=fail (p=none)", "arc=pass", "iprev=pass policy.iprev=1.2.3.4", "none",
    "x-spf=fail", "spf=pass smtp.mailfrom=" + "a" * 300, "spf=temperror smtp.mailfrom=tide.example.",
]  # fmt: skip
results_field = st.builds(
    lambda id_, parts: f"Authentication-Results: {id_}; " + "; ".join(parts),
    st.sampled_from(IDS), st.lists(st.sampled_from(STATEMENTS), max_size=4),
)  # fmt: skip
arc_set = st.sampled_from([
    "ARC-Seal: i=1; cv=none\nARC-Message-Signature: i=1\nARC-Authentication-Results: i=1; a; none",
])  # fmt: skip
senders = st.sampled_from([field for field in FIELDS if field.startswith("From: ")])
mails = st.builds(
    lambda fields, sender: "\n".join([*fields, sender, "", ""]).encode(),
    st.lists(st.one_of(st.sampled_from(FIELDS), results_field, results_field, arc_set), max_size=9),
    senders,
)
choices = st.sampled_from([{}, {"below": False}, {"authserv_ids": ["MX.elm.test"]},
                           {"authserv_ids": ["elm.test", "other.test"], "below": False}])  # fmt: skip


def check(raw, given_settings):
    head = parse_many([raw])
    columns = AuthColumns(head, settings=AuthSettings(**given_settings), registrable=registrable)
    fields = [(field.name.lower(), field.body) for field in head.row(0).fields]
    border = int(columns.origins.border[0])
    ids = {name.lower() for name in given_settings.get("authserv_ids", ())}
    items, said, sets, signals, untrusted, first = oracle.evidence(
        fields, border, ids, given_settings.get("below", True)
    )
    found = columns.evidence
    assert [
        (columns.domains[i], int(e["kind"]), int(e["result"]), int(e["source"]))
        for i, e in enumerate(found)
    ] == items
    row = columns.row(0)
    assert (row.arc_sets, int(row.signals), row.untrusted, row.counted) == (
        sets,
        signals,
        untrusted,
        first,
    )
    for name in ("arc", "iprev"):
        assert (getattr(row, name), row.sources[name]) == said.get(name, (0, 0))
    want = oracle.verdict(items, said, head.from_domain[0], org)
    assert (
        row.spf, row.sources["spf"], row.dkim, row.sources["dkim"], row.spf_aligned,
        row.dkim_aligned, row.signed_aligned, row.is_authentic, row.confidence_modifier,
        row.dmarc, row.sources["dmarc"],
    ) == want  # fmt: skip
    return row


@settings(max_examples=800)
@given(mails, choices)
@example(
    b"Authentication-Results: a; spf=pass smtp.mailfrom=<x@tide.example>\nFrom: a@tide.example\n\n",
    {},
)
def test_the_kernel_is_the_oracle(raw, given_settings):
    check(raw, given_settings)


@given(mails, st.integers(0, 400), st.binary(max_size=3))
def test_damage(raw, at, noise):
    check(raw[:at] + noise.replace(b"\n", b"") + raw[at + 1 :], {})


def test_every_outcome_is_drawn():
    seen = set()

    @settings(max_examples=600)
    @given(mails)
    def draw(raw):
        row = authenticate(raw, registrable=registrable)
        seen.update([*row.signals, *(("dkim", row.dkim_aligned), ("spf", row.spf_aligned))])
        seen.update(row.sources.values())
        seen.add(("arc", row.arc_sets > 0))

    draw()
    wanted = {*Source, *(set(Signal) - {Signal.TOO_MANY}), ("arc", True)}
    assert seen >= wanted | {(a, b) for a in ("dkim", "spf") for b in Alignment}


def test_real_mail(corpus):
    for _, _, raw in corpus[::7]:
        check(raw, {})


def test_a_batch_is_its_messages(corpus):
    raws = [raw for _, _, raw in corpus[:300]]
    raws += [(RIGHT + BORDER + FORGED + FROM).encode(), b"", (BORDER + FORGED + FROM).encode()]
    columns = AuthColumns(parse_many(raws), registrable=registrable)
    assert [columns.row(i) for i in range(len(raws))] == [
        authenticate(raw, registrable=registrable) for raw in raws
    ]
    assert columns.forged.tolist()[-3] and len(AuthColumns(parse_many([]))) == 0


# Whose word counts


def test_results_forged_below_the_receivers_own():
    row = judge(RIGHT + BORDER + FORGED + FROM)
    assert (row.spf, row.dkim, row.dmarc) == (Result.PASS, Result.FAIL, Result.PASS)
    assert row.sources["dmarc"] is Source.COMPUTED  # by aligned SPF; the forged dmarc is not read
    assert row.forged and row.untrusted == 1 and row.signals == Signal.UNTRUSTED | Signal.FORGED
    assert not row.is_authentic and row.confidence_modifier == -15


def test_results_forged_where_the_receiver_writes_none():
    """Under a foreign name they count for nothing."""
    row = judge(BORDER + FORGED.replace("mx.elm.test", "mx.other.test") + FROM)
    assert (row.spf, row.dkim, row.dmarc) == (Result.NONE,) * 3
    assert row.untrusted == 1 and not row.forged


def test_results_deep_in_the_senders_part():
    row = judge(BORDER + "Subject: x\n" + FORGED + FROM)
    assert row.spf is Result.NONE and row.forged


def test_results_right_below_the_border():
    """As some servers write them; and whoever does not want that says so."""
    assert judge(BORDER + RIGHT + FROM).spf is Result.PASS
    row = judge(BORDER + RIGHT + FROM, below=False)
    assert row.spf is Result.NONE and row.forged


def test_a_second_field_below_the_border_is_the_senders():
    row = judge(BORDER + RIGHT + FORGED + FROM)
    assert row.dmarc is Result.PASS and row.sources["dmarc"] is Source.COMPUTED
    assert row.forged and row.dkim is Result.FAIL


def test_configured_names():
    mine = RIGHT.replace("mx.elm.test", "auth.elm.test")
    text = RIGHT + mine.replace("dkim=fail", "dkim=pass") + BORDER + FORGED + FROM
    row = judge(text, authserv_ids=["AUTH.elm.test"])
    assert row.dkim is Result.PASS and row.untrusted == 2 and not row.forged
    assert judge(text, authserv_ids=["mx.elm.test"]).forged


def test_relays_move_the_border():
    inner = "Received: from r.test ([41.0.0.1]) by in.kelp.example\n"
    text = inner + RIGHT + BORDER + FROM
    assert judge(text).spf is Result.NONE
    assert judge(text, trusted=Trusted(["41.0.0.1"])).spf is Result.PASS


def test_fields_above_private_steps():
    inner = "Received: from localhost ([127.0.0.1]) by elm.test with LMTP\n"
    assert judge(inner + RIGHT + BORDER + FROM).spf is Result.PASS


def test_comments_quotes_and_look_alikes_say_nothing():
    field = 'Authentication-Results: mx.elm.test; x-spf=fail; dkim=none (spf=pass) reason="dmarc=pass"\n'
    row = judge(field + BORDER + FROM)
    assert (row.spf, row.dmarc) == (Result.NONE, Result.NONE)
    assert row.sources["dkim"] is Source.RESULTS


def test_unknown_versions_are_not_read():
    assert judge(RIGHT.replace("test;", "test 2;") + BORDER + FROM).spf is Result.NONE
    assert judge(RIGHT.replace("test;", "test 1;") + BORDER + FROM).spf is Result.PASS


# Alignment


@pytest.mark.parametrize(
    ("sender", "signer", "want"),
    [
        ("tide.example", "tide.example", Alignment.STRICT),
        ("Post.Tide.Example", "tide.example", Alignment.RELAXED),
        ("tide.example", "mail.tide.example", Alignment.RELAXED),
        ("a.tide.co.test", "b.tide.co.test", Alignment.RELAXED),
        ("tide.co.test", "kelp.co.test", Alignment.NONE),
        ("kelp.example", "evil.hosted.kelp.example", Alignment.NONE),
        ("tide.example", "eviltide.example", Alignment.NONE),
        ("example", "example", Alignment.STRICT),
        ("tide.example", "", Alignment.NONE),
    ],
)
def test_alignment(sender, signer, want):
    text = f"Authentication-Results: mx; dkim=pass header.d={signer}\n{BORDER}From: a@{sender}\n\n"
    assert judge(text).dkim_aligned is want
    without = authenticate(text.encode())
    assert without.dkim_aligned is (want if want is Alignment.STRICT else Alignment.NONE)


def test_the_best_aligned_pass_stands():
    field = (
        "Authentication-Results: mx; dkim=fail header.d=tide.example; dkim=pass header.d=list.test;"
        " dkim=pass header.d=mail.tide.example; dkim=pass header.d=tide.example\n"
    )
    row = judge(field + BORDER + FROM)
    assert (row.dkim, row.dkim_aligned, row.dmarc) == (Result.PASS, Alignment.STRICT, Result.PASS)


def test_a_domain_of_ten_thousand_characters():
    long = "a." * 5_000 + "tide.example"
    text = f"Authentication-Results: mx; dkim=pass header.d={long}\n{BORDER}From: a@{long}\n\n"
    row = judge(text)
    assert (row.dkim, row.dkim_aligned) == (Result.PASS, Alignment.NONE)


def test_caps():
    many = "".join(
        f"Authentication-Results: mx; iprev=pass\nDKIM-Signature: d=a{i}\n" for i in range(60)
    )
    head = parse_many([(many + BORDER + FROM).encode()])
    columns = AuthColumns(head)
    assert columns.row(0).signals & Signal.TOO_MANY
    assert len(columns.evidence) == limits.MAX_AUTH_FIELDS


# ARC


def chain(n, cv="pass"):
    return "".join(
        f"ARC-Seal: i={i}; cv={'none' if i == 1 else cv}; b=x\nARC-Message-Signature: i={i}; b=y\n"
        f"ARC-Authentication-Results: i={i}; elm.test; none\n"
        for i in range(n, 0, -1)
    )


@pytest.mark.parametrize(
    ("text", "sets", "arc"),
    [
        (chain(1), 1, Result.NONE),
        (chain(50), 50, Result.NONE),
        (chain(51), 0, Result.FAIL),
        (chain(2, "fail"), 0, Result.FAIL),
        (chain(1) + chain(1), 0, Result.FAIL),
        (chain(2).replace("ARC-Seal: i=1", "X: i=1"), 0, Result.FAIL),
        ("ARC-Seal: i=x; cv=none\n", 0, Result.FAIL),
        ("", 0, Result.NONE),
    ],
)
def test_arc(text, sets, arc):
    row = judge(BORDER + text + FROM)
    assert (row.arc_sets, row.arc) == (sets, arc)
    assert bool(row.signals & Signal.ARC_BROKEN) == (arc is Result.FAIL)


# The original


@pytest.mark.parametrize(
    ("spf", "dkim", "modifier", "authentic"),
    [
        ("fail", "fail", -30, False), ("fail", "pass", -20, False), ("fail", "none", -25, False),
        ("softfail", "fail", -30, False), ("softfail", "pass", -5, True),
        ("softfail", "none", -10, False), ("pass", "fail", -15, False), ("pass", "pass", 10, True),
        ("pass", "none", 5, True), ("neutral", "fail", -20, False), ("temperror", "pass", 5, True),
        ("none", "policy", 0, False),
    ],
)  # fmt: skip
def test_the_table_of_the_original(spf, dkim, modifier, authentic):
    text = f"From: a@tide.example\nAuthentication-Results: elm.test; spf={spf}; dkim={dkim}\n\n"
    found = original_result(text)
    assert (found["confidence_modifier"], found["is_authentic"]) == (modifier, authentic)
    assert (found["spf_result"], found["dkim_result"]) == (spf, dkim)


KEYS = [
    "spf_result",
    "dkim_result",
    "dmarc_result",
    "is_authentic",
    "confidence_modifier",
    "auth_summary",
    "details",
]


def test_example_8():
    text = (
        "From: Rosa <rosa@tidepool.test>\nAuthentication-Results: elm.test; spf=Pass smtp.mailfrom="
        "tidepool.test;\n dkim=pass header.d=tidepool.test; dmarc=fail\n\n"
    )
    found = original_result(text)
    assert list(found) == [*KEYS, "found"]
    assert [found[key] for key in KEYS[:-1]] == [
        "pass", "pass", "fail", True, 10.0, "Used existing Authentication-Results header",
    ]  # fmt: skip
    assert found["found"] is True and found["details"] == {
        "source": "header_parsing",
        "raw_header": text.partition("Results: ")[2].rstrip("\n"),
    }
    assert original_result(parse_headers(text.encode())) == found


def test_example_9_mended():
    """A second signature that passes is enough (RFC 8601, 2.7.1); the original took the first."""
    found = original_result(
        "From: rosa@tidepool.test\nAuthentication-Results: elm.test; dkim=fail header.d=relay.test; "
        "dkim=pass header.d=tidepool.test; spf=softfail\n\n"
    )
    assert (found["spf_result"], found["dkim_result"], found["dmarc_result"]) == (
        "softfail",
        "pass",
        "pass",
    )


def test_examples_10_and_11_mended():
    """A signature that nobody checked is neither pass nor fail; Received-SPF is read."""
    found = original_result(
        "From: rosa@post.tidepool.test\nDKIM-Signature: v=1; a=rsa-sha256; d=tidepool.test; s=m1; b=QQ==\n\n"
    )
    assert (found["spf_result"], found["dkim_result"], found["is_authentic"]) == (
        "none",
        "none",
        False,
    )
    assert found["auth_summary"] == "SPF: none, DKIM: none"
    assert found["details"]["dkim_details"] == {
        "result": "none", "reason": "DKIM signature not verified",
        "signature_info": {"v": "1", "a": "rsa-sha256", "d": "tidepool.test", "s": "m1", "b": "QQ=="},
    }  # fmt: skip
    assert found["details"]["spf_details"]["reason"] == "No sender IP provided for SPF validation"
    found = original_result(
        "From: rosa@tidepool.test\nReceived-SPF: fail (elm.test) client-ip=41.203.64.10\n"
        "DKIM-Signature: d=tidepool.test\n\n"
    )
    assert found["auth_summary"] == "SPF: fail, DKIM: none"
    assert (found["confidence_modifier"], found["is_authentic"]) == (-25.0, False)


def test_example_12_mended():
    """Raw 8-bit text in From and in the results."""
    found = original_result(
        "From: Zoë <zoe@tidepool.test>\nAuthentication-Results: elm.test; spf=pass (é); dkim=pass\n\n"
    )
    assert (found["spf_result"], found["dkim_result"], found["confidence_modifier"]) == (
        "pass",
        "pass",
        10.0,
    )


def test_an_address_in_the_display_name_is_no_sender():
    found = original_result('From: "rosa@bank.test" <x@evil.test>\nDKIM-Signature: d=bank.test\n\n')
    assert found["dkim_result"] == "none" and not found["is_authentic"]


@pytest.mark.parametrize("nothing", [None, "", b"", "Subject: x\n\n", "From: nobody\n\n", "\ud800"])
def test_no_sender(nothing):
    found = original_result(nothing)
    assert list(found) == KEYS
    assert found["auth_summary"] == "Could not extract sender domain" and found["details"] == {}


def test_what_is_no_message():
    with pytest.raises(TypeError):
        original_result(5)
    with pytest.raises(TypeError):
        original_result(Message())
