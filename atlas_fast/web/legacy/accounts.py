"""Accounts, previews and runs over them, and their messages."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field, SecretStr

from atlas_fast.errors import AtlasFastError, UsageError
from atlas_fast.limits import VIEW_IDS
from atlas_fast.sources.imap.credentials import keep_password
from atlas_fast.sources.imap.providers import default_host, provider_type
from atlas_fast.store.journal import change_account, open_account
from atlas_fast.store.views import Account, account_items, run, run_items
from atlas_fast.web.legacy import mail
from atlas_fast.web.legacy.answers import (
    Body,
    ErrorRoute,
    Number,
    Text,
    answer,
    legacy_router,
    missing,
    slowly,
)
from atlas_fast.web.site import Site, site_of

router = legacy_router(route=ErrorRoute)
told = legacy_router()

ALL = "all"
OF_ACCOUNT, OF_RUN = 200, 100
MAX_RUNS = 50

After = Annotated[int | None, Query(ge=0, le=(1 << 63) - 1, description="the key `next`")]


@router.get("/accounts", response_model=None)
def list_accounts(request: Request) -> Response:
    """Accounts in use. `id` is the account's own, and stays when others come and go."""
    rows = [
        {
            "id": one.id, "email_address": one.address, "provider": one.provider,
            "last_used": one.last_used, "target_folders": one.folders,
            "folder_count": len(one.folders),
        }
        for one in mail.mail_accounts(site_of(request))
    ]  # fmt: skip
    return answer(accounts=rows)


@router.post("/single-account/{account_id}/preview", response_model=None)
async def preview(request: Request, account_id: Text) -> Response:
    """What a run would delete; nothing is changed on the server."""
    return await slowly(lambda: _processed(request, account_id, preview=True))


@router.post("/single-account/{account_id}/process", response_model=None)
async def process(request: Request, account_id: Text) -> Response:
    """Delete what is to go."""
    return await slowly(lambda: _processed(request, account_id, preview=False))


def _processed(request: Request, account_id: str, *, preview: bool) -> Response:
    site = site_of(request)
    if account_id != ALL:
        data = mail.process(site, mail.account_of(site, account_id), preview=preview)
        if not preview:
            data["mode"] = "process"
        return answer(data["success"], data=data, **({} if data["success"] else {
            "error": data["message"]
        }))  # fmt: skip
    data, good = _all(site, preview)
    return answer(good, data=data, **({} if good else {"error": "not every account was done"}))


def _all(site: Site, preview: bool) -> tuple[dict[str, Any], bool]:
    """Every account, one after the other; one that fails says so in its entry."""
    total: dict[str, Any] = {
        "total_emails": 0, "total_deleted": 0, "total_preserved": 0, "categories": {},
        "account_email": "All accounts", "session_id": "all_preview" if preview else "all_process",
        "account_breakdown": [], "session_ids": [],
    }  # fmt: skip
    good = True
    for account in mail.mail_accounts(site):
        try:
            one = mail.process(site, account, preview=preview)
        except AtlasFastError as error:
            total["account_breakdown"].append({"email": account.address, "error": str(error)})
            good = False
            continue
        good = good and one["success"]
        for name in ("total_deleted", "total_preserved"):
            total[name] += one[name]
            total["total_emails"] += one[name]
        for name, n in one["categories"].items():
            total["categories"][name] = total["categories"].get(name, 0) + n
        total["account_breakdown"].append(
            {
                "email": account.address, "deleted": one["total_deleted"],
                "preserved": one["total_preserved"],
            }
        )  # fmt: skip
        total["session_ids"].append(
            {"session_id": one["session_id"], "account_email": account.address}
        )
    if not preview:
        total["mode"] = "process"
    return total, good


@router.get("/single-account/{account_id}/emails/{session_id}", response_model=None)
def emails_of_run(
    request: Request, account_id: Text, session_id: Number,
    limit: Annotated[int, Query(ge=1, le=VIEW_IDS)] = OF_RUN, after: After = None,
) -> Response:  # fmt: skip
    """Messages of a run of this account, newest first; `next`, if not null, is the key `after`
    which those behind follow."""
    site = site_of(request)
    found = run(site.reader, session_id)
    if found is None or account_id not in (ALL, str(found.row.account_id)):
        raise UsageError("This account has no such run")
    rows, following = run_items(site.reader, session_id, limit, after)
    return answer(
        emails=rows, count=len(rows), account_id=account_id, session_id=session_id, next=following
    )


