"""`cache stats` and `cache clear`."""

from __future__ import annotations

import argparse
from typing import Any

from atlas_fast.cli.terminal import print_json, print_table

NAMES = ("authentication", "domain", "geographic")


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "cache",
        help="show or empty the cache file",
        description="What earlier runs computed and kept. ATLAS_FAST_CACHE names its folder; "
        "losing it costs time, never an answer.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    stats = actions.add_parser("stats", help="entries and bytes of each kind")
    stats.add_argument("--json", action="store_true", help="print one JSON object")
    stats.set_defaults(do=do_stats)
    clear = actions.add_parser("clear", help="forget the entries of one kind, or all")
    clear.add_argument("kind", nargs="?", choices=NAMES, metavar="KIND", help=", ".join(NAMES))
    clear.set_defaults(do=do_clear)


def do_stats(options: argparse.Namespace) -> int:
    from atlas_fast.cache import KINDS, cache_file, open_cache_file

    level, folder = open_cache_file(), str(cache_file().parent)
    there = {} if level is None else level.stats()
    size = 0 if level is None else level.size()
    kinds: dict[str, dict[str, int]] = {
        name: there.get(name, {"entries": 0, "bytes": 0}) | {"seconds": KINDS[name].seconds}
        for name in NAMES
    }
    if options.json:
        print_json({"folder": folder, "bytes": size, "kinds": kinds})
        return 0
    rows = [
        (kind, f"{found['seconds']:,} s", f"{found['entries']:,}", f"{found['bytes']:,}")
        for kind, found in sorted(kinds.items())
    ]
    print_table(
        f"{folder}, {size:,} bytes", ("kind", "kept", "entries", "bytes"), rows,
        numeric=(1, 2, 3),
    )  # fmt: skip
    return 0


def do_clear(options: argparse.Namespace) -> int:
    from atlas_fast.cache import open_cache_file

    level = open_cache_file()
    print(f"{0 if level is None else level.clear(options.kind):,} entries forgotten")
    return 0
