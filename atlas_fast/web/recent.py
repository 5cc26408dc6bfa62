"""Answers that were given a moment ago are given again.

Readers of a busy store ask for the same pages, and each address is made once in AGAIN_SECONDS
for all of them. A change through this server, or by a run of its own, ends all that is kept at
once.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from atlas_fast.limits import MAX_WEB_RECENT, MAX_WEB_RECENT_ANSWER

__all__ = ["AGAIN_SECONDS", "Recent"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

AGAIN_SECONDS = 0.3
"""With what the store's reader keeps (FRESH_SECONDS), an answer is half a second behind at most."""

NEVER = ("/static/",)
"""Paths whose answers hang on more than their address."""


@dataclass(slots=True)
class _Answer:
    """`token` is the form token that the body has; `stamp` what had changed before it was made."""

    made: float
    stamp: tuple[int, int]
    token: bytes
    start: Message
    body: bytes


class Recent:
    """ASGI middleware between the guard, which says who asks, and the routes.

    Kept are whole answers to GET that say 200, set no cookie and have at most
    MAX_WEB_RECENT_ANSWER bytes; a route keeps its answer out by `state["passing"]`. An answer goes
    to any session of the same kind, with that session's form token in it. `changes` counts what
    others of this process changed.
    """

    def __init__(
        self, app: Any, changes: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ):
        self.app, self.changes, self.clock = app, changes, clock
        self._answers: OrderedDict[Any, _Answer] = OrderedDict()  # the oldest first
        self._bytes = 0
        self._written = 0

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            try:
                await self.app(scope, receive, send)
            finally:  # what failed may have changed something before
                if scope["type"] == "http" and scope["method"] != "HEAD":
                    self._written += 1
            return
        path, state = scope["path"], scope["state"]
        if path.startswith(NEVER):
            await self.app(scope, receive, send)
            return
        session = state.get("session")
        token = b"" if session is None else session.form.encode()
        key = (path, scope["query_string"], state.get("host"), session and session.kind)
        now, stamp = self.clock(), (self._written, self.changes())
        there = self._answers.get(key)
        if there is not None and there.stamp == stamp and now - there.made < AGAIN_SECONDS:
            body = there.body
            if there.token and there.token != token:
                body = body.replace(there.token, token)
            await send(there.start)
            await send({"type": "http.response.body", "body": body})
            return
        start: list[Message] = []

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
            elif (
                message["type"] == "http.response.body" and start
                and not message.get("more_body") and not state.get("passing")
                and stamp == (self._written, self.changes())
            ):  # fmt: skip
                self._keep(key, _Answer(now, stamp, token, start[0], message.get("body", b"")))
            elif start:
                start.clear()  # it comes in parts
            await send(message)

        await self.app(scope, receive, watched)

    def _keep(self, key: Any, answer: _Answer) -> None:
        self._drop(key)
        whole = answer.start["status"] == 200 and len(answer.body) <= MAX_WEB_RECENT_ANSWER
        if not whole or any(name == b"set-cookie" for name, _ in answer.start["headers"]):
            return
        oldest, size = answer.made - AGAIN_SECONDS, _size(key, answer)
        while self._answers:
            first = next(iter(self._answers))
            over = self._bytes + size > MAX_WEB_RECENT
            if self._answers[first].made > oldest and not over:
                break
            self._drop(first)
        self._answers[key] = answer
        self._bytes += size

    def _drop(self, key: Any) -> None:
        gone = self._answers.pop(key, None)
        if gone is not None:
            self._bytes -= _size(key, gone)


def _size(key: Any, answer: _Answer) -> int:
    """About the bytes that it takes: addresses are the asker's choice, and long if he likes."""
    return len(answer.body) + len(key[0]) + len(key[1]) + 1024
