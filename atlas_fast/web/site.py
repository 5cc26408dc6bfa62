"""What all routes share: the store, the settings, the templates; one object in `app.state.site`."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse

from atlas_fast.accounts import run_folders
from atlas_fast.errors import StoreError
from atlas_fast.mailrun import Options
from atlas_fast.observe.live import Live, live_folder, live_runs
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.store import name_of, open_database, open_store
from atlas_fast.store.plain import PlainConnections
from atlas_fast.store.sqlite import SqliteStore
from atlas_fast.store.views import Change, Outcome, StoreReader, change
from atlas_fast.web.assets import Assets
from atlas_fast.web.jobs import Job, Jobs
from atlas_fast.web.render import Pages
from atlas_fast.web.sessions import Sessions
from atlas_fast.web.settings import WebSettings

__all__ = ["Site", "back_to", "first", "form_of", "number_of", "site_of"]


@dataclass(slots=True)
class Site:
    """`where` is the store's file; `reader` is for pages, `writing` for changes."""

    where: str
    settings: WebSettings
    reader: StoreReader
    assets: Assets
    pages: Pages
    sessions: Sessions
    jobs: Jobs
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _plain: PlainConnections | None = None

    @property
    def name(self) -> str:
        return name_of(self.where)

    @contextmanager
    def opened(self) -> Iterator[SqliteStore]:
        """The store itself, for what the reader has no question for. Raises StoreError when it is
        not there, or is empty: a page makes none."""
        self.reader.ask("SELECT 1")
        with closing(open_store(self.where, make=False)) as store:
            assert isinstance(store, SqliteStore)  # create_app takes nothing else
            yield store

    @contextmanager
    def writing(self) -> Iterator[SqliteStore]:
        """The store to change, by one request at a time; pages read anew afterwards. Raises
        StoreError when it is not there."""
        with self._writing, self.opened() as store:
            try:
                yield store
            finally:
                self.reader.forget()

    def live(self) -> list[Live]:
        """What runs say of themselves: those that are on, and those that were killed meanwhile."""
        return live_runs(live_folder(self.where))

    @contextmanager
    def plain(self) -> Iterator[sqlite3.Connection]:
        """A connection for plain SQL, by one request at a time; who changes commits. Raises
        StoreError when the store is not there."""
        self.reader.ask("SELECT 1")  # a page makes no store
        with self._writing:
            if self._plain is None:
                self._plain = PlainConnections(self.where)
            try:
                with self._plain.lend() as connection:
                    yield connection
            except sqlite3.Error as error:
                raise StoreError(f"{self.name}: {error}") from error

    def change(self, ids: Sequence[int], what: Change) -> Outcome:
        """Judge, protect or flag messages. Raises StoreError, UsageError."""
        with self.plain() as connection:
            return change(connection, self.reader, ids, what)

    def start(self, job: Job, mailbox: Mailbox, options: Options) -> bool:
        """Start a run over the folders of a job in a thread; False when one over its account is
        on."""

        def work(job: Job) -> list[dict[str, Any]]:
            def progress(messages: int, _: int) -> None:
                job.messages = messages

            with mailbox, closing(open_database(self.where)) as store:
                found = run_folders(mailbox, job.folders, store, options, progress=progress)
            return [report.to_dict() for report in found]

        return self.jobs.start(job, work, self.reader.forget)


def site_of(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def form_of(request: Request) -> dict[str, list[str]]:
    """The fields of the form, read and checked by the guard."""
    found: dict[str, list[str]] = request.scope["state"].get("form", {})
    return found


def first(form: dict[str, list[str]], name: str, most: int = 1_000) -> str:
    """A field's value without blanks around it, at most `most` characters of it."""
    return form.get(name, [""])[0].strip()[:most]


def number_of(text: str) -> int | None:
    """A number from 0 that SQLite can hold, None for anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def back_to(path: str, query: str = "", **notice: Any) -> RedirectResponse:
    """After a change: to a page of ours. `query` came from a form and is taken apart, so that it
    cannot lead anywhere else."""
    try:
        pairs = [(k, v) for k, v in parse_qsl(query, max_num_fields=50) if k not in ("done", "n")]
    except ValueError:
        pairs = []
    pairs += [(name, str(value)) for name, value in notice.items()]
    target = f"{path}?{urlencode(pairs, errors='replace')}" if pairs else path
    return RedirectResponse(target, 303)
