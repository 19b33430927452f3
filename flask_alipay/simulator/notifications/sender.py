"""Sending of notifications: at once, then with retries until the merchant responds ``success``.

Attempts and responses are stored for the developer.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeAlias

from ..clock import Clock
from ..faults import DELAY, DROP, GBK, OUT_OF_ORDER, REPEAT, TAMPER, Faults
from ..protocols import with_charset
from ..replies import PendingNotification
from ..storage.storage import Storage
from ..worker_pool import Task
from .delivery import Attempt as Attempt
from .delivery import Delivery as Delivery
from .delivery import DeliveryStore
from .http_client import HttpClient
from .messages import MESSAGE_SCHEDULE
from .notify_ids import NotifyIds
from .tampering import tamper_amount

logger = logging.getLogger("flask_alipay.simulator")

#: Sends a body to a URL: ``post(url, body, headers)`` returns the status and the response's text.
#: Any exception counts as no response.
Post: TypeAlias = Callable[[str, bytes, Mapping[str, str]], tuple[int, str]]

#: Writes and signs a notification for the time of a sending: ``compose(notice, now)``.
Compose: TypeAlias = Callable[[PendingNotification, datetime], bytes]

#: How long Alipay waits before each repetition: eight sendings in 24 hours and 24 minutes.
RETRY_SCHEDULE: Final = (
    timedelta(minutes=4),
    timedelta(minutes=10),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=15),
)
#: Maximum part of a response that is kept.
MAX_RESPONSE_CHARACTERS: Final = 200
#: How long one that is to come out of order waits for another that overtakes it.
LONGEST_HELD: Final = timedelta(hours=1)
# Alipay's servers call themselves so.
_USER_AGENT: Final = "Mozilla/4.0"
_FORM: Final = "application/x-www-form-urlencoded"
_SERVER: Final = re.compile(r"[^/?#]*//[^/?#]*")


class NotificationSender:
    """Sender of notifications, with retries on a schedule.

    :param clock: tells the time and calls back for the repetitions.
    :param notify_ids: is told of each sending, so that ``notify_verify`` knows it.
    :param compose: writes what is sent.
    :param post: how a notification is sent; by default over HTTP.
    :param schedule: the waits between sendings.
    :param faults: the faults to inject.
    :param storage: stores the deliveries beyond the process.
    :param note_time: keeps what time it is, together with whatever is kept.
    """

    def __init__(
        self,
        clock: Clock,
        notify_ids: NotifyIds,
        compose: Compose,
        post: Post | None = None,
        schedule: Sequence[timedelta] = RETRY_SCHEDULE,
        faults: Faults | None = None,
        storage: Storage | None = None,
        note_time: Callable[[], None] = lambda: None,
    ) -> None:
        self._faults = faults or Faults()
        self._clock = clock
        self._notify_ids = notify_ids
        self._compose = compose
        self._post = post or HttpClient()
        self._schedule = tuple(schedule)
        is_alipays = self._schedule == RETRY_SCHEDULE
        self._message_schedule = MESSAGE_SCHEDULE if is_alipays else self._schedule
        self._storage = storage or Storage()
        self._note_time = note_time
        self._deliveries = DeliveryStore(storage=self._storage)
        self._lock = threading.Lock()
        self._held: list[Delivery] = []

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The latest deliveries, the oldest first."""
        return self._deliveries.all()

    def latest(self, out_trade_no: str) -> Delivery | None:
        """Return the last delivery of the merchant's number, ``None`` if none is stored."""
        return self._deliveries.latest(out_trade_no)

    def resume(self) -> None:
        """Continue the stored deliveries: send at once what became due meanwhile."""
        now = self._clock.now()
        for delivery in self.deliveries:
            if delivery.next_at is not None and not delivery.acknowledged:
                wait = max(delivery.next_at - now, timedelta(0))
                if delivery.delayed:
                    self._held.append(delivery)
                self._call_later(wait, delivery, partial(self._attempt, due=delivery.next_at))

    def deliver(self, notice: PendingNotification) -> Delivery:
        """Send a notification, wait for the response, and schedule retries.

        Never raises for the merchant's behaviour.
        """
        delivery = self.enqueue(notice)
        self.send(delivery)
        return delivery

    def enqueue(self, notice: PendingNotification, wait: timedelta | None = None) -> Delivery:
        """Store a notification that :meth:`send` sends.

        :param wait: after which the clock sends it without further ado, if there is one.
        """
        if self._faults.take(GBK, notice.out_trade_no):
            notice = with_charset(notice, "GBK")
        delivery = self._deliveries.add(notice, self._clock.now() + (wait or timedelta(0)))
        if wait is not None:
            self._call_later(wait, delivery, self.send)
        return delivery

    def send(self, delivery: Delivery) -> None:
        """Send a notification for the first time and wait for the response, as :meth:`deliver`."""
        out_trade_no = delivery.notice.out_trade_no
        late = self._faults.take(DELAY, out_trade_no)
        if late is not None:
            self._later(delivery, timedelta(seconds=late.seconds))
        elif self._faults.take(OUT_OF_ORDER, out_trade_no):
            self._hold(delivery)
        else:
            self._attempt(delivery, delivery.next_at)
            self._release(out_trade_no)

    def resend(self, delivery: Delivery) -> None:
        """Send a notification additionally to the schedule, and wait for the response.

        Retries end if the merchant responds ``success``.
        """
        with delivery.sending:
            attempt = self._sent(delivery)
            self._note(delivery, attempt)

    def post(self, url: str, body: bytes) -> tuple[int, str]:
        """Send a form once, without a record.

        :returns: the status and the answer.
        :raises Exception: whatever the merchant's side fails with.
        """
        return self._post(url, body, {"Content-Type": _FORM, "User-Agent": _USER_AGENT})

    def _hold(self, delivery: Delivery) -> None:
        """Delay a notification until the next one of its trade was sent, if that happens soon."""
        delivery.delayed = True
        with self._lock:
            self._held.append(delivery)
        self._later(delivery, LONGEST_HELD)

    def _release(self, out_trade_no: str) -> None:
        with self._lock:
            held = [d for d in reversed(self._held) if d.notice.out_trade_no == out_trade_no]
        for delivery in held:
            self._attempt(delivery, delivery.next_at)

    def _attempt(self, delivery: Delivery, due: datetime | None) -> None:
        """Send a notification unless it is no longer due, since another thread sent it."""
        with delivery.sending:
            if delivery.acknowledged or delivery.next_at != due:
                return
            # In the file it stays due until the outcome is known: a sending may be cut short.
            delivery.next_at = None
            self._let_go(delivery)
            attempt = self._sent(delivery)
            with self._storage.transaction():
                self._note(delivery, attempt)
                if not attempt.acknowledged:
                    self._put_off(delivery)
            if attempt.acknowledged and self._faults.take(REPEAT, delivery.notice.out_trade_no):
                self._note(delivery, self._sent(delivery))

    def _let_go(self, delivery: Delivery) -> None:
        if delivery.delayed:
            delivery.delayed = False
            with self._lock:
                self._held.remove(delivery)

    def _sent(self, delivery: Delivery) -> Attempt:
        now = self._clock.now()
        self._notify_ids.record(delivery.notice.notify_id, now)
        return self._send(delivery.notice, now)

    def _note(self, delivery: Delivery, attempt: Attempt) -> None:
        delivery.attempts = (*delivery.attempts, attempt)
        if attempt.acknowledged:
            delivery.next_at = None
        self._keep(delivery)
        logger.info(
            "notification %s of %s, sending %d: %s",
            delivery.notice.notify_id,
            delivery.notice.out_trade_no,
            len(delivery.attempts),
            "success" if attempt.acknowledged else f"not heard (status {attempt.status})",
        )

    def _keep(self, delivery: Delivery) -> None:
        """Store the progress and the time, so that the time is not earlier after a restart."""
        with self._storage.transaction():
            self._deliveries.keep(delivery)
            self._note_time()

    def _put_off(self, delivery: Delivery) -> None:
        delivery.scheduled = sent = delivery.scheduled + 1
        schedule = self._message_schedule if delivery.notice.is_message else self._schedule
        if sent <= len(schedule):
            self._later(delivery, schedule[sent - 1])
        else:  # that was the last time
            self._keep(delivery)

    def _later(self, delivery: Delivery, wait: timedelta) -> None:
        due = delivery.next_at = self._clock.now() + wait
        self._keep(delivery)
        self._call_later(wait, delivery, partial(self._attempt, due=due))

    def _call_later(
        self, wait: timedelta, delivery: Delivery, send: Callable[[Delivery], object]
    ) -> None:
        """Schedule an attempt; a slow server delays no other."""
        found = _SERVER.match(delivery.notice.url)
        place = found[0].lower() if found else ""
        self._clock.call_later(wait, Task(place, partial(send, delivery)))

    def _send(self, notice: PendingNotification, now: datetime) -> Attempt:
        body = self._compose(notice, now)
        if self._faults.take(DROP, notice.out_trade_no):
            return Attempt(now, body, None, "dropped by a fault")
        if self._faults.take(TAMPER, notice.out_trade_no):
            body = tamper_amount(body)
        try:
            status, answer = self.post(notice.url, body)
        except Exception as error:
            # The merchant's side may fail in any way; for Alipay it is not acknowledged.
            return Attempt(now, body, None, type(error).__name__)
        return Attempt(now, body, status, answer[:MAX_RESPONSE_CHARACTERS])
