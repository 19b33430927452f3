"""Signing and delivery of the notifications of ``trigger``.

The app's embedded simulator signs and delivers through the notification route; or this process
signs with the keys of ``simulate`` and delivers over HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import current_app

from ..exceptions import InvalidParameter
from ..simulator.clock import SystemClock
from ..simulator.merchant.settings import SIGN_TYPES
from ..simulator.notifications.notify_ids import NotifyIds
from ..simulator.notifications.sender import Delivery, NotificationSender
from ..simulator.notifications.triggers import build_message, build_notifications
from ..simulator.protocols import Protocols
from ..simulator.replies import PendingNotification
from ..simulator.simulator import SIMULATORS
from ..simulator.trades.batches import BatchStore
from ..simulator.trades.orders import Order
from ..simulator.trades.trades import Trade, TradeStore
from ..simulator.web.urls import checked_url
from .errors import CommandFailed
from .i18n import _
from .key_folder import simulated_merchant

if TYPE_CHECKING:
    from ..merchant import Merchant

_METHODS = {"mapi": "create_direct_pay_by_user", "openapi": "alipay.trade.page.pay"}


@dataclass(frozen=True)
class TriggerSender:
    """Sign notifications and deliver them."""

    dialects: Protocols
    deliverer: NotificationSender
    protocol: str
    charset: str
    sign_type: str
    #: The trade in the simulator's query response during a delivery: the app may query before it
    #: settles a sale.
    stated: dict[str, Trade] = field(default_factory=dict)

    def send(
        self,
        event: str,
        *,
        url: str,
        out_trade_no: str,
        total_fen: int,
        subject: str,
        currency: str = "CNY",
        trade_no: str = "",
    ) -> list[Delivery]:
        """Sign and deliver the notifications of an event.

        :param event: one of :data:`~flask_alipay.simulator.notifications.triggers.EVENTS`.
        :param url: the app's notify_url.
        :param out_trade_no: the payment's number.
        :param total_fen: the amount in minor units.
        :param subject: of the order.
        :param currency: of the amount.
        :param trade_no: Alipay's number; empty: a new one.
        :return: the deliveries with the app's responses.
        :raises CommandFailed: if Alipay sends no such notification.
        """
        order = Order(
            protocol=self.protocol,
            method=_METHODS[self.protocol],
            out_trade_no=out_trade_no,
            subject=subject,
            total_fen=total_fen,
            charset=self.charset,
            sign_type=self.sign_type,
            notify_url=checked_url("url", url, max_length=256),
            currency=currency,
        )
        notifications = build_notifications(
            event, order, self.dialects, SystemClock().now(), trade_no
        )
        if not notifications or (event == "escrow-paid" and self.protocol != "mapi"):
            raise CommandFailed(_("Alipay sends no such notification about this payment."))
        return [self._deliver(notification) for notification in notifications]

    def send_message(
        self, event: str, kind: str, content: dict[str, Any] | None, *, url: str
    ) -> list[Delivery]:
        """Sign and deliver a message.

        :param event: one of :data:`~flask_alipay.simulator.notifications.triggers.MESSAGES`.
        :param kind: ``msg_method`` or ``notify_type``.
        :param content: its content; by default the kind's sample.
        :param url: the app's notify_url.
        :return: the delivery with the app's response.
        :raises CommandFailed: on the legacy gateway.
        :raises InvalidParameter: names the wrong parameter.
        """
        if self.protocol != "openapi":
            raise CommandFailed(_("Only the open platform sends messages."))
        url = checked_url("url", url, max_length=256)
        now, charset = SystemClock().now(), self.charset
        notification = build_message(event, kind, content, url=url, charset=charset, now=now)
        return [self._deliver(notification)]

    def _deliver(self, notification: PendingNotification) -> Delivery:
        if isinstance(notification.about, Trade):
            self.stated[notification.about.order.out_trade_no] = notification.about
        try:
            return self.deliverer.deliver(notification)
        finally:
            self.stated.clear()

    def over_http(self) -> TriggerSender:
        """Return a sender that signs alike and delivers over HTTP, without retries."""
        return replace(self, deliverer=_once_over_http(self.dialects))


def from_embedded_simulator(merchant: Merchant) -> TriggerSender:
    """Return the sender of the app's embedded simulator.

    :param merchant: the merchant.
    :return: the sender.
    :raises CommandFailed: if the merchant has no simulator.
    """
    if not merchant.config.simulator:
        raise CommandFailed(
            _(
                "This app accepts only Alipay's signatures. Set {key}, without real credentials, "
                "so that the simulator signs; or pass --keys if the merchant is a simulator's."
            ).format(key=f"{merchant.config.prefix}_SIMULATOR")
        )
    simulator: Any = current_app.extensions[SIMULATORS][merchant.name]
    return TriggerSender(
        simulator.dialects,
        simulator.deliverer,
        simulator.protocol,
        simulator.charset,
        simulator.sign_type,
        simulator.trades.stated,
    )


def from_key_folder(
    folder: Path, protocol: str, charset: str, sign_type: str | None
) -> TriggerSender:
    """Return a sender that signs with the keys of a folder and delivers over HTTP, without retries.

    :param folder: as ``simulate --keys`` writes it.
    :param protocol: ``openapi`` or ``mapi``.
    :param charset: of the app's requests.
    :param sign_type: ``None``: the protocol's default.
    :return: the sender.
    :raises CommandFailed: if the folder has no keys.
    :raises InvalidParameter: if the protocol has no such sign type.
    """
    merchant = simulated_merchant(folder)
    known = SIGN_TYPES[protocol]
    if sign_type is not None and sign_type not in known:
        raise InvalidParameter("sign_type", f"must be one of {', '.join(known)}")
    dialects = Protocols(merchant, TradeStore(), BatchStore(), NotifyIds())
    deliverer = _once_over_http(dialects)
    return TriggerSender(dialects, deliverer, protocol, charset, sign_type or known[0])


def _once_over_http(dialects: Protocols) -> NotificationSender:
    return NotificationSender(SystemClock(), NotifyIds(), dialects.compose, schedule=())
