"""Refund a payment: record the refund, commit, and only then submit it to Alipay.

The row has the number by which Alipay knows the refund. Whatever happens in between, a retry with
the same number is the same refund.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.exc import DBAPIError

from ..exceptions import AlipayError, ConfigurationError, InvalidParameter, LedgerUnavailable
from ..gateways.interface import Gateway, RefundReport, RefundRequest, rejection_code
from ..ledger.journal import JournalEntry
from ..ledger.refunds import SUCCESS, RefundLedger
from ..ledger.statements import is_serialization_failure
from ..protocol.batch_notification import RefundResult
from ..protocol.conversion import format_amount, to_minor_units
from ..protocol.signed_request import SignedRequest
from ..protocol.validation import check_out_trade_no, check_text
from .order_number import generate_out_trade_no
from .queries import require_support
from .settlement import send_settlement_signals

if TYPE_CHECKING:
    from ..ledger import Ledger
    from ..merchant import Merchant

# The same number as in the ledger's settlements.
_ATTEMPTS = 3


def refund_request(
    merchant: Merchant,
    payment: Any,
    amount: str | int | Decimal,
    reason: str,
    out_request_no: str | None,
) -> SignedRequest:
    """Record a refund, commit it, and return the request that the merchant confirms in a browser.

    Takes and raises what :meth:`~flask_alipay.AlipayBlueprint.refund_url` does.
    """
    require_support(merchant, "confirm_refund")
    _check_domestic(payment)
    gateway, refunds = merchant.gateway, require_refunds(merchant.ledger())
    request = RefundRequest(
        payment.out_trade_no,
        payment.trade_no,
        out_request_no or generate_out_trade_no(),
        to_minor_units(amount, parameter="amount"),
        reason,
        merchant.notify_url,
    )
    # Signed before anything is recorded: an invalid parameter is rejected here.
    signed = gateway.confirm_refund(request)
    refunds.open(
        request.out_trade_no,
        request.refund_fen,
        request.out_request_no,
        reason,
        gateway.pending_refund_ttl,
    )
    merchant.session.commit()
    return merchant.route_to_simulator(signed)


def refund(
    merchant: Merchant,
    payment: Any,
    amount: str | int | Decimal,
    reason: str | None,
    out_request_no: str | None,
) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.refund`."""
    ledger = merchant.ledger()
    refunds = require_refunds(ledger)
    recorded = _record(merchant, refunds, payment, amount, reason, out_request_no)
    request = recorded.request
    if not recorded.done:
        try:
            submit_refund(merchant, ledger, recorded.gateway, request)
        except AlipayError as error:
            error.out_request_no = request.out_request_no  # the number for a retry
            raise
    return refunds.find(request.out_trade_no, request.out_request_no)


def require_refunds(ledger: Ledger) -> RefundLedger:
    """Return the rows of refunds.

    :raises ConfigurationError: if the application has no class for them.
    """
    refunds = ledger.refunds
    if refunds is None:
        raise ConfigurationError("the blueprint has no class for refunds", "Refund")
    return refunds


def submit_refund(
    merchant: Merchant, ledger: Ledger, gateway: Gateway, request: RefundRequest
) -> None:
    """Submit a recorded refund to Alipay, and record the outcome if the response states it.

    :raises OutcomeUnknown: if no response arrives: the row stays as it is.
    :raises GatewayError: if Alipay rejects the refund; a definite rejection is in the row.
    """
    report = gateway.submit_refund(request)
    if report is None:
        return  # a notification states the outcome
    _record_outcome(merchant, ledger, request, report)
    if report.rejection is not None:
        raise report.rejection from None


def query_refund(
    merchant: Merchant, ledger: Ledger, gateway: Gateway, request: RefundRequest
) -> bool:
    """Query a refund, and record it if it is done.

    :return: ``True`` if the refund is done.
    :raises GatewayError: if Alipay rejects the query.
    :raises OutcomeUnknown: if no response arrives.
    """
    report = gateway.query_refund(request)
    if report is None:
        return False
    _record_outcome(merchant, ledger, request, report)
    return True


