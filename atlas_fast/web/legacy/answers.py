"""How a route of the original's answers, and the types of what it is asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import anyio
import anyio.to_thread
import orjson
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, Field

from atlas_fast.errors import AtlasFastError
from atlas_fast.store.rows import clean
from atlas_fast.web.routing import QuickRoute

__all__ = [
    "Answered", "Body", "ErrorRoute", "Limit", "Number", "Position", "Text", "Uid", "answer",
    "legacy_router", "missing", "slowly",
]  # fmt: skip


class Answered(BaseModel):
    """What every answer has; the other keys are those of the route."""

    success: bool = Field(description="was it done")


class Body(BaseModel):
    """A body of a route. What the original needs is checked by the route, as it was there: a
    missing field answers 200 and `success` false."""


def _as_text(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _as_uid(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _as_text(value)


Text = Annotated[str, BeforeValidator(_as_text)]
"""A text in its stored form: no control characters, no half characters."""

Uid = Annotated[str, BeforeValidator(_as_uid)]
"""A message's uid: a text, or a number that becomes one."""

Number = Annotated[int, Field(ge=0, le=(1 << 63) - 1)]
"""An id."""

Position = Annotated[int, Field(ge=1, le=1_000_000)]
"""Number of a page."""

Limit = Annotated[int, Field(ge=1, le=1_000)]
"""How many entries."""


def answer(success: bool = True, **keys: Any) -> Response:
    """A JSON object with `success` first."""
    return Response(
        orjson.dumps({"success": success} | keys, default=str), media_type="application/json"
    )


def missing(**given: Any) -> Response | None:
    """The answer to a request without one of these, None when all are there."""
    absent = [name for name, value in given.items() if not value]
    return answer(False, message=f"Missing: {', '.join(absent)}") if absent else None


_slow: list[anyio.CapacityLimiter] = []
SLOW_THREADS = 16


async def slowly(work: Callable[[], Response]) -> Response:
    """Do what may take minutes in a thread that no page waits for."""
    if not _slow:
        _slow.append(anyio.CapacityLimiter(SLOW_THREADS))
    return await anyio.to_thread.run_sync(work, limiter=_slow[0])


class LegacyRoute(QuickRoute):
    """Says in the original's way what could not be done; an error's text names no file beyond the
    store, and never a value that was given."""

    failure = "message"

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except AtlasFastError as error:
                request.scope["state"]["passing"] = True
                return answer(False, **{self.failure: str(error)})
            except sqlite3.Error as error:
                request.scope["state"]["passing"] = True
                text = f"the store did not do it: {type(error).__name__}"
                return answer(False, **{self.failure: text})
            except RequestValidationError as error:
                detail = [
                    {
                        "loc": [str(part) for part in one["loc"]],
                        "msg": str(one["msg"]),
                        "type": str(one["type"]),
                    }
                    for one in error.errors()
                ]
                body = orjson.dumps({"detail": detail}, default=repr)
                return Response(body, 422, media_type="application/json")

        return handled


class ErrorRoute(LegacyRoute):
    """The same where the original's key is `error`."""

    failure = "error"


def legacy_router(*, route: type[APIRoute] = LegacyRoute) -> APIRouter:
    """A router of such routes."""
    return APIRouter(
        prefix="/api", route_class=route, tags=["original"], default_response_class=Response,
        responses={200: {"model": Answered, "content": {"application/json": {}}}},
    )  # fmt: skip
