"""Pages out of templates: everything is escaped, what hides is made visible, what is long is cut.

A page is a dataclass and the template of the same subject. Templates are compiled once. Each value
that a template prints passes `safe`, so that no template has to remember it.
"""

from __future__ import annotations

import importlib.resources
import re
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FunctionLoader, StrictUndefined
from jinja2.compiler import CodeGenerator
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from atlas_fast import limits
from atlas_fast.store.views.reader import FRESH_SECONDS
from atlas_fast.visible import visible
from atlas_fast.web.assets import Assets
from atlas_fast.web.charts import tone_of
from atlas_fast.web.notices import notice_of

__all__ = ["Pages", "shown"]

PLACES = (
    ("Overview", "/"), ("Performance", "/performance"), ("Messages", "/messages"),
    ("Analytics", "/analytics"), ("Validation", "/validation"), ("Runs", "/runs"),
    ("Accounts", "/accounts"), ("Settings", "/settings"),
)  # fmt: skip
"""The navigation: name and path."""


def shown(value: Any) -> Any:
    """What a template prints: text with hidden characters spelled out, cut at a limit."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if len(value) > limits.MAX_WEB_TEXT:
        value = f"{value[: limits.MAX_WEB_TEXT]} … (cut, {len(value):,} characters in all)"
    return visible(value)


RECENT_PAGES, RECENT_BYTES = 64, 1 << 18
"""Rendered pages that are kept for a moment, and their size at most."""

_SPECIAL = re.compile("[&<>\"']")


def safe(value: Any) -> str:
    """A printed value as HTML: what `shown` makes of it, escaped. A list prints a thousand values,
    and few of them need either, so these are not looked at twice."""
    if type(value) is str:
        if len(value) > limits.MAX_WEB_TEXT or not value.isprintable():
            value = shown(value)
        return value if _SPECIAL.search(value) is None else str(escape(value))
    if type(value) is int:
        return str(value)
    return str(escape(shown(value)))


class _Generator(CodeGenerator):
    """Templates whose values pass `safe`."""

    def _output_child_pre(self, node: Any, frame: Any, finalize: Any) -> None:
        self.write("environment.safe(")

    def _output_child_post(self, node: Any, frame: Any, finalize: Any) -> None:
        self.write(")")


class _Environment(Environment):
    code_generator_class = _Generator
    safe = staticmethod(safe)


def cut(value: str | None, length: int) -> str:
    """At most `length` characters; three dots stand for the rest."""
    text = value or ""
    return text if len(text) <= length else f"{text[: length - 1]}…"


UNKNOWN = "\u2013"
"""Stands for a number that is not known."""


def number(value: float | None, digits: int = 0) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Of a share between 0 and 1."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f} %"


def confidence(value: float | None) -> str:
    """Confidence as stored: between 0 and 100, or between 0 and 1 in rows of other programs."""
    if value is None:
        return UNKNOWN
    return f"{value * 100 if 0 < value <= 1 else value:.0f} %"


def seconds(value: float | None) -> str:
    """A time span in the unit that suits it."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0 s"
    if value < 1:
        return f"{value * 1000:.1f} ms"
    if value < 120:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return (
        f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest} s"
    )


def size(value: float | None) -> str:
    """Bytes in the unit that suits them."""
    if value is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1000
    raise AssertionError


def query(path: str, **values: Any) -> str:
    """A path of ours with a query; values that are None or empty stay out."""
    kept = {name: value for name, value in values.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept, errors='replace')}" if kept else path


class Pages:
    """Renders pages."""

    def __init__(self, assets: Assets, store: str, login: bool):
        self._recent: dict[Any, tuple[float, int, bytes, bytes]] = {}
        self.env = _Environment(
            loader=FunctionLoader(_template), autoescape=True, undefined=StrictUndefined,
            finalize=shown, auto_reload=False, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self.env.filters |= {
            "cut": cut, "number": number, "percent": percent, "confidence": confidence,
            "seconds": seconds, "size": size, "tone": tone_of,
            "list_of": lambda value, kind: (value, kind), "swapped": lambda pair: pair[::-1],
        }  # fmt: skip
        self.env.globals |= {
            "asset": assets.url, "places": PLACES, "query": query, "store": store,
            "chart_styles": lambda: assets.chart_styles, "login": login,
        }  # fmt: skip

    def __call__(self, request: Request, name: str, page: Any, status: int = 200) -> HTMLResponse:
        """The page as an answer.

        What was rendered for reading the same address less than FRESH_SECONDS ago is given again,
        with this session's form token in it, unless this server has changed the store since. What
        answers a form, or says that something is wrong, is never kept.
        """
        session = request.scope["state"].get("session")
        token = b"" if session is None else session.form.encode()
        now, changes = time.monotonic(), request.app.state.site.reader.changes
        key = (name, str(request.url), status, None if session is None else session.kind)
        keep = request.method == "GET" and status == 200
        there = self._recent.get(key) if keep else None
        if there is not None and there[1] == changes and now - there[0] < FRESH_SECONDS:
            body = there[3] if there[2] == token else there[3].replace(there[2], token)
            return HTMLResponse(body, status)
        text = self.env.get_template(name).render(
            page=page, path=request.url.path, session=session,
            notice=notice_of(request.query_params), now=datetime.now(),
        )  # fmt: skip
        body = text.encode("utf-8", "replace")
        if len(self._recent) >= RECENT_PAGES:
            self._recent.clear()
        if keep and token and len(body) <= RECENT_BYTES:
            self._recent[key] = (now, changes, token, body)
        return HTMLResponse(body, status)


def _template(name: str) -> str | None:
    where = importlib.resources.files("atlas_fast.web").joinpath("templates", name)
    return where.read_text("utf-8") if where.is_file() else None
