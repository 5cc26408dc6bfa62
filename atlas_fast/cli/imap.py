"""`imap`: folders of an account, a preview, a run that removes, and the way back."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from atlas_fast.cli.run import DEFAULT_STORE, stored_line
from atlas_fast.cli.terminal import (
    fail,
    print_json,
    print_pairs,
    print_table,
    progress_bar,
    visible,
)
from atlas_fast.cli.values import MAX_ID, WORKERS, number, whole

if TYPE_CHECKING:
    from atlas_fast.mailrun import FolderReport

SHOWN_PROBLEMS = 5


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser(
        "imap",
        help="classify mail on an IMAP server, and remove what is spam",
        description="Mail on an IMAP server. The password comes from ATLAS_FAST_IMAP_PASSWORD or "
        "the system's keyring.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    folders = actions.add_parser("folders", help="list the folders and how many messages they have")
    _add_account(folders)
    folders.set_defaults(do=do_folders)

    preview = actions.add_parser(
        "preview",
        help="classify, store what would be done, change nothing on the server",
    )
    _add_account(preview)
    preview.add_argument("folders", nargs="+", metavar="FOLDER")
    _add_work(preview)
    preview.set_defaults(do=do_preview)

    run = actions.add_parser(
        "run",
        help="classify, and delete or move what is spam",
        description="Messages that are to go are in the store's journal before a command is sent; "
        "a run that is cut short is finished by the next one.",
    )
    _add_account(run)
    run.add_argument("folders", nargs="+", metavar="FOLDER")
    _add_work(run)
    run.add_argument(
        "--quarantine", metavar="FOLDER", help="move there in place of deleting; made if need be"
    )
    run.add_argument(
        "--new", action="store_true", help="only what came since the last run over the folder"
    )
    run.add_argument("--yes", action="store_true", help="remove without asking")
    run.set_defaults(do=do_run)

    back = actions.add_parser("restore", help="move messages back from quarantine")
    _add_account(back)
    back.add_argument("--folder", metavar="FOLDER", help="only what was in this folder")
    back.add_argument("--run", type=whole(1, MAX_ID), metavar="N", help="only what this run moved")
    _add_store(back)
    back.set_defaults(do=do_restore)


def _add_account(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("account", metavar="ACCOUNT", help="the account's address")
    parser.add_argument("--host", metavar="HOST", help="default: that of the big providers")
    parser.add_argument(
        "--port", type=whole(1, 65_535), metavar="N", help="default: 993, without TLS 143"
    )
    parser.add_argument("--user", metavar="NAME", help="name to log in with (default: ACCOUNT)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--starttls", action="store_true", help="TLS that begins after the greeting")
    how.add_argument("--no-tls", action="store_true", help="no TLS; to this machine only")
    parser.add_argument(
        "--force-no-tls",
        action="store_true",
        help="with --no-tls: to any machine, password in clear",
    )
    parser.add_argument(
        "--ca", metavar="FILE", help="certificates to trust in place of the system's"
    )
    parser.add_argument(
        "--timeout", type=number(0.1, 86_400), metavar="S", help="seconds that one command may wait"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", metavar="FILE", default=DEFAULT_STORE, help="SQLite file (default: %(default)s)"
    )


def _add_work(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="TERM",
        help="also choose messages whose header section has this; may be repeated",
    )
    parser.add_argument(
        "--workers", type=WORKERS, default=1, metavar="N", help="threads that classify"
    )
    parser.add_argument(
        "--headers-only",
        action="store_true",
        help="judge by header sections alone; nothing of a body is fetched",
    )
    parser.add_argument("--model", metavar="FILE", help="a model by `train` (default: the shipped)")


def _mailbox(options: argparse.Namespace) -> Any:
    from atlas_fast.accounts import connect

    tls = "starttls" if options.starttls else "none" if options.no_tls else "tls"
    return connect(
        options.account, host=options.host, port=options.port, user=options.user, tls=tls,
        ca=options.ca, plain=options.force_no_tls, seconds=options.timeout,
    )  # fmt: skip


def do_folders(options: argparse.Namespace) -> int:
    from atlas_fast.accounts import count_folders

    with _mailbox(options) as mailbox:
        found = count_folders(mailbox)
    if options.json:
        print_json({"folders": [{"name": name, "messages": n} for name, n in found]})
    else:
        rows = [(name, "" if n is None else f"{n:,}") for name, n in found]
        print_table("", ("folder", "messages"), rows, numeric=(1,))
    return 0


def do_preview(options: argparse.Namespace) -> int:
    return _work(options, preview=True)


def do_run(options: argparse.Namespace) -> int:
    from atlas_fast.errors import UsageError

    if not options.yes and not sys.stdin.isatty():
        raise UsageError("imap run removes messages: say --yes, or run it on a terminal")
    return _work(options, preview=False)


def _work(options: argparse.Namespace, *, preview: bool) -> int:
    from atlas_fast.accounts import run_folders
    from atlas_fast.classify.policy import Filters
    from atlas_fast.mailrun import Options
    from atlas_fast.pipeline import Pipeline
    from atlas_fast.store import open_database

    how = Options(
        preview=preview,
        quarantine=None if preview else options.quarantine,
        only_new=not preview and options.new,
        filters=Filters(options.filter),
        confirm=None if preview or options.yes else _ask,
    )
    pipeline = Pipeline(
        workers=options.workers, model=options.model, headers_only=options.headers_only
    )
    with (
        _mailbox(options) as mailbox,
        closing(open_database(options.store, wait=True)) as store,
        progress_bar(None) as progress,
    ):
        reports = run_folders(
            mailbox, options.folders, store, how, pipeline=pipeline, progress=progress
        )
    _show(reports, options)
    return 1 if any(report.errors for report in reports) else 0


def _ask(report: FolderReport) -> bool:
    """Whether to remove what was chosen; anything but yes is no."""
    print(f"{visible(report.folder)}: {report.chosen:,} of {report.messages:,} messages are to go:")
    for name, entry in sorted(report.categories.items()):
        print(f"  {visible(name)}: {entry['count']:,}")
    print("Remove them? [yes/no] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _show(reports: list[FolderReport], options: argparse.Namespace) -> None:
    if options.json:
        print_json({"folders": [report.to_dict() for report in reports], "store": options.store})
    else:
        for report in reports:
            print_pairs(report.folder, _pairs(report))
    for report in reports:
        for text in report.problems[:SHOWN_PROBLEMS]:
            fail(f"{report.folder}: {text}")


def _pairs(report: FolderReport) -> list[tuple[str, str]]:
    rows = [
        ("messages", f"{report.messages:,}"),
        ("rate", f"{report.messages_per_second:,.0f} a second"),
        ("time", f"{report.seconds:.2f} s, {report.imap_seconds:.2f} s waiting for the server"),
        ("would go" if report.preview else "chosen", f"{report.chosen:,}"),
        ("stay", f"{report.preserved:,}"),
        ("stored", stored_line(report.stored, report.known)),
    ]
    if not report.confirmed:
        rows.append(("removed", "nothing: not confirmed"))
    rows += [(state, f"{number:,}") for state, number in sorted(report.outcomes.items())]
    if report.finished:
        told = ", ".join(f"{number:,} {state}" for state, number in sorted(report.finished.items()))
        rows.append(("of an earlier run", told))
    if report.vanished:
        rows.append(("gone meanwhile", f"{report.vanished:,}"))
    rows.append(("errors", f"{report.errors:,}"))
    rows += [(name, f"{entry['count']:,}") for name, entry in sorted(report.categories.items())]
    rows += [(f"by rule {name}", f"{number:,}") for name, number in sorted(report.rules.items())]
    return rows


def do_restore(options: argparse.Namespace) -> int:
    from atlas_fast.accounts import restore_folders
    from atlas_fast.store import open_database

    with _mailbox(options) as mailbox, closing(open_database(options.store)) as store:
        done = restore_folders(mailbox, store, folder=options.folder, session_id=options.run)
    if options.json:
        print_json({"restored": done.restored, "problems": done.problems})
    else:
        print_pairs("", [("restored", f"{done.restored:,}")])
        for text in done.problems:
            fail(text)
    return 1 if done.problems else 0
