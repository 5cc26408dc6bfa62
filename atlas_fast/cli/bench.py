"""`bench`: ratios against the baseline and the installed peers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from atlas_fast.cli.terminal import print_table
from atlas_fast.cli.values import whole
from atlas_fast.files import whole_file

ROUNDS = 7
MESSAGES = 4_000
SCALE = 200_000


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
        "end-to-end, scaling, scale, memory, filters, imap (default: all but scale)",
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
