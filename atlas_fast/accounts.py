"""An IMAP account as a whole: connect by its address, list folders, run over several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from atlas_fast.errors import ImapError, UsageError
from atlas_fast.mailrun import FolderReport, Options, triage_folder
from atlas_fast.observe.live import LiveFile, as_json, live_folder, with_memory
from atlas_fast.observe.report import MAX_PROBLEMS
from atlas_fast.pipeline import Pipeline
from atlas_fast.quarantine import Restored, restore
from atlas_fast.sources.imap.connect import Server
from atlas_fast.sources.imap.credentials import find_password
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.providers import default_host, provider_type, strategy_for
from atlas_fast.store.journal import begin_imap_run, note_validated, open_account
from atlas_fast.store.sql import SqlStore
from atlas_fast.store.sqlite import SqliteStore

__all__ = ["connect", "count_folders", "restore_folders", "run_folders"]

PORTS = {"tls": 993, "starttls": 143, "none": 143}


def connect(
    address: str, *, host: str | None = None, port: int | None = None, user: str | None = None,
    tls: str = "tls", ca: str | None = None, plain: bool = False, seconds: float | None = None,
) -> Mailbox:  # fmt: skip
    """The mailbox of an address, with the password of the environment or the keyring.

    `host` may be left out for the providers that `sources.imap.providers` knows. Nothing is
    connected yet. Raises UsageError when host or password are missing.
    """
    where = host or default_host(address)
    if where is None:
        raise UsageError(f"{address}: name its server with --host")
    limits: dict[str, Any] = {} if seconds is None else {"seconds": seconds}
    server = Server(where, user or address, port or PORTS[tls], tls, ca, plain=plain, **limits)
    return Mailbox.of_server(server, find_password(address), address)


def count_folders(mailbox: Mailbox) -> list[tuple[str, int | None]]:
    """Name and number of messages of every folder; None where there can be no messages."""
    client = mailbox.client
    return [
        (folder.name, client.count(folder.name) if folder.selectable else None)
        for folder in client.folders()
    ]


def run_folders(
    mailbox: Mailbox,
    folders: Sequence[str],
    store: SqlStore,
    options: Options | None = None,
    *,
    pipeline: Pipeline | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[FolderReport]:
    """One run over folders of an account. What the server does not do for one folder is a problem
    in its report, and the next one goes on. Raises StoreError."""
    options = options or Options()
    address = mailbox.account
    kind = provider_type(address)
    account = open_account(store, address, kind, mailbox.host)
    strategy = strategy_for(kind, address)
    run = begin_imap_run(store, account.id, folders, preview=options.preview)
    pipeline = pipeline or Pipeline()
    reports: list[FolderReport] = []
    live = LiveFile(
        live_folder(store.path) if isinstance(store, SqliteStore) else None, run.session_id
    )
    with closing(live):
        for folder in folders:
            report = FolderReport(folder)
            reports.append(report)
            before = sum(one.messages for one in reports)

            def each(messages: int, expected: int | None, before: int = before) -> None:
                live.tick(lambda: _figures(reports))
                if progress is not None:
                    progress(before + messages, 0)

            try:
                triage_folder(
                    mailbox, folder, store, run, account, strategy, options, pipeline=pipeline,
                    report=report, progress=each,
                )  # fmt: skip
            except ImapError as error:
                report.errors += 1
                report.problems.append(str(error))
    note_validated(store, run, sum(report.validated for report in reports))
    said = _figures(reports) | {"series": live.series}
    store.finish_run(run, as_json(said).decode())
    return reports


def _figures(reports: Sequence[FolderReport]) -> dict[str, Any]:
    """What the reports of folders say together, in the keys of `observe.report.Report`; messages
    that were known were looked at all the same, which `looked` says."""
    stages: dict[str, float] = {}
    categories: dict[str, int] = {}
    for one in reports:
        for stage, seconds in one.stages.items():
            stages[stage] = stages.get(stage, 0.0) + seconds
        for name, entry in one.categories.items():
            categories[name] = categories.get(name, 0) + entry["count"]
    return with_memory(
        {
            "messages": sum(one.messages for one in reports),
            "looked": sum(one.messages for one in reports),
            "known": sum(one.known for one in reports),
            "stored": sum(one.stored for one in reports),
            "errors": sum(one.errors for one in reports),
            "bytes": sum(one.bytes for one in reports),
            "seconds": round(sum(one.seconds for one in reports), 6),
            "imap_seconds": round(sum(one.imap_seconds for one in reports), 6),
            "stages": {stage: round(seconds, 6) for stage, seconds in stages.items()},
            "categories": categories,
            "workers": 1,
            "problems": [text for one in reports for text in one.problems][:MAX_PROBLEMS],
        }
    )


def restore_folders(
    mailbox: Mailbox,
    store: SqlStore,
    *,
    folder: str | None = None,
    session_id: int | None = None,
) -> Restored:
    """Move messages back that were moved to a quarantine folder; see `quarantine.restore`."""
    account = open_account(store, mailbox.account, provider_type(mailbox.account), mailbox.host)
    return restore(mailbox, store, account, folder=folder, session_id=session_id)
