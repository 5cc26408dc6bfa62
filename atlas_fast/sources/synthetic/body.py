"""The body of a generated message: text, HTML, alternatives, attachments."""

from __future__ import annotations

import base64
import quopri
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_fast.sources.synthetic import pools

if TYPE_CHECKING:
    from atlas_fast.sources.synthetic.compose import Draw


@dataclass(slots=True)
class Body:
    """Header fields and bytes of a body; `foreign` is a subject in the body's charset, or empty."""

    fields: list[str]
    raw: bytes
    charset: str
    foreign: str


HTML_SHARE = {"marketing": 0.95, "spam": 0.6, "phish": 0.95, "transactional": 0.7, "scam": 0.05}


def make_body(draw: Draw, kind: str, values: dict[str, str], domain: str) -> Body:
    """A body of the class `kind`."""
    charset, foreign, lines = "us-ascii", "", _lines(draw, kind, values)
    if draw.maybe(0.12):
        charset = draw.one(tuple(pools.FOREIGN))
        foreign, line = pools.FOREIGN[charset]
        lines.insert(0, line)
    plain = "\n".join(lines) + "\n"
    if draw.maybe(HTML_SHARE.get(kind, 0.15)):
        html = _html(draw, kind, lines, values, domain)
        if draw.maybe(0.6):
            return _alternative(draw, plain, html, charset, foreign)
        fields, raw = _leaf(draw, "text/html", html, charset)
        return Body(["MIME-Version: 1.0", *fields], raw, charset, foreign)
    fields, raw = _leaf(draw, "text/plain", plain, charset)
    if kind in ("work", "transactional", "spam") and draw.maybe(0.15):
        return _mixed(draw, kind, fields, raw, charset, foreign)
    if charset == "us-ascii" and draw.maybe(0.3):
        return Body([], plain.encode(), charset, foreign)  # no fields: nothing may be encoded
    return Body(["MIME-Version: 1.0", *fields], raw, charset, foreign)


def _lines(draw: Draw, kind: str, values: dict[str, str]) -> list[str]:
    pool = pools.SENTENCES[kind]
    lines = [draw.one(pool).format_map(values) for _ in range(3 + draw.below(9))]
    if kind == "list":
        lines += [
            "_______________________________________________",
            f"{values['list']} mailing list",
        ]
    elif kind in ("personal", "work"):
        lines = [
            f"Hi {draw.one(pools.FIRST[:28])},",
            "",
            *lines,
            "",
            "Best,",
            draw.one(pools.FIRST[:28]),
        ]
    elif kind in ("spam", "marketing"):
        lines.append(
            f"http://{draw.one(pools.SPAM_DOMAINS if kind == 'spam' else pools.SHOPS)}/c/{values['number']}"
        )
    return lines


def _html(draw: Draw, kind: str, lines: list[str], values: dict[str, str], domain: str) -> str:
    paragraphs = "".join(f"<p>{line}</p>\n" for line in lines if line)
    if kind == "phish":
        shown = f"https://www.{values['brand'].lower()}.example/login"
        link = f'<a href="http://{domain}/x/{values["number"]}">{shown}</a>'
    elif kind == "spam":
        link = f'<a href="http://{draw.one(pools.SPAM_DOMAINS)}/?{values["number"]}"><b>CLICK HERE</b></a>'
        paragraphs = paragraphs.replace("V1", "V<!-- x -->1")
    else:
        link = f'<a href="https://{domain}/{values["number"]}">Read more</a>'
    hidden = (
        '<div style="display:none">budget meeting notes</div>'
        if kind == "spam" and draw.maybe(0.2)
        else ""
    )
    pixel = f'<img src="https://{domain}/o.gif" width="1" height="1">' if draw.maybe(0.4) else ""
    return (
        f"<html><head><style>p {{ color: #333 }}</style></head>\n<body>\n{paragraphs}<p>{link}</p>\n"
        f"{hidden}{pixel}</body></html>\n"
    )


def _leaf(draw: Draw, media: str, text: str, charset: str) -> tuple[list[str], bytes]:
    """Content fields and encoded bytes of a text part."""
    if charset == "us-ascii" and not text.isascii():
        charset = "utf-8"
    raw = text.encode(charset, "xmlcharrefreplace" if media == "text/html" else "replace")
    content_type = f'Content-Type: {media}; charset="{charset}"'
    how = draw.chance()
    if how < 0.2:
        return [content_type, "Content-Transfer-Encoding: base64"], base64.encodebytes(raw)
    if how < 0.5:
        return [content_type, "Content-Transfer-Encoding: quoted-printable"], quopri.encodestring(
            raw
        )
    return [content_type, "Content-Transfer-Encoding: 8bit"], raw


def _boundary(draw: Draw) -> str:
    return f"=_{draw.below(1 << 40):010x}"


def _part(boundary: str, fields: list[str], raw: bytes) -> bytes:
    return f"--{boundary}\n{chr(10).join(fields)}\n\n".encode() + raw + b"\n"


def _alternative(draw: Draw, plain: str, html: str, charset: str, foreign: str) -> Body:
    boundary = _boundary(draw)
    parts = [_part(boundary, *_leaf(draw, "text/plain", plain, charset))]
    parts.append(_part(boundary, *_leaf(draw, "text/html", html, charset)))
    fields = ["MIME-Version: 1.0", f'Content-Type: multipart/alternative;\n boundary="{boundary}"']
    return Body(fields, b"".join(parts) + f"--{boundary}--\n".encode(), charset, foreign)


def _mixed(
    draw: Draw, kind: str, fields: list[str], raw: bytes, charset: str, foreign: str
) -> Body:
    boundary = _boundary(draw)
    name, media = draw.one(
        (("invoice.pdf.exe", "application/octet-stream"), ("photo.scr", "image/jpeg"))
        if kind == "spam"
        else (
            ("report.pdf", "application/pdf"),
            ("notes.txt", "text/plain"),
            ("plan.png", "image/png"),
        )
    )
    content = base64.encodebytes((name * (20 + draw.below(200))).encode())
    attachment = [
        f'Content-Type: {media}; name="{name}"',
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment; filename="{name}"',
    ]
    parts = _part(boundary, fields, raw) + _part(boundary, attachment, content)
    top = ["MIME-Version: 1.0", f'Content-Type: multipart/mixed; boundary="{boundary}"']
    return Body(top, parts + f"--{boundary}--\n".encode(), charset, foreign)
