"""A notification on its way, and the store of all that are or were."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from .answers import Notice
from .state import Nowhere, State

#: How many deliveries are kept; the oldest make room.
MOST_DELIVERIES: Final = 1_000


@dataclass(frozen=True)
class Attempt:
    """One sending, and what came of it."""

    sent_at: datetime
    #: The signed form, as it went over the wire.
    body: bytes = field(repr=False)
    #: The HTTP status; ``None``: nobody answered.
    status: int | None
    #: The beginning of the answer; or, where nobody answered, the kind of trouble.
    answer: str

    @property
    def heard(self) -> bool:
        """Whether the answer was exactly ``success``: nothing around it, and status 200."""
        return self.status == 200 and self.answer == "success"


@dataclass(frozen=True)
class Course:
    """How far a delivery has come, as it is kept."""

    attempts: tuple[Attempt, ...] = ()
    next_at: datetime | None = None
    scheduled: int = 0
    held: bool = False


class Delivery:
    """A notification on its way: each sending so far, and when the next one is due.

    :param number: its own, under which it is kept.
    :param notice: what is to be told, and where.
    :param course: how far it has come.
    """

    def __init__(self, number: str, notice: Notice, course: Course) -> None:
        #: Under which it is kept.
        self.number = number
        #: What is to be told, and where.
        self.notice = notice
        #: The sendings so far, in order.
        self.attempts = course.attempts
        #: When it is sent again, ``None``: never, or it is being sent.
        self.next_at = course.next_at
        #: How many of the sendings were on schedule.
        self.scheduled = course.scheduled
        #: Whether it waits to be overtaken.
        self.held = course.held
        #: Held while it is being sent: never twice at a time.
        self.sending = threading.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.notice.out_trade_no} {len(self.attempts)} sent>"

    @property
    def heard(self) -> bool:
        """Whether the merchant answered ``success``."""
        return any(attempt.heard for attempt in self.attempts)

    @property
    def course(self) -> Course:
        """How far it has come."""
        return Course(self.attempts, self.next_at, self.scheduled, self.held)


class Deliveries:
    """The latest deliveries, safe for threads.

    :param most: how many are kept; the oldest make room.
    :param state: keeps them beyond the process.
    """

    def __init__(self, most: int = MOST_DELIVERIES, state: State | None = None) -> None:
        state = state or Nowhere()
        self._lock = threading.Lock()
        self._most = most
        # A notice is long and stays as it is, so its course is kept beside it.
        self._notices = state.shelf("notices", Notice)
        self._courses = state.shelf("deliveries", Course)
        courses = dict(self._courses.all())
        self._deliveries = OrderedDict(
            (number, Delivery(number, notice, courses.get(number, Course())))
            for number, notice in self._notices.all()
        )
        self._last = max(map(int, self._deliveries), default=0)

    def all(self) -> tuple[Delivery, ...]:
        """Returns the deliveries, the oldest first."""
        with self._lock:
            return tuple(self._deliveries.values())

    def latest(self, out_trade_no: str) -> Delivery | None:
        """Returns the last delivery about the merchant's number, ``None`` if none is kept."""
        about = (d for d in reversed(self.all()) if d.notice.out_trade_no == out_trade_no)
        return next(about, None)

    def add(self, notice: Notice, due: datetime) -> Delivery:
        """Begins a delivery.

        :param due: when it is to be sent for the first time.
        """
        with self._lock:
            self._last += 1
            number = str(self._last)
            delivery = Delivery(number, notice, Course(next_at=due))
            self._deliveries[number] = delivery
            self._notices.put(number, notice)
            self._courses.put(number, delivery.course)
            while len(self._deliveries) > self._most:
                oldest, _ = self._deliveries.popitem(last=False)
                self._notices.drop(oldest)
                self._courses.drop(oldest)
        return delivery

    def keep(self, delivery: Delivery) -> None:
        """Keeps how far a delivery has come, unless it has made room for others."""
        with self._lock:
            if delivery.number in self._deliveries:
                self._courses.put(delivery.number, delivery.course)
