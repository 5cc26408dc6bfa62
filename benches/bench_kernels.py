"""Kernels against the standard library and scikit-learn; the answer is compared first."""

import base64
import binascii
import email
import hashlib
import html.parser
import mailbox
import quopri
from email.header import decode_header, make_header
from email.utils import getaddresses, parsedate_to_datetime

import numpy as np
import pytest

from atlas_fast import headers, mime
from atlas_fast._kernels import addresses, dates, keys, mboxscan, transfer, words
from atlas_fast._kernels import html as html_kernel
from atlas_fast._kernels import lexicon as lexicon_kernel
from atlas_fast._kernels.messages import Messages
from atlas_fast.bench import features as feature_peers
from atlas_fast.bench import headers as header_peers
from atlas_fast.bench import lexicon as lexicon_peers
from atlas_fast.classify.lexicon import lexicon


@pytest.fixture(scope="module")
def raws(mail):
    return [path.read_bytes() for path in mail.paths[:2000]]


@pytest.fixture(scope="module")
def bodies(raws):
    """Bodies of the named fields, as they stand."""
    columns = headers.parse_many(raws)
    return {
        name: [raw[a:b] for raw, (a, b) in zip(raws, columns.span(name), strict=True) if a >= 0]
        for name in ("Subject", "From", "Date")
    }


@pytest.mark.parametrize("name", ["ours", "standard_raw", "standard_decoded", "pattern"])
@pytest.mark.benchmark(group="headers columns")
def bench_headers(benchmark, raws, name):
    header_peers.check(raws)
    benchmark(getattr(header_peers, name), raws)
    benchmark.extra_info.update(checked=True, messages=len(raws))


@pytest.mark.parametrize("which", [0, 1, 2], ids=["words", "all groups", "HashingVectorizer"])
@pytest.mark.benchmark(group="features rows")
def bench_features(benchmark, raws, which):
    sides, absent = feature_peers.contestants(raws)
    if which >= len(sides):
        pytest.skip(f"{', '.join(absent)} is not installed")
    benchmark(sides[which].call)
    benchmark.extra_info.update(messages=sides[which].items, includes=sides[which].includes)


@pytest.mark.parametrize(
    "which", [0, 1, 2, 3], ids=["atlas_fast", "hyperscan", "ahocorasick", "RE2"]
)
@pytest.mark.parametrize("kind", ["sparse", "dense"])
@pytest.mark.benchmark(group="lexicon of 2,000 terms")
def bench_lexicon(benchmark, raws, kind, which):
    texts = [text.encode() for text in mime.MimeColumns(headers.parse_many(raws)).text.tolist()]
    dense = lexicon_peers.dense_texts(lexicon_peers.chosen_terms())
    sides, absent = lexicon_peers.contestants(texts if kind == "sparse" else dense)
    if which >= len(sides):
        pytest.skip(f"{', '.join(absent)} is not installed")
    assert lexicon_kernel.lexicon_find(lexicon(), b"v.i.a.g.r.a")
    benchmark(sides[which].call)
    benchmark.extra_info.update(messages=sides[which].items, includes=sides[which].includes)


@pytest.mark.parametrize("peer", ["atlas_fast", "email"])
@pytest.mark.benchmark(group="mime parts and texts")
def bench_mime(benchmark, raws, peer):
    columns = headers.parse_many(raws)
    assert len(mime.MimeColumns(columns).parts) >= len(raws)

    def standard():
        out = []
        for raw in raws:
            for part in email.message_from_bytes(raw).walk():
                if part.get_content_maintype() == "text":
                    out.append(part.get_payload(decode=True))
        return out

    benchmark((lambda: mime.MimeColumns(columns)) if peer == "atlas_fast" else standard)
    benchmark.extra_info.update(messages=len(raws))


