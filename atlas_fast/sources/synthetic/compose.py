"""One generated message: envelope and header fields around a body.

`random.Random` seeded with text gives the same floats in every Python 3; only `random()` is used.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from atlas_fast.sources.synthetic import pools
from atlas_fast.sources.synthetic.body import Body, make_body

T = TypeVar("T")
EPOCH_DAYS = 11_323  # 1 January 2001


class Draw:
    """Random choices of one message."""

    __slots__ = ("chance",)

    def __init__(self, seed: int, index: int):
        self.chance: Callable[[], float] = random.Random(f"{seed}/{index}").random

    def one(self, pool: Sequence[T]) -> T:
        return pool[int(self.chance() * len(pool))]

    def below(self, n: int) -> int:
        return int(self.chance() * n)

    def maybe(self, share: float) -> bool:
        return self.chance() < share

    def kind(self) -> str:
        at = self.chance()
        for name, share in pools.SHARES:
            at -= share
            if at < 0:
                return name
        return "personal"


class Person:
    """Somebody with a name and an address."""

    __slots__ = ("address", "domain", "name")

    def __init__(self, name: str, address: str):
        self.name = name
        self.address = address
        self.domain = address.rpartition("@")[2]


def compose(seed: int, index: int) -> tuple[str, bytes]:
    """(class, message) number `index`; the same for the same arguments, always."""
    draw = Draw(seed, index)
    kind = draw.kind()
    values = _values(draw)
    sender = _sender(draw, kind, values)
    receiver = _person(draw, pools.PERSONAL)
    body = make_body(draw, kind, values, sender.domain)
    when = _date(draw)
    unique = f"{index:x}.{draw.below(1 << 30):x}.{seed}"
    fields = _trace(draw, kind, sender, receiver, when, unique)
    fields += _authentication(draw, kind, sender, receiver)
    fields += _identity(draw, kind, sender, receiver, when, unique, values, body)
    fields += body.fields
    raw = "\n".join(fields).encode("utf-8", "surrogateescape") + b"\n\n" + body.raw
    return kind, _damage(draw, raw)


def _values(draw: Draw) -> dict[str, str]:
    return {
        "topic": draw.one(pools.TOPICS),
        "product": draw.one(pools.PRODUCTS),
        "brand": draw.one(pools.BRANDS),
        "list": draw.one(pools.LISTS),
        "name": f"{draw.one(pools.FIRST)} {draw.one(pools.LAST)}",
        "amount": f"${draw.below(900) + 100},{draw.below(1000):03}",
        "percent": f"{draw.below(15) * 5 + 10}%",
        "number": str(draw.below(9_000_000) + 1_000_000),
        "day": draw.one(pools.DAY_NAMES),
    }


def _person(draw: Draw, domains: Sequence[str]) -> Person:
    first, last = draw.one(pools.FIRST), draw.one(pools.LAST)
    local = f"{first}.{last}".encode("ascii", "ignore").decode().lower() or "someone"
    return Person(f"{first} {last}", f"{local}@{draw.one(domains)}")


def _sender(draw: Draw, kind: str, values: dict[str, str]) -> Person:
    if kind in ("personal", "list", "scam"):
        return _person(draw, pools.PERSONAL)
    if kind == "work":
        return _person(draw, pools.COMPANIES)
    if kind in ("transactional", "marketing"):
        shop = draw.one(pools.SHOPS)
        local = "orders" if kind == "transactional" else "news"
        return Person(shop.partition(".")[0].title(), f"{local}@{shop}")
    if kind == "phish":
        host = f"{values['brand'].lower()}-secure{draw.below(90) + 10}.test"
        return Person(f"{values['brand']} Support", f"service@{host}")
    local = f"{draw.one(pools.FIRST)[:3]}{draw.below(99999)}".encode("ascii", "ignore").decode()
    return Person(draw.one(("", "Customer Service", "Dr. Best", "Win Team")),
                  f"{local.lower()}@{draw.one(pools.SPAM_DOMAINS)}")  # fmt: skip


def _date(draw: Draw) -> str:
    days = EPOCH_DAYS + draw.below(9000)
    seconds = draw.below(86_400)
    z = days + 719_468  # days to a civil date
    era, doe = divmod(z, 146_097)
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    day = doy - (153 * mp + 2) // 5 + 1
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (month <= 2)
    zone = draw.one(("+0000", "+0100", "-0500", "+0900", "-0800", "+0530"))
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{pools.DAYS[(days + 3) % 7]}, {day} {pools.MONTHS[month - 1]} {year} {clock} {zone}"


def _ip(draw: Draw) -> str:
    if draw.maybe(0.2):
        return f"IPv6:2001:db8:{draw.below(65536):x}::{draw.below(65536):x}"
    if draw.maybe(0.5):
        return f"{draw.one(('192.0.2', '198.51.100', '203.0.113'))}.{draw.below(254) + 1}"
    first = draw.one((5, 23, 41, 62, 81, 94, 103, 145, 177, 185, 200, 212))
    return f"{first}.{draw.below(256)}.{draw.below(256)}.{draw.below(254) + 1}"


def _trace(
    draw: Draw, kind: str, sender: Person, receiver: Person, when: str, unique: str
) -> list[str]:
    fields = [f"Return-Path: <{sender.address}>"]
    hops = 1 + draw.below(3 if kind in ("spam", "phish") else 5)
    by = f"{draw.one(pools.HOSTS)}.{receiver.domain}"
    for hop in range(hops):
        helo = f"{draw.one(pools.HOSTS)}.{sender.domain if hop == hops - 1 else receiver.domain}"
        peer = f"{helo} [{_ip(draw)}]" if draw.maybe(0.8) else f"[{_ip(draw)}]"
        fields.append(
            f"Received: from {helo} ({peer})\n\tby {by} (Postfix) with "
            f"{draw.one(('ESMTP', 'ESMTPS', 'SMTP', 'ESMTPSA'))} id {unique[:9]}{hop}\n"
            f"\tfor <{receiver.address}>; {when}"
        )
        by = helo
    return fields


def _authentication(draw: Draw, kind: str, sender: Person, receiver: Person) -> list[str]:
    if draw.maybe(0.3):
        return []
    good = kind not in ("spam", "phish", "scam") or draw.maybe(0.25)
    spf = "pass" if good else draw.one(("fail", "softfail", "none"))
    dkim = "pass" if good else draw.one(("none", "fail"))
    dmarc = "pass" if good else "fail"
    fields = [
        f"Authentication-Results: mx.{receiver.domain};\n\tdkim={dkim} header.d={sender.domain};\n"
        f"\tspf={spf} smtp.mailfrom={sender.address};\n\tdmarc={dmarc} header.from={sender.domain}",
        f"Received-SPF: {spf} (mx.{receiver.domain}: domain of {sender.address}) "
        f"client-ip={_ip(draw).removeprefix('IPv6:')};",
    ]
    if dkim == "pass":
        signature = base64.b64encode(f"{draw.chance()}{draw.chance()}{draw.chance()}".encode())
        fields.append(
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={sender.domain}; s=s1;\n"
            f"\th=from:to:subject:date; bh=AAAA; b={signature.decode()[:44]}\n\t{signature.decode()[44:]}"
        )
        if draw.maybe(0.15):
            fields.append(
                f"ARC-Seal: i=1; a=rsa-sha256; d=relay.example; s=a; cv=none; b={unique_tail(draw)}"
            )
    return fields


def unique_tail(draw: Draw) -> str:
    """Some base64 text."""
    return base64.b64encode(f"{draw.chance()}".encode()).decode()


def _word(text: str, charset: str, q: bool) -> str:
    """An encoded-word."""
    raw = text.encode(charset, "replace")
    if q:
        coded = "".join(
            chr(c)
            if 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122
            else "_"
            if c == 32
            else f"={c:02X}"
            for c in raw
        )
        return f"=?{charset}?q?{coded}?="
    return f"=?{charset}?B?{base64.b64encode(raw).decode()}?="


def _display(name: str, q: bool) -> str:
    if not name:
        return ""
    if not name.isascii():
        return _word(name, "utf-8", q) + " "
    return f'"{name}" ' if "." in name else f"{name} "


def _identity(
    draw: Draw, kind: str, sender: Person, receiver: Person, when: str, unique: str,
    values: dict[str, str], body: Body,
) -> list[str]:  # fmt: skip
    subject = draw.one(pools.SUBJECTS[kind]).format_map(values)
    if body.foreign:
        subject = _word(body.foreign, body.charset, draw.maybe(0.4))
    elif draw.maybe(0.02):
        subject = f"Grüße: {subject}"  # 8-bit, not encoded
    elif len(subject) > 24 and draw.maybe(0.2):
        cut = subject.find(" ", 12)
        subject = f"{subject[:cut]}\n {subject[cut + 1 :]}" if cut > 0 else subject
    fields = [
        f"From: {_display(sender.name, draw.maybe(0.5))}<{sender.address}>",
        f"To: {_display(receiver.name, True)}<{receiver.address}>",
        f"Subject: {subject}",
        f"Date: {when}",
    ]
    if kind != "spam" or draw.maybe(0.7):
        fields.append(f"Message-ID: <{unique}@{sender.domain}>")
    if kind == "list":
        name = values["list"]
        fields += [
            f"List-Id: <{name}.lists.example>",
            f"List-Unsubscribe: <mailto:{name}-leave@lists.example>,\n\t<https://lists.example/{name}>",
            f"List-Post: <mailto:{name}@lists.example>",
        ]
    elif kind == "marketing":
        fields.append(f"List-Unsubscribe: <https://{sender.domain}/u/{unique}>")
    if kind == "scam" or (kind == "phish" and draw.maybe(0.3)):
        fields.append(f"Reply-To: <desk{draw.below(999)}@reply.test>")
    return fields


def _damage(draw: Draw, raw: bytes) -> bytes:
    """One message in a hundred arrives broken."""
    if not draw.maybe(0.01):
        return raw
    how = draw.below(5)
    if how == 0:
        return raw[: len(raw) * 3 // 4]
    if how == 1:
        return raw.replace(b"\n\n", b"\n", 1)
    if how == 2:
        return raw.replace(b"\n", b"\r", 3)
    if how == 3:
        return raw.replace(b"Subject: ", b"Subject: \0", 1)
    return raw.replace(b"=?", b"=?x-nobody-", 1).replace(b"charset=", b"charset=x-", 1)