@router.get("/single-account/{account_id}/all-emails", response_model=None)
def emails_of_account(request: Request, account_id: Text) -> Response:
    """The newest messages of an account's runs of thirty days."""
    site = site_of(request)
    account = mail.account_of(site, account_id)
    rows = account_items(site.reader, account.id, OF_ACCOUNT)
    return answer(
        emails=rows, count=len(rows), account_id=account_id, account_email=account.address,
        note=f"the newest {OF_ACCOUNT} messages of thirty days",
    )  # fmt: skip


@router.get("/all-accounts/emails", response_model=None)
def emails_of_runs(
    request: Request, session_ids: Annotated[Text, Query(max_length=8_000)] = "[]"
) -> Response:
    """Messages of several runs: `session_ids` is a JSON list of `{session_id, account_email}`."""
    site, made = site_of(request), []
    wanted = _runs(session_ids)
    for number, address in wanted:
        rows, _ = run_items(site.reader, number, OF_ACCOUNT // len(wanted))
        made += [row | {"account_email": address} for row in rows]
    return answer(emails=made, count=len(made), session_count=len(wanted))


def _runs(text: str) -> list[tuple[int, str]]:
    try:
        found = orjson.loads(text)
        made = [(one["session_id"], str(one.get("account_email") or "")) for one in found]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise UsageError("session_ids: a JSON list of {session_id, account_email} is needed") \
            from None  # fmt: skip
    if len(made) > MAX_RUNS or any(type(n) is not int or not 0 <= n < 1 << 63 for n, _ in made):
        raise UsageError(f"session_ids: at most {MAX_RUNS} numbers of runs")
    return made


class NewAccount(Body):
    email_address: Annotated[Text, Field(max_length=255)] | None = None
    password: SecretStr | None = None
    provider: Annotated[Text, Field(max_length=50)] | None = None
    imap_server: Annotated[Text, Field(max_length=255)] | None = None
    imap_port: Annotated[int, Field(ge=1, le=65_535)] = 993
    target_folders: Annotated[list[Text], Field(max_length=1_000)] | None = None


class AnAccount(Body):
    email_address: Text | None = None


@told.post("/accounts/add", response_model=None)
def add(request: Request, body: NewAccount) -> Response:
    """Add an account, or change one; the password goes into the system's keyring."""
    absent = missing(email_address=body.email_address, password=body.password)
    if absent is not None:
        return absent
    address = str(body.email_address)
    host = body.imap_server or default_host(address)
    if host is None:
        raise UsageError("imap_server: the server of this provider is not known")
    site = site_of(request)
    assert body.password is not None
    keep_password(address, body.password.get_secret_value())
    with site.writing() as store:
        kind = body.provider or provider_type(address)
        account = open_account(store, address, kind, host, body.imap_port)
        change_account(store, account.id, folders=body.target_folders or mail.INBOX)
    return answer(message=f"{address} was added")


@told.post("/accounts/remove", response_model=None)
def remove(request: Request, body: AnAccount) -> Response:
    """Take an account out of use; its runs and messages stay."""
    account = _of_address(request, body)
    with site_of(request).writing() as store:
        change_account(store, account.id, active=False)
    return answer(message=f"{account.address} is no longer in use")


@told.post("/accounts/test", response_model=None)
async def test(request: Request, body: AnAccount) -> Response:
    """Log in, and list the folders."""

    def work() -> Response:
        account = _of_address(request, body)
        folders = mail.test(account)
        return answer(
            server=account.host, folders=folders, message=f"{len(folders)} folders were found"
        )

    return await slowly(work)


def _of_address(request: Request, body: AnAccount) -> Account:
    for one in mail.mail_accounts(site_of(request)):
        if one.address == body.email_address:
            return one
    raise UsageError("There is no such account")
