"""The door: every request passes `Guard` before a route sees it, every answer on its way out.

In this order: the name by which the server is called, rate limits, the size of the body, who it is,
and for whatever is not a plain reading where it comes from and whether it carries the session's
form token. Nothing here depends on a route remembering to ask.
"""

from __future__ import annotations

import functools
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, quote

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request

from atlas_fast import limits
from atlas_fast.web.limiting import Buckets
from atlas_fast.web.sessions import KNOWN, Login, Session, Sessions
from atlas_fast.web.settings import WebSettings

log = logging.getLogger(__name__)

__all__ = ["COOKIE", "FORM_FIELD", "FORM_HEADER", "Guard", "policy"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

COOKIE = "atlas_fast"
FORM_FIELD, FORM_HEADER = "csrf", b"x-csrf-token"
READING = frozenset(("GET", "HEAD"))
OPEN_PATHS = ("/login", "/static/", "/healthz")
"""What may be read without a login."""

UPLOAD_PATHS = ("/settings/import",)


def policy() -> str:
    """The content policy: only files of this host, nothing inline, nobody frames it."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


HEADERS = [
    (b"content-security-policy", policy().encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]


class Refused(Exception):
    """The request goes no further: status, a sentence, headers."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]):
        super().__init__(text)
        self.status, self.text, self.headers = status, text, list(headers)


def _reached_by_others(scope: Scope) -> bool:
    """Did the request come in on an address that other machines reach?"""
    found = _address((scope.get("server") or ("",))[0])
    return found is not None and not found.is_loopback  # None: a socket in the file system


@functools.lru_cache(maxsize=64)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text is, None where it is none; few are asked for again and again."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(
        self, app: Any, settings: WebSettings, sessions: Sessions, login: Login,
        reads: Buckets, writes: Buckets, logins: Buckets,
    ):  # fmt: skip
        self.app, self.settings = app, settings
        self.sessions, self.login = sessions, login
        self.reads, self.writes, self.logins = reads, writes, logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            else:  # there is no websocket here
                await send({"type": "websocket.close", "code": 1008})
            return
        fields: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            fields[name] = value if name not in fields else fields[name] + b", " + value
        cookie: list[str] = []
        try:
            receive = await self._enter(scope, fields, receive, cookie)
        except Refused as refused:
            await self._refuse(scope, refused, send)
            return
        out = self._leaving(scope, send, cookie)
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await out(message)

        try:
            await self.app(scope, receive, watched)
        except Refused as refused:
            await self._refuse(scope, refused, send)
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            if begun:
                raise
            wrong = Refused(500, "Something went wrong here; the server's log says what.")
            await self._refuse(scope, wrong, send)

    # -- coming in ---------------------------------------------------------------------------

    async def _enter(
        self, scope: Scope, fields: dict[bytes, bytes], receive: Receive, cookie: list[str]
    ) -> Receive:
        """Let the request in, or raise Refused. A new session's cookie goes into `cookie`."""
        path, reading = scope["path"], scope["method"] in READING
        if not self.settings.login and _reached_by_others(scope):
            raise Refused(403, "Without a login this server answers only its own machine.")
        host = self._host(fields)
        client = (scope.get("client") or ("",))[0]
        self._limit(client, reading)
        cap = limits.MAX_WEB_UPLOAD if path in UPLOAD_PATHS else limits.MAX_WEB_BODY
        size = fields.get(b"content-length", b"0")
        if not size.isdigit() or int(size) > cap:
            raise Refused(413, f"A request may have {cap:,} bytes at most.")
        bearer = await self._bearer(fields, client)
        session = None if bearer else self._session(fields)
        if not bearer and not self._may(session, path):
            self._ask_to_log_in(scope, fields)
        if session is None and not bearer:
            session, made = self.sessions.make()
            cookie.append(made)
        scope.setdefault("state", {})["session"] = session
        scope["state"]["guard"], scope["state"]["host"] = self, host
        if reading:
            return receive
        body = await _read(receive, cap)
        if session is not None:
            self._origin(scope, fields, host)
        kind = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
        form = scope["state"]["form"] = await _fields(scope, kind, body)
        if session is not None and not self._program(scope, fields, kind, fresh=bool(cookie)):
            given = fields.get(FORM_HEADER, b"").decode("latin-1") or form.get(FORM_FIELD, [""])[0]
            if not hmac.compare_digest(given.encode(), session.form.encode()):
                raise Refused(403, "The form is not of this session any more; load the page again.")
        return _again(body, receive)

    def _host(self, fields: dict[bytes, bytes]) -> str:
        """The name the server is called by: a foreign one may have been pointed here to let a web
        page read us. An address cannot be."""
        host = fields.get(b"host", b"").decode("latin-1")
        name = host.rpartition(":")[0] if _has_port(host) else host
        name = name.strip("[]").lower()
        if name == "localhost" or name in self.settings.names:
            return host
        if _address(name) is None:
            raise Refused(421, "This server is not called by that name.")
        return host

    def _limit(self, client: str, reading: bool) -> None:
        wait = (self.reads if reading else self.writes).take(client)
        if wait:
            later = str(int(wait) + 1).encode()
            raise Refused(429, "Too many requests; try again later.", (b"retry-after", later))

    async def _bearer(self, fields: dict[bytes, bytes], client: str) -> bool:
        """Whether the request proves itself by a token in a header; then no cookie counts."""
        kind, _, secret = fields.get(b"authorization", b"").decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not self.settings.login:
            return False
        if self.login.known(secret):
            return True
        if not await self.attempt(client, secret):
            raise Refused(401, "The token is wrong.", (b"www-authenticate", b"Bearer"))
        return True

    async def attempt(self, client: str, secret: str) -> bool:
        """One attempt to log in. Raises Refused when there were too many."""
        wait = self.logins.take(client)
        if wait:
            later = str(int(wait) + 1).encode()
            raise Refused(
                429, "Too many attempts to log in; try again later.", (b"retry-after", later)
            )
        return await anyio.to_thread.run_sync(self.login.right, secret)

    def _session(self, fields: dict[bytes, bytes]) -> Session | None:
        for one in fields.get(b"cookie", b"").decode("latin-1").split(";"):
            name, _, value = one.strip().partition("=")
            if name == COOKIE:
                return self.sessions.read(value)
        return None

    def _may(self, session: Session | None, path: str) -> bool:
        if not self.settings.login or path.startswith(OPEN_PATHS):
            return True
        return session is not None and session.kind == KNOWN

    def _ask_to_log_in(self, scope: Scope, fields: dict[bytes, bytes]) -> None:
        page = b"text/html" in fields.get(b"accept", b"")
        if page and scope["method"] in READING:
            target = scope["path"]
            if scope.get("query_string"):
                target += "?" + scope["query_string"].decode("latin-1")
            where = b"/login?next=" + quote(target[:500], safe="").encode()
            raise Refused(303, "Log in first.", (b"location", where))
        raise Refused(401, "Log in first.", (b"www-authenticate", b"Bearer"))

    def _origin(self, scope: Scope, fields: dict[bytes, bytes], host: str) -> None:
        """A change comes from a page of this server, as far as the browser says."""
        if fields.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
            raise Refused(403, "This request comes from another site.")
        origin = fields.get(b"origin")
        schemes = ("https", "http") if self.settings.https else (scope["scheme"],)
        if origin is not None and origin.decode("latin-1") not in [
            f"{s}://{host}" for s in schemes
        ]:
            raise Refused(403, "This request comes from another site.")

    def _program(self, scope: Scope, fields: dict[bytes, bytes], kind: bytes, fresh: bool) -> bool:
        """A program that is no browser, as it has no cookie and names no origin, needs no form
        token for the JSON routes of a server without login: no web page can make a browser send
        that."""
        browser = b"cookie" in fields or b"origin" in fields or b"sec-fetch-site" in fields
        json = kind in (b"application/json", b"")
        return fresh and not browser and json and scope["path"].startswith("/api/")

    # -- going out ---------------------------------------------------------------------------

    def _leaving(self, scope: Scope, send: Send, cookie: list[str]) -> Send:
        """Security headers on every answer; a new session's cookie with a page."""

        async def leave(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                names = {name for name, _ in headers}
                headers += [one for one in HEADERS if one[0] not in names]
                if b"cache-control" not in names:
                    headers.append((b"cache-control", b"no-store"))
                kind = dict(headers).get(b"content-type", b"")
                if cookie and kind.startswith(b"text/html") and b"set-cookie" not in names:
                    headers.append((b"set-cookie", self.cookie(cookie[0])))
                if self.settings.https:
                    headers.append((b"strict-transport-security", b"max-age=31536000"))
                message = {**message, "headers": headers}
            await send(message)

        return leave

    def cookie(self, value: str) -> bytes:
        """The header that sets the session's cookie; an empty value takes it away."""
        last = self.settings.seconds if value else 0
        secure = "; Secure" if self.settings.https else ""
        text = f"{COOKIE}={value}; Path=/; Max-Age={last}; HttpOnly; SameSite=Strict{secure}"
        return text.encode()

    async def _refuse(self, scope: Scope, refused: Refused, send: Send) -> None:
        body = f'{{"success":false,"message":"{refused.text}"}}'.encode()
        kind = b"application/json"
        accepts = dict(scope["headers"]).get(b"accept", b"")
        if b"text/html" in accepts:
            kind = b"text/html; charset=utf-8"
            body = PLAIN.format(
                title="Sorry" if refused.status >= 500 else "Refused", text=refused.text
            ).encode()
        headers = [
            (b"content-type", kind), (b"content-length", str(len(body)).encode()),
            *refused.headers,
        ]  # fmt: skip
        out = self._leaving(scope, send, [])
        await out({"type": "http.response.start", "status": refused.status, "headers": headers})
        await out(
            {"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""}
        )


PLAIN = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>atlas_fast</title>'
    '<link rel="icon" href="data:,"></head>'
    '<body><main><h1>{title}</h1><p>{text}</p><p><a href="/">To the overview</a></p></main>'
    "</body></html>"
)


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and (host.count(":") == 1 or "]:" in host)


async def _read(receive: Receive, cap: int) -> bytes:
    """The whole body. Raises Refused when it is longer than it may be, or breaks off."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request broke off.")
        part = message.get("body", b"")
        size += len(part)
        if size > cap:
            raise Refused(413, f"A request may have {cap:,} bytes at most.")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _fields(scope: Scope, kind: bytes, body: bytes) -> dict[str, list[str]]:
    """Fields of a form by name; of a file its text. Raises Refused for what cannot be read."""
    try:
        if kind == b"application/x-www-form-urlencoded":
            return parse_qs(
                body.decode("utf-8"), keep_blank_values=True,
                max_num_fields=limits.VIEW_IDS + 50,
            )  # fmt: skip
        if kind != b"multipart/form-data":
            return {}
        found: dict[str, list[str]] = {}
        request = Request(scope, _again(body, _nothing))
        form = request.form(max_files=1, max_fields=50, max_part_size=limits.MAX_WEB_BODY)
        async with form as parts:
            for name, value in parts.multi_items():
                text = value if isinstance(value, str) else (await value.read()).decode("utf-8")
                found.setdefault(name, []).append(text)
        return found
    except (ValueError, HTTPException):
        raise Refused(400, "The form cannot be read.") from None


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then what else comes."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once
