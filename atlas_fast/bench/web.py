"""How long pages and routes take: many readers at once, on a large store, while a run writes.

Server, run and readers are three processes of one machine. A reader asks for the next page as soon
as it has the last, without a pause, so that the server is never idle; each asks for every route in
an order of its own, with other parameters each time. A time is that from the request's first byte
to the answer's last, as the reader sees it. An answer that is not 200, or is not what its route
gives, is an error.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from atlas_fast.bench.webstore import COUNTRIES, WORDS, fill
from atlas_fast.errors import AtlasFastError
from atlas_fast.store.search import SearchIndex

__all__ = ["READERS", "Load", "Route", "measure", "routes"]

READERS = 20
SECONDS = 30.0
RUN_MESSAGES = 100_000
"""Messages of one run of the writer; runs follow each other until the readers are done."""

START_SECONDS = 30.0
PLAIN_TEXT = ("/healthz", "/metrics")
JSON_PATHS = ("/api/", "/openapi.json")


@dataclass(frozen=True, slots=True)
class Route:
    """`name` in the report; `path` makes an address, with other parameters each time."""

    name: str
    path: Callable[[random.Random], str]


@dataclass(slots=True)
class Load:
    """Milliseconds by route, in the order of answers, and what was wrong. `server_seconds`: what
    the server used of a processor meanwhile; `written` rows of the runs; `indexing`: seconds that
    making the search index took."""

    times: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    first_errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    written: int = 0
    indexing: float = 0.0
    server_seconds: float = 0.0
    messages: int = 0

    @property
    def requests(self) -> int:
        return sum(map(len, self.times.values()))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        names = ("route", "requests", "median_ms", "p99_ms", "longest_ms", "errors")
        return {
            "messages": self.messages, "seconds": self.seconds, "written": self.written,
            "indexing_seconds": self.indexing, "server_seconds": self.server_seconds,
            "routes": [dict(zip(names, row, strict=True)) for row in self.rows()],
        }  # fmt: skip

    def rows(self) -> list[tuple[str, int, float, float, float, int]]:
        """(route, requests, median, 99th percentile, longest, errors), the slowest first; `all` is
        the last."""
        made = [
            (name, len(ms), *_percentiles(ms), self.errors.get(name, 0))
            for name, ms in self.times.items()
        ]
        every = [one for ms in self.times.values() for one in ms]
        made.sort(key=lambda row: -row[3])
        if every:
            made.append(("all", len(every), *_percentiles(every), sum(self.errors.values())))
        return made


def _percentiles(ms: Sequence[float]) -> tuple[float, float, float]:
    at = sorted(ms)
    return at[len(at) // 2], at[min(len(at) - 1, int(len(at) * 0.99))], at[-1]


def routes(messages: int, runs: int) -> list[Route]:
    """Every page, and every route that reads."""

    def word(rng: random.Random) -> str:
        return rng.choice(WORDS)

    def sender(rng: random.Random) -> int:
        return int(40 * rng.paretovariate(0.9)) % 30_000

    def number(rng: random.Random) -> int:
        return rng.randrange(1, messages)

    def run(rng: random.Random) -> int:
        return rng.randrange(1, runs)

    def country(rng: random.Random) -> str:
        return rng.choice(COUNTRIES)

    old = ("Phishing", "Payment%20Scam", "Business%20Opportunity%20Spam")
    new = ("Dangerous", "Scams", "Commercial%20Spam")
    fixed = (
        "/", "/performance", "/messages", "/analytics", "/validation", "/runs", "/accounts",
        "/settings", "/healthz", "/metrics", "/openapi.json", "/api/live",
        "/api/accounts", "/api/feedback/stats", "/api/user-stats", "/api/emails/flagged",
        "/api/emails/deletion-flagged", "/api/emails/research-flagged", "/api/last-import/info",
        "/api/config/export",
    )  # fmt: skip
    varied: dict[str, Callable[[random.Random], str]] = {
        "/messages?text": lambda rng: f"/messages?text={word(rng)}",
        "/messages?text, two words": lambda rng: f"/messages?text={word(rng)}+{word(rng)}",
        "/messages?sender": lambda rng: (
            f"/messages?sender=user{(one := sender(rng))}@host{one}.example"
        ),
        "/messages?domain": lambda rng: f"/messages?domain=host{sender(rng)}.example",
        "/messages?country": lambda rng: f"/messages?country={country(rng)}",
        "/messages?category": lambda rng: f"/messages?category={rng.choice(new)}",
        "/messages?country, category": lambda rng: (
            f"/messages?country={country(rng)}&category={rng.choice(new)}"
        ),
        "/messages?action": lambda rng: f"/messages?action={rng.choice(('DELETED', 'PRESERVED'))}",
        "/messages?run": lambda rng: f"/messages?run={run(rng)}",
        "/messages?since, until": lambda rng: (
            f"/messages?since=2026-0{rng.randrange(1, 6)}-01&until=2026-0{rng.randrange(6, 10)}-01"
        ),
        "/messages?text, country, action": lambda rng: (
            f"/messages?text={word(rng)}&country={country(rng)}&action=DELETED"
        ),
        "/messages?after": lambda rng: f"/messages?after={number(rng)}",
        "/messages?text, after": lambda rng: f"/messages?text={word(rng)}&after={number(rng)}",
        "/messages/N": lambda rng: f"/messages/{number(rng)}",
        "/runs/N": lambda rng: f"/runs/{run(rng)}",
        "/validation?category": lambda rng: f"/validation?category={rng.choice(old)}",
        "/api/country-classifications/C": lambda rng: (
            f"/api/country-classifications/{country(rng)}"
        ),
        "/api/country-subcategories/C": lambda rng: f"/api/country-subcategories/{country(rng)}",
        "/api/category-subcategories/C": lambda rng: (
            f"/api/category-subcategories/{rng.choice(new)}"
        ),
        "/api/emails/flag-status/...": lambda rng: (
            f"/api/emails/flag-status/1/{quote('mbox:bench')}/{number(rng)}"
        ),
        "/api/emails/flag-status-detailed/...": lambda rng: (
            f"/api/emails/flag-status-detailed/1/{quote('mbox:bench')}/{number(rng)}"
        ),
        "/api/validation/emails/C": lambda rng: f"/api/validation/emails/{rng.choice(old)}",
        "/api/validation/emails/C?page": lambda rng: (
            f"/api/validation/emails/{rng.choice(old)}?page={rng.randrange(1, 500)}"
        ),
        "/api/single-account/1/emails/N": lambda rng: f"/api/single-account/1/emails/{run(rng)}",
        "/api/all-accounts/emails": lambda rng: (
            "/api/all-accounts/emails?session_ids="
            + quote(f'[{{"session_id":{run(rng)}}},{{"session_id":{run(rng)}}}]')
        ),
    }
    return [Route(path, lambda rng, path=path: path) for path in fixed] + [  # type: ignore[misc]
        Route(name, path) for name, path in varied.items()
    ]


def measure(
    store: Path, messages: int, *, seconds: float = SECONDS, readers: int = READERS,
    write: bool = True, seed: int = 1,
) -> Load:  # fmt: skip
    """Make the store where it is not there, serve it, read it, while runs write into it."""
    load = Load(messages=fill(store, messages))
    begin = time.perf_counter()
    while SearchIndex(store).catch_up(10.0):
        pass
    load.indexing = time.perf_counter() - begin
    runs = _runs(store)
    with _server(store) as (host, port, server), _writer(store, write, load):
        plan = routes(load.messages, runs)
        asyncio.run(_warm(host, port, plan))
        begin, used = time.perf_counter(), _processor_seconds(server)
        asyncio.run(_read(host, port, plan, readers, seconds, load, seed))
        load.seconds = time.perf_counter() - begin
        load.server_seconds = _processor_seconds(server) - used
    return load


def _processor_seconds(process: int) -> float:
    """Processor time of a process so far; 0 where the system does not tell."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _runs(store: Path) -> int:
    from atlas_fast.store.views import StoreReader

    reader = StoreReader(store)
    try:
        return max(2, int(reader.ask("SELECT MAX(id) FROM sessions")[0][0] or 2))
    finally:
        reader.close()


