"""Telling the merchant: the first time at once, then again until it answers ``success``.

What was sent, and what was answered, is kept for the developer to look at.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from .answers import Notice
from .batches import Batch
from .clock import Clock
from .faults import DELAY, DROP, GBK, OUT_OF_ORDER, REPEAT, TAMPER, Faults
from .notify_ids import NotifyIds
from .posting import MOST_ANSWER, Posting

logger = logging.getLogger("flask_alipay.simulator")

#: Sends a body to a URL: ``post(url, body, headers)`` returns the status and the answer's text.
#: Whatever it raises counts as no answer.
Post: TypeAlias = Callable[[str, bytes, Mapping[str, str]], tuple[int, str]]

#: Writes and signs a notification for the time of a sending: ``compose(notice, now)``.
Compose: TypeAlias = Callable[[Notice, datetime], bytes]

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
#: How long one that is to come out of order waits for another that overtakes it.
LONGEST_HELD: Final = timedelta(hours=1)
#: Alipay's name of that charset.
GBK_CHARSET: Final = "GBK"
#: How many deliveries are kept; the oldest make room.
MOST_DELIVERIES: Final = 1_000

# Alipay's servers call themselves so.
_USER_AGENT: Final = "Mozilla/4.0"
_FORM: Final = "application/x-www-form-urlencoded"


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


class Delivery:
    """A notification on its way: each sending so far, and when the next one is due.

    :param notice: what is to be told, and where.
    """

    def __init__(self, notice: Notice) -> None:
        #: What is to be told, and where.
        self.notice = notice
        #: The sendings so far, in order.
        self.attempts: tuple[Attempt, ...] = ()
        #: When it is sent again, ``None``: never, or it is being sent.
        self.next_at: datetime | None = None
        #: How many of the sendings were on schedule.
        self.scheduled = 0
        #: Held while it is being sent: never twice at a time.
        self.sending = threading.Lock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.notice.out_trade_no} {len(self.attempts)} sent>"

    @property
    def heard(self) -> bool:
        """Whether the merchant answered ``success``."""
        return any(attempt.heard for attempt in self.attempts)


class Deliverer:
    """Sends notifications and repeats them on schedule.

    :param clock: tells the time and calls back for the repetitions.
    :param notify_ids: is told of each sending, so that ``notify_verify`` knows it.
    :param compose: writes what is sent.
    :param post: how a notification is sent; by default over HTTP.
    :param schedule: the waits between sendings.
    :param faults: what is to go wrong on the way.
    """

    def __init__(
        self,
        clock: Clock,
        notify_ids: NotifyIds,
        compose: Compose,
        post: Post | None = None,
        schedule: Sequence[timedelta] = RETRY_SCHEDULE,
        faults: Faults | None = None,
    ) -> None:
        self._faults = faults or Faults()
        self._clock = clock
        self._notify_ids = notify_ids
        self._compose = compose
        self._post = post or Posting()
        self._schedule = tuple(schedule)
        self._lock = threading.Lock()
        self._deliveries: deque[Delivery] = deque(maxlen=MOST_DELIVERIES)
        self._held: list[Delivery] = []

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The latest deliveries, the oldest first."""
        with self._lock:
            return tuple(self._deliveries)

    def latest(self, out_trade_no: str) -> Delivery | None:
        """Returns the last delivery about the merchant's number, ``None`` if none is kept."""
        about = (d for d in reversed(self.deliveries) if d.notice.out_trade_no == out_trade_no)
        return next(about, None)

    def deliver(self, notice: Notice) -> Delivery:
        """Sends a notification now, waits for the answer, and sees to the repetitions.

        Returns whatever comes of it; never raises for what the merchant does.
        """
        if self._faults.take(GBK, notice.out_trade_no):
            notice = in_gbk(notice)
        delivery = Delivery(notice)
        with self._lock:
            self._deliveries.append(delivery)
        late = self._faults.take(DELAY, notice.out_trade_no)
        if late is not None:
            self._later(delivery, timedelta(seconds=late.seconds))
        elif self._faults.take(OUT_OF_ORDER, notice.out_trade_no):
            self._hold(delivery)
        else:
            self._attempt(delivery)
            self._release(notice.out_trade_no)
        return delivery

    def again(self, delivery: Delivery) -> None:
        """Sends it once more, on top of the schedule, and waits for the answer.

        A merchant that was not heard yet and answers ``success`` now is not told any more.
        """
        with delivery.sending:
            self._sent(delivery)

    def _hold(self, delivery: Delivery) -> None:
        """Keeps it back until the next one about the same trade was sent, if that comes soon."""
        with self._lock:
            self._held.append(delivery)
        delivery.next_at = self._clock.now() + LONGEST_HELD
        self._clock.call_later(LONGEST_HELD, lambda: self._attempt_held(delivery))

    def _release(self, out_trade_no: str) -> None:
        held = [d for d in reversed(self._held) if d.notice.out_trade_no == out_trade_no]
        for delivery in held:
            self._attempt_held(delivery)

    def _attempt_held(self, delivery: Delivery) -> None:
        with self._lock:
            if delivery not in self._held:  # it was overtaken and sent
                return
            self._held.remove(delivery)
        self._attempt(delivery)

    def _attempt(self, delivery: Delivery) -> None:
        with delivery.sending:
            if delivery.heard:  # somebody sent it in between
                return
            delivery.next_at = None
            attempt = self._sent(delivery)
            if not attempt.heard:
                self._put_off(delivery)
            elif self._faults.take(REPEAT, delivery.notice.out_trade_no):
                self._sent(delivery)

    def _sent(self, delivery: Delivery) -> Attempt:
        notice = delivery.notice
        now = self._clock.now()
        self._notify_ids.sent(notice.notify_id, now)
        attempt = self._send(notice, now)
        delivery.attempts = (*delivery.attempts, attempt)
        logger.info(
            "notification %s of %s, sending %d: %s",
            notice.notify_id,
            notice.out_trade_no,
            len(delivery.attempts),
            "success" if attempt.heard else f"not heard (status {attempt.status})",
        )
        if attempt.heard:
            delivery.next_at = None
        return attempt

    def _put_off(self, delivery: Delivery) -> None:
        delivery.scheduled = sent = delivery.scheduled + 1
        if sent > len(self._schedule):
            return  # that was the last time
        self._later(delivery, self._schedule[sent - 1])

    def _later(self, delivery: Delivery, wait: timedelta) -> None:
        delivery.next_at = self._clock.now() + wait
        self._clock.call_later(wait, lambda: self._attempt(delivery))

    def _send(self, notice: Notice, now: datetime) -> Attempt:
        body = self._compose(notice, now)
        if self._faults.take(DROP, notice.out_trade_no):
            return Attempt(now, body, None, "dropped by a fault")
        if self._faults.take(TAMPER, notice.out_trade_no):
            body = tampered(body)
        headers = {"Content-Type": _FORM, "User-Agent": _USER_AGENT}
        try:
            status, answer = self._post(notice.url, body, headers)
        except Exception as error:
            # The merchant's side may fail in any way; for Alipay it is all the same: not heard.
            return Attempt(now, body, None, type(error).__name__)
        return Attempt(now, body, status, answer[:MOST_ANSWER])


def in_gbk(notice: Notice) -> Notice:
    """Returns a notification as a merchant is told who speaks GBK; the older gateway for phones
    tells it in UTF-8.
    """
    about = notice.about
    if isinstance(about, Batch):
        return replace(notice, about=replace(about, charset=GBK_CHARSET))
    return replace(notice, about=replace(about, order=replace(about.order, charset=GBK_CHARSET)))


# The amount, in a form or in the document in it; a batch has none but its entries.
_AMOUNT = re.compile(rb"((?:^|&)(?:total_amount|total_fee|result_details)=|total_fee%3E)[^&%]+")


def tampered(body: bytes) -> bytes:
    """Returns a signed notification with another amount, as somebody on the way would like it."""
    return _AMOUNT.sub(rb"\g<1>0.01", body, count=1)
