"""The simulator as a whole: one merchant, its protocols, trades, batches, deliveries."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from .clock import Clock, PersistedOffset, SystemClock, clock_offset
from .faults import Faults
from .merchant.merchant import SimulatedMerchant, get_merchant
from .merchant.settings import SIGN_TYPES, check_merchant, merchant_settings
from .messages import MessageService
from .notifications.notify_ids import NotifyIds
from .notifications.sender import RETRY_SCHEDULE, Delivery, NotificationSender, Post
from .openapi import RestRequest, transfer_changed
from .preauthorizations import FrozenAmounts
from .protocols import Protocols
from .replies import Reply
from .storage.sqlite import SqliteStorage
from .storage.storage import Storage
from .trades.batches import Batch, BatchStore
from .trades.expiry import Expiry
from .trades.orders import PAYING, Order
from .trades.trades import EventResult, Trade, TradeEvent, TradeStore
from .trades.transfers import Transfer
from .turns import Turns
from .wallet import Wallet
from .web.forms import InvalidForm, RawForm, with_query

logger = logging.getLogger("flask_alipay.simulator")

#: Where an app's ``extensions`` keep its simulators, by the endpoints of their blueprints.
SIMULATORS = "alipay_simulators"

_WARNING = "this is a simulator of Alipay (%s): no money moves, never use it in production"


class Simulator:
    """An offline Alipay: gateway, cashier pages, signed notifications and returns. No money moves.

    The gateway supports both protocols, whichever the merchant is configured for; the legacy WAP
    gateway and payments in apps have separate URLs. Trades belong to this object and are stored in
    memory: a restart loses them without a ``state`` file, and the worker processes of a server have
    separate simulators (run one worker). The latest 10,000 trades and 1,000 notifications are
    stored.

    :param protocol: ``"openapi"`` or ``"mapi"``: the gateway for which :meth:`merchant_settings`
        configures a merchant.
    :param charset: the charset of that merchant: ``utf-8`` or ``gbk``.
    :param sign_type: its sign type; by default ``RSA2`` on the open platform, ``MD5`` on MAPI.
    :param base_url: the absolute URL of the simulator's blueprint; ``None`` if it is not known yet.
    :param post: sends a notification, ``post(url, body, headers) -> (status, text)``; by default
        over HTTP.
    :param clock: time source and scheduler of retries; by default the machine's.
    :param keys: the directory of the merchant's keys; by default the keys are this process's.
    :param merchant: another merchant than that of ``keys``.
    :param schedule: the delays before the retries of a notification.
    :param state: a file that stores all data beyond this process, see :meth:`close`; by default the
        data end with the process.
    :raises StorageError: if that file is something else, damaged, or of another version.
    :raises StorageLocked: if another simulator uses it.
    :raises ConfigurationError: if the protocol, its sign type or the charset does not exist.
    """

    def __init__(
        self,
        *,
        protocol: str = "openapi",
        charset: str = "utf-8",
        sign_type: str | None = None,
        base_url: str | None = None,
        post: Post | None = None,
        clock: Clock | None = None,
        keys: Path | None = None,
        merchant: SimulatedMerchant | None = None,
        schedule: Sequence[timedelta] = RETRY_SCHEDULE,
        state: Path | None = None,
    ) -> None:
        check_merchant(protocol, charset, sign_type)
        #: What its merchant is set up for.
        self.protocol = protocol
        self.charset = charset
        self.sign_type = sign_type or SIGN_TYPES[protocol][0]
        #: Where its blueprint is found, as far as that is known.
        self.base_url = base_url
        #: Tells the time.
        self.clock: Clock = clock or SystemClock()
        #: The merchant, its keys and Alipay's.
        self.merchant = merchant or get_merchant(keys)
        self._storage = Storage() if state is None else SqliteStorage(state)
        self._offset = PersistedOffset(self.clock, self._storage)
        #: The trades, by the merchant's numbers.
        self.trades = TradeStore(storage=self._storage)
        #: The batches of refunds and transfers.
        self.batches = BatchStore(storage=self._storage)
        #: What is to go wrong.
        self.faults = Faults(self._storage)
        notify_ids = NotifyIds(self._storage)
        offset = partial(clock_offset, self.clock)
        #: The protocols that it speaks.
        self.dialects = Protocols(
            self.merchant, self.trades, self.batches, notify_ids, self.faults, self._storage, offset
        )
        #: The transfers, by the merchant's numbers.
        self.transfers = self.dialects.openapi.transfers
        kept = (self._storage, self._offset.save)
        #: Sends the notifications and keeps what was answered.
        self.deliverer = NotificationSender(
            self.clock, notify_ids, self.dialects.compose, post, schedule, self.faults, *kept
        )
        self._turns = Turns(self.dialects, self.messages, self.deliverer, *kept)
        self._resume()
        logger.warning(_WARNING, protocol)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.protocol} {len(self.trades)} trades>"

    @cached_property
    def messages(self) -> MessageService:
        """Alipay's message service."""
        parts = (self.dialects.openapi, self.trades, self.deliverer, self._storage)
        return MessageService(self.clock, *parts)

    @cached_property
    def preauthorizations(self) -> FrozenAmounts:
        """The amounts that are frozen for the merchant."""
        return FrozenAmounts(self.clock, self.dialects.openapi, self._turns)

    @cached_property
    def wallet(self) -> Wallet:
        """The buyer's wallet, with the agreements."""
        return Wallet(self.clock, self.dialects.openapi, self._turns)

    def close(self) -> None:
        """Close the state file; later changes end with the process."""
        self._offset.save()
        self._storage.close()

    def merchant_settings(
        self, *, certificates: bool = False, encrypted: bool = False
    ) -> dict[str, Any]:
        """Return the settings for ``app.config``, without prefix, of this simulator's merchant.

        Holds the merchant's secrets: for configuration, not for showing. ``GATEWAY_URL`` is among
        them only where a ``base_url`` was given.

        :param certificates: whether the merchant is in certificate mode: on the open platform, with
            ``RSA2``.
        :param encrypted: whether it encrypts content, likewise on the open platform.
        """
        about = (self.merchant, self.protocol, self.charset, self.sign_type)
        settings = merchant_settings(*about, certificates=certificates, encrypted=encrypted)
        if self.base_url is not None:
            settings["GATEWAY_URL"] = f"{self.base_url.rstrip('/')}/gateway.do"
        return settings

    def reply(self, form: RawForm, root: str = "") -> Reply:
        """Handle a request to the gateway in either protocol.

        :param form: the request's fields; ``service`` is MAPI's word, ``method`` the open
            platform's.
        :param root: the absolute URL of the simulator in this request, without a slash at the end;
            a ``base_url`` wins.
        """
        now = self.clock.now()
        if form.ascii_value("service") is not None:
            return self._turns.reply(lambda: self.dialects.mapi.reply(form, now))
        root = (self.base_url or root).rstrip("/")
        return self._turns.reply(lambda: self.dialects.openapi.reply(form, now, root))

    def reply_v3(self, request: RestRequest, root: str) -> Reply:
        """Handle a request to the open platform in version 3.

        :param root: as of :meth:`reply`.
        """
        now, root = self.clock.now(), (self.base_url or root).rstrip("/")
        return self._turns.reply(lambda: self.dialects.openapi.reply_v3(request, now, root))

    def bill(self, token: str) -> bytes | None:
        """Return the bill of a download URL.

        :param token: from the address.
        :returns: a ZIP; ``None`` if there is no such address, or no longer.
        """
        return self.dialects.openapi.bill(token, self.clock.now())

    def reply_to_notify_query(self, form: RawForm) -> Reply:
        """Answer ``/trade/notify_query.do``, the older address of ``notify_verify``.

        :param form: the request's fields.
        """
        now = self.clock.now()
        return self._turns.reply(lambda: self.dialects.mapi.notify_verify(form, now))

    def reply_wap(self, form: RawForm) -> Reply:
        """Handle a request to the legacy WAP gateway.

        :param form: the request's fields.
        """
        now = self.clock.now()
        return self._turns.reply(lambda: self.dialects.wap.reply(form, now))

    def pay_in_app(self, order_string: bytes, *, cancel: bool = False, sign: bool = True) -> Reply:
        """Handle an app's order string as Alipay's SDK on the phone does.

        :param order_string: as the merchant's server made it.
        :param cancel: whether the buyer changes his mind.
        :param sign: whether the buyer signs the agreement that belongs to the order.
        """
        now = self.clock.now()
        try:
            form = RawForm(b"", order_string)
        except InvalidForm:  # as the older gateway's may be, whose values are not encoded
            form = RawForm(b"")
        if form.ascii_value("method") is not None:
            pay = partial(self.dialects.openapi.pay_in_app, sign=sign)
            return self._turns.reply(lambda: pay(form, cancel, now))
        return self._turns.reply(lambda: self.dialects.mapi.pay_in_app(order_string, cancel, now))

    def find_by_cashier(self, cashier_id: str) -> Trade | None:
        """Return the trade of a cashier page, expired if its time is over.

        :param cashier_id: from the page's address.
        :returns: ``None`` if there is no such page, or no longer.
        """
        return self._step(cashier_id, None)

    def cashier_event(
        self, cashier_id: str, event: str, paid_with: str = "", *, sign: bool = True
    ) -> Trade | None:
        """Apply the buyer's event, if possible, and notify the merchant before returning.

        :param cashier_id: from the page's address.
        :param event: one of :class:`~flask_alipay.simulator.trades.trades.TradeEvent`.
        :param paid_with: as of :meth:`apply_event`.
        :param sign: as of :meth:`apply_event`.
        :returns: the trade as it is then; ``None`` if there is no such page.
        """
        return self._step(cashier_id, event, paid_with, sign=sign)

    def create_trade(self, order: Order) -> Trade:
        """Create the trade of an order that no request of the merchant brought.

        :param order: with an unused number.
        """
        with self._turns.begin():
            return self.trades.create(order, self.clock.now())

    def apply_event(
        self, out_trade_no: str, event: str | None, paid_with: str = "", *, sign: bool = True
    ) -> EventResult | None:
        """Apply an event to a trade, and notify the merchant before returning.

        :param out_trade_no: the merchant's number.
        :param event: one of :class:`~.trades.trades.TradeEvent`; ``None`` only applies an expiry.
        :param paid_with: the payment channel: ``balance``, ``credit`` or the code of a bank; by
            default the bank that the buyer chose in the shop, or the balance.
        :param sign: whether a buyer who pays signs the agreement that belongs to the order.
        :returns: the applied event; ``None`` if there is no such trade.
        """
        with self._turns.begin() as deliveries:
            if event not in (None, TradeEvent.EXPIRE):  # an event implies an opened trade
                self.trades.open(out_trade_no, self.clock.now())
            step = self.trades.apply(out_trade_no, event, self.clock.now(), paid_with)
            if step is not None and step.event is not None:
                deliveries += self._turns.enqueued(step.trade)
                if step.event in PAYING:
                    registry, now = self.wallet.registry, self.clock.now()
                    for change in registry.paid(step.trade, now, sign=sign):
                        deliveries += self._turns.enqueued(change)
        return step

    def refund(self, out_trade_no: str, fen: int) -> Trade | None:
        """Refund a trade, and notify the merchant before returning.

        :param out_trade_no: the merchant's number.
        :param fen: how much, in minor units of the trade's currency.
        :returns: the trade after it; ``None`` if that much cannot be refunded.
        """
        number = f"control{secrets.token_hex(8)}"
        with self._turns.begin() as deliveries:
            trade = self.trades.refund(out_trade_no, number, fen, self.clock.now())
            if trade is not None:
                deliveries += self._turns.enqueued(trade)
        return trade

    def deliver_again(self, out_trade_no: str) -> Delivery | None:
        """Send the last notification of a trade again, with the same ID, if there was one."""
        delivery = self.deliverer.latest(out_trade_no)
        if delivery is not None:
            self.deliverer.resend(delivery)
        return delivery

    def advance(self, delta: timedelta) -> None:
        """Advance the time: send due retries, close expired trades."""
        self.clock.advance(delta)
        with self._turns.begin():
            pass  # keeps what time it is
        self.expire()

    def expire(self) -> None:
        """Close the expired trades, and notify the merchant."""
        now = self.clock.now()
        for trade in self.trades.all():
            if trade.overdue(now):
                self.apply_event(trade.order.out_trade_no, TradeEvent.EXPIRE)

    def return_url(self, trade: Trade) -> str:
        """Return the URL with which the buyer returns to the shop: signed if paid, otherwise bare.

        Empty if the merchant gave none.
        """
        url = trade.order.return_url
        if not url or not trade.paid:
            return url
        with self._storage.transaction():  # its notify_id may be verified
            query = self.dialects.return_query(trade, self.clock.now())
        return with_query(url, query)

    def is_unacknowledged(self, number: str) -> bool:
        """Return True if the last notification of an order or batch was not acknowledged."""
        delivery = self.deliverer.latest(number)
        return delivery is not None and not delivery.acknowledged

    def complete_batch(self, batch_id: str, *, confirm: bool) -> Batch | None:
        """Perform or reject the batch of a page, and notify the merchant before returning.

        :param batch_id: from the page's address.
        :returns: the batch as it is then; ``None`` if there is no such page.
        """
        now = self.clock.now()
        end = self.dialects.mapi.confirm if confirm else self.dialects.mapi.refuse
        with self._turns.begin() as deliveries:
            reply = end(batch_id, now)
            if reply is not None:
                deliveries += self._turns.accepted(reply)
        return self.batches.by_id(batch_id)

    def change_transfer(self, out_biz_no: str, event: str) -> Transfer | None:
        """Apply an event of the payee's bank to a transfer, and send the message.

        :returns: the transfer as it is then; ``None`` if that is not possible.
        """
        changed = self.transfers.apply(out_biz_no, event)
        if changed is not None:
            self.messages.announce(transfer_changed(changed, self.clock.now()))
        return changed

    def _resume(self) -> None:
        """Continue the deliveries of an earlier process."""
        events = [when for trade in self.trades.all() for when in trade.event_times]
        for held in self.preauthorizations.all():
            events += held.event_times
        for delivery in self.deliverer.deliveries:
            events += (attempt.sent_at for attempt in delivery.attempts)
        self._offset.not_before(events)
        self.deliverer.resume()
        self._expiry = Expiry(self.clock, self.trades, self._run_out)
        self.preauthorizations.resume()

    def _run_out(self, out_trade_no: str) -> None:
        """Close an expired trade, and notify the merchant without waiting for the response."""
        with self._turns.begin():
            step = self.trades.apply(out_trade_no, None, self.clock.now())
            if step is not None and step.event is not None:
                self._turns.enqueue_later(step.trade)

    def _step(
        self, cashier_id: str, event: str | None, paid_with: str = "", *, sign: bool = True
    ) -> Trade | None:
        trade = self.trades.by_cashier(cashier_id)
        if trade is None:
            return None
        self.trades.open(trade.order.out_trade_no, self.clock.now())
        step = self.apply_event(trade.order.out_trade_no, event, paid_with, sign=sign)
        return None if step is None else step.trade
