"""Pages out of templates: everything is escaped, what hides is made visible, what is long is cut.

A page is a dataclass and the template of the same subject. Templates are compiled once. Each value
that a template prints passes `safe`, so that no template has to remember it.
"""

from __future__ import annotations

import importlib.resources
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FunctionLoader, StrictUndefined
from jinja2.compiler import CodeGenerator
from starlette.requests import Request
from starlette.responses import HTMLResponse

from atlas_fast import limits
from atlas_fast.web import listing, worldmap
from atlas_fast.web.assets import Assets
from atlas_fast.web.charts import tone_of
from atlas_fast.web.escape import confidence, cut, number, percent, safe, seconds, shown, size
from atlas_fast.web.notices import notice_of

__all__ = ["PLACES", "Pages", "query"]

PLACES = (
    ("Overview", "/"), ("Performance", "/performance"), ("Messages", "/messages"),
    ("Analytics", "/analytics"), ("Validation", "/validation"), ("Runs", "/runs"),
    ("Accounts", "/accounts"), ("Settings", "/settings"),
)  # fmt: skip
"""The navigation: name and path."""


class _Generator(CodeGenerator):
    """Templates whose values pass `safe`."""

    def _output_child_pre(self, node: Any, frame: Any, finalize: Any) -> None:
        self.write("environment.safe(")

    def _output_child_post(self, node: Any, frame: Any, finalize: Any) -> None:
        self.write(")")


class _Environment(Environment):
    code_generator_class = _Generator
    safe = staticmethod(safe)


def query(path: str, **values: Any) -> str:
    """A path of ours with a query; values that are None or empty stay out."""
    kept = {name: value for name, value in values.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept, errors='replace')}" if kept else path


class Pages:
    """Renders pages."""

    def __init__(self, assets: Assets, store: str, login: bool):
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
            "chart_styles": lambda: assets.chart_styles, "login": login, "chip": listing.chip,
            "category": listing.category, "action": listing.action, "marks": listing.marks,
            "message_rows": listing.message_rows, "most_csv": limits.MAX_WEB_CSV,
            "grid": worldmap.GRID, "land": worldmap.land,
        }  # fmt: skip

    def __call__(self, request: Request, name: str, page: Any, status: int = 200) -> HTMLResponse:
        """The page as an answer."""
        text = self.env.get_template(name).render(
            page=page, path=request.url.path, session=request.scope["state"].get("session"),
            notice=notice_of(request.query_params), now=datetime.now(),
        )  # fmt: skip
        body = text.encode("utf-8", "replace")
        return HTMLResponse(body, status)


def _template(name: str) -> str | None:
    where = importlib.resources.files("atlas_fast.web").joinpath("templates", name)
    return where.read_text("utf-8") if where.is_file() else None
