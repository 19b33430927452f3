"""Payments that the buyer has granted before: captures, and deductions under agreements.

The payment is recorded and committed, with its reservation, before Alipay is called; whatever
happens in between, the same number is submitted again, which pays at most once. It fails only by a
signed rejection and a signed response that there is no such trade, or that it is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from ..gateways.interface import (
    ClosedTrade,
    GrantedPaymentRequest,
    RejectionInDoubt,
    in_doubt,
)
from ..ledger.transfer_updates import Submission, in_utc
from ..models import utc_now
from ..protocol.trade_status import TradeStatus
from .queries import (
    TradeState,
    apply_update,
    check_not_in_flight,
    query_and_record,
    require_support,
)
from .settlement import send_settlement_signals
from .trade_params import notify_url_outside_requests, order_params
from .trade_updates import IN_FLIGHT, PaymentSnapshot, closed_update

if TYPE_CHECKING:
    from ..ledger import Settlement
    from ..merchant import Merchant

#: A payment that Alipay does not know is submitted again up to this age, and has failed later.
RESUBMITTED_FOR: Final = timedelta(days=7)

_PAY, _QUERY = "alipay.trade.pay", "alipay.trade.query"
_NOT_THERE: Final = "ACQ.TRADE_NOT_EXIST"


@dataclass(frozen=True)
class GrantedResult:
    """The result of a submitted payment."""

    #: The application's payment, as the ledger has it now; not paid yet if Alipay collects the
    #: amount later.
    payment: Any
    #: Alipay's rejection, if the payment has failed: it is closed in the ledger then.
    rejection: GatewayError | None = None


def pay_by_grant(
    merchant: Merchant, payment: Any, grant: Mapping[str, Any], *, new: bool = False
) -> GrantedResult:
    """Submit a recorded payment, and settle the result; query it first if it was submitted before.

    The session is committed.

    :param payment: the application's object, stored, with ``sent_at``: the time of the last
        request, or of the one that begins now.
    :param grant: the fields of ``alipay.trade.pay`` that name the grant: ``auth_no`` or
        ``agreement_params``, and ``product_code``. They take precedence over the payment's details.
    :param new: ``True`` if the caller has just recorded it with ``sent_at``, in a transaction that
        is committed: no other worker has submitted it.
    :returns: the result; a payment that is paid or closed already is not submitted.
    :raises OutcomeUnknown: if the result is unknown. Repeat the call, or run ``reconcile``.
    :raises InvalidParameter: names the invalid parameter. If the payment is new, nothing was
        submitted, and it has failed: it is closed in the ledger.
    :raises NotificationRefused: if the ledger rejects the result, or a callback raised.
    """
    require_support(merchant, "submit_granted_payment")
    number, created_at = payment.out_trade_no, payment.created_at
    if payment.paid or payment.trade_status == TradeStatus.TRADE_CLOSED:
        return GrantedResult(payment)
    params = _params(merchant, payment, grant)
    submission = Submission(None, in_utc(payment.sent_at))
    snapshot = PaymentSnapshot.of(payment, merchant.config.merchant, merchant.gateway_for(payment))
    merchant.session.commit()
    if not new:
        state = _query(merchant, snapshot)
        if state.trade_status is not None:
            return GrantedResult(apply_update(merchant, snapshot, state.report, queried=state))
        if utc_now() - created_at > RESUBMITTED_FOR:
            check_not_in_flight(snapshot)
            # Alipay has signed that there is no such trade, and nobody submits it any more.
            closed = ClosedTrade({"method": _QUERY, "sub_code": _NOT_THERE})
            return GrantedResult(_settle_failure(merchant, snapshot, closed, submission))
        marked = merchant.submissions().mark_submitted(number)
        if marked is None:
            return GrantedResult(merchant.ledger().find(number))
        submission = marked
    return _submit(merchant, snapshot, params, submission)


def _query(merchant: Merchant, snapshot: PaymentSnapshot) -> TradeState:
    try:
        return query_and_record(merchant, snapshot)
    except OutcomeUnknown:
        raise
    except GatewayError as error:  # it says nothing about the payment
        raise in_doubt(error) from None


def _params(merchant: Merchant, payment: Any, grant: Mapping[str, Any]) -> Mapping[str, Any]:
    notify_url = notify_url_outside_requests(merchant)
    params = {**order_params(payment), "notify_url": notify_url, **grant}
    return {name: value for name, value in params.items() if value is not None}


def _submit(
    merchant: Merchant,
    snapshot: PaymentSnapshot,
    params: Mapping[str, Any],
    submission: Submission,
) -> GrantedResult:
    before = submission.before
    undecided = before is not None and utc_now() - before < IN_FLIGHT
    request = GrantedPaymentRequest(snapshot.out_trade_no, snapshot.total_fen, params, undecided)
    try:
        result = snapshot.gateway.submit_granted_payment(request)
    except InvalidParameter:
        if before is None:  # nothing was ever submitted
            closed = ClosedTrade({"method": _PAY, "sub_code": "NOT_SUBMITTED"})
            _settle_failure(merchant, snapshot, closed, submission)
        raise
    except RejectionInDoubt:
        # Alipay has answered this request: only an earlier one may still be on its way.
        merchant.submissions().unmark_submitted(snapshot.out_trade_no, submission)
        raise
    if result.closed is not None:
        payment = _settle_failure(merchant, snapshot, result.closed, submission)
    else:
        payment = apply_update(merchant, snapshot, result.report)
    paid = payment is not None and payment.paid
    return GrantedResult(payment, None if paid else result.rejection)


def _settle_failure(
    merchant: Merchant, snapshot: PaymentSnapshot, closed: ClosedTrade, submission: Submission
) -> Any:
    report = closed_update(snapshot, closed)
    settlement: Settlement = merchant.submissions().settle_failure(report, submission)
    send_settlement_signals(merchant, settlement)
    return settlement.payment
