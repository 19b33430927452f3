"""What happens to an order that was paid: the parcel is sent, and in escrow Alipay is told so."""

from __future__ import annotations

from flask_alipay import TradeStatus

from . import orders
from .models import Order, db
from .paying import alipay


class GivenBack(Exception):
    """Money of the order went back to the buyer; it is not to be sent like any other."""


def send(order: Order, carrier: str, parcel: str = "") -> None:
    """Records that an order is on its way.

    Of one that was paid into escrow Alipay hears first, since the buyer can confirm only then. If
    the shop should die in between, sending it again does the rest.

    :param order: a paid one.
    :param carrier: who carries the parcel.
    :param parcel: the carrier's number of it.
    :raises GivenBack: if money of it was refunded.
    :raises AlipayError: if Alipay does not take it; the order is left as it was.
    """
    payment = order.sale
    if payment is not None and payment.refunded_fen:
        raise GivenBack(f"Money of {order.number} was refunded.")
    if order.escrow and payment.trade_status != TradeStatus.WAIT_BUYER_CONFIRM_GOODS:
        alipay.gateway.send_goods_confirm_by_platform(
            trade_no=payment.trade_no,
            logistics_name=carrier,
            invoice_no=parcel or None,
            transport_type="EXPRESS",
        )
    orders.mark_sent(order)
    db.session.commit()
