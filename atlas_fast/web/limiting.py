"""How often one address may ask: token buckets in bounded memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from atlas_fast import limits

__all__ = ["Buckets"]


class Buckets:
    """Each name may take `rate` tokens a second, `burst` at once. Names that were not seen for the
    longest time are forgotten, which fills their bucket."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic):
        self.rate, self.burst, self.clock = rate, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str) -> float:
        """0 when a token was there, else the seconds until there is one."""
        now = self.clock()
        with self._lock:
            left, before = self._buckets.pop(name, (self.burst, now))
            left = min(self.burst, left + (now - before) * self.rate)
            wait = 0.0 if left >= 1 else (1 - left) / self.rate
            self._buckets[name] = (left - 1 if not wait else left, now)
            if len(self._buckets) > limits.MAX_WEB_ADDRESSES:
                self._buckets.popitem(last=False)
        return wait
