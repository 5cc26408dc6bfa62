"""`bench`: ratios against the baseline and the installed peers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from atlas_fast.cli.terminal import print_table
from atlas_fast.cli.values import number, whole
from atlas_fast.files import whole_file

ROUNDS = 7
MESSAGES = 4_000
SCALE = 200_000
SECONDS = 30.0
WEB = "web"


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
        help="kernels, headers, features, lexicon, domains, auth, geo, store, postgres, "
        "end-to-end, scaling, scale, memory, filters, imap (default: all but scale); or web alone: "
        "pages and routes under load",
    )
    parser.add_argument("--corpus", type=Path, metavar="FOLDER", help="measure on these .eml files")
    parser.add_argument(
        "--messages",
        type=whole(1, 10_000_000),
        default=MESSAGES,
        metavar="N",
        help="generated messages where no corpus is given (default: %(default)s)",
    )
    parser.add_argument(
        "--scale",
        type=whole(1, 100_000_000),
        default=SCALE,
        metavar="N",
        help="messages of the mbox of `scale` (default: %(default)s)",
    )
    parser.add_argument(
        "--rounds", type=whole(3, 10_000), default=ROUNDS, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--store", type=Path, metavar="FILE",
        help="web: the store to serve, made of --messages rows where it is not there, and kept",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=number(1, 86_400), default=SECONDS, metavar="S",
        help="web: how long the readers read (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="say what changed since FILE was written; exit code 1 when something became slower",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("BEFORE", "AFTER"),
        help="measure nothing, say what changed between two files",
    )
    parser.set_defaults(do=do_bench)


def do_bench(options: argparse.Namespace) -> int:
    import orjson

    from atlas_fast.bench.material import material
    from atlas_fast.bench.regress import read
    from atlas_fast.bench.suite import SUITES
    from atlas_fast.bench.table import HEAD, rows, to_dict
    from atlas_fast.errors import UsageError

    if options.compare is not None:
        return _compare(*map(read, options.compare))
    if WEB in options.suites:
        return _web(options)
    before = None if options.against is None else read(options.against)
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        raise UsageError(f"{unknown[0]}: no such comparison; there are {', '.join(SUITES)}")
    done = []
    with material(options.corpus, options.messages, options.scale) as data:
        for name in options.suites or [name for name in SUITES if name != "scale"]:
            print(f"measuring: {name}", file=sys.stderr)
            done += SUITES[name](data, options.rounds)
        absent, figures, tables = data.absent, data.figures, data.tables
    if done:
        print_table("", HEAD, rows(done), numeric=(2, 3, 4, 5))
    for table in tables:
        print_table(table.title, table.head, table.rows, numeric=tuple(range(1, len(table.head))))
    for group, name, value in figures:
        print(f"{group}, {name}: {value}")
    for paired in done:
        for one in paired.measured:
            print(f"{paired.group}, {one.name}: {one.includes}")
        for note in paired.notes:
            print(f"{paired.group}: {note}")
    for missing in absent:
        print(f"not installed: {missing}")
    written = orjson.dumps(to_dict(done, absent, figures, tables), option=orjson.OPT_INDENT_2)
    if options.json is not None:
        with whole_file(options.json) as file:
            file.write(written)
    return 0 if before is None else _compare(before, orjson.loads(written))


def _web(options: argparse.Namespace) -> int:
    """Print the load report; 1 when an answer was wrong."""
    import tempfile

    import orjson

    from atlas_fast.bench.web import READERS, measure
    from atlas_fast.errors import UsageError

    if options.suites != [WEB]:
        raise UsageError("web: measure it alone, as it needs the whole machine")
    with tempfile.TemporaryDirectory(prefix="atlas-fast-bench-") as scratch:
        store = options.store or Path(scratch, "web.db")
        print(f"measuring: web, {options.messages:,} messages", file=sys.stderr)
        load = measure(store, options.messages, seconds=options.seconds)
    rows = [
        (name, f"{n:,}", f"{middle:.1f}", f"{late:.1f}", f"{last:.1f}", f"{wrong:,}")
        for name, n, middle, late, last, wrong in load.rows()
    ]
    head = ("route", "requests", "median ms", "99 % ms", "longest ms", "errors")
    print_table("", head, rows, numeric=(1, 2, 3, 4, 5))
    print(
        f"{load.messages:,} messages; {READERS} readers without a pause, {load.seconds:.0f} s, "
        f"{load.requests / load.seconds:,.0f} requests a second, "
        f"{1e3 * load.server_seconds / max(load.requests, 1):.2f} ms of a processor each; "
        f"runs wrote {load.written:,} rows meanwhile; the search index took {load.indexing:.1f} s"
    )
    for text in load.first_errors:
        print(f"error: {text}")
    if options.json is not None:
        with whole_file(options.json) as file:
            file.write(orjson.dumps(load.to_dict(), option=orjson.OPT_INDENT_2))
    return 1 if load.errors else 0


def _compare(before: dict[str, Any], after: dict[str, Any]) -> int:
    """Print what changed; 1 when something became slower."""
    from atlas_fast.bench.regress import changes

    found = changes(before, after)
    rows = [
        (one.group, one.name, f"{one.change:+.1%}", f"{one.threshold:.1%}", one.verdict)
        for one in found
    ]
    head = ("comparison", "contestant", "time", "counts above", "verdict")
    print_table("", head, rows, numeric=(2, 3))
    return 1 if any(one.verdict == "slower" for one in found) else 0
