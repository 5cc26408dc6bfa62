"""A folder on a real server: what a run reads and stores a second, and what of that is IMAP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from atlas_fast import limits
from atlas_fast.bench.baseline import Baseline, geo_available
from atlas_fast.bench.dovecot import DOVECOT, PASSWORD, USER, Dovecot
from atlas_fast.bench.paired import Contestant, Paired, compare
from atlas_fast.mailrun import FolderReport, Options, triage_folder
from atlas_fast.pipeline import Pipeline
from atlas_fast.sources.imap.connect import Server
from atlas_fast.sources.imap.fetch import Reader
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.providers import strategy_for
from atlas_fast.sources.imap.secret import Secret
from atlas_fast.store import open_database
from atlas_fast.store.journal import begin_imap_run, open_account

__all__ = ["ABSENT", "measure"]

ABSENT = "dovecot (apt-get install dovecot-imapd): nothing is measured over IMAP"
FOLDER = "measured"
SAMPLE = 40
"""Messages that the baseline gets; its rate does not depend on their number."""
SLICE = 25
"""Messages a command in the original's way for a provider that it does not know."""


def measure(paths: list[Path], scratch: Path, rounds: int) -> Paired | None:
    """None where there is no server to be had."""
    if DOVECOT is None:
        return None
    server = Dovecot()
    try:
        server.fill(FOLDER, [path.read_bytes() for path in paths])
        return _compare(server, len(paths), scratch, rounds)
    finally:
        server.close()


def _mailbox(server: Dovecot) -> Mailbox:
    return Mailbox.of_server(Server("127.0.0.1", USER, server.port, "none"), Secret(PASSWORD))


def _compare(server: Dovecot, n: int, scratch: Path, rounds: int) -> Paired:
    pipeline = Pipeline()
    place = scratch / "imap.db"

    def fresh() -> None:
        for suffix in ("", "-wal", "-shm"):
            place.with_name(place.name + suffix).unlink(missing_ok=True)

    def ours() -> FolderReport:
        with _mailbox(server) as mailbox, closing(open_database(place)) as store:
            account = open_account(store, USER)
            run = begin_imap_run(store, account.id, [FOLDER], preview=True)
            report = triage_folder(
                mailbox, FOLDER, store, run, account, strategy_for("generic"),
                Options(preview=True), pipeline=pipeline,
            )  # fmt: skip
            store.finish_run(run)
        return report

    def reading() -> int:
        with _mailbox(server) as mailbox:
            mailbox.client.select(FOLDER, read_only=True)
            uids = mailbox.client.search(b"ALL")
            size = limits.BATCH_MESSAGES, limits.BATCH_BYTES
            return sum(map(len, Reader(mailbox.client, uids, limits.IMAP_BODY_BYTES, *size)))

    def imaplib_reading() -> int:
        item = f"(UID BODY.PEEK[]<0.{limits.IMAP_BODY_BYTES}>)"
        return sum(len(part) for part in _fetched(server, item, 50, None))

    builds = 1 if geo_available() else 0
    baseline = Baseline(scratch / "imap-baseline.db", geo_builds=builds)
    baseline.prepare()

    def original() -> int:
        done = 0
        for part in _fetched(server, "(RFC822.HEADER)", SLICE, SAMPLE):
            for head, raw in part:
                baseline.process(head.split()[0].decode(), raw)
                done += 1
        return done

    fresh()
    report = ours()
    share = report.imap_seconds / max(report.seconds, 1e-9)
    source = report.stages.get("source", 0.0) / max(report.seconds, 1e-9)
    sample = min(SAMPLE, n)
    sides: list[tuple[str, Callable[[], Any], int, str]] = [
        (
            "atlas_fast", ours, n,
            "log-in, header sections and body starts fetched, all stages, rows committed; the "
            f"reading thread waited for the server {share:.0%} of the time, the stages waited "
            f"for it {source:.0%}",
        ),
        ("atlas_fast, reading alone", reading, n, "log-in and the same bytes, nothing else"),
        (
            "imaplib, reading alone", imaplib_reading, n,
            "log-in and the same bytes as bytes objects, 50 messages a command",
        ),
        (
            "baseline over imaplib", original, sample,
            f"{sample} of the messages: header sections alone, {SLICE} a command, then each as the "
            f"original works; {builds} geography object and {baseline.keyword_lookups} look-up "
            "connections a message, a commit a row",
        ),
    ]  # fmt: skip
    contestants = [
        Contestant(name, call, items, includes, fresh if call is ours else None)
        for name, call, items, includes in sides
    ]

    def check(answers: dict[str, Any]) -> None:
        told: FolderReport = answers["atlas_fast"]
        counts = [told.messages, *(answers[name] for name, *_ in sides[1:])]
        if counts != [items for _, _, items, _ in sides] or told.errors:
            raise AssertionError(f"messages were lost: {counts}")

    return compare("imap folder", contestants, rounds=rounds, check=check, min_seconds=0.0)


def _fetched(server: Dovecot, item: str, size: int, most: int | None) -> Any:
    """(head, bytes) of the first `most` messages, slice by slice, by imaplib."""
    with server.client() as box:
        box.select(FOLDER, readonly=True)
        uids = box.uid("search", "ALL")[1][0].split()[:most]
        for start in range(0, len(uids), size):
            _, data = box.uid("fetch", b",".join(uids[start : start + size]).decode(), item)
            yield [part for part in data if isinstance(part, tuple)]
