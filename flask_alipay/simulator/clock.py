"""What time it is, and who is called later: the only place where the simulator waits.

Everything that knows of time takes a :class:`Clock`; a test hands in one that it moves itself.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Protocol, TypeAlias

from ..china_time import CHINA_TIME
from .errands import Callback, Errand, Messengers

logger = logging.getLogger("flask_alipay.simulator")


#: Tells how far the time here is ahead of that by which merchants live.
Ahead: TypeAlias = Callable[[], timedelta]


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """Returns the time, aware, in UTC."""

    def call_later(self, delay: timedelta, callback: Callable[[], object]) -> None:
        """Has the callback called once, in another thread or turn, after the delay.

        One that may take long is an :class:`~.errands.Errand`: where others are not to wait for
        it, it is called in a thread of its place.
        """

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
    no thread. Callbacks run one after the other in it, in the order in which they are due. An
    errand begins in that order, too, and ends when it may: those to one place are done one after
    the other, and nothing else waits for them. What is still due when the process ends is not done.

    :param speed: how many seconds pass here in one of the machine's; the simulation begins at the
        machine's time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._begin = datetime.now(timezone.utc)
        self._ahead = timedelta(0)
        self._due: list[tuple[datetime, int, Callback]] = []
        self._numbers = itertools.count()  # keeps the heap from comparing callbacks
        self._changed = threading.Condition()
        self._running = False
        self._advances = 0  # while there are any, they alone call what is due
        self._messengers = Messengers()

    def now(self) -> datetime:
        """Returns the time, aware, in UTC."""
        passed = datetime.now(timezone.utc) - self._begin
        return self._begin + passed * self._speed + self._ahead

    def advance(self, delta: timedelta) -> None:
        """Moves the time on; what is due meanwhile is called in its order, before it returns.

        Each callback sees the time at which it was due, and what it puts off may be due as well.
        Errands are done here, one after the other, and so are those that were due before and that
        nobody has begun. What had begun before may go on beyond this.

        :param delta: how far, not backwards.
        """
        end = self.now() + delta
        with self._alone():
            for errand in self._messengers.take_back():
                errand()
            while (callback := self._due_until(end)) is not None:
                _run(callback)
            with self._changed:
                self._leap(end)

    def call_later(self, delay: timedelta, callback: Callable[[], object]) -> None:
        """Has the callback called once after the delay, in the clock's thread; see above."""
        with self._changed:
            heapq.heappush(self._due, (self.now() + delay, next(self._numbers), callback))
            if not self._running:
                self._running = True
                threading.Thread(
                    target=self._work, name="flask-alipay-simulator", daemon=True
                ).start()
            self._changed.notify()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps the clock's thread from calling what is due."""
        with self._changed:
            self._advances += 1
        try:
            yield
        finally:
            with self._changed:
                self._advances -= 1
                self._changed.notify()

    def _due_until(self, end: datetime) -> Callback | None:
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

    def _next(self) -> Callback:
        """Waits for what the clock's thread is to call next, and sends who is to go elsewhere."""
        with self._changed:
            while True:
                wait = None
                if self._due and not self._advances:
                    wait = (self._due[0][0] - self.now()).total_seconds() / self._speed
                    if wait <= 0:
                        callback = heapq.heappop(self._due)[2]
                        if not isinstance(callback, Errand):
                            return callback
                        self._messengers.send(Errand(callback.place, partial(_run, callback)))
                        continue
                # Not longer than the platform's longest wait, and to see a changed system time.
                self._changed.wait(wait if wait is None else min(wait, 3600))


def _run(callback: Callback) -> None:
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
