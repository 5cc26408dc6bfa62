"""Keywords, whitelist, protection, threshold, relays, rollout; export and import of all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import orjson
from fastapi import Request
from fastapi.responses import Response

from atlas_fast import decision, limits, preferences
from atlas_fast.classify.rollout import ModelFile
from atlas_fast.errors import ModelError, UsageError
from atlas_fast.preferences import Preferences
from atlas_fast.settings import section
from atlas_fast.store import domains, terms
from atlas_fast.store.sqlite import SqliteStore
from atlas_fast.web.routing import page_router
from atlas_fast.web.site import back_to, first, form_of, site_of

router = page_router()


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """`kept`: what the store says; `state`: models and rollout as plain values; `own`: the model's
    own threshold, None where the model cannot be read, which `problem` then says; `file`: the
    policy of the settings file, which the page shows and does not change."""

    kept: Preferences
    state: dict[str, Any]
    own: float | None
    problem: str
    file: dict[str, Any]
    kinds: tuple[str, ...] = terms.KINDS


@router.get("/settings")
async def show(request: Request) -> Response:
    site = site_of(request)
    with site.opened() as store:
        kept, state = preferences.read(store), decision.state_of(store)
    if state.current is None:  # the shipped one is in memory
        own, problem = _threshold_of(None)
    else:  # a file of megabytes
        own, problem = await anyio.to_thread.run_sync(_threshold_of, state.current)
    page = SettingsPage(kept, state.to_dict(), own, problem, dict(section("policy")))
    return site.pages(request, "settings.html", page)


def _threshold_of(file: ModelFile | None) -> tuple[float | None, str]:
    """Of a model, or None and what is wrong with it."""
    try:
        return decision.model_of(file).threshold, ""
    except ModelError as error:
        return None, str(error)


def _keyword(store: SqliteStore, form: dict[str, list[str]]) -> None:
    text = preferences.term(first(form, "value"))
    if first(form, "do") == "remove":
        terms.remove_keyword(store, text)
    else:
        if len(terms.keywords(store)) >= limits.MAX_POLICY_TEXTS:
            raise UsageError(f"{limits.MAX_POLICY_TEXTS:,} keywords are the most")
        terms.add_keyword(store, text)


def _whitelist(store: SqliteStore, form: dict[str, list[str]]) -> None:
    name = preferences.term(first(form, "value")).lower().lstrip("@")
    with store.transaction() as connection:
        if first(form, "do") == "remove":
            domains.untrust(connection, name)
        else:
            domains.trust(connection, name, "by the web interface")


def _protected(store: SqliteStore, form: dict[str, list[str]]) -> None:
    kind, value = first(form, "kind"), preferences.term(first(form, "value"))
    if kind not in terms.KINDS:
        raise UsageError(f"one of {', '.join(terms.KINDS)} is needed")
    (terms.unprotect if first(form, "do") == "remove" else terms.protect)(store, kind, value)


def _set_threshold(store: SqliteStore, form: dict[str, list[str]]) -> None:
    text = first(form, "value").replace(",", ".")
    try:
        value = float(text) / 100 if text else None
    except ValueError:
        raise UsageError("threshold: a number of percent is needed") from None
    preferences.set_threshold(store, value)


def _relays(store: SqliteStore, form: dict[str, list[str]]) -> None:
    lines = form.get("value", [""])[0].splitlines()
    preferences.set_relays(store, [line.strip() for line in lines if line.strip()])


def _rollout(store: SqliteStore, form: dict[str, list[str]]) -> None:
    what = first(form, "do")
    if what == "promote":
        decision.promote(store)
    elif what == "rollback":
        decision.rollback(store)
    else:
        try:
            percent, sample = float(first(form, "percent")), float(first(form, "sample"))
        except ValueError:
            raise UsageError("rollout: numbers of percent are needed") from None
        decision.set_rollout(store, percent, sample=sample)


SECTIONS = {
    "keywords": _keyword, "whitelist": _whitelist, "protected": _protected,
    "threshold": _set_threshold, "relays": _relays, "rollout": _rollout,
}  # fmt: skip


@router.get("/settings/export")
def export(request: Request) -> Response:
    """All of it as a file."""
    with site_of(request).opened() as store:
        kept = preferences.read(store).to_dict()
    body = orjson.dumps(kept, option=orjson.OPT_INDENT_2)
    headers = {"content-disposition": 'attachment; filename="atlas_fast-preferences.json"'}
    return Response(body, media_type="application/json", headers=headers)


@router.post("/settings/import")
def bring(request: Request) -> Response:
    """What an export has is added to what is there."""
    site, form = site_of(request), form_of(request)
    text = form.get("file", [""])[0] or form.get("text", [""])[0]
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"this is no JSON: {error}") from None
    with site.writing() as store:
        n = preferences.write(store, preferences.from_dict(given))
    return back_to("/settings", done="imported", n=n)


@router.post("/settings/{name}")
def change(request: Request, name: str) -> Response:
    site, form = site_of(request), form_of(request)
    do = SECTIONS.get(name)
    if do is None:
        raise UsageError("there is no such setting")
    with site.writing() as store:
        do(store, form)
    removed = first(form, "do") == "remove"
    return back_to("/settings", done="removed" if removed else "saved")
