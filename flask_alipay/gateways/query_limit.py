"""Limit of the queries for one payment in one process."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock
from typing import Final

#: The number of queries for one payment within :data:`PERIOD`: as often as Alipay delivers a
#: notification within a day.
MAX_QUERIES: Final = 8
#: In seconds.
PERIOD: Final = 600.0
# The payments that are remembered, the latest.
_PAYMENTS: Final = 1024


class QueryLimit:
    """Limit the queries that reports cause in one process.

    A client may deliver a genuine report that gets no conclusive response any number of times.

    :param now: a clock that only runs forward, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = Lock()
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def admits(self, out_trade_no: str) -> bool:
        """Tell whether a payment may be queried, and count that query."""
        now = self._now()
        with self._lock:
            times = self._times.setdefault(out_trade_no, deque(maxlen=MAX_QUERIES))
            self._times.move_to_end(out_trade_no)
            if len(times) == MAX_QUERIES and now - times[0] < PERIOD:
                return False
            times.append(now)
            if len(self._times) > _PAYMENTS:
                self._times.popitem(last=False)
        return True
