"""The timer, a batch over all accounts, settings, and upkeep of the store."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field

from atlas_fast.errors import AtlasFastError, UsageError
from atlas_fast.store import actions
from atlas_fast.web.legacy import mail
from atlas_fast.web.legacy.answers import Body, Text, answer, legacy_router, missing, slowly
from atlas_fast.web.site import Site, site_of

router = legacy_router()

SETTING = "web config"
SECTIONS: dict[str, dict[str, Any]] = {
    "general": {"batch_size": 50, "timer_minutes": 30, "auto_delete": False},
    "ml": {"enabled": True, "confidence_threshold": 0.6, "training_batch_size": 100},
    "processing": {"parallel_processing": True, "max_workers": 4, "timeout": 30},
}
"""What the original exports when nothing was saved."""

MAX_KEYS = 200
SHOWN = 500


class Times(Body):
    minutes: Annotated[int, Field(ge=1, le=mail.MAX_MINUTES)] = 30
    repeat_mode: bool = False


def timer_of(request: Request) -> mail.BatchTimer:
    """The server's timer."""
    state = request.app.state
    if not hasattr(state, "timer"):
        site = site_of(request)
        state.timer = mail.BatchTimer(lambda: batch(site))
    timer: mail.BatchTimer = state.timer
    return timer


@router.post("/timer/set", response_model=None)
def timer_set(request: Request, body: Times) -> Response:
    """Minutes until a run over all accounts, once or again and again."""
    timer_of(request).set(body.minutes, body.repeat_mode)
    how = "every" if body.repeat_mode else "once, after"
    return answer(message=f"The timer is set: {how} {body.minutes} minutes")


@router.post("/timer/start", response_model=None)
def timer_start(request: Request) -> Response:
    """Start it; the runs delete mail."""
    timer = timer_of(request)
    if not timer.start():
        return answer(False, message="The timer is running already")
    return answer(message=f"The timer was started: {timer.minutes} minutes")


@router.post("/timer/stop", response_model=None)
def timer_stop(request: Request) -> Response:
    """Stop it; a run that has begun goes on to its end."""
    done = timer_of(request).stop()
    return answer(done, message="The timer was stopped" if done else "The timer is not running")


@router.post("/batch/run", response_model=None)
async def batch_run(request: Request) -> Response:
    """A run over every account; deletes mail."""
    return await slowly(lambda: _batch(site_of(request)))


def _batch(site: Site) -> Response:
    lines, good = batch(site)
    output = "\n".join(lines)[-SHOWN:]
    if not lines:
        return answer(False, message="There is no account", error="no account")
    if not good:
        return answer(False, message="Not every account was done", error=output)
    return answer(message="All accounts were done", output=output)


def batch(site: Site) -> tuple[list[str], bool]:
    """A line for each account, and whether all went well."""
    lines, good = [], True
    for account in mail.mail_accounts(site):
        try:
            done = mail.process(site, account, preview=False)
            good = good and done["success"]
            lines.append(
                f"{account.address}: {done['total_deleted']} deleted, "
                f"{done['total_preserved']} stay"
            )
        except AtlasFastError as error:
            good = False
            lines.append(f"{account.address}: {error}")
    return lines, good


class Saved(Body):
    section: Text | None = None
    config: Annotated[dict[str, Any], Field(max_length=MAX_KEYS)] | None = None


class Raw(Body):
    config: Annotated[dict[str, Any], Field(max_length=MAX_KEYS)] | None = None


@router.post("/config/save", response_model=None)
def config_save(request: Request, body: Saved) -> Response:
    """Keep the settings of a section."""
    absent = missing(section=body.section, config=body.config)
    if absent is not None:
        return absent
    if body.section not in SECTIONS:
        raise UsageError(f"section: one of {', '.join(SECTIONS)} is needed")
    _keep(request, {str(body.section): body.config})
    return answer(message=f"The settings of {body.section} were saved")


@router.post("/config/save-raw", response_model=None)
def config_save_raw(request: Request, body: Raw) -> Response:
    """Keep the settings of all sections that are given."""
    return _whole(request, body, "saved")


@router.post("/config/import", response_model=None)
def config_import(request: Request, body: Raw) -> Response:
    """The same, of an exported file."""
    return _whole(request, body, "imported")


def _whole(request: Request, body: Raw, done: str) -> Response:
    absent = missing(config=body.config)
    if absent is not None:
        return absent
    assert body.config is not None
    unknown = [name for name in body.config if name not in SECTIONS]
    if unknown or not all(isinstance(value, dict) for value in body.config.values()):
        raise UsageError(f"config: an object of {', '.join(SECTIONS)} is needed")
    _keep(request, body.config)
    return answer(message=f"The settings were {done}")


def _keep(request: Request, sections: dict[str, Any]) -> None:
    plain = {
        name: {
            key: _plain(key, value, SECTIONS[name]) for key, value in values.items()
        }
        for name, values in sections.items()
    }  # fmt: skip

    def change(there: Any) -> Any:
        kept = there or {}
        return {name: kept.get(name, {}) | plain.get(name, {}) for name in SECTIONS}

    with site_of(request).writing() as store:
        store.change_setting(SETTING, change, "settings of the original's page")


def _plain(key: str, value: Any, known: dict[str, Any]) -> Any:
    """A value of the kind of the setting's own. Raises UsageError."""
    if key not in known:
        raise UsageError(f"config: the settings are {', '.join(known)}")
    wanted = type(known[key])
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted or (wanted is not bool and not 0 <= value <= 1e9):
        raise UsageError(f"config: {key} must be like {known[key]!r}")
    return value


EXPORTED = {"content": {"application/json": {"schema": {"type": "object"}}}}


@router.get(
    "/config/export",
    response_model=None,
    responses={200: {"description": "sections of settings", **EXPORTED}},
)
def config_export(request: Request) -> Response:
    """Sections of settings; what was saved, where something was."""
    found = site_of(request).reader.setting(SETTING) or {}
    made = {name: values | found.get(name, {}) for name, values in SECTIONS.items()}
    return plain_object(made)


def plain_object(value: dict[str, Any]) -> Response:
    """An answer without `success`, as the original's export has it."""
    return Response(orjson.dumps(value), media_type="application/json")


@router.post("/db/clear-feedback", response_model=None)
def clear_feedback(request: Request) -> Response:
    """Forget what users have said; what was learned of it stays learned."""
    site = site_of(request)
    with site.plain() as connection:
        cleared = connection.execute("DELETE FROM user_feedback").rowcount
        connection.commit()
    site.reader.forget()
    return answer(cleared_count=cleared, message=f"{cleared} entries were removed")


@router.post("/db/remove-duplicates", response_model=None)
async def remove_duplicates(request: Request) -> Response:
    """Of rows with the same account, folder and uid the newest stays."""
    return await slowly(lambda: _duplicates(site_of(request)))


def _duplicates(site: Site) -> Response:
    with site.plain() as connection:
        removed = actions.drop_duplicates(connection)
        connection.commit()
    site.reader.forget()
    return answer(removed_count=removed, message=f"{removed} duplicates were removed")
