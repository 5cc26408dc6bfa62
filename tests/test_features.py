"""Feature rows of the kernel against the plain oracle."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import features as oracle

from atlas_fast._kernels.facts import fact_column, word_column
from atlas_fast.auth import AuthColumns
from atlas_fast.batch import Batch
from atlas_fast.classify import lexicon
from atlas_fast.headers import parse_many
from atlas_fast.mime import MimeColumns
from atlas_fast.sources.synthetic import generate
from atlas_fast.stages import features, parse
from atlas_fast.stages.enrich import Enricher

KNOWN = lexicon.terms()
N_SUBJECT_SHAPE = 8  # src_pyx/atlas_fast/_kernels/rows.pxd


def columns_of(messages):
    headers = parse_many(messages)
    parts = MimeColumns(headers)
    return headers, parts, features.extract(headers, parts)


def plain(headers, parts, i, raw):
    """The message as the oracle wants it."""
    lo, hi = headers.field_indptr[i : i + 2]
    known = {}
    for field in headers.fields[lo:hi]:
        known.setdefault(int(field["id"]), raw[field["start"] : field["stop"]])
    known.pop(-1, None)
    every = [
        (int(f["id"]), raw[f["start"] - f["name_gap"] :][: f["name_size"]])
        for f in headers.fields[lo:hi]
    ]
    received = [raw[f["start"] : f["stop"]] for f in headers.fields[lo:hi] if f["id"] == 10]
    counted = int(AuthColumns(headers).counted[i])
    results = None if counted < 0 else headers.fields[lo:hi][counted]
    if results is not None:
        assert results["id"] == 11
        results = raw[results["start"] : results["stop"]]
    text_at = int(parts.text_offsets[i])
    strings, text = parts.strings, parts.text.data
    lo, hi = parts.link_indptr[i : i + 2]
    links = [
        (
            bytes(strings[one["url_start"] : one["url_stop"]]), int(one["kind"]),
            bytes(text[one["text_start"] : one["text_stop"]]), int(one["text_start"]) - text_at,
        )
        for one in parts.links[lo:hi]
    ]  # fmt: skip
    lo, hi = parts.part_indptr[i : i + 2]
    tree = [
        (
            int(p["media"]), int(p["encoding"]), int(p["disposition"]), int(p["charset"]),
            int(p["has_charset"]), bytes(strings[p["name_start"] : p["name_stop"]]), p["type_start"] >= 0,
            int(p["stop"] - p["body"]),
        )
        for p in parts.parts[lo:hi]
    ]  # fmt: skip
    texts = {name: getattr(headers, name)[i].encode() for name in
             ("subject", "from_name", "from_address", "from_domain", "reply_to", "message_id")}  # fmt: skip
    return {
        "text": bytes(text[text_at : parts.text_offsets[i + 1]]), "subject": texts["subject"],
        "results": results, "fields": known, "named": every, "received": received, "links": links, "parts": tree, "hidden": int(parts.n_hidden[i]),
        "name": texts["from_name"], "address": texts["from_address"], "domain": texts["from_domain"],
        "reply": texts["reply_to"], "msgid": texts["message_id"],
        "recipients": int(headers.to_indptr[i + 1] - headers.to_indptr[i]), "flags": int(headers.flags[i]),
    }  # fmt: skip


def check(messages):
    headers, parts, rows = columns_of(messages)
    assert rows.indptr[-1] == len(rows.indices) == len(rows.data)
    for i, raw in enumerate(messages):
        indices, data, ends, terms = oracle.make(
            plain(headers, parts, i, raw), KNOWN.texts, KNOWN.category, len(KNOWN.categories)
        )
        lo, hi = rows.indptr[i : i + 2]
        assert rows.ends[i].tolist() == ends
        assert rows.terms[i].tolist() == terms
        assert rows.indices[lo:hi].tolist() == indices
        assert rows.data[lo:hi] == pytest.approx(data, rel=1e-6)


def test_features_agree_on_corpus(corpus):
    check([raw for _, _, raw in corpus[::150]])


def test_features_agree_on_generated_mail():
    check([raw for _, raw in generate(60, 11)])


def test_features_agree_beyond_the_caps():
    """More links, sites, parts, fields, words and features than are looked at."""
    head = b"From: a@a.test\nSubject: " + b"long " * 700 + b"\n"
    words = b" ".join(b"w%05x" % (i * 7919) for i in range(3500))
    links = b" ".join(b"http://h%d.s%d.test/a%d?k%d=1" % (i, i, i, i) for i in range(140))
    long = b"http://x.test/" + b"abc/" * 400 + b"?k=1"
    part = b"--b\nContent-Type: text/x%d; name=a.e%d\n\nx\n"
    parts = b"".join(part % (i % 3, i) for i in range(70))
    fields = b"".join(b"SUBJECT: s\nx-%d: y\n" % i for i in range(140))
    check([
        head + b"\n" + words, head + b"\n" + words + b" money back guarantee", head + b"\n" + links,
        head + b"\n" + long, head + b"\n" + b"free money " * 40,
        head + b"Content-Type: multipart/mixed; boundary=b\n\n" + parts,
        head + fields + b"\nx", head + b"Date: " + b"Mon 1 " * 300 + b"\n\nx",
        head + b"\n" + b"y" * 30 + b" " + b" ".join(b"V i a g r a s"[: 2 * n] for n in range(1, 7)),
        head + b"\n" + b"x " * 900 + b"\n-- \n" + b"footer " * 220,
        head + b"\n" + b" ".join(b"%x!%x$" % (i, i * 31) for i in range(3000)),
    ])  # fmt: skip


def test_features_agree_at_every_place_of_a_block():
    """What is counted, or says that a line is quoted, may stand at any byte of a step."""
    head = b"From: a@a.test\nSubject: %s\n\n%s\n"
    found = set()
    for at in range(67):
        before, behind = b"x" * at, b"y" * (66 - at)
        subjects = [b"!", b"a   b", b"a    b", b"a     b"]
        texts = [b"!", b"\n> quoted\n", b"\n  | quoted\n", b"x> y", b"\nA wrote:\n", b"A wrote: b"]
        messages = [head % (before + one + behind, b"x") for one in subjects]
        messages += [head % (b"s", before + b" " + one + behind) for one in texts]
        check(messages)
        rows = columns_of([messages[1], messages[2], messages[3]])[2]
        gaps = [rows.indices[lo:hi].tolist() for lo, hi in pairwise(rows.indptr)]
        found.add(tuple(fact_column(N_SUBJECT_SHAPE, 8, 1) in row for row in gaps))
    assert found == {(False, True, True)}


@pytest.mark.parametrize("size", [255 * 32, 2 * 255 * 32 + 33])
def test_features_agree_on_one_class_alone(size):
    """More bytes of one class than the counters of a lane hold between two sums."""
    head = b"From: a@a.test\nSubject: s\n\n"
    check([head + one * (size // len(one)) for one in
           (b"A", b"a", b"7", "é".encode(), b"!", b"$", b">", b"?", b"x\n", b"\n", b"A!")])  # fmt: skip


LINES = st.sampled_from(
    ["Subject: Re: Fwd: [tag] re: WIN $$$ now!!   ok    x", "From: A B <a1@x.example>", "Reply-To: z@y.example",
     "Message-ID: <a$b@x.example>", "X-Mailer: The Bat! 3", "To: a@b, c@d", "", "hello world 2024 _x " + "y" * 30,
     "-- ", "-" * 25, "_" * 30 + " z", "http://u:p@1.2.3.4:80/%41?q", "Content-Type: text/html; charset=utf-8",
     "Received: from [1.2.3.4] by b with SMTP id x for <a@b>;", "Received: from unknown (HELO a.x.example) by b",
     "Authentication-Results: mx.example; spf=pass x; dkim=fail (why); DMARC=none", "DKIM-Signature: v=1",
     "DATE: Mon, 01 Jan 2001 00:00:00 +0100 (GMT)", "Content-type: multipart/mixed; Boundary=\"--=_a1\"",
     "> quoted", "On Monday A wrote:", "via\u200bgra V1AGRA v.i.a.g.r.a free money!!", "money back guarantee",
     "http://www.x.example/a/remove.html?id1=2&email=a@b", "From: \"News Desk\" <news@mail.x.co.uk>",
     '<a href="http://a.example/x">http://b.example</a>', '<img src="cid:1">', "é€ Ünï", "A!?>$"]
)  # fmt: skip


@given(st.lists(st.lists(LINES, max_size=25).map("\n".join).map(str.encode), max_size=3))
def test_features_agree_on_lines(messages):
    check(messages)


@given(st.lists(st.binary(max_size=200), max_size=2))
def test_features_agree_on_any_bytes(messages):
    check(messages)


def test_rows_do_not_depend_on_the_batch(corpus):
    messages = [raw for _, _, raw in corpus[:60]]
    _, _, whole = columns_of(messages)
    for i in (0, 7, 59):
        _, _, one = columns_of([messages[i]])
        lo, hi = whole.indptr[i : i + 2]
        assert one.indices.tolist() == whole.indices[lo:hi].tolist()


def batch_of(raw):
    ends = np.array([0, len(raw)], np.int64)
    return Batch(np.frombuffer(raw, np.uint8), ends[:1], ends[1:], source="test:", places=["0"])


PASSED = word_column(27, 1, b"spf=pass")
RECEIVED = (
    b"Received: from a.test ([192.0.2.1]) by mx.b.test with SMTP; Mon, 1 Jan 2001 0:0:0 +0000\n"
)
RESULTS = b"Authentication-Results: %s; spf=pass smtp.mailfrom=a@a.test\n"


@pytest.mark.parametrize(
    ("raw", "counts"),
    [
        (RESULTS % b"mx.b.test" + RECEIVED, True),
        (RECEIVED + RESULTS % b"mx.b.test", True),  # right below the border, by its own name
        (RECEIVED + RESULTS % b"mx.a.test", False),
        (RECEIVED + b"X: y\n" + RESULTS % b"mx.b.test", False),
        (RESULTS % b"mx.b.test", True),  # it never travelled
        (RECEIVED, False),
    ],
)
def test_only_results_that_count_are_features(raw, counts):
    """The sender's own say-so is no feature, wherever it stands; the same with enrichment."""
    raw += b"From: a@a.test\nSubject: x\n\nhello\n"
    _, _, rows = columns_of([b"Subject: y\n\nz\n", raw])
    assert (PASSED in rows.indices[rows.indptr[1] :].tolist()) == counts
    batch = batch_of(raw)
    parse.run(batch)
    for _, stage in Enricher().stages:
        stage(batch)
    features.run(batch)
    assert batch.features.indices.tolist() == rows.indices[rows.indptr[1] :].tolist()


def test_the_configured_name_decides():
    raw = RESULTS % b"mx.b.test" + RECEIVED + b"From: a@a.test\n\nhello\n"
    found = []
    for ids in (["mx.b.test"], ["other.test"]):
        batch = batch_of(raw)
        parse.run(batch)
        for _, stage in Enricher(authserv_ids=ids).stages:
            stage(batch)
        features.run(batch)
        found.append(PASSED in batch.features.indices.tolist())
    assert found == [True, False]
