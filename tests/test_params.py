"""Texts of parameters and transfer encodings: vectors, generated fields, real mail."""

import base64
import binascii
import json
import quopri
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import parameters as text_oracle
from oracles import params as param_oracle
from oracles import transfer as transfer_oracle

from atlas_fast._kernels import params, transfer
from atlas_fast.flags import Flag

VECTORS = Path(__file__).parent / "vectors"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def text_of(raw, name):
    found = params.parameter_text(raw, name)
    return None if found is None else found.decode()


@pytest.mark.parametrize("read", [text_of, text_oracle.text], ids=["kernel", "oracle"])
@pytest.mark.parametrize("vector", load("params"), ids=lambda v: v["field"][:50] or "empty")
def test_parameter_vector(read, vector):
    assert read(vector["field"].encode(), b"name") == vector["text"]


NAMES = [
    "name",
    "NAME",
    "name*",
    "name*0",
    "name*0*",
    "name*1",
    "name*1*",
    "name*00",
    "name*63",
    "name*64",
    "name*a",
    "names",
]
PIECE = st.builds(
    "{}{}={}{}".format,
    st.sampled_from(NAMES),
    st.sampled_from(["", " ", "\r\n "]),
    st.sampled_from(["", " ", "\t"]),
    st.one_of(
        st.sampled_from(
            ["x", '"a b"', '"a;b"', '"\\"q\\""', "utf-8''%C3%A9", "utf-8'en'%e2%82", "%AC", "iso-8859-1''%e9",
             "gb2312''%b0%a1", "no-such''%ff", "'", "''", '"utf-8\'\'%C3\\%A9"', "=?utf-8?q?=C3=A9?=", '"=?utf-8?b?w6k=?="',
             "%", "%4", "%zz", '"open', "a(c)", "é", '"a\r\n b"', "\\", '"\\']
        ),
        st.text("ab%4'*\"\\; =é", max_size=8),
    ),
)  # fmt: skip
FIELD = st.lists(PIECE, max_size=5).map(lambda p: "; ".join(["text/plain", *p]).encode())


@given(st.one_of(FIELD, st.binary(max_size=50)), st.sampled_from([b"name", b"names", b"x"]))
@example(b"x; name**=utf-8''a", b"name")
def test_parameter_texts_agree(raw, name):
    assert text_of(raw, name) == text_oracle.text(raw, name)
    assert params.parse_parameters(raw) == param_oracle.parse(raw)


def test_strategy_draws_every_class():
    seen = set()

    @settings(max_examples=300)
    @given(FIELD)
    def look(raw):
        found = text_of(raw, b"name")
        seen.update({"none"} if found is None else {"text"})
        seen.update({"decoded"} if found and raw.isascii() and not found.isascii() else ())
        seen.update({"damaged"} if found and "\ufffd" in found else ())
        seen.update({"sections"} if found and b"name*1" in raw and b"name=" not in raw else ())

    look()
    assert seen == {"none", "text", "decoded", "damaged", "sections"}


def test_parameters_of_real_mail(corpus):
    """Every content field of the corpus, wherever in a message it stands."""
    bodies = set()
    for _, _, raw in corpus:
        for line in (
            raw.replace(b"\r\n", b"\n").replace(b"\n\t", b" ").replace(b"\n ", b" ").split(b"\n")
        ):
            if line[:8].lower() == b"content-" and b";" in line:
                bodies.add(line.partition(b":")[2])
    assert len(bodies) > 700
    for raw in bodies:
        assert params.parse_parameters(raw) == param_oracle.parse(raw)
        for name in (b"name", b"filename", b"boundary", b"charset"):
            assert text_of(raw, name) == text_oracle.text(raw, name)


@pytest.mark.parametrize("vector", load("transfer"), ids=lambda v: v["encoding"][0] + v["raw"][:30])
def test_transfer_vector(vector):
    raw, is_base64 = vector["raw"].encode(), vector["encoding"] == "base64"
    flags = sum(Flag[name] for name in vector.get("flags", []))
    decode = transfer_oracle.decode_base64 if is_base64 else transfer_oracle.decode_quoted_printable
    assert transfer.decode_transfer(raw, is_base64) == (vector["out"].encode(), flags)
    assert decode(raw) == (vector["out"].encode(), flags)


@st.composite
def damaged_base64(draw):
    raw = bytearray(base64.encodebytes(draw(st.binary(max_size=200))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 3))] = draw(
            st.sampled_from(
                [b"", b"=", b"!", b"\r\n", b"A", b"==", b"==\n", b"==\n!", b"=\r\n \nQUJD"]
            )
        )
    return bytes(raw)


@given(damaged_base64())
def test_damaged_base64_agrees(raw):
    assert transfer.decode_transfer(raw, True) == transfer_oracle.decode_base64(raw)


@given(st.binary(max_size=200).map(lambda raw: raw.replace(b"\r", b"")))
def test_quoted_printable_round_trip(raw):
    """quopri escapes white space before a line end, so nothing is lost."""
    coded = quopri.encodestring(raw)
    assert transfer.decode_transfer(coded, False) == (raw, 0)
    crlf = coded.replace(b"\n", b"\r\n")
    assert transfer.decode_transfer(crlf, False)[0] == raw.replace(b"\n", b"\r\n")


def test_real_bodies_agree(corpus):
    """Bodies of the corpus, read as both encodings; sound base64 also as binascii reads it."""
    sound = 0
    for _, _, raw in corpus[::20]:
        body = raw.partition(b"\n\n")[2][:20_000]
        assert transfer.decode_transfer(body, True) == transfer_oracle.decode_base64(body)
        assert transfer.decode_transfer(body, False) == transfer_oracle.decode_quoted_printable(
            body
        )
        coded = binascii.b2a_base64(body)
        sound += transfer.decode_transfer(coded, True) == (body, 0)
    assert sound == len(corpus[::20])


@pytest.mark.parametrize("unit", [b"=", b"QQ==", b"QQ=", b"Q=", b"QQ==\n", b"Q=\n=", b"!", b"\r\n"])
def test_hostile_base64_is_linear(unit):
    raw = unit * (4_000_000 // len(unit))
    assert len(transfer.decode_transfer(raw, True)[0]) <= len(raw)