class _RecordedRefund(NamedTuple):
    """A refund whose row is committed."""

    request: RefundRequest
    #: The client for calls about the payment.
    gateway: Gateway
    #: ``True`` if the refund is done already.
    done: bool


def _record(
    merchant: Merchant,
    refunds: RefundLedger,
    payment: Any,
    amount: str | int | Decimal,
    reason: str | None,
    out_request_no: str | None,
) -> _RecordedRefund:
    _check_domestic(payment)
    refund_fen = to_minor_units(amount, parameter="amount")
    if out_request_no is not None:
        check_out_trade_no(out_request_no, "out_request_no")
    if reason is not None:
        check_text("reason", reason, max_length=256, charset=merchant.config.charset)
    session = merchant.db.session
    session.flush()  # a new payment gets its times
    if payment.merchant != merchant.config.merchant:
        raise InvalidParameter("payment", "belongs to another merchant")
    gateway = merchant.gateway_for(payment)
    out_trade_no, trade_no = payment.out_trade_no, payment.trade_no
    session.commit()
    ttl = gateway.pending_refund_ttl
    number = out_request_no or refunds.find_pending(out_trade_no, refund_fen, ttl)
    request = RefundRequest(
        out_trade_no,
        trade_no,
        number or generate_out_trade_no(),
        refund_fen,
        reason,
        merchant.notify_url if gateway.notifies_refunds else None,
    )
    gateway.check_refund(request, resumed=out_request_no is None and number is not None)
    row = _commit_row(merchant, refunds, request, ttl)
    request = replace(request, reason=row.reason, repeated=row.known, undecided=not row.new)
    return _RecordedRefund(request, gateway, done=row.status == SUCCESS)


def _check_domestic(payment: Any) -> None:
    """Check that a payment is not a cross-border one.

    :raises InvalidParameter: otherwise; names the service that refunds it.
    """
    if payment.currency != "CNY" or payment.product in ("forex", "forex_wap"):
        raise InvalidParameter(
            "payment", "is a cross-border one: refund it with gateway.forex_refund()"
        )


class _Row(NamedTuple):
    status: str
    reason: str | None
    new: bool
    known: bool


def _commit_row(
    merchant: Merchant, refunds: RefundLedger, request: RefundRequest, ttl: timedelta | None
) -> _Row:
    """Commit the row of a refund and return its state; retry in a new transaction if another worker
    was faster.
    """
    number, refund_no, session = request.out_trade_no, request.out_request_no, merchant.db.session
    for _ in range(_ATTEMPTS):
        session.rollback()  # the payment's lock has to come before any read
        try:
            row, *state = refunds.open(number, request.refund_fen, refund_no, request.reason, ttl)
            opened = _Row(row.status, row.reason, *state)
            session.commit()
        except (InvalidParameter, DBAPIError) as error:
            session.rollback()
            if not is_serialization_failure(error):
                raise
        else:
            return opened
    raise LedgerUnavailable("other workers keep changing the payment", out_trade_no=number)


def _record_outcome(
    merchant: Merchant, ledger: Ledger, request: RefundRequest, report: RefundReport
) -> None:
    rejection, number = report.rejection, request.out_request_no
    code = "SUCCESS" if rejection is None else rejection_code(rejection)
    amount = {"out_request_no": number, "refund_amount": format_amount(request.refund_fen)}
    entry = JournalEntry(
        out_trade_no=request.out_trade_no,
        trade_no=request.trade_no,
        trade_status=SUCCESS if rejection is None else code,
        notify_id=None,
        payload={**report.params, **amount},
    )
    result = RefundResult(request.trade_no or "", request.refund_fen, code)
    send_settlement_signals(merchant, ledger.settle_refund(entry, number, result))
