"""`db`: a store's schema, and its upkeep."""

from __future__ import annotations

import argparse
import re
import time
from typing import TYPE_CHECKING, Any

from atlas_fast.cli.run import DEFAULT_STORE
from atlas_fast.cli.terminal import fail, print_json, print_pairs, print_table, say
from atlas_fast.cli.values import MAX_ID, whole
from atlas_fast.errors import UsageError

if TYPE_CHECKING:
    from atlas_fast.store.migrate import Move

SECONDS = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


def add_verbs(verbs: Any) -> None:
    db = verbs.add_parser(
        "db",
        help="a store's schema and upkeep",
        description="Look after a store: migrations, backup, check, retention.",
    )
    actions = db.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, do: Any, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
        parser.add_argument(
            "--store", metavar="STORE", default=DEFAULT_STORE, help="default: %(default)s"
        )
        parser.set_defaults(do=do)
        return parser

    upgrade = action("upgrade", do_upgrade, "bring a store up to date, or adopt a database")
    upgrade.add_argument("revision", nargs="?", metavar="REVISION", help="default: the newest")
    downgrade = action("downgrade", do_downgrade, "go back to an earlier revision")
    downgrade.add_argument("revision", metavar="REVISION", help="`base`: as it was at first")
    for parser in (upgrade, downgrade):
        parser.add_argument("--no-backup", action="store_true", help="do not copy the file first")
    action("current", do_current, "what the file is, and its revision")
    action("history", do_history, "all migrations")
    backup = action("backup", do_backup, "copy a store, also while it is written to")
    backup.add_argument("target", nargs="?", metavar="TARGET", help="default: beside the store")
    check = action("check", do_check, "look for damage, orphans and wrong summaries")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    action("recount", do_recount, "count the summaries anew")
    prune = action("prune", do_prune, "delete old message rows")
    prune.add_argument(
        "--older-than", required=True, metavar="AGE", help="such as 90d, 12w or 36h; local time"
    )
    action("vacuum", do_vacuum, "give unused pages back to the file system")
    action("runs", do_runs, "the newest runs")
    delete = action("delete-run", do_delete_run, "delete a run and its rows")
    delete.add_argument(
        "run", type=whole(1, MAX_ID), metavar="ID", help="the run's row in `sessions`"
    )


def do_upgrade(options: argparse.Namespace) -> int:
    from atlas_fast.store import migrate
    from atlas_fast.store.schema import REVISION

    revision = options.revision or REVISION
    _show_move(options.store, migrate.upgrade(options.store, revision, keep=not options.no_backup))
    return 0


def do_downgrade(options: argparse.Namespace) -> int:
    from atlas_fast.store import migrate

    move = migrate.downgrade(options.store, options.revision, keep=not options.no_backup)
    _show_move(options.store, move)
    return 0


def _show_move(where: str, move: Move) -> None:
    from atlas_fast.store import name_of

    store = name_of(where)
    if move.before == move.after:
        say(f"{store}: is at {move.after} already")
        return
    say(f"{store}: {move.before or 'no store'} -> {move.after or 'as it was at first'}")
    if move.backup is not None:
        say(f"backup: {move.backup}")


def do_current(options: argparse.Namespace) -> int:
    from atlas_fast.store import migrate, name_of
    from atlas_fast.store.schema import REVISION

    state = migrate.current(options.store)
    made = {
        "store": "a store of atlas_fast",
        "original": "a database of Atlas_Email",
        "empty": "an empty database",
        "foreign": "a database of another program",
    }
    rows = [
        ("store", name_of(options.store)),
        ("is", made[state.kind]),
        ("revision", state.revision or "none"),
        ("newest", REVISION),
        ("schema version", "none" if state.version is None else str(state.version)),
    ]
    print_pairs("", rows)
    return 0


def do_history(options: argparse.Namespace) -> int:
    from atlas_fast.store import migrate

    steps = migrate.history()
    print_table(
        "", ("revision", "step"), [(step.revision, step.text) for step in steps], numeric=()
    )
    return 0


def do_backup(options: argparse.Namespace) -> int:
    from atlas_fast.store.migrate import backup

    say(f"backup: {backup(options.store, options.target)}")
    return 0


def do_check(options: argparse.Namespace) -> int:
    from atlas_fast.cli import COULD_NOT

    with _open(options.store, write=False) as store:
        findings = store.check()
    if options.json:
        print_json({"store": store.name, "findings": [[f.kind, f.text] for f in findings]})
    else:
        for finding in findings:
            fail(f"{finding.kind}: {finding.text}")
        if not findings:
            say(f"{store.name}: sound")
    return COULD_NOT if findings else 0


def do_recount(options: argparse.Namespace) -> int:
    with _open(options.store) as store:
        store.recount()
    return 0


def do_prune(options: argparse.Namespace) -> int:
    match = re.fullmatch(r"([0-9]{1,6})([hdw])", options.older_than)
    if match is None:
        raise UsageError(f"--older-than {options.older_than}: expected an age such as 90d")
    now = time.time() - int(match[1]) * SECONDS[match[2]]
    if now < 0:
        raise UsageError(f"--older-than {options.older_than}: leads to before 1970")
    before = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    with _open(options.store) as store:
        removed = store.prune(before)
    print(f"{removed.messages:,} message rows from before {before} deleted")
    return 0


def do_vacuum(options: argparse.Namespace) -> int:
    with _open(options.store) as store:
        before = store.size()
        store.vacuum()
        after = store.size()
    print(f"{before:,} -> {after:,} bytes")
    return 0


def do_runs(options: argparse.Namespace) -> int:
    with _open(options.store, write=False) as store:
        rows = [
            (
                str(run["id"]),
                str(run["start_time"]),
                "" if run["end_time"] is None else str(run["end_time"]),
                f"{(run['deleted'] or 0) + (run['preserved'] or 0):,}",
                str(run["sources"] or "")[:60],
            )
            for run in store.runs()
        ]
    print_table("", ("run", "started", "ended", "messages", "sources"), rows, numeric=(0, 3))
    return 0


def do_delete_run(options: argparse.Namespace) -> int:
    with _open(options.store) as store:
        removed = store.delete_run(options.run)
    print(f"run {options.run} and its {removed.messages:,} message rows deleted")
    return 0


def _open(where: str, *, write: bool = True) -> Any:
    """An existing store; nothing is made here."""
    from contextlib import closing

    from atlas_fast.store import open_store

    return closing(open_store(where, make=False, write=write))
