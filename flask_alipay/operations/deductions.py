"""Deductions under agreements: claimed in the ledger, submitted to Alipay, settled as payments.

Everything that the ledger knows is checked before Alipay is called: the agreement's status and end,
its limits, and the days of the deduction. A rejection of Alipay's says what the ledger did not
know; the agreement is then queried.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..exceptions import (
    AgreementEnded,
    AlipayError,
    DeductionFailed,
    DeductionLimitExceeded,
    DeductionNotDue,
    DeductionPending,
    GatewayError,
    InsufficientBalance,
    InvalidParameter,
)
from ..gateways.interface import rejection_code
from ..ledger.agreement_updates import Deduction, PlanState
from ..protocol.agreements import (
    AgreementStatus,
    DeductionWindow,
    china_today,
    deduction_window,
)
from ..protocol.conversion import format_amount
from ..protocol.trade_status import TradeStatus
from .agreements import agreement_gateway, query_agreement
from .granted_payments import pay_by_grant
from .queries import query, snapshot_and_commit

if TYPE_CHECKING:
    from ..ledger.transfer_updates import Submission
    from ..merchant import Merchant

# Sources: the error model of alipay.trade.pay in Alipay's PHP SDK of version 3, and the answers of
# Alipay's help desk about 周期扣款.
_ENDED: Final = frozenset(
    {
        "ACQ.AGREEMENT_NOT_EXIST",
        "ACQ.AGREEMENT_INVALID",
        "ACQ.AGREEMENT_STATUS_NOT_NORMAL",
        "ACQ.AGREEMENT_ERROR",
    }
)
_NOT_DUE: Final = "ACQ.CYCLE_PAY_DATE_NOT_MATCH"
_BALANCE: Final = frozenset(
    {
        "ACQ.BUYER_BALANCE_NOT_ENOUGH",
        "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH",
        "ACQ.NO_PAYMENT_INSTRUMENTS_AVAILABLE",
        "ACQ.ERROR_BALANCE_PAYMENT_DISABLE",
    }
)
_LIMITS: Final = {
    "ACQ.CYCLE_PAY_SINGLE_FEE_EXCEED": "single_amount",
    "ACQ.CYCLE_PAY_TOTAL_FEE_EXCEED": "total_amount",
    "ACQ.CYCLE_PAY_TOTAL_TIMES_EXCEED": "total_payments",
}
# The payer's limits and Alipay's: not today.
_LATER: Final = frozenset(
    {
        "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR",
        "ACQ.PAYMENT_REQUEST_HAS_RISK",
        "ACQ.OVER_MAX_DEDUCT_COUNT",
        "ACQ.OVER_MAX_UNDER_WAY_DEDUCT_COUNT",
        "ACQ.OVER_DEDUCT_PERIOD",
        "ACQ.OVER_MERCHANT_DAILY_DEDUCT_AMOUNT",
    }
)
# Details that make a payment something else than a deduction.
_OTHER_GRANTS: Final = (
    *("auth_no", "auth_confirm_mode", "auth_code", "scene", "agreement_sign_params"),
    *("buyer_id", "buyer_open_id"),
)
_DAY: Final = timedelta(days=1)
_ATTEMPTS: Final = 5


def charge(merchant: Merchant, agreement: Any, payment: Any) -> Any:
    """See :meth:`~flask_alipay.AlipayBlueprint.charge`."""
    agreement_gateway(merchant, agreement)
    _check_payment(agreement, payment)
    snapshot = snapshot_and_commit(merchant, payment)
    if snapshot.expired and payment.deduction_date is None:
        raise InvalidParameter("payment", "can no longer be paid: its time is over")
    number = agreement.external_agreement_no
    new = payment.deduction_date is None and _claim(merchant, number, payment) is not None
    payment = merchant.ledger().find(snapshot.out_trade_no)
    return submit(merchant, number, payment, new=new)


def submit(merchant: Merchant, number: str, payment: Any, *, new: bool = False) -> Any:
    """Submit a claimed deduction, or query it if it was submitted before, and settle the result.

    :param number: the agreement's ``external_agreement_no``.
    :param payment: the application's object, claimed.
    :param new: ``True`` if the caller has just claimed it.
    :returns: the payment, as the ledger has it now.
    :raises DeductionFailed: if it has failed.
    :raises OutcomeUnknown: if the result is unknown.
    :raises NotificationRefused: if the ledger rejects the result, or a callback raised.
    """
    ledger = merchant.agreements()
    agreement = ledger.find_agreement(number)
    if payment.paid:
        return payment
    if agreement is None:  # deleted: the deduction may have been paid before
        return query(merchant, payment).payment
    day = payment.deduction_date
    result = pay_by_grant(merchant, payment, _grant(agreement, payment), new=new)
    if result.rejection is not None:
        _fail(merchant, number, day, result.rejection)
    payment = result.payment
    closed = payment is not None and payment.trade_status == TradeStatus.TRADE_CLOSED
    if closed and not payment.paid:
        raise DeductionFailed("the deduction has failed: the trade is closed")
    return payment


def check_deduction(agreement: Any, total_fen: int, now: Any, days_before: int) -> str:
    """Check a deduction by everything that the ledger knows, and return its day.

    :param agreement: the application's object.
    :param total_fen: the amount in fen.
    :param now: the time by the merchant's clock.
    :param days_before: the number of days before the planned one on which Alipay accepts it.
    :raises DeductionFailed: one of its subclasses, if Alipay would reject it.
    """
    if agreement.status != AgreementStatus.NORMAL:
        raise AgreementEnded(f"the agreement is not in force: its status is {agreement.status}")
    if agreement.valid_until is not None and agreement.valid_until <= now:
        raise AgreementEnded("the agreement has ended: its time is over")
    if agreement.charge_no is not None:
        raise DeductionPending(
            f"the outcome of another deduction is unknown: {agreement.charge_no}",
            out_trade_no=agreement.charge_no,
        )
    _check_limits(agreement, total_fen)
    today = china_today(now)
    if agreement.next_date is None:
        return today.isoformat()
    window = deduction_window(agreement.next_date, days_before, agreement.latest_date)
    if not window.first <= today <= window.last:
        raise DeductionNotDue(
            f"the deduction can be made from {window.first} to {window.last}",
            retry_from=window.first,
            retry_until=window.last,
        )
    return str(agreement.next_date)


def _check_payment(agreement: Any, payment: Any) -> None:
    """Check that a payment may become a deduction of an agreement, or is one.

    :raises InvalidParameter: otherwise.
    """
    if payment.auth_app_id != agreement.auth_app_id:
        raise InvalidParameter("payment", "is another merchant's than the agreement")
    if payment.deduction_date is not None:
        if payment.external_agreement_no != agreement.external_agreement_no:
            raise InvalidParameter("payment", "is a deduction of another agreement")
    elif (
        payment.external_agreement_no is not None
        or payment.out_order_no is not None
        or payment.sent_at is not None
        or payment.paid
        or payment.product is not None
    ):
        raise InvalidParameter(
            "payment", "must be new, without a product, and not sent to Alipay otherwise"
        )
    else:
        _check_details(payment.details or {})
    if payment.trade_status == TradeStatus.TRADE_CLOSED and not payment.paid:
        raise InvalidParameter("payment", "is closed: charge a new one")


def _check_details(details: Mapping[str, Any]) -> None:
    """Check that a payment's details neither name another grant nor change this one.

    :raises InvalidParameter: otherwise.
    """
    params = details.get("agreement_params", {})
    if not isinstance(params, Mapping):
        raise InvalidParameter("agreement_params", "must be a mapping of names to values")
    names = [name for name in _OTHER_GRANTS if name in details]
    if "agreement_no" in params:
        names.append("agreement_params.agreement_no")
    if names:
        raise InvalidParameter(names[0], "is set by this package: remove it")


def _grant(agreement: Any, payment: Any) -> dict[str, Any]:
    """Return the fields of the deduction that name the agreement."""
    further = (payment.details or {}).get("agreement_params", {})
    return {
        "agreement_params": {**further, "agreement_no": agreement.agreement_no},
        "product_code": agreement.product_code,
    }


def _claim(merchant: Merchant, number: str, payment: Any) -> Submission | None:
    """Make a payment the deduction of this period.

    :returns: the mark of the request; ``None`` if another worker has claimed the same payment.
    :raises DeductionFailed: if the deduction cannot be made.
    :raises InvalidParameter: if the payment was used otherwise meanwhile.
    """
    ledger, out_trade_no = merchant.agreements(), payment.out_trade_no
    for _ in range(_ATTEMPTS):
        agreement = ledger.find_agreement(number)
        payment = merchant.ledger().find(out_trade_no)
        if agreement is None or payment is None:
            raise InvalidParameter("agreement", "or the payment was deleted meanwhile")
        _check_payment(agreement, payment)
        if payment.deduction_date is not None:
            merchant.session.rollback()
            return None
        window_days = merchant.config.deduction_window_days
        try:
            day = check_deduction(agreement, payment.total_fen, merchant.clock(), window_days)
            if agreement.next_date is not None and day <= (ledger.last_paid_date(number) or ""):
                raise DeductionNotDue("this period's deduction was made")
        except AlipayError:
            merchant.session.rollback()
            raise
        deduction = Deduction(out_trade_no, day, PlanState.of(agreement), agreement.charged_fen)
        submission = ledger.claim_deduction(number, deduction)
        if submission is not None:
            return submission
    raise DeductionPending("other workers keep changing the agreement", out_trade_no=out_trade_no)


def _check_limits(agreement: Any, total_fen: int) -> None:
    """Check a deduction by the agreement's limits.

    :raises DeductionLimitExceeded: names the limit.
    """
    if agreement.single_fen is not None and total_fen > agreement.single_fen:
        limit = format_amount(agreement.single_fen)
        raise DeductionLimitExceeded(
            f"the amount exceeds {limit} CNY, the maximum of a deduction", limit="single_amount"
        )
    charged = agreement.charged_fen + total_fen
    if agreement.total_fen is not None and charged > agreement.total_fen:
        rest = format_amount(max(0, agreement.total_fen - agreement.charged_fen))
        raise DeductionLimitExceeded(
            f"the amount exceeds the rest of the agreement, {rest} CNY", limit="total_amount"
        )
    number = agreement.total_payments
    if number is not None and agreement.charge_count >= number:
        raise DeductionLimitExceeded(
            f"all {number} deductions of the agreement were made", limit="total_payments"
        )


def _fail(merchant: Merchant, number: str, day: str, rejection: GatewayError) -> NoReturn:
    """Update the agreement after a rejected deduction, and raise the exception for its code.

    :param day: the day of the deduction.
    """
    ledger, code = merchant.agreements(), rejection_code(rejection)
    ledger.record_rejection(number, code)
    agreement = ledger.find_agreement(number)
    if agreement is not None and (code in _ENDED or code == _NOT_DUE):
        with suppress(GatewayError):  # the rejection counts more than a query without a result
            agreement = query_agreement(merchant, agreement)
    raise _exception(merchant, agreement, day, code, rejection) from None


def _exception(
    merchant: Merchant, agreement: Any, day: str, code: str, rejection: GatewayError
) -> DeductionFailed:
    codes: dict[str, Any] = {
        "code": rejection.code,
        "sub_code": rejection.sub_code,
        "sub_msg": rejection.sub_msg,
        "signed": rejection.signed,
    }
    if code in _ENDED and (agreement is None or agreement.status != AgreementStatus.NORMAL):
        return AgreementEnded(f"Alipay has rejected the deduction: {code}", **codes)
    if code in _LIMITS:
        codes["limit"] = _LIMITS[code]
        return DeductionLimitExceeded(f"Alipay has rejected the deduction: {code}", **codes)
    first, last = _retry_days(merchant, agreement, day)
    codes |= {"retry_from": first, "retry_until": last}
    if code == _NOT_DUE:
        return DeductionNotDue(f"Alipay has rejected the deduction: {code}", **codes)
    if code in _BALANCE:
        return InsufficientBalance(f"Alipay has rejected the deduction: {code}", **codes)
    if code not in _LATER:
        codes |= {"retry_from": None, "retry_until": None}
    return DeductionFailed(f"Alipay has rejected the deduction: {code}", **codes)


def _retry_days(merchant: Merchant, agreement: Any, day: str) -> tuple[date | None, date | None]:
    """Return the days from tomorrow on which the deduction may be repeated, if there are any."""
    tomorrow = china_today(merchant.clock()) + _DAY
    if agreement is None or agreement.period_type is None:
        return tomorrow, None
    days_before = merchant.config.deduction_window_days
    planned = agreement.next_date or day
    window = deduction_window(planned, days_before, agreement.latest_date)
    window = DeductionWindow(max(window.first, tomorrow), window.last)
    return (window.first, window.last) if window.first <= window.last else (None, None)
