"""What this process has heard of lately: a hint at what comes again, and never a proof."""

from __future__ import annotations

import threading

#: How many numbers are remembered; the oldest make room.
MOST = 4_096


class Lately:
    """The latest order numbers that news was about; safe for threads.

    The ledger looks before it claims where a sale was heard of before. It finds out the same
    without the hint, after one statement more.

    :param most: how many are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._numbers: dict[str, None] = {}

    def __contains__(self, out_trade_no: str) -> bool:
        return out_trade_no in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, out_trade_no: str) -> None:
        """Remembers a number."""
        with self._lock:
            self._numbers[out_trade_no] = None
            if len(self._numbers) > self._most:
                del self._numbers[next(iter(self._numbers))]