@pytest.mark.parametrize("peer", ["atlas_fast", "binascii", "quopri"])
@pytest.mark.benchmark(group="transfer encodings, 1 MB")
def bench_transfer(benchmark, peer):
    plain = bytes(range(32, 127)) * 10_500
    coded, quoted = base64.encodebytes(plain), quopri.encodestring(plain)
    assert transfer.decode_transfer(coded, True) == (plain, 0)
    assert transfer.decode_transfer(quoted, False)[0] == quopri.decodestring(quoted)
    call = {
        "atlas_fast": lambda: transfer.decode_transfer(coded, True),
        "binascii": lambda: binascii.a2b_base64(coded),
        "quopri": lambda: quopri.decodestring(quoted),
    }[peer]
    benchmark(call)


@pytest.mark.parametrize("peer", ["atlas_fast", "email"])
@pytest.mark.benchmark(group="one field body at a time, from Python")
@pytest.mark.parametrize("field", ["Subject", "From", "Date"])
def bench_field(benchmark, bodies, field, peer):
    some = bodies[field][:1000]
    texts = [raw.decode("latin-1") for raw in some]
    ours = {
        "Subject": words.decode_words,
        "From": addresses.parse_addresses,
        "Date": dates.parse_date_text,
    }[field]

    def date(text):
        try:
            return parsedate_to_datetime(text)
        except ValueError:
            return None

    theirs = {
        "Subject": lambda text: make_header(decode_header(text)),
        "From": lambda text: getaddresses([text]),
        "Date": date,
    }[field]
    if peer == "atlas_fast":
        benchmark(lambda: [ours(raw) for raw in some])
    else:
        benchmark(lambda: [theirs(text) for text in texts])


@pytest.mark.parametrize("peer", ["atlas_fast", "html.parser"])
@pytest.mark.benchmark(group="html text, 200 kB")
def bench_html(benchmark, peer):
    source = "<p>Some <b>words</b> &amp; <a href='http://x.example/'>a link</a>.</p>\n" * 2_800

    class Reader(html.parser.HTMLParser):
        def handle_data(self, data):
            out.append(data)

    out: list[str] = []
    text = html_kernel.html_text(source.encode())[0]
    assert text.startswith(b"Some words & a link.")
    raw = source.encode()
    benchmark(
        (lambda: html_kernel.html_text(raw))
        if peer == "atlas_fast"
        else lambda: Reader().feed(source)
    )


@pytest.mark.parametrize("peer", ["atlas_fast", "mailbox"])
@pytest.mark.benchmark(group="mbox, where the messages are")
def bench_mboxscan(benchmark, mail, peer):
    raw = np.fromfile(mail.mbox, np.uint8)
    places, starts, stops = np.empty((3, len(mail.paths) + 10), np.int64)

    def ours():
        return mboxscan.scan_mbox(raw, 0, 1 << 40, False, places, starts, stops)[0]

    def theirs():
        box = mailbox.mbox(str(mail.mbox))
        found = len(box)
        box.close()
        return found

    assert ours() == theirs() == len(mail.paths)
    benchmark(ours if peer == "atlas_fast" else theirs)


@pytest.mark.parametrize("peer", ["atlas_fast", "hashlib"])
@pytest.mark.benchmark(group="message keys")
def bench_keys(benchmark, raws, peer):
    messages, places = Messages.of_bytes(raws), np.frombuffer(b"1" * len(raws), np.uint8)
    offsets, out = np.arange(len(raws) + 1), np.empty((len(raws), keys.KEY_BYTES), np.uint8)

    def ours():
        keys.keys_batch(messages, b"s", places, offsets, out)
        return out[:, 8:].tobytes()

    def theirs():
        make = hashlib.blake2b
        return b"".join(make(b"s\0001\0" + raw, digest_size=16).digest() for raw in raws)

    assert ours() == theirs()
    benchmark(ours if peer == "atlas_fast" else theirs)
    benchmark.extra_info.update(checked=True, messages=len(raws))
