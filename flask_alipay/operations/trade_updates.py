"""Values of a payment for a call to the gateway, and reports for the ledger from its response.

A signed response proves as much as a notification, so both go through
:meth:`~flask_alipay.ledger.Ledger.settle`. A response has no ``notify_id``; its ``params`` name the
``method`` or ``service`` that was called, which no notification has.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import InvalidParameter
from ..models import utc_now
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus

if TYPE_CHECKING:
    from ..gateways.interface import ClosedTrade, Gateway

#: The time limit at Alipay of an order without one.
MAX_TRADE_LIFETIME: Final = timedelta(days=15)
#: For this long, Alipay may still be executing a request whose response was lost.
IN_FLIGHT: Final = timedelta(minutes=5)
# Allowance for the difference between two machines' clocks.
_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class PaymentSnapshot:
    """The values of a payment that a call to the gateway needs: no row is read, or locked, during
    the call.
    """

    out_trade_no: str
    total_fen: int
    currency: str
    #: The time until which it can be paid.
    ends_at: datetime
    #: The client of the gateway, with the token of the payment's merchant.
    gateway: Gateway = field(repr=False, compare=False)
    #: The time until which a request of the merchant's server may still create the trade.
    in_flight_until: datetime | None = None

    @classmethod
    def of(cls, payment: Any, merchant: str, gateway: Gateway) -> PaymentSnapshot:
        """Read a payment.

        :param payment: the application's object.
        :param merchant: the ``app_id`` or ``partner`` of this merchant.
        :param gateway: the client for calls about the payment.
        :raises InvalidParameter: if the payment belongs to another merchant.
        """
        if payment.merchant != merchant:
            raise InvalidParameter("payment", "belongs to another merchant")
        ends_at = payment.expires_at or payment.created_at + MAX_TRADE_LIFETIME
        currency = payment.currency or "CNY"
        snapshot = cls(payment.out_trade_no, payment.total_fen, currency, ends_at, gateway)
        granted = payment.out_order_no is not None or payment.deduction_date is not None
        if granted and payment.sent_at is not None:
            snapshot = replace(snapshot, in_flight_until=payment.sent_at + IN_FLIGHT)
        return snapshot

    @property
    def expired(self) -> bool:
        """``True`` if it can no longer be paid, also by a clock that is behind."""
        return self.ends_at + _SKEW < utc_now()


def closed_update(snapshot: PaymentSnapshot, closed: ClosedTrade) -> Notification:
    """Return the report that a payment is closed: unpaid, or refunded in full.

    :param closed: the response that proves it.
    """
    return Notification(
        out_trade_no=snapshot.out_trade_no,
        trade_status=TradeStatus.TRADE_CLOSED,
        total_fen=snapshot.total_fen,
        currency=snapshot.currency,
        trade_no=closed.trade_no,
        refunded_fen=snapshot.total_fen if closed.refunded else None,
        is_refund=closed.refunded,
        unpaid=not closed.refunded,
        params=closed.params,
    )
