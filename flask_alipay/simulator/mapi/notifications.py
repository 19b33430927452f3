"""Notifications of trades and batches, and the buyer's return."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ...protocol.conversion import format_amount, format_china_time
from ...protocol.trade_status import TradeStatus
from ..replies import PendingNotification
from ..trades.batches import Batch
from ..trades.exchange_rates import format_units
from ..trades.orders import TradeEvent
from ..trades.trades import Trade
from .batch_notifications import NOTIFY_TYPES, result
from .call import Context

# Names of the parcel's parameters; a notification repeats them.
_PARCEL = ("logistics_", "receive_")


class NotificationBuilder:
    """Builder of notifications that are signed like the trade's request.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def notice(self, trade: Trade) -> PendingNotification | None:
        """Return the notification of a trade.

        ``None`` without a notify_url; of a trade in a foreign currency Alipay notifies only
        ``TRADE_FINISHED``.
        """
        order = trade.order
        foreign = order.currency != "CNY"
        if not order.notify_url or (foreign and trade.status != TradeStatus.TRADE_FINISHED):
            return None
        return PendingNotification(order.notify_url, self._context.notify_ids.new(), trade)

    def batch_notice(self, batch: Batch) -> tuple[PendingNotification, ...]:
        """Return the notification of a batch, ``None`` without a notify_url."""
        if not batch.notify_url:
            return ()
        return (PendingNotification(batch.notify_url, self._context.notify_ids.new(), batch),)

    def compose(self, notice: PendingNotification, now: datetime) -> bytes:
        """Return the signed body of a notification for the time of an attempt."""
        about = notice.about
        if isinstance(about, Batch):
            fields = _stamp(notice.notify_id, NOTIFY_TYPES[about.kind], now)
            fields |= {"batch_no": about.batch_no, **result(about, self._context.merchant)}
            return self._form(fields, about.sign_type, about.charset)
        if not isinstance(about, Trade):
            raise TypeError("the legacy gateway sends no messages")
        order = about.order
        fields = _stamp(notice.notify_id, "trade_status_sync", now)
        fields |= _foreign(about) if order.currency != "CNY" else self._trade(about)
        return self._form(fields, order.sign_type, order.charset)

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Return the signed query with which the buyer of a paid trade returns to the shop."""
        order = trade.order
        if order.currency != "CNY":
            return self._context.signer.form(_foreign(trade), order.sign_type, order.charset)
        notify_id = self._context.notify_ids.new()
        self._context.notify_ids.record(
            notify_id, now
        )  # a return can be checked like a notification
        fields = {"is_success": "T", **_stamp(notify_id, "trade_status_sync", now)}
        if TradeEvent.DEPOSIT in order.payment_events:
            fields |= self._trade(trade)
        else:
            fields |= {"exterface": order.method, "total_fee": format_amount(order.total_fen)}
            fields |= self._common(trade)
        return self._context.signer.form(fields, order.sign_type, order.charset)

    def _form(self, fields: Mapping[str, str], sign_type: str, charset: str) -> bytes:
        return self._context.signer.form(fields, sign_type, charset).encode("ascii")

    def _trade(self, trade: Trade) -> dict[str, str]:
        order = trade.order
        yuan = format_amount(order.total_fen)
        fields = {
            **self._common(trade),
            "total_fee": yuan,
            "price": order.echo.get("price", yuan),
            "quantity": order.echo.get("quantity", "1"),
            "discount": order.echo.get("discount", "0.00"),
            "is_total_fee_adjust": "N",
            "use_coupon": "N",
            "gmt_create": format_china_time(trade.created_at),
        }
        for name, when in (("gmt_payment", trade.paid_at), ("gmt_close", trade.closed_at)):
            if when is not None:
                fields[name] = format_china_time(when)
        if trade.refunds:
            fields["refund_status"] = "REFUND_SUCCESS"
            fields["gmt_refund"] = format_china_time(trade.refunds[-1].at)
        return fields | (_parcel(trade) if TradeEvent.DEPOSIT in order.payment_events else {})

    def _common(self, trade: Trade) -> dict[str, str]:
        """Return the fields that notifications and returns share."""
        order, merchant = trade.order, self._context.merchant
        return {
            "out_trade_no": order.out_trade_no,
            "trade_no": trade.trade_no,
            "trade_status": trade.status,
            "payment_type": "1",
            "subject": order.subject,
            "body": order.body,
            "extra_common_param": order.echo.get("extra_common_param", ""),
            "seller_id": merchant.partner,
            "seller_email": merchant.seller_email,
            "buyer_id": merchant.buyer_id,
            "buyer_email": merchant.buyer_email,
        }


def closed_unpaid(trade: Trade) -> bool:
    """Return True for a direct payment closed unpaid, which Alipay does not notify by default.

    Source: the tables of statuses of Alipay's help desk (2015, 2016).
    """
    direct = trade.order.protocol == "mapi" and TradeEvent.DEPOSIT not in trade.order.payment_events
    return direct and trade.status == TradeStatus.TRADE_CLOSED and not trade.paid


def _stamp(notify_id: str, notify_type: str, now: datetime) -> dict[str, str]:
    return {
        "notify_id": notify_id,
        "notify_time": format_china_time(now),
        "notify_type": notify_type,
    }


def _foreign(trade: Trade) -> dict[str, str]:
    """Return the fields of a foreign currency, as captured: its amount, no seller, no buyer."""
    order = trade.order
    return {
        "out_trade_no": order.out_trade_no,
        "trade_no": trade.trade_no,
        "trade_status": trade.status,
        "currency": order.currency,
        "total_fee": format_units(order.total_fen, order.currency),
        "rmb_fee": "" if order.rmb_fen is None else format_amount(order.rmb_fen),
    }


def _parcel(trade: Trade) -> dict[str, str]:
    """Return the fields of an escrow trade: parcel, address, and next actions."""
    fields = {name: text for name, text in trade.order.echo.items() if name.startswith(_PARCEL)}
    fields["gmt_logistics_modify"] = format_china_time(trade.sent_at or trade.created_at)
    if trade.sent_at is not None:
        fields["gmt_send_goods"] = format_china_time(trade.sent_at)
    if trade.status == TradeStatus.WAIT_SELLER_SEND_GOODS:
        fields["seller_actions"] = "SEND_GOODS"
    if trade.status == TradeStatus.WAIT_BUYER_CONFIRM_GOODS:
        fields["buyer_actions"] = "CONFIRM_GOODS"
    return fields
