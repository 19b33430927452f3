"""Expiry of trades: closed at the end of their time, without a query."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

from ..clock import Clock
from .trades import MAX_TRADES, Trade, TradeStore

_Limit: TypeAlias = tuple[datetime, str]


class Expiry:
    """Closes each trade of a store at its time limit; safe for threads.

    The clock is asked to ring for the earliest limit alone, so that many trades cost it no more
    than one. Trades that were paid or closed, or have made room for others, are forgotten.

    :param clock: calls when the time is over.
    :param trades: those that are in it, and whatever comes to it from now on.
    :param close: is called with the merchant's number of a trade that is overdue.
    :param limit: number of limits above which those that are no longer needed are removed.
    """

    def __init__(
        self,
        clock: Clock,
        trades: TradeStore,
        close: Callable[[str], object],
        limit: int = 2 * MAX_TRADES,
    ) -> None:
        self._clock = clock
        self._trades = trades
        self._close = close
        self._limit = limit
        self._lock = threading.Lock()
        # The earliest first, each with the number of its trade.
        self._limits: list[_Limit] = []
        #: Time of the next scheduled callback.
        self._rings_at: datetime | None = None
        trades.on_new = self.watch
        for trade in trades.all():
            if trade.waiting:
                self.watch(trade)

    def watch(self, trade: Trade) -> None:
        """Schedule the close of a trade with a limit, if it is still unpaid then."""
        limit = trade.order.expires_at
        if limit is None:
            return
        with self._lock:
            heapq.heappush(self._limits, (limit, trade.order.out_trade_no))
            if len(self._limits) > self._limit:
                self._limits = [one for one in self._limits if self._counts(one)]
                heapq.heapify(self._limits)
            self._set()

    def _ring(self, when: datetime) -> None:
        """Close the trades that are overdue now."""
        with self._lock:
            if self._rings_at == when:
                self._rings_at = None
        try:
            while (overdue := self._next_overdue()) is not None:
                self._close(overdue)
        finally:  # one that could not be closed keeps no other from it
            with self._lock:
                self._set()

    def _next_overdue(self) -> str | None:
        with self._lock:
            self._forget()
            if not self._limits or self._limits[0][0] > self._clock.now():
                return None
            return heapq.heappop(self._limits)[1]

    def _set(self) -> None:
        """Schedule a callback for the earliest limit, unless there is one."""
        self._forget()
        if not self._limits:
            return
        earliest = self._limits[0][0]
        if self._rings_at is None or earliest < self._rings_at:
            self._rings_at = earliest
            wait = max(earliest - self._clock.now(), timedelta(0))
            self._clock.call_later(wait, partial(self._ring, earliest))

    def _forget(self) -> None:
        """Remove the earliest limits that are no longer needed."""
        while self._limits and not self._counts(self._limits[0]):
            heapq.heappop(self._limits)

    def _counts(self, one: _Limit) -> bool:
        limit, out_trade_no = one
        trade = self._trades.by_out_trade_no(out_trade_no)
        return trade is not None and trade.waiting and trade.order.expires_at == limit
