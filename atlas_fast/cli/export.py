"""`export`: the rows of a store for other programs."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from atlas_fast.cli.outputs import check_output
from atlas_fast.cli.run import DEFAULT_STORE
from atlas_fast.cli.terminal import say
from atlas_fast.cli.values import MAX_ID, whole


def add_verbs(verbs: Any) -> None:
    export = verbs.add_parser(
        "export",
        help="write the rows of a store as Parquet, CSV or JSON lines",
        description="Write the message rows of a store, by id, in constant memory. CSV is made "
        "safe for spreadsheets; JSON lines and Parquet hold the texts as they are stored.",
    )
    export.add_argument(
        "--store",
        metavar="STORE",
        default=DEFAULT_STORE,
        help="the store (default: %(default)s in the current folder)",
    )
    export.add_argument(
        "--format",
        choices=("parquet", "csv", "jsonl"),
        help="default: by the ending of FILE; jsonl on standard output",
    )
    export.add_argument(
        "--out", metavar="FILE", default="-", help="- is standard output (default: %(default)s)"
    )
    export.add_argument(
        "--run", type=whole(1, MAX_ID), metavar="ID", help="rows that this run added"
    )
    export.add_argument("--category", metavar="NAME", help="rows of this category")
    export.add_argument("--since", metavar="DATE", help="rows written then or later: 2026-01-31")
    export.set_defaults(do=do_export)


def do_export(options: argparse.Namespace) -> int:
    from atlas_fast.errors import UsageError
    from atlas_fast.export import FORMATS, Wanted, export

    chosen = options.format
    if chosen is None:
        chosen = "jsonl" if options.out == "-" else options.out.rpartition(".")[2].lower()
        if chosen not in FORMATS:
            raise UsageError(f"{options.out}: name the format with --format")
    if options.out == "-" and chosen == "parquet" and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal; name a file with --out")
    if options.out != "-":
        check_output(options.out, options.store)
    wanted = Wanted(options.run, options.category, options.since)
    number = export(options.store, options.out, chosen, wanted)
    if options.out != "-":
        say(f"{number:,} rows in {options.out}")
    return 0
