"""What time it is, and who is called later: the only place where the simulator waits.

Everything that knows of time takes a :class:`Clock`; a test hands in one that it moves itself.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Protocol, TypeAlias

from ..china_time import CHINA_TIME

logger = logging.getLogger("flask_alipay.simulator")


#: Tells how far the time here is ahead of that by which merchants live.
Ahead: TypeAlias = Callable[[], timedelta]


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """Returns the time, aware, in UTC."""

    def call_later(self, delay: timedelta, callback: Callable[[], object]) -> None:
        """Has the callback called once, in another thread or turn, after the delay."""

    def advance(self, delta: timedelta) -> None:
        """Moves the time on; what is due meanwhile is called in its order, before it returns."""


def in_time() -> timedelta:
    """It is not ahead at all."""
    return timedelta(0)


def ahead_of_the_machine(clock: Clock) -> timedelta:
    """Returns how far a clock was put ahead of the machine's time, by which its merchants live.

    Nothing for a clock that somebody else made: his merchants live by that.
    """
    if not isinstance(clock, SystemClock):
        return timedelta(0)
    return max(clock.now() - datetime.now(timezone.utc), timedelta(0))


class SystemClock:
    """The time of the machine, with one daemon thread for whatever is due later.

    The thread is started by the first :meth:`call_later`, so a server that forks its workers forks
    no thread. Callbacks run one after the other in it; what is still due when the process ends is
    not done.

    :param speed: how many seconds pass here in one of the machine's; the simulation begins at the
        machine's time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._begin = datetime.now(timezone.utc)
        self._ahead = timedelta(0)
        self._due: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = itertools.count()  # keeps the heap from comparing callbacks
        self._changed = threading.Condition()
        self._running = False

    def now(self) -> datetime:
        """Returns the time, aware, in UTC."""
        passed = datetime.now(timezone.utc) - self._begin
        return self._begin + passed * self._speed + self._ahead

    def advance(self, delta: timedelta) -> None:
        """Moves the time on; what is due meanwhile is called in its order, before it returns.

        Each callback sees the time at which it was due, and what it puts off may be due as well.

        :param delta: how far, not backwards.
        """
        end = self.now() + delta
        while (callback := self._due_until(end)) is not None:
            _run(callback)
        with self._changed:
            self._leap(end)
            self._changed.notify()

    def call_later(self, delay: timedelta, callback: Callable[[], object]) -> None:
        """Has the callback called once, in the clock's thread, after the delay."""
        with self._changed:
            heapq.heappush(self._due, (self.now() + delay, next(self._numbers), callback))
            if not self._running:
                self._running = True
                threading.Thread(
                    target=self._work, name="flask-alipay-simulator", daemon=True
                ).start()
            self._changed.notify()

    def _due_until(self, end: datetime) -> Callable[[], object] | None:
        """Takes what is due first, until a time, and moves the time on to then."""
        with self._changed:
            if not self._due or self._due[0][0] > end:
                return None
            due, _, callback = heapq.heappop(self._due)
            self._leap(due)
            return callback

    def _leap(self, moment: datetime) -> None:
        self._ahead += max(moment - self.now(), timedelta(0))

    def _work(self) -> None:
        while True:
            _run(self._next())

    def _next(self) -> Callable[[], object]:
        with self._changed:
            while True:
                wait = None
                if self._due:
                    wait = (self._due[0][0] - self.now()).total_seconds() / self._speed
                    if wait <= 0:
                        return heapq.heappop(self._due)[2]
                # Not longer than the platform's longest wait, and to see a changed system time.
                self._changed.wait(wait if wait is None else min(wait, 3600))


def _run(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        # One callback's failure must not silence all the later ones.
        logger.exception("what the simulator had put off failed")


def read_china_text(text: str) -> datetime | None:
    """Reads a merchant's ``2026-01-31 08:00:00`` as China time.

    Strict, as a gateway is: ``None`` for anything written otherwise.
    """
    if len(text) != 19 or not text.isascii():
        return None
    try:
        # The zone is in the pattern, so that the time is never without one.
        return datetime.strptime(f"{text} +0800", "%Y-%m-%d %H:%M:%S %z").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def end_of_china_day(moment: datetime) -> datetime:
    """Returns the midnight in China that follows; Alipay's timeout ``1c``."""
    midnight = moment.astimezone(CHINA_TIME).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=1)).astimezone(timezone.utc)
