"""Verify notifications, settle reports about a trade, and send the signals of a settlement.

A notification's signature never expires: an attacker could keep one, get a refund, and deliver it
afterwards. An old report of a sale, or one for a payment that is closed or partly refunded,
therefore only starts a query, and the response to the query is settled.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from ..exceptions import (
    AppAuthTokenError,
    ConfirmationUnknown,
    GatewayError,
    NotConfirmed,
    OutcomeUnknown,
    QueryRequired,
    TradeNotFound,
    WrongAccount,
)
from ..ledger.callbacks import reject_unfinished, run_coroutine
from ..ledger.updates import is_sale
from ..models import utc_now
from ..protocol.notification import Notification, QueryRule, verify_form
from ..protocol.trade_status import TradeStatus
from ..signals import payment_failed, payment_paid, payment_refunded
from .trade_updates import PaymentSnapshot

if TYPE_CHECKING:
    from blinker import NamedSignal

    from ..config import Config
    from ..ledger import Settlement
    from ..merchant import Merchant

#: The longest time for which Alipay retries a notification: eight deliveries within 24 h 24 min.
LAST_RETRY: Final = timedelta(hours=25)

logger = logging.getLogger("flask_alipay")

_QUERY_RULES: Final[Mapping[str, QueryRule]] = {"never": "never", "always": "always"}

_SIGNALS: Final = {"paid": payment_paid, "failed": payment_failed, "refunded": payment_refunded}


class Received(NamedTuple):
    """A verified notification."""

    #: The parameters that Alipay's signature covers, and the signature.
    params: dict[str, str]
    #: The result of :func:`settle_report`; ``None`` if it is not about a single trade.
    settled: Iterable[tuple[Notification, Settlement]] | None


def verify_notification(config: Config, body: bytes) -> dict[str, str]:
    """Return the parameters that Alipay's signature covers, and the signature.

    :raises BadNotification: if it cannot be read.
    :raises BadSignature: if it is not signed, or not by the configured key.
    """
    if config.protocol == "mapi":
        from ..protocol.wap_notification import is_wap_notification, verify_wap, wap_signer

        if is_wap_notification(body):
            return verify_wap(body, wap_signer(config.signer), config.charset)
    return verify_form(body, config.signer, config.charset).signed


def confirm_notify_id(config: Config, notify_id: str | None) -> None:
    """Confirm with Alipay that it sent a notification: the second check, after the signature.

    :raises NotConfirmed: if Alipay did not send it.
    :raises ConfirmationUnknown: if Alipay does not respond in time.
    """
    from ..gateways.mapi import MapiGateway  # already imported on the legacy gateway

    if not notify_id:
        raise NotConfirmed("it has no notify_id to confirm")
    assert isinstance(config.gateway, MapiGateway)  # noqa: S101 - the open platform has none
    try:
        confirmed = config.gateway.notify_verify(notify_id)
    except OutcomeUnknown as error:
        raise ConfirmationUnknown(f"notify_verify: {error}", notify_id=notify_id) from None
    if not confirmed:
        raise NotConfirmed("notify_verify did not confirm it", notify_id=notify_id)


def is_for_merchant(config: Config, params: Mapping[str, str], *, confirmed: bool) -> bool:
    """Return whether correctly signed parameters, of a notification or a return, are about this
    merchant.

    :param confirmed: whether ``notify_verify`` has confirmed them.
    """
    seller_id, seller_email = params.get("seller_id"), params.get("seller_email")
    if config.protocol == "openapi":
        is_seller = not (config.seller_id and seller_id) or seller_id == config.seller_id
        return params.get("app_id") == config.merchant and is_seller
    if not seller_id and not seller_email:
        return confirmed or config.signer.sign_type == "MD5"
    if seller_id in (config.merchant, config.seller_id) and seller_id:
        return True
    # The e-mail address identifies the seller only if no account number is configured.
    expected = config.seller_email if config.seller_id is None else None
    return bool(expected and seller_email) and str(expected).lower() == str(seller_email).lower()


def read_notification(config: Config, params: Mapping[str, str]) -> Notification:
    """Return a verified notification with types, if it is about this merchant's account.

    On the open platform it must name the merchant's application. The legacy gateway's RSA key signs
    for all merchants: the notification must name the merchant as the seller or, if it names none
    (cross-border ones do not), the MD5 key or ``notify_verify`` must have proven the merchant.

    :param params: the result of :func:`verify_notification`; with ``notify_verify``, confirmed.
    :raises BadNotification: if the parameters do not describe a trade.
    :raises WrongAccount: if it is about another account.
    """
    notification = Notification.from_params(params, config.protocol, query_rule(config))
    if not is_for_merchant(config, params, confirmed=config.notify_verify):
        raise WrongAccount(
            "it is about another merchant's account",
            out_trade_no=notification.out_trade_no,
            notify_id=notification.notify_id,
        )
    return notification


def receive_notification(merchant: Merchant, body: bytes) -> Received:
    """Verify a notification and, if it is about a trade, settle it: see :func:`settle_report`.

    :param body: the received form.
    :raises BadNotification: if it cannot be read, or does not describe a trade.
    :raises BadSignature: if it is not signed, or not by the configured key.
    :raises NotConfirmed: if Alipay did not send it.
    :raises ConfirmationUnknown: if Alipay does not respond in time.
    :raises WrongAccount: if it is about another account.
    """
    config = merchant.config
    params = verify_notification(config, body)
    if config.notify_verify:
        confirm_notify_id(config, params.get("notify_id"))
    if "trade_status" not in params:
        return Received(params, None)
    return Received(params, settle_report(merchant, read_notification(config, params)))


def settle_report(
    merchant: Merchant, report: Notification
) -> Iterable[tuple[Notification, Settlement]]:
    """Settle a verified report about this merchant's payment, and send the signals.

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
        return _settle_after_query(merchant, report)
    send_settlement_signals(merchant, settlement)
    return ((report, settlement),)


def _settle_after_query(
    merchant: Merchant, report: Notification
) -> Iterator[tuple[Notification, Settlement]]:
    """Settle Alipay's current response, then the report; yield each after its commit."""
    response = current_report(merchant, report)
    settlement = merchant.ledger().settle(response)
    send_settlement_signals(merchant, settlement)
    yield response, settlement
    try:
        settlement = merchant.ledger().settle(report.with_query_rule("always"))
    except QueryRequired:
        return  # Alipay's response contradicts the report: there is no sale, or no longer
    send_settlement_signals(merchant, settlement)
    yield report, settlement


def query_rule(config: Config) -> QueryRule:
    """Return the configured rule for which payments Alipay has to be queried first."""
    return _QUERY_RULES.get(config.sale_queries, "closed")


def with_query_rule(config: Config, report: Notification) -> Notification:
    """Return a report with the rule for which payments Alipay has to be queried first."""
    rule = query_rule(config)
    if rule == "closed" and is_old(report):
        rule = "always"
    return report if report.query_first == rule else report.with_query_rule(rule)


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
