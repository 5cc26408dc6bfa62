"""`bench`: ratios against the baseline and the installed peers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from atlas_fast.cli.terminal import print_table

ROUNDS = 7
MESSAGES = 4_000


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "bench",
        help="measure against the baseline and the installed peers",
        description="Paired measurements in one process; medians of ratios with their quartiles. "
        "A peer that is not installed is named. benches/README.md says what a figure includes.",
    )
    parser.add_argument(
        "suites",
        nargs="*",
        metavar="SUITE",
        help="headers, features, store, end-to-end, imap (default: all)",
    )
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="measure on these .eml files")
    parser.add_argument(
        "--messages",
        type=int,
        default=MESSAGES,
        metavar="N",
        help="generated messages where no corpus is given (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.set_defaults(do=do_bench)


def do_bench(options: argparse.Namespace) -> int:
    import orjson

    from atlas_fast.bench.suite import SUITES, material
    from atlas_fast.bench.table import HEAD, rows, to_dict
    from atlas_fast.errors import UsageError

    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        raise UsageError(f"{unknown[0]}: no such comparison; there are {', '.join(SUITES)}")
    if options.rounds < 3:
        raise UsageError("--rounds: a median needs at least 3")
    if options.messages < 1:
        raise UsageError("--messages: at least 1")
    done = []
    with material(options.corpus, options.messages) as data:
        for name in options.suites or SUITES:
            print(f"measuring: {name}", file=sys.stderr)
            done += SUITES[name](data, options.rounds)
        absent = data.absent
    print_table("", HEAD, rows(done), numeric=(2, 3, 4, 5))
    for paired in done:
        for one in paired.measured:
            print(f"{paired.group}, {one.name}: {one.includes}")
    for missing in absent:
        print(f"not installed: {missing}")
    if options.json is not None:
        options.json.write_bytes(orjson.dumps(to_dict(done, absent), option=orjson.OPT_INDENT_2))
    return 0
