"""Spam that hides, made from real spam: the same header, the text written again."""

import base64
import random
import re

from atlas_fast.headers import parse_many
from atlas_fast.mime import MimeColumns

TWINS = str.maketrans("aeocpxyi", "аеосрхуі")
REST = re.compile(rb"(?im)^(content-[a-z-]+|mime-version):.*\n(?:[ \t].*\n)*")


def header_and_text(raw):
    headers = parse_many([raw])
    start = int(headers.body[0])
    return REST.sub(b"", raw[:start].rstrip(b"\r\n") + b"\n"), MimeColumns(headers).text[0]


def mail(header, text, kind="plain", encoding="8bit"):
    body = text.encode("utf-8", "replace")
    if encoding == "base64":
        body = base64.encodebytes(body)
    return (
        header.rstrip(b"\n") + b"\nMIME-Version: 1.0\nContent-Type: text/" + kind.encode()
        + b"; charset=utf-8\nContent-Transfer-Encoding: " + encoding.encode() + b"\n\n" + body
    )  # fmt: skip


def within(text, put):
    return re.sub(r"[A-Za-z]{4,}", lambda m: m[0][:2] + put + m[0][2:], text)


def html(text):
    return "<html><body><p>" + text.replace("<", "&lt;").replace("\n", "<br>\n") + "</p>"


def ham_words(ham_texts, size, seed=1):
    words = " ".join(ham_texts).split()
    draw, out, n = random.Random(seed), [], 0
    while n < size:
        out.append(words[int(draw.random() * len(words))])
        n += len(out[-1]) + 1
    return " ".join(out)


def attacks(ham_texts):
    """Name to a function of (header, text): the plain rewriting first."""
    hidden, many = ham_words(ham_texts, 2_000), ham_words(ham_texts, 100_000)
    return {
        "plain": lambda h, t: mail(h, t),
        "html": lambda h, t: mail(h, html(t), "html"),
        "homoglyphs": lambda h, t: mail(h, t.translate(TWINS)),
        "zero width": lambda h, t: mail(h, within(t, "\u200b")),
        "split by tags": lambda h, t: mail(h, within(html(t), "<b></b>"), "html"),
        "hidden text": lambda h, t: mail(
            h, f'{html(t)}<div style="display:none">{hidden}</div>', "html"
        ),
        "base64": lambda h, t: mail(h, t, encoding="base64"),
        "base64 in base64": lambda h, t: mail(
            h, base64.encodebytes(t.encode()).decode(), encoding="base64"
        ),
        "ham words behind": lambda h, t: mail(h, f"{t}\n{many}"),
        "ham words before": lambda h, t: mail(h, f"{many}\n{t}"),
    }
