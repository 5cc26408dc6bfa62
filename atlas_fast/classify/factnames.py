"""Names of the facts of a message: what features.md lists, by (group, column).

Each fact is hashed with each value that it can have; names of well-known things (top-level
domains, extensions, spellings of field names) are hashed too. What only one message has, as the
form of its sender's name, is named from the message (`form_names`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from atlas_fast._kernels.charsets import MULTI_BYTE, SINGLE_BYTE
from atlas_fast._kernels.facts import ROLES, fact_column, word_column
from atlas_fast._kernels.features import GROUPS
from atlas_fast._kernels.headers import FIELD_NAMES
from atlas_fast._kernels.mime import DISPOSITION_NAMES, ENCODING_NAMES, MEDIA_NAMES
from atlas_fast.classify.lexicon import terms
from atlas_fast.flags import Flag

__all__ = ["fact_names", "form_column", "form_names"]

LEXICON, SHAPE, LINKS, STRUCTURE, IDENTITY, ORIGIN, AUTHENTICATION, URLS = range(1, 9)
LINK_KINDS = ("link", "image", "form", "plain URL", "frame")
NO_YES = ("no", "yes")
FIRST_PYTHON = 128
"""Id of the first charset of MULTI_BYTE."""
REPLIES = ("neither reply nor forwarded", "a reply", "forwarded", "a forwarded reply")
OWN = ("there are no links", "none", "some", "most", "all")

# namespace of rows.pxd: group, and its facts in their order. The first sign: "#" a count by powers
# of two up to 2**number, "?" yes or no, "%" a share in so many steps, "=" one of so many values.
FACTS: dict[int, tuple[int, tuple[str, ...]]] = {
    7: (SHAPE, (
        "#17 bytes of text", "%20 capitals in the text", "%20 digits in the text",
        "%10 bytes above ASCII in the text", "#17 exclamation marks", "#17 dollar signs",
        "#17 bytes a line", "#17 marks of quotation", "#17 question marks",
    )),
    8: (SHAPE, (
        "? a subject", "= the subject is", "#12 bytes of subject", "%8 capitals in the subject",
        "#10 exclamation marks in the subject", "#10 dollar signs in the subject",
        "#10 digits in the subject", "%4 bytes above ASCII in the subject",
        "? a wide gap in the subject",
    )),
    9: (LINKS, (
        "= an empty target of a", "= a target without a host, of a", "? a link to a bare address",
        "=10 dots in a link's host", "#8 digits in a link's host", "#13 bytes behind a link's host",
        "#10 escapes in a link", "? a link with a port", "? a link with a query",
        "? a link that shows the host it leads to",
    )),
    10: (LINKS, (
        "#9 links in HTML", "#9 images", "#9 forms", "#9 links in plain text",
        "#6 sites linked to", "= links to the sender's own site:", "",
        "=5 links with a host (4: or more)",
    )),
    13: (STRUCTURE, (
        "#10 parts", "", "#10 attachments", "#17 hidden elements", "", "#27 bytes of HTML source",
        "%10 text in the HTML source",
    )),
    15: (IDENTITY, (
        "? a sender's name", "#7 digits in the sender's address", "#10 bytes before the @",
        "=10 dots in the sender's domain", "? an @ in the sender's name",
        "%4 capitals in the sender's name", "? no sender's domain",
        "=6 words of the sender's name (5: or more)", "? the sender's name is in the address",
        "? the sender's name is in the domain", "? an address of a free provider",
        "= before the @ stands", "? the sender's name is quoted", "? a comment in From",
    )),
    18: (IDENTITY, ("? Reply-To at the sender's domain",)),
    19: (IDENTITY, (
        "? a Message-ID", "? Message-ID at the sender's domain", "? Message-ID without a domain",
        "? a $ in the Message-ID", "#10 bytes of the Message-ID",
        "? a dot in the Message-ID's domain", "",
    )),
    26: (ORIGIN, (
        "", "? first hop named as the sender's site", "", "", "",
        "= the first hop has", "? a protocol at the first hop",
    )),
    27: (AUTHENTICATION, ("? a DKIM signature",)),
    29: (IDENTITY, ("#10 recipients",)),
    35: (URLS, ("? a link to a www host", "", "= without a path,", "? an @ in a link's path")),
}  # fmt: skip
VALUES: dict[tuple[int, int], dict[int, str]] = {  # of "=" without a number
    (8, 1): dict(enumerate(REPLIES)),
    (9, 0): dict(enumerate(LINK_KINDS)),
    (9, 1): {
        4 * kind + how: f"{name}{said}"
        for kind, name in enumerate(LINK_KINDS)
        for how, said in ((0, ""), (1, " (mailto)"), (2, " (cid)"))
    },
    (10, 5): dict(enumerate(OWN)),
    (15, 11): {0: "no role", **{n: f"`{role.decode()}`" for n, role in enumerate(ROLES, 1)}},
    (26, 5): {
        0: "no address", 1: "no address, and `unknown`", 2: "an address",
        3: "an address, and `unknown`",
    },
    (35, 2): {
        8 * bare + kind: f"a {name}: {NO_YES[bare]}"
        for bare in (0, 1) for kind, name in enumerate(LINK_KINDS)
    },
}  # fmt: skip
PRESENT, DAMAGE, LEXICON_SPACE = 21, 28, 30


def _of(words: str) -> list[str]:
    return words.split()


FIELDS = (1, 3, 2, 28, 29, 30, 31, 32, 36, 37, 38)

# Well-known words that are features: (namespace, what or -1, group, name, words).
LABELS = _of(
    "com net org edu gov mil int info biz name mobi asia eu us uk ca au nz ie de at ch fr be "
    "nl lu it es pt se no dk fi is pl cz hu ro bg gr tr ru ua by il za in cn hk tw jp kr sg "
    "my th id ph vn br ar mx cl co pe ve tv cc ws to nu io me xyz top online site club shop "
    "app dev test example localhost"
)
KNOWN: tuple[tuple[int, int, int, str, Sequence[str]], ...] = (
    (16, -1, IDENTITY, "the sender's domain ends in .{}", LABELS),
    *(
        (11, kind, LINKS, f"target of a {name} ends in .{{}}", LABELS)
        for kind, name in enumerate(LINK_KINDS)
    ),
    (14, -1, STRUCTURE, "a file .{}", _of(
        "txt htm html pdf doc docx xls xlsx ppt pptx rtf zip rar gz tgz 7z exe scr pif bat com "
        "vbs js jar jpg jpeg gif png bmp tif mp3 wav avi mpg eml ics vcf asc sig csv xml patch "
        "diff"
    )),
    (23, -1, IDENTITY, "sent with {}", _of(
        "microsoft mozilla thunderbird eudora the apple gmail outlook mutt evolution kmail exmh "
        "sylpheed pine pegasus lotus novell internet php phpmailer mime aol yahoo squirrelmail "
        "horde imp ximian becky foxmail qualcomm opera web wemm vm gnus mh nmh sendmail"
    )),
    (26, 3, ORIGIN, "first hop: with {}", _of(
        "smtp esmtp esmtps esmtpa esmtpsa http https local lmtp internal microsoft mail mapi "
        "bsmtp uucp nnfmp pop"
    )),
    *(
        (34, kind, URLS, f"target of a {name} ends in .{{}}", [f".{one}" for one in _of(
            "htm html shtml php php3 asp aspx cgi pl jsp cfm gif jpg jpeg png exe zip pdf txt "
            "js css"
        )])
        for kind, name in enumerate(LINK_KINDS)
    ),
    (33, -1, URLS, "a parameter of a link: {}", _of(
        "id e email u user m c s r a p aid cid sid lid uid ref page url link code affid k q t n l"
    )),
    (32, -1, URLS, "word of a link: {}", _of(
        "remove unsubscribe optout list click redirect track link images image img mail user "
        "track order index cgi bin www http com archive php mailman listinfo users members offers "
        "view login account secure verify update"
    )),
    (27, 1, AUTHENTICATION, "the receiver says {}", [
        f"{method}={result}"
        for method in ("spf", "dkim", "dmarc", "arc", "iprev")
        for result in _of("none pass fail softfail neutral policy temperror permerror other")
    ]),
)  # fmt: skip
# Forms that are common: (namespace, what or -1, group, name, classes at most, words).
FORMS: tuple[tuple[int, int, int, str, int, Sequence[str]], ...] = (
    (25, 0, IDENTITY, "the content type is written like {}", 20, (
        "text/plain", "multipart/x-y", "Text/Plain", "TEXT/PLAIN", "text/x-y",
    )),
    (26, 0, ORIGIN, "the first hop is named like {}", 6, (
        "host", "Host", "HOST", "mail.example", "mail.example.com", "mx1", "mx1.example.com",
        "host-1", "host-1.example.com", "1.2.3", "[1.2.3", "192-0-2-1.example", "(host",
    )),
    (35, 1, URLS, "a link's host begins like {}", 6, (
        "www", "www2", "10", "a1b", "my-site", "a2b4", "WWW", "Www",
    )),
    (17, 0, IDENTITY, "the sender's name is written like {}", 12, (
        "Ann", "Ann Lee", "ann", "ann lee", "ANN", "ANN LEE", "Ann B. Lee", "AnnLee", "Ann's Shop",
        "Ann Lee Roe", "Ann O'Roe", "ann1", "Ann1",
    )),
    (17, 1, IDENTITY, "the sender's address is written like {}@", 8, (
        "ann", "ann1", "ann.lee", "ann_lee", "ann-lee", "Ann", "ANN", "1", "ann1lee", "ann1lee2",
        "1ann",
    )),
)  # fmt: skip
DATES = (
    "Mon, 1 Jan 2001 10:00:00 +0000", "Mon, 1 Jan 2001 10:00:00 +0000 (GMT)",
    "Mon, 1 Jan 2001 10:00:00 GMT", "1 Jan 2001 10:00:00 +0000", "1 Jan 2001 10:00:00 GMT",
    "Mon, 1 Jan 2001 10:00:00", "Mon Jan 1 10:00:00 2001", "Mon, 1 Jan 2001 10:00 +0000",
    "Mon Jan 1 10:00:00 GMT 2001", "Mon, 1 Jan 2001 10:00:00 +0000 (Standard Time)",
)  # fmt: skip
SPELLED = _of(
    "From FROM from To TO to Subject SUBJECT subject Date DATE date Message-ID Message-Id "
    "Message-id MESSAGE-ID message-id Reply-To Reply-to reply-to REPLY-TO Content-Type "
    "Content-type content-type CONTENT-TYPE Content-Transfer-Encoding Content-transfer-encoding "
    " Content-Disposition Content-disposition Cc CC cc MIME-Version Mime-Version "
    "MIME-version Mime-version mime-version In-Reply-To In-reply-to References X-Mailer "
    "X-mailer User-Agent User-agent X-Priority X-priority Importance importance Organization"
)


@lru_cache(maxsize=1)
def fact_names() -> dict[tuple[int, int], str]:
    """Name of each known feature by (group, column)."""
    found: dict[tuple[int, int], str] = {}

    def put(group: int, column: int, name: str) -> None:
        found.setdefault((group, column), name)

    for namespace, (group, names) in FACTS.items():
        for what, name in enumerate(names):
            for value, said in _values(namespace, what, name):
                put(group, fact_column(namespace, what, value), said)
    for number in FIELDS:
        for value, word in enumerate(NO_YES):
            said = f"field {FIELD_NAMES[number]}: {word}"
            put(IDENTITY, fact_column(PRESENT, number, value), said)
    for number, category in enumerate(terms().categories):
        for value, count in enumerate(("1", "2-3", "4-7", "8 or more"), 1):
            said = f"terms of {category}: {count}"
            put(LEXICON, fact_column(LEXICON_SPACE, number, value), said)
    put(IDENTITY, fact_column(18, 1, 0), "no Reply-To")
    put(ORIGIN, fact_column(26, 2, 0), "the first hop names no sender")
    for value in range(16):
        least = f"{4 * value}-{4 * value + 3}" if value < 15 else "60 or more"
        put(IDENTITY, fact_column(19, 6, value), f"length of the Message-ID: {least}")
    for value in range(8):
        there = [word for bit, word in ((4, "by"), (2, "id"), (1, "for")) if value & bit]
        put(ORIGIN, fact_column(26, 4, value), f"clauses of the first hop: {_and(there)}")
    for value in range(4):
        links = ("no links with a host", "links, none to the sender's site", "", "")[value]
        put(LINKS, fact_column(10, 6, value), links or "a link to the sender's site")
    _structure(put)
    for namespace, what, group, name, known in KNOWN:
        for word in known:
            put(group, word_column(namespace, what, word.encode()), name.format(word))
    for namespace, what, group, name, most, known in FORMS:
        for word in known:
            put(group, form_column(namespace, what, word.encode(), most), name.format(word))
    for date in DATES:
        column = word_column(24, -1, date_form(date.encode()), False)
        put(IDENTITY, column, f"the date is written like {date}")
    for word in SPELLED:
        put(IDENTITY, word_column(22, -1, word.encode(), False), f"a field spelled {word}")
    return found


def _structure(put) -> None:  # type: ignore[no-untyped-def]
    for media, encoding, disposition in itertools.product(
        enumerate(MEDIA_NAMES), enumerate(ENCODING_NAMES), enumerate(DISPOSITION_NAMES)
    ):
        value = media[0] * 64 + encoding[0] * 8 + disposition[0]
        told = [media[1], encoding[1]] + [disposition[1]] * (disposition[0] > 0)
        put(STRUCTURE, fact_column(12, 0, value), f"a part: {', '.join(told)}")
    for plain, html in itertools.product(range(6), range(6)):
        said = f"plain parts: {about(plain)}, HTML parts: {about(html)}"
        put(STRUCTURE, fact_column(13, 1, plain * 8 + html), said)
    for number, name in enumerate(MEDIA_NAMES):
        for typed, said in enumerate((", as no type is given", "")):
            put(STRUCTURE, fact_column(13, 4, number * 2 + typed), f"the whole: {name}{said}")
    charsets = {-1: "an unknown charset", 0: "UTF-8 or ASCII"}
    charsets |= dict(enumerate(SINGLE_BYTE, 1)) | dict(enumerate(MULTI_BYTE, FIRST_PYTHON))
    for number, charset in charsets.items():
        put(STRUCTURE, fact_column(12, 1, 2 * number + 5), f"a text part in {charset}")
        put(STRUCTURE, fact_column(12, 1, 2 * number + 4), "a text part that names no charset")
    for flag in Flag:
        if flag.value < 1 << 21:
            word = flag.name.lower().replace("_", " ") if flag.name else ""
            column = fact_column(DAMAGE, flag.value.bit_length() - 1, 1)
            put(STRUCTURE, column, f"damage: {word}")


def _values(namespace: int, what: int, name: str) -> Iterator[tuple[int, str]]:
    """(value, name with it) of a fact."""
    if not name:
        return
    sign, _, name = name.partition(" ")
    kind, most = sign[0], int(sign[1:] or 0)
    if kind == "?":
        yield from ((value, f"{name}: {word}") for value, word in enumerate(NO_YES))
    elif kind == "#":
        yield from ((value, f"{name}: {about(value)}") for value in range(most + 1))
    elif kind == "%":
        for value in range(most + 1):
            low, high = 100 * value // most, 100 * (value + 1) // most
            share = f"{low}-{high} %" if value < most else "100 %"
            yield value, f"{name}: {share}"
    elif most:
        yield from ((value, f"{name}: {value}") for value in range(most))
    else:
        yield from ((value, f"{name} {said}") for value, said in VALUES[namespace, what].items())


_CLASSES = bytes(
    57 if 48 <= c <= 57 else 97 if 97 <= c <= 122 else 65 if 65 <= c <= 90 else 128 if c >= 128
    else 45 if c == 43 else c
    for c in range(256)
)  # fmt: skip


def form_column(namespace: int, what: int, word: bytes, most: int) -> int:
    """Column of a feature that is the form of a word: its classes of bytes, a run of one once."""
    runs = re.sub(rb"(.)\1+", rb"\1", word.translate(_CLASSES), flags=re.DOTALL)
    return word_column(namespace, what, runs.lstrip(b"\0")[:most], False)


def date_form(raw: bytes) -> bytes:
    """A Date value as its feature takes it: words by their case, numbers as 9."""

    def form(match: re.Match[bytes]) -> bytes:
        one = match[0]
        if one.isalpha():
            return b"a" if re.search(rb"[a-z]", one[1:]) else b"A"
        return b"9" if one.isdigit() else b"-"

    return re.sub(rb"[A-Za-z]+|[0-9]+|[+]", form, raw[:500])[:40]


@cache
def about(step: int) -> str:
    """What a count by powers of two stands for."""
    if step == 0:
        return "none"
    low, high = 1 << (step - 1), (1 << step) - 1
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def _and(there: list[str]) -> str:
    return ", ".join(there) or "none"


def form_names(
    name: bytes, local: bytes, message_id: bytes, date: bytes, content_type: bytes
) -> Iterator[tuple[tuple[int, int], str, bytes]]:
    """((group, column), name, text) of what only this message has: forms of its sender's name,
    local-part, Message-ID, date and content type."""
    kind = content_type.split(b";")[0]
    for namespace, what, most, said, raw in (
        (17, 0, 12, "the form of the sender's name,", name),
        (17, 1, 8, "the form of the address,", local),
        (20, -1, 40, "the form of the Message-ID,", message_id),
        (25, 0, 20, "the form of the content type,", kind),
    ):
        if raw:
            yield (IDENTITY, form_column(namespace, what, raw, most)), said, raw
    if date:
        column = word_column(24, -1, date_form(date), False)
        yield (IDENTITY, column), "the form of the date,", date
    match = re.search(rb'boundary=("?)', content_type, re.IGNORECASE)
    if match:
        raw = content_type[match.end() :]
        column = form_column(25, 1 + len(match[1]), raw, 12)
        yield (IDENTITY, column), "the form of the boundary,", raw


if len(GROUPS) != URLS + 1 or GROUPS[LEXICON] != "lexicon" or GROUPS[URLS] != "urls":
    raise AssertionError("groups of the kernel differ")
