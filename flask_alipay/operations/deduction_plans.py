"""Deductions that a person requests: the payment is found by its number, continued, or new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import InvalidAmount, InvalidParameter
from ..ledger.grant_history import payments_of
from ..protocol.conversion import format_amount
from ..protocol.trade_status import TradeStatus
from .deductions import check_deduction
from .order_number import generate_out_trade_no
from .payments import build_payment

if TYPE_CHECKING:
    from ..merchant import Merchant


def plan_deduction(
    merchant: Merchant,
    agreement: Any,
    *,
    total_fen: int | None,
    subject: str | None,
    out_trade_no: str | None,
) -> Any:
    """Return the payment to charge under an agreement; nothing is stored.

    :param agreement: one of this merchant's.
    :param total_fen: by default the maximum of a deduction.
    :param subject: by default that of the agreement's last payment.
    :param out_trade_no: the number of a payment, recorded or new; by default that of the deduction
        without a result if there is one, otherwise a new number.
    :returns: the recorded payment with the number, or a new one that is not in the session.
    :raises InvalidAmount: if the amount is missing, or another than the recorded payment's.
    :raises InvalidParameter: if the payment with the number cannot be charged, or a subject is
        missing.
    :raises DeductionFailed: one of its subclasses, if a new payment cannot be charged now.
    """
    number = out_trade_no or agreement.charge_no
    payment = None if number is None else merchant.ledger().find(number)
    if payment is not None:
        _check_recorded(agreement, payment, total_fen)
        return payment
    fen = agreement.single_fen if total_fen is None else total_fen
    if fen is None:
        raise InvalidAmount("amount", "is required: the agreement has no maximum of a deduction")
    days = merchant.config.deduction_window_days
    check_deduction(agreement, fen, merchant.clock(), days)
    subject = subject or last_subject(merchant, agreement)
    if not subject:
        raise InvalidParameter("subject", "is required: the agreement has no earlier payment")
    given = agreement.auth_app_id
    return build_payment(
        merchant.models.Payment,
        merchant.config,
        subject=subject,
        total_amount=format_amount(fen),
        out_trade_no=number or generate_out_trade_no(),
        product=None,
        currency="CNY",
        details={} if given is None else {"auth_app_id": given},
        has_token_loader=merchant.has_token_loader,
    )


def last_subject(merchant: Merchant, agreement: Any) -> str:
    """Return the subject of an agreement's last payment; empty if it has none."""
    model, account = merchant.models.Payment, merchant.config.merchant
    number = agreement.external_agreement_no
    payments = payments_of(merchant.session, model, account, external_agreement_no=number)
    return str(payments[-1].subject) if payments else ""


def _check_recorded(agreement: Any, payment: Any, total_fen: int | None) -> None:
    own = payment.external_agreement_no == agreement.external_agreement_no
    if not own and (payment.external_agreement_no is not None or payment.paid):
        raise InvalidParameter("out_trade_no", "is the number of another payment")
    if total_fen not in (None, payment.total_fen):
        recorded = format_amount(payment.total_fen)
        raise InvalidAmount("amount", f"must be {recorded}, as the payment was recorded")
    if payment.trade_status == TradeStatus.TRADE_CLOSED and not payment.paid:
        raise InvalidParameter("out_trade_no", "names a deduction that failed: use a new number")
