"""Figures of a run while it is on, for other processes: a small file beside the store.

A run writes `STORE-live/RUN.json` at most twice a second, whole, by a rename, and takes it away at
its end. The file says which process writes it (number, start, boot, host) and when, so that a run
that was killed is told from one that works: its process is gone, or is another.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from atlas_fast.limits import LIVE_BYTES

__all__ = ["Live", "LiveFile", "as_json", "live_folder", "live_run", "live_runs", "with_memory"]

WRITE_SECONDS = 0.5
"""Seconds between two writes."""

POINTS = 120
"""Points of a series; when there are more, every other one goes."""

STALLED_SECONDS = 15.0
"""A run that has said nothing for so long waits for something."""

GONE_SECONDS = 120.0
"""One on another machine, or where processes cannot be looked at, is taken for killed then."""

NAMES = ("messages", "stored", "memory")


def as_json(figures: dict[str, Any]) -> bytes:
    """Figures as JSON; of a file name that is no text, `?` in place of its bytes."""
    text = json.dumps(figures, ensure_ascii=False, default=str, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def live_folder(store: str | Path) -> Path:
    """Where the runs into a store say how they are."""
    return Path(f"{store}-live")


@dataclass(frozen=True, slots=True)
class Live:
    """What a run has said of itself. `state`: `running`, `stalled` (nothing heard for a while), or
    `killed` (its process is gone). `heard`: seconds since it said something. `report` as that of a
    finished run (`Report.to_dict`), and `queue`, `grouped`, `memory`. `series`: rows of (seconds,
    messages, stored, memory)."""

    run: int
    state: str
    heard: float
    pid: int
    report: dict[str, Any] = field(default_factory=dict)
    series: list[list[float]] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.state != "killed"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "run": self.run, "state": self.state, "heard": round(self.heard, 3), "pid": self.pid,
            "report": self.report, "series": self.series,
        }  # fmt: skip


class LiveFile:
    """The writing side. Used by one thread. A folder that cannot be written is no reason to end a
    run: then there are no live figures."""

    def __init__(self, folder: Path | None, run: int, clock: Callable[[], float] = time.monotonic):
        self._folder, self._run, self._clock = folder, run, clock
        self._next = self._begin = clock()
        self._every = WRITE_SECONDS
        self._point = 0.0
        self.series: list[list[float]] = []

    def tick(self, say: Callable[[], dict[str, Any]]) -> None:
        """Write what `say` says, if it is time. The report's `seconds` is set here."""
        now = self._clock()
        if self._folder is None or now < self._next:
            return
        self._next = now + WRITE_SECONDS
        report = say()
        report["seconds"] = round(now - self._begin, 3)
        self._take_point(report)
        said = {
            "run": self._run, "at": time.time(), **_self(), "report": report,
            "series": self.series,
        }  # fmt: skip
        try:
            self._write(as_json(said))
        except OSError:
            self._folder = None

    def _take_point(self, report: dict[str, Any]) -> None:
        at = report["seconds"]
        if self.series and at < self._point:
            return
        self.series.append([at, *(report.get(name) or 0 for name in NAMES)])
        if len(self.series) > POINTS:
            self.series = self.series[::2]
            self._every *= 2
        self._point = at + self._every

    def _write(self, data: bytes) -> None:
        assert self._folder is not None
        self._folder.mkdir(exist_ok=True)
        path = self._folder / f"{self._run}.json"
        partial = path.with_suffix(".part")
        partial.write_bytes(data)
        partial.replace(path)

    def close(self) -> None:
        """Take the file away, and the folder when it is empty; may be called twice."""
        if self._folder is None:
            return
        folder, self._folder = self._folder, None
        with suppress(OSError):
            (folder / f"{self._run}.json").unlink()
        with suppress(OSError):
            folder.rmdir()


def live_run(folder: Path, run: int) -> Live | None:
    """What a run has said of itself; None when there is nothing, or nothing of sense."""
    try:
        with open(folder / f"{run}.json", "rb") as file:
            data = file.read(LIVE_BYTES + 1)
        said = orjson.loads(data) if len(data) <= LIVE_BYTES else None
        if not isinstance(said, dict):
            return None
        heard = max(0.0, time.time() - float(said["at"]))
        report, series, pid = said.get("report"), said.get("series"), int(said["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Live(
        run,
        _state(said, heard),
        heard,
        pid,
        report if isinstance(report, dict) else {},
        series if isinstance(series, list) else [],
    )


def live_runs(folder: Path) -> list[Live]:
    """All runs that have a file, the newest first; killed ones are among them."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    numbers = sorted(
        (int(n[:-5]) for n in names if n.endswith(".json") and n[:-5].isdecimal() and len(n) < 24),
        reverse=True,
    )
    found = (live_run(folder, number) for number in numbers[:100])
    return [one for one in found if one is not None]


def _state(said: dict[str, Any], heard: float) -> str:
    me = _self()
    if said.get("host") != me["host"] or said.get("boot") != me["boot"] or not said.get("started"):
        if said.get("host") == me["host"] and me["boot"] and said.get("boot"):
            return "killed"  # the machine was started anew since
        return "killed" if heard > GONE_SECONDS else "running"
    if _started(said["pid"]) != said["started"]:
        return "killed"
    return "stalled" if heard > STALLED_SECONDS else "running"


def _self() -> dict[str, Any]:
    """Which process this is; asked anew after a fork."""
    return _process(os.getpid())


@cache
def _process(pid: int) -> dict[str, Any]:
    boot = _read("/proc/sys/kernel/random/boot_id").strip()
    return {"pid": pid, "started": _started(pid), "boot": boot, "host": socket.gethostname()}


def _started(pid: Any) -> str:
    """When a process began, in the kernel's words; empty when there is none. The name of a program
    may hold anything, hence the last bracket."""
    words = _read(f"/proc/{int(pid)}/stat").rpartition(")")[2].split()
    return words[19] if len(words) > 19 and words[0] not in ("Z", "X") else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def with_memory(report: dict[str, Any]) -> dict[str, Any]:
    """A report with `memory` and `peak_bytes` of this process: bytes that are resident, now and at
    most; 0 where that is not known."""
    import resource

    words = _read("/proc/self/statm").split()
    report["memory"] = int(words[1]) * os.sysconf("SC_PAGE_SIZE") if len(words) > 1 else 0
    report["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return report
