"""A payment's state for its buyer."""

from __future__ import annotations

from typing import Any, Final

from ..ledger.query_schedule import CONFIRMATION_PERIOD, QuerySchedule, may_be_paid
from ..models import utc_now
from ..protocol.trade_status import TradeStatus

_PAYABLE: Final = ("waiting", "confirming", "unconfirmed")


def payment_state(payment: Any) -> str:
    """Return a payment's state for its buyer.

    :returns: ``paid``, ``partly_refunded``, ``refunded`` (in full), ``confirming`` (the buyer has
        returned, and Alipay is being queried), ``failed`` (closed before it expired), ``expired``
        (the time limit is over without a payment), ``unconfirmed`` (the buyer has returned, and the
        queries found no payment) or ``waiting``.
    """
    if payment.paid:
        if not payment.refunded_fen:
            return "paid"
        fully_refunded = payment.refunded_fen >= payment.total_fen
        return "refunded" if fully_refunded else "partly_refunded"
    if may_be_paid(payment) and QuerySchedule.of(payment).is_confirming(utc_now()):
        return "confirming"
    closed = payment.trade_status == TradeStatus.TRADE_CLOSED
    end = payment.closed_at if closed and payment.closed_at else utc_now()
    # Alipay's times are whole seconds.
    if payment.expires_at is not None and payment.expires_at.replace(microsecond=0) <= end:
        return "expired"
    if closed:
        return "failed"
    return "waiting" if payment.returned_at is None else "unconfirmed"


def is_payable(payment: Any) -> bool:
    """Return whether a buyer may be redirected to Alipay, which prevents paying a trade twice, also
    one that the merchant's server submits.
    """
    if is_granted(payment):
        return False
    closed = payment.trade_status == TradeStatus.TRADE_CLOSED
    return payment_state(payment) in _PAYABLE and not closed


def is_granted(payment: Any) -> bool:
    """Return whether a payment is a capture or a deduction: the buyer has granted it before."""
    return payment.out_order_no is not None or payment.deduction_date is not None


def confirming_for(payment: Any) -> int:
    """Return the seconds until the queries after the buyer's return end.

    :param payment: a payment in the state ``confirming``.
    """
    left = payment.returned_at + CONFIRMATION_PERIOD - utc_now()
    return max(1, int(left.total_seconds()) + 1)
