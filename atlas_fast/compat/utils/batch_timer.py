"""`AutoBatchTimer`: a batch every so many minutes, or at a time of the day.

Nothing is kept when the program ends; two batches of one timer never run at once.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from atlas_fast.compat.core.folders import answered

__all__ = ["AutoBatchTimer"]

LONGEST = 10_080
"""Minutes of an interval at most: a week."""
INTERVAL = "interval"


class AutoBatchTimer:
    """`batch_processor_callback` returns a truth value: did the batch succeed?

    `timer_threads` has a dictionary for each timer: `id`, `delay_minutes`, `target_time`, `repeat`,
    `active`, `thread`, `stop_requested`, `execution_count`.
    """

    def __init__(self, batch_processor_callback: Callable[[], Any]):
        self.batch_processor_callback = batch_processor_callback
        self.timer_threads: dict[str, dict[str, Any]] = {}
        self.timer_minutes = 0.0
        self.repeat_timer = False
        self.execution_count = 0
        self.start_time: datetime | None = None
        self.stop_requested = False
        self._batch = threading.Lock()
        self._change = threading.Lock()
        self._wake: dict[str, threading.Event] = {}

    @property
    def timer_active(self) -> bool:
        return self.is_timer_active()

    def start_interval(self, minutes: float, repeat: bool = False) -> str:
        """The interval timer; one that is on is stopped. ValueError for less than no time, or more
        than a week."""
        if not 0 < minutes <= LONGEST:
            raise ValueError(f"{minutes} minutes: more than 0 and at most {LONGEST:,} are possible")
        self.stop(INTERVAL)
        self.timer_minutes, self.repeat_timer = minutes, repeat
        self.start_time, self.stop_requested = datetime.now(), False
        target = self.start_time + timedelta(minutes=minutes)
        return self._start(INTERVAL, target, timedelta(minutes=minutes), repeat)

    def start_at(self, hour: int, minute: int = 0, repeat: bool = False) -> str:
        """A timer for a time of the day, again each day with `repeat`. ValueError for no time."""
        now = datetime.now()
        target = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if target <= now:
            target += timedelta(days=1)
        name = f"{hour:02}:{minute:02}"
        self.stop(name)
        return self._start(name, target, timedelta(days=1), repeat)

    def _start(self, name: str, target: datetime, step: timedelta, repeat: bool) -> str:
        wake = threading.Event()
        info: dict[str, Any] = {
            "id": name, "delay_minutes": (target - datetime.now()).total_seconds() / 60,
            "target_time": target, "repeat": repeat, "active": True, "stop_requested": False,
            "execution_count": 0,
        }  # fmt: skip
        thread = threading.Thread(
            target=self._wait, args=(info, step, wake), name=f"timer-{name}", daemon=True
        )
        info["thread"] = thread
        with self._change:
            self.timer_threads[name], self._wake[name] = info, wake
        thread.start()
        return name

    def _wait(self, info: dict[str, Any], step: timedelta, wake: threading.Event) -> None:
        while True:
            left = (info["target_time"] - datetime.now()).total_seconds()
            if wake.wait(max(0.0, left)):
                break
            with self._batch:
                if wake.is_set():
                    break
                self._run()
            info["execution_count"] += 1
            if not info["repeat"]:
                break
            while info["target_time"] <= datetime.now():
                info["target_time"] += step
        info["active"] = False

    def _run(self) -> None:
        self.execution_count += 1
        try:
            if not self.batch_processor_callback():
                print("the batch of the timer did not succeed", file=sys.stderr)
        except Exception as error:  # the caller's own code: a timer goes on
            print(f"the batch of the timer: {type(error).__name__}: {error}", file=sys.stderr)

    def stop(self, name: str) -> bool:
        """Stop one timer and wait for the batch that it is in; was it on?"""
        with self._change:
            info, wake = self.timer_threads.get(name), self._wake.get(name)
        if info is None or wake is None or not info["active"]:
            return False
        info["stop_requested"] = True
        wake.set()
        if info["thread"] is not threading.current_thread():
            info["thread"].join()
        return True

    def stop_all_timers(self) -> int:
        """How many were on."""
        self.stop_requested = True
        return sum([self.stop(name) for name in list(self.timer_threads)])

    def is_timer_active(self) -> bool:
        return any(info["active"] for info in self.timer_threads.values())

    def get_timer_status(self) -> str:
        """A line for each timer that is on."""
        lines = [
            f"{info['id']}: next at {info['target_time']:%Y-%m-%d %H:%M:%S}, "
            f"{'repeated' if info['repeat'] else 'once'}, {info['execution_count']} done"
            for info in self.timer_threads.values()
            if info["active"]
        ]
        return "\n".join(lines) or "No timer is on"

    def manage_auto_batch_timer(self) -> None:
        """Set and stop timers on the terminal."""
        while True:
            print(self.get_timer_status())
            choice = answered("1. every N minutes  2. at HH:MM each day  3. stop all  0. back: ")
            try:
                if choice == "1":
                    self.start_interval(float(answered("Minutes: ")), repeat=True)
                elif choice == "2":
                    at = time.strptime(answered("Time (HH:MM): "), "%H:%M")
                    self.start_at(at.tm_hour, at.tm_min, repeat=True)
                elif choice == "3":
                    self.stop_all_timers()
                else:
                    return
            except ValueError as error:
                print(error)
