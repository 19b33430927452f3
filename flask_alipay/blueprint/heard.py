"""What Alipay answers about a payment, as the news that a notification would have brought.

A signed answer proves as much as a notification does, so both go the same way into the ledger. An
answer has no ``notify_id``; in the journal its payload names the ``method`` or ``service`` that was
asked, which no notification has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidParameter, OutcomeUnknown
from ..models import utc_now
from ..notification import Notification
from ..trade_status import TradeStatus

if TYPE_CHECKING:
    from ..config import Gateway
    from ..mapi.trades import TradeQueryAnswer as LegacyAnswer
    from ..openapi.trades import TradeQueryAnswer

#: The longest time that Alipay gives an order which names none itself.
LONGEST = timedelta(days=15)
# Two clocks are never the same.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Asked:
    """What has to be known of a payment while Alipay is asked about it: no row of the database is
    looked at, or held, meanwhile.
    """

    out_trade_no: str
    total_fen: int
    currency: str
    #: When it can no longer be paid.
    ends_at: datetime
    #: The client of the gateway, with the token of the payment's own merchant.
    gateway: Gateway = field(repr=False, compare=False)

    @classmethod
    def of(cls, payment: Any, merchant: str, gateway: Gateway) -> Asked:
        """Reads a payment.

        :param payment: the app's object.
        :param merchant: who asks.
        :param gateway: the client for calls about it.
        :raises InvalidParameter: if it belongs to another merchant.
        """
        if payment.merchant != merchant:
            raise InvalidParameter("payment", "belongs to another merchant")
        ends_at = payment.expires_at or payment.created_at + LONGEST
        currency = payment.currency or "CNY"
        return cls(payment.out_trade_no, payment.total_fen, currency, ends_at, gateway)

    @property
    def expired(self) -> bool:
        """Whether its time is over, on any clock."""
        return self.ends_at + _SKEW < utc_now()


def trade_heard(answer: TradeQueryAnswer) -> Notification:
    """Returns the news in an answer of ``alipay.trade.query``.

    :raises OutcomeUnknown: if its status does not exist on the open platform.
    """
    status = _known(answer.trade_status)
    if status in TradeStatus.ESCROW:
        raise OutcomeUnknown("the gateway responded with a trade_status of the legacy gateway")
    closed = status == TradeStatus.TRADE_CLOSED
    return Notification(
        out_trade_no=answer.out_trade_no,
        trade_status=status,
        total_fen=answer.total_fen,
        currency=answer.currency,
        trade_no=answer.trade_no,
        # The answer says nothing of refunds. A closed trade that was paid is one.
        refund=closed and answer.paid_at is not None,
        buyer_id=answer.buyer_id,
        paid_at=answer.paid_at,
        params=flat("method", "alipay.trade.query", answer.params),
    )


def legacy_trade_heard(answer: LegacyAnswer) -> Notification:
    """Returns the news in an answer of ``single_trade_query``.

    :raises OutcomeUnknown: if its status does not exist.
    """
    refunded = bool(answer.refunded_fen or answer.refunded_at)
    return Notification(
        out_trade_no=answer.out_trade_no,
        trade_status=_known(answer.trade_status),
        total_fen=answer.total_fen,
        currency=answer.currency,
        trade_no=answer.trade_no,
        # How much went back the batches of refunds tell, each by its number: as in a notification.
        refund=refunded or answer.refund_status == "REFUND_SUCCESS",
        seller_id=answer.seller_id,
        buyer_id=answer.buyer_id,
        paid_at=answer.paid_at,
        closed_at=answer.closed_at,
        params=flat("service", "single_trade_query", answer.params),
    )


def closed_unpaid(
    asked: Asked, why: Mapping[str, str], trade_no: str | None = None
) -> Notification:
    """Returns the news that a payment was closed without being paid.

    :param why: for the journal.
    """
    return Notification(
        out_trade_no=asked.out_trade_no,
        trade_status=TradeStatus.TRADE_CLOSED,
        total_fen=asked.total_fen,
        currency=asked.currency,
        trade_no=trade_no,
        unpaid=True,
        params=why,
    )


def taken_back(asked: Asked, why: Mapping[str, str], trade_no: str | None) -> Notification:
    """Returns the news that a payment was taken back after it was paid: all of it is refunded."""
    return Notification(
        out_trade_no=asked.out_trade_no,
        trade_status=TradeStatus.TRADE_CLOSED,
        total_fen=asked.total_fen,
        currency=asked.currency,
        trade_no=trade_no,
        refunded_fen=asked.total_fen,
        refund=True,
        params=why,
    )


def flat(kind: str, name: str, node: Mapping[str, Any]) -> dict[str, str]:
    """Returns an answer as the journal keeps it: text by name, like a notification's fields.

    :param kind: ``method`` or, on the legacy gateway, ``service``.
    :param name: what was asked.
    """
    told = {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        for key, value in node.items()
        if value is not None
    }
    return {**told, kind: name}


def _known(trade_status: str) -> str:
    if trade_status not in TradeStatus.ALL:
        raise OutcomeUnknown("the gateway answered with a trade_status that does not exist")
    return trade_status
