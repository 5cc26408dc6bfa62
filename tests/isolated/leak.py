"""10,000 calls of every door, sound and failing, must not make the process grow."""

import gc
import os

import numpy as np

from atlas_fast._kernels import addresses, charsets, html, mboxscan, params, transfer, words
from atlas_fast._kernels.messages import Messages
from atlas_fast.headers import HeaderColumns
from atlas_fast.mime import MimeColumns
from atlas_fast.stages.features import extract

CALLS = 10_000
ALLOWED = 100 << 10  # bytes; 10,000 lost objects of 40 bytes are eight times as much
MESSAGE = (
    b"From: a <a@b.example>\nSubject: =?utf-8?b?w6k=?=\n"
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n"
    b"<a href=http://a.example/>x</a>\n--b--\n"
)


def batch():
    head = HeaderColumns(Messages.of_bytes([MESSAGE]))
    return extract(head, MimeColumns(head)).indices


def misuse():
    for call in (
        lambda: Messages.of_bytes([b"a", 1]),
        lambda: Messages.of_spans(b"a", np.array([0]), np.array([2])),
        lambda: charsets.decode_charset(100, b"a"),
        lambda: mboxscan.scan_mbox(b"a", 9, 1, False, *np.zeros((3, 1), np.int64)),
    ):
        try:
            call()
        except (TypeError, ValueError):
            continue
        raise AssertionError("misuse was not refused")


def doors():
    words.decode_words(b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?= \xff")
    addresses.parse_addresses(b"g: a <a@b>, c@d;")
    charsets.decode_charset(charsets.charset_number(b"gb2312"), b"\xc4\xe3\xff")
    html.html_text(b"<p>a<a href=b>c</a>")
    params.parameter_text(b"a; name*=utf-8''%C3%A9", b"name")
    transfer.decode_transfer(b"QUJD" * 30, True)


def resident() -> int:
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


for work in (batch, doors, misuse):
    for _ in range(CALLS // 2):  # until the allocator has what it needs
        work()
    before = resident()
    for _ in range(CALLS):
        work()
    grown = resident() - before
    assert grown < ALLOWED, f"{work.__name__}: grew by {grown} bytes in {CALLS} calls"
print("sound")
