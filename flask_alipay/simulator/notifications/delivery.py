"""Deliveries of notifications, and their store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ..replies import PendingNotification
from ..storage.storage import PersistentDict, Storage

#: How many deliveries are kept; the oldest make room.
MAX_DELIVERIES: Final = 1_000


@dataclass(frozen=True)
class Attempt:
    """One attempt to send a notification, and its result."""

    sent_at: datetime
    #: The signed form, as it went over the wire.
    body: bytes = field(repr=False)
    #: The HTTP status; ``None``: no response.
    status: int | None
    #: The beginning of the response; without a response, the kind of error.
    response: str

    @property
    def acknowledged(self) -> bool:
        """True if the response was exactly ``success`` with status 200."""
        return self.status == 200 and self.response == "success"


@dataclass(frozen=True)
class DeliveryState:
    """Stored progress of a delivery."""

    attempts: tuple[Attempt, ...] = ()
    next_at: datetime | None = None
    scheduled: int = 0
    delayed: bool = False


class Delivery:
    """Delivery of a notification: its attempts, and the time of the next one.

    :param number: its own, under which it is kept.
    :param notice: what is to be told, and where.
    :param course: how far it has come.
    """

    def __init__(self, number: str, notice: PendingNotification, course: DeliveryState) -> None:
        #: Under which it is kept.
        self.number = number
        #: The notification, and its URL.
        self.notice = notice
        #: The sendings so far, in order.
        self.attempts = course.attempts
        #: When it is sent again, ``None``: never, or it is being sent.
        self.next_at = course.next_at
        #: How many of the sendings were on schedule.
        self.scheduled = course.scheduled
        #: Whether it waits to be overtaken.
        self.delayed = course.delayed
        #: Held while it is being sent: never twice at a time.
        self.sending = threading.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.notice.out_trade_no} {len(self.attempts)} sent>"

    @property
    def acknowledged(self) -> bool:
        """True if the merchant responded with ``success``."""
        return any(attempt.acknowledged for attempt in self.attempts)

    @property
    def course(self) -> DeliveryState:
        """The progress of the delivery."""
        return DeliveryState(self.attempts, self.next_at, self.scheduled, self.delayed)


class DeliveryStore:
    """The latest deliveries, safe for threads.

    :param limit: maximum number; the oldest are removed.
    :param storage: stores them beyond the process.
    """

    def __init__(self, limit: int = MAX_DELIVERIES, storage: Storage | None = None) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        # A notice is long and stays as it is, so its course is kept beside it.
        self._notices = PersistentDict(storage, "notices", PendingNotification)
        self._courses = PersistentDict(storage, "deliveries", DeliveryState)
        self._deliveries = OrderedDict(
            (number, Delivery(number, notice, self._courses.get(number, DeliveryState())))
            for number, notice in self._notices.items()
        )
        self._last = max(map(int, self._deliveries), default=0)

    def all(self) -> tuple[Delivery, ...]:
        """Return the deliveries, the oldest first."""
        with self._lock:
            return tuple(self._deliveries.values())

    def latest(self, out_trade_no: str) -> Delivery | None:
        """Return the last delivery of the merchant's number, ``None`` if none is stored."""
        about = (d for d in reversed(self.all()) if d.notice.out_trade_no == out_trade_no)
        return next(about, None)

    def add(self, notice: PendingNotification, due: datetime) -> Delivery:
        """Start a delivery.

        :param due: when it is to be sent for the first time.
        """
        with self._lock:
            self._last += 1
            number = str(self._last)
            delivery = Delivery(number, notice, DeliveryState(next_at=due))
            self._deliveries[number] = delivery
            self._courses[number] = delivery.course
            self._notices[number] = notice  # the last, without which the course means nothing
            while len(self._deliveries) > self._limit:
                oldest, _ = self._deliveries.popitem(last=False)
                del self._notices[oldest], self._courses[oldest]
        return delivery

    def keep(self, delivery: Delivery) -> None:
        """Store the progress of a delivery, unless it was evicted."""
        with self._lock:
            if delivery.number in self._deliveries:
                self._courses[delivery.number] = delivery.course
