"""Files for browsers: our own from `static/`, and the chart library out of its package.

All of them are read into memory; a request names a key of a table, never a path. The name has the
file's digest in it, so that a browser may keep it for ever.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import re
import threading
from dataclasses import dataclass
from functools import cached_property

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

__all__ = ["Assets"]

KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"
CHARTS = "plotly.js"
GLOBAL_STYLE = "plotly.js-style-global"
"""The element that the chart library looks for before it makes a style sheet of its own."""


@dataclass(slots=True)
class _File:
    kind: str
    body: bytes
    digest: str
    packed: bytes = b""


class Assets:
    """The table of files. The chart library is read when a page first asks for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        for entry in importlib.resources.files("atlas_fast.web").joinpath("static").iterdir():
            suffix = entry.name.rpartition(".")[2]
            if suffix in KINDS:
                self._files[entry.name] = _file(KINDS[suffix], entry.read_bytes())

    def url(self, name: str) -> str:
        """Where a page finds a file."""
        return f"/static/{self._file(name).digest}/{name}"

    @cached_property
    def chart_styles(self) -> list[str]:
        """Ids of the style sheets that the chart library would put into the page. Where an element
        of that name is there it makes none: our content policy would refuse them."""
        found = re.findall(rb'getElementById\("([0-9a-f]{64})"\)', self._file(CHARTS).body)
        return [GLOBAL_STYLE, *dict.fromkeys(name.decode() for name in found)]

    def respond(self, request: Request, digest: str, name: str) -> Response:
        """The file, packed where the browser can unpack it."""
        if name not in self._files and name != CHARTS:
            return PlainTextResponse("There is no such file.", 404)
        file = self._file(name)
        if digest != file.digest:
            return PlainTextResponse("There is no such file.", 404)
        headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            with self._lock:
                if not file.packed:
                    file.packed = gzip.compress(file.body, 6)
            headers["content-encoding"] = "gzip"
            return Response(file.packed, headers=headers, media_type=file.kind)
        return Response(file.body, headers=headers, media_type=file.kind)

    def _file(self, name: str) -> _File:
        if name == CHARTS:
            with self._lock:
                if name not in self._files:
                    where = importlib.resources.files("plotly").joinpath("package_data")
                    body = where.joinpath("plotly.min.js").read_bytes()
                    self._files[name] = _file(KINDS["js"], body)
        return self._files[name]


def _file(kind: str, body: bytes) -> _File:
    return _File(f"{kind}; charset=utf-8", body, hashlib.sha256(body).hexdigest()[:16])
