"""Changes of the simulator's data, stored together with the notifications that they cause."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from typing import Final

from .messages import MessageService
from .notifications.messages import Announcement
from .notifications.sender import Delivery, NotificationSender
from .protocols import Protocols
from .replies import CallResult, PendingNotification, RedirectToBatch, RedirectToCashier, Reply
from .storage.storage import Storage
from .trades.trades import Trade

logger = logging.getLogger("flask_alipay.simulator")

#: Delay of a notification about a call after the call's response: the merchant's server waits for
#: the response, and may lock its database until it arrives.
AFTER_RESPONSE: Final = timedelta(seconds=0.5)


class Turns:
    """Changes with their notifications.

    :param dialects: write the notifications of trades.
    :param messages: writes messages about other changes.
    :param deliverer: sends both.
    :param storage: stores each change together with its notifications.
    :param note_time: stores the time, together with each change.
    """

    def __init__(
        self,
        dialects: Protocols,
        messages: MessageService,
        deliverer: NotificationSender,
        storage: Storage,
        note_time: Callable[[], None],
    ) -> None:
        self._dialects = dialects
        self._messages = messages
        self._deliverer = deliverer
        self._storage = storage
        self._note_time = note_time

    @contextmanager
    def begin(self) -> Iterator[list[Delivery]]:
        """Store an event together with its notifications; send them afterwards."""
        deliveries: list[Delivery] = []
        with self._storage.transaction():
            yield deliveries
            self._note_time()
        for delivery in deliveries:
            self._deliverer.send(delivery)

    def reply(self, call: Callable[[], CallResult]) -> Reply:
        """Run a call to a gateway and return its reply."""
        with self.begin() as deliveries:
            result = call()
            deliveries += self.accepted(result)
        return result.reply

    def accepted(self, result: CallResult) -> list[Delivery]:
        """Store a call's notifications, and return those to send at once.

        A browser waits for them; a server gets its response first.
        """
        notices = [*result.notices, *chain.from_iterable(map(self.notices, result.trades))]
        if isinstance(result.reply, RedirectToCashier | RedirectToBatch):
            return [self._deliverer.enqueue(notice) for notice in notices]
        for notice in notices:
            self._deliverer.enqueue(notice, AFTER_RESPONSE)
        return []

    def enqueued(self, change: Trade | Announcement) -> list[Delivery]:
        """Store the notifications of a change, and return them."""
        return [self._deliverer.enqueue(notice) for notice in self.notices(change)]

    def enqueue_later(self, change: Trade | Announcement) -> None:
        """Store the notifications of a change; the clock sends them, nobody waits for it."""
        for notice in self.notices(change):
            self._deliverer.enqueue(notice, timedelta(0))

    def notices(self, change: Trade | Announcement) -> list[PendingNotification]:
        """Return the notifications of a changed trade, or the message about another change."""
        if isinstance(change, Announcement):
            return self._messages.pending(change)
        logger.info("trade of %s is now %s", change.order.out_trade_no, change.status)
        notice = self._dialects.notice(change)
        return [] if notice is None else [notice]
