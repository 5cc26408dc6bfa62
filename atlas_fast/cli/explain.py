"""`explain`: why a message is judged as it is."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atlas_fast import limits
from atlas_fast.cli.terminal import print_json, print_pairs, print_table
from atlas_fast.cli.values import whole
from atlas_fast.errors import SourceError


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "explain",
        help="why a message is judged as it is",
        description="The verdict on one message, how likely each category is, and what spoke for "
        "and against: words, links, the sender, and the form of the message.",
    )
    parser.add_argument("file", metavar="FILE", help="one message, or - for standard input")
    parser.add_argument("--model", type=Path, metavar="FILE", help="default: the shipped one")
    parser.add_argument(
        "--limit", type=whole(1, 10_000), default=12, metavar="N", help="reasons; default: 12"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(do=do_explain)


def do_explain(options: argparse.Namespace) -> int:
    from atlas_fast.classify.model import load_model
    from atlas_fast.stages.explain import explain

    if options.file == "-":
        if sys.stdin is None:
            raise SourceError("standard input is closed")
        raw = sys.stdin.buffer.read(limits.MAX_MESSAGE_BYTES)
    else:
        with open(options.file, "rb") as file:
            raw = file.read(limits.MAX_MESSAGE_BYTES)
    if not raw:
        raise SourceError(f"{options.file}: is empty")
    found = explain(raw, load_model(options.model), options.limit)
    if options.json:
        print_json(asdict(found))
        return 0
    pairs = [
        ("category", found.category + (f" / {found.subcategory}" if found.subcategory else "")),
        ("spam", f"{found.probability:.1%}, from {found.threshold:.1%} on"),
    ]
    pairs += [(name, f"{share:.1%}") for name, share in found.probabilities.items()]
    print_pairs("", pairs)
    print()
    rows = [(f"{one.share:+.2f}", one.group, one.text) for one in found.reasons]
    print_table("for (+) and against (-) spam", ("", "group", "what"), rows, numeric=(0,))
    print()
    sums = [(f"{share:+.2f}", name) for name, share in found.groups.items()]
    print_table("all features by group", ("", "group"), sums, numeric=(0,))
    if found.terms:
        print()
        print_table("terms of the lexicon", ("category", "term"), found.terms, numeric=())
    return 0
