"""Time of the simulator, and callbacks that it runs later.

Everything that depends on time takes a :class:`Clock`; a test passes one that it moves itself.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol, TypeAlias

from ..protocol.conversion import CHINA_TIME
from .storage.storage import PersistentDict, Storage
from .worker_pool import Callback, Task, WorkerPool, run_logged

#: Returns the difference between the simulator's time and the merchants' time.
OffsetFn: TypeAlias = Callable[[], timedelta]


class Clock(Protocol):
    """A source of time."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""

    def call_later(self, delay: timedelta, callback: Callback) -> None:
        """Call the callback once, in another thread, after the delay.

        :param callback: a :class:`~.worker_pool.Task` if it may take long: it delays only tasks
            with the same key.
        """

    def advance(self, delta: timedelta) -> None:
        """Move the time forward; run due callbacks in their order before returning."""


def zero_offset() -> timedelta:
    """Return no offset."""
    return timedelta(0)


def clock_offset(clock: Clock) -> timedelta:
    """Return the clock's offset from the machine's time, which the merchants use.

    Zero for a clock that is no :class:`SystemClock`: its merchants use the same clock.
    """
    if not isinstance(clock, SystemClock):
        return timedelta(0)
    return max(_machine_offset(clock), timedelta(0))


class SystemClock:
    """The time of the machine, with one daemon thread for callbacks.

    The first :meth:`call_later` starts the thread, so a server that forks its workers forks no
    thread. Callbacks run in it one after the other, in the order in which they are due. Tasks start
    in that order, too, in threads of a :class:`~.worker_pool.WorkerPool`. What is still due when
    the process ends is not run.

    :param speed: seconds that pass per second of the machine; begins at the machine's time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._start = datetime.now(timezone.utc)
        self._offset = timedelta(0)
        self._due: list[tuple[datetime, int, Callback]] = []
        self._sequence = itertools.count()  # prevents the heap from comparing callbacks
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._advancing = 0  # number of threads in advance(), which run all that is due
        self._workers = WorkerPool()

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        elapsed = datetime.now(timezone.utc) - self._start
        return self._start + elapsed * self._speed + self._offset

    def call_later(self, delay: timedelta, callback: Callback) -> None:
        """Call the callback once after the delay; see :class:`SystemClock`."""
        with self._changed:
            heapq.heappush(self._due, (self.now() + delay, next(self._sequence), callback))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="flask-alipay-simulator", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def advance(self, delta: timedelta) -> None:
        """Move the time forward; run due callbacks in their order before returning.

        Each callback sees the time at which it was due, and may schedule further ones. Tasks run in
        this thread, including those that were due before and have not started; a task that has
        started may go on after the return.

        :param delta: not negative.
        """
        end = self.now() + delta
        with self._exclusive():
            for task in self._workers.cancel_pending():
                run_logged(task)
            while (callback := self._pop_due(end)) is not None:
                run_logged(callback)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Prevent the clock's thread from running what is due."""
        with self._changed:
            self._advancing += 1
        try:
            yield
        finally:
            with self._changed:
                self._advancing -= 1
                self._changed.notify()

    def _pop_due(self, end: datetime) -> Callback | None:
        """Remove the first callback that is due until a time, and move the time to it, or to the
        end.
        """
        with self._changed:
            due = self._due[0][0] if self._due else end
            self._offset += max(min(due, end) - self.now(), timedelta(0))
            return heapq.heappop(self._due)[2] if self._due and due <= end else None

    def _work(self) -> None:
        while True:
            with self._changed:
                while (wait := self._seconds_to_wait()) != 0:
                    self._changed.wait(wait)
                callback = heapq.heappop(self._due)[2]
            if isinstance(callback, Task):
                self._workers.submit(callback)
            else:
                run_logged(callback)

    def _seconds_to_wait(self) -> float | None:
        """Return the seconds until the next callback, ``None`` if there is none to wait for."""
        if not self._due or self._advancing:
            return None
        wait = (self._due[0][0] - self.now()).total_seconds() / self._speed
        # At most the platform's maximum, and so that a change of the machine's time is noticed.
        return min(max(wait, 0), 3600)


@dataclass(frozen=True)
class ClockOffset:
    """Difference between the simulator's time and the machine's, as it is stored."""

    seconds: float


class PersistedOffset:
    """Restoration of a clock's offset at the start, and storage of its changes; safe for threads.

    While no simulator runs, time passes as the machine's does.

    :param clock: is moved forward now.
    :param storage: stores the offset.
    """

    def __init__(self, clock: Clock, storage: Storage) -> None:
        self._clock = clock
        self._stored = PersistentDict(storage, "clock", ClockOffset)
        self._saved: float | None = None
        for offset in self._stored.values():
            self._saved = offset.seconds
            self.not_before([datetime.now(timezone.utc) + timedelta(seconds=offset.seconds)])

    def not_before(self, times: Iterable[datetime]) -> None:
        """Move the clock forward to the latest of some times if it is behind it.

        A killed process may have stored its offset up to a second before its last action, and may
        have moved its clock by many hours in that second.
        """
        latest = max(times, default=None)
        if latest is not None and latest > (now := self._clock.now()):
            self._clock.advance(latest - now)

    def save(self) -> None:
        """Store the offset, unless the stored one is right to the second."""
        seconds = _machine_offset(self._clock).total_seconds()
        if self._saved is None or abs(seconds - self._saved) >= 1:
            self._saved = seconds
            self._stored["now"] = ClockOffset(seconds)


def _machine_offset(clock: Clock) -> timedelta:
    return clock.now() - datetime.now(timezone.utc)


def read_china_text(text: str) -> datetime | None:
    """Parse a merchant's ``2026-01-31 08:00:00`` as China time.

    Strict, as a gateway is: ``None`` for any other format.
    """
    if len(text) != 19 or not text.isascii():
        return None
    try:
        # The zone is in the pattern, so that the time is never without one.
        return datetime.strptime(f"{text} +0800", "%Y-%m-%d %H:%M:%S %z").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def end_of_china_day(when: datetime) -> datetime:
    """Return the next midnight in China; Alipay's timeout ``1c``."""
    midnight = when.astimezone(CHINA_TIME).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=1)).astimezone(timezone.utc)
