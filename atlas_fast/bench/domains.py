"""Domains against the peers: registrable domains, and the rules of the original's validation.

The names are the host names in the header sections of the mail, as often as they stand there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from atlas_fast.bench.paired import Contestant

SAMPLE = 2_000
"""Names that the slow peers get, evenly spaced."""

NAMES = 100_000
_HOST = re.compile(rb"(?:[A-Za-z0-9_-]+\.)+[A-Za-z]{2,}")
_BLANK = re.compile(rb"\n\r?\n")


def host_names(messages: Sequence[bytes]) -> list[str]:
    """Host names of header sections, at most NAMES."""
    names: list[str] = []
    for raw in messages:
        names += [host.decode() for host in _HOST.findall(_BLANK.split(raw, maxsplit=1)[0])]
        if len(names) >= NAMES:
            break
    return names[:NAMES]


def column(names: Sequence[str]) -> Any:
    from atlas_fast.headers import TextColumn

    offsets = np.cumsum([0, *map(len, names)]).astype(np.int64)
    return TextColumn(np.frombuffer("".join(names).encode("ascii"), np.uint8), offsets)


def suffix_contestants(names: Sequence[str]) -> tuple[list[Contestant], list[str]]:
    """The column first, then a list of str, then the peers with the same list of rules."""
    from atlas_fast.domains import registrable_many

    texts, n = column(names), len(names)
    listed = list(names)
    some = listed[:: max(1, n // SAMPLE)]
    rows = [
        Contestant(
            "atlas_fast, column", lambda: registrable_many(texts), n,
            "places and flags of a column's names, outputs allocated; private section included",
        ),
        Contestant(
            "atlas_fast, list of str", lambda: registrable_many(listed), n,
            "a list of str to a list of str",
        ),
    ]  # fmt: skip
    absent = []
    rules = _list_text()
    if rules and find_spec("tldextract"):
        extract = _tldextract(rules)
        rows.append(
            Contestant(
                "tldextract", lambda: [extract(name) for name in some], len(some),
                "extract_str, private section included, of every k-th name",
            )
        )  # fmt: skip
    else:
        absent.append("tldextract")
    if rules and find_spec("pydomainextractor"):
        import pydomainextractor

        extractor = pydomainextractor.DomainExtractor(rules)

        def each() -> list[dict[str, str]]:
            return [extractor.extract(name) for name in listed]

        rows.append(Contestant("pydomainextractor", each, n, "extract, of every name"))
    else:
        absent.append("pydomainextractor")
    return rows, absent


def check_suffixes(names: Sequence[str], answers: dict[str, Any]) -> None:
    """AssertionError unless all give the same registrable domains, unlisted suffixes aside."""
    columns, texts = answers["atlas_fast, column"], answers["atlas_fast, list of str"]
    for i, name in enumerate(names):
        start = columns.registrable[i]
        own = None if start < 0 else name[start : columns.stop[i]].lower()
        assert own == texts[i], (name, own, texts[i])
    listed = (columns.flags & 2) == 0  # tldextract knows no implied rule
    step = max(1, len(names) // SAMPLE)
    if "tldextract" in answers:
        for i, found in zip(range(0, len(names), step), answers["tldextract"], strict=True):
            if listed[i]:
                theirs = found.top_domain_under_public_suffix.lower()
                assert (texts[i] or "") == theirs, (names[i], texts[i], theirs)
    for i, row in enumerate(answers.get("pydomainextractor", ())):
        if listed[i] and texts[i] is not None:
            theirs = f"{row['domain']}.{row['suffix']}".lower()
            assert texts[i] == theirs, (names[i], texts[i], theirs)


def rule_contestants(names: Sequence[str]) -> list[Contestant]:
    """The original's rules over distinct senders; no peer does the same."""
    from atlas_fast.domains import judge_many

    distinct = sorted({name.lower() for name in names})
    senders = column([f"rosa@{name}" for name in distinct])
    return [
        Contestant(
            "atlas_fast, rules", lambda: judge_many(senders), len(distinct),
            "domain, registrable domain, all primitives, score and reasons of each distinct sender",
        )
    ]  # fmt: skip


def look_contestants(names: Sequence[str]) -> list[Contestant]:
    """Unicode's view of distinct names, then the package whose data it is made from."""
    from confusable_homoglyphs import confusables

    from atlas_fast.domains import look_many

    distinct = sorted({name.lower() for name in names})
    hosts = column(distinct)
    some = distinct[:: max(1, len(distinct) // SAMPLE)]
    return [
        Contestant(
            "atlas_fast, looks", lambda: look_many(hosts), len(distinct),
            "suffix, punycode, scripts, skeleton and brands of each distinct name",
        ),
        Contestant(
            "confusable-homoglyphs",
            lambda: [confusables.is_dangerous(name) for name in some], len(some),
            "is_dangerous of every k-th name: mixed scripts and confusable, no skeleton, no brands",
        ),
    ]  # fmt: skip


def check_looks(names: Sequence[str], answers: dict[str, Any]) -> None:
    """AssertionError unless both find no mixed scripts in names of ASCII, which these are."""
    from atlas_fast.domains import LOOKS

    assert not (answers["atlas_fast, looks"].flags & LOOKS["MIXED_SCRIPTS"]).any()
    assert not any(answers["confusable-homoglyphs"])


def _list_text() -> str | None:
    """The list that the installed data package has; the reference data may be made from another."""
    from pathlib import Path

    from atlas_fast.reference.tables.suffix import sources

    found = sources({})
    return Path(found[0].path).read_text("utf-8") if found else None


def _tldextract(rules: str) -> Any:
    """Given the same rules, and no way to the network."""
    import tldextract

    from atlas_fast.reference.tables.suffix import read_rules

    extract = tldextract.TLDExtract(
        cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True
    )
    public = [rule for rule, private in read_rules(rules) if not private]
    hidden = [rule for rule, private in read_rules(rules) if private]
    extract._extractor = tldextract.tldextract._PublicSuffixListTLDExtractor(
        public, hidden, [], include_psl_private_domains=True
    )
    return extract
