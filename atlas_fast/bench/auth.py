"""Origin and authentication against what users would pick, one core.

The peers read the same fields: Authentication-Results by the authres package, one field body at a
time; the chain and the results of whole messages by the original's way, patterns over the lines of
the header text. Every contestant gets fields that are already found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from atlas_fast.bench.paired import Contestant

_QUAD = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
_FORMS = [
    re.compile(rf"\[({_QUAD})\]"),
    re.compile(rf"\(({_QUAD})\)"),
    re.compile(rf"from\s+\S*\s+({_QUAD})", re.IGNORECASE),
]
_WORDS = {name: re.compile(rf"{name}=(\w+)", re.IGNORECASE) for name in ("spf", "dkim", "dmarc")}

RESULTS = (
    b"mx.kelp.example; spf=pass smtp.mailfrom=rosa@tide.example; dkim=pass header.d=tide.example",
    b"mx.kelp.example; dkim=pass (2048-bit key) header.d=tide.example header.i=@tide.example\r\n"
    b"\theader.b=a1B2c3D4; dmarc=pass (p=none) header.from=tide.example",
    b"mx.kelp.example 1; none",
    b'mx.kelp.example;\r\n       dkim=fail reason="signature verification failed" '
    b"header.d=list.example;\r\n       spf=softfail smtp.mailfrom=list.example; iprev=pass "
    b"policy.iprev=192.0.2.7",
)
"""Field bodies of the usual kinds; the corpus has few, being older than the field."""


def one_by_one(bodies: Sequence[bytes]) -> list[Any]:
    """parse_authentication_results: one record with its texts for each field body."""
    from atlas_fast.auth import parse_authentication_results

    return [parse_authentication_results(body) for body in bodies]


def by_authres(bodies: Sequence[bytes]) -> list[Any]:
    """authres.AuthenticationResultsHeader.parse_value: one object for each field body."""
    from authres import AuthenticationResultsHeader

    texts = [body.decode() for body in bodies]
    return [AuthenticationResultsHeader.parse_value(text) for text in texts]


def check_results(answers: dict[str, Any]) -> None:
    """Both read the same methods and results."""
    plain = {}
    for name, answer in answers.items():
        plain[name] = [
            [
                (one.method, getattr(one, "word", None) or one.result.lower())
                for one in found.results
            ]
            if not getattr(found, "none", False)
            else []
            for found in answer
        ]
    first, *others = plain.values()
    for other in others:
        same = [[pair for pair in row if pair[0] != "none"] for row in other]
        assert same == first


def result_contestants(repeat: int = 250) -> tuple[list[Contestant], list[str]]:
    bodies = list(RESULTS) * repeat
    rows = [
        Contestant("atlas_fast", partial(one_by_one, bodies), len(bodies), one_by_one.__doc__ or "")
    ]
    if not find_spec("authres"):
        return rows, ["authres"]
    name = "authres"
    rows.append(
        Contestant(name, partial(by_authres, bodies), len(bodies), by_authres.__doc__ or "")
    )
    return rows, []


def by_patterns(heads: Sequence[str]) -> list[tuple]:
    """The original's way: patterns over the lines for the address and the three results."""
    out = []
    for head in heads:
        ip, results = None, {}
        for line in head.split("\n"):
            low = line.lower()
            if ip is None and low.startswith("received:"):
                for form in _FORMS:
                    match = form.search(line)
                    if match:
                        parts = match[1].split(".")
                        if parts[0] not in ("10", "127", "0") and parts[:2] != ["192", "168"]:
                            ip = match[1]
                        break
            elif low.startswith("authentication-results:"):
                results = {name: found.search(line) for name, found in _WORDS.items()}
        out.append((ip, results))
    return out


def verdict_contestants(
    messages: Sequence[bytes], sample: int = 1000
) -> tuple[list[Contestant], Any]:
    """Origin and verdict of whole messages, and the columns of all."""
    from atlas_fast.auth import AuthColumns
    from atlas_fast.headers import parse_many
    from atlas_fast.origin import OriginColumns

    columns = parse_many(messages)
    some = list(messages[:: max(1, len(messages) // sample)])
    heads = [raw.partition(b"\n\n")[0].decode("latin-1") for raw in some]
    n = len(messages)
    rows = [
        Contestant(
            "atlas_fast, origin and verdict",
            lambda: AuthColumns(columns),
            n,
            "header columns to origin, evidence, verdict; columns allocated; strict alignment only",
        ),
        Contestant(
            "atlas_fast, origin alone",
            lambda: OriginColumns(columns),
            n,
            "header columns to address, hop, border and reason",
        ),
        Contestant(
            "patterns by line", partial(by_patterns, heads), len(some), by_patterns.__doc__ or ""
        ),
    ]
    return rows, columns


def check_origins(answers: dict[str, Any]) -> None:
    """The chain was walked: most messages have an origin, and the two doors agree."""
    ours = answers["atlas_fast, origin alone"]
    both = answers["atlas_fast, origin and verdict"].origins
    assert (ours.address == both.address).all() and (ours.reason == both.reason).all()
    assert (ours.family > 0).mean() > 0.5