@contextmanager
def _server(store: Path) -> Iterator[tuple[str, int, int]]:
    """`atlas-fast serve` as a process: where it listens, and its number."""
    process = subprocess.Popen(
        [sys.executable, "-m", "atlas_fast", "serve", "--store", str(store), "--port", "0"],
        stderr=subprocess.PIPE, env=_environment(),
    )  # fmt: skip
    assert process.stderr is not None
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    try:
        line = b""
        for line in process.stderr:
            if b" at http" in line:
                break
        text = line.decode("utf-8", "replace").strip()
        parts = urlsplit(text.rpartition(" at ")[2])
        if not parts.hostname or not parts.port:
            raise AtlasFastError(f"the server does not start: {text}")
        drain.start()
        yield parts.hostname, parts.port, process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if drain.is_alive():
            drain.join(10)
        process.stderr.close()


@contextmanager
def _writer(store: Path, write: bool, load: Load) -> Iterator[None]:
    """Runs into the store, one after the other, until the readers are done."""
    stop = threading.Event()
    process: list[subprocess.Popen[bytes]] = []

    def work() -> None:
        seed = time.time_ns() % 1_000_000_000
        while not stop.is_set():
            seed += 1
            one = subprocess.Popen(
                [
                    sys.executable, "-m", "atlas_fast", "run", f"synthetic:{RUN_MESSAGES},{seed}",
                    "--store", str(store), "--json",
                ],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(),
            )  # fmt: skip
            process[:] = [one]
            out, _ = one.communicate()
            load.written += _stored(out)

    thread = threading.Thread(target=work, daemon=True)
    if write:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for one in process:
            if one.poll() is None:
                one.send_signal(signal.SIGINT)
        if write:
            thread.join(60)


