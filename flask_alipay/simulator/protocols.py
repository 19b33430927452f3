"""Alipay's protocols together: which of them tells the merchant of what, and by whose voice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from .clock import OffsetFn, zero_offset
from .faults import Faults
from .mapi import Mapi, WapRestService, closed_unpaid
from .merchant.merchant import SimulatedMerchant
from .notifications.notify_ids import NotifyIds
from .notifications.tampering import corrupt_text, tamper_amount
from .openapi import OpenApi
from .replies import (
    ALIPAY,
    FORGER,
    GARBLER,
    OTHER_ACCOUNT,
    TAMPERER,
    GatewayProtocol,
    PendingNotification,
)
from .storage.storage import Storage
from .trades.batches import Batch, BatchStore
from .trades.trades import Trade, TradeStore


class Protocols:
    """The three protocols that a merchant's Alipay speaks.

    :param merchant: the only one it knows.
    :param trades: where orders become trades.
    :param batches: where batches wait.
    :param notify_ids: gives notifications their numbers and knows them again.
    :param faults: what is to go wrong.
    :param storage: keeps what they know beyond the process.
    :param ahead: tells how far the time here is ahead of the merchant's.
    """

    def __init__(
        self,
        merchant: SimulatedMerchant,
        trades: TradeStore,
        batches: BatchStore,
        notify_ids: NotifyIds,
        faults: Faults | None = None,
        storage: Storage | None = None,
        ahead: OffsetFn = zero_offset,
    ) -> None:
        faults = faults or Faults()
        self._merchant = merchant
        #: The open platform.
        self.openapi = OpenApi(merchant, trades, notify_ids, faults, storage, ahead)
        #: The legacy gateway.
        self.mapi = Mapi(merchant, trades, batches, notify_ids, faults, storage, ahead)
        #: The older gateway for phones.
        self.wap = WapRestService(merchant, trades, notify_ids, faults)
        self._by_name: Mapping[str, GatewayProtocol] = {
            "openapi": self.openapi,
            "mapi": self.mapi,
            "wap": self.wap,
        }

    def notice(self, trade: Trade, *, optional: bool = False) -> PendingNotification | None:
        """Return the notification of a trade's present status, ``None`` if Alipay sends none.

        :param optional: whether the merchant also gets what Alipay sends only to those who have
            asked for it: that a direct payment on the legacy gateway was closed unpaid.
        """
        if closed_unpaid(trade) and not optional:
            return None
        return self._by_name[trade.order.protocol].notice(trade)

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Returns the signed query with which the buyer of a paid trade returns to the shop."""
        return self._by_name[trade.order.protocol].return_query(trade, now)

    def compose(self, notice: PendingNotification, now: datetime) -> bytes:
        """Returns the signed body of a notification for the time of a sending."""
        if notice.sender == FORGER:
            return self._forger.compose(replace(notice, sender=ALIPAY), now)
        if notice.sender == OTHER_ACCOUNT:
            return self._other_account.compose(replace(notice, sender=ALIPAY), now)
        body = self._by_name[notice.protocol].compose(notice, now)
        if notice.sender == TAMPERER:
            return tamper_amount(body)
        if notice.sender == GARBLER:
            return corrupt_text(body)
        return body

    @cached_property
    def _forger(self) -> Protocols:
        """Somebody who has none of the keys."""
        return _elsewhere(SimulatedMerchant.new())

    @cached_property
    def _other_account(self) -> Protocols:
        """Alipay, about somebody else's money: the signature is good."""
        return _elsewhere(
            replace(self._merchant, app_id="9021000000000009", partner="2088000000000009")
        )


def with_charset(notice: PendingNotification, charset: str) -> PendingNotification:
    """Returns a notification as a merchant is told who speaks another charset.

    The older gateway for phones tells it in UTF-8 all the same.
    """
    about = notice.about
    if isinstance(about, Batch):
        return replace(notice, about=replace(about, charset=charset))
    return replace(notice, about=replace(about, order=replace(about.order, charset=charset)))


def _elsewhere(merchant: SimulatedMerchant) -> Protocols:
    return Protocols(merchant, TradeStore(), BatchStore(), NotifyIds())
