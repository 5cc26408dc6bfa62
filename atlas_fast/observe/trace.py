"""A run as a trace: which thread was in which stage when, batch by batch.

The file is in the Trace Event Format (JSON), which Perfetto and the trace pages of browsers open.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from atlas_fast.errors import AtlasFastError
from atlas_fast.files import whole_file

MAX_EVENTS = 1_000_000
"""Events that a trace keeps; later ones are counted and left out, so that memory stays bounded."""


class Trace:
    """Events of all threads; `add` may be called from any of them."""

    def __init__(self) -> None:
        self.dropped = 0
        self._events: list[tuple[str, int, float, float]] = []
        self._threads: dict[int, str] = {}

    def add(self, stage: str, start: float, seconds: float) -> None:
        """A stretch of work: `start` by time.perf_counter."""
        if len(self._events) >= MAX_EVENTS:
            self.dropped += 1
            return
        thread = threading.current_thread()
        number = thread.native_id or 0
        self._threads.setdefault(number, thread.name)
        self._events.append((stage, number, start, seconds))

    def to_dict(self) -> dict[str, Any]:
        """Complete events (`ph` X) in microseconds, and the names of the threads."""
        process = os.getpid()
        names = [
            {"ph": "M", "name": "thread_name", "pid": process, "tid": tid, "args": {"name": name}}
            for tid, name in self._threads.items()
        ]
        events = [
            {
                "ph": "X", "name": stage, "cat": "stage", "pid": process, "tid": number,
                "ts": round(start * 1e6, 1), "dur": round(seconds * 1e6, 1),
            }
            for stage, number, start, seconds in self._events
        ]  # fmt: skip
        return {
            "traceEvents": names + events,
            "displayTimeUnit": "ms",
            "otherData": {"dropped": self.dropped},
        }

    def write(self, path: Path) -> None:
        import orjson

        try:
            with whole_file(path) as file:
                file.write(orjson.dumps(self.to_dict()))
        except OSError as error:
            reason = error.strerror or error
            raise AtlasFastError(f"{path}: the trace cannot be written: {reason}") from error
