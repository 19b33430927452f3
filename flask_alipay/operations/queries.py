"""Query, close or cancel a payment at Alipay, and update the ledger.

Every response that proves something is a report for :meth:`Ledger.settle`, like a notification:
whichever arrives first settles the payment, and callbacks run once. The session is committed before
the call, so that no transaction waits for Alipay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..exceptions import (
    ConfigurationError,
    GatewayError,
    OutcomeUnknown,
    PaymentMismatch,
    TradeNotFound,
)
from ..gateways.interface import ClosedTrade
from ..ledger.annotations import NO_RESPONSE, NO_TRADE, record_query
from ..ledger.updates import check_match, next_state
from ..models import utc_now
from ..protocol.notification import Notification
from ..protocol.trade_status import TradeStatus
from .settlement import send_settlement_signals
from .trade_updates import PaymentSnapshot, closed_update

if TYPE_CHECKING:
    from ..merchant import Merchant


class QueryResult(NamedTuple):
    """The result of a query or close: the payment, and the status that Alipay reported."""

    #: The application's object, as the ledger has it now.
    payment: Any
    #: Alipay's status of the trade; ``None`` if Alipay has no such trade.
    trade_status: str | None


class TradeState(NamedTuple):
    """The state of a trade at Alipay."""

    #: The report for the ledger; ``None`` if there is nothing to settle.
    report: Notification | None
    #: Alipay's status of the trade; ``None`` if Alipay has no such trade.
    trade_status: str | None

    @classmethod
    def of(cls, report: Notification) -> TradeState:
        """Return the state of a trade that Alipay has."""
        return cls(report, report.trade_status)


def query(merchant: Merchant, payment: Any, *, within: float | None = None) -> QueryResult:
    """See :meth:`~flask_alipay.AlipayBlueprint.query`.

    :param within: the time for the request and its response, in seconds, instead of the configured
        timeouts.
    """
    snapshot = snapshot_and_commit(merchant, payment)
    if within is not None:
        snapshot = replace(snapshot, gateway=snapshot.gateway.within(within))
    state = query_and_record(merchant, snapshot)
    payment = apply_update(merchant, snapshot, state.report, queried=state)
    return QueryResult(payment, state.trade_status)


def close(merchant: Merchant, payment: Any) -> QueryResult:
    """See :meth:`~flask_alipay.AlipayBlueprint.close`."""
    snapshot = snapshot_and_commit(merchant, payment)
    return _apply(merchant, snapshot, _close_trade(snapshot))


def cancel(merchant: Merchant, payment: Any) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.cancel`."""
    require_support(merchant, "cancel_payment")
    snapshot = snapshot_and_commit(merchant, payment)
    return apply_update(merchant, snapshot, _cancel_trade(merchant, snapshot).report)


def require_support(merchant: Merchant, operation: str) -> None:
    """Check that the protocol has an operation.

    :param operation: the name of the gateway's method.
    :raises ConfigurationError: otherwise; names the setting that selects the protocol.
    """
    reason = merchant.gateway.unsupported.get(operation)
    if reason is not None:
        raise ConfigurationError(reason, f"{merchant.config.prefix}_PROTOCOL")


def snapshot_and_commit(merchant: Merchant, payment: Any) -> PaymentSnapshot:
    """Read the values of a payment that the call needs, and commit the session.

    :raises InvalidParameter: if the payment belongs to another merchant.
    """
    session = merchant.session
    session.flush()  # a new payment gets its times
    snapshot = PaymentSnapshot.of(payment, merchant.config.merchant, merchant.gateway_for(payment))
    session.commit()
    return snapshot


def query_trade(snapshot: PaymentSnapshot) -> TradeState:
    """Query the trade of a payment.

    A trade that Alipay does not have may still begin, unless the payment has expired: then the
    report is that it is closed.

    :raises GatewayError: if Alipay rejects the query for another reason.
    :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
    """
    try:
        return TradeState.of(snapshot.gateway.query_payment(snapshot.out_trade_no))
    except TradeNotFound as error:
        return _no_trade(snapshot, error) if snapshot.expired else TradeState(None, None)


def query_and_record(merchant: Merchant, snapshot: PaymentSnapshot) -> TradeState:
    """Query the trade of a payment as :func:`query_trade` does, and record a failure.

    A response is recorded by :func:`apply_update`.
    """
    try:
        return query_trade(snapshot)
    except GatewayError as error:
        code = error.sub_code or error.code or NO_RESPONSE
        _record(merchant, snapshot, NO_RESPONSE if isinstance(error, OutcomeUnknown) else code)
        raise


