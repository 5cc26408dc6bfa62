"""Mail for hypothesis: fields, encoded-words and whole messages, sound and damaged.

`CLASSES` says which kinds of message there must be; tests/test_strategies.py looks whether each is
really drawn.
"""

import re

from hypothesis import strategies as st

from atlas_fast import limits

CHARSETS = ["utf-8", "us-ascii", "iso-8859-1", "windows-1251", "iso-2022-jp", "gb2312", "x-none"]
NAMES = [
    "Subject", "From", "To", "Reply-To", "Date", "Message-ID", "Received", "Content-Type",
    "Content-Transfer-Encoding", "List-Id", "Return-Path", "X-Other", "subject",
]  # fmt: skip
VALUES = [
    "hello", "a <a@b.example>", "=?utf-8?q?=C3=A9?= <e@b.example>", "group: a@b, c@d;",
    "Mon, 1 Jan 2001 00:00:00 +0000", "<1@b.example>", "text/plain; charset=iso-8859-1",
    "text/html", 'multipart/mixed; boundary="b"', "base64", "quoted-printable",
    "from a.example (a.example [192.0.2.1]) by b.example; Mon, 1 Jan 2001 00:00:00 +0000",
]  # fmt: skip
BODIES = [
    b"plain text\n", b"<p>a <a href=http://a.example/>b</a>", b"QUJDRA==\n", b"=C3=A9=\n",
    b"--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\n", b"--b\n\nunfinished",
    b"\xe9\xff\x00",
]  # fmt: skip

encoded_words = st.builds(
    "=?{}?{}?{}?=".format,
    st.sampled_from(CHARSETS),
    st.sampled_from("bBqQ"),
    st.text("ABab01+/=_C3A9 ", max_size=12),
)
values = st.one_of(
    st.sampled_from(VALUES),
    encoded_words,
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=12),
)
folds = st.sampled_from(["\n ", "\n\t", "\r\n ", "\r "])


@st.composite
def header_fields(draw) -> bytes:
    """One field, sometimes folded, with its line end."""
    value = draw(values)
    if draw(st.integers(0, 3)) == 0:
        value += draw(folds) + draw(values)
    colon = draw(st.sampled_from([": ", ":", " : "]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    return f"{draw(st.sampled_from(NAMES))}{colon}{value}{end}".encode()


sound = st.builds(
    lambda fields, blank, body: b"".join(fields) + blank + body,
    st.lists(header_fields(), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\n", b""]),
    st.sampled_from(BODIES),
)


def nested(depth: int) -> bytes:
    """A message whose parts lie `depth` deep."""
    levels = [f'Content-Type: multipart/mixed; boundary="{i}"\n\n--{i}\n' for i in range(depth)]
    return "".join(levels).encode() + b"\ntext"


over_caps = st.builds(
    lambda field, big: field + big,
    st.text("ab ", max_size=5).map(lambda text: f"X-Other: {text}\n".encode()),
    st.one_of(
        st.integers(1, 6).map(lambda more: nested(limits.MAX_DEPTH + more)),
        st.integers(1, 9).map(lambda more: b"To: " + b"a@b, " * (limits.MAX_ADDRESSES + more)),
    ),
)


@st.composite
def damaged(draw) -> bytes:
    """A sound message, cut, or with a foreign byte, or with lines joined by a bare CR."""
    raw = bytearray(draw(sound))
    at = draw(st.integers(0, len(raw)))
    kind = draw(st.sampled_from(["cut", "NUL", "8-bit", "bare CR", "no line ends"]))
    if kind == "cut":
        del raw[at:]
    elif kind == "no line ends":
        return bytes(raw).replace(b"\n", b" ")
    else:
        raw[at:at] = {"NUL": b"\0", "8-bit": b"\xe9", "bare CR": b"\r"}[kind]
    return bytes(raw)


messages = st.one_of(sound, damaged(), st.binary(max_size=80), st.just(b""), over_caps)

CLASSES = {
    "folded": lambda raw: re.search(rb"\n[ \t]+\S", raw),
    "8-bit": lambda raw: not raw.isascii(),
    "truncated": lambda raw: raw and b"\n\n" not in raw and b"\r\n\r\n" not in raw,
    "empty": lambda raw: not raw,
    "bare CR": lambda raw: re.search(rb"\r(?!\n)", raw),
    "CRLF": lambda raw: b"\r\n" in raw,
    "NUL": lambda raw: b"\0" in raw,
    "encoded-word": lambda raw: re.search(rb"=\?\S+\?[bq]\?[^?]*\?=", raw, re.IGNORECASE),
    "multipart": lambda raw: re.search(rb"multipart.*^--b$", raw, re.DOTALL | re.MULTILINE),
    "over a cap": lambda raw: len(raw) > 1000,
}
