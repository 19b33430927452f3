"""Settle reports about a trade, and send the signals of a committed settlement.

A notification's signature never expires: an attacker could keep one, get a refund, and deliver it
afterwards. An old report of a sale, or one for a payment that is closed or partly refunded,
therefore only starts a query, and the response to the query is settled.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ..exceptions import (
    AppAuthTokenError,
    ConfirmationUnknown,
    GatewayError,
    NotConfirmed,
    QueryRequired,
    TradeNotFound,
)
from ..ledger.callbacks import reject_unfinished, run_coroutine
from ..ledger.updates import is_sale
from ..models import utc_now
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from ..signals import payment_failed, payment_paid, payment_refunded
from .trade_updates import PaymentSnapshot
from .verification import read_notification

if TYPE_CHECKING:
    from blinker import NamedSignal

    from ..config import Config
    from ..ledger import Settlement
    from ..merchant import Merchant

#: The longest time for which Alipay retries a notification: eight deliveries within 24 h 24 min.
LAST_RETRY: Final = timedelta(hours=25)

logger = logging.getLogger("flask_alipay")

_SIGNALS: Final = {"paid": payment_paid, "failed": payment_failed, "refunded": payment_refunded}


def settle_notification(
    merchant: Merchant, params: Mapping[str, str]
) -> Iterator[tuple[Notification, Settlement]]:
    """Settle a verified notification, if it is about this merchant's account: see
    :func:`.verification.read_notification` and :func:`settle_report`.

    :param params: the result of :func:`.verification.verify_notification`; with
        ``notify_verify``, confirmed.
    :raises BadNotification: if the parameters do not describe a trade.
    :raises WrongAccount: if it is about another account.
    """
    return settle_report(merchant, read_notification(merchant.config, params))


def settle_report(
    merchant: Merchant, report: Notification
) -> Iterator[tuple[Notification, Settlement]]:
    """Settle a verified report about this merchant's payment.

    No transaction is open, and no row locked, while Alipay is queried.

    :returns: each settled report with its settlement, after the commit: the report or, if Alipay
        had to be queried first, its response and then the report, for the journal and for refunds
        that it states.
    :raises NotConfirmed: if Alipay has no trade for a report that needs a query.
    :raises ConfirmationUnknown: if Alipay does not respond to that query, or its response does not
        state yet whether the buyer has paid.
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
        return  # Alipay's response contradicts the report: there is no sale, or no longer
    yield report, settlement


def with_query_rule(config: Config, report: Notification) -> Notification:
    """Return a report with the rule for which payments Alipay has to be queried first."""
    if config.sale_queries == "never":
        return report
    always = config.sale_queries == "always" or is_old(report)
    return report.with_query_rule("always" if always else "closed")


def is_old(report: Notification) -> bool:
    """Return whether Alipay would no longer deliver a report; one without a time counts as old."""
    return report.notify_time is None or utc_now() - report.notify_time > LAST_RETRY


def current_report(merchant: Merchant, report: Notification) -> Notification:
    """Query the current state of a report's trade at Alipay.

    :raises NotConfirmed: if Alipay has no such trade.
    :raises ConfirmationUnknown: if Alipay does not respond, or the trade is neither paid nor
        closed: then the report is newer than the response, and Alipay retries it. Also, without a
        query, if the payment was queried too often recently, or its merchant has no token.
    """
    payment = merchant.ledger().find(report.out_trade_no)
    if payment is None:  # deleted since the ledger saw it
        raise ConfirmationUnknown("the payment was deleted meanwhile", **_numbers(report))
    try:
        gateway = merchant.gateway_for(payment)
    except AppAuthTokenError as error:
        merchant.session.rollback()
        raise ConfirmationUnknown(f"trade.query: {error}", **_numbers(report)) from None
    snapshot = PaymentSnapshot.of(payment, merchant.config.merchant, gateway)
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
    # The report proves that the trade was paid: if it is closed now, it was refunded.
    refunded = not is_sale(response) and report.trade_no == response.trade_no
    return replace(response, is_refund=True) if refunded else response


def _numbers(report: Notification) -> dict[str, str | None]:
    return {"out_trade_no": report.out_trade_no, "notify_id": report.notify_id}


def send_settlement_signals(merchant: Merchant, settlement: Settlement) -> None:
    """Send the signals of a settlement.

    :param merchant: the merchant of the current app.
    :param settlement: a committed settlement.
    """
    for event in settlement.events:
        signal = _SIGNALS.get(event)
        if signal is not None and signal.receivers:
            send_signal(merchant, signal, payment=settlement.payment)


def send_signal(merchant: Merchant, signal: NamedSignal, **values: object) -> None:
    """Send a signal to its receivers; log their exceptions, since the transaction is committed."""
    if not signal.receivers:
        return
    app = merchant.app
    for receiver in signal.receivers_for(app):
        try:
            result = receiver(app, alipay=merchant.blueprint, **values)
            if inspect.iscoroutine(result):
                run_coroutine(result)
            else:
                reject_unfinished(result)
        except Exception:
            logger.exception("a receiver of the signal %s raised", signal.name)
