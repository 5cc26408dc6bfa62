"""Logging in and out."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from atlas_fast import limits
from atlas_fast.web.routing import page_router
from atlas_fast.web.security import Guard
from atlas_fast.web.sessions import KNOWN
from atlas_fast.web.site import first, form_of, site_of

router = page_router()


@dataclass(frozen=True, slots=True)
class LoginPage:
    """`next`: the path of ours that follows; `wrong`: the last attempt was."""

    next: str
    wrong: bool = False


def local(path: str) -> str:
    """A path of this server: anything that could lead elsewhere becomes the overview."""
    good = path.startswith("/") and not path.startswith(("//", "/\\", "/login"))
    return path if good and path.isprintable() and "\\" not in path else "/"


@router.get("/login")
def show(request: Request, next: str = "/") -> Response:
    site = site_of(request)
    if not site.settings.login:
        return RedirectResponse("/", 303)
    return site.pages(request, "login.html", LoginPage(local(next)))


@router.post("/login")
async def enter(request: Request) -> Response:
    site, form = site_of(request), form_of(request)
    guard: Guard = request.scope["state"]["guard"]
    client = request.client.host if request.client else ""
    target = local(first(form, "next"))
    secret = form.get("secret", [""])[0][: limits.MAX_WEB_SECRET + 1]
    if not await guard.attempt(client, secret):
        return site.pages(request, "login.html", LoginPage(target, wrong=True), 401)
    old = request.scope["state"]["session"]
    if old is not None:
        site.sessions.end(old)  # a session that somebody planted is of no use
    _, cookie = site.sessions.make(KNOWN)
    answer = RedirectResponse(target, 303)
    answer.raw_headers.append((b"set-cookie", guard.cookie(cookie)))
    return answer


@router.post("/logout")
def leave(request: Request) -> Response:
    site = site_of(request)
    guard: Guard = request.scope["state"]["guard"]
    if (session := request.scope["state"]["session"]) is not None:  # a bearer has none
        site.sessions.end(session)
    answer = RedirectResponse("/login?done=left", 303)
    answer.raw_headers.append((b"set-cookie", guard.cookie("")))
    return answer
