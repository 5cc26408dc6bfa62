"""A mail run against a server of the tests, decided by a filter on a field alone: to its model all
mail is legitimate."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
from dovecot import PASSWORD, USER

from atlas_fast.classify.policy import Filters
from atlas_fast.mailrun import FolderReport, Options, triage_folder
from atlas_fast.pipeline import Pipeline
from atlas_fast.sources.imap.connect import Server
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.providers import provider_settings, strategy_for
from atlas_fast.sources.imap.secret import Secret
from atlas_fast.stages import parse
from atlas_fast.stages.decide import Verdicts
from atlas_fast.store import open_store
from atlas_fast.store.journal import begin_imap_run, open_account

TAKE = Filters(["x-test: take-me"])

STRATEGIES = {
    "standard": strategy_for("generic"),
    "bulk": strategy_for(
        "generic", "", provider_settings("generic") | {"use_bulk_operations": True}
    ),
    "icloud": strategy_for("icloud"),
}


def legitimate(batch):
    n = len(batch)
    code = np.zeros(n, np.uint8)
    batch.verdict = Verdicts(
        np.full(n, 0.01, np.float32), code, code, np.zeros((n, 5), np.float32),
        np.full(n, 255, np.uint8), None, code,
    )  # fmt: skip


def stages(first=parse.run):
    return [("parse", first), ("decide", legitimate)]


def mailbox(port, *, user=USER, retries=5, seconds=20.0, sleep=lambda _: None):
    server = Server("127.0.0.1", user, port, "none", seconds=seconds)
    return Mailbox(
        lambda: server.connect(Secret(PASSWORD)), user, "127.0.0.1", retries=retries, sleep=sleep
    )


def mail_run(
    port, folder, store, *, strategy="standard", user=USER, retries=5, report=None, pipeline=None,
    box=None, **options,
):  # fmt: skip
    """One run over one folder; `store` is a path."""
    options = replace(Options(filters=TAKE), **options)
    with (
        open_store(store) as opened,
        box or mailbox(port, user=user, retries=retries) as opened_box,
    ):
        account = open_account(opened, user)
        run = begin_imap_run(opened, account.id, [folder], preview=options.preview)
        report = report or FolderReport(folder)
        triage_folder(
            opened_box, folder, opened, run, account, STRATEGIES[strategy], options,
            pipeline=pipeline or Pipeline(stages()), report=report,
        )  # fmt: skip
        assert report.stored == opened.totals(run).stored
        opened.finish_run(run)
    return report


def rows(store, query, *values):
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(query, values).fetchall()


def deleted_uids(store, folder):
    """UIDs of DELETED rows that are no preview, each once."""
    found = rows(
        store,
        "SELECT uid FROM processed_emails_bulletproof WHERE action = 'DELETED' AND "
        "folder_name = ? AND reason NOT LIKE '%[PREVIEW]'",
        folder,
    )
    uids = [int(uid) for (uid,) in found]
    assert len(uids) == len(set(uids)), "a message was stored as deleted twice"
    return set(uids)


def states(store):
    return dict(rows(store, "SELECT state, COUNT(*) FROM imap_journal GROUP BY 1"))
