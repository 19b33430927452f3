"""Pre-authorisations as the payer, time and a developer change them; the merchant is notified."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial

from .clock import Clock
from .openapi import OpenApi, fund_changed
from .trades.preauthorizations import Preauthorization
from .turns import Turns

logger = logging.getLogger("flask_alipay.simulator")


class FrozenAmounts:
    """The pre-authorisations of a simulator.

    At its time limit, each is closed or released without a request.

    :param clock: tells the time, and calls when a limit is reached.
    :param openapi: the protocol of their messages.
    :param turns: stores changes together with their notifications.
    """

    def __init__(self, clock: Clock, openapi: OpenApi, turns: Turns) -> None:
        self._clock = clock
        self._openapi = openapi
        self._store = openapi.preauthorizations
        self._turns = turns

    def resume(self) -> None:
        """Watch the limits, also of those of an earlier process."""
        self._store.on_limit = self._watch
        for held in self._store.all():
            self._watch(held)

    def all(self) -> tuple[Preauthorization, ...]:
        """Return them, the oldest first."""
        return self._store.all()

    def get(self, out_order_no: str) -> Preauthorization | None:
        """Return the one with the merchant's number, ``None`` if there is none."""
        self.apply(out_order_no, None)
        return self._store.get(out_order_no)

    def has_page(self, page_id: str) -> bool:
        """Return True if there is such a page; nobody opens it."""
        return self._store.find("page_id", page_id) is not None

    def open(self, page_id: str) -> Preauthorization | None:
        """Return the one of a page, which its payer has opened; ``None`` if there is none."""
        held = self._store.find("page_id", page_id)
        if held is None:
            return None
        number = held.order.out_order_no
        self.apply(number, None)
        with self._turns.begin():
            return self._store.open(number, self._clock.now())

    def apply(self, out_order_no: str, event: str | None) -> Preauthorization | None:
        """Apply an event, and notify the merchant before returning.

        :param event: one of :class:`~.trades.preauthorizations.PreauthorizationEvent`; ``None``
            only applies an expiry.
        :returns: the pre-authorisation after it; ``None`` if nothing happened.
        """
        with self._turns.begin() as deliveries:
            changed = self._store.apply(out_order_no, event, self._clock.now())
            if changed is not None:
                logger.info("pre-authorisation %s is now %s", out_order_no, changed.status)
                for message in fund_changed(self._openapi.context, changed):
                    deliveries += self._turns.enqueued(message)
        return changed

    def release(self, out_order_no: str, number: str, fen: int) -> Preauthorization | None:
        """Release an amount, and notify the merchant before returning.

        :param number: of the release.
        :returns: the pre-authorisation after it; ``None`` if there is not that much left.
        """
        now = self._clock.now()
        with self._turns.begin() as deliveries:
            changed = self._store.change(out_order_no, lambda held: held.released(number, fen, now))
            if changed is not None:
                for message in fund_changed(self._openapi.context, changed):
                    deliveries += self._turns.enqueued(message)
        return changed

    def _watch(self, held: Preauthorization) -> None:
        if held.limit is None:
            return
        wait = max(held.limit - self._clock.now(), timedelta(0))
        self._clock.call_later(wait, partial(self._ring, held.order.out_order_no, held.limit))

    def _ring(self, out_order_no: str, limit: datetime) -> None:
        """End one whose time is over; the notification is sent without waiting for the response."""
        held = self._store.get(out_order_no)
        if held is None or held.limit != limit:
            return
        with self._turns.begin():
            changed = self._store.apply(out_order_no, None, self._clock.now())
            if changed is not None:
                for message in fund_changed(self._openapi.context, changed):
                    self._turns.enqueue_later(message)
