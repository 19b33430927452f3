"""The buyer's wallet: agreements are signed, seen and ended in it."""

from __future__ import annotations

from dataclasses import replace

from .agreements import AgreementRegistry
from .clock import Clock
from .openapi import OpenApi
from .trades.agreements import BUYER, Agreement
from .turns import Turns
from .web.forms import with_query


class Wallet:
    """The buyer's changes of agreements. The merchant is notified before a method returns.

    :param clock: tells the time.
    :param openapi: has the agreements, and signs.
    :param turns: store changes together with their notifications.
    """

    def __init__(self, clock: Clock, openapi: OpenApi, turns: Turns) -> None:
        self._clock = clock
        self._openapi = openapi
        self._turns = turns

    @property
    def registry(self) -> AgreementRegistry:
        """The agreements."""
        return self._openapi.agreements

    def sign(self, page_id: str) -> Agreement | None:
        """Sign an agreement.

        :param page_id: from the page's address.
        :returns: the agreement as it is then; ``None`` if there is no such page.
        """
        with self._turns.begin() as deliveries:
            for change in self.registry.sign(page_id, self._clock.now()):
                deliveries += self._turns.enqueued(change)
        return self.registry.store.by_page(page_id)

    def end(self, agreement_no: str) -> bool:
        """End an agreement; return False if it is not in force."""
        with self._turns.begin() as deliveries:
            changes = self.registry.end(agreement_no, BUYER, self._clock.now())
            for change in changes:
                deliveries += self._turns.enqueued(change)
        return bool(changes)

    def expire(self, agreement_no: str) -> bool:
        """End the time of an agreement now, of which nobody is told; return False if it is not in
        force.
        """
        now, store = self._clock.now(), self.registry.store
        with self._turns.begin(), store.turn():
            agreement = store.by_no(agreement_no)
            if agreement is None or not agreement.in_force(now):
                return False
            store.put(replace(agreement, valid_until=now))
        return True

    def fund(self, agreement_no: str, funded: bool) -> bool:
        """Say whether the buyer has the money for deductions; return False if there is no such
        agreement.
        """
        store = self.registry.store
        with self._turns.begin(), store.turn():
            agreement = store.by_no(agreement_no)
            if agreement is None:
                return False
            store.put(replace(agreement, funded=funded))
        return True

    def return_url(self, agreement: Agreement) -> str:
        """Return the URL with which the buyer returns to the shop: signed by Alipay after the
        signature, otherwise bare. Empty if the merchant gave none.
        """
        url = agreement.request.return_url
        if not url or not agreement.agreement_no:
            return url
        return with_query(url, self._openapi.sign_return_query(agreement, self._clock.now()))
