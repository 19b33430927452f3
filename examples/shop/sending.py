"""Ship a paid order; in escrow, confirm the shipment at Alipay."""

from __future__ import annotations

from flask_alipay import TradeStatus

from . import orders
from .models import Order, db
from .paying import alipay


class RefundedOrder(Exception):
    """The order was refunded, in full or in part, and must not be shipped."""


def send(order: Order, carrier: str, parcel: str = "") -> None:
    """Record that an order was shipped.

    For escrow, Alipay is notified first, because the buyer can confirm only then. If the process
    dies in between, a second call completes the rest.

    :param order: a paid order.
    :param carrier: the carrier's name.
    :param parcel: the carrier's tracking number.
    :raises RefundedOrder: if the order was refunded, in full or in part.
    :raises AlipayError: if Alipay rejects the confirmation; the order is unchanged.
    """
    payment = order.sale
    if payment is not None and payment.refunded_fen:
        raise RefundedOrder(f"{order.number} was refunded.")
    if order.escrow and payment.trade_status != TradeStatus.WAIT_BUYER_CONFIRM_GOODS:
        alipay.gateway.send_goods_confirm_by_platform(
            trade_no=payment.trade_no,
            logistics_name=carrier,
            invoice_no=parcel or None,
            transport_type="EXPRESS",
        )
    orders.mark_sent(order)
    db.session.commit()