def _stored(out: bytes) -> int:
    import orjson

    try:
        return int(orjson.loads(out)["stored"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return 0


def _environment() -> dict[str, str]:
    """Ours, with the modules that this process has."""
    path = os.pathsep.join(os.path.abspath(one) for one in sys.path if one)
    return os.environ | {"PYTHONPATH": path}


class _Reader:
    """One connection that asks and waits."""

    def __init__(self, host: str, port: int):
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._cookie = b""

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Raises OSError when the server is gone."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=1 << 22)
        source, sink = self._streams
        line = f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
        sink.write(line.encode() + self._cookie + b"\r\n")
        head = await source.readuntil(b"\r\n\r\n")
        for said in head.split(b"\r\n"):  # as a browser keeps it
            if said[:11].lower() == b"set-cookie:":
                self._cookie = b"Cookie:" + said[11:].partition(b";")[0] + b"\r\n"
        lines = head.lower().split(b"\r\n")
        status = int(lines[0].split()[1])
        size = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)
        if size is None:
            raise OSError(f"{path}: an answer without its length")
        body = await source.readexactly(size)
        if b"connection: close" in lines:
            self.close()
        return status, body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _sound(path: str, status: int, body: bytes) -> bool:
    """Is it the answer of this route?"""
    if status != 200:
        return False
    if path.startswith(PLAIN_TEXT):
        return bool(body)
    if path.startswith(JSON_PATHS):
        return body[:1] == b"{" and b'"success":false' not in body[:40]
    return b"</html>" in body[-200:] and b"<main" in body


async def _warm(host: str, port: int, plan: Sequence[Route]) -> None:
    """Each route once: templates compiled, pages of the store read."""
    reader, rng = _Reader(host, port), random.Random(0)
    deadline = time.monotonic() + START_SECONDS
    while True:  # it says where it will listen before it does
        try:
            await reader.get("/healthz")
            break
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise AtlasFastError("the server does not answer") from None
            await asyncio.sleep(0.1)
    for route in plan:
        await reader.get(route.path(rng))
    reader.close()


async def _read(
    host: str, port: int, plan: Sequence[Route], readers: int, seconds: float, load: Load,
    seed: int,
) -> None:  # fmt: skip
    stop = time.perf_counter() + seconds

    async def one(number: int) -> None:
        rng, reader = random.Random(seed * 1_000 + number), _Reader(host, port)
        while time.perf_counter() < stop:
            order = list(plan)
            rng.shuffle(order)
            for route in order:
                if time.perf_counter() >= stop:
                    break
                path = route.path(rng)
                begin = time.perf_counter()
                try:
                    status, body = await reader.get(path)
                    good = _sound(path, status, body)
                except (OSError, asyncio.IncompleteReadError) as error:
                    status, good = 0, False
                    body = type(error).__name__.encode()
                    reader.close()
                load.times.setdefault(route.name, []).append((time.perf_counter() - begin) * 1e3)
                if not good:
                    load.errors[route.name] = load.errors.get(route.name, 0) + 1
                    if len(load.first_errors) < 20:
                        said = body[:120].decode("utf-8", "replace")
                        load.first_errors.append(f"{path}: {status} {said}")
        reader.close()

    await asyncio.gather(*(one(number) for number in range(readers)))
