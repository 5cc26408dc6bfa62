"""Accounts on IMAP servers: what runs did there, a preview, and a run that removes."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException, Request
from fastapi.responses import Response

from atlas_fast.accounts import connect
from atlas_fast.errors import UsageError
from atlas_fast.mailrun import Options
from atlas_fast.store.sql import LOCAL_PROVIDER
from atlas_fast.store.views import Account, accounts
from atlas_fast.web.jobs import Job
from atlas_fast.web.routing import page_router
from atlas_fast.web.site import Site, back_to, first, form_of, number_of, site_of

router = page_router()

TLS = (("tls", "TLS"), ("starttls", "STARTTLS"), ("none", "none, on this machine only"))
MOST_FOLDERS = 50


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """The accounts of the store."""

    rows: list[Account]


@router.get("/accounts")
def show_list(request: Request) -> Response:
    site = site_of(request)
    rows = [one for one in accounts(site.reader) if one.provider != LOCAL_PROVIDER]
    return site.pages(request, "accounts.html", AccountsPage(rows))


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One account, and its newest job that a page has started."""

    account: Account
    job: Job | None
    tls: tuple[tuple[str, str], ...] = TLS


def _account(site: Site, number: str) -> Account:
    wanted = number_of(number)
    for one in accounts(site.reader):
        if one.id == wanted and one.provider != LOCAL_PROVIDER:
            return one
    raise HTTPException(404, "The store has no account of that number.")


@router.get("/accounts/{number}")
def show_one(request: Request, number: str) -> Response:
    site = site_of(request)
    account = _account(site, number)
    return site.pages(request, "account.html", AccountPage(account, site.jobs.of(account.address)))


@router.post("/accounts/{number}/run")
def start(request: Request, number: str) -> Response:
    """Start a preview or a run. The server is the one that the store names for the account: a
    password goes nowhere else."""
    site, form = site_of(request), form_of(request)
    account = _account(site, number)
    folders = [line.strip() for line in first(form, "folders", 10_000).splitlines() if line.strip()]
    if not 1 <= len(folders) <= MOST_FOLDERS:
        raise UsageError(f"name from 1 to {MOST_FOLDERS} folders, one a line")
    preview = first(form, "do") != "process"
    if not preview and first(form, "sure") != "yes":
        raise UsageError("a run that removes messages needs the box “remove what is to go” ticked")
    tls = first(form, "tls")
    if tls not in dict(TLS):
        raise UsageError("choose how the connection is protected")
    port = number_of(first(form, "port"))
    user = first(form, "user") or None
    options = Options(
        preview=preview,
        quarantine=None if preview else first(form, "quarantine") or None,
        only_new=not preview and bool(first(form, "new")),
    )
    mailbox = connect(account.address, host=account.host or None, port=port, user=user, tls=tls)
    started = site.start(Job(account.address, folders, preview), mailbox, options)
    return back_to(f"/accounts/{account.id}", done="started" if started else "busy")
