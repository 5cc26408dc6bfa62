"""An iterator that works ahead in a thread of its own, by a few items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")

LOOK_SECONDS = 0.2
"""How long one wait lasts before the other side is looked at."""


def ahead(items: Generator[T, None, None], depth: int = 2) -> Iterator[T]:
    """The items, made in a thread; an error of the generator is raised here.

    When the consumer stops, the generator is closed in its thread, and this waits for that.
    """
    waiting: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(entry, timeout=LOOK_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    def run() -> None:
        try:
            try:
                for item in items:
                    if not put((True, item)):
                        break
            finally:
                items.close()
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = threading.Thread(target=run, name="atlas-fast-imap", daemon=True)
    thread.start()
    try:
        while True:
            more, item = waiting.get()
            if not more:
                if item is not None:
                    raise item  # type: ignore[misc]
                return
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