def close_expired(snapshot: PaymentSnapshot, state: TradeState) -> TradeState:
    """Close a trade that is not paid and whose payment has expired.

    :param state: the result of the query.
    :return: the state after the close; ``state`` if there was nothing to close.
    """
    unpaid = state.trade_status == TradeStatus.WAIT_BUYER_PAY
    return _close_trade(snapshot) if unpaid and snapshot.expired else state


def apply_update(
    merchant: Merchant,
    snapshot: PaymentSnapshot,
    report: Notification | None,
    *,
    queried: TradeState | None = None,
) -> Any:
    """Settle a report unless the ledger has it already, and return the payment.

    A report that changes nothing is not in the journal; the response to a query is then added to
    the payment's ``query_history``.

    :param queried: the response, if the report comes from a query.
    """
    ledger = merchant.ledger()
    payment = ledger.find(snapshot.out_trade_no)
    if report is None or (payment is not None and not _changes(payment, report)):
        if queried is not None:
            _record(merchant, snapshot, queried.trade_status or NO_TRADE)
            payment = ledger.find(snapshot.out_trade_no)
        return payment
    settlement = ledger.settle(report)
    send_settlement_signals(merchant, settlement)
    return settlement.payment


def _record(merchant: Merchant, snapshot: PaymentSnapshot, result: str) -> None:
    models, account = merchant.models, merchant.config.merchant
    record_query(merchant.session, models, account, snapshot.out_trade_no, result)


def _apply(merchant: Merchant, snapshot: PaymentSnapshot, state: TradeState) -> QueryResult:
    return QueryResult(apply_update(merchant, snapshot, state.report), state.trade_status)


def check_not_in_flight(snapshot: PaymentSnapshot) -> None:
    """Check that no request that creates the trade may still be on its way.

    :raises OutcomeUnknown: otherwise.
    """
    if snapshot.in_flight_until is not None and utc_now() < snapshot.in_flight_until:
        raise OutcomeUnknown("Alipay may still be executing the request", retryable=True)


def _no_trade(snapshot: PaymentSnapshot, error: TradeNotFound) -> TradeState:
    """Return the state of a payment that ends without a trade.

    :raises OutcomeUnknown: if a request that creates the trade may still be on its way.
    """
    check_not_in_flight(snapshot)
    return TradeState(closed_update(snapshot, ClosedTrade(error.params)), None)


def _close_trade(snapshot: PaymentSnapshot) -> TradeState:
    try:
        closed = snapshot.gateway.close_payment(snapshot.out_trade_no)
    except OutcomeUnknown:
        raise
    except TradeNotFound as error:
        return _no_trade(snapshot, error)
    except GatewayError as error:
        return _current_state(snapshot, error)
    if closed is None:
        return _current_state(snapshot, None)
    return TradeState.of(closed_update(snapshot, closed))


def _current_state(snapshot: PaymentSnapshot, rejection: GatewayError | None) -> TradeState:
    """Query a trade that should be closed: it may be paid, or have been closed before.

    :param rejection: Alipay's rejection of the close, to raise if the trade is still unpaid.
    """
    try:
        state = TradeState.of(snapshot.gateway.query_payment(snapshot.out_trade_no))
    except TradeNotFound as error:
        return _no_trade(snapshot, error)
    if state.trade_status in (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING):
        raise rejection or OutcomeUnknown("Alipay has not closed the trade yet", retryable=True)
    return state


def _cancel_trade(merchant: Merchant, snapshot: PaymentSnapshot) -> TradeState:
    try:
        closed = snapshot.gateway.cancel_payment(snapshot.out_trade_no)
    except OutcomeUnknown:
        raise
    except TradeNotFound as error:
        return _no_trade(snapshot, error)
    except GatewayError as error:
        if error.signed:  # it may be paid: update the ledger
            apply_update(merchant, snapshot, query_trade(snapshot).report)
        raise
    if closed is None:  # there was nothing to cancel
        return _current_state(snapshot, None)
    return TradeState.of(closed_update(snapshot, closed))


def _changes(payment: Any, report: Notification) -> bool:
    """Return whether a report changes a payment, or contradicts it."""
    try:
        check_match(payment, report)
        return bool(next_state(payment, report)[1])
    except PaymentMismatch:
        return True
