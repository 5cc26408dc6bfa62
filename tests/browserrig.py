"""A real browser before a real server: Debian's Chromium driven by playwright."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = {"phone": 360, "desktop": 1440}


def browser_or_skip():
    """Playwright's entrance; the test is skipped where something is absent."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed (Debian: chromium)")
    return pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@contextmanager
def serving(store, *options, **environment):
    """`atlas-fast serve` in a process of its own; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "atlas_fast", "serve", "--store", str(store), "--port", "0",
         *options],
        stderr=subprocess.PIPE, text=True, env=os.environ | environment,
    )  # fmt: skip
    try:
        line = process.stderr.readline()
        found = re.search(r"https?://\S+", line)
        assert found, line + process.stderr.read()
        yield found[0].rstrip("/")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class Watch:
    """What a page did that it may not: console errors, errors of scripts, dialogs, and requests to
    other hosts."""

    def __init__(self, context, address: str):
        self.wrong: list[str] = []
        self._host = urlsplit(address).netloc
        context.on("console", self._console)
        context.on("weberror", lambda error: self.wrong.append(f"script: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)
        self.dialogs: list[str] = []

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.wrong.append(f"console: {message.text} ({message.location.get('url')})")

    def _dialog(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.accept()

    def _request(self, request):
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._host:
            self.wrong.append(f"request: {request.url}")

    def none(self):
        """Nothing was wrong since the last time."""
        wrong, self.wrong = self.wrong, []
        assert not wrong, wrong


@contextmanager
def chromium():
    """A browser for a module's tests. Its event loop belongs to the thread while it is open."""
    playwright = browser_or_skip()
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browsing(browser, address: str, width: int = 1440, **more):
    """(page, watch) of a fresh browser context."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, base_url=address, **more
    )
    try:
        context.set_default_timeout(20_000)
        watch = Watch(context, address)
        yield context.new_page(), watch
    finally:
        context.close()


def screenshots(tmp_path: Path) -> Path:
    """Where pictures are kept: ATLAS_SCREENSHOTS, or the test's folder."""
    where = Path(os.environ.get("ATLAS_SCREENSHOTS", tmp_path))
    where.mkdir(parents=True, exist_ok=True)
    return where
