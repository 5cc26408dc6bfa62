"""Routes that read are answered where they arrive.

A page is a millisecond or two of work, and each question to the store has a limit: to hand it to a
thread and back costs a quarter more, and with many readers the threads only wait for each other.
What writes, or waits for others, has threads.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor, register_url_convertor

__all__ = ["QuickRoute", "page_router"]


class _Folder(PathConvertor):
    """`{name:folder}` in a path: any text, slashes and line ends too, which `path` ends at."""

    regex = r"[\s\S]*"


register_url_convertor("folder", _Folder())


class QuickRoute(APIRoute):
    """A GET of it that is no coroutine is called on the event loop."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any):
        reads = set(more.get("methods") or ()) <= {"GET"}
        if reads and not inspect.iscoroutinefunction(endpoint):
            endpoint = _on_loop(endpoint)
        super().__init__(path, endpoint, **more)


def _on_loop(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def answer(*args: Any, **named: Any) -> Any:
        return endpoint(*args, **named)

    # Names in annotations are those of the endpoint's module.
    answer.__signature__ = inspect.signature(endpoint, eval_str=True)  # type: ignore[attr-defined]
    return answer


def page_router() -> APIRouter:
    """For pages: not in the OpenAPI document."""
    return APIRouter(include_in_schema=False, route_class=QuickRoute)
