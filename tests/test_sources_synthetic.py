"""Generated mail as the standard library reads it."""

import email
import importlib
import re
from collections import Counter

import pytest

from atlas_fast.sources.synthetic import generate, pools

composing = importlib.import_module("atlas_fast.sources.synthetic.compose")


@pytest.fixture
def sound(monkeypatch):
    """(class, bytes, message) without the damaged ones."""
    monkeypatch.setattr(composing, "_damage", lambda draw, raw: raw)
    return [(kind, raw, email.message_from_bytes(raw)) for kind, raw in generate(3000, 5)]


def texts(message):
    for part in message.walk():
        if part.get_content_maintype() == "text" and not part.get_filename():
            yield part, part.get_payload(decode=True)


def test_nothing_is_lost(sound):
    for _, _, message in sound:
        for part in message.walk():
            assert not part.defects
        for part, payload in texts(message):
            payload.decode(part.get_content_charset("utf-8"))


def test_every_text_says_something_of_its_class(sound):
    """Decoded by its own fields, one line of the class' sentences is in the first text."""
    for kind, _, message in sound:
        part, payload = next(texts(message))
        text = payload.decode(part.get_content_charset("utf-8"))
        starts = [re.split(r"[{']", sentence)[0][:20] for sentence in pools.SENTENCES[kind]]
        assert any(start and start in text for start in starts), (kind, text)


def test_what_it_is_made_of(sound):
    seen = Counter()
    for _, raw, message in sound:
        seen[f"hops {len(message.get_all('Received'))}"] += 1
        seen["IPv6"] += b"[IPv6:2001:db8:" in raw
        for name in (
            "Authentication-Results", "Received-SPF", "DKIM-Signature", "ARC-Seal", "List-Id",
            "List-Unsubscribe", "Reply-To",
        ):  # fmt: skip
            seen[name] += name in message
        for part in message.walk():
            seen[part.get_content_type()] += 1
            seen[part.get("Content-Transfer-Encoding", "none")] += 1
            seen[part.get_content_charset("none")] += 1
            seen["executable"] += (part.get_filename() or "").endswith((".exe", ".scr"))
        seen["encoded-word"] += b"=?" in raw.partition(b"\n\n")[0]
        seen["8-bit header"] += not raw.partition(b"\n\n")[0].isascii()
    for what in (
        "hops 1", "hops 5", "IPv6", "Authentication-Results", "Received-SPF", "DKIM-Signature",
        "ARC-Seal", "List-Id", "List-Unsubscribe", "Reply-To", "multipart/alternative",
        "multipart/mixed", "text/html", "base64", "quoted-printable", "8bit", "executable",
        "encoded-word", "8-bit header", *pools.FOREIGN,
    ):  # fmt: skip
        assert seen[what] >= 5, what


def test_the_class_is_not_written_down(sound):
    """No field tells it, whatever its name."""
    for kind, _, message in sound:
        assert not [name for name in message if name.lower().startswith("x-")]
        assert kind == "list" or kind not in {
            str(value).strip().lower() for value in message.values()
        }


def test_domains_are_reserved(sound):
    """RFC 2606: example.com, .org, .net, and everything below .example and .test."""
    ends = (".example", ".test", "example.com", "example.org", "example.net")
    for _, raw, _ in sound[:1000]:
        for domain in re.findall(rb"[A-Za-z0-9.]@([A-Za-z0-9.-]+[A-Za-z])", raw):
            assert domain.decode().lower().endswith(ends), domain
