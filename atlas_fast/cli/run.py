"""`run` and `demo`: a mailbox into a store."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_fast.cli.outputs import check_output
from atlas_fast.cli.terminal import (
    fail,
    fail_some,
    print_json,
    print_pairs,
    print_table,
    progress_bar,
    say,
)
from atlas_fast.cli.values import WORKERS, whole

if TYPE_CHECKING:
    from atlas_fast.observe.report import Report
    from atlas_fast.pipeline import Enricher

DEFAULT_STORE = "atlas.db"
DEMO_STORE = "atlas-demo.db"
DEMO_MESSAGES = 20_000
MOST = 1_000_000_000
"""Messages that the generator makes, and its largest seed."""

M_ARENA_MAX = -8
"""Number of that setting in the C library of GNU."""

SHOWN_PROBLEMS = 3
SHOWN_MESSAGES = 8


def add_verbs(verbs: Any) -> None:
    run = verbs.add_parser(
        "run",
        help="classify the messages of sources and store a row for each",
        description="Classify every message of the sources; one durable row for each. "
        "Nothing in a source is changed. Running again adds only what is new.",
    )
    run.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="an mbox file, a Maildir, a folder of .eml files, - for one message on standard "
        "input, or synthetic:N,SEED",
    )
    where = run.add_mutually_exclusive_group()
    where.add_argument(
        "--store",
        metavar="STORE",
        default=DEFAULT_STORE,
        help="where the rows go: an SQLite file, a postgresql:// URL, or a folder NAME.parquet "
        "(default: %(default)s in the current folder)",
    )
    run.add_argument(
        "--headers-only",
        action="store_true",
        help="judge by header sections alone; bodies are left aside, and not read where the source "
        "can do without",
    )
    where.add_argument("--no-store", action="store_true", help="classify and count only")
    _add_common(run)
    _add_enrichment(run)
    run.set_defaults(do=do_run)

    demo = verbs.add_parser(
        "demo",
        help="generate mail, classify it, show the result",
        description="Generate realistic mail, run the whole engine over it, show what came out.",
    )
    demo.add_argument(
        "--messages",
        type=whole(1, MOST),
        default=DEMO_MESSAGES,
        metavar="N",
        help="default: %(default)s",
    )
    demo.add_argument(
        "--seed", type=whole(0, MOST), default=1, metavar="SEED", help="default: %(default)s"
    )
    demo.add_argument("--store", metavar="STORE", default=DEMO_STORE, help="default: %(default)s")
    _add_common(demo)
    _add_enrichment(demo)
    demo.set_defaults(do=do_demo)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers",
        type=WORKERS,
        default=1,
        metavar="N",
        help="threads that work on batches (default: %(default)s)",
    )
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="do not look again at messages that the store has (default); --no-resume looks at "
        "every message, and still stores none twice",
    )
    parser.add_argument("--model", metavar="FILE", help="a model by `train` (default: the shipped)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="write a trace of stages and threads (Trace Event Format, JSON)",
    )


def _add_enrichment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-enrich",
        action="store_true",
        help="look up neither origins nor domains nor authentication",
    )
    parser.add_argument(
        "--trusted-relay",
        action="append",
        default=[],
        metavar="HOST",
        help="address, prefix or host name of a relay of your own, above which a message came "
        "from outside; may be given again",
    )
    parser.add_argument(
        "--authserv-id",
        action="append",
        default=[],
        metavar="NAME",
        help="name under which your own server writes Authentication-Results; may be given again",
    )
    parser.add_argument(
        "--verify-auth",
        action="store_true",
        help="check signatures and senders anew; asks the DNS, takes long, needs the extra verify",
    )


def _share_heap() -> None:
    """Let all threads take memory from one heap: of its own each would keep what it once had. They
    ask for it a few hundred times a batch, so none waits long. Only the C library of GNU has heaps
    of threads; what MALLOC_ARENA_MAX says stays."""
    import ctypes  # numpy has it anyway

    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _enricher(options: argparse.Namespace) -> Enricher | bool:
    if options.no_enrich:
        return False
    from atlas_fast.pipeline import make_enricher

    return make_enricher(
        trusted_relays=options.trusted_relay,
        authserv_ids=options.authserv_id,
        verify=options.verify_auth,
    )


def do_run(options: argparse.Namespace) -> int:
    store = None if options.no_store else options.store
    report, code = _triage(options.sources, store, options)
    _show(report, options.json)
    if not report.messages and not code:
        fail("no message was found; of a folder that is no Maildir, files named *.eml are read")
    return code


def do_demo(options: argparse.Namespace) -> int:
    source = f"synthetic:{options.messages},{options.seed}"
    report, code = _triage([source], options.store, options)
    _show(report, options.json)
    if not options.json and code == 0:
        _show_recent(options.store)
        say(f"The rows are in {report.store}, table processed_emails_bulletproof.")
        print("Your own mail: atlas-fast run PATH, where PATH is an mbox, a Maildir or a folder.")
    return code


def _triage(names: list[str], store: str | None, options: argparse.Namespace) -> tuple[Report, int]:
    from atlas_fast.cli import INTERRUPTED
    from atlas_fast.observe.trace import Trace
    from atlas_fast.pipeline import Interrupted, Pipeline, open_all, triage

    _share_heap()
    check_output(options.profile, *names, *([store] if store else []))
    trace = None if options.profile is None else Trace()
    sources = open_all(names)
    pipeline = Pipeline(
        workers=options.workers,
        model=options.model,
        enrich=_enricher(options),
        headers_only=getattr(options, "headers_only", False),
        trace=trace,
    )
    sizes = [source.estimate() for source in sources]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    try:
        with progress_bar(total) as progress:
            report = triage(
                sources, store, resume=options.resume, progress=progress, pipeline=pipeline
            )
    except Interrupted as stopped:
        fail("interrupted; what is counted below is stored, the same command goes on from there")
        return stopped.report, INTERRUPTED
    finally:
        if trace is not None:
            trace.write(options.profile)
    return report, 0


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        print_json(report.to_dict())
    else:
        _show_table(report)
    for text in report.notes:
        fail(text)
    rest = f"{report.errors} errors in all; --json lists the first of them"
    fail_some(report.problems, SHOWN_PROBLEMS, rest)


def _show_table(report: Report) -> None:
    rows = [
        ("messages", f"{report.messages:,}"),
        ("rate", f"{report.messages_per_second:,.0f} a second"),
        ("time", f"{report.seconds:.2f} s, {report.workers} worker(s)"),
    ]
    if report.store is not None:
        rows.append(("stored", stored_line(report.stored, report.messages - report.stored)))
        rows.append(("store", report.store))
    rows.append(("errors", f"{report.errors:,}"))
    for name, number in sorted(report.categories.items(), key=lambda pair: -pair[1]):
        rows.append((name, f"{number:,}  ({number / max(1, report.messages):.1%})"))
    for kind, counts in sorted(report.caches.items()):
        if counts["asked"]:
            rows.append((f"cache {kind}", _cache_line(counts)))
    slowest = report.slowest_stage
    if slowest is not None:
        spent = report.stages[slowest]
        share = spent / max(sum(report.stages.values()), 1e-9)
        rows.append(("slowest stage", f"{slowest}: {spent:.2f} s ({share:.0%} of the stages)"))
    print_pairs("", rows)


def stored_line(stored: int, known: int) -> str:
    """How many rows are new, and how many messages had theirs."""
    return f"{stored:,} new rows" + (f", {known:,} were there already" if known else "")


def _cache_line(counts: dict[str, int | float]) -> str:
    hits = counts["l1_hits"] + counts["l2_hits"]
    return (
        f"{counts['asked']:,.0f} asked, {counts['interned']:,.0f} equal in their batch, "
        f"{hits:,.0f} hits, {counts['computed']:,.0f} computed ({counts['known_rate']:.1%} known)"
    )


def _show_recent(path: str) -> None:
    from contextlib import closing

    from atlas_fast.store import open_store

    with closing(open_store(path)) as store:
        recent = store.recent(SHOWN_MESSAGES)
    rows = [
        (
            row["sender_email"][:40],
            row["subject"][:60],
            row["category_v2"] or "",
            "" if row["category_confidence_v2"] is None else f"{row['category_confidence_v2']:.1%}",
        )
        for row in recent
    ]
    print_table(
        "The last messages", ("sender", "subject", "category", "confidence"), rows, numeric=(3,)
    )
