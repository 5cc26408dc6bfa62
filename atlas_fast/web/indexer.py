"""A thread of the server that brings the search index up to date."""

from __future__ import annotations

import threading
import time

from atlas_fast.errors import StoreError
from atlas_fast.store.search import SearchIndex

__all__ = ["Indexer"]

WORK_SECONDS = 0.1
"""One stretch of work; as long a pause follows, so that requests have the processor too."""

LOOK_SECONDS = 0.05
"""Between two looks at the store's files when nothing is new. A search looks at rows that the index
lacks one by one, so that it is to have them soon."""

IDLE_SECONDS = 5.0
"""Then the store itself is asked, whatever its files say: their clock has steps."""

TROUBLE_SECONDS = 60.0
"""After an error: a folder that cannot be written, a full disk. Searches do without meanwhile."""


class Indexer:
    """`start` and `stop` are for the server's life; `trouble` is the last error's text."""

    def __init__(self, index: SearchIndex):
        self._index = index
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.trouble = ""

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="search-index", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it has done stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        pause, seen, asked = 0.0, None, 0.0
        while not self._stop.wait(pause):
            stamp, now = self._index.stamp(), time.monotonic()
            if stamp == seen and now - asked < IDLE_SECONDS:
                pause = LOOK_SECONDS
                continue
            try:
                asked = now
                done = self._index.catch_up(WORK_SECONDS)
                pause, seen = WORK_SECONDS, None if done else stamp
                self.trouble = ""
            except (StoreError, OSError) as error:
                self.trouble, pause = str(error), TROUBLE_SECONDS
