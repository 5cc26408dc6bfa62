"""No kernel reads behind the end of its input, or before its start: inputs lie against a page
without access, and what is there for `bytes` must come out the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from guard import before_guard, behind_guard
from hypothesis import given
from hypothesis import strategies as st
from strategies import messages as any_message

from atlas_fast._kernels import (
    addresses,
    authres,
    charsets,
    dates,
    folding,
    headers,
    html,
    mboxscan,
    msgids,
    params,
    received,
    transfer,
    wording,
    words,
)
from atlas_fast._kernels import lexicon as lexicon_kernel
from atlas_fast._kernels.keys import KEY_BYTES, LANES_HERE, keys_batch
from atlas_fast._kernels.messages import Messages
from atlas_fast.auth import AuthColumns
from atlas_fast.classify.lexicon import lexicon
from atlas_fast.headers import HeaderColumns
from atlas_fast.mime import MimeColumns
from atlas_fast.stages.features import extract

TESTS = Path(__file__).parent

DOORS = {
    "words": words.decode_words,
    "addresses": addresses.parse_addresses,
    "dates": dates.parse_date_text,
    "msgids": msgids.parse_ids,
    "received": received.parse_received_text,
    "authentication results": lambda raw: authres.parse_results(raw, 5, 5),
    "received-spf": lambda raw: authres.parse_spf(raw, 5),
    "tags": lambda raw: authres.parse_tags(raw, 5),
    "params": params.parse_parameters,
    "params filename": lambda raw: params.parameter_text(raw, b"filename"),
    "base64": lambda raw: transfer.decode_transfer(raw, True),
    "quoted-printable": lambda raw: transfer.decode_transfer(raw, False),
    "utf-8": lambda raw: charsets.decode_charset(0, raw),
    "latin1": lambda raw: charsets.decode_charset(1, raw),
    "iso2022_jp": lambda raw: charsets.decode_charset(charsets.charset_number(b"iso-2022-jp"), raw),
    "charset names": charsets.charset_number,
    "field names": headers.identify_field,
    "separator": mboxscan.looks_like_separator,
    "stated length": mboxscan.states_length,
    "tokens": folding.tokens_of,
    "folding": folding.fold_text,
    "terms": lambda raw: lexicon_kernel.lexicon_find(lexicon(), raw),
    "word columns": wording.word_columns,
}
TEXTS = [
    b"=?utf-8?b?w6k=?= =?utf-8?q?=C3=A9?= tail =", b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=",
    b'a "b \\" c" <a@b.example>, group: d@e (comment (deep)), [1.2.3.4]; <x@[IPv6:::1]>',
    b"Mon, 31 (a) Dec 2001 23:59:60 -0800 (PST)", b"1 Jan 01 00:00 GMT", b"<a@b> <c@d> e@f",
    b"from a.example (HELO b [192.0.2.1]) by c.example with ESMTP id 1 for <a@b>; "
    b"Mon, 1 Jan 2001 00:00:00 +0000", b"text/plain; charset=\"utf-8\"; filename*0*=utf-8''%C3%A9",
    b"attachment; filename*1=b; filename*0=a", b"QUJDRA==\r\nQUI=", b"=C3=A9=\r\n=3", b"a \t\r\n=",
    b"\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa9a\xff\xed\xa0", b"\x1b$BF|K\\\x1b(B", b"Content-Type",
    b"From a@b.example Mon Jan  1 00:00:00 2001\r\nContent-Length: 2\n\nab\nFrom ",
    b'mx.a 1 (c (d)); spf=pass (e) smtp.mailfrom="q\\""@b; dkim / 1 = fail reason="x" header.d=a.',
    b"pass (a) client-ip=::1; envelope-from=\"a@b\"; helo=c", b"v=1; a = b ;c=;d=e\r\n ",
    "vіagra v.i.a.g.r.a abcdefgh abcdefgh1 2024 ｖ𝐯\u200b!!! money back guarantee".encode(),
]  # fmt: skip


def test_the_guard_bites():
    """Otherwise all of this proves nothing."""
    for which in ("before_guard(b'abc')", "behind_guard(b'abc')"):
        offset = 3 if which.startswith("before") else -1
        done = subprocess.run(
            [
                sys.executable, "-c",
                "import ctypes, sys; sys.path.insert(0, sys.argv[1]); import guard; "
                f"view = guard.{which}; "
                "at = ctypes.addressof(ctypes.c_char.from_buffer(view)); "
                "assert ctypes.string_at(at, 3) == b'abc'; print('sound', flush=True); "
                f"ctypes.string_at(at + {offset}, 1)",
                str(TESTS),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout == "sound\n", done.stderr
        # A sanitizer has its own handler of the signal and ends the process in its own way.
        if "ATLAS_FAST_SANITIZED" in os.environ:
            assert "SEGV" in done.stderr, which
        else:
            assert done.returncode == -signal.SIGSEGV, which


def agrees(door, data):
    expected = door(data)
    assert door(before_guard(data)) == expected
    assert door(behind_guard(data)) == expected


@pytest.mark.parametrize("name", DOORS)
def test_every_cut_of_known_text(name):
    for text in TEXTS:
        for stop in range(len(text) + 1):
            agrees(DOORS[name], text[:stop])


@pytest.mark.parametrize("name", DOORS)
def test_any_bytes(name):
    @given(st.one_of(st.binary(max_size=48), st.sampled_from(TEXTS)))
    def check(raw):
        agrees(DOORS[name], raw)

    check()


HTML = (
    "<p>a &amp; &#x41; <a href='http://a.example/é'>b</a><!-- c --><img src=d><br/>"
    '<div style="display:none">e</div><script>f</script>http://g.example/h'
).encode()


@pytest.mark.parametrize("is_html", [True, False])
def test_html(is_html):
    for stop in range(len(HTML) + 1):
        text = HTML[:stop].decode("utf-8", "ignore").encode()  # the kernel is promised UTF-8
        agrees(lambda raw: html.html_text(raw, is_html), text)


def columns(raw):
    """All that the batch kernels make of one message."""
    buffer = np.frombuffer(raw, np.uint8) if len(raw) else np.empty(0, np.uint8)
    spans = np.array([[0], [len(raw)]], np.int64)
    head = HeaderColumns(Messages.of_spans(buffer, spans[0], spans[1]))
    parts = MimeColumns(head)
    rows = extract(head, parts)
    ends = np.empty(1, np.int64)
    headers.header_ends(head.messages, 1 << 20, ends)
    auth = AuthColumns(head)
    texts = (
        head.subject, head.from_name, head.from_address, head.message_id, parts.text, auth.domains,
    )  # fmt: skip
    numbers = (
        ends, head.flags, head.body, head.date, head.zone, head.first, head.fields, parts.parts,
        parts.links, parts.strings, rows.indptr, rows.indices, rows.data,
        auth.origins.address, auth.origins.hop, auth.origins.reason, auth.evidence, auth.signals,
        auth.spf, auth.dkim, auth.dmarc, auth.arc, auth.confidence_modifier,
    )  # fmt: skip
    return [list(text) for text in texts], [array.tobytes() for array in numbers]


@given(any_message)
def test_messages(raw):
    agrees(columns, raw)


MESSAGE = (
    b"From: a <a@b.example>\r\nTo: c@d, e@f\r\nSubject: =?utf-8?b?w6k=?=\r\n folded\r\n"
    b"Authentication-Results: b; dkim=pass header.d=b.example; spf=fail\r\n"
    b"Received: from a (a [41.0.2.1]) by b; Mon, 1 Jan 2001 00:00:00 +0000\r\n"
    b"Received-SPF: pass receiver=b; helo=c\r\nDKIM-Signature: d=b.example; s=c\r\n"
    b"ARC-Seal: i=1; cv=none\r\nX-Originating-IP: [::1]\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nQUJDRA==\r\n--b\r\nContent-Type: text/html\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n<a href=3D'http://a.example/'>=C3=A9"
    b"</a>\r\n--b--\r\n"
)


def test_every_cut_of_a_message():
    for stop in range(0, len(MESSAGE) + 1):
        raw = MESSAGE[:stop]
        assert columns(before_guard(raw)) == columns(raw), stop


MBOX = (
    b"From a@b Mon Jan  1 00:00:00 2001\n\nx\n\nFrom c@d Mon Jan  1 00:00 2001\r\na: b\r\n\r\nFrom "
)


@pytest.mark.parametrize("trust", [False, True])
def test_every_cut_of_an_mbox(trust):
    def scan(raw):
        out = np.full((3, 8), -7, np.int64)
        answer = mboxscan.scan_mbox(np.frombuffer(raw, np.uint8), 0, 1 << 20, trust, *out)
        assert (out[:, answer[0] :] == -7).all()  # nothing is written behind what was found
        return answer, out.tolist()

    for stop in range(1, len(MBOX) + 1):
        agrees(scan, MBOX[:stop])


@pytest.mark.parametrize("lanes", [n for n in (0, 4, 8) if n <= LANES_HERE])
def test_every_cut_of_a_key(lanes):
    def key(raw):
        buffer = np.frombuffer(raw, np.uint8)
        half = len(raw) // 2
        starts = np.array([half, half // 2, 0, 0])  # so that no lane is the last alone
        messages = Messages.of_spans(buffer, starts, np.full(4, len(raw)))
        out = np.empty((4, KEY_BYTES), np.uint8)
        keys_batch(messages, b"s", buffer[:half], np.array([0, half, half, half, half]), out, lanes)
        return out.tobytes()

    for stop in range(1, 300):
        agrees(key, (b"cur/1234567890123456.a" * 20)[:stop])
