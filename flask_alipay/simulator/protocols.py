"""All protocols of a merchant: the choice of the one that notifies a trade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from .clock import OffsetFn, zero_offset
from .faults import Faults
from .mapi import Mapi, WapRestService, closed_unpaid
from .merchant.merchant import SimulatedMerchant
from .notifications.messages import OutgoingMessage
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
    """The three protocols of a merchant's Alipay.

    :param merchant: the only merchant.
    :param trades: store of the trades.
    :param batches: store of the batches.
    :param notify_ids: issues and remembers notification IDs.
    :param faults: the faults to inject.
    :param storage: stores the data beyond the process.
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
        """Return the signed query with which the buyer of a paid trade returns to the shop."""
        return self._by_name[trade.order.protocol].return_query(trade, now)

    def compose(self, notice: PendingNotification, now: datetime) -> bytes:
        """Return the signed body of a notification for the time of an attempt."""
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
        """Return protocols whose signatures are forged, with none of the keys."""
        return _elsewhere(SimulatedMerchant.new())

    @cached_property
    def _other_account(self) -> Protocols:
        """Return protocols of another merchant's account: their signatures are valid."""
        return _elsewhere(
            replace(self._merchant, app_id="9021000000000009", partner="2088000000000009")
        )


def with_charset(notice: PendingNotification, charset: str) -> PendingNotification:
    """Return a notification in another charset. The WAP gateway's stay in UTF-8."""
    about = notice.about
    if isinstance(about, (Batch, OutgoingMessage)):
        return replace(notice, about=replace(about, charset=charset))
    return replace(notice, about=replace(about, order=replace(about.order, charset=charset)))


def _elsewhere(merchant: SimulatedMerchant) -> Protocols:
    return Protocols(merchant, TradeStore(), BatchStore(), NotifyIds())
