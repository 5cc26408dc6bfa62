"""`rollout` and `learn`: which models judge, and what they learn from corrections."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_fast.cli.run import DEFAULT_STORE
from atlas_fast.cli.terminal import fail_some, print_json, print_pairs, print_table, say
from atlas_fast.cli.values import number, whole
from atlas_fast.errors import UsageError

if TYPE_CHECKING:
    from atlas_fast.store.sql import SqlStore

SHOWN = 20
DAYS, MAX_DAYS = 7, 36_500


def add_verbs(verbs: Any) -> None:
    rollout = verbs.add_parser(
        "rollout",
        help="try another model on a share of the messages",
        description="Two models beside each other: the candidate decides a share of the messages, "
        "by their keys; promote it, or give it up. Runs with --model take no part.",
    )
    ways = rollout.add_subparsers(dest="way", required=True, metavar="WHAT")
    status = ways.add_parser("status", help="models, percentage and metrics")
    status.add_argument(
        "--days", type=whole(1, MAX_DAYS), default=DAYS, metavar="N", help="default: %(default)s"
    )
    change = ways.add_parser("set", help="how many messages the candidate decides")
    change.add_argument("percent", type=number(0, 100), metavar="PERCENT", help="0 to 100")
    change.add_argument("--candidate", type=Path, metavar="MODEL", help="default: the one there is")
    change.add_argument(
        "--sample", type=number(0, 100), metavar="PERCENT",
        help="messages that both models judge, to compare them (default: 1 at first)",
    )  # fmt: skip
    promote = ways.add_parser("promote", help="the candidate becomes the model of all messages")
    back = ways.add_parser("rollback", help="give up the candidate, or take back a promotion")
    for one in (status, change, promote, back):
        _add_common(one)
    rollout.set_defaults(do=do_rollout)

    learn = verbs.add_parser(
        "learn",
        help="take up corrections of users",
        description="Make a model of the current one and the corrections in the store. The model "
        "below stays as it is; --undo goes back to it.",
    )
    _add_common(learn)
    learn.add_argument(
        "--source", action="append", default=[], metavar="SOURCE",
        help="where to look for messages whose own source has moved; may be given again",
    )  # fmt: skip
    learn.add_argument("--again", action="store_true", help="also corrections that were used")
    learn.add_argument("--undo", action="store_true", help="back to the model before the last one")
    learn.add_argument("--history", action="store_true", help="what was learned and promoted when")
    learn.set_defaults(do=do_learn)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", metavar="STORE", default=DEFAULT_STORE, help="default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


@contextmanager
def _open(where: str, *, write: bool) -> Iterator[SqlStore]:
    """A store that is there: these verbs make none."""
    from atlas_fast.store import open_store
    from atlas_fast.store.sql import SqlStore

    with closing(open_store(where, make=False, write=write)) as store:
        if not isinstance(store, SqlStore):
            raise UsageError(f"{store.name}: has no settings; a database is needed")
        yield store


def do_rollout(options: argparse.Namespace) -> int:
    from atlas_fast import decision

    with _open(options.store, write=options.way != "status") as store:
        if options.way == "set":
            decision.set_rollout(
                store, options.percent, candidate=options.candidate, sample=options.sample
            )
        elif options.way == "promote":
            decision.promote(store)
        elif options.way == "rollback":
            decision.rollback(store)
        found = decision.status(store, options.days if options.way == "status" else DAYS)
    if options.json:
        print_json(found)
    else:
        _show(found, options.way == "status")
    return 0


def _show(found: dict[str, Any], with_metrics: bool) -> None:
    pairs = [
        ("current model", _name(found["current"])),
        ("candidate", _name(found["candidate"], "none")),
        ("decided by it", f"{found['percent']:g} % of the messages"),
        ("judged by both", f"{found['sample']:g} % of the messages"),
    ]
    metrics = found["metrics"]
    if with_metrics:
        low, high = metrics["agreement_rate_interval"]
        rate = metrics["agreement_rate"]
        agree = "no message yet" if rate is None else f"{rate:.2f} % ({low:.2f} to {high:.2f})"
        pairs += [
            ("decided, current", f"{metrics['old_classifier_selections']:,}"),
            ("decided, candidate", f"{metrics['new_classifier_selections']:,}"),
            ("compared", f"{metrics['total_comparisons']:,}"),
            ("same category", agree),
            ("time, current", _time(metrics["avg_time_old"])),
            ("time, candidate", _time(metrics["avg_time_new"])),
        ]
        if found["recommendation"] is not None:
            pairs.append(("next", found["recommendation"]["text"]))
    print_pairs("", pairs)
    if with_metrics and metrics["mismatches"]:
        print()
        rows = [
            (one["old_category"], one["new_category"], one["sender"][:40], one["subject"][:60])
            for one in metrics["mismatches"]
        ]
        print_table("not the same", ("current", "candidate", "sender", "subject"), rows, numeric=())


def _name(file: dict[str, str] | None, absent: str = "the shipped one") -> str:
    return absent if file is None else file["path"]


def _time(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds * 1000:.1f} us a message"


def do_learn(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from atlas_fast import decision, learn
    from atlas_fast.store import SqliteStore

    if (options.undo and options.history) or (
        (options.undo or options.history) and (options.again or options.source)
    ):
        raise UsageError("learn: --undo and --history stand alone")
    with _open(options.store, write=not options.history) as store:
        if options.undo or options.history:
            state = learn.undo(store) if options.undo else decision.state_of(store)
            _show_history(state.to_dict(), options)
            return 0
        if not isinstance(store, SqliteStore):
            raise UsageError("learn: needs a store in a file, beside which the model goes")
        done = learn.learn(store, options.source, again=options.again)
    if options.json:
        print_json(asdict(done))
        return 0
    rest = f"{len(done.skipped)} corrections were not used; --json lists them all"
    fail_some(done.skipped, SHOWN, rest)
    if done.model is None:
        print("nothing to learn: the model stays")
        return 0
    say(
        f"learned from {done.lessons:,} corrections ({done.total:,} in all): {done.turned:,} "
        f"changed their verdict, {done.open_:,} need more of their kind: {done.model}"
    )
    return 0


def _show_history(state: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json:
        print_json({name: state[name] for name in ("current", "history")})
        return
    rows = [
        (one["at"], one["did"], str(one.get("lessons", "")), _name(one["current"]))
        for one in state["history"]
    ]
    print_table("", ("when", "what", "lessons", "model after it"), rows, numeric=(2,))
    say(f"current model: {_name(state['current'])}")
