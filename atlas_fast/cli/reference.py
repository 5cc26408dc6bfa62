"""`reference build`, `reference info` and `reference verify`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from atlas_fast.cli.terminal import fail, print_json, print_pairs, print_table, progress_line


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "reference",
        help="build, show or check the reference data",
        description="The tables that messages are looked up in. They are built on first use from "
        "installed data packages; ATLAS_FAST_REFERENCE names their folder.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser(
        "build",
        help="build them from what is installed or named, if they are not there already",
        description="Build the tables. Named files take the place of the installed packages, now "
        "and whenever the tables are built again; without any, the packages do.",
    )
    build.add_argument(
        "--mmdb", nargs="+", type=Path, default=[], metavar="FILE",
        help="geography: countries from the first file that has them, AS numbers likewise",
    )  # fmt: skip
    build.add_argument("--psl", type=Path, metavar="FILE", help="the public suffix list")
    build.add_argument(
        "--unicode", nargs="+", type=Path, default=[], metavar="FILE",
        help="Unicode's confusables.txt and Scripts.txt, or one of them",
    )  # fmt: skip
    build.set_defaults(do=do_build)
    info = actions.add_parser("info", help="what each table is made from")
    info.add_argument("--json", action="store_true", help="print one JSON object")
    info.set_defaults(do=do_info)
    verify = actions.add_parser("verify", help="compare every checksum; exit code 1 on damage")
    verify.set_defaults(do=do_verify)


def do_build(options: argparse.Namespace) -> int:
    from atlas_fast.reference.build import build
    from atlas_fast.reference.paths import reference_folder

    named: dict[str, list[Path]] = {}
    if options.mmdb:
        named["mmdb"] = options.mmdb
    if options.psl:
        named["psl"] = [options.psl]
    if options.unicode:
        named["unicode"] = options.unicode
    folder = reference_folder()
    with progress_line() as say:
        generation = build(folder, named=named, say=say)
    say(f"reference data: {folder / generation}")
    return 0


def do_info(options: argparse.Namespace) -> int:
    from atlas_fast.reference.inform import current_manifest
    from atlas_fast.reference.paths import reference_folder

    folder = reference_folder()
    manifest = current_manifest(folder)
    tables = [
        {
            "table": name,
            "layout": entry.layout,
            "count": entry.count,
            "bytes": entry.size,
            "checksum": entry.checksum,
            "sources": [source.to_dict() for source in manifest.sources[name]],
        }
        for name, entry in manifest.tables.items()
    ]
    if options.json:
        print_json(
            {
                "folder": str(folder),
                "generation": manifest.generation,
                "built": manifest.built,
                "version": manifest.version,
                "bytes": manifest.size,
                "tables": tables,
                "absent": manifest.absent,
            }
        )
        return 0
    print_pairs(
        "reference data",
        [
            ("folder", str(folder)),
            ("generation", manifest.generation),
            ("built", f"{manifest.built} by {manifest.version}"),
            ("bytes", f"{manifest.size:,}"),
        ],
    )
    rows: list[tuple[str, ...]] = []
    for name, entry in manifest.tables.items():
        for number, source in enumerate(manifest.sources[name]):
            head = (name, f"{entry.count:,}", entry.checksum) if number == 0 else ("", "", "")
            rows.append((*head, f"{source.name} {source.version}", source.date, source.licence))
    rows += [(name, "", "", why, "", "") for name, why in manifest.absent.items()]
    titles = ("table", "count", "checksum", "source", "date", "licence")
    if rows:
        print_table("", titles, rows, numeric=(1,))
    return 0


def do_verify(options: argparse.Namespace) -> int:
    from atlas_fast.reference.inform import verify
    from atlas_fast.reference.paths import reference_folder

    folder = reference_folder()
    findings = verify(folder)
    print_pairs("", [(finding.part, finding.error or "right") for finding in findings])
    if any(finding.error for finding in findings):
        fail(f"{folder}: damaged; it is built again on the next use")
        return 1
    return 0
