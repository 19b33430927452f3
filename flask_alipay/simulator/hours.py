"""The simulator's time from one process to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .clock import Clock
from .delivery import Delivery
from .state import State
from .trades import Trade


@dataclass(frozen=True)
class Ahead:
    """How far the simulator's time is ahead of the machine's."""

    seconds: float


class Hours:
    """Sets a clock as far ahead of the machine's as it stood, and keeps how far that is.

    While no simulator runs, time passes as the machine's does. Safe for threads.

    :param clock: is set now.
    :param state: keeps it.
    """

    def __init__(self, clock: Clock, state: State) -> None:
        self._clock = clock
        self._shelf = state.shelf("clock", Ahead)
        self._kept: float | None = None
        for _, ahead in self._shelf.all():
            self._kept = ahead.seconds
            clock.advance(max(timedelta(seconds=ahead.seconds) - self._ahead(), timedelta(0)))

    def not_before(self, moments: Iterable[datetime]) -> None:
        """Sets the clock to the latest of some moments if it has not come to that yet.

        A process that was killed may have noted its time up to a second before its last act, and
        may have lived through many hours in that second.
        """
        latest = max(moments, default=None)
        if latest is not None and latest > self._clock.now():
            self._clock.advance(latest - self._clock.now())

    def note(self) -> None:
        """Keeps how the time stands, unless that is known to the second."""
        seconds = self._ahead().total_seconds()
        if self._kept is None or abs(seconds - self._kept) >= 1:
            self._kept = seconds
            self._shelf.put("now", Ahead(seconds))

    def _ahead(self) -> timedelta:
        return self._clock.now() - datetime.now(timezone.utc)


def moments_of(trades: Iterable[Trade], deliveries: Iterable[Delivery]) -> Iterator[datetime]:
    """Returns when something happened to trades, and when something was told."""
    for trade in trades:
        yield from trade.moments
    for delivery in deliveries:
        yield from (attempt.sent_at for attempt in delivery.attempts)
