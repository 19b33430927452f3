"""How a payment stands, in one word for buyers."""

from __future__ import annotations

from typing import Any, Final

from ..ledger.query_schedule import CONFIRMATION_PERIOD, QuerySchedule, may_be_paid
from ..models import utc_now
from ..protocol.trade_status import TradeStatus

_PAYABLE: Final = ("waiting", "confirming", "unconfirmed")


def payment_state(payment: Any) -> str:
    """Says how a payment stands, in one word for buyers.

    :returns: ``paid``, ``partly_refunded``, ``refunded`` (all of it), ``confirming`` (the buyer has
        returned from Alipay, which is queried), ``failed`` (closed early), ``expired`` (its time is
        over, and no payment is known), ``unconfirmed`` (the buyer has returned, and the queries
        found no payment) or ``waiting``.
    """
    if payment.paid:
        if not payment.refunded_fen:
            return "paid"
        whole = payment.refunded_fen >= payment.total_fen
        return "refunded" if whole else "partly_refunded"
    if may_be_paid(payment) and QuerySchedule.of(payment).is_confirming(utc_now()):
        return "confirming"
    closed = payment.trade_status == TradeStatus.TRADE_CLOSED
    moment = payment.closed_at if closed and payment.closed_at else utc_now()
    # Alipay's times are whole seconds.
    if payment.expires_at is not None and payment.expires_at.replace(microsecond=0) <= moment:
        return "expired"
    if closed:
        return "failed"
    return "waiting" if payment.returned_at is None else "unconfirmed"


def is_payable(payment: Any) -> bool:
    """Tell whether a buyer may be sent to Alipay; a trade that is paid there is not paid twice."""
    closed = payment.trade_status == TradeStatus.TRADE_CLOSED
    return payment_state(payment) in _PAYABLE and not closed


def confirming_for(payment: Any) -> int:
    """Return in how many seconds the queries after the buyer's return end.

    :param payment: one in the state ``confirming``.
    """
    left = payment.returned_at + CONFIRMATION_PERIOD - utc_now()
    return max(1, int(left.total_seconds()) + 1)
