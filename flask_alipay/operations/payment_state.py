"""How a payment stands, in one word for buyers."""

from __future__ import annotations

from typing import Any

from ..models import utc_now
from ..protocol.trade_status import TradeStatus


def payment_state(payment: Any) -> str:
    """Says how a payment stands, in one word for buyers.

    :returns: ``paid``, ``refunded`` (all of it), ``failed`` (closed early), ``expired`` (its time
        is over, and no money has been heard of) or ``waiting``.
    """
    if payment.paid:
        return "refunded" if payment.refunded_fen >= payment.total_fen else "paid"
    closed = payment.trade_status == TradeStatus.TRADE_CLOSED
    moment = payment.closed_at if closed and payment.closed_at else utc_now()
    # Alipay's times are whole seconds.
    if payment.expires_at is not None and payment.expires_at.replace(microsecond=0) <= moment:
        return "expired"
    return "failed" if closed else "waiting"
