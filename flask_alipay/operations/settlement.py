"""Settle verified reports about a trade; query Alipay first where a report alone is not enough.

A notification never expires: a buyer who got hold of one could keep it, have the money refunded,
and deliver it afterwards. So an old report of a sale, or one for a payment that is closed or partly
refunded, only starts a query, and the response to the query is settled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ..exceptions import (
    ConfirmationUnknown,
    GatewayError,
    NotConfirmed,
    QueryRequired,
    TradeNotFound,
)
from ..ledger.updates import is_sale
from ..models import utc_now
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .trade_updates import PaymentSnapshot

if TYPE_CHECKING:
    from ..config import Config
    from ..ledger import Settlement
    from ..merchant import Merchant

#: Alipay delivers a notification for no longer than this: eight times within 24 h 24 min.
LAST_RETRY: Final = timedelta(hours=25)


def settle_report(
    merchant: Merchant, report: Notification
) -> Iterator[tuple[Notification, Settlement]]:
    """Settle a verified report about this merchant's payment.

    No transaction is open, and no row locked, while Alipay is queried.

    :returns: what was settled, each after its commit: the report or, where Alipay had to be queried
        first, its response, and then the report for the journal and for refunds that it states.
    :raises NotConfirmed: if Alipay has no trade for a report that needs a query.
    :raises ConfirmationUnknown: if Alipay does not respond to that query, or does not state yet
        whether the buyer has paid.
    :raises NotificationRefused: as :meth:`~flask_alipay.ledger.Ledger.settle` does.
    """
    report = with_query_rule(merchant.config, report)
    try:
        settlement = merchant.ledger().settle(report)
    except QueryRequired:
        pass
    else:
        yield report, settlement
        return
    response = current_report(merchant, report)
    yield response, merchant.ledger().settle(response)
    try:
        settlement = merchant.ledger().settle(report.with_query_rule("always"))
    except QueryRequired:
        return  # Alipay's response contradicts it: there was no sale, or there is none any more
    yield report, settlement


def with_query_rule(config: Config, report: Notification) -> Notification:
    """Return a report that states which payments it may only move after a query."""
    if config.sale_queries == "never":
        return report
    always = config.sale_queries == "always" or is_old(report)
    return report.with_query_rule("always" if always else "closed")


def is_old(report: Notification) -> bool:
    """Tell whether Alipay would no longer deliver a report; one without a time counts as old."""
    return report.notify_time is None or utc_now() - report.notify_time > LAST_RETRY


def current_report(merchant: Merchant, report: Notification) -> Notification:
    """Query what Alipay has now of the trade of a report.

    :raises NotConfirmed: if Alipay has no such trade.
    :raises ConfirmationUnknown: if it does not respond, or the trade is neither paid nor closed:
        then the report is newer than the response, and comes again. Likewise without a query, if
        the payment was queried too often just now.
    """
    payment = merchant.ledger().find(report.out_trade_no)
    if payment is None:  # deleted since the ledger saw it
        raise ConfirmationUnknown("the payment was deleted meanwhile", **_numbers(report))
    snapshot = PaymentSnapshot.of(payment, merchant.config.merchant, merchant.gateway_for(payment))
    merchant.session.rollback()
    if not merchant.query_limit.admits(report.out_trade_no):
        raise ConfirmationUnknown("the payment was queried too often", **_numbers(report))
    try:
        response = snapshot.gateway.query_payment(snapshot.out_trade_no)
    except TradeNotFound:
        raise NotConfirmed("trade.query: Alipay has no such trade", **_numbers(report)) from None
    except GatewayError as error:
        raise ConfirmationUnknown(f"trade.query: {error}", **_numbers(report)) from None
    if not is_sale(response) and response.trade_status != TradeStatus.TRADE_CLOSED:
        message = f"trade.query: the trade is {response.trade_status}"
        raise ConfirmationUnknown(message, **_numbers(report))
    # The report proves that a trade was paid: if it is closed now, the money has gone back.
    refunded = not is_sale(response) and report.trade_no == response.trade_no
    return replace(response, is_refund=True) if refunded else response


def _numbers(report: Notification) -> dict[str, str | None]:
    return {"out_trade_no": report.out_trade_no, "notify_id": report.notify_id}
